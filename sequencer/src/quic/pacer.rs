//! Holds a stream just below its channel's quota.
//!
//! p2p checks the quota again in the one loop that serves all channels, and sleeps there when a channel is
//! over it. Whoever is slowed here, in his own stream, never makes that loop sleep.

use crate::channels::Channel;
use std::time::{Duration, Instant};

/// A generic cell rate algorithm (ITU-T I.371): the theoretical arrival time of the next message, in one instant.
#[derive(Debug)]
pub(super) struct Pacer {
    /// Time between two messages at the sustained rate.
    interval: Duration,
    /// How far ahead of the sustained rate a burst may run.
    tolerance: Duration,
    arrival: Instant,
}

impl Pacer {
    /// A sixteenth slower than the quota, with three quarters of its burst: the rest absorbs the jitter between
    /// the two checks.
    pub(super) fn new(channel: &Channel, now: Instant) -> Self {
        let interval = Duration::from_secs(1) / channel.per_second.get() * 17 / 16;
        let burst = (channel.burst.get() * 3 / 4).max(1);
        Self { interval, tolerance: interval * (burst - 1), arrival: now }
    }

    /// Takes one message at `now`, and says when it may be passed on: none if at once.
    pub(super) fn admit(&mut self, now: Instant) -> Option<Instant> {
        let arrival = self.arrival.max(now);
        self.arrival = arrival + self.interval;
        let due = arrival.checked_sub(self.tolerance)?;
        (due > now).then_some(due)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channels;

    #[test]
    fn a_burst_passes_and_a_flood_is_held_below_the_quota() {
        let channel = &channels::ALL[channels::BLOCKS as usize];
        let start = Instant::now();
        let mut pacer = Pacer::new(channel, start);
        let burst = channel.burst.get() * 3 / 4;
        for _ in 0..burst {
            assert_eq!(pacer.admit(start), None);
        }
        let mut now = start;
        let flood = channel.per_second.get() * 2;
        for _ in 0..flood {
            if let Some(due) = pacer.admit(now) {
                now = due;
            }
        }
        let quota_takes = Duration::from_secs(1) / channel.per_second.get() * flood;
        assert!(now - start > quota_takes, "{:?}", now - start);
        assert!(now - start < quota_takes * 9 / 8, "{:?}", now - start);
    }

    #[test]
    fn silence_restores_the_burst_and_no_more() {
        let channel = &channels::ALL[channels::BLOCKS as usize];
        let start = Instant::now();
        let mut pacer = Pacer::new(channel, start);
        let later = start + Duration::from_secs(60);
        let passed = (0..100).filter(|_| pacer.admit(later).is_none()).count();
        assert_eq!(passed as u32, channel.burst.get() * 3 / 4);
    }
}
