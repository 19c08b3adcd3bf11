//! What is final, found by height, digest, transaction id or Ethereum hash.
//!
//! Marshal's archive holds the blocks themselves, by height. This index holds what answers questions
//! about them without reading them: headers, namespace tables, transaction ids and places, and the
//! ledger after the last block. It is one file of an embedded B-tree database (redb).
//!
//! - **Atomic**: blocks are applied in one database transaction; a kill leaves all of it or nothing.
//! - **Durable**: when [`Index::apply`] returns with [`Persist::Now`], it is on disk. Blocks that are queued up
//!   are best applied together: one synchronisation serves them all. With [`Persist::Later`] the blocks are
//!   there for every reader, and on disk with the next [`Persist::Now`].
//! - **Idempotent**: a block that is already indexed is checked against what is there, and skipped.
//!   The node replays blocks after a crash without asking where it stopped.
//!
//! Readers take a [`Snapshot`]: what it answers is consistent, whatever is applied or pruned meanwhile.

mod checkpoint;
mod error;
mod hand_overs;
mod prune;
mod schema;
mod snapshot;

pub use checkpoint::Beginning;
pub use error::IndexError;
pub use schema::SCHEMA_VERSION;
pub use snapshot::{Location, Snapshot};

use alloy::primitives::keccak256;
use commonware_codec::Encode;
use error::storage;
use redb::{Builder, Database, Durability, ReadableTable, StorageBackend, WriteTransaction};
use schema::{ETHEREUM, ETHEREUM_HASHES, HEADERS, HEIGHTS, LEDGERS, LOCATIONS, META, TABLES, TRANSACTIONS, meta};
use sinter_primitives::{
    Block, Chain, Digest, Header, Ledger, Namespace, NamespaceTable, TransactionId, TransactionKind, body::Lane,
};
use std::{
    path::Path,
    sync::{Arc, RwLock},
};

/// Bytes of pages kept in memory. Most reads are of the last few blocks.
const CACHE_BYTES: usize = 32 << 20;

/// A final block, with what the validity check computed for it anyway.
#[derive(Clone, Copy, Debug)]
pub struct FinalizedBlock<'a> {
    /// The block.
    pub block: &'a Block,
    /// The ids of its transactions, in the order of [`sinter_primitives::Body::transactions`].
    pub ids: &'a [TransactionId],
    /// The table under its header.
    pub table: &'a NamespaceTable,
}

/// When what is applied reaches the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Persist {
    /// Before the call returns.
    Now,
    /// With the next call that says [`Persist::Now`]. For blocks that can be had again after a crash.
    Later,
}

/// The last indexed header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tip {
    /// The header; genesis in a new index.
    pub header: Header,
    /// Its digest.
    pub digest: Digest,
}

impl Tip {
    fn of(header: Header) -> Self {
        Self { header, digest: header.digest() }
    }
}

/// The index of one node. Readers and the one writer may be on any thread.
#[derive(Debug)]
pub struct Index {
    database: Database,
    chain: Arc<Chain>,
    tip: RwLock<Tip>,
}

impl Index {
    /// Opens the file at `path`, or makes it with the genesis header as its tip.
    ///
    /// # Errors
    /// [`IndexError::SchemaVersion`] and [`IndexError::OtherChain`] for a file that is not this
    /// network's or not of this layout, [`IndexError::Busy`] when another process holds it, and
    /// whatever the disk has to say.
    pub fn open(path: &Path, chain: Arc<Chain>) -> Result<Self, IndexError> {
        let database = Builder::new().set_cache_size(CACHE_BYTES).create(path).map_err(storage("opening the file"))?;
        Self::from_database(database, chain)
    }

    /// Opens the index on storage that is not a plain file; otherwise like [`Index::open`].
    ///
    /// # Errors
    /// Like [`Index::open`].
    pub fn open_on(storage_backend: impl StorageBackend, chain: Arc<Chain>) -> Result<Self, IndexError> {
        let database = Builder::new()
            .set_cache_size(CACHE_BYTES)
            .create_with_backend(storage_backend)
            .map_err(storage("opening the storage"))?;
        Self::from_database(database, chain)
    }

    fn from_database(database: Database, chain: Arc<Chain>) -> Result<Self, IndexError> {
        let transaction = begin_write(&database, "opening the file")?;
        let is_new = transaction.list_tables().map_err(storage("listing tables"))?.next().is_none();
        let tip = if is_new {
            let tip = initialize(&transaction, &chain)?;
            transaction.commit().map_err(storage("writing genesis"))?;
            tip
        } else {
            transaction.abort().map_err(storage("opening the file"))?;
            let snapshot = Snapshot::begin(&database)?;
            check_identity(&snapshot, &chain)?;
            Tip::of(snapshot.tip()?)
        };
        Ok(Self { database, chain, tip: RwLock::new(tip) })
    }

    /// The last indexed header; genesis in a new index.
    #[must_use]
    pub fn tip(&self) -> Tip {
        // A poisoned lock guards a plain value that is written whole.
        *self.tip.read().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// The ledger after the tip.
    ///
    /// # Errors
    /// When the disk fails or the value is damaged.
    pub fn ledger(&self) -> Result<Ledger, IndexError> {
        self.snapshot()?.ledger()
    }

    /// Where a transaction is ordered, if it is.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn locate(&self, id: &TransactionId) -> Result<Option<Location>, IndexError> {
        self.snapshot()?.locate(id)
    }

    /// The ids ordered in the last `blocks` heights, ascending: what must not repeat.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn recent_ids(&self, blocks: u64) -> Result<Vec<(u64, Vec<TransactionId>)>, IndexError> {
        self.snapshot()?.recent_ids(blocks)
    }

    /// A consistent view of everything as it is now.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn snapshot(&self) -> Result<Snapshot, IndexError> {
        Snapshot::begin(&self.database)
    }

    /// Indexes consecutive final blocks, ascending; `ledger_after` is the ledger after the last one.
    /// Blocks at or below the tip are compared and skipped. Gives the number of blocks that were new.
    ///
    /// # Errors
    /// [`IndexError`]; nothing is written then. After [`IndexError::DiskFull`] the index must be
    /// opened anew.
    pub fn apply(
        &self,
        blocks: &[FinalizedBlock<'_>],
        ledger_after: &Ledger,
        persist: Persist,
    ) -> Result<usize, IndexError> {
        let mut transaction = begin_write(&self.database, "applying blocks")?;
        if persist == Persist::Later {
            transaction.set_durability(Durability::None).map_err(storage("applying blocks"))?;
        }
        let mut tip = self.tip();
        let mut applied = 0;
        {
            let mut writer = Writer::open(&transaction, &self.chain)?;
            for finalized in blocks {
                let header = &finalized.block.header;
                if header.height <= tip.header.height {
                    writer.check_indexed(header)?;
                    continue;
                }
                check_link(&tip, header)?;
                check_contents(finalized)?;
                writer.put(finalized, ledger_after)?;
                tip = Tip::of(*header);
                applied += 1;
            }
            if applied > 0 {
                mismatch(&tip.header, "ledger root", tip.header.ledger_root, ledger_after.root())?;
                writer.put_ledger(&tip.header, ledger_after)?;
            }
        }
        if applied == 0 {
            transaction.abort().map_err(storage("applying blocks"))?;
            return Ok(0);
        }
        transaction.commit().map_err(storage("applying blocks"))?;
        *self.tip.write().unwrap_or_else(std::sync::PoisonError::into_inner) = tip;
        Ok(applied)
    }
}

fn begin_write(database: &Database, doing: &'static str) -> Result<WriteTransaction, IndexError> {
    let mut transaction = database.begin_write().map_err(storage(doing))?;
    // Without it, opening after a kill walks the whole file.
    transaction.set_quick_repair(true);
    Ok(transaction)
}

/// Makes every table, so that readers find them, and writes genesis.
fn initialize(transaction: &WriteTransaction, chain: &Chain) -> Result<Tip, IndexError> {
    let tip = Tip::of(chain.genesis());
    let mut writer = Writer::open(transaction, chain)?;
    writer.put_meta(meta::SCHEMA, &SCHEMA_VERSION.to_be_bytes())?;
    writer.put_meta(meta::CHAIN, &chain.hash)?;
    writer.put_meta(meta::EARLIEST, &0u64.to_be_bytes())?;
    writer.put_meta(meta::LEDGER, &Ledger::genesis(&chain.file).encode())?;
    writer.put_header(&tip.header)?;
    Ok(tip)
}

/// Refuses a file of another layout or another network, before anything else of it is read.
fn check_identity(snapshot: &Snapshot, chain: &Chain) -> Result<(), IndexError> {
    let got = snapshot.meta_u64(meta::SCHEMA)?;
    if got != SCHEMA_VERSION {
        let remedy = if got > SCHEMA_VERSION {
            "run the release that wrote it, or a newer one"
        } else {
            "run the release that wrote it, or start with an empty data directory"
        };
        return Err(IndexError::SchemaVersion { expected: SCHEMA_VERSION, got, remedy });
    }
    let got = snapshot.meta_digest(meta::CHAIN)?;
    if got != chain.hash {
        return Err(IndexError::OtherChain { expected: chain.hash, got });
    }
    Ok(())
}

fn check_link(tip: &Tip, header: &Header) -> Result<(), IndexError> {
    // Heights are compared as `tip + 1`: a block above is never at `u64::MAX + 1`.
    let expected = tip.header.height.saturating_add(1);
    if header.height != expected {
        return Err(IndexError::Gap { expected, got: header.height });
    }
    if header.parent != tip.digest {
        return Err(IndexError::Parent { height: header.height, expected: tip.digest, got: header.parent });
    }
    Ok(())
}

fn check_contents(finalized: &FinalizedBlock<'_>) -> Result<(), IndexError> {
    let FinalizedBlock { block, ids, table } = finalized;
    mismatch(&block.header, "transaction ids", block.body.transactions().count(), ids.len())?;
    mismatch(&block.header, "namespaces root", block.header.namespaces_root, table.root())
}

fn mismatch<T: PartialEq + ToString>(
    header: &Header,
    what: &'static str,
    expected: T,
    got: T,
) -> Result<(), IndexError> {
    if expected == got {
        return Ok(());
    }
    Err(IndexError::Mismatch { height: header.height, what, expected: expected.to_string(), got: got.to_string() })
}

type Table<'t, K, V> = redb::Table<'t, K, V>;

/// Every table, open for writing.
struct Writer<'t> {
    chain: &'t Chain,
    meta: Table<'t, &'static str, &'static [u8]>,
    ledgers: Table<'t, u64, &'static [u8]>,
    headers: Table<'t, u64, &'static [u8]>,
    heights: Table<'t, schema::Hash, u64>,
    tables: Table<'t, u64, &'static [u8]>,
    transactions: Table<'t, (u64, u64), &'static [u8]>,
    locations: Table<'t, schema::Hash, (u64, u64, u32)>,
    ethereum_hashes: Table<'t, (u64, u64), &'static [u8]>,
    ethereum: Table<'t, (u64, schema::Hash), (u64, u32)>,
}

impl<'t> Writer<'t> {
    fn open(transaction: &'t WriteTransaction, chain: &'t Chain) -> Result<Self, IndexError> {
        const DOING: &str = "opening tables";
        Ok(Self {
            chain,
            meta: transaction.open_table(META).map_err(storage(DOING))?,
            ledgers: transaction.open_table(LEDGERS).map_err(storage(DOING))?,
            headers: transaction.open_table(HEADERS).map_err(storage(DOING))?,
            heights: transaction.open_table(HEIGHTS).map_err(storage(DOING))?,
            tables: transaction.open_table(TABLES).map_err(storage(DOING))?,
            transactions: transaction.open_table(TRANSACTIONS).map_err(storage(DOING))?,
            locations: transaction.open_table(LOCATIONS).map_err(storage(DOING))?,
            ethereum_hashes: transaction.open_table(ETHEREUM_HASHES).map_err(storage(DOING))?,
            ethereum: transaction.open_table(ETHEREUM).map_err(storage(DOING))?,
        })
    }

    fn put_meta(&mut self, key: &'static str, value: &[u8]) -> Result<(), IndexError> {
        self.meta.insert(key, value).map_err(storage("writing metadata"))?;
        Ok(())
    }

    fn put_header(&mut self, header: &Header) -> Result<(), IndexError> {
        const DOING: &str = "writing a header";
        self.headers.insert(header.height, header.encode().as_ref()).map_err(storage(DOING))?;
        self.heights.insert(header.digest().0, header.height).map_err(storage(DOING))?;
        Ok(())
    }

    /// Writes the ledger after a header. Where an epoch ends it is kept: a node may begin there.
    fn put_ledger(&mut self, header: &Header, ledger: &Ledger) -> Result<(), IndexError> {
        let encoded = ledger.encode();
        self.put_meta(meta::LEDGER, &encoded)?;
        if self.chain.file.parameters.is_last_of_epoch(header.height) {
            self.ledgers.insert(header.epoch, encoded.as_ref()).map_err(storage("writing a ledger"))?;
        }
        Ok(())
    }

    /// Writes a block. `ledger` is one after it: a namespace stays open.
    fn put(&mut self, finalized: &FinalizedBlock<'_>, ledger: &Ledger) -> Result<(), IndexError> {
        let FinalizedBlock { block, ids, table } = finalized;
        let height = block.header.height;
        self.put_header(&block.header)?;
        self.put_table(height, table)?;
        let mut rest = *ids;
        for lane in &block.body.lanes {
            // `check_contents` made sure that there is an id for each transaction.
            let (ids, after) = rest.split_at(lane.transactions.len().min(rest.len()));
            rest = after;
            self.put_ids(height, lane.namespace, ids)?;
            self.put_ethereum(ledger, height, lane)?;
        }
        Ok(())
    }

    fn put_table(&mut self, height: u64, table: &NamespaceTable) -> Result<(), IndexError> {
        if !table.leaves().is_empty() {
            self.tables.insert(height, table.encode().as_ref()).map_err(storage("writing a namespace table"))?;
        }
        Ok(())
    }

    fn put_ids(&mut self, height: u64, namespace: Namespace, ids: &[TransactionId]) -> Result<(), IndexError> {
        const DOING: &str = "writing transactions";
        let bytes: Vec<u8> = ids.iter().flat_map(|id| id.0).collect();
        self.transactions.insert((height, namespace.0), bytes.as_slice()).map_err(storage(DOING))?;
        for (index, id) in (0u32..).zip(ids) {
            self.locations.insert(id.0, (height, namespace.0, index)).map_err(storage(DOING))?;
        }
        Ok(())
    }

    fn put_ethereum(&mut self, ledger: &Ledger, height: u64, lane: &Lane) -> Result<(), IndexError> {
        if ledger.spec(self.chain, lane.namespace).is_none_or(|spec| spec.evm_chain_id.is_none()) {
            return Ok(());
        }
        const DOING: &str = "writing Ethereum hashes";
        let namespace = lane.namespace.0;
        let mut hashes = Vec::with_capacity(32 * lane.transactions.len());
        for (index, transaction) in (0u32..).zip(&lane.transactions) {
            let hash = keccak256(&transaction.payload).0;
            hashes.extend_from_slice(&hash);
            // What a payload executes, it executes where it first stands, sent or forced. A bundle has no
            // Ethereum hash of its own: its row keeps the places of the rest.
            if transaction.kind != TransactionKind::Express
                && self.ethereum.get((namespace, hash)).map_err(storage(DOING))?.is_none()
            {
                self.ethereum.insert((namespace, hash), (height, index)).map_err(storage(DOING))?;
            }
        }
        self.ethereum_hashes.insert((height, namespace), hashes.as_slice()).map_err(storage(DOING))?;
        Ok(())
    }

    /// Checks a repeated block against what is indexed at its height, unless that is pruned.
    fn check_indexed(&self, header: &Header) -> Result<(), IndexError> {
        let Some(stored) = self.headers.get(header.height).map_err(storage("reading a header"))? else {
            return Ok(());
        };
        let (expected, got) = (snapshot::decode_header(header.height, stored.value())?.digest(), header.digest());
        if expected != got {
            return Err(IndexError::Conflict { height: header.height, expected, got });
        }
        Ok(())
    }
}
