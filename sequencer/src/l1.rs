//! The L1, as consensus needs it: final blocks, who is registered there, and what was forced.
//!
//! Whoever implements [`L1View`] asks one or more L1 nodes. A question is answered as soon as its answer is final there, and not
//! before: a node whose L1 lags votes late, and never wrongly.

use futures::future::BoxFuture;
use sinter_primitives::{forced_inbox::ForcedEntry, header::L1Origin, registry::Registry};
use std::sync::Arc;

/// A final L1 block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct L1Block {
    /// Its number and hash.
    pub origin: L1Origin,
    /// Its time, in seconds since the Unix epoch.
    pub timestamp_s: u64,
    /// What its proposer and all before revealed (EIP-4399).
    pub prevrandao: [u8; 32],
}

/// A final L1 block that a block may name, and what was forced up to there since the one before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct L1Step {
    /// The L1 block.
    pub origin: L1Origin,
    /// What was forced, ascending: no more than one L1 block may append.
    pub forced: Vec<ForcedEntry>,
}

/// What a node sees of the L1. All of it is final.
pub trait L1View: Send + Sync + 'static {
    /// The newest block that others should have by now, too. `None` until it is known.
    fn latest(&self) -> Option<L1Origin>;

    /// The block of a number. Waits until it is final.
    fn block(&self, number: u64) -> BoxFuture<'_, L1Block>;

    /// The registry at the end of a block. Waits until that is final.
    fn registry(&self, number: u64) -> BoxFuture<'_, Arc<Registry>>;

    /// L1 blocks after block `after`, by which the forced inbox had `first` entries, as far as they are known already: ascending, from
    /// there on without a gap. Who builds a block does not wait.
    fn steps(&self, after: (u64, u64)) -> Vec<L1Step>;

    /// What was appended to the forced inbox after block `after`, by which it had `first` entries, up to the end of block `until`. Waits
    /// until that is final.
    fn forced(&self, after: (u64, u64), until: u64) -> BoxFuture<'_, Arc<[ForcedEntry]>>;
}
