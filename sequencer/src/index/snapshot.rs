//! A consistent view of the index.

use super::{
    error::{IndexError, storage},
    schema::{self, ETHEREUM, HEADERS, HEIGHTS, LEDGERS, LOCATIONS, META, TABLES, TRANSACTIONS, meta},
};
use commonware_codec::{Copying, Decode, DecodeExt};
use redb::{Database, Key, ReadOnlyTable, ReadTransaction, ReadableDatabase, ReadableTable, TableDefinition, Value};
use sinter_primitives::{Digest, Header, Ledger, Namespace, NamespaceTable, TransactionId, chain::NAMESPACES_MAX};
use std::ops::RangeInclusive;

/// Where a transaction is ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Location {
    /// The block's height.
    pub height: u64,
    /// The lane.
    pub namespace: Namespace,
    /// Its place in the lane, from 0.
    pub index: u32,
}

/// A consistent view of the index, as it was when the snapshot was taken.
pub struct Snapshot {
    transaction: ReadTransaction,
}

impl std::fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Snapshot").finish_non_exhaustive()
    }
}

impl Snapshot {
    pub(super) fn begin(database: &Database) -> Result<Self, IndexError> {
        Ok(Self { transaction: database.begin_read().map_err(storage("reading"))? })
    }

    /// The last indexed header.
    ///
    /// # Errors
    /// When the disk fails or the value is damaged.
    pub fn tip(&self) -> Result<Header, IndexError> {
        let headers = self.table(HEADERS)?;
        let last = headers.last().map_err(storage("reading the last header"))?;
        let (height, bytes) = last.ok_or_else(|| damaged("headers", 0, "there is none"))?;
        decode_header(height.value(), bytes.value())
    }

    /// The lowest height of which there is anything.
    pub(super) fn lowest(&self) -> Result<u64, IndexError> {
        let headers = self.table(HEADERS)?;
        let first = headers.first().map_err(storage("reading the first header"))?;
        Ok(first.map_or(0, |(height, _)| height.value()))
    }

    /// The lowest height whose header and transactions are kept.
    ///
    /// # Errors
    /// When the disk fails or the value is damaged.
    pub fn earliest(&self) -> Result<u64, IndexError> {
        self.meta_u64(meta::EARLIEST)
    }

    /// The header at `height`.
    ///
    /// # Errors
    /// When the disk fails or the value is damaged.
    pub fn header(&self, height: u64) -> Result<Option<Header>, IndexError> {
        let bytes = self.table(HEADERS)?.get(height).map_err(storage("reading a header"))?;
        bytes.map(|bytes| decode_header(height, bytes.value())).transpose()
    }

    /// The headers of these heights, ascending; those that are not there are left out.
    ///
    /// # Errors
    /// When the disk fails or a value is damaged.
    pub fn headers(&self, heights: RangeInclusive<u64>) -> Result<Vec<Header>, IndexError> {
        const DOING: &str = "reading headers";
        let headers = self.table(HEADERS)?;
        let rows = headers.range(heights).map_err(storage(DOING))?;
        rows.map(|row| {
            let (height, bytes) = row.map_err(storage(DOING))?;
            decode_header(height.value(), bytes.value())
        })
        .collect()
    }

    /// The height of the header with this digest.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn height_of(&self, digest: &Digest) -> Result<Option<u64>, IndexError> {
        let height = self.table(HEIGHTS)?.get(digest.0).map_err(storage("reading a height"))?;
        Ok(height.map(|height| height.value()))
    }

    /// The namespace table at `height`; empty where no namespace was active.
    ///
    /// # Errors
    /// When the disk fails or the value is damaged.
    pub fn namespace_table(&self, height: u64) -> Result<NamespaceTable, IndexError> {
        let Some(bytes) = self.table(TABLES)?.get(height).map_err(storage("reading a namespace table"))? else {
            return Ok(NamespaceTable::default());
        };
        NamespaceTable::decode_cfg(Copying(bytes.value()), &NAMESPACES_MAX)
            .map_err(|error| damaged("tables", height, error.to_string()))
    }

    /// The ids of a lane's transactions, in order; none where the namespace was idle.
    ///
    /// # Errors
    /// When the disk fails or the value is damaged.
    pub fn ids(&self, height: u64, namespace: Namespace) -> Result<Vec<TransactionId>, IndexError> {
        let key = (height, namespace.0);
        let bytes = self.table(TRANSACTIONS)?.get(key).map_err(storage("reading transaction ids"))?;
        bytes.map_or(Ok(Vec::new()), |bytes| decode_ids(height, bytes.value()))
    }

    /// Where a transaction is ordered, if it is.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn locate(&self, id: &TransactionId) -> Result<Option<Location>, IndexError> {
        let location = self.table(LOCATIONS)?.get(id.0).map_err(storage("reading a location"))?;
        Ok(location.map(|location| {
            let (height, namespace, index) = location.value();
            Location { height, namespace: Namespace(namespace), index }
        }))
    }

    /// Where the payload with this Keccak-256 first stands in a namespace with an EIP-155 chain id.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn locate_ethereum(&self, namespace: Namespace, hash: [u8; 32]) -> Result<Option<Location>, IndexError> {
        let place = self.table(ETHEREUM)?.get((namespace.0, hash)).map_err(storage("reading an Ethereum hash"))?;
        Ok(place.map(|place| {
            let (height, index) = place.value();
            Location { height, namespace, index }
        }))
    }

    /// The ledger after the tip.
    ///
    /// # Errors
    /// When the disk fails or the value is damaged.
    pub fn ledger(&self) -> Result<Ledger, IndexError> {
        let bytes = self.meta_bytes(meta::LEDGER)?;
        Ledger::decode(Copying(&bytes)).map_err(|error| damaged("ledger", 0, error.to_string()))
    }

    /// The encoded ledger after an epoch's last block, while that block's header is kept.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn ledger_after_epoch(&self, epoch: u64) -> Result<Option<Vec<u8>>, IndexError> {
        let ledgers = match self.transaction.open_table(LEDGERS) {
            // Made with the next block, where another release made the file.
            Err(redb::TableError::TableDoesNotExist(_)) => return Ok(None),
            ledgers => ledgers.map_err(storage("opening a table"))?,
        };
        let ledger = ledgers.get(epoch).map_err(storage("reading a ledger"))?;
        Ok(ledger.map(|ledger| ledger.value().to_vec()))
    }

    /// The ids ordered in the last `blocks` heights, ascending by height.
    ///
    /// # Errors
    /// When the disk fails or a value is damaged.
    pub fn recent_ids(&self, blocks: u64) -> Result<Vec<(u64, Vec<TransactionId>)>, IndexError> {
        const DOING: &str = "reading transaction ids";
        // The first height of the window; from 0 while the chain is younger than it.
        let first = (self.tip()?.height + 1).saturating_sub(blocks);
        let mut recent: Vec<(u64, Vec<TransactionId>)> = Vec::new();
        let transactions = self.table(TRANSACTIONS)?;
        for row in transactions.range((first, 0)..).map_err(storage(DOING))? {
            let (key, bytes) = row.map_err(storage(DOING))?;
            let (height, _) = key.value();
            let ids = decode_ids(height, bytes.value())?;
            match recent.last_mut() {
                Some((last, all)) if *last == height => all.extend(ids),
                _ => recent.push((height, ids)),
            }
        }
        Ok(recent)
    }

    pub(super) fn meta_u64(&self, key: &'static str) -> Result<u64, IndexError> {
        let bytes = self.meta_bytes(key)?;
        let bytes = bytes.try_into().map_err(|_| damaged(key, 0, "expected 8 bytes"))?;
        Ok(u64::from_be_bytes(bytes))
    }

    pub(super) fn meta_digest(&self, key: &'static str) -> Result<Digest, IndexError> {
        let bytes = self.meta_bytes(key)?;
        let bytes = bytes.try_into().map_err(|_| damaged(key, 0, "expected 32 bytes"))?;
        Ok(Digest(bytes))
    }

    fn meta_bytes(&self, key: &'static str) -> Result<Vec<u8>, IndexError> {
        let value = self.table(META)?.get(key).map_err(storage("reading metadata"))?;
        value.map(|value| value.value().to_vec()).ok_or_else(|| damaged(key, 0, "it is missing"))
    }

    pub(super) fn table<K: Key + 'static, V: Value + 'static>(
        &self,
        definition: TableDefinition<'_, K, V>,
    ) -> Result<ReadOnlyTable<K, V>, IndexError> {
        self.transaction.open_table(definition).map_err(storage("opening a table"))
    }
}

pub(super) fn decode_header(height: u64, bytes: &[u8]) -> Result<Header, IndexError> {
    Header::decode(Copying(bytes)).map_err(|error| damaged("headers", height, error.to_string()))
}

pub(super) fn decode_ids(height: u64, bytes: &[u8]) -> Result<Vec<TransactionId>, IndexError> {
    let (ids, rest) = bytes.as_chunks::<{ size_of::<schema::Hash>() }>();
    if !rest.is_empty() {
        return Err(damaged("transactions", height, "expected 32 bytes an id"));
    }
    Ok(ids.iter().map(|id| Digest(*id)).collect())
}

pub(super) fn damaged(what: &'static str, height: u64, reason: impl Into<String>) -> IndexError {
    IndexError::Damaged { what, height, reason: reason.into() }
}
