//! Evidence: two signed votes of one seat in one view, of which an honest member sends at most one.
//!
//! | votes | why |
//! |---|---|
//! | two to notarize different proposals | a member votes for one proposal a view |
//! | two to finalize different proposals | likewise |
//! | one to nullify, one to finalize | who gives a view up never finalizes in it, and the other way round |
//!
//! To notarize and then to nullify is no misconduct, and neither is to nullify a view and to finalize a later one. It convinces
//! anybody who knows the network's hash, and the `Evidence` contract on L1. A vote is signed, under the tag of votes, as simplex frames
//! it:
//!
//! ```text
//! notarize, finalize = uvarint(41) ‖ chain hash ‖ "_NOTARIZE" or "_FINALIZE" ‖ uvarint(epoch, view, parent view) ‖ payload (32)
//! nullify            = uvarint(40) ‖ chain hash ‖ "_NULLIFY" ‖ uvarint(epoch, view)
//! ```

use crate::{
    Committee, Digest,
    certificate::{FINALIZE_SUFFIX, MESSAGE_DST},
    committee::{framed, reason},
};
use blst::{
    BLST_ERROR,
    min_sig::{PublicKey, Signature},
};
use commonware_codec::{Write as _, varint::UInt};
use serde::{Deserialize, Serialize};

const NOTARIZE_SUFFIX: &[u8] = b"_NOTARIZE";
const NULLIFY_SUFFIX: &[u8] = b"_NULLIFY";

/// Most bytes of evidence as JSON.
pub const EVIDENCE_BYTES_MAX: usize = 2 << 10;

/// What was voted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Choice {
    /// That this block, on the block of this view, is valid.
    Notarize {
        /// The parent's view.
        parent_view: u64,
        /// The block's digest.
        #[serde(with = "crate::hexadecimal::digest")]
        payload: Digest,
    },
    /// That the view should pass without a block.
    Nullify,
    /// That this block, on the block of this view, is final.
    Finalize {
        /// The parent's view.
        parent_view: u64,
        /// The block's digest.
        #[serde(with = "crate::hexadecimal::digest")]
        payload: Digest,
    },
}

impl Choice {
    /// Whether no honest seat signs both in one view.
    #[must_use]
    pub fn excludes(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Notarize { .. }, Self::Notarize { .. }) | (Self::Finalize { .. }, Self::Finalize { .. }) => {
                self != other
            }
            (Self::Nullify, Self::Finalize { .. }) | (Self::Finalize { .. }, Self::Nullify) => true,
            _ => false,
        }
    }

    /// What a seat signs that votes so in a view of the network with this hash.
    #[must_use]
    pub fn message(&self, chain_hash: &Digest, epoch: u64, view: u64) -> Vec<u8> {
        let mut message = Vec::with_capacity(3 * 10 + 32);
        UInt(epoch).write(&mut message);
        UInt(view).write(&mut message);
        let suffix = match self {
            Self::Notarize { .. } => NOTARIZE_SUFFIX,
            Self::Nullify => NULLIFY_SUFFIX,
            Self::Finalize { .. } => FINALIZE_SUFFIX,
        };
        if let Self::Notarize { parent_view, payload } | Self::Finalize { parent_view, payload } = self {
            UInt(*parent_view).write(&mut message);
            payload.write(&mut message);
        }
        framed(&[chain_hash.as_ref(), suffix].concat(), &message)
    }
}

/// A signed vote of some view.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedVote {
    /// What for.
    #[serde(flatten)]
    pub choice: Choice,
    /// The seat's signature, compressed.
    #[serde(with = "crate::hexadecimal::array")]
    pub signature: [u8; 48],
}

/// Two votes that exclude each other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// SHA-256 of the network's `chain.toml`.
    #[serde(with = "crate::hexadecimal::digest")]
    pub chain_hash: Digest,
    /// The epoch of both.
    pub epoch: u64,
    /// The view of both.
    pub view: u64,
    /// The BLS key that signed both, compressed.
    #[serde(with = "crate::hexadecimal::array")]
    pub bls_key: [u8; 96],
    /// The votes.
    pub votes: [SignedVote; 2],
}

/// Why evidence proves nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EvidenceError {
    /// It is of another network.
    #[error("expected votes of the network with hash {expected}, got {got}")]
    OtherChain {
        /// The trusted hash.
        expected: Digest,
        /// The evidence's.
        got: Digest,
    },
    /// An honest member may have sent both.
    #[error("expected two votes that exclude each other in view {view}, got {first:?} and {second:?}")]
    NoConflict {
        /// The view.
        view: u64,
        /// The first vote.
        first: Choice,
        /// The second vote.
        second: Choice,
    },
    /// The key is none.
    #[error("expected a compressed G2 point of the subgroup as key: {reason}")]
    Key {
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The key has no seat.
    #[error("expected the key of a seat in the committee of epoch {epoch}, got another")]
    NoSeat {
        /// The epoch.
        epoch: u64,
    },
    /// A vote is not the key's.
    #[error("expected the key's signature over vote {position}: {reason}")]
    Foreign {
        /// 0 or 1.
        position: usize,
        /// What is wrong with it.
        reason: &'static str,
    },
}

impl Evidence {
    /// Checks that one key of the network with this hash signed both votes, and that no honest member signs both.
    ///
    /// # Errors
    /// [`EvidenceError`], the first thing that does not hold.
    pub fn verify(&self, chain_hash: &Digest) -> Result<(), EvidenceError> {
        if self.chain_hash != *chain_hash {
            return Err(EvidenceError::OtherChain { expected: *chain_hash, got: self.chain_hash });
        }
        let [first, second] = self.votes.map(|vote| vote.choice);
        if !first.excludes(&second) {
            return Err(EvidenceError::NoConflict { view: self.view, first, second });
        }
        let key =
            PublicKey::key_validate(&self.bls_key).map_err(|error| EvidenceError::Key { reason: reason(error) })?;
        for (position, vote) in self.votes.iter().enumerate() {
            let foreign = |error| EvidenceError::Foreign { position, reason: reason(error) };
            // `true`: the identity is refused.
            let signature = Signature::sig_validate(&vote.signature, true).map_err(foreign)?;
            let message = vote.choice.message(chain_hash, self.epoch, self.view);
            match signature.verify(false, &message, MESSAGE_DST, &[], &key, false) {
                BLST_ERROR::BLST_SUCCESS => {}
                error => return Err(foreign(error)),
            }
        }
        Ok(())
    }

    /// The seat of the key in the committee of the evidence's epoch.
    ///
    /// # Errors
    /// [`EvidenceError::NoSeat`].
    pub fn seat(&self, committee: &Committee) -> Result<usize, EvidenceError> {
        let seat = committee.seats().iter().position(|seat| seat.bls_key == self.bls_key);
        seat.ok_or(EvidenceError::NoSeat { epoch: self.epoch })
    }
}
