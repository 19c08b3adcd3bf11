//! The ends of epochs: what a verifier needs to go from one committee to the next. Never pruned: who was away for a year goes
//! through all of them. Seats are kept once, however long they stay. A committee's digest does not say where its members listen, so they
//! are kept under a hash of all that they are.

use super::{
    Index, IndexError, begin_write,
    error::storage,
    schema::{COMMITTEES, HAND_OVERS},
    snapshot::damaged,
};
use commonware_codec::{Copying, DecodeExt, Encode, FixedSize};
use commonware_cryptography::{Hasher as _, Sha256};
use redb::{ReadableDatabase, ReadableTable, WriteTransaction};
use sinter_primitives::{Certificate, Header, committee::Seat, hand_over::HandOver};

const DOING: &str = "writing a hand-over";

/// Writes the end of an epoch.
pub(super) fn put(transaction: &WriteTransaction, hand_over: &HandOver) -> Result<(), IndexError> {
    let height = hand_over.header.height;
    let seats =
        serde_json::to_vec(&hand_over.seats).map_err(|error| damaged("committees", height, error.to_string()))?;
    let key = Sha256::hash(&[&seats]).0;
    let mut committees = transaction.open_table(COMMITTEES).map_err(storage(DOING))?;
    if committees.get(key).map_err(storage(DOING))?.is_none() {
        committees.insert(key, seats.as_slice()).map_err(storage(DOING))?;
    }
    let mut hand_overs = transaction.open_table(HAND_OVERS).map_err(storage(DOING))?;
    let value = [&key[..], hand_over.header.encode().as_ref(), hand_over.certificate.encode().as_ref()].concat();
    hand_overs.insert(hand_over.header.epoch, value.as_slice()).map_err(storage(DOING))?;
    Ok(())
}

impl Index {
    /// Keeps the end of an epoch.
    ///
    /// # Errors
    /// When the disk fails, or is full.
    pub fn put_hand_over(&self, hand_over: &HandOver) -> Result<(), IndexError> {
        let transaction = begin_write(&self.database, DOING)?;
        put(&transaction, hand_over)?;
        transaction.commit().map_err(storage(DOING))
    }

    /// The end of an epoch, if it is there.
    ///
    /// # Errors
    /// When the disk fails or the value is damaged.
    pub fn hand_over(&self, epoch: u64) -> Result<Option<HandOver>, IndexError> {
        Ok(self.hand_overs(epoch, 1)?.pop())
    }

    /// The ends of consecutive epochs from `epoch` on, up to `max`; none where the first is not there.
    ///
    /// # Errors
    /// When the disk fails or a value is damaged.
    pub fn hand_overs(&self, epoch: u64, max: usize) -> Result<Vec<HandOver>, IndexError> {
        const DOING: &str = "reading hand-overs";
        let transaction = self.database.begin_read().map_err(storage(DOING))?;
        let tables = (transaction.open_table(HAND_OVERS), transaction.open_table(COMMITTEES));
        let (hand_overs, committees) = match tables {
            (Ok(hand_overs), Ok(committees)) => (hand_overs, committees),
            // Made with the first of them.
            (Err(redb::TableError::TableDoesNotExist(_)), _) => return Ok(Vec::new()),
            (Err(error), _) | (_, Err(error)) => return Err(storage(DOING)(error)),
        };
        let mut found = Vec::new();
        for epoch in (epoch..=u64::MAX).take(max) {
            let Some(value) = hand_overs.get(epoch).map_err(storage(DOING))? else { break };
            let (key, rest) = value
                .value()
                .split_first_chunk::<32>()
                .ok_or_else(|| damaged("hand-overs", epoch, "it is too short"))?;
            let (header, certificate) = rest.split_at_checked(Header::SIZE).unwrap_or_default();
            let header =
                Header::decode(Copying(header)).map_err(|error| damaged("hand-overs", epoch, error.to_string()))?;
            let certificate = Certificate::decode(Copying(certificate))
                .map_err(|error| damaged("hand-overs", epoch, error.to_string()))?;
            let seats = committees.get(*key).map_err(storage(DOING))?;
            let seats = seats.ok_or_else(|| damaged("committees", header.height, "there is none"))?;
            let seats: Vec<Seat> = serde_json::from_slice(seats.value())
                .map_err(|error| damaged("committees", header.height, error.to_string()))?;
            found.push(HandOver { header, certificate, seats });
        }
        Ok(found)
    }
}
