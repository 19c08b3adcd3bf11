//! Why the mempool turned a transaction away.

use crate::ordering::OrderingError;
use serde::{Deserialize, Serialize};
use sinter_primitives::{
    Namespace, TransactionId, TransactionKind,
    fees::{AccountError, OPENED_FIRST},
};

/// What a bound counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unit {
    /// Transactions.
    Transactions,
    /// Bytes inside a lane.
    Bytes,
}

impl std::fmt::Display for Unit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Transactions => "transactions",
            Self::Bytes => "bytes",
        })
    }
}

/// Why the mempool turned a transaction away. In JSON, an object whose `code` is [`Refusal::code`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(tag = "code", rename_all = "kebab-case")]
pub enum Refusal {
    /// The chain has not opened the namespace.
    #[error("namespace: expected one that the chain file opens, got {got}")]
    UnknownNamespace {
        /// What the transaction names.
        got: Namespace,
    },
    /// Nobody has opened the namespace on L1, as far as this node is.
    #[error("namespace: expected one that is open, got {got}, which nobody has opened on L1 yet")]
    NotOpen {
        /// What the transaction names.
        got: Namespace,
    },
    /// The namespace cannot pay for it, or its owner does not want that.
    #[error("namespace {namespace}: {reason}")]
    Account {
        /// The namespace.
        namespace: Namespace,
        /// Why.
        reason: AccountError,
    },
    /// No payload.
    #[error("payload: expected at least 1 byte, got none")]
    Empty,
    /// A payload that no block admits.
    #[error("payload: expected at most {max} bytes, got {got}")]
    PayloadTooLarge {
        /// `parameters.payload_bytes_max` of the chain.
        max: usize,
        /// Bytes of the payload.
        got: usize,
    },
    /// The last height at which it could be ordered has passed.
    #[error("expiry height: expected at least {height}, the next block's, got {expiry}")]
    Expired {
        /// The next block's height.
        height: u64,
        /// The last height at which the transaction could be ordered.
        expiry: u64,
    },
    /// It expires later than a block of the next height admits.
    #[error("expiry height: expected at most {max}, got {got}")]
    ExpiryTooFar {
        /// The last expiry height admitted now.
        max: u64,
        /// What the transaction says.
        got: u64,
    },
    /// It waits here already.
    #[error("transaction 0x{id} is pending already")]
    AlreadyPending {
        /// Its id.
        #[serde(with = "sinter_primitives::header::hex_digest")]
        id: TransactionId,
    },
    /// It was ordered already.
    #[error("transaction 0x{id} has been ordered already")]
    AlreadyOrdered {
        /// Its id.
        #[serde(with = "sinter_primitives::header::hex_digest")]
        id: TransactionId,
    },
    /// The namespace's ordering rule has no place for it.
    #[error("namespace {namespace}: {reason}")]
    OrderingRule {
        /// The namespace.
        namespace: Namespace,
        /// What breaks the rule.
        reason: OrderingError,
    },
    /// Another bundle opens that lane already: the first that came is kept.
    #[error("namespace {namespace}: expected one bundle for height {height}, got another: 0x{pending} is pending")]
    BundleTaken {
        /// The namespace.
        namespace: Namespace,
        /// The height that both bundles are for.
        height: u64,
        /// The bundle that came first.
        #[serde(with = "sinter_primitives::header::hex_digest")]
        pending: TransactionId,
    },
    /// The sender has as much pending as one sender may.
    #[error("sender: expected at most {max} {unit} pending, got {got} with this one")]
    SenderFull {
        /// What is counted.
        unit: Unit,
        /// The sender's bound.
        max: usize,
        /// What it would have pending.
        got: usize,
    },
    /// The client's address has as much pending as one address may, over all accounts that it sends for.
    #[error("client: expected at most {max} {unit} pending from one address, got {got} with this one")]
    ClientFull {
        /// What is counted.
        unit: Unit,
        /// The address's bound.
        max: usize,
        /// What it would have pending.
        got: usize,
    },
    /// The namespace has as much pending as one namespace may.
    #[error("namespace {namespace}: expected at most {max} {unit} pending, got {got} with this one")]
    NamespaceFull {
        /// The namespace.
        namespace: Namespace,
        /// What is counted.
        unit: Unit,
        /// The namespace's bound.
        max: usize,
        /// What it would have pending.
        got: usize,
    },
    /// The namespace's own room and the room that all share are both used up.
    #[error("mempool: expected at most {max} {unit} pending beyond the namespaces' own room, got {got} with this one")]
    MempoolFull {
        /// What is counted.
        unit: Unit,
        /// The room that all namespaces share.
        max: usize,
        /// What it would hold.
        got: usize,
    },
}

impl Refusal {
    /// Every code, for metrics that start at zero.
    pub const CODES: [&'static str; 15] = [
        "unknown-namespace",
        "empty",
        "payload-too-large",
        "expired",
        "expiry-too-far",
        "already-pending",
        "already-ordered",
        "ordering-rule",
        "bundle-taken",
        "sender-full",
        "namespace-full",
        "mempool-full",
        "client-full",
        "not-open",
        "account",
    ];

    /// The place of this refusal's code in [`Self::CODES`].
    pub(super) const fn code_index(&self) -> usize {
        match self {
            Self::UnknownNamespace { .. } => 0,
            Self::Empty => 1,
            Self::PayloadTooLarge { .. } => 2,
            Self::Expired { .. } => 3,
            Self::ExpiryTooFar { .. } => 4,
            Self::AlreadyPending { .. } => 5,
            Self::AlreadyOrdered { .. } => 6,
            Self::OrderingRule { .. } => 7,
            Self::BundleTaken { .. } => 8,
            Self::SenderFull { .. } => 9,
            Self::NamespaceFull { .. } => 10,
            Self::MempoolFull { .. } => 11,
            Self::ClientFull { .. } => 12,
            Self::NotOpen { .. } => 13,
            Self::Account { .. } => 14,
        }
    }

    /// A name that stays the same from release to release, for machines.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        Self::CODES[self.code_index()]
    }

    /// Whether a later try may succeed: something is full or dry now, or this node is behind.
    #[must_use]
    pub const fn is_temporary(&self) -> bool {
        matches!(
            self,
            Self::ExpiryTooFar { .. }
                | Self::NotOpen { .. }
                | Self::Account { .. }
                | Self::SenderFull { .. }
                | Self::ClientFull { .. }
                | Self::NamespaceFull { .. }
                | Self::MempoolFull { .. }
        )
    }

    /// Whether no node of this chain could ever have admitted the transaction: who passes it on as
    /// admitted is at fault. The other refusals depend on when and where a transaction arrives.
    #[must_use]
    pub const fn is_fault(&self) -> bool {
        match self {
            Self::UnknownNamespace { .. } | Self::Empty | Self::PayloadTooLarge { .. } => true,
            // What no rule admits.
            Self::OrderingRule { reason: OrderingError::BundleTooShort { .. }, .. }
            | Self::OrderingRule { reason: OrderingError::KindForbidden { got: TransactionKind::Inbox, .. }, .. } => {
                true
            }
            // How a lane is ordered that was opened on L1, its owner changes: who passes this on may be a block behind, or ahead.
            Self::OrderingRule { namespace, .. } => namespace.0 < OPENED_FIRST,
            _ => false,
        }
    }
}
