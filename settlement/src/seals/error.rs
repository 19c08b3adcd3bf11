//! Why settling stopped.

use super::SEALS_MAX;
use crate::submitter::SubmitError;
use alloy::primitives::Address;

/// Why settling stopped, or a round failed.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// Something on the way to the L1.
    #[error("settle: {0}")]
    Submit(#[from] SubmitError),
    /// Nothing stands at the hub's address.
    #[error("settle: expected a hub at {address}, got no code")]
    NoHub {
        /// The address.
        address: Address,
    },
    /// What stands there answers as no hub does.
    #[error("settle: expected a hub at {address}, got an answer of {got_bytes} bytes that none gives")]
    NotAHub {
        /// The address.
        address: Address,
        /// How long the answer was.
        got_bytes: usize,
    },
    /// Somebody else signs with the same key. The seal is posted anew.
    #[error("settle: nonce {nonce} of {sender} was used by a transaction that was not signed here, and {post} lost it")]
    NonceTaken {
        /// The nonce.
        nonce: u64,
        /// The key's account.
        sender: Address,
        /// What was to have it.
        post: String,
    },
    /// More seals than are taken at a time.
    #[error("settle: expected at most {SEALS_MAX} seals, got {got}")]
    TooMany {
        /// How many.
        got: usize,
    },
}
