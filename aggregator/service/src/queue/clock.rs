//! The queue's time, in milliseconds since 1970.
//!
//! Time decides when something is tried again, and nothing else: who may complete a task is decided by its fence. A clock that
//! is wrong makes work late or done twice, and neither loses it nor counts it twice.
//!
//! With PostgreSQL all boxes have one clock, the database's. With SQLite there is one process, whose clock is the system's when
//! it starts and runs on monotonically: a jump of the system's clock is not seen. What was set back while no process ran is
//! made good from the highest time in the database.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::{Instant, SystemTime, UNIX_EPOCH},
};

/// A clock that is set by hand, for tests. Clones share the time.
#[derive(Clone, Debug, Default)]
pub struct ManualClock(Arc<AtomicI64>);

impl ManualClock {
    /// A clock at a time.
    #[must_use]
    pub fn at(now_ms: i64) -> Self {
        Self(Arc::new(now_ms.into()))
    }

    /// Sets it, forward or back.
    pub fn set(&self, now_ms: i64) {
        self.0.store(now_ms, Ordering::SeqCst);
    }

    /// Moves it.
    pub fn advance(&self, by_ms: i64) {
        self.0.fetch_add(by_ms, Ordering::SeqCst);
    }

    /// The time.
    #[must_use]
    pub fn now_ms(&self) -> i64 {
        self.0.load(Ordering::SeqCst)
    }
}

/// Where the time comes from.
#[derive(Clone, Debug)]
pub(super) enum Clock {
    /// The database is asked.
    Database,
    /// From a start, on a clock that never jumps.
    Monotonic { base_ms: i64, start: Instant },
    /// By hand.
    Manual(ManualClock),
}

impl Clock {
    /// The system's time, or the highest that was seen before, and monotonic from there.
    pub(super) fn monotonic(high_ms: i64) -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let now_ms = i64::try_from(since.as_millis()).unwrap_or(i64::MAX);
        Self::Monotonic { base_ms: now_ms.max(high_ms), start: Instant::now() }
    }

    /// The time, if the database need not be asked.
    pub(super) fn now_ms(&self) -> Option<i64> {
        match self {
            Self::Database => None,
            Self::Monotonic { base_ms, start } => {
                let elapsed_ms = i64::try_from(start.elapsed().as_millis()).unwrap_or(i64::MAX);
                Some(base_ms.saturating_add(elapsed_ms))
            }
            Self::Manual(clock) => Some(clock.now_ms()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_was_set_back_does_not_go_back() {
        let ahead_ms = i64::MAX / 2;
        assert!(Clock::monotonic(ahead_ms).now_ms() >= Some(ahead_ms));
        assert!(Clock::monotonic(0).now_ms() < Some(ahead_ms));
    }
}
