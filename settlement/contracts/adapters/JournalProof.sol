// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IHubs} from "../IHubs.sol";

/// @title A proof as adapters take it: that a statement stands in a settled batch.
/// @notice | bytes | field |
/// |---|---|
/// | 4 | selector: which hub |
/// | 32 | statements root |
/// | 4 | index of the statement |
/// | 32 each | path, bottom up |
///
/// The statement is that of a `journal` program: its public values are the SHA-256 of the bytes that the rollup
/// calls its public values or journal, in 16 limbs of 16 bits, big-endian, then zeros.
library JournalProof {
    /// @notice The proof is no head of 40 bytes with 32 for every step of the path.
    error ProofLength(uint256 got);

    uint256 internal constant HEAD_BYTES = 40;

    /// @notice Reverts unless `programId` proved a journal with this digest.
    function check(IHubs hubs, bytes32 programId, bytes32 journalDigest, bytes calldata proof) internal view {
        if (proof.length < HEAD_BYTES || (proof.length - HEAD_BYTES) % 32 != 0) revert ProofLength(proof.length);
        bytes32[] calldata path;
        assembly ("memory-safe") {
            path.offset := add(proof.offset, HEAD_BYTES)
            path.length := shr(5, sub(proof.length, HEAD_BYTES))
        }
        bytes memory publicValues = new bytes(256);
        (uint256 first, uint256 second) = (_spread(uint256(journalDigest) >> 128), _spread(uint128(uint256(journalDigest))));
        assembly ("memory-safe") {
            mstore(add(publicValues, 32), first)
            mstore(add(publicValues, 64), second)
        }
        hubs.hub(bytes4(proof[:4])).checkStatement(
            bytes32(proof[4:36]), programId, publicValues, uint32(bytes4(proof[36:40])), path
        );
    }

    /// @dev Eight limbs of 16 bits as eight elements of 32.
    function _spread(uint256 x) private pure returns (uint256) {
        x = (x & 0xffffffffffffffff) | (x >> 64) << 128;
        x = (x | x << 32) & 0x00000000ffffffff00000000ffffffff00000000ffffffff00000000ffffffff;
        return (x | x << 16) & 0x0000ffff0000ffff0000ffff0000ffff0000ffff0000ffff0000ffff0000ffff;
    }
}
