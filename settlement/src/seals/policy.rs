//! What a seal may cost, and when.
//!
//! Gas is cheaper at some hours than at others, and a seal can often wait. Until shortly before the deadline only a
//! base fee at or under a target is paid; then the target rises to the ceiling:
//!
//! ```text
//!  wei per gas
//!  ceiling ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ╭──────────
//!                                             ╭╯         ╵
//!                                           ╭─╯          ╵
//!                                      ╭────╯            ╵
//!  target ─────────────────────────────╯                 ╵
//!                                      ╵◀─ rise ─▶◀─ n × ▶╵
//!                                                inclusion deadline
//! ```
//!
//! `n` is how many seals are left, since they are included one after the other. The rise is quadratic: half of it costs
//! a quarter of the way, so that what is cheap has most of the time, and all of the ceiling is offered at its end.

use std::time::Duration;

/// Steps of the rise.
const STEPS: u128 = 1000;

/// What may be paid, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FeePolicy {
    /// The most that a transaction may offer per gas, tip included, in wei.
    pub ceiling_wei: u128,
    /// The base fee per gas that is worth waiting for; `None` does not wait.
    pub target_wei: Option<u128>,
    /// When the seals have to be in a block, in milliseconds since the Unix epoch.
    pub deadline_ms: Option<u64>,
    /// How long after it is sent a transaction is expected to be in a block.
    pub inclusion: Duration,
    /// How long the target takes to rise to the ceiling.
    pub rise: Duration,
}

impl FeePolicy {
    /// Pays up to the ceiling at once.
    #[must_use]
    pub const fn at_once(ceiling_wei: u128) -> Self {
        Self {
            ceiling_wei,
            target_wei: None,
            deadline_ms: None,
            inclusion: Duration::from_secs(120),
            rise: Duration::from_secs(3600),
        }
    }

    /// When all of the ceiling has to be offered for `seals` seals to be included by the deadline, in milliseconds since
    /// the Unix epoch.
    #[must_use]
    pub fn due_ms(&self, seals: usize) -> Option<u64> {
        let needed = millis(self.inclusion).saturating_mul(seals.max(1) as u64);
        self.deadline_ms.map(|deadline_ms| deadline_ms.saturating_sub(needed))
    }

    /// The highest base fee that is paid now, while `seals` seals are left.
    #[must_use]
    pub fn base_fee_max_wei(&self, now_ms: u64, seals: usize) -> u128 {
        let Some(target_wei) = self.target_wei.map(|target| target.min(self.ceiling_wei)) else {
            return self.ceiling_wei;
        };
        let Some(due_ms) = self.due_ms(seals) else { return target_wei };
        let left_ms = due_ms.saturating_sub(now_ms);
        let rise_ms = millis(self.rise);
        if left_ms >= rise_ms && left_ms > 0 {
            return target_wei;
        }
        // Here `left_ms` is less than `rise_ms`, or both are zero.
        let step = match rise_ms {
            0 => STEPS,
            _ => u128::from(rise_ms - left_ms) * STEPS / u128::from(rise_ms),
        };
        let (part, whole) = (step * step, STEPS * STEPS);
        let room = self.ceiling_wei - target_wei;
        // `room * part / whole`, rounded down, without its overflow.
        target_wei + room / whole * part + room % whole * part / whole
    }

    /// How the deadline stands, while `seals` seals are left and gas costs `price_wei`, tip included.
    #[must_use]
    pub fn outlook(&self, now_ms: u64, seals: usize, price_wei: u128) -> Outlook {
        match (self.deadline_ms, self.due_ms(seals)) {
            _ if seals == 0 => Outlook::Fine,
            (Some(deadline_ms), _) if now_ms > deadline_ms => Outlook::Missed,
            (_, Some(due_ms)) if now_ms >= due_ms && price_wei > self.ceiling_wei => Outlook::TooDear,
            _ => Outlook::Fine,
        }
    }
}

/// How the deadline stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Outlook {
    /// Nothing speaks against it.
    #[default]
    Fine,
    /// It cannot be met as things are: gas costs more than the ceiling.
    TooDear,
    /// It is over.
    Missed,
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn policy() -> FeePolicy {
        FeePolicy {
            ceiling_wei: 1100,
            target_wei: Some(100),
            deadline_ms: Some(10_000_000),
            inclusion: Duration::from_secs(100),
            rise: Duration::from_secs(1000),
        }
    }

    #[test]
    fn the_target_rises_to_the_ceiling() {
        let paid = |now_ms| policy().base_fee_max_wei(now_ms, 1);
        assert_eq!([0, 8_000_000, 8_900_000].map(paid), [100; 3]);
        assert_eq!(paid(9_400_000), 100 + 250);
        assert_eq!(paid(9_899_000), 100 + 998);
        assert_eq!([9_900_000, 10_000_000, u64::MAX].map(paid), [1100; 3]);
        // Three seals take three times as long.
        assert_eq!(policy().base_fee_max_wei(9_700_000, 3), 1100);
        assert_eq!(policy().base_fee_max_wei(8_700_000, 3), 100);
    }

    #[test]
    fn without_a_target_or_a_deadline() {
        let no_target = FeePolicy { target_wei: None, ..policy() };
        assert_eq!(no_target.base_fee_max_wei(0, 1), 1100);
        let no_deadline = FeePolicy { deadline_ms: None, ..policy() };
        assert_eq!(no_deadline.base_fee_max_wei(u64::MAX, 1), 100);
        let at_once = FeePolicy { rise: Duration::ZERO, ..policy() };
        assert_eq!([9_899_999, 9_900_000].map(|now_ms| at_once.base_fee_max_wei(now_ms, 1)), [100, 1100]);
        let above = FeePolicy { target_wei: Some(5000), ..policy() };
        assert_eq!(above.base_fee_max_wei(0, 1), 1100);
    }

    #[test]
    fn a_deadline_that_cannot_be_met_is_known() {
        let outlook = |now_ms, price_wei| policy().outlook(now_ms, 1, price_wei);
        assert_eq!(outlook(9_899_999, 5000), Outlook::Fine, "gas may still become cheaper");
        assert_eq!(outlook(9_900_000, 5000), Outlook::TooDear);
        assert_eq!(outlook(9_900_000, 1100), Outlook::Fine);
        assert_eq!(outlook(10_000_001, 1), Outlook::Missed);
        assert_eq!(policy().outlook(10_000_001, 0, 1), Outlook::Fine, "nothing is left");
    }

    proptest! {
        #[test]
        fn the_target_never_falls_and_never_exceeds_the_ceiling(
            ceiling_wei: u128, target_wei: u128, deadline_ms: u64, inclusion_ms in 0u64..1 << 40, rise_ms in 0u64..1 << 44,
            now_ms: u64, later_ms in 0u64..1 << 44, seals in 0usize..300, included in 0usize..300,
        ) {
            let policy = FeePolicy {
                ceiling_wei,
                target_wei: Some(target_wei),
                deadline_ms: Some(deadline_ms),
                inclusion: Duration::from_millis(inclusion_ms),
                rise: Duration::from_millis(rise_ms),
            };
            let paid = policy.base_fee_max_wei(now_ms, seals);
            prop_assert!(paid <= ceiling_wei);
            prop_assert!(paid >= target_wei.min(ceiling_wei));
            prop_assert!(policy.base_fee_max_wei(now_ms.saturating_add(later_ms), seals) >= paid, "time");
            prop_assert!(policy.base_fee_max_wei(now_ms, seals.saturating_sub(included)) <= paid, "fewer seals");
            let due_ms = deadline_ms.saturating_sub(inclusion_ms.saturating_mul(seals.max(1) as u64));
            prop_assert_eq!(policy.base_fee_max_wei(due_ms, seals), ceiling_wei);
            // Close to the rise, where rounding could go wrong.
            let near_ms = due_ms.saturating_sub(later_ms % (rise_ms + 2));
            prop_assert!(policy.base_fee_max_wei(near_ms, seals) <= policy.base_fee_max_wei(near_ms + 1, seals));
        }
    }
}
