//! Reveals: what an epoch's leaders put into the seed of a draw.
//!
//! The leader of a term signs the mix so far. A BLS signature is unique: whoever has the key can compute it, nobody can compute
//! another one, and so all that a leader decides is whether his reveal comes at all. (A multisignature is no such thing:
//! which quorum signed can be chosen, so a certificate is never hashed for a seed.)
//!
//! ```text
//! mix of genesis = H("SINTER_REVEALS" ‖ chain hash)
//! reveal         = signature over uvarint(39) ‖ chain hash ‖ "_REVEAL" ‖ epoch (8) ‖ term (8) ‖ mix (32)
//! next mix       = H("SINTER_REVEAL" ‖ mix ‖ reveal, compressed (48))
//! ```
//!
//! hashed to G1 under [`MESSAGE_DST`], like votes: the length before the namespace, and the namespace, keep the two apart. The mix
//! goes on from epoch to epoch. A term without a reveal leaves it as it is; the next leader signs it under another term.

use crate::{
    Committee, Digest,
    certificate::MESSAGE_DST,
    committee::{CommitteeError, framed, reason},
};
use blst::{
    BLST_ERROR,
    min_sig::{SecretKey, Signature},
};
use commonware_cryptography::{Hasher, Sha256};

/// Bytes of a reveal: a compressed point of G1.
pub const REVEAL_BYTES: usize = 48;
/// What follows the chain hash in the namespace of reveals.
pub const REVEAL_SUFFIX: &[u8] = b"_REVEAL";

const GENESIS_TAG: &[u8] = b"SINTER_REVEALS";
const REVEAL_TAG: &[u8] = b"SINTER_REVEAL";

/// Why a reveal is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RevealError {
    /// The committee has no such seat.
    #[error("expected a seat below {seats}, got {got}")]
    Seat {
        /// How many there are.
        seats: usize,
        /// Which was named.
        got: usize,
    },
    /// The bytes are no signature.
    #[error("expected a compressed G1 point of the subgroup, not the identity: {reason}")]
    Signature {
        /// What is wrong with them.
        reason: &'static str,
    },
    /// The signature is not the seat's over the mix in this term.
    #[error("expected the reveal of seat {seat} for term {term} of epoch {epoch}, got another signature")]
    Foreign {
        /// Whose it should be.
        seat: usize,
        /// The epoch.
        epoch: u64,
        /// The term.
        term: u64,
    },
}

/// When a leader reveals: a term of an epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Term {
    /// The epoch.
    pub epoch: u64,
    /// The term's number in it.
    pub term: u64,
}

/// All reveals so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mix(pub Digest);

impl Mix {
    /// Before the first reveal.
    #[must_use]
    pub fn genesis(chain_hash: &Digest) -> Self {
        Self(Sha256::hash(&[GENESIS_TAG, chain_hash.as_ref()]))
    }

    /// What the leader of a term signs.
    #[must_use]
    pub fn message(&self, chain_hash: &Digest, at: Term) -> Vec<u8> {
        framed(&Self::namespace(chain_hash), &self.signed(at))
    }

    /// What reveals of a network are signed under.
    #[must_use]
    pub fn namespace(chain_hash: &Digest) -> Vec<u8> {
        [chain_hash.as_ref(), REVEAL_SUFFIX].concat()
    }

    /// The mix and its term, which are signed under [`Self::namespace`].
    #[must_use]
    pub fn signed(&self, at: Term) -> Vec<u8> {
        [&at.epoch.to_be_bytes(), &at.term.to_be_bytes(), self.0.as_ref()].concat()
    }

    /// The reveal by a BLS secret key (32 bytes, big-endian), compressed.
    ///
    /// # Errors
    /// [`CommitteeError::SecretKey`] when the bytes are no scalar from 1 to r − 1.
    pub fn reveal(
        &self,
        secret: &[u8; 32],
        chain_hash: &Digest,
        at: Term,
    ) -> Result<[u8; REVEAL_BYTES], CommitteeError> {
        let secret =
            SecretKey::from_bytes(secret).map_err(|error| CommitteeError::SecretKey { reason: reason(error) })?;
        Ok(secret.sign(&self.message(chain_hash, at), MESSAGE_DST, &[]).compress())
    }

    /// The mix with one reveal more, by the seat that led the term.
    ///
    /// # Errors
    /// [`RevealError`] when the signature is not that seat's.
    pub fn with(
        &self,
        reveal: &[u8; REVEAL_BYTES],
        chain_hash: &Digest,
        at: Term,
        committee: &Committee,
        seat: usize,
    ) -> Result<Self, RevealError> {
        let seats = committee.seats().len();
        let key = committee.key(seat).ok_or(RevealError::Seat { seats, got: seat })?;
        // `true`: the identity is refused.
        let signature =
            Signature::sig_validate(reveal, true).map_err(|error| RevealError::Signature { reason: reason(error) })?;
        // Keys were validated when the committee was made, the signature just above.
        match signature.verify(false, &self.message(chain_hash, at), MESSAGE_DST, &[], key, false) {
            BLST_ERROR::BLST_SUCCESS => Ok(self.mixed(reveal)),
            _ => Err(RevealError::Foreign { seat, epoch: at.epoch, term: at.term }),
        }
    }

    /// The mix after a reveal that was checked, or made.
    #[must_use]
    pub fn mixed(&self, reveal: &[u8; REVEAL_BYTES]) -> Self {
        Self(Sha256::hash(&[REVEAL_TAG, self.0.as_ref(), reveal]))
    }
}
