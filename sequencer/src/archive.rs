//! Where blocks and certificates come from: the node's marshal, or a map in a test.

use futures::future::BoxFuture;
use sinter_primitives::{Block, Certificate};
use std::sync::Arc;

/// Final blocks and their certificates, by height.
pub trait Archive: Send + Sync {
    /// The block at `height`, if this node holds it.
    fn block(&self, height: u64) -> BoxFuture<'_, Option<Arc<Block>>>;

    /// The finalization of the block at `height`. A height that was finalized with a later one only
    /// has none.
    fn certificate(&self, height: u64) -> BoxFuture<'_, Option<Certificate>>;
}
