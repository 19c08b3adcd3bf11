//! Answers of a committee member that others read, too: in JSON, as docs/protocol.md has them.

use crate::receipt::{NamespaceRange, Receipt};
use serde::{Deserialize, Serialize};

/// How far a transaction has come.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "stage", rename_all = "kebab-case")]
pub enum TransactionStatus {
    /// This node does not know it: it never came here, it expired, or it is pruned.
    Unknown,
    /// It waits for a block.
    Pending,
    /// A block that holds it is notarized, or final with a certificate that has not come here yet.
    Notarized {
        /// The block's height.
        height: u64,
    },
    /// It is final, and this proves it to anybody who trusts the committee.
    Finalized {
        /// The proof.
        receipt: Box<Receipt>,
    },
}

/// How far a transaction has come, and when, by the clock of the member that answers. A time is there if the member saw it
/// happen, and not so long ago, nor before it was last started, that it forgot.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TransactionTrace {
    /// When the member took it in from a client, in milliseconds since the Unix epoch.
    pub received_ms: Option<u64>,
    /// When its block was notarized.
    pub notarized_ms: Option<u64>,
    /// When its block, or one above it, was finalized.
    pub finalized_ms: Option<u64>,
    /// How far it is.
    pub status: TransactionStatus,
}

/// A part of a range of heights, and where the next part begins.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RangePage {
    /// The heights that this page holds; provable on its own.
    pub range: NamespaceRange,
    /// The height to ask from next; absent when the page reaches the end that was asked for.
    pub next_height: Option<u64>,
}
