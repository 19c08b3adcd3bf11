//! An index that begins at the end of an epoch, and what one that is there says to it.

use super::{
    Index, IndexError, Snapshot, Tip, Writer, begin_write,
    error::storage,
    hand_overs,
    schema::{META, meta},
    snapshot::damaged,
};
use crate::checkpoint::{Checkpoint, LaneIds, OrderedIds};
use std::ops::RangeInclusive;

/// Most that a header, a lane without ids, and an id take as JSON.
const HEADER_BYTES: u64 = 2_048;
const LANE_BYTES: u64 = 512;
const ID_BYTES: u64 = 69;

impl Snapshot {
    /// What the last of these heights ordered, ascending: as many of them as take at most `bytes_max` as JSON, and always one. None
    /// where it lacks them.
    ///
    /// # Errors
    /// When the disk fails or a value is damaged.
    pub fn ordered_ids(&self, heights: RangeInclusive<u64>, bytes_max: u64) -> Result<Vec<OrderedIds>, IndexError> {
        let (mut ordered, mut bytes) = (Vec::new(), 0u64);
        for header in self.headers(heights)?.into_iter().rev() {
            let table = self.namespace_table(header.height)?;
            let lanes = table.leaves().iter().map(|leaf| LANE_BYTES + ID_BYTES * u64::from(leaf.tx_count));
            bytes = bytes.saturating_add(HEADER_BYTES + lanes.sum::<u64>());
            if !ordered.is_empty() && bytes > bytes_max {
                break;
            }
            let lanes = table.leaves().iter().map(|leaf| {
                Ok::<_, IndexError>(LaneIds { leaf: *leaf, ids: self.ids(header.height, leaf.namespace)? })
            });
            ordered.push(OrderedIds { header, lanes: lanes.collect::<Result<_, _>>()? });
        }
        ordered.reverse();
        Ok(ordered)
    }
}

/// Where an index begins that does not begin at genesis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Beginning {
    /// The epoch after whose last block.
    pub epoch: u64,
    /// When it was made, in milliseconds since the Unix epoch: what its node's key did before, it does not know.
    pub begun_ms: u64,
}

impl Snapshot {
    /// Where the index begins; `None` where it begins at genesis.
    ///
    /// # Errors
    /// When the disk fails or the value is damaged.
    pub fn beginning(&self) -> Result<Option<Beginning>, IndexError> {
        let Some(value) = self.table(META)?.get(meta::CHECKPOINT).map_err(storage("reading metadata"))? else {
            return Ok(None);
        };
        match value.value().as_chunks::<8>() {
            ([epoch, begun_ms], []) => {
                Ok(Some(Beginning { epoch: u64::from_be_bytes(*epoch), begun_ms: u64::from_be_bytes(*begun_ms) }))
            }
            _ => Err(damaged(meta::CHECKPOINT, 0, "expected 16 bytes")),
        }
    }
}

impl Index {
    /// Whether blocks are here that it does not begin with.
    ///
    /// # Errors
    /// When the disk fails or a value is damaged.
    pub fn has_history(&self) -> Result<bool, IndexError> {
        let tip = self.tip().header;
        let beginning = self.snapshot()?.beginning()?;
        Ok(tip.height > 0 && beginning.is_none_or(|beginning| beginning.epoch != tip.epoch))
    }

    /// Begins at a checkpoint that has all it needs: its header becomes the tip. Of the blocks up to it the index has what they ordered,
    /// by id, and not the Ethereum hashes, which only the transactions themselves give. One that has begun at an earlier checkpoint,
    /// and has no block since, begins anew.
    ///
    /// # Errors
    /// [`IndexError::NotEmpty`] when the index has history already; [`IndexError::Gap`] when ids are missing; and whatever the disk has to
    /// say. Nothing is written then.
    pub fn begin_at(&self, checkpoint: &Checkpoint, now_ms: u64) -> Result<(), IndexError> {
        const DOING: &str = "beginning at a checkpoint";
        let (last, height) = (*checkpoint.header(), self.tip().header.height);
        if self.has_history()? || height >= last.height {
            return Err(IndexError::NotEmpty { height });
        }
        if let Some(missing) = checkpoint.missing() {
            return Err(IndexError::Gap { expected: *missing.end(), got: missing.end().saturating_add(1) });
        }
        let transaction = begin_write(&self.database, DOING)?;
        for end in checkpoint.ends() {
            hand_overs::put(&transaction, end)?;
        }
        {
            let mut writer = Writer::open(&transaction, &self.chain)?;
            // Genesis, or an earlier beginning: what is kept has no holes.
            writer.headers.retain(|_, _| false).map_err(storage(DOING))?;
            for (OrderedIds { header, lanes }, table) in checkpoint.window() {
                let height = header.height;
                writer.put_header(header)?;
                writer.put_table(height, table)?;
                for LaneIds { leaf, ids } in lanes {
                    writer.put_ids(height, leaf.namespace, ids)?;
                }
            }
            writer.put_ledger(&last, checkpoint.ledger())?;
            // What came before it is here by id alone.
            writer.put_meta(meta::EARLIEST, &last.height.to_be_bytes())?;
            writer.put_meta(meta::CHECKPOINT, &[last.epoch.to_be_bytes(), now_ms.to_be_bytes()].concat())?;
        }
        transaction.commit().map_err(storage(DOING))?;
        *self.tip.write().unwrap_or_else(std::sync::PoisonError::into_inner) = Tip::of(last);
        Ok(())
    }
}
