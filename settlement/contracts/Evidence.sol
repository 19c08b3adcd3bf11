// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Bls} from "./Bls.sol";
import {Votes} from "./Votes.sol";

/// @title Who can slash by what he has checked: `CommitteeRegistry`.
interface ISlashing {
    /// @notice Takes the penalty for an epoch from the registrant whose key this is, once.
    function slash(bytes32 keyHash, uint64 epoch, address reporter) external;
}

/// @title Misconduct that two signed votes prove: one key, one epoch, **one view**, and votes of which an honest member sends
/// at most one.
/// @notice These exclude each other in a view:
///
/// | votes | why |
/// |---|---|
/// | two to notarize different proposals | a member votes for one proposal a view |
/// | two to finalize different proposals | likewise |
/// | one to nullify, one to finalize | who gives a view up never finalizes in it, and the other way round |
///
/// To notarize and then to nullify is no misconduct, and neither is to nullify a view and to finalize a later one: leaders keep
/// their place for a term, and whoever gives one of its views up may see a later one through. Two certificates that exclude
/// each other across views are the light client's business (`proveConflict`): no single vote in them need be wrong.
///
/// Nobody owns this contract. It slashes whom the registry knows by the key, whether he had a seat in that epoch or not: votes
/// are signed under the chain's hash, and nobody has another use for them.
contract Evidence {
    /// @notice What a vote is for, numbered as simplex does.
    enum Kind {
        Notarize,
        Nullify,
        Finalize
    }

    /// @notice A signed vote of the view in question.
    /// @param kind what for
    /// @param parentView the proposal's parent's view; nothing where it is to nullify
    /// @param payload the proposal's digest; nothing where it is to nullify
    /// @param signature the key's, a point of G1 as x ‖ y
    struct Vote {
        Kind kind;
        uint64 parentView;
        bytes32 payload;
        bytes32[3] signature;
    }

    /// @notice The key has another length.
    error KeyLength(uint256 expected, uint256 got);
    /// @notice An honest member may have sent both votes.
    error NoConflict(Kind first, Kind second);
    /// @notice The first (0) or second (1) vote is not signed by the key, for this chain, epoch and view.
    error InvalidVote(uint256 position);

    /// @notice What slashes.
    ISlashing public immutable registry;
    /// @notice The SHA-256 of `chain.toml`: the namespace that every vote is signed under.
    bytes32 public immutable chainHash;

    /// @param registry_ what slashes, whose parameters name this contract
    /// @param chainHash_ the SHA-256 of `chain.toml`
    constructor(ISlashing registry_, bytes32 chainHash_) {
        registry = registry_;
        chainHash = chainHash_;
    }

    /// @notice Slashes whoever cast both votes. Anybody may: who was first is who was mined first.
    /// @param key the BLS key that signed both, 192 bytes
    /// @param epoch of both
    /// @param viewNumber of both
    /// @param first a vote
    /// @param second another one, which excludes it
    /// @param reporter to whom the reward is credited
    function report(
        bytes calldata key,
        uint64 epoch,
        uint64 viewNumber,
        Vote calldata first,
        Vote calldata second,
        address reporter
    ) external {
        if (key.length != Bls.G2_BYTES) revert KeyLength(Bls.G2_BYTES, key.length);
        if (!_exclude(first, second)) revert NoConflict(first.kind, second.kind);
        if (!_signed(key, epoch, viewNumber, first)) revert InvalidVote(0);
        if (!_signed(key, epoch, viewNumber, second)) revert InvalidVote(1);
        registry.slash(keccak256(key), epoch, reporter);
    }

    function _exclude(Vote calldata first, Vote calldata second) private pure returns (bool) {
        if (first.kind == second.kind) {
            return first.kind != Kind.Nullify && (first.payload != second.payload || first.parentView != second.parentView);
        }
        return first.kind != Kind.Notarize && second.kind != Kind.Notarize;
    }

    function _signed(bytes calldata key, uint64 epoch, uint64 viewNumber, Vote calldata vote) private view returns (bool) {
        bytes memory message;
        if (vote.kind == Kind.Nullify) {
            message = Votes.nullify(chainHash, epoch, viewNumber);
        } else {
            bytes9 suffix = vote.kind == Kind.Notarize ? Votes.NOTARIZE : Votes.FINALIZE;
            message = Votes.proposal(chainHash, suffix, epoch, viewNumber, vote.parentView, vote.payload);
        }
        return Bls.signed(key, message, Bls.MESSAGE_DST, vote.signature);
    }
}
