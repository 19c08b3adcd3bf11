// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @title SHA-256 Merkle trees in RFC 6962's shape, with a root that binds the number of leaves (docs/protocol.md, section 5).
library MerklePaths {
    /// @notice The tree has no leaf of this number.
    error LeafIndexOutOfRange(uint64 count, uint64 index);
    /// @notice The path is not as long as index and count ask for.
    error LeafPathLength(uint256 expected, uint256 got);

    /// @notice The root of the tree with `count` leaves in which the leaf stands at `index` and has these siblings, from the bottom up.
    function root(bytes memory leaf, uint64 index, uint64 count, bytes32[] calldata path) internal pure returns (bytes32) {
        if (index >= count) revert LeafIndexOutOfRange(count, index);
        bytes32 hash = sha256(abi.encodePacked(uint8(0), leaf));
        (uint256 position, uint256 used) = (index, 0);
        for (uint256 last = count - 1; last != 0; last >>= 1) {
            bool right = position & 1 == 1;
            if (right || position < last) {
                if (used == path.length) revert LeafPathLength(used + 1, path.length);
                bytes32 sibling = path[used++];
                hash = sha256(right ? abi.encodePacked(uint8(1), sibling, hash) : abi.encodePacked(uint8(1), hash, sibling));
            }
            position >>= 1;
        }
        if (used != path.length) revert LeafPathLength(used, path.length);
        return sha256(abi.encodePacked(uint8(2), count, hash));
    }
}
