// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @title What a seat signs when it votes, as commonware's simplex frames it: `uvarint(length) ‖ chain hash ‖ suffix ‖ message`.
library Votes {
    bytes9 internal constant NOTARIZE = "_NOTARIZE";
    bytes9 internal constant FINALIZE = "_FINALIZE";

    /// @notice A vote for a proposal: uvarint(41) ‖ chain hash ‖ suffix ‖ uvarints of epoch, view, parent view ‖ payload.
    /// @param suffix `NOTARIZE` or `FINALIZE`
    function proposal(bytes32 chainHash, bytes9 suffix, uint64 epoch, uint64 viewNumber, uint64 parentView, bytes32 payload)
        internal
        pure
        returns (bytes memory message)
    {
        assembly ("memory-safe") {
            function uvarint(at, value) -> next {
                next := at
                for {} gt(value, 0x7f) { value := shr(7, value) } {
                    mstore8(next, or(0x80, and(value, 0x7f)))
                    next := add(next, 1)
                }
                mstore8(next, value)
                next := add(next, 1)
            }
            message := mload(0x40)
            let start := add(message, 32)
            mstore8(start, 41)
            mstore(add(start, 1), chainHash)
            mstore(add(start, 33), suffix)
            let end := uvarint(add(start, 42), epoch)
            end := uvarint(end, viewNumber)
            end := uvarint(end, parentView)
            mstore(end, payload)
            end := add(end, 32)
            mstore(message, sub(end, start))
            mstore(0x40, and(add(end, 31), not(31)))
        }
    }

    /// @notice A vote to give a view up: uvarint(40) ‖ chain hash ‖ "_NULLIFY" ‖ uvarints of epoch and view.
    function nullify(bytes32 chainHash, uint64 epoch, uint64 viewNumber) internal pure returns (bytes memory) {
        return bytes.concat(bytes1(uint8(40)), chainHash, "_NULLIFY", _uvarint(epoch), _uvarint(viewNumber));
    }

    function _uvarint(uint64 value) private pure returns (bytes memory encoded) {
        for (; value > 0x7f; value >>= 7) encoded = bytes.concat(encoded, bytes1(0x80 | uint8(value)));
        return bytes.concat(encoded, bytes1(uint8(value)));
    }
}
