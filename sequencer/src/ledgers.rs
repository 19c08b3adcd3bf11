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

use commonware_utils::sync::Mutex;
use sinter_primitives::{Digest, Header, Ledger, NamespaceTable, TransactionId};
use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
};
use tokio::sync::watch;

/// Most heights above the tip that are followed. A block further ahead waits until the tip is nearer.
pub const AHEAD_MAX: u64 = 256;
/// Most states kept. Heights alone do not bound them: every failed view may leave one at the same height.
const STATES_MAX: usize = 1024;

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
    ids_by_height: BTreeMap<u64, Arc<[TransactionId]>>,
    heights: HashMap<TransactionId, u64>,
}

impl Ledgers {
    /// A tree on the last final block. `recent` holds the ids of the last `expiry_blocks` heights up to it.
    #[must_use]
    pub fn new(expiry_blocks: u64, tip: State, recent: Vec<(u64, Vec<TransactionId>)>) -> Self {
        let tip_height = tip.header.height;
        let mut inner = Inner { tip, states: HashMap::new(), ids_by_height: BTreeMap::new(), heights: HashMap::new() };
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

    /// Keeps the state after a block whose parent is in the tree.
    pub fn insert(&self, state: State) {
        let mut inner = self.inner.lock();
        let above = state.header.height.saturating_sub(inner.tip.header.height);
        if above == 0 || above > AHEAD_MAX {
            return;
        }
        if inner.states.len() >= STATES_MAX {
            inner.evict();
        }
        inner.states.insert(state.digest, state);
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
            inner.states.retain(|_, state| state.header.height > height);
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

    /// Drops the state of the oldest view that nothing stands on.
    fn evict(&mut self) {
        let parents: HashSet<Digest> = self.states.values().map(|state| state.header.parent).collect();
        let oldest = self
            .states
            .values()
            .filter(|state| !parents.contains(&state.digest))
            .min_by_key(|state| state.header.view)
            .map(|state| state.digest);
        if let Some(digest) = oldest {
            self.states.remove(&digest);
        }
    }
}
