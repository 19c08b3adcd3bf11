//! What became of every transaction that was sent, and how long it took from accepted to final.

use super::histogram::Histogram;
use alloy::primitives::B256;
use sinter_primitives::TransactionId;
use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// Seconds that "recent" looks back.
const RECENT_SECONDS: usize = 10;
/// Different refusals that are told apart; more than that are counted together.
const REFUSALS_MAX: usize = 16;
/// Final transactions that are kept as samples.
const SAMPLES_MAX: usize = 64;

/// Follows transactions from sent to final. Memory is bounded by what is neither final nor refused.
#[derive(Debug)]
pub struct Tracker {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    waiting: HashMap<B256, Waiting>,
    accepted: u64,
    finalized: u64,
    refused: BTreeMap<String, u64>,
    resent: u64,
    latency: Histogram,
    /// One histogram a second, the latest last.
    recent: VecDeque<Histogram>,
    finalized_by_second: VecDeque<u64>,
    first_accepted: Option<Instant>,
    last_finalized: Option<Instant>,
    samples: Vec<TransactionId>,
}

/// A transaction that is on its way. Its acceptance and its finality come by different connections, in
/// either order.
#[derive(Clone, Copy, Debug, Default)]
struct Waiting {
    accepted: Option<Instant>,
    finalized: Option<(Instant, TransactionId)>,
}

/// Where things stand.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Numbers {
    /// Transactions that a node accepted.
    pub accepted: u64,
    /// Of those, the ones that are final.
    pub finalized: u64,
    /// Why others were refused, and how many.
    pub refused: BTreeMap<String, u64>,
    /// Times that one was sent again, since it did not become final.
    pub resent: u64,
    /// Final transactions a second, over the last seconds.
    pub recent_per_second: f64,
    /// Final transactions a second, from the first accepted to the last final one.
    pub per_second: f64,
    /// From accepted to final: 50th and 99th percentile over the last seconds, in milliseconds.
    pub recent_ms: Option<(f64, f64)>,
    /// The same over all.
    pub overall_ms: Option<(f64, f64)>,
}

impl Numbers {
    /// Accepted and not yet final.
    pub fn pending(&self) -> u64 {
        self.accepted - self.finalized
    }
}

impl Default for Tracker {
    fn default() -> Self {
        let state = State {
            waiting: HashMap::new(),
            accepted: 0,
            finalized: 0,
            refused: BTreeMap::new(),
            resent: 0,
            latency: Histogram::default(),
            recent: VecDeque::from([Histogram::default()]),
            finalized_by_second: VecDeque::from([0]),
            first_accepted: None,
            last_finalized: None,
            samples: Vec::new(),
        };
        Self { state: Mutex::new(state) }
    }
}

impl Tracker {
    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing in here panics half-way through a change.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A transaction is about to be sent.
    pub fn sent(&self, hash: B256) {
        self.state().waiting.insert(hash, Waiting::default());
    }

    /// A node accepted it.
    pub fn accepted(&self, hash: B256, at: Instant) {
        let mut state = self.state();
        state.accepted += 1;
        state.first_accepted.get_or_insert(at);
        if let Some(waiting) = state.waiting.get_mut(&hash) {
            waiting.accepted = Some(at);
        }
        state.settle(hash);
    }

    /// A node refused it, or did not answer.
    pub fn refused(&self, hash: B256, reason: &str) {
        let mut state = self.state();
        state.waiting.remove(&hash);
        let known = state.refused.contains_key(reason) || state.refused.len() < REFUSALS_MAX;
        *state.refused.entry(if known { reason.to_owned() } else { "other".to_owned() }).or_default() += 1;
    }

    /// It is final, and `id` is what the chain calls it. Transactions of others are passed over.
    pub fn finalized(&self, hash: B256, id: TransactionId, at: Instant) {
        let mut state = self.state();
        if let Some(waiting) = state.waiting.get_mut(&hash) {
            waiting.finalized.get_or_insert((at, id));
            state.settle(hash);
        }
    }

    /// Whether it was sent, and is neither refused nor final.
    pub fn is_waiting(&self, hash: &B256) -> bool {
        self.state().waiting.contains_key(hash)
    }

    /// A transaction was sent again, and accepted again.
    pub fn resent(&self) {
        self.state().resent += 1;
    }

    /// Has to be called once a second: what "recent" means moves on.
    pub fn tick(&self) {
        let mut state = self.state();
        state.recent.push_back(Histogram::default());
        state.finalized_by_second.push_back(0);
        while state.recent.len() > RECENT_SECONDS {
            state.recent.pop_front();
            state.finalized_by_second.pop_front();
        }
    }

    /// Where things stand.
    pub fn numbers(&self) -> Numbers {
        let state = self.state();
        let mut recent = Histogram::default();
        state.recent.iter().for_each(|second| recent.merge(second));
        let span = match (state.first_accepted, state.last_finalized) {
            (Some(first), Some(last)) => last.saturating_duration_since(first),
            _ => Duration::ZERO,
        };
        // The current second is not over: it would pull the rate down.
        let past = state.finalized_by_second.len() - 1;
        let recent_total: u64 = state.finalized_by_second.iter().take(past).sum();
        Numbers {
            accepted: state.accepted,
            finalized: state.finalized,
            refused: state.refused.clone(),
            resent: state.resent,
            recent_per_second: recent_total as f64 / past.max(1) as f64,
            per_second: if span.is_zero() { 0.0 } else { state.finalized as f64 / span.as_secs_f64() },
            recent_ms: percentiles(&recent),
            overall_ms: percentiles(&state.latency),
        }
    }

    /// Some final transactions, spread over the run.
    pub fn samples(&self) -> Vec<TransactionId> {
        self.state().samples.clone()
    }
}

impl State {
    /// Counts a transaction that is both accepted and final.
    fn settle(&mut self, hash: B256) {
        let Some(Waiting { accepted: Some(accepted), finalized: Some((finalized, id)) }) = self.waiting.get(&hash)
        else {
            return;
        };
        let (accepted, finalized, id) = (*accepted, *finalized, *id);
        self.waiting.remove(&hash);
        let latency = finalized.saturating_duration_since(accepted);
        self.latency.record(latency);
        if let (Some(second), Some(count)) = (self.recent.back_mut(), self.finalized_by_second.back_mut()) {
            second.record(latency);
            *count += 1;
        }
        self.last_finalized = Some(self.last_finalized.map_or(finalized, |last| last.max(finalized)));
        // Every transaction until the sample is full; then the places are taken again, ever more rarely.
        let interval = (self.finalized / SAMPLES_MAX as u64).next_power_of_two().max(1);
        if self.samples.len() < SAMPLES_MAX {
            self.samples.push(id);
        } else if self.finalized.is_multiple_of(interval) {
            let place = (self.finalized / interval) as usize % SAMPLES_MAX;
            self.samples[place] = id;
        }
        self.finalized += 1;
    }
}

fn percentiles(histogram: &Histogram) -> Option<(f64, f64)> {
    Some((histogram.percentile_ms(50.0)?, histogram.percentile_ms(99.0)?))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn id(number: u64) -> TransactionId {
        sinter_primitives::Digest(hash(number).0)
    }

    fn hash(number: u64) -> B256 {
        B256::left_padding_from(&number.to_be_bytes())
    }

    #[test]
    fn latency_runs_from_accepted_to_final_in_either_order() {
        let tracker = Tracker::default();
        let start = Instant::now();
        tracker.sent(hash(1));
        tracker.accepted(hash(1), start);
        tracker.finalized(hash(1), id(1), start + Duration::from_millis(40));
        tracker.sent(hash(2));
        tracker.finalized(hash(2), id(2), start + Duration::from_millis(40));
        assert_eq!(tracker.numbers().finalized, 1);
        tracker.accepted(hash(2), start);
        let numbers = tracker.numbers();
        assert_eq!((numbers.accepted, numbers.finalized, numbers.pending()), (2, 2, 0));
        assert!((numbers.overall_ms.unwrap().1 - 40.0).abs() < 1.5);
    }

    #[test]
    fn others_transactions_and_repeats_are_not_counted() {
        let tracker = Tracker::default();
        let now = Instant::now();
        tracker.finalized(hash(9), id(9), now);
        tracker.sent(hash(1));
        tracker.accepted(hash(1), now);
        tracker.finalized(hash(1), id(1), now);
        tracker.finalized(hash(1), id(1), now);
        assert_eq!(tracker.numbers().finalized, 1);
    }

    #[test]
    fn refusals_are_counted_by_reason_and_bounded() {
        let tracker = Tracker::default();
        for number in 0..100 {
            tracker.sent(hash(number));
            tracker.refused(hash(number), &format!("reason {number}"));
        }
        let refused = tracker.numbers().refused;
        assert_eq!(refused.len(), REFUSALS_MAX + 1);
        assert_eq!(refused.values().sum::<u64>(), 100);
        assert!(tracker.state().waiting.is_empty());
    }

    #[test]
    fn samples_are_bounded_and_reach_to_the_end() {
        let tracker = Tracker::default();
        let now = Instant::now();
        for number in 0..10_000 {
            tracker.sent(hash(number));
            tracker.accepted(hash(number), now);
            tracker.finalized(hash(number), id(number), now);
        }
        let samples = tracker.samples();
        assert_eq!(samples.len(), SAMPLES_MAX);
        assert!(samples.iter().any(|sample| *sample > id(9_000)));
    }

    #[test]
    fn recent_numbers_move_on() {
        let tracker = Tracker::default();
        let now = Instant::now();
        tracker.sent(hash(1));
        tracker.accepted(hash(1), now);
        tracker.finalized(hash(1), id(1), now);
        tracker.tick();
        assert!(tracker.numbers().recent_per_second > 0.9);
        (0..RECENT_SECONDS).for_each(|_| tracker.tick());
        assert_eq!((tracker.numbers().recent_per_second, tracker.numbers().recent_ms), (0.0, None));
    }
}
