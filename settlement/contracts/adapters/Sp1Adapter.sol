// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IHubs} from "../IHubs.sol";
import {JournalProof} from "./JournalProof.sol";

/// @title SP1's verifier, as far as a caller can tell: `ISP1Verifier` of sp1-contracts (v1.0.0 to v6).
contract Sp1Adapter {
    /// @notice A gateway, or the hub that this adapter is pinned to.
    IHubs public immutable hubs;

    constructor(IHubs hubs_) {
        hubs = hubs_;
    }

    /// @notice Reverts unless the program proved these public values.
    /// @param programVKey the program id
    /// @param publicValues any bytes: the program's journal
    /// @param proofBytes see `JournalProof`; the first four bytes select, as they do there
    function verifyProof(bytes32 programVKey, bytes calldata publicValues, bytes calldata proofBytes) external view {
        JournalProof.check(hubs, programVKey, sha256(publicValues), proofBytes);
    }
}
