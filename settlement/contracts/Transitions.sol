// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @title What a statement of a rollup's program claims: its 64 public values, byte by byte.
/// @notice An element is a big-endian `u32` below the prime; a digest is eight of them, 32 bytes; a `u64` is three:
/// bits 0–23, 24–47 and 48–63.
///
/// | elements | bytes | field |
/// |---|---|---|
/// | 0–7 | 0 | domain: the settlement contract that it is for |
/// | 8–15 | 32 | digest of the state before |
/// | 16–23 | 64 | digest of the state after |
/// | 24–31 | 96 | accumulator after the block in which the cursor stands |
/// | 32–39 | 128 | inbox rolling hash over the entries consumed |
/// | 40–47 | 160 | root of this statement's own withdrawals; zeros for none |
/// | 48–50 | 192 | cursor: height of the block in which it stands |
/// | 51–53 | 204 | cursor: elements of that block's stream that are consumed |
/// | 54–55 | 216 | zeros |
/// | 56–58 | 224 | inbox entries consumed |
/// | 59–61 | 236 | withdrawals under the root |
/// | 62–63 | 248 | zeros |
library Transitions {
    /// @notice An integer's upper bits, or elements that must be zero, are not.
    error MalformedPosition(bytes32 word);

    /// @notice A statement's public values, decoded.
    struct Transition {
        bytes32 domain;
        bytes32 stateBefore;
        bytes32 stateAfter;
        bytes32 accumulator;
        bytes32 inboxRolling;
        bytes32 withdrawalsRoot;
        uint64 height;
        uint64 offset;
        uint64 inboxEntries;
        uint64 withdrawals;
    }

    /// @notice Decodes public values that are known to be 256 bytes of canonical elements.
    function decode(bytes calldata publicValues) internal pure returns (Transition memory t) {
        assembly ("memory-safe") {
            calldatacopy(t, publicValues.offset, 192)
        }
        (t.height, t.offset) = _pair(bytes32(publicValues[192:224]));
        (t.inboxEntries, t.withdrawals) = _pair(bytes32(publicValues[224:256]));
    }

    /// @dev Two `u64`s of three elements, then two zeros.
    function _pair(bytes32 word) private pure returns (uint64 first, uint64 second) {
        // Bits that are used: 24, 24 and 16 of each three.
        uint256 used = 0x00ffffff00ffffff0000ffff00ffffff00ffffff0000ffff0000000000000000;
        if (uint256(word) & ~used != 0) revert MalformedPosition(word);
        return (_u64(uint256(word) >> 160), _u64(uint256(word) >> 64));
    }

    function _u64(uint256 elements) private pure returns (uint64) {
        return uint64(((elements >> 64) & 0xffffff) | ((elements >> 32) & 0xffffff) << 24 | (elements & 0xffff) << 48);
    }
}
