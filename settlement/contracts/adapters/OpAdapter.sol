// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IHubs} from "../IHubs.sol";
import {JournalProof} from "./JournalProof.sol";

/// @title The OP Stack's `IZKVerifier`, which `ZKDisputeGame` calls (contracts-bedrock,
/// interfaces/dispute/zk/IZKVerifier.sol at commit 0a5c5d04f9a356b5c0c650da297debdf8576437c).
contract OpAdapter {
    /// @notice A gateway, or the hub that this adapter is pinned to.
    IHubs public immutable hubs;

    constructor(IHubs hubs_) {
        hubs = hubs_;
    }

    /// @notice Reverts unless the program proved these public values.
    /// @param programId the program id: the game's absolute prestate
    /// @param publicValues any bytes: the program's journal
    /// @param proof see `JournalProof`
    function verify(bytes32 programId, bytes calldata publicValues, bytes calldata proof) external view {
        JournalProof.check(hubs, programId, sha256(publicValues), proof);
    }

    /// @notice Which proof system this is.
    function verifierType() external pure returns (string memory) {
        return "Sinter";
    }

    /// @notice This contract's semantic version (`ISemver`).
    function version() external pure returns (string memory) {
        return "1.0.0";
    }
}
