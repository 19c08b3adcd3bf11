//! What is pending: the mempool's logic, without its lock, its metrics and its clock.

use super::{
    config::{MempoolConfig, Size},
    metrics::NamespaceMetrics,
    quota::{Quotas, Source, excess},
    refusal::Refusal,
    window::Window,
};
use crate::ordering::{Admission, OrderingError};
use sinter_primitives::{
    Namespace, Parameters, Transaction, TransactionId,
    body::encoded_bytes_in_lane,
    chain::ChainFile,
    fees::{Account, AccountError, TRANSACTION_BYTES},
};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    num::NonZeroUsize,
};

/// How many blocks this node may lag behind a peer and still keep what the peer admitted. What expires
/// too late for the next block waits here until it does not.
const PEER_LEAD_BLOCKS_MAX: u64 = 64;

/// Who may learn of a pending transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Visibility {
    /// Everybody.
    Public,
    /// The leaders that may order it, and nobody else: it is never gossiped.
    Private,
}

/// How far a transaction that is not final has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// It waits for a block.
    Pending,
    /// A block that holds it is notarized.
    Notarized {
        /// The block's height.
        height: u64,
    },
}

/// A pending transaction.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub id: TransactionId,
    pub transaction: Transaction,
    /// Bytes that it takes inside a lane.
    pub bytes: usize,
    /// Its place in the order of arrival.
    pub sequence: u64,
    /// The last height at which it may be ordered.
    pub last_height: u64,
    pub source: Source,
    pub visibility: Visibility,
    pub stage: Stage,
}

/// One namespace's part of the mempool.
#[derive(Debug)]
pub(super) struct Lane {
    pub namespace: Namespace,
    /// How often the lane's rule has changed.
    pub reordered: u64,
    /// In order of arrival.
    pub queue: BTreeMap<u64, Entry>,
    /// What may only open the lane of one block, by that block's height.
    pub openers: BTreeMap<u64, Entry>,
    pub used: Size,
    /// The namespace's own room.
    pub reserved: Size,
    /// Service that the lane has had, in block bytes: its place in the fair order. See `select.rs`.
    pub served: u64,
    pub metrics: NamespaceMetrics,
}

impl Lane {
    /// Says what is pending.
    #[expect(clippy::cast_precision_loss, reason = "gauges are floats; counts stay far below 2^52")]
    pub fn publish(&self) {
        self.metrics.transactions.set(self.used.transactions as f64);
        self.metrics.bytes.set(self.used.bytes as f64);
    }

    pub fn is_empty(&self) -> bool {
        self.used.transactions == 0
    }
}

/// Where an entry lies.
#[derive(Clone, Copy, Debug)]
enum Location {
    Queue { lane: usize, sequence: u64 },
    Opener { lane: usize, height: u64 },
}

impl Location {
    const fn lane(self) -> usize {
        match self {
            Self::Queue { lane, .. } | Self::Opener { lane, .. } => lane,
        }
    }
}

/// A transaction on its way in: what could be checked without the state has been.
#[derive(Debug)]
pub(super) struct Newcomer {
    pub id: TransactionId,
    pub transaction: Transaction,
    /// The place of its namespace's lane.
    pub lane: usize,
    pub admission: Admission,
    /// How often the lane's rule had changed when this was admitted by it.
    pub reordered: u64,
    /// What its namespace pays out of, and wei a byte: nothing, where it is ordered for nothing.
    pub payer: Option<(Account, u128)>,
}

/// What is pending.
#[derive(Debug)]
pub(super) struct State {
    pub parameters: Parameters,
    config: MempoolConfig,
    /// How many of the lanes are the chain file's; the first ones.
    listed: usize,
    has_fees: bool,
    /// One for each open namespace, in the order in which they were opened.
    pub lanes: Vec<Lane>,
    namespace_max: Size,
    /// The room that all share beyond their own.
    shared_max: Size,
    shared_used: Size,
    used: Size,
    index: HashMap<TransactionId, Location>,
    /// By last height, then arrival.
    expiries: BTreeMap<(u64, u64), TransactionId>,
    /// Taken in by this node itself, by arrival.
    local: BTreeMap<u64, TransactionId>,
    /// By the height of the notarized block; each entry at most once.
    notarized: BTreeSet<(u64, TransactionId)>,
    quotas: Quotas,
    window: Window,
    /// Where a lane that wakes up joins the fair order.
    served_floor: u64,
    sequence_next: u64,
}

/// How much more than its namespace can pay for may wait in a lane: prices fall, and others pay in.
const PENDING_FEES_FACTOR: u128 = 2;

/// Whether a namespace can pay for what waits in its lane, about, with a newcomer of so many bytes.
fn check_funds(lane: &Lane, bytes: usize, account: &Account, base_fee_wei: u128) -> Result<(), Refusal> {
    let would = lane.used + Size::one(bytes);
    let metered = would.bytes as u128 + would.transactions as u128 * u128::from(TRANSACTION_BYTES);
    let (fee_wei, left_wei) = (base_fee_wei.saturating_mul(metered), account.wei_left());
    if lane.is_empty() || fee_wei <= left_wei.saturating_mul(PENDING_FEES_FACTOR) {
        return Ok(());
    }
    let reason = AccountError::Dry { balance_wei: left_wei, fee_wei };
    Err(Refusal::Account { namespace: lane.namespace, reason })
}

impl State {
    pub fn new(chain: &ChainFile, config: &MempoolConfig) -> Self {
        Self {
            parameters: chain.parameters,
            config: *config,
            listed: chain.namespaces.len(),
            has_fees: chain.fees.is_some(),
            lanes: Vec::new(),
            namespace_max: config.namespace(),
            shared_max: Size::default(),
            shared_used: Size::default(),
            used: Size::default(),
            index: HashMap::new(),
            expiries: BTreeMap::new(),
            local: BTreeMap::new(),
            notarized: BTreeSet::new(),
            quotas: Quotas::new(config, chain.seats.len()),
            window: Window::new(chain.parameters.expiry_blocks),
            served_floor: 0,
            sequence_next: 1,
        }
    }

    /// A lane for a namespace that has none; gives its place. Where the others' own room shrinks for it, what they have beyond it is in
    /// the shared room from now on, and nothing is pushed out.
    pub fn open(&mut self, namespace: Namespace) -> usize {
        self.lanes.push(Lane {
            namespace,
            reordered: 0,
            queue: BTreeMap::new(),
            openers: BTreeMap::new(),
            used: Size::default(),
            reserved: Size::default(),
            served: self.served_floor,
            metrics: NamespaceMetrics::new(namespace),
        });
        // Anybody opens a namespace on L1: those have a part of the room among themselves, however many they are.
        let parts = if self.has_fees { 2 } else { 1 };
        let (config, listed) = (self.config, self.listed);
        let each = |lanes: usize| config.reserved(NonZeroUsize::new(lanes).unwrap_or(NonZeroUsize::MIN)).part(parts);
        let (of_listed, of_opened) = (each(listed), each(self.lanes.len().saturating_sub(listed)));
        let (mut reserved, mut beyond) = (Size::default(), Size::default());
        for (place, lane) in self.lanes.iter_mut().enumerate() {
            lane.reserved = if place < listed { of_listed } else { of_opened };
            reserved += lane.reserved;
            beyond += lane.used.beyond(lane.reserved);
        }
        (self.shared_max, self.shared_used) = (self.config.pool().beyond(reserved), beyond);
        self.lanes.len() - 1
    }

    /// Takes in `newcomer`, or says why not. Returns its place in the order of arrival.
    pub fn insert(&mut self, newcomer: Newcomer, source: Source, visibility: Visibility) -> Result<u64, Refusal> {
        let Newcomer { id, transaction, lane: lane_index, admission, reordered, payer } = newcomer;
        self.check_new(&id, transaction.expiry_height)?;
        let last_height = self.last_height(&transaction, admission, source)?;
        let lane = &self.lanes[lane_index];
        let namespace = lane.namespace;
        if lane.reordered != reordered {
            return Err(Refusal::OrderingRule { namespace, reason: OrderingError::Reordered });
        }
        if let Admission::Opens { height } = admission
            && let Some(first) = lane.openers.get(&height)
        {
            return Err(Refusal::BundleTaken { namespace, height, pending: first.id });
        }
        let bytes = encoded_bytes_in_lane(&transaction);
        if let Some((account, base_fee_wei)) = payer {
            check_funds(lane, bytes, &account, base_fee_wei)?;
        }
        self.quotas.check(source, namespace, bytes)?;
        let shared_used = self.check_room(lane, bytes)?;

        let sequence = self.sequence_next;
        self.sequence_next += 1;
        self.shared_used = shared_used;
        self.used += Size::one(bytes);
        self.quotas.add(source, namespace, bytes);
        self.expiries.insert((last_height, sequence), id);
        if source.is_local() {
            self.local.insert(sequence, id);
        }
        let entry = Entry { id, transaction, bytes, sequence, last_height, source, visibility, stage: Stage::Pending };
        let lane = &mut self.lanes[lane_index];
        if lane.is_empty() {
            // An idle lane earns no claim to more than its share once it wakes up.
            lane.served = lane.served.max(self.served_floor);
        }
        lane.used += Size::one(bytes);
        let location = match admission {
            Admission::InTurn => {
                lane.queue.insert(sequence, entry);
                Location::Queue { lane: lane_index, sequence }
            }
            Admission::Opens { height } => {
                lane.openers.insert(height, entry);
                Location::Opener { lane: lane_index, height }
            }
        };
        self.index.insert(id, location);
        Ok(sequence)
    }

    /// A lane's rule changes: takes out what would open it, since another auction sells its first place from now on. Returns how many
    /// there were.
    pub fn reorder(&mut self, lane: usize) -> u64 {
        self.lanes[lane].reordered += 1;
        let openers: Vec<_> = self.lanes[lane].openers.values().map(|entry| entry.id).collect();
        openers.iter().filter(|id| self.remove(id).is_some()).count() as u64
    }

    /// Whether nothing with this id is or was here, and it has not expired: what a look can tell, before
    /// anything that costs more is checked.
    pub fn check_new(&self, id: &TransactionId, expiry: u64) -> Result<(), Refusal> {
        if self.index.contains_key(id) {
            return Err(Refusal::AlreadyPending { id: *id });
        }
        if self.window.contains(id) {
            return Err(Refusal::AlreadyOrdered { id: *id });
        }
        let height = self.window.tip() + 1;
        if expiry < height { Err(Refusal::Expired { height, expiry }) } else { Ok(()) }
    }

    /// The last height at which a newcomer that has not expired may be ordered, where there is one left.
    fn last_height(&self, transaction: &Transaction, admission: Admission, source: Source) -> Result<u64, Refusal> {
        let next = self.window.tip() + 1;
        let expiry = transaction.expiry_height;
        let lead = if source.is_local() { 0 } else { PEER_LEAD_BLOCKS_MAX };
        let max = next + self.parameters.expiry_blocks - 1 + lead;
        if expiry > max {
            return Err(Refusal::ExpiryTooFar { max, got: expiry });
        }
        match admission {
            Admission::InTurn => Ok(expiry),
            Admission::Opens { height } if height < next => Err(Refusal::Expired { height: next, expiry: height }),
            Admission::Opens { height } if height > expiry => Err(Refusal::Expired { height, expiry }),
            Admission::Opens { height } => Ok(height),
        }
    }

    /// Whether `lane` has room for `bytes` more; returns what would then be used of the shared room.
    fn check_room(&self, lane: &Lane, bytes: usize) -> Result<Size, Refusal> {
        let would = lane.used + Size::one(bytes);
        if let Some((unit, max, got)) = excess(would, self.namespace_max) {
            return Err(Refusal::NamespaceFull { namespace: lane.namespace, unit, max, got });
        }
        let mut shared_used = self.shared_used;
        shared_used -= lane.used.beyond(lane.reserved);
        shared_used += would.beyond(lane.reserved);
        // What the newcomer takes from its lane's own room needs no shared room, even where none is left.
        let grown = shared_used.beyond(self.shared_used);
        let bound = Size {
            transactions: if grown.transactions == 0 { usize::MAX } else { self.shared_max.transactions },
            bytes: if grown.bytes == 0 { usize::MAX } else { self.shared_max.bytes },
        };
        match excess(shared_used, bound) {
            Some((unit, max, got)) => Err(Refusal::MempoolFull { unit, max, got }),
            None => Ok(shared_used),
        }
    }

    /// Takes out what is pending under `id`.
    fn remove(&mut self, id: &TransactionId) -> Option<(usize, Entry)> {
        let location = self.index.remove(id)?;
        let lane = &mut self.lanes[location.lane()];
        let entry = match location {
            Location::Queue { sequence, .. } => lane.queue.remove(&sequence),
            Location::Opener { height, .. } => lane.openers.remove(&height),
        }?;
        self.shared_used -= lane.used.beyond(lane.reserved);
        lane.used -= Size::one(entry.bytes);
        self.shared_used += lane.used.beyond(lane.reserved);
        self.used -= Size::one(entry.bytes);
        self.quotas.remove(entry.source, lane.namespace, entry.bytes);
        self.expiries.remove(&(entry.last_height, entry.sequence));
        self.local.remove(&entry.sequence);
        if let Stage::Notarized { height } = entry.stage {
            self.notarized.remove(&(height, entry.id));
        }
        Some((location.lane(), entry))
    }

    /// The pending transaction `id`.
    pub fn entry(&self, id: &TransactionId) -> Option<&Entry> {
        match *self.index.get(id)? {
            Location::Queue { lane, sequence } => self.lanes[lane].queue.get(&sequence),
            Location::Opener { lane, height } => self.lanes[lane].openers.get(&height),
        }
    }

    fn entry_mut(&mut self, id: &TransactionId) -> Option<&mut Entry> {
        match *self.index.get(id)? {
            Location::Queue { lane, sequence } => self.lanes[lane].queue.get_mut(&sequence),
            Location::Opener { lane, height } => self.lanes[lane].openers.get_mut(&height),
        }
    }

    /// A block at `height` with these transactions is notarized.
    pub fn notarized(&mut self, height: u64, ids: &[TransactionId]) {
        for id in ids {
            self.set_stage(id, Stage::Notarized { height });
        }
    }

    fn set_stage(&mut self, id: &TransactionId, stage: Stage) {
        let Some(entry) = self.entry_mut(id) else { return };
        let before = std::mem::replace(&mut entry.stage, stage);
        if let Stage::Notarized { height } = before {
            self.notarized.remove(&(height, *id));
        }
        if let Stage::Notarized { height } = stage {
            self.notarized.insert((height, *id));
        }
    }

    /// A block at `height` with these transactions is final. Returns, by lane, how many expired with it.
    pub fn finalized(&mut self, height: u64, ids: &[TransactionId]) -> BTreeMap<usize, u64> {
        for id in ids {
            if let Some((lane, entry)) = self.remove(id) {
                let charge = self.charge(entry.bytes);
                self.lanes[lane].served += charge;
            }
        }
        self.window.push(height, ids);
        // What a block at or below this height held, and is not final by now, never will be by that block.
        while let Some(&(notarized_at, id)) = self.notarized.first()
            && notarized_at <= self.window.tip()
        {
            self.set_stage(&id, Stage::Pending);
        }
        let mut expired = BTreeMap::new();
        while let Some((&(last_height, _), &id)) = self.expiries.first_key_value()
            && last_height <= self.window.tip()
        {
            match self.remove(&id) {
                Some((lane, _)) => *expired.entry(lane).or_default() += 1,
                None => break, // cannot happen: `expiries` holds what `index` holds. A loop must end all the same.
            }
        }
        self.raise_served_floor();
        expired
    }

    /// Keeps the floor at the least served lane that has something pending; where none has, everybody
    /// has had what he asked for, and all start level again.
    fn raise_served_floor(&mut self) {
        let waiting = self.lanes.iter().filter(|lane| !lane.is_empty()).map(|lane| lane.served).min();
        let floor = waiting.or_else(|| self.lanes.iter().map(|lane| lane.served).max());
        self.served_floor = self.served_floor.max(floor.unwrap_or_default());
    }

    /// The block bytes that a transaction of `bytes` bytes costs its lane: at least one part of as many
    /// as a block holds transactions, since a block can be full by count as well.
    pub fn charge(&self, bytes: usize) -> u64 {
        bytes.max(self.parameters.block_bytes_max / self.parameters.block_transactions_max) as u64
    }

    /// Takes in blocks that were final before this node started.
    pub fn restore_window(&mut self, blocks: impl IntoIterator<Item = (u64, Vec<TransactionId>)>) {
        for (height, ids) in blocks {
            self.finalized(height, &ids);
        }
    }

    /// The last finalized height.
    pub const fn tip(&self) -> u64 {
        self.window.tip()
    }

    pub const fn used(&self) -> Size {
        self.used
    }

    pub fn notarized_len(&self) -> usize {
        self.notarized.len()
    }

    /// What this node itself took in after the one at `after`, in order of arrival.
    pub fn local_after(&self, after: u64) -> impl Iterator<Item = &Entry> {
        self.local.range(after.saturating_add(1)..).filter_map(|(_, id)| self.entry(id))
    }

    /// What this node itself took in as number `sequence`, while it waits for a block.
    pub fn local_pending(&self, sequence: u64) -> Option<&Entry> {
        self.entry(self.local.get(&sequence)?).filter(|entry| entry.stage == Stage::Pending)
    }

    /// Whether every index agrees with every other.
    #[cfg(test)]
    pub fn assert_consistent(&self) {
        let entries: Vec<&Entry> =
            self.lanes.iter().flat_map(|lane| lane.queue.values().chain(lane.openers.values())).collect();
        let size = |entries: &mut dyn Iterator<Item = &Entry>| {
            entries.fold(Size::default(), |sum, entry| sum + Size::one(entry.bytes))
        };
        assert_eq!(self.index.len(), entries.len());
        assert_eq!(self.expiries.len(), entries.len());
        assert_eq!(self.used, size(&mut entries.iter().copied()));
        assert_eq!(self.local.len(), entries.iter().filter(|entry| entry.source.is_local()).count());
        assert_eq!(self.notarized.len(), entries.iter().filter(|entry| entry.stage != Stage::Pending).count());
        assert_eq!(self.quotas.holders_with_pending() == 0, entries.is_empty());
        let mut shared_used = Size::default();
        for lane in &self.lanes {
            assert_eq!(lane.used, size(&mut lane.queue.values().chain(lane.openers.values())));
            assert!(lane.used.fits(self.namespace_max));
            shared_used += lane.used.beyond(lane.reserved);
        }
        assert_eq!(self.shared_used, shared_used);
        for entry in entries {
            assert_eq!(self.entry(&entry.id).map(|found| found.sequence), Some(entry.sequence));
            assert!(entry.last_height > self.tip(), "kept past its last height");
            assert!(!self.window.contains(&entry.id), "pending and ordered");
        }
    }
}
