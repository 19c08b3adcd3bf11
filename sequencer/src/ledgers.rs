//! The ledger after every block that may still become final.
//!
//! ```text
//!            tip (final, indexed)
//!             │
//!   ──█──█──█─█──□──□──□      □  a state of this tree: header, ledger, ids
//!                 └──□        █  ids only, for the last `expiry_blocks` heights
//! ```
//!
//! The tree is a cache: whatever it lacks is computed again from the blocks themselves, so it may
//! forget anything above the tip and it starts empty after a restart.

use crate::draw::Marks;
use commonware_utils::sync::Mutex;
use sinter_primitives::{
    Chain, Digest, Header, Ledger, Namespace, NamespaceTable, TransactionId, fees::Address, ledger::LedgerEntry,
};
use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
};
use tokio::sync::watch;

/// Most heights above the tip that are followed. A block further ahead waits until the tip is nearer.
pub const AHEAD_MAX: u64 = 256;
/// Most states kept. Heights alone do not bound them: every failed view may leave one at the same height.
const STATES_MAX: usize = 1024;
/// Most memory for the states above the tip, as [`State::memory`] estimates it: a thousand full blocks of the
/// default parameters, some 170 with 2^16 transactions for 4,096 namespaces, and still 16 of the longest that a
/// chain file admits. Only as many blocks in a row that are notarized and not final would make a node wait.
pub const STATES_BYTES_MAX: usize = 512 << 20;

/// What the chain is after one block.
#[derive(Clone, Debug)]
pub struct State {
    /// The block's header.
    pub header: Header,
    /// The header's digest.
    pub digest: Digest,
    /// The table under the header.
    pub table: Arc<NamespaceTable>,
    /// The ledger after it.
    pub ledger: Arc<Ledger>,
    /// What it orders, in order.
    pub ids: Arc<[TransactionId]>,
    /// What a draw will depend on, as far as the epoch has come.
    pub marks: Marks,
}

impl State {
    /// A chain before its first block.
    #[must_use]
    pub fn genesis(chain: &Chain) -> Self {
        let header = chain.genesis();
        Self {
            header,
            digest: header.digest(),
            table: Arc::default(),
            ledger: Arc::new(Ledger::genesis(&chain.file)),
            ids: Arc::new([]),
            marks: Marks::beginning(&header),
        }
    }

    /// Bytes that the state takes, about: itself, an id for each transaction, a leaf for each namespace that the
    /// block orders for, an entry for each open namespace and each credit (twice: a tree's nodes are half full at worst).
    /// What it shares with other states is counted for each.
    #[must_use]
    pub fn memory(&self) -> usize {
        size_of::<Self>()
            + size_of_val::<[TransactionId]>(&self.ids)
            + size_of_val(self.table.leaves())
            + 2 * self.ledger.entries().len() * size_of::<(Namespace, LedgerEntry)>()
            + 2 * self.ledger.credits().count() * size_of::<(Address, u128)>()
    }
}

/// Why the tree did not take a state. Nothing is lost by it but the work of computing the state again: the block
/// waits until the tip is nearer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotKept {
    /// The block is at or below the tip, or too far above it.
    #[error("state at height {height}: expected a height from {min} to {max}")]
    Height {
        /// The block's height.
        height: u64,
        /// The height above the tip.
        min: u64,
        /// The highest that is followed.
        max: u64,
    },
    /// The states that others stand on leave no room.
    #[error("states: expected at most {max} bytes above the tip, got {got} with this one")]
    Full {
        /// The bound.
        max: usize,
        /// What all would take.
        got: usize,
    },
}

/// A block's ancestors, as far as they matter to its child.
#[derive(Clone, Debug)]
pub struct Lineage {
    /// The block itself.
    pub parent: State,
    /// Its ancestors above the tip, newest first, itself among them.
    unfinalized: Vec<State>,
    /// The height of the tip that they stand on.
    tip_height: u64,
}

impl Lineage {
    /// Ids that are ordered but not final: a child must not hold them.
    #[must_use]
    pub fn unfinalized_ids(&self) -> HashSet<TransactionId> {
        self.unfinalized.iter().flat_map(|state| state.ids.iter().copied()).collect()
    }
}

/// Why a lineage cannot be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gap {
    /// This state is not in the tree: compute it from its block.
    Missing(Digest),
    /// The block is beside or below the tip: nothing that stands on it can become final.
    Stale,
}

/// The states above the tip, and the ids of the blocks up to it.
#[derive(Debug)]
pub struct Ledgers {
    expiry_blocks: u64,
    inner: Mutex<Inner>,
    tip_height: watch::Sender<u64>,
}

#[derive(Debug)]
struct Inner {
    tip: State,
    states: HashMap<Digest, State>,
    /// What the states take.
    bytes: usize,
    ids_by_height: BTreeMap<u64, Arc<[TransactionId]>>,
    heights: HashMap<TransactionId, u64>,
}

impl Ledgers {
    /// A tree on the last final block. `recent` holds the ids of the last `expiry_blocks` heights up to it.
    #[must_use]
    pub fn new(expiry_blocks: u64, tip: State, recent: Vec<(u64, Vec<TransactionId>)>) -> Self {
        let tip_height = tip.header.height;
        let mut inner =
            Inner { tip, states: HashMap::new(), bytes: 0, ids_by_height: BTreeMap::new(), heights: HashMap::new() };
        for (height, ids) in recent {
            inner.remember(height, ids.into());
        }
        Self { expiry_blocks, inner: Mutex::new(inner), tip_height: watch::Sender::new(tip_height) }
    }

    /// The last final block.
    #[must_use]
    pub fn tip(&self) -> State {
        self.inner.lock().tip.clone()
    }

    /// Waits until the tip is at `height` or above.
    pub async fn reach(&self, height: u64) {
        // The sender lives in `self`: this cannot end early.
        let _ = self.tip_height.subscribe().wait_for(|tip| *tip >= height).await;
    }

    /// The state after the block with this digest, if it is the tip or above it and known.
    #[must_use]
    pub fn get(&self, digest: &Digest) -> Option<State> {
        self.inner.lock().get(digest)
    }

    /// Keeps the state after a block whose parent is in the tree, in the place of older ones that nothing
    /// stands on where there is no other room.
    ///
    /// # Errors
    /// [`NotKept`], when the block is too far from the tip, or there is no room.
    pub fn insert(&self, state: State) -> Result<(), NotKept> {
        let mut inner = self.inner.lock();
        let height = state.header.height;
        let (min, max) = (inner.tip.header.height.saturating_add(1), inner.tip.header.height.saturating_add(AHEAD_MAX));
        if !(min..=max).contains(&height) {
            return Err(NotKept::Height { height, min, max });
        }
        if inner.states.contains_key(&state.digest) {
            return Ok(());
        }
        let memory = state.memory();
        while inner.states.len() >= STATES_MAX || inner.bytes + memory > STATES_BYTES_MAX {
            if !inner.evict(&state.header.parent) {
                return Err(NotKept::Full { max: STATES_BYTES_MAX, got: inner.bytes + memory });
            }
        }
        inner.bytes += memory;
        inner.states.insert(state.digest, state);
        Ok(())
    }

    /// The ancestors of the block with this digest down to the tip.
    ///
    /// # Errors
    /// [`Gap`].
    pub fn lineage(&self, digest: &Digest) -> Result<Lineage, Gap> {
        let inner = self.inner.lock();
        let parent = inner.get(digest).ok_or(Gap::Missing(*digest))?;
        let tip_height = inner.tip.header.height;
        let mut unfinalized = Vec::new();
        let mut state = parent.clone();
        while state.header.height > tip_height {
            let below = state.header.parent;
            unfinalized.push(state);
            state = inner.get(&below).ok_or(Gap::Missing(below))?;
        }
        if state.digest != inner.tip.digest {
            return Err(Gap::Stale);
        }
        Ok(Lineage { parent, unfinalized, tip_height })
    }

    /// The first of `ids` that an ancestor of a block at `height` on `lineage` already holds within the
    /// last `expiry_blocks` heights, with that ancestor's height.
    #[must_use]
    pub fn first_repeat(&self, lineage: &Lineage, height: u64, ids: &[TransactionId]) -> Option<(TransactionId, u64)> {
        let recent: HashMap<_, _> = lineage
            .unfinalized
            .iter()
            .flat_map(|state| state.ids.iter().map(|id| (*id, state.header.height)))
            .collect();
        let inner = self.inner.lock();
        ids.iter().find_map(|id| {
            // The tip may have moved since: above the lineage's own, only the lineage speaks.
            let ordered =
                recent.get(id).or_else(|| inner.heights.get(id).filter(|ordered| **ordered <= lineage.tip_height))?;
            (ordered + self.expiry_blocks > height).then_some((*id, *ordered))
        })
    }

    /// Makes a child of the tip the tip, and forgets what can no longer become final.
    pub fn finalize(&self, state: State) {
        let height = state.header.height;
        {
            let mut inner = self.inner.lock();
            inner.remember(height, state.ids.clone());
            inner.forget_ids_below((height + 1).saturating_sub(self.expiry_blocks));
            inner.tip = state;
            let Inner { states, bytes, .. } = &mut *inner;
            states.retain(|_, state| {
                let kept = state.header.height > height;
                if !kept {
                    *bytes -= state.memory();
                }
                kept
            });
            // States that stand beside the tip are harmless and few; they go when the tip passes them.
        }
        self.tip_height.send_replace(height);
    }
}

impl Inner {
    fn get(&self, digest: &Digest) -> Option<State> {
        if *digest == self.tip.digest { Some(self.tip.clone()) } else { self.states.get(digest).cloned() }
    }

    fn remember(&mut self, height: u64, ids: Arc<[TransactionId]>) {
        self.heights.extend(ids.iter().map(|id| (*id, height)));
        self.ids_by_height.insert(height, ids);
    }

    fn forget_ids_below(&mut self, height: u64) {
        let kept = self.ids_by_height.split_off(&height);
        for (below, ids) in std::mem::replace(&mut self.ids_by_height, kept) {
            for id in ids.iter() {
                // A later block may hold the id again once it may: then the entry is that block's.
                if self.heights.get(id) == Some(&below) {
                    self.heights.remove(id);
                }
            }
        }
    }

    /// Drops the state of the oldest view that nothing stands on, and that is not `parent`. False when there
    /// is none.
    fn evict(&mut self, parent: &Digest) -> bool {
        let parents: HashSet<Digest> = self.states.values().map(|state| state.header.parent).collect();
        let oldest = self
            .states
            .values()
            .filter(|state| state.digest != *parent && !parents.contains(&state.digest))
            .min_by_key(|state| (state.header.epoch, state.header.view))
            .map(|state| state.digest);
        let Some(evicted) = oldest.and_then(|digest| self.states.remove(&digest)) else { return false };
        self.bytes -= evicted.memory();
        true
    }
}
