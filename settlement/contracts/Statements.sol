// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @title Statements as contracts have them, and the Keccak tree over a batch of them (docs/settlement.md).
/// @notice A statement is a program id (8 elements) and 64 public values, each element a big-endian `u32`
/// below the KoalaBear prime: 32 and 256 bytes.
library Statements {
    /// @notice The public values have another length.
    error PublicValuesLength(uint256 expected, uint256 got);
    /// @notice An element is not below the prime: the same element would have two spellings.
    error NotCanonical(bytes32 word);
    /// @notice The batch has no statement of this number.
    error IndexOutOfRange(uint256 count, uint256 index);
    /// @notice The path is not as long as index and count ask for.
    error PathLength(uint256 expected, uint256 got);

    uint256 internal constant PUBLIC_VALUES_BYTES = 256;

    // Eight lanes of 32 bits. p - 1 = 0x7f000000: an element is below p if its top bit is clear, and still is
    // after 2^31 - p has been added. Only a lane that is found out anyway carries into its neighbour.
    uint256 private constant TOP_BITS = 0x8000000080000000800000008000000080000000800000008000000080000000;
    uint256 private constant TOP_BIT_LESS_P = 0x00ffffff00ffffff00ffffff00ffffff00ffffff00ffffff00ffffff00ffffff;

    /// @notice Reverts unless all eight elements are below the prime.
    function requireCanonical(bytes32 word) internal pure {
        if (!_isCanonical(uint256(word))) revert NotCanonical(word);
    }

    /// @notice A statement's leaf: `keccak256` over the `keccak256` of its first, second and third 96 bytes.
    /// Reverts unless it is canonical.
    function leaf(bytes32 programId, bytes calldata publicValues) internal pure returns (bytes32 hash) {
        if (publicValues.length != PUBLIC_VALUES_BYTES) revert PublicValuesLength(PUBLIC_VALUES_BYTES, publicValues.length);
        uint256 bad = uint256(programId) | (uint256(programId) + TOP_BIT_LESS_P);
        assembly ("memory-safe") {
            let free := mload(0x40)
            mstore(free, programId)
            calldatacopy(add(free, 32), publicValues.offset, 256)
            for { let at := add(free, 32) } lt(at, add(free, 288)) { at := add(at, 32) } {
                let word := mload(at)
                bad := or(bad, or(word, add(word, TOP_BIT_LESS_P)))
            }
            mstore(free, keccak256(free, 96))
            mstore(add(free, 32), keccak256(add(free, 96), 96))
            mstore(add(free, 64), keccak256(add(free, 192), 96))
            hash := keccak256(free, 96)
        }
        if (bad & TOP_BITS != 0) _revertNotCanonical(programId, publicValues);
    }

    /// @notice The root that a leaf leads to, in a tree of RFC 6962's shape (section 2.1): neighbours pair, a
    /// lone right end moves up. Index and count alone say where siblings stand, and how many there are.
    function root(bytes32 hash, uint256 index, uint256 count, bytes32[] calldata path) internal pure returns (bytes32) {
        if (index >= count) revert IndexOutOfRange(count, index);
        uint256 expected;
        assembly ("memory-safe") {
            let at := path.offset
            let end := add(at, shl(5, path.length))
            let last := sub(count, 1)
            for {} last { last := shr(1, last) } {
                switch and(index, 1)
                case 1 {
                    mstore(0, calldataload(at))
                    mstore(32, hash)
                    hash := keccak256(0, 64)
                    at := add(at, 32)
                }
                default {
                    if lt(index, last) {
                        mstore(0, hash)
                        mstore(32, calldataload(at))
                        hash := keccak256(0, 64)
                        at := add(at, 32)
                    }
                }
                index := shr(1, index)
            }
            if iszero(eq(at, end)) { expected := add(1, shr(5, sub(at, path.offset))) }
        }
        if (expected != 0) revert PathLength(expected - 1, path.length);
        return hash;
    }

    function _isCanonical(uint256 word) private pure returns (bool) {
        unchecked {
            return (word | (word + TOP_BIT_LESS_P)) & TOP_BITS == 0;
        }
    }

    function _revertNotCanonical(bytes32 programId, bytes calldata publicValues) private pure {
        requireCanonical(programId);
        for (uint256 i = 0; i < PUBLIC_VALUES_BYTES; i += 32) requireCanonical(bytes32(publicValues[i:i + 32]));
    }
}
