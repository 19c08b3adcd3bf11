//! When a batch closes: a pure function of the batch, the time, and what L1 gas costs.
//!
//! A batch closes with its last place, in the transaction that gives it. Here is what else closes it:
//!
//! 1. **The deadline** of its most urgent job: it closes when just the time is left that folding the edge, sealing and
//!    settling take.
//! 2. **Its age**, so that a quiet evening's jobs do not wait for company.
//! 3. **Gas**: from a number of jobs on, when the L1 is cheap. While the L1 is dear, age does not close it: it waits for more
//!    company to share the cost with, up to an age of its own.

use crate::queue::BatchStatus;

/// When a batch closes.
#[derive(Clone, Debug)]
pub struct BatchPolicy {
    /// The longest that a batch waits after its first job.
    pub age_max_ms: i64,
    /// The same while gas is dear.
    pub dear_age_max_ms: i64,
    /// Gas up to here is cheap.
    pub cheap_gas_gwei: u64,
    /// Gas from here on is dear.
    pub dear_gas_gwei: u64,
    /// The least jobs that a batch closes with because gas is cheap.
    pub cheap_places_min: i64,
    /// Time that settling takes: what is left of the deadline when the batch closes, beside folding and sealing.
    pub settle_ms: i64,
}

impl Default for BatchPolicy {
    fn default() -> Self {
        Self {
            age_max_ms: 120_000,
            dear_age_max_ms: 3_600_000,
            cheap_gas_gwei: 0,
            dear_gas_gwei: u64::MAX,
            cheap_places_min: 16,
            settle_ms: 120_000,
        }
    }
}

/// Why a batch closes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Close {
    /// A job's deadline is near.
    Deadline,
    /// It has waited long enough.
    Age,
    /// Gas is cheap, and there are enough jobs.
    Gas,
}

impl Close {
    /// As it is stored and shown.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Deadline => "deadline",
            Self::Age => "age",
            Self::Gas => "gas",
        }
    }
}

impl BatchPolicy {
    /// Whether an open batch closes now. `tail_ms` is what folding its edge and sealing take; `gas_gwei` is the L1's base fee, if
    /// that is known.
    #[must_use]
    pub fn close(&self, batch: &BatchStatus, now_ms: i64, tail_ms: i64, gas_gwei: Option<u64>) -> Option<Close> {
        let (Some(started_ms), true) = (batch.started_ms, batch.count > 0) else { return None };
        let needed_ms = tail_ms.saturating_add(self.settle_ms);
        if batch.deadline_ms.is_some_and(|deadline_ms| now_ms.saturating_add(needed_ms) >= deadline_ms) {
            return Some(Close::Deadline);
        }
        let dear = gas_gwei.is_some_and(|gas| gas >= self.dear_gas_gwei);
        let age_max_ms = if dear { self.dear_age_max_ms } else { self.age_max_ms };
        if now_ms.saturating_sub(started_ms) >= age_max_ms {
            return Some(Close::Age);
        }
        let cheap = gas_gwei.is_some_and(|gas| gas <= self.cheap_gas_gwei);
        (cheap && batch.count >= self.cheap_places_min).then_some(Close::Gas)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ids::BatchId, queue::BatchState};

    fn batch(count: i64, deadline_ms: i64) -> BatchStatus {
        BatchStatus {
            batch: BatchId(1),
            state: BatchState::Open,
            count,
            nodes_made: 0,
            nodes_total: None,
            deadline_ms: Some(deadline_ms),
            started_ms: (count > 0).then_some(0),
            closed_by: None,
            closed_ms: None,
            folded_ms: None,
            sealed_ms: None,
            finished_ms: None,
            root: None,
            seal: None,
            settled_by: None,
            reason: None,
        }
    }

    const FAR: i64 = i64::MAX;

    fn policy() -> BatchPolicy {
        let (age_max_ms, dear_age_max_ms) = (1000, 5000);
        let (cheap_gas_gwei, dear_gas_gwei) = (5, 50);
        BatchPolicy { age_max_ms, dear_age_max_ms, cheap_gas_gwei, dear_gas_gwei, cheap_places_min: 3, settle_ms: 100 }
    }

    #[test]
    fn an_empty_batch_stays_open() {
        assert_eq!(policy().close(&batch(0, 0), FAR, 0, Some(0)), None);
    }

    #[test]
    fn a_deadline_closes_when_just_enough_time_is_left() {
        let close = |now_ms| policy().close(&batch(1, 900), now_ms, 300, None);
        assert_eq!((close(499), close(500)), (None, Some(Close::Deadline)));
    }

    #[test]
    fn age_closes_later_while_gas_is_dear() {
        let close = |now_ms, gas| policy().close(&batch(1, FAR), now_ms, 0, gas);
        assert_eq!((close(999, None), close(1000, None)), (None, Some(Close::Age)));
        assert_eq!((close(1000, Some(50)), close(4999, Some(50))), (None, None));
        assert_eq!((close(1000, Some(49)), close(5000, Some(50))), (Some(Close::Age), Some(Close::Age)));
    }

    #[test]
    fn cheap_gas_closes_from_a_number_of_jobs_on() {
        let close = |count, gas| policy().close(&batch(count, FAR), 10, 0, gas);
        assert_eq!((close(2, Some(5)), close(3, Some(6)), close(3, None)), (None, None, None));
        assert_eq!(close(3, Some(5)), Some(Close::Gas));
    }
}
