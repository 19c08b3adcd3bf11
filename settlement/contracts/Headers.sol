// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @title The block header's layout: fixed-size big-endian fields (docs/protocol.md).
library Headers {
    error HeaderLength(uint256 expected, uint256 got);
    error HeaderProtocol(uint256 least, uint256 got);
    error HeaderChainId(uint256 expected, uint256 got);

    uint256 internal constant BYTES = 294;
    uint256 internal constant PROTOCOL_FIRST = 1;

    /// @notice Reverts unless these are the bytes of a header of this chain. Every protocol has this layout: what the committee
    /// goes over to does not end what is settled here.
    function check(bytes calldata header, uint64 chainId) internal pure {
        if (header.length != BYTES) revert HeaderLength(BYTES, header.length);
        uint256 protocol = uint8(header[1]);
        if (protocol < PROTOCOL_FIRST) revert HeaderProtocol(PROTOCOL_FIRST, protocol);
        if (_u64(header, 2) != chainId) revert HeaderChainId(chainId, _u64(header, 2));
    }

    function height(bytes calldata header) internal pure returns (uint64) {
        return _u64(header, 10);
    }

    function epoch(bytes calldata header) internal pure returns (uint64) {
        return _u64(header, 18);
    }

    function view_(bytes calldata header) internal pure returns (uint64) {
        return _u64(header, 26);
    }

    function parent(bytes calldata header) internal pure returns (bytes32) {
        return bytes32(_word(header, 42));
    }

    function timestampMs(bytes calldata header) internal pure returns (uint64) {
        return _u64(header, 78);
    }

    function l1OriginNumber(bytes calldata header) internal pure returns (uint64) {
        return _u64(header, 86);
    }

    /// @notice How many entries of the `ForcedInbox` are ordered, up to and with this block.
    function inboxCursor(bytes calldata header) internal pure returns (uint64) {
        return _u64(header, 126);
    }

    function namespacesRoot(bytes calldata header) internal pure returns (bytes32) {
        return bytes32(_word(header, 166));
    }

    function ledgerRoot(bytes calldata header) internal pure returns (bytes32) {
        return bytes32(_word(header, 198));
    }

    /// @notice The digest of the committee of two epochs on; zero but in an epoch's last header.
    function nextCommittee(bytes calldata header) internal pure returns (bytes32) {
        return bytes32(_word(header, 230));
    }

    function _u64(bytes calldata header, uint256 position) private pure returns (uint64) {
        return uint64(_word(header, position) >> 192);
    }

    // Callers have checked the length, and no field is read beyond it.
    function _word(bytes calldata header, uint256 position) private pure returns (uint256 word) {
        assembly ("memory-safe") {
            word := calldataload(add(header.offset, position))
        }
    }
}
