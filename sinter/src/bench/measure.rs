//! From what validators saw to numbers.

use super::engine::Finalized;
use serde::Serialize;
use std::time::Duration;

/// What a round measured.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Measured {
    /// Payload bytes that became final each second, at the median validator.
    pub bytes_per_s: f64,
    /// Blocks that became final each second, at the median validator.
    pub views_per_s: f64,
    /// From a block's proposal to its delivery, over all validators.
    pub finality_ms: Percentiles,
}

/// Two percentiles of one quantity.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Percentiles {
    /// The median.
    pub p50: f64,
    /// The 99th percentile.
    pub p99: f64,
}

impl Percentiles {
    /// Of these values; none when there are none.
    pub fn of(values: &mut [f64]) -> Option<Self> {
        Some(Self { p50: percentile(values, 0.5)?, p99: percentile(values, 0.99)? })
    }
}

impl Measured {
    /// Numbers of what was final between `from` and `until`; none when nothing was.
    pub fn new(seen: &[Vec<Finalized>], from: Duration, until: Duration) -> Option<Self> {
        let seconds = (until - from).as_secs_f64();
        let inside = |one: &&Finalized| one.at >= from && one.at < until;
        let mut blocks: Vec<f64> = seen.iter().map(|one| one.iter().filter(inside).count() as f64).collect();
        let mut bytes: Vec<f64> =
            seen.iter().map(|one| one.iter().filter(inside).map(|one| one.bytes).sum::<usize>() as f64).collect();
        let mut latencies: Vec<f64> =
            seen.iter().flatten().filter(inside).map(|one| one.latency.as_secs_f64() * 1e3).collect();
        Some(Self {
            bytes_per_s: percentile(&mut bytes, 0.5)? / seconds,
            views_per_s: percentile(&mut blocks, 0.5)? / seconds,
            finality_ms: Percentiles::of(&mut latencies)?,
        })
    }
}

/// The median over pairs of what the first is of the second; not a number where there is no pair.
pub fn median_ratio(pairs: impl Iterator<Item = (f64, f64)>) -> f64 {
    let mut ratios: Vec<f64> = pairs.map(|(one, other)| one / other).collect();
    percentile(&mut ratios, 0.5).unwrap_or(f64::NAN)
}

/// The value at a fraction of the way through the ordered values (nearest rank).
pub fn percentile(values: &mut [f64], fraction: f64) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let rank = (values.len() as f64 * fraction).ceil() as usize;
    values.get(rank.saturating_sub(1)).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_were_seen() {
        let mut values: Vec<f64> = (1..=100).rev().map(f64::from).collect();
        assert_eq!(percentile(&mut values, 0.5), Some(50.0));
        assert_eq!(percentile(&mut values, 0.99), Some(99.0));
        assert_eq!(percentile(&mut [7.0], 0.99), Some(7.0));
        assert_eq!(percentile(&mut [], 0.5), None);
    }

    #[test]
    fn only_the_measured_time_counts() {
        let at = |ms: u64| Finalized { at: Duration::from_millis(ms), latency: Duration::from_millis(10), bytes: 100 };
        let seen = vec![vec![at(500), at(1000), at(1500), at(2000)]];
        let measured = Measured::new(&seen, Duration::from_secs(1), Duration::from_secs(2)).expect("two blocks");
        assert_eq!((measured.views_per_s, measured.bytes_per_s), (2.0, 200.0));
        assert_eq!(measured.finality_ms.p99, 10.0);
        assert!(Measured::new(&seen, Duration::from_secs(3), Duration::from_secs(4)).is_none());
    }
}
