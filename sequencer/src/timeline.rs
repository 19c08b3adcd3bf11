//! When things happened at this node, as far back as it remembers: for whoever follows a transaction's trail.

use commonware_utils::sync::Mutex;
use sinter_primitives::TransactionId;
use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    time::{SystemTime, UNIX_EPOCH},
};

/// Transactions whose arrival is remembered.
const TRANSACTIONS_MAX: usize = 1 << 16;
/// Heights whose certificates are remembered.
const HEIGHTS_MAX: usize = 1 << 14;

/// Times, in milliseconds since the Unix epoch, by this node's own clock. Kept in memory, within bounds.
#[derive(Debug, Default)]
pub struct Timeline {
    received: Mutex<Arrivals>,
    notarized: Mutex<BTreeMap<u64, u64>>,
    finalized: Mutex<BTreeMap<u64, u64>>,
}

#[derive(Debug, Default)]
struct Arrivals {
    times: HashMap<TransactionId, u64>,
    order: VecDeque<TransactionId>,
}

impl Timeline {
    /// A client handed a transaction in.
    pub fn received(&self, id: TransactionId) {
        let mut arrivals = self.received.lock();
        if arrivals.times.contains_key(&id) {
            return;
        }
        if arrivals.order.len() >= TRANSACTIONS_MAX
            && let Some(oldest) = arrivals.order.pop_front()
        {
            arrivals.times.remove(&oldest);
        }
        arrivals.times.insert(id, now_ms());
        arrivals.order.push_back(id);
    }

    /// The block at a height was notarized.
    pub fn notarized(&self, height: u64) {
        note(&mut self.notarized.lock(), height);
    }

    /// The block at a height was finalized, and with it those below.
    pub fn finalized(&self, height: u64) {
        note(&mut self.finalized.lock(), height);
    }

    /// When a client handed a transaction in.
    #[must_use]
    pub fn received_ms(&self, id: &TransactionId) -> Option<u64> {
        self.received.lock().times.get(id).copied()
    }

    /// When the block at a height was notarized.
    #[must_use]
    pub fn notarized_ms(&self, height: u64) -> Option<u64> {
        self.notarized.lock().get(&height).copied()
    }

    /// When the block at a height, or the first one above that was finalized by itself, was.
    #[must_use]
    pub fn finalized_ms(&self, height: u64) -> Option<u64> {
        let finalized = self.finalized.lock();
        // Below the lowest one that is remembered, nothing is known.
        finalized.first_key_value().filter(|(lowest, _)| **lowest <= height)?;
        finalized.range(height..).next().map(|(_, at)| *at)
    }
}

/// The first time is the one that counts.
fn note(times: &mut BTreeMap<u64, u64>, height: u64) {
    times.entry(height).or_insert_with(now_ms);
    if times.len() > HEIGHTS_MAX {
        times.pop_first();
    }
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use sinter_primitives::Digest;

    #[test]
    fn a_block_is_final_when_one_above_it_is() {
        let timeline = Timeline::default();
        timeline.finalized(5);
        timeline.finalized(8);
        let known = |height| timeline.finalized_ms(height).is_some();
        assert_eq!([4, 5, 6, 8, 9].map(known), [false, true, true, true, false]);
    }

    #[test]
    fn it_forgets_the_oldest_and_keeps_the_first_time() {
        let timeline = Timeline::default();
        let id = |number: usize| {
            let mut bytes = [0; 32];
            bytes[..8].copy_from_slice(&number.to_le_bytes());
            Digest(bytes)
        };
        for number in 0..=TRANSACTIONS_MAX {
            timeline.received(id(number));
        }
        assert_eq!((timeline.received_ms(&id(0)), timeline.received_ms(&id(1)).is_some()), (None, true));
        for height in 0..=HEIGHTS_MAX as u64 {
            timeline.notarized(height);
        }
        assert_eq!((timeline.notarized_ms(0), timeline.notarized_ms(1).is_some()), (None, true));
        let first = timeline.notarized_ms(1);
        timeline.notarized(1);
        assert_eq!(timeline.notarized_ms(1), first);
    }
}
