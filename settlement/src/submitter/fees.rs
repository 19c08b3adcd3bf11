//! What a post offers, and what its replacement does.

/// What a transaction offers per gas, in wei.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fees {
    /// The most, base fee included.
    pub(super) fee_wei: u128,
    /// To the proposer.
    pub(super) tip_wei: u128,
}

/// The most that may be offered per gas, in wei.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    /// Now.
    pub(crate) now_wei: u128,
    /// Ever; at least as much.
    pub(crate) ceiling_wei: u128,
}

impl Limits {
    /// One limit for all times.
    pub(crate) const fn constant(ceiling_wei: u128) -> Self {
        Self { now_wei: ceiling_wei, ceiling_wei }
    }

    /// An offer from which no replacement could reach the ceiling is the ceiling: pools take a tenth more or nothing, so
    /// a base fee just above the offer would be out of reach though it may be paid.
    fn reach(self, fee_wei: u128) -> u128 {
        if more(fee_wei) > self.ceiling_wei { self.ceiling_wei.max(fee_wei) } else { fee_wei }
    }
}

/// What a replacement pays at least: the pools want a tenth more.
const fn more(wei: u128) -> u128 {
    wei.saturating_add(wei / 8).saturating_add(1)
}

impl Fees {
    /// Enough for the base fee to double. `None` when today's base fee and tip exceed what may be paid now.
    pub(super) fn suggest(base_fee_wei: u128, tip_wei: u128, limits: Limits) -> Option<Self> {
        let tip_wei = tip_wei.max(1);
        let least = base_fee_wei.saturating_add(tip_wei);
        let fee_wei = base_fee_wei.saturating_mul(2).saturating_add(tip_wei).min(limits.now_wei);
        (least <= limits.now_wei).then_some(Self { fee_wei: limits.reach(fee_wei), tip_wei })
    }

    /// An eighth more in both, or today's suggestion where that is more still. `None` when that exceeds what may be
    /// paid now.
    pub(super) fn bump(self, base_fee_wei: u128, tip_wei: u128, limits: Limits) -> Option<Self> {
        let suggested = Self::suggest(base_fee_wei, tip_wei, Limits::constant(u128::MAX)).unwrap_or(self);
        let tip_wei = more(self.tip_wei).max(suggested.tip_wei);
        let least = more(self.fee_wei).max(tip_wei);
        // More than the least only where the limit allows.
        let fee_wei = least.max(suggested.fee_wei.min(limits.now_wei));
        (fee_wei <= limits.now_wei).then_some(Self { fee_wei: limits.reach(fee_wei), tip_wei })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_ceiling_is_a_ceiling() {
        let suggest = |ceiling| Fees::suggest(100, 2, Limits::constant(ceiling));
        assert_eq!(suggest(1000), Some(Fees { fee_wei: 202, tip_wei: 2 }));
        assert_eq!(suggest(150), Some(Fees { fee_wei: 150, tip_wei: 2 }));
        assert_eq!(suggest(101), None);
        let bump = |ceiling| Fees { fee_wei: 100, tip_wei: 10 }.bump(0, 0, Limits::constant(ceiling));
        assert_eq!(bump(112), None);
        assert_eq!(bump(113), Some(Fees { fee_wei: 113, tip_wei: 12 }));
    }

    #[test]
    fn all_of_the_ceiling_can_be_reached() {
        // A replacement of 202 pays 228 at least.
        assert_eq!(Fees::suggest(100, 2, Limits::constant(220)), Some(Fees { fee_wei: 220, tip_wei: 2 }));
        let limits = Limits { now_wei: 150, ceiling_wei: 220 };
        assert_eq!(Fees::suggest(100, 2, limits), Some(Fees { fee_wei: 150, tip_wei: 2 }));
        assert_eq!(Fees::suggest(149, 2, limits), None);
        let limits = Limits { now_wei: 200, ceiling_wei: 220 };
        assert_eq!(Fees::suggest(100, 2, limits), Some(Fees { fee_wei: 220, tip_wei: 2 }));
    }

    proptest! {
        #[test]
        fn a_bump_is_a_tenth_more_and_consistent(
            fee in 1u128..1 << 60, tip in 1u128..1 << 60, base in 0u128..1 << 60, suggested in 0u128..1 << 60,
            ceiling in 1u128..1 << 62, now in 1u128..1 << 62,
        ) {
            let limits = Limits { now_wei: now.min(ceiling), ceiling_wei: ceiling };
            let old = Fees { fee_wei: fee.max(tip), tip_wei: tip };
            if let Some(new) = old.bump(base, suggested, limits) {
                prop_assert!(new.fee_wei * 10 >= old.fee_wei * 11);
                prop_assert!(new.tip_wei * 10 >= old.tip_wei * 11);
                prop_assert!(new.tip_wei <= new.fee_wei);
                prop_assert!(new.fee_wei <= ceiling);
            }
            if let Some(new) = Fees::suggest(base, suggested, limits) {
                prop_assert!(new.tip_wei <= new.fee_wei);
                prop_assert!(new.fee_wei <= ceiling);
                prop_assert!(base.saturating_add(new.tip_wei) <= limits.now_wei);
            }
        }
    }
}
