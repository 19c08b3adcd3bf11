// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @title What knows which statements were proven.
interface IStatements {
    /// @notice Reverts unless this statement stands at `index` in the settled batch with this root.
    /// @param root the batch's statements root
    /// @param programId which program's claim it is
    /// @param publicValues what it claims: 64 big-endian elements, 256 bytes
    /// @param index its place in the batch, from 0
    /// @param path the hashes beside the way from its leaf to the root, bottom up
    function checkStatement(
        bytes32 root,
        bytes32 programId,
        bytes calldata publicValues,
        uint32 index,
        bytes32[] calldata path
    ) external view;
}

/// @title Where a proof's first four bytes lead: a gateway to many hubs, or one hub, pinned.
interface IHubs {
    /// @notice The hub of this selector. Reverts where there is none.
    function hub(bytes4 selector) external view returns (IStatements);
}
