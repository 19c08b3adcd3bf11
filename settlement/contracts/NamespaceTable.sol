// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {FinalityLightClient} from "./FinalityLightClient.sol";
import {Headers} from "./Headers.sol";
import {MerklePaths} from "./MerklePaths.sol";

/// @title The namespace table under a header (docs/protocol.md, section 5).
library NamespaceTable {
    using Headers for bytes;

    /// @notice There is no header to begin with, or there are too many.
    error HeaderCount(uint256 maximum, uint256 got);
    /// @notice A header is not the parent of the next one.
    error NotTheParent(uint256 position, bytes32 expected, bytes32 got);
    /// @notice A leaf has another length.
    error LeafLength(uint256 expected, uint256 got);
    /// @notice The leaf is of another namespace.
    error ForeignLeaf(uint64 expected, uint64 got);
    /// @notice The path leads to another table.
    error NotInTable(bytes32 expected, bytes32 got);

    uint256 internal constant LEAF_BYTES = 84;
    uint256 internal constant HEADERS_MAX = 256;

    /// @notice The height and namespaces root of the first of some headers, each the parent of the next, the last
    /// of which was posted as number `post`.
    function certifiedRoot(FinalityLightClient lightClient, bytes[] calldata headers, uint64 post)
        internal
        view
        returns (uint64 height, bytes32 root)
    {
        uint256 count = headers.length;
        if (count == 0 || count > HEADERS_MAX) revert HeaderCount(HEADERS_MAX, count);
        (height, root) = lightClient.certified(headers[count - 1], post);
        if (count == 1) return (height, root);
        uint64 chainId = lightClient.chainId();
        for (uint256 i = count - 1; i > 0; --i) {
            bytes calldata header = headers[i - 1];
            // The parent of the first header of all is the hash of a file, which is none.
            header.check(chainId);
            bytes32 expected = headers[i].parent();
            bytes32 got = sha256(header);
            if (got != expected) revert NotTheParent(i - 1, expected, got);
        }
        return (headers[0].height(), headers[0].namespacesRoot());
    }

    /// @notice The accumulator in a namespace's leaf. Reverts unless the leaf stands in the table with this root.
    /// @param root SHA-256 over 0x02, the number of leaves and the tree, which has RFC 6962's shape
    function accumulator(
        bytes32 root,
        uint64 namespace,
        bytes calldata leaf,
        uint64 index,
        uint64 count,
        bytes32[] calldata path
    ) internal pure returns (bytes32) {
        if (leaf.length != LEAF_BYTES) revert LeafLength(LEAF_BYTES, leaf.length);
        uint64 leafNamespace = uint64(bytes8(leaf[:8]));
        if (leafNamespace != namespace) revert ForeignLeaf(namespace, leafNamespace);
        bytes32 got = MerklePaths.root(leaf, index, count, path);
        if (got != root) revert NotInTable(root, got);
        return bytes32(leaf[40:72]);
    }
}
