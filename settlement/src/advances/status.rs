//! What waits on the L1, for others to see.

use super::Step;
use alloy::primitives::B256;
use serde::{Deserialize, Serialize};

/// Why a step is not sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The contract would refuse it.
    #[error("the contract refuses it: {0}")]
    Contract(String),
    /// The recipient does not take it.
    #[error("the recipient refuses it: {0}")]
    Recipient(String),
    /// It takes more gas than this account pays for: the recipient can have it paid by its own.
    #[error("expected a payment of at most {expected} gas, got one of {got}")]
    Gas {
        /// The most.
        expected: u64,
        /// What it takes.
        got: u64,
    },
    /// It was included and failed, though it should not have.
    #[error("it reverted {times} times on the L1, though the L1 had said that it would not")]
    Reverts {
        /// How often.
        times: u32,
    },
    /// It fits no transaction.
    #[error("{0}")]
    Unpostable(String),
}

impl Refusal {
    /// Whether a payment is left to its recipient, who can have it paid by his own. What the contract says may be of an L1 node that is
    /// behind, or of a block that is taken back, and is tried again.
    #[must_use]
    pub const fn is_for_good(&self) -> bool {
        !matches!(self, Self::Contract(_))
    }
}

/// A transaction that no block has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waiting {
    /// What it does.
    #[serde(flatten)]
    pub step: Step,
    /// When it was first signed, in milliseconds since 1970.
    pub since_ms: u64,
    /// Its nonce.
    pub nonce: u64,
    /// The hash of the attempt that pays most.
    pub transaction: B256,
    /// How often it was signed: each time it pays more.
    pub attempts: usize,
    /// The most that it offers per gas, in wei.
    pub fee_wei: u128,
    /// Whether it does nothing any more but use its nonce up.
    pub cancelled: bool,
}

/// What waits on the L1, and why.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AdvancesStatus {
    /// Transactions that no block has, in the order of their nonces.
    pub waiting: Vec<Waiting>,
    /// Why nothing goes on, where that is known: gas above the ceiling, a refusal, an L1 that does not answer.
    pub stuck: Option<String>,
}
