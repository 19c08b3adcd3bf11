// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @title Merkle paths of several leaves at once.
/// @notice node = keccak256(left ‖ right) of digests of 26 bytes, the start of a hash. What follows the 26 bytes in a
/// word is never looked at: a digest from calldata or from KECCAK256 needs no mask.
library SealMerkle {
    uint256 private constant DIGEST = 26;

    /// @notice The root over some leaves and the digests from `cursor` on in calldata.
    /// @param leaves where their positions and digests lie in memory, a word each, ascending and distinct
    /// @param end where they end
    /// @param height the tree's: there are 2^height leaves
    /// @param stack memory for as many pairs of words as there are leaves
    /// @return node the root, in the first 26 bytes
    /// @return next where the digests end
    /// @dev From left to right: climb from a leaf to where it meets the next leaf's path, and on the way take in the
    /// paths that wait to its left. Two leaves meet at the highest bit in which they differ.
    function root(uint256 leaves, uint256 end, uint256 height, uint256 cursor, uint256 stack)
        internal
        pure
        returns (uint256 node, uint256 next)
    {
        assembly ("memory-safe") {
            next := cursor
            let top := stack
            for {} lt(leaves, end) {} {
                let index := mload(leaves)
                node := mload(add(leaves, 32))
                leaves := add(leaves, 64)
                let meets := height
                if lt(leaves, end) { meets := sub(255, clz(xor(index, mload(leaves)))) }
                let level := 0
                for {} 1 {} {
                    let to := meets
                    let joins := 0
                    if gt(top, stack) {
                        let waits := mload(sub(top, 32))
                        if lt(waits, meets) {
                            to := waits
                            joins := 1
                        }
                    }
                    // A node, on its side, and the sibling, whose copy ends where it must, on the other: four levels at
                    // a time.
                    let side
                    let levels := sub(to, level)
                    for {} gt(levels, 3) { levels := sub(levels, 4) } {
                        side := mul(DIGEST, and(index, 1))
                        mstore(side, node)
                        calldatacopy(sub(DIGEST, side), next, DIGEST)
                        node := keccak256(0, 52)
                        side := mul(DIGEST, and(shr(1, index), 1))
                        mstore(side, node)
                        calldatacopy(sub(DIGEST, side), add(next, 26), DIGEST)
                        node := keccak256(0, 52)
                        side := mul(DIGEST, and(shr(2, index), 1))
                        mstore(side, node)
                        calldatacopy(sub(DIGEST, side), add(next, 52), DIGEST)
                        node := keccak256(0, 52)
                        side := mul(DIGEST, and(shr(3, index), 1))
                        mstore(side, node)
                        calldatacopy(sub(DIGEST, side), add(next, 78), DIGEST)
                        node := keccak256(0, 52)
                        index := shr(4, index)
                        next := add(next, 104)
                    }
                    for {} levels { levels := sub(levels, 1) } {
                        side := mul(DIGEST, and(index, 1))
                        mstore(side, node)
                        calldatacopy(sub(DIGEST, side), next, DIGEST)
                        node := keccak256(0, 52)
                        index := shr(1, index)
                        next := add(next, DIGEST)
                    }
                    if iszero(joins) { break }
                    top := sub(top, 64)
                    mstore(0, mload(top))
                    mstore(DIGEST, node)
                    node := keccak256(0, 52)
                    index := shr(1, index)
                    level := add(to, 1)
                }
                mstore(top, node)
                mstore(add(top, 32), meets)
                top := add(top, 64)
            }
        }
    }
}
