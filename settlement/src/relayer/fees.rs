//! What a post offers, and what its replacement does.

/// What a transaction offers per gas, in wei.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fees {
    /// The most, base fee included.
    pub(super) fee_wei: u128,
    /// To the proposer.
    pub(super) tip_wei: u128,
}

impl Fees {
    /// Enough for the base fee to double. `None` when today's base fee and tip exceed the ceiling.
    pub(super) fn suggest(base_fee_wei: u128, tip_wei: u128, ceiling_wei: u128) -> Option<Self> {
        let tip_wei = tip_wei.max(1);
        let least = base_fee_wei.saturating_add(tip_wei);
        let fee_wei = base_fee_wei.saturating_mul(2).saturating_add(tip_wei).min(ceiling_wei);
        (least <= ceiling_wei).then_some(Self { fee_wei, tip_wei })
    }

    /// An eighth more, or today's suggestion where that is more still: the pools want a tenth more in both.
    /// `None` when that exceeds the ceiling.
    pub(super) fn bump(self, base_fee_wei: u128, tip_wei: u128, ceiling_wei: u128) -> Option<Self> {
        let more = |wei: u128| wei.saturating_add(wei / 8).saturating_add(1);
        let suggested = Self::suggest(base_fee_wei, tip_wei, u128::MAX).unwrap_or(self);
        let tip_wei = more(self.tip_wei).max(suggested.tip_wei);
        let least = more(self.fee_wei).max(tip_wei);
        // More than the least only where the ceiling allows.
        let fee_wei = least.max(suggested.fee_wei.min(ceiling_wei));
        (fee_wei <= ceiling_wei).then_some(Self { fee_wei, tip_wei })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_ceiling_is_a_ceiling() {
        assert_eq!(Fees::suggest(100, 2, 1000), Some(Fees { fee_wei: 202, tip_wei: 2 }));
        assert_eq!(Fees::suggest(100, 2, 150), Some(Fees { fee_wei: 150, tip_wei: 2 }));
        assert_eq!(Fees::suggest(100, 2, 101), None);
        assert_eq!(Fees { fee_wei: 100, tip_wei: 10 }.bump(0, 0, 112), None);
        assert_eq!(Fees { fee_wei: 100, tip_wei: 10 }.bump(0, 0, 113), Some(Fees { fee_wei: 113, tip_wei: 12 }));
    }

    proptest! {
        #[test]
        fn a_bump_is_a_tenth_more_and_consistent(
            fee in 1u128..1 << 60, tip in 1u128..1 << 60, base in 0u128..1 << 60, suggested in 0u128..1 << 60,
            ceiling in 1u128..1 << 62,
        ) {
            let old = Fees { fee_wei: fee.max(tip), tip_wei: tip };
            if let Some(new) = old.bump(base, suggested, ceiling) {
                prop_assert!(new.fee_wei * 10 >= old.fee_wei * 11);
                prop_assert!(new.tip_wei * 10 >= old.tip_wei * 11);
                prop_assert!(new.tip_wei <= new.fee_wei);
                prop_assert!(new.fee_wei <= ceiling);
            }
            if let Some(new) = Fees::suggest(base, suggested, ceiling) {
                prop_assert!(new.tip_wei <= new.fee_wei);
                prop_assert!(new.fee_wei <= ceiling);
            }
        }
    }
}
