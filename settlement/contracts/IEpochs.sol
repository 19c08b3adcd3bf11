// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @title What tells which epochs are over: `FinalityLightClient`.
interface IEpochs {
    /// @notice When an epoch's last header was posted (Unix seconds; 0 before), and the L1 block that it names.
    function epochEnd(uint64 epoch) external view returns (uint40 postedAt, uint64 l1Origin);

    /// @notice Seconds for which a committee is believed after its last word.
    function trustingPeriod() external view returns (uint256);
}
