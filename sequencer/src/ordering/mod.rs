//! How the transactions of one namespace stand in its lane.
//!
//! A namespace keeps its ordering revenue by choosing a rule, in `chain.toml` or where it is opened on L1. A rule is two functions:
//!
//! - [`build`](OrderingRule::build) arranges what a proposer picked for the lane. It is a local choice:
//!   two honest proposers may arrange the same transactions differently.
//! - [`check`](OrderingRule::check) says whether a lane may stand in a block. It is part of block validity,
//!   hence a pure function of the transactions, the chain id and the height, and it carries a
//!   [`version`](OrderingRule::version): a changed answer is a new version, never an edit of an old one.
//!
//! What `build` arranges, `check` accepts, whatever `build` was given. A third function,
//! [`admit`](OrderingRule::admit), lets the mempool turn away early what `check` could never accept.
//!
//! | rule | version | admits | `check` demands |
//! |---|---|---|---|
//! | [`FirstCome`] | 1 | `user` | nothing more: arrival order cannot be checked |
//! | [`Express`] | 1 | `user`, `express` | at most one bundle; it opens the lane, is for this height, and the auction key signed it |
//! | [`Closed`] | 1 | nothing | that the lane is empty: that of the accounts |
//!
//! No rule has to do with `inbox`: what was forced on L1 stands before all that a rule arranges, and is checked against the L1
//! ([`crate::validity`]).

mod closed;
mod express;
mod first_come;
#[cfg(test)]
mod tests;

pub use closed::Closed;
pub use express::{BUNDLE_ENVELOPE_BYTES, BUNDLE_SIGNATURE_NAMESPACE, Express, seal_bundle};
pub use first_come::FirstCome;

use serde::{Deserialize, Serialize};
use sinter_primitives::{Digest, Namespace, Transaction, TransactionKind, chain::Ordering, fees::ACCOUNTS};

/// Where a lane stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LaneContext {
    /// The chain's id.
    pub chain_id: u64,
    /// The height of the block that holds the lane.
    pub height: u64,
}

/// When a transaction that a rule admits may be ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// In its turn, at any height until it expires.
    InTurn,
    /// Only as the first of its lane, and only in the block at this height.
    Opens {
        /// The height.
        height: u64,
    },
}

/// Why a transaction or a lane breaks a namespace's ordering rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(tag = "code", rename_all = "kebab-case")]
pub enum OrderingError {
    /// A kind that the namespace's rule has no place for.
    #[error("transaction kind: expected one of {expected:?}, got {got:?}")]
    KindForbidden {
        /// What the rule admits.
        expected: Vec<TransactionKind>,
        /// What came.
        got: TransactionKind,
    },
    /// A bundle's payload that does not hold its envelope.
    #[error("bundle payload: expected at least {min} bytes, got {got}")]
    BundleTooShort {
        /// Bytes of the envelope: signature and target height.
        min: usize,
        /// Bytes of the payload.
        got: usize,
    },
    /// A bundle for another height.
    #[error("bundle height: expected {expected}, got {got}")]
    BundleHeight {
        /// The height of the block.
        expected: u64,
        /// The height that the bundle is for.
        got: u64,
    },
    /// A bundle that the auction key did not sign, for this chain, this namespace and its height.
    #[error("bundle for height {height}: expected a signature by auction key 0x{auction_key}, got another")]
    BundleSignature {
        /// The namespace's auction key.
        #[serde(with = "sinter_primitives::header::hex_digest")]
        auction_key: Digest,
        /// The height that the bundle is for.
        height: u64,
    },
    /// The namespace's auction key is no ed25519 key, so nothing can be signed by it.
    #[error("auction key: expected an ed25519 public key, got 0x{auction_key}")]
    AuctionKey {
        /// What the namespace has.
        #[serde(with = "sinter_primitives::header::hex_digest")]
        auction_key: Digest,
    },
    /// The rule was another one, or another auction's, a moment ago, when the transaction was checked.
    #[error("ordering: it changed while this came in: send it again")]
    Reordered,
    /// A bundle that does not open its lane.
    #[error("bundle position: expected 0, got {got}")]
    BundleNotFirst {
        /// Where it stands.
        got: usize,
    },
    /// More than one bundle in a lane.
    #[error("bundles in a lane: expected at most 1, got another at position {position}")]
    BundleRepeated {
        /// Where the second one stands.
        position: usize,
    },
}

/// A namespace's ordering rule: see the module's first lines.
pub trait OrderingRule: Send + Sync {
    /// The version of [`check`](Self::check)'s answer.
    fn version(&self) -> u16;

    /// The kinds that may stand in the lane.
    fn kinds(&self) -> &'static [TransactionKind];

    /// Whether `transaction` may ever stand in this lane, and when.
    ///
    /// # Errors
    /// [`OrderingError`], when no block of the chain could hold it.
    fn admit(&self, transaction: &Transaction, chain_id: u64) -> Result<Admission, OrderingError>;

    /// Arranges `candidates`, which come in order of arrival, and drops those that may not stand in this
    /// block: [`check`](Self::check) accepts what is left, unless nothing is.
    fn build(&self, candidates: &mut Vec<Transaction>, context: &LaneContext);

    /// Whether these transactions may stand in a lane of the block at `context.height`, behind the forced ones.
    ///
    /// # Errors
    /// [`OrderingError`], saying what breaks the rule.
    fn check(&self, transactions: &[Transaction], context: &LaneContext) -> Result<(), OrderingError>;
}

/// One of the rules that a chain file can name.
#[derive(Clone, Debug)]
pub enum Rule {
    /// In order of arrival.
    FirstCome(FirstCome),
    /// The auction's bundle first.
    Express(Express),
    /// Nothing but what was forced.
    Closed(Closed),
}

/// The rule of a namespace's lane. Nothing that is not forced stands in that of the accounts.
#[must_use]
pub fn rule(namespace: Namespace, ordering: Ordering) -> Rule {
    match ordering {
        _ if namespace == ACCOUNTS => Rule::Closed(Closed),
        Ordering::FirstCome => Rule::FirstCome(FirstCome),
        Ordering::Express { auction_key } => Rule::Express(Express::new(namespace, auction_key)),
    }
}

impl Rule {
    fn as_rule(&self) -> &dyn OrderingRule {
        match self {
            Self::FirstCome(rule) => rule,
            Self::Express(rule) => rule,
            Self::Closed(rule) => rule,
        }
    }
}

impl OrderingRule for Rule {
    fn version(&self) -> u16 {
        self.as_rule().version()
    }

    fn kinds(&self) -> &'static [TransactionKind] {
        self.as_rule().kinds()
    }

    fn admit(&self, transaction: &Transaction, chain_id: u64) -> Result<Admission, OrderingError> {
        self.as_rule().admit(transaction, chain_id)
    }

    fn build(&self, candidates: &mut Vec<Transaction>, context: &LaneContext) {
        self.as_rule().build(candidates, context);
    }

    fn check(&self, transactions: &[Transaction], context: &LaneContext) -> Result<(), OrderingError> {
        self.as_rule().check(transactions, context)
    }
}

/// Refuses a kind that `kinds` does not list.
fn admit_kind(kinds: &'static [TransactionKind], got: TransactionKind) -> Result<(), OrderingError> {
    if kinds.contains(&got) {
        return Ok(());
    }
    Err(OrderingError::KindForbidden { expected: kinds.to_vec(), got })
}
