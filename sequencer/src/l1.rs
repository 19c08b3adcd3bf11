//! The L1, as consensus needs it: final blocks, and who is registered there.
//!
//! Whoever implements [`L1View`] asks one or more L1 nodes. A question is answered as soon as its answer is final there, and not
//! before: a node whose L1 lags votes late, and never wrongly.

use futures::future::BoxFuture;
use sinter_primitives::{header::L1Origin, registry::Registry};
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

/// What a node sees of the L1. All of it is final.
pub trait L1View: Send + Sync + 'static {
    /// The newest block that others should have by now, too. `None` until it is known.
    fn latest(&self) -> Option<L1Origin>;

    /// The block of a number. Waits until it is final.
    fn block(&self, number: u64) -> BoxFuture<'_, L1Block>;

    /// The registry at the end of a block. Waits until that is final.
    fn registry(&self, number: u64) -> BoxFuture<'_, Arc<Registry>>;
}
