//! What a running node says about itself: a few atomics that consensus writes and the RPC reads.

use crate::{timeline::Timeline, upgrades::Readiness};
use commonware_utils::sync::Mutex;
use sinter_primitives::Parameters;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// A node's vital signs. Times are milliseconds since the Unix epoch, from the node's own clock.
#[derive(Debug)]
pub struct Status {
    started_ms: u64,
    stall_bound_ms: u64,
    /// Epoch and view.
    round: Mutex<(u64, u64)>,
    finalized_height: AtomicU64,
    finalized_at_ms: AtomicU64,
    peers: AtomicU32,
    faults: AtomicU64,
    readiness: Mutex<(u8, Readiness, Readiness)>,
    /// When things happened.
    pub timeline: Timeline,
}

impl Status {
    /// A node that starts at `now_ms` and calls itself stalled after `stall_bound_ms` without a
    /// finalization: see [`stall_bound_ms`].
    #[must_use]
    pub fn new(now_ms: u64, stall_bound_ms: u64) -> Self {
        Self {
            started_ms: now_ms,
            stall_bound_ms,
            round: Mutex::new((0, 0)),
            finalized_height: AtomicU64::new(0),
            finalized_at_ms: AtomicU64::new(0),
            peers: AtomicU32::new(0),
            faults: AtomicU64::new(0),
            readiness: Mutex::default(),
            timeline: Timeline::default(),
        }
    }

    /// When the node started.
    #[must_use]
    pub const fn started_ms(&self) -> u64 {
        self.started_ms
    }

    /// The last epoch, and the highest view of it, in which this node has seen a certificate; views count from 1 in every epoch.
    #[must_use]
    pub fn round(&self) -> (u64, u64) {
        *self.round.lock()
    }

    /// The height of the last block that this node learned to be final.
    #[must_use]
    pub fn finalized_height(&self) -> u64 {
        self.finalized_height.load(Ordering::Relaxed)
    }

    /// When this node learned of it; `None` when it has seen none since it started.
    #[must_use]
    pub fn finalized_at_ms(&self) -> Option<u64> {
        match self.finalized_at_ms.load(Ordering::Relaxed) {
            0 => None,
            at => Some(at),
        }
    }

    /// Committee members that this node is connected to, itself not counted.
    #[must_use]
    pub fn peers(&self) -> u32 {
        self.peers.load(Ordering::Relaxed)
    }

    /// Proven faults of committee members that this node has seen: conflicting votes of one view.
    #[must_use]
    pub fn faults(&self) -> u64 {
        self.faults.load(Ordering::Relaxed)
    }

    /// The bound after which a node without a finalization is stalled, in milliseconds.
    #[must_use]
    pub const fn stall_bound_ms(&self) -> u64 {
        self.stall_bound_ms
    }

    /// Whether nothing has been finalized for longer than a working committee can take.
    #[must_use]
    pub fn is_stalled(&self, now_ms: u64) -> bool {
        let since = self.finalized_at_ms().unwrap_or(self.started_ms);
        now_ms.saturating_sub(since) > self.stall_bound_ms
    }

    /// Raises the view, or the epoch.
    pub fn observe_round(&self, epoch: u64, view: u64) {
        let mut round = self.round.lock();
        *round = (epoch, view).max(*round);
    }

    /// Records that the block at `height` is final.
    pub fn observe_finalized(&self, height: u64, now_ms: u64) {
        // A restarted marshal repeats old heights: only a new one is a sign of life.
        if self.finalized_height.fetch_max(height, Ordering::Relaxed) < height {
            self.finalized_at_ms.store(now_ms, Ordering::Relaxed);
            self.timeline.finalized(height);
        }
    }

    /// Sets the number of connected members.
    pub fn set_peers(&self, peers: u32) {
        self.peers.store(peers, Ordering::Relaxed);
    }

    /// The last protocol that this node takes part in; and how ready this epoch's members, and the next one's, are for the one after the
    /// chain's.
    #[must_use]
    pub fn readiness(&self) -> (u8, Readiness, Readiness) {
        *self.readiness.lock()
    }

    /// Sets them.
    pub fn observe_readiness(&self, protocol_max: u8, this_epoch: Readiness, next_epoch: Readiness) {
        *self.readiness.lock() = (protocol_max, this_epoch, next_epoch);
    }

    /// Counts a proven fault.
    pub fn observe_fault(&self) {
        self.faults.fetch_add(1, Ordering::Relaxed);
    }
}

/// The longest that a committee of `seats` with at most a third faulty should go without a
/// finalization, in milliseconds: every faulty member leads in a row and costs a full
/// certification timeout with one retry, then an honest leader takes its whole time and idles.
#[must_use]
pub fn stall_bound_ms(parameters: &Parameters, seats: usize) -> u64 {
    let faulty = (seats.saturating_sub(1) / 3) as u64;
    let nullified = parameters.certification_timeout_ms + parameters.timeout_retry_ms;
    let honest = parameters.leader_timeout_ms + parameters.certification_timeout_ms + parameters.idle_interval_ms;
    (faulty * nullified + honest) * 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stalls_after_the_bound_and_recovers() {
        let status = Status::new(1_000, 500);
        assert!(!status.is_stalled(1_500));
        assert!(status.is_stalled(1_501));
        status.observe_finalized(1, 1_600);
        assert!(!status.is_stalled(2_100));
        // The same height again is no progress.
        status.observe_finalized(1, 2_000);
        assert!(status.is_stalled(2_101));
    }

    #[test]
    fn the_bound_grows_with_the_faults_that_it_must_ride_out() {
        let parameters = Parameters::default();
        assert!(stall_bound_ms(&parameters, 4) < stall_bound_ms(&parameters, 7));
        assert_eq!(stall_bound_ms(&parameters, 1), (1_000 + 2_000 + 250) * 2);
    }
}
