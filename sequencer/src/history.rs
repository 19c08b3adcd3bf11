//! Final blocks and certificates as the RPC reads them.
//!
//! Marshal answers from disk, one request at a time, in the loop that consensus depends on. Most readers follow
//! the head, so the last blocks are kept here and marshal is asked for older ones only.

use crate::{
    archive::Archive,
    block::SequencedBlock,
    consensus::{self, Marshal},
};
use commonware_codec::EncodeSize;
use commonware_consensus::types::Height;
use commonware_utils::sync::Mutex;
use futures::future::BoxFuture;
use sinter_primitives::{Block, Certificate};
use std::{collections::VecDeque, sync::Arc};

/// Bytes of blocks that are kept.
const RECENT_BYTES_MAX: usize = 32 << 20;
/// Blocks that are kept, however small.
const RECENT_BLOCKS_MAX: usize = 256;

/// The last final blocks.
#[derive(Debug, Default)]
pub struct RecentBlocks(Mutex<Recent>);

#[derive(Debug, Default)]
struct Recent {
    /// Consecutive heights, ascending, with their bytes.
    blocks: VecDeque<(Arc<Block>, usize)>,
    bytes: usize,
}

impl RecentBlocks {
    /// Keeps the block above the last one that was kept.
    pub fn push(&self, block: &SequencedBlock) {
        let bytes = block.encode_size();
        let mut recent = self.0.lock();
        recent.blocks.push_back((block.shared().clone(), bytes));
        recent.bytes += bytes;
        while recent.blocks.len() > RECENT_BLOCKS_MAX || recent.bytes > RECENT_BYTES_MAX {
            let Some((_, bytes)) = recent.blocks.pop_front() else { break };
            recent.bytes -= bytes;
        }
    }

    /// The block at `height`, if it is among the last.
    #[must_use]
    pub fn get(&self, height: u64) -> Option<Arc<Block>> {
        let recent = self.0.lock();
        let (first, _) = recent.blocks.front()?;
        let place = usize::try_from(height.checked_sub(first.header.height)?).ok()?;
        recent.blocks.get(place).map(|(block, _)| block.clone())
    }
}

/// The archive of a running node.
#[derive(Clone)]
pub struct History {
    recent: Arc<RecentBlocks>,
    marshal: Marshal,
}

impl History {
    /// The archive behind `marshal`, with the last blocks in memory.
    #[must_use]
    pub const fn new(recent: Arc<RecentBlocks>, marshal: Marshal) -> Self {
        Self { recent, marshal }
    }
}

impl Archive for History {
    fn block(&self, height: u64) -> BoxFuture<'_, Option<Arc<Block>>> {
        Box::pin(async move {
            if let Some(block) = self.recent.get(height) {
                return Some(block);
            }
            let block = self.marshal.get_block(Height::new(height)).await?;
            Some(block.inner().shared().clone())
        })
    }

    fn certificate(&self, height: u64) -> BoxFuture<'_, Option<Certificate>> {
        Box::pin(async move {
            let finalization = self.marshal.get_finalization(Height::new(height)).await?;
            consensus::certificate(&finalization)
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use sinter_primitives::{Body, Digest, Header, header::L1Origin};

    fn block(height: u64) -> SequencedBlock {
        let none = Digest([0; 32]);
        let header = Header {
            next_protocol: 0,
            protocol: 1,
            chain_id: 1,
            height,
            epoch: 0,
            view: height,
            parent_view: 0,
            parent: none,
            proposer_seat: 0,
            timestamp_ms: 0,
            l1_origin: L1Origin { number: 0, hash: none },
            inbox_cursor: 0,
            body_root: none,
            namespaces_root: none,
            ledger_root: none,
            next_committee: none,
            randomness: none,
        };
        SequencedBlock::new(Block { header, body: Body::default() })
    }

    #[test]
    fn the_last_blocks_are_kept_and_no_more() {
        let recent = RecentBlocks::default();
        assert_eq!(recent.get(1), None);
        let last = 100 + RECENT_BLOCKS_MAX as u64;
        for height in 50..=last {
            recent.push(&block(height));
        }
        assert_eq!(recent.get(100), None);
        for height in 101..=last {
            assert_eq!(recent.get(height).unwrap().header.height, height);
        }
        assert_eq!(recent.get(last + 1), None);
    }
}
