//! Where a node begins that was not there from genesis on: the end of an epoch.
//!
//! ```text
//!   … epoch e−2 ─┐ … epoch e−1 ─┐ … epoch e ──────────────── last block of e ┐ epoch e+1: blocks come from peers
//!                └ hand-over    └ hand-over        └ ids of the window  ┘    └ hand-over, ledger
//! ```
//!
//! Whoever knows the committees of one epoch follows them by [hand-overs](sinter_primitives::hand_over) to the newest epoch that is
//! over.
//!
//! The last header of that epoch has a certificate of its own, and commits to all that blocks above it depend on: the ledger, by its
//! root; and, through its ancestors' namespace tables, the ids that must not repeat. So all of it can come from nodes of which none is
//! believed. A node that begins so takes part as soon as it has the blocks of the epoch that is going on; it votes in none that began
//! before it did, since it cannot know that its key never signed there.

use commonware_codec::{Copying, DecodeExt};
use serde::{Deserialize, Serialize};
use sinter_primitives::{
    Chain, Digest, Header, Ledger, NamespaceLeaf, NamespaceTable, TransactionId,
    hand_over::{HandOver, HandOverError},
    hexadecimal, merkle,
    network::TrustedNetwork,
    table::TableError,
};
use std::{collections::VecDeque, ops::RangeInclusive, sync::Arc};

/// Hand-overs that a checkpoint needs: the committees of its own epoch and of the next two are in them.
pub const ENDS_MIN: usize = 3;

/// Why a checkpoint was refused.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// What is trusted is of another network.
    #[error("trusted committees: expected those of chain {expected}, got those of chain {got}")]
    OtherChain {
        /// The hash of this node's `chain.toml`.
        expected: Digest,
        /// The hash that the committees come with.
        got: Digest,
    },
    /// Too few epochs are over since the one that is trusted.
    #[error("expected the ends of {ENDS_MIN} epochs or more since the trusted one, got {got}")]
    TooFew {
        /// How many there are.
        got: usize,
    },
    /// The end of an epoch.
    #[error("end of an epoch: {0}")]
    HandOver(#[from] HandOverError),
    /// The last header of an epoch is not where the chain has it.
    #[error("end of epoch {epoch}: expected a header at height {expected}, got one at {got}")]
    Height {
        /// The epoch.
        epoch: u64,
        /// Where it ends.
        expected: u64,
        /// The header's height.
        got: u64,
    },
    /// The ledger does not decode.
    #[error("ledger after epoch {epoch}: {reason}")]
    Ledger {
        /// The epoch.
        epoch: u64,
        /// Why.
        reason: String,
    },
    /// Something is not what a header commits to.
    #[error("height {height}: {what}: expected {expected}, got {got}")]
    Mismatch {
        /// The header's height.
        height: u64,
        /// What it is about.
        what: &'static str,
        /// What the header says.
        expected: String,
        /// What came.
        got: String,
    },
    /// A table whose leaves are out of order.
    #[error("height {height}: {source}")]
    Table {
        /// The header's height.
        height: u64,
        /// What is wrong.
        source: TableError,
    },
    /// Nothing came, or more than was asked for.
    #[error("expected heights up to {until} and none below {from}, got {got}")]
    Page {
        /// The lowest height that is missing.
        from: u64,
        /// The highest.
        until: u64,
        /// What came.
        got: String,
    },
}

/// What a block ordered, without the transactions themselves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OrderedIds {
    /// The block's header.
    pub header: Header,
    /// What it ordered for each namespace that was active, ascending.
    pub lanes: Vec<LaneIds>,
}

/// The transactions of a namespace in a block.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LaneIds {
    /// The namespace's leaf in the block's table.
    pub leaf: NamespaceLeaf,
    /// Their ids, in order.
    #[serde(with = "hexadecimal::digests")]
    pub ids: Vec<TransactionId>,
}

impl OrderedIds {
    /// The table under the header.
    ///
    /// # Errors
    /// [`CheckpointError`] when it is not the header's, or the ids are not those that it counts.
    pub fn table(&self) -> Result<NamespaceTable, CheckpointError> {
        let height = self.header.height;
        let table = NamespaceTable::new(self.lanes.iter().map(|lane| lane.leaf).collect())
            .map_err(|source| CheckpointError::Table { height, source })?;
        same(height, "namespaces root", self.header.namespaces_root, table.root())?;
        for LaneIds { leaf, ids } in &self.lanes {
            same(height, "transactions", leaf.tx_count as usize, ids.len())?;
            same(height, "transactions root", leaf.tx_root, merkle::root(ids))?;
        }
        Ok(table)
    }
}

/// The way from the committees that are trusted to the newest ones, one epoch's end after the other.
pub struct Ends {
    chain: Arc<Chain>,
    trusted: TrustedNetwork,
    last: VecDeque<HandOver>,
}

impl Ends {
    /// Begins with what is trusted.
    ///
    /// # Errors
    /// [`CheckpointError::OtherChain`].
    pub fn new(chain: Arc<Chain>, trusted: TrustedNetwork) -> Result<Self, CheckpointError> {
        if trusted.chain_hash != chain.hash {
            return Err(CheckpointError::OtherChain { expected: chain.hash, got: trusted.chain_hash });
        }
        Ok(Self { chain, trusted, last: VecDeque::new() })
    }

    /// The epoch whose end comes next.
    #[must_use]
    pub const fn epoch(&self) -> u64 {
        self.trusted.epoch
    }

    /// The last end that was taken.
    #[must_use]
    pub fn last(&self) -> Option<&HandOver> {
        self.last.back()
    }

    /// Takes the next end. On an error nothing changes.
    ///
    /// # Errors
    /// [`CheckpointError`], the first thing that does not hold.
    pub fn take(&mut self, end: &HandOver) -> Result<(), CheckpointError> {
        let Header { epoch, height, .. } = end.header;
        let expected = self.chain.file.parameters.boundary_before(epoch.saturating_add(1));
        if height != expected {
            return Err(CheckpointError::Height { epoch, expected, got: height });
        }
        self.trusted.hand_over(end)?;
        self.last.push_back(end.clone());
        if self.last.len() > ENDS_MIN {
            self.last.pop_front();
        }
        Ok(())
    }

    /// A checkpoint at the last end, with the encoded ledger after it.
    ///
    /// # Errors
    /// [`CheckpointError`] when there are too few ends, or it is not that ledger.
    pub fn checkpoint(&self, ledger: &[u8]) -> Result<Checkpoint, CheckpointError> {
        let got = self.last.len();
        let last = match self.last() {
            Some(last) if got == ENDS_MIN => last.header,
            _ => return Err(CheckpointError::TooFew { got }),
        };
        let ledger = Ledger::decode(Copying(ledger))
            .map_err(|error| CheckpointError::Ledger { epoch: last.epoch, reason: error.to_string() })?;
        same(last.height, "ledger root", last.ledger_root, ledger.root())?;
        // Genesis ordered nothing.
        let first = last.height.saturating_add(1).saturating_sub(self.chain.file.parameters.expiry_blocks).max(1);
        Ok(Checkpoint { ends: self.last.iter().cloned().collect(), last, ledger, window: VecDeque::new(), first })
    }
}

/// The end of an epoch, and all that the blocks above it depend on. It is put together from answers of nodes that nobody believes;
/// what is in it has been verified.
#[derive(Debug)]
pub struct Checkpoint {
    ends: Vec<HandOver>,
    last: Header,
    ledger: Ledger,
    window: VecDeque<(OrderedIds, NamespaceTable)>,
    /// The lowest height whose ids it needs.
    first: u64,
}

impl Checkpoint {
    /// The heights whose ids it lacks. They are given from the top.
    #[must_use]
    pub fn missing(&self) -> Option<RangeInclusive<u64>> {
        let until = self.window.front().map_or(self.last.height, |(lowest, _)| lowest.header.height.saturating_sub(1));
        (until >= self.first).then_some(self.first..=until)
    }

    /// Takes what consecutive blocks ordered, ascending, the last of which is the highest that is missing. On an error nothing of
    /// it is taken.
    ///
    /// # Errors
    /// [`CheckpointError`], the first thing that does not hold.
    pub fn take(&mut self, page: Vec<OrderedIds>) -> Result<(), CheckpointError> {
        let Some(missing) = self.missing() else { return Ok(()) };
        let (from, until) = (*missing.start(), *missing.end());
        let refused = |got: String| CheckpointError::Page { from, until, got };
        let (Some(lowest), Some(highest)) = (page.first(), page.last()) else {
            return Err(refused("nothing".into()));
        };
        if lowest.header.height < from || highest.header.height != until {
            return Err(refused(format!("{} to {}", lowest.header.height, highest.header.height)));
        }
        let mut digest = self.window.front().map_or_else(|| self.last.digest(), |(above, _)| above.header.parent);
        let mut verified = Vec::with_capacity(page.len());
        for ordered in page.into_iter().rev() {
            let Header { height, parent, .. } = ordered.header;
            same(height, "header", digest, ordered.header.digest())?;
            let table = ordered.table()?;
            digest = parent;
            verified.push((ordered, table));
        }
        for each in verified {
            self.window.push_front(each);
        }
        Ok(())
    }

    /// The header that it begins at.
    #[must_use]
    pub const fn header(&self) -> &Header {
        &self.last
    }

    /// The ends of epochs that led to it, ascending; the last is of its own.
    #[must_use]
    pub fn ends(&self) -> &[HandOver] {
        &self.ends
    }

    /// The ledger after it.
    #[must_use]
    pub const fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// What the blocks up to it ordered, with their tables, ascending.
    pub fn window(&self) -> impl Iterator<Item = &(OrderedIds, NamespaceTable)> {
        self.window.iter()
    }
}

fn same<T: PartialEq + ToString>(height: u64, what: &'static str, expected: T, got: T) -> Result<(), CheckpointError> {
    if expected == got {
        return Ok(());
    }
    Err(CheckpointError::Mismatch { height, what, expected: expected.to_string(), got: got.to_string() })
}
