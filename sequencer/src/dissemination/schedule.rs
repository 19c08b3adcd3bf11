//! When which transaction goes where next. Pure: time comes in as an argument.

use super::{DisseminationConfig, seats::SeatSet};
use crate::mempool::Visibility;
use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime},
};

/// Whom a transaction goes to next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Step {
    /// The next leaders.
    Leaders,
    /// Everybody who did not get it in this round.
    Others,
}

/// A transaction on its way. The transaction itself is in the mempool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Record {
    /// Its number in the mempool's order of arrival.
    pub sequence: u64,
    pub visibility: Visibility,
    pub step: Step,
    /// Who got it in this round.
    pub sent: SeatSet,
    /// Rounds that are over.
    pub rounds: u32,
}

/// What is due when.
#[derive(Debug)]
pub(super) struct Schedule {
    config: DisseminationConfig,
    due: BTreeMap<(SystemTime, u64), Record>,
    /// The last transaction that was taken in.
    cursor: u64,
}

impl Schedule {
    pub const fn new(config: DisseminationConfig) -> Self {
        Self { config, due: BTreeMap::new(), cursor: 0 }
    }

    /// The number of the last transaction that was taken in.
    pub const fn cursor(&self) -> u64 {
        self.cursor
    }

    pub fn len(&self) -> usize {
        self.due.len()
    }

    /// Takes in a new transaction, which is due at once. Returns how many others it displaced.
    pub fn start(&mut self, now: SystemTime, sequence: u64, visibility: Visibility) -> usize {
        self.cursor = self.cursor.max(sequence);
        self.put(now, Record { sequence, visibility, step: Step::Leaders, sent: SeatSet::default(), rounds: 0 })
    }

    /// When the next one is due.
    pub fn next_due(&self) -> Option<SystemTime> {
        self.due.first_key_value().map(|(&(at, _), _)| at)
    }

    /// Takes out up to `max` of those that are due, the longest due first.
    pub fn take_due(&mut self, now: SystemTime, max: usize) -> Vec<Record> {
        let mut taken = Vec::new();
        while taken.len() < max
            && let Some(first) = self.due.first_entry()
            && first.key().0 <= now
        {
            taken.push(first.remove());
        }
        taken
    }

    /// Puts back a record whose step could not be taken, to be tried again at `at`.
    pub fn retry(&mut self, at: SystemTime, record: Record) {
        self.put(at, record);
    }

    /// Puts back a record whose step is taken.
    pub fn advance(&mut self, now: SystemTime, record: Record) {
        let ends_round = record.step == Step::Others || record.visibility == Visibility::Private;
        let (delay, next) = if ends_round {
            let next = Record {
                step: Step::Leaders,
                sent: SeatSet::default(),
                rounds: record.rounds.saturating_add(1),
                ..record
            };
            (self.config.resend_interval(record.rounds), next)
        } else {
            (self.config.gossip_delay(), Record { step: Step::Others, ..record })
        };
        self.put(now + delay.max(Duration::from_millis(1)), next);
    }

    /// Forgets who got what: the seats are others' now.
    pub fn forget_receivers(&mut self) {
        self.due.values_mut().for_each(|record| record.sent = SeatSet::default());
    }

    fn put(&mut self, at: SystemTime, record: Record) -> usize {
        self.due.insert((at, record.sequence), record);
        let excess = self.due.len().saturating_sub(self.config.scheduled_max);
        for _ in 0..excess {
            self.due.pop_last();
        }
        excess
    }
}
