//! Forgetting what is older than the node retains.

use super::{
    Index, IndexError, begin_write,
    error::storage,
    schema::{ETHEREUM, ETHEREUM_HASHES, HEADERS, HEIGHTS, LEDGERS, LOCATIONS, META, TABLES, TRANSACTIONS, meta},
    snapshot::{decode_header, decode_ids},
};
use redb::ReadableTable;

/// Heights that one database transaction forgets: writers wait for it, so it is short.
const HEIGHTS_PER_TRANSACTION: u64 = 64;

impl Index {
    /// Forgets heights below `height`, but never the tip. Gives the earliest height that is kept.
    ///
    /// Works in small steps, each of them atomic, so that blocks can be applied in between: pruning
    /// that was interrupted goes on at the next call.
    ///
    /// # Errors
    /// When the disk fails or a value is damaged.
    pub fn prune(&self, height: u64) -> Result<u64, IndexError> {
        let target = height.min(self.tip().header.height);
        let snapshot = self.snapshot()?;
        // An index that begins late has ids from before.
        let mut earliest = snapshot.earliest()?.min(snapshot.lowest()?);
        while earliest < target {
            let until = target.min(earliest.saturating_add(HEIGHTS_PER_TRANSACTION));
            self.prune_range(earliest, until)?;
            earliest = until;
        }
        Ok(earliest)
    }

    /// Forgets the heights `from..until`.
    fn prune_range(&self, from: u64, until: u64) -> Result<(), IndexError> {
        const DOING: &str = "pruning";
        let transaction = begin_write(&self.database, DOING)?;
        {
            let mut headers = transaction.open_table(HEADERS).map_err(storage(DOING))?;
            let mut heights = transaction.open_table(HEIGHTS).map_err(storage(DOING))?;
            for height in from..until {
                if let Some(bytes) = headers.remove(height).map_err(storage(DOING))? {
                    let digest = decode_header(height, bytes.value())?.digest();
                    heights.remove(digest.0).map_err(storage(DOING))?;
                }
            }

            let mut ledgers = transaction.open_table(LEDGERS).map_err(storage(DOING))?;
            let ended = self.chain.file.parameters.epoch_of(until);
            ledgers.retain_in(..ended, |_, _| false).map_err(storage(DOING))?;

            let mut tables = transaction.open_table(TABLES).map_err(storage(DOING))?;
            tables.retain_in(from..until, |_, _| false).map_err(storage(DOING))?;

            let mut transactions = transaction.open_table(TRANSACTIONS).map_err(storage(DOING))?;
            let mut locations = transaction.open_table(LOCATIONS).map_err(storage(DOING))?;
            for row in transactions.range((from, 0)..(until, 0)).map_err(storage(DOING))? {
                let (key, bytes) = row.map_err(storage(DOING))?;
                for id in decode_ids(key.value().0, bytes.value())? {
                    locations.remove(id.0).map_err(storage(DOING))?;
                }
            }
            transactions.retain_in((from, 0)..(until, 0), |_, _| false).map_err(storage(DOING))?;

            let mut hashes = transaction.open_table(ETHEREUM_HASHES).map_err(storage(DOING))?;
            let mut ethereum = transaction.open_table(ETHEREUM).map_err(storage(DOING))?;
            for row in hashes.range((from, 0)..(until, 0)).map_err(storage(DOING))? {
                let (key, bytes) = row.map_err(storage(DOING))?;
                let (height, namespace) = key.value();
                for hash in decode_ids(height, bytes.value())? {
                    let place = ethereum.get((namespace, hash.0)).map_err(storage(DOING))?.map(|place| place.value());
                    // The entry is of the first appearance; a later one leaves with its own height.
                    if place.is_some_and(|(first, _)| first < until) {
                        ethereum.remove((namespace, hash.0)).map_err(storage(DOING))?;
                    }
                }
            }
            hashes.retain_in((from, 0)..(until, 0), |_, _| false).map_err(storage(DOING))?;

            let mut metadata = transaction.open_table(META).map_err(storage(DOING))?;
            let kept = metadata.get(meta::EARLIEST).map_err(storage(DOING))?.map(|value| value.value().to_vec());
            let kept = kept.and_then(|bytes| bytes.try_into().ok()).map_or(until, u64::from_be_bytes).max(until);
            metadata.insert(meta::EARLIEST, kept.to_be_bytes().as_slice()).map_err(storage(DOING))?;
        }
        transaction.commit().map_err(storage(DOING))
    }
}
