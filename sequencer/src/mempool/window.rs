//! The ids that were ordered lately: what would repeat if it came again.
//!
//! But for those forced on L1, whose numbers never repeat, a block at height `h` holds only transactions with
//! `h <= expiry_height < h + expiry_blocks`, so what was ordered at or below `tip - expiry_blocks` has expired by now, and its ids can
//! be forgotten.

use sinter_primitives::TransactionId;
use std::collections::{BTreeMap, HashSet};

/// Ids of the last `blocks` finalized blocks.
#[derive(Debug, Default)]
pub(super) struct Window {
    blocks: u64,
    tip: u64,
    by_height: BTreeMap<u64, Vec<TransactionId>>,
    ids: HashSet<TransactionId>,
}

impl Window {
    pub fn new(blocks: u64) -> Self {
        Self { blocks, ..Self::default() }
    }

    /// The last finalized height.
    pub const fn tip(&self) -> u64 {
        self.tip
    }

    pub fn contains(&self, id: &TransactionId) -> bool {
        self.ids.contains(id)
    }

    /// Takes in the block at `height`; a height that is known or forgotten already changes nothing.
    pub fn push(&mut self, height: u64, ids: &[TransactionId]) {
        if height + self.blocks > self.tip && !self.by_height.contains_key(&height) {
            self.ids.extend(ids);
            self.by_height.insert(height, ids.to_vec());
        }
        self.tip = self.tip.max(height);
        while let Some(oldest) = self.by_height.first_entry()
            && *oldest.key() + self.blocks <= self.tip
        {
            for id in oldest.remove() {
                self.ids.remove(&id);
            }
        }
    }
}
