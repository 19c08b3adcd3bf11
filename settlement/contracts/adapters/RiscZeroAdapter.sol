// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IHubs} from "../IHubs.sol";
import {JournalProof} from "./JournalProof.sol";

/// @title RISC Zero's verifier, as far as a caller can tell: `IRiscZeroVerifier` of risc0-ethereum (v1.1 to v3).
contract RiscZeroAdapter {
    /// @notice A seal and the digest of the claim that it proves.
    struct Receipt {
        bytes seal;
        bytes32 claimDigest;
    }

    /// @notice The seal is too short to end in what its claim is made of.
    error SealLength(uint256 minimum, uint256 got);
    /// @notice The claim is another one than the seal opens.
    error ClaimMismatch(bytes32 expected, bytes32 got);

    // SHA-256 of "risc0.ReceiptClaim" and "risc0.Output", and the digest of a system state of zeros.
    bytes32 private constant CLAIM_TAG = sha256("risc0.ReceiptClaim");
    bytes32 private constant OUTPUT_TAG = sha256("risc0.Output");
    bytes32 private constant ZERO_STATE = sha256(abi.encodePacked(sha256("risc0.SystemState"), bytes32(0), uint32(0), uint16(0x0100)));

    /// @notice A gateway, or the hub that this adapter is pinned to.
    IHubs public immutable hubs;

    constructor(IHubs hubs_) {
        hubs = hubs_;
    }

    /// @notice Reverts unless the program proved a journal with this digest.
    /// @param seal see `JournalProof`
    /// @param imageId the program id
    /// @param journalDigest the journal's SHA-256
    function verify(bytes calldata seal, bytes32 imageId, bytes32 journalDigest) external view {
        JournalProof.check(hubs, imageId, journalDigest, seal);
    }

    /// @notice Reverts unless the claim is that of a program which halted with this journal, and proved it.
    /// @param receipt a claim's digest hides what it is made of, so 64 bytes follow the seal: imageId ‖ journalDigest
    function verifyIntegrity(Receipt calldata receipt) external view {
        uint256 length = receipt.seal.length;
        if (length < JournalProof.HEAD_BYTES + 64) revert SealLength(JournalProof.HEAD_BYTES + 64, length);
        bytes32 imageId = bytes32(receipt.seal[length - 64:length - 32]);
        bytes32 journalDigest = bytes32(receipt.seal[length - 32:]);
        bytes32 claim = claimDigest(imageId, journalDigest);
        if (claim != receipt.claimDigest) revert ClaimMismatch(receipt.claimDigest, claim);
        JournalProof.check(hubs, imageId, journalDigest, receipt.seal[:length - 64]);
    }

    /// @notice The digest of the claim that a program halted with exit code 0, this journal, no input and no
    /// assumptions: RISC Zero's `ReceiptClaim`, a tagged hash of four digests and the exit code.
    function claimDigest(bytes32 imageId, bytes32 journalDigest) public pure returns (bytes32) {
        // Little-endian: the number of digests, in two bytes, ends each structure.
        bytes32 output = sha256(abi.encodePacked(OUTPUT_TAG, journalDigest, bytes32(0), uint16(0x0200)));
        return sha256(abi.encodePacked(CLAIM_TAG, bytes32(0), imageId, ZERO_STATE, output, uint64(0), uint16(0x0400)));
    }
}
