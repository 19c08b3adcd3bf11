//! Marshal's archive as the RPC reads it.

use crate::{
    archive::Archive,
    consensus::{self, Marshal},
};
use commonware_consensus::types::Height;
use futures::future::BoxFuture;
use sinter_primitives::{Block, Certificate};
use std::sync::Arc;

/// Final blocks and certificates, asked of a running marshal.
#[derive(Clone)]
pub struct History(Marshal);

impl History {
    /// The archive behind `marshal`.
    #[must_use]
    pub const fn new(marshal: Marshal) -> Self {
        Self(marshal)
    }
}

impl Archive for History {
    fn block(&self, height: u64) -> BoxFuture<'_, Option<Arc<Block>>> {
        Box::pin(async move {
            let block = self.0.get_block(Height::new(height)).await?;
            Some(block.inner().shared().clone())
        })
    }

    fn certificate(&self, height: u64) -> BoxFuture<'_, Option<Certificate>> {
        Box::pin(async move {
            let finalization = self.0.get_finalization(Height::new(height)).await?;
            consensus::certificate(&finalization)
        })
    }
}
