//! Latencies in constant memory: a run of a year and a run of a second cost the same.

use std::time::Duration;

/// Buckets in each power of two: a value is off by at most 1/32.
const BUCKETS_PER_OCTAVE: usize = 32;
const OCTAVE_BITS: u32 = BUCKETS_PER_OCTAVE.trailing_zeros();
/// Values of 2^40 µs (twelve days) and more share the last bucket.
const OCTAVES: usize = 40 - OCTAVE_BITS as usize + 1;

/// Counts of durations by size, to within 1/32 of the duration, or 1 µs where that is more.
#[derive(Clone, Debug)]
pub struct Histogram {
    counts: Vec<u64>,
    total: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { counts: vec![0; OCTAVES * BUCKETS_PER_OCTAVE], total: 0 }
    }
}

impl Histogram {
    /// Counts a duration.
    pub fn record(&mut self, duration: Duration) {
        let microseconds = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        let bucket = bucket(microseconds).min(self.counts.len() - 1);
        self.counts[bucket] += 1;
        self.total += 1;
    }

    /// Adds another histogram's counts.
    pub fn merge(&mut self, other: &Self) {
        for (count, more) in self.counts.iter_mut().zip(&other.counts) {
            *count += more;
        }
        self.total += other.total;
    }

    /// The duration that `percent` of all are no longer than, in milliseconds; `None` without any.
    pub fn percentile_ms(&self, percent: f64) -> Option<f64> {
        if self.total == 0 {
            return None;
        }
        let rank = ((percent / 100.0 * self.total as f64).ceil() as u64).clamp(1, self.total);
        let mut seen = 0;
        let bucket = self.counts.iter().position(|count| {
            seen += count;
            seen >= rank
        })?;
        Some(middle(bucket) / 1_000.0)
    }
}

/// Values below 64 have a bucket each; above, the leading bits choose one.
fn bucket(value: u64) -> usize {
    let octave = value.checked_ilog2().unwrap_or(0).saturating_sub(OCTAVE_BITS);
    octave as usize * BUCKETS_PER_OCTAVE + (value >> octave) as usize
}

/// The middle of a bucket's values.
fn middle(bucket: usize) -> f64 {
    let octave = (bucket / BUCKETS_PER_OCTAVE).saturating_sub(1);
    let leading = bucket - octave * BUCKETS_PER_OCTAVE;
    (leading as f64 + if octave == 0 { 0.0 } else { 0.5 }) * (1u64 << octave) as f64
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn percentiles_are_close() {
        let mut histogram = Histogram::default();
        assert_eq!(histogram.percentile_ms(50.0), None);
        for milliseconds in 1..=1000 {
            histogram.record(Duration::from_millis(milliseconds));
        }
        for (percent, expected) in [(50.0, 500.0), (99.0, 990.0), (100.0, 1000.0)] {
            let got = histogram.percentile_ms(percent).unwrap();
            assert!((got - expected).abs() <= expected / 32.0, "p{percent}: expected {expected}, got {got}");
        }
    }

    #[test]
    fn buckets_never_decrease_and_hold_everything() {
        let mut last = 0;
        for exponent in 0..64 {
            for value in [1u64 << exponent, (1 << exponent) + (1 << exponent) / 2] {
                assert!(bucket(value) >= last, "{value}");
                last = bucket(value);
            }
        }
        let mut histogram = Histogram::default();
        histogram.record(Duration::MAX);
        histogram.record(Duration::ZERO);
        assert!(histogram.percentile_ms(100.0).unwrap() > 1e6);
        assert_eq!(histogram.percentile_ms(1.0), Some(0.0));
    }

    #[test]
    fn merging_adds() {
        let (mut one, mut two) = (Histogram::default(), Histogram::default());
        one.record(Duration::from_millis(10));
        two.record(Duration::from_millis(30));
        one.merge(&two);
        assert!((one.percentile_ms(50.0).unwrap() - 10.0).abs() < 0.5);
        assert!((one.percentile_ms(99.0).unwrap() - 30.0).abs() < 1.0);
    }
}
