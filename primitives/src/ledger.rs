//! What carries over from block to block for every open namespace, idle ones too.
//!
//! ```text
//! entry: namespace (8) ‖ accumulator (32) ‖ ordering
//! ordering: 0x00 (first-come), or 0x01 ‖ auction key (32) (express)
//! root = SHA-256("SINTER_LEDGER" ‖ chain id (8) ‖ Merkle root over the entries, ascending)
//! ledger: chain id (8) ‖ entry count (varint) ‖ entries
//! ```

use crate::{
    Accumulator, Body, Chain, Digest, Namespace, NamespaceLeaf, NamespaceTable, Transaction, TransactionId,
    accumulator::Position,
    body::Lane,
    chain::{NAMESPACES_MAX, Ordering},
    merkle,
    table::TableError,
};
use bytes::BufMut;
use commonware_codec::{Buf, Encode, EncodeSize, Error, FixedSize, RangeCfg, Read, ReadExt, Write};
use commonware_cryptography::{Hasher, Sha256};
use std::collections::BTreeMap;

const ROOT_TAG: &[u8] = b"SINTER_LEDGER";

/// Why a body cannot be applied.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LedgerError {
    /// A lane of a namespace that the chain does not order for.
    #[error("namespace {0} is not open on this chain")]
    UnknownNamespace(Namespace),
    /// A lane without transactions.
    #[error("the lane of namespace {0} is empty")]
    EmptyLane(Namespace),
    /// A transaction in another namespace's lane.
    #[error("the lane of namespace {expected} holds a transaction of namespace {got}")]
    ForeignTransaction {
        /// The lane's namespace.
        expected: Namespace,
        /// The transaction's namespace.
        got: Namespace,
    },
    /// Lanes out of order.
    #[error("lanes: {0}")]
    Order(#[from] TableError),
    /// More transactions than a leaf can count.
    #[error("the lane of namespace {namespace} holds {got} transactions: expected at most {expected}", expected = u32::MAX)]
    TooManyTransactions {
        /// The lane's namespace.
        namespace: Namespace,
        /// Its number of transactions.
        got: usize,
    },
}

/// What the ledger keeps for one namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LedgerEntry {
    /// The commitment to everything ordered so far.
    pub accumulator: Accumulator,
    /// The lane's ordering rule.
    pub ordering: Ordering,
}

/// Every open namespace of a chain, after some block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ledger {
    chain_id: u64,
    entries: BTreeMap<Namespace, LedgerEntry>,
}

impl Ledger {
    /// The ledger of height 0.
    #[must_use]
    pub fn genesis(chain: &Chain) -> Self {
        let chain_id = chain.file.chain_id;
        let entries = chain.file.namespaces.iter().map(|spec| {
            let accumulator = Accumulator::genesis(chain_id, spec.id);
            (spec.id, LedgerEntry { accumulator, ordering: spec.ordering })
        });
        Self { chain_id, entries: entries.collect() }
    }

    /// Orders `body` at the given position: advances the accumulators of active lanes, and gives the
    /// table for the block's header. Nothing changes on an error.
    ///
    /// # Errors
    /// [`LedgerError`] when the body is not one that this chain could order.
    pub fn apply(
        &mut self,
        height: u64,
        timestamp_ms: u64,
        l1_origin_number: u64,
        body: &Body,
    ) -> Result<NamespaceTable, LedgerError> {
        self.apply_identified(height, timestamp_ms, l1_origin_number, body, &body.ids(self.chain_id))
    }

    /// Like [`Self::apply`], for whoever has the ids already: they cost a hash of every byte. `ids` are
    /// those of [`Body::ids`].
    ///
    /// # Errors
    /// Like [`Self::apply`].
    pub fn apply_identified(
        &mut self,
        height: u64,
        timestamp_ms: u64,
        l1_origin_number: u64,
        body: &Body,
        ids: &[TransactionId],
    ) -> Result<NamespaceTable, LedgerError> {
        let mut rest = ids;
        let leaves = body.lanes.iter().map(|lane| {
            let (ids, after) = rest.split_at(lane.transactions.len().min(rest.len()));
            rest = after;
            let position =
                Position { chain_id: self.chain_id, namespace: lane.namespace, height, timestamp_ms, l1_origin_number };
            self.leaf(lane, ids, &position)
        });
        let table = NamespaceTable::new(leaves.collect::<Result<_, _>>()?)?;
        for leaf in table.leaves() {
            if let Some(entry) = self.entries.get_mut(&leaf.namespace) {
                entry.accumulator = leaf.accumulator;
            }
        }
        Ok(table)
    }

    fn leaf(&self, lane: &Lane, ids: &[TransactionId], position: &Position) -> Result<NamespaceLeaf, LedgerError> {
        let namespace = lane.namespace;
        let entry = self.entries.get(&namespace).ok_or(LedgerError::UnknownNamespace(namespace))?;
        if lane.transactions.is_empty() {
            return Err(LedgerError::EmptyLane(namespace));
        }
        if let Some(foreign) = lane.transactions.iter().find(|transaction| transaction.namespace != namespace) {
            return Err(LedgerError::ForeignTransaction { expected: namespace, got: foreign.namespace });
        }
        let got = lane.transactions.len();
        let tx_count = u32::try_from(got).map_err(|_| LedgerError::TooManyTransactions { namespace, got })?;
        Ok(NamespaceLeaf {
            namespace,
            tx_root: merkle::root(ids),
            accumulator: entry.accumulator.advance(position, &lane.transactions),
            tx_count,
            byte_count: payload_bytes(&lane.transactions),
        })
    }

    /// The chain's id.
    #[must_use]
    pub const fn chain_id(&self) -> u64 {
        self.chain_id
    }

    /// The entry of an open namespace.
    #[must_use]
    pub fn entry(&self, namespace: Namespace) -> Option<&LedgerEntry> {
        self.entries.get(&namespace)
    }

    /// The accumulator of an open namespace.
    #[must_use]
    pub fn accumulator(&self, namespace: Namespace) -> Option<Accumulator> {
        self.entry(namespace).map(|entry| entry.accumulator)
    }

    /// Open namespaces, ascending.
    pub fn namespaces(&self) -> impl Iterator<Item = Namespace> {
        self.entries.keys().copied()
    }

    /// A header's `ledger_root`.
    #[must_use]
    pub fn root(&self) -> Digest {
        let entries = merkle::root(self.entries.iter().map(|entry| Row::from(entry).encode()));
        Sha256::hash(&[ROOT_TAG, &self.chain_id.to_be_bytes(), &entries])
    }
}

/// The Merkle root over the ids of a lane's transactions: a leaf's `tx_root`.
#[must_use]
pub fn transactions_root(chain_id: u64, transactions: &[Transaction]) -> Digest {
    merkle::root(transactions.iter().map(|transaction| transaction.id(chain_id)))
}

/// The sum of the payloads' bytes: a leaf's `byte_count`.
#[must_use]
pub fn payload_bytes(transactions: &[Transaction]) -> u64 {
    transactions.iter().map(|transaction| transaction.payload.len() as u64).sum()
}

/// One entry as it is written and hashed.
struct Row {
    namespace: Namespace,
    entry: LedgerEntry,
}

impl From<(&Namespace, &LedgerEntry)> for Row {
    fn from((namespace, entry): (&Namespace, &LedgerEntry)) -> Self {
        Self { namespace: *namespace, entry: *entry }
    }
}

impl Write for Row {
    fn write(&self, buf: &mut impl BufMut) {
        self.namespace.write(buf);
        self.entry.accumulator.write(buf);
        match &self.entry.ordering {
            Ordering::FirstCome => 0u8.write(buf),
            Ordering::Express { auction_key } => {
                1u8.write(buf);
                auction_key.write(buf);
            }
        }
    }
}

impl EncodeSize for Row {
    fn encode_size(&self) -> usize {
        let key = match self.entry.ordering {
            Ordering::FirstCome => 0,
            Ordering::Express { .. } => Digest::SIZE,
        };
        Namespace::SIZE + Accumulator::SIZE + 1 + key
    }
}

impl Read for Row {
    type Cfg = ();
    fn read_cfg(buf: &mut impl Buf, _: &()) -> Result<Self, Error> {
        let namespace = Namespace::read(buf)?;
        let accumulator = Accumulator::read(buf)?;
        let ordering = match u8::read(buf)? {
            0 => Ordering::FirstCome,
            1 => Ordering::Express { auction_key: Digest::read(buf)? },
            other => return Err(Error::InvalidEnum(other)),
        };
        Ok(Self { namespace, entry: LedgerEntry { accumulator, ordering } })
    }
}

impl Write for Ledger {
    fn write(&self, buf: &mut impl BufMut) {
        self.chain_id.write(buf);
        self.entries.len().write(buf);
        for entry in &self.entries {
            Row::from(entry).write(buf);
        }
    }
}

impl EncodeSize for Ledger {
    fn encode_size(&self) -> usize {
        u64::SIZE
            + self.entries.len().encode_size()
            + self.entries.iter().map(|entry| Row::from(entry).encode_size()).sum::<usize>()
    }
}

impl Read for Ledger {
    /// Bounded by [`NAMESPACES_MAX`].
    type Cfg = ();
    fn read_cfg(buf: &mut impl Buf, _: &()) -> Result<Self, Error> {
        let chain_id = u64::read(buf)?;
        let count = usize::read_cfg(buf, &RangeCfg::new(0..=NAMESPACES_MAX))?;
        let mut entries = BTreeMap::new();
        for _ in 0..count {
            let row = Row::read(buf)?;
            if entries.last_key_value().is_some_and(|(last, _)| *last >= row.namespace) {
                return Err(Error::Invalid("Ledger", "namespaces must strictly ascend"));
            }
            entries.insert(row.namespace, row.entry);
        }
        Ok(Self { chain_id, entries })
    }
}
