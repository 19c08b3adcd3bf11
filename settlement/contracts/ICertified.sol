// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @title What tells which headers the committee finalized: `FinalityLightClient`.
interface ICertified {
    /// @notice The height and namespaces root of a posted header. Reverts unless exactly this header was posted as
    /// number `index`, and after a freeze.
    function certified(bytes calldata header, uint64 index) external view returns (uint64 height, bytes32 namespacesRoot);

    /// @notice Seconds for which a committee is believed after its last word.
    function trustingPeriod() external view returns (uint256);
}
