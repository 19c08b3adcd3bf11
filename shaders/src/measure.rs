//! Is the device right, and how fast is it: what an operator asks of a card before anything else.

use std::time::{Duration, Instant};

use p3_dft::{Radix2DitParallel, TwoAdicSubgroupDft};
use p3_field::{PrimeCharacteristicRing, PrimeField32};
use p3_koala_bear::default_koalabear_poseidon2_16;
use p3_symmetric::Permutation;
use p3_util::reverse_slice_index_bits;

use crate::error::DeviceError;
use crate::kernels::Kernels;
use crate::ntt::Span;
use crate::words::{F, to_elements, to_word};

/// Rounds of a measurement, of which the median counts.
const ROUNDS: usize = 5;

/// How fast a device is at what proofs are made of.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Speed {
    /// Poseidon2 permutations a second.
    pub permutations_per_s: f64,
    /// How long a transform of 2^`log_rows` elements in one column takes.
    pub transform: Duration,
    /// log2 of the length of that transform.
    pub log_rows: u32,
    /// Bytes a second that a copy within the device moves, read and written.
    pub copied_bytes_per_s: f64,
}

/// A device that does not compute what it should.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SelfTestError {
    /// It failed.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// It returned something else.
    #[error("{what}: word {place} is {got:#010x}, expected {expected:#010x}")]
    Wrong {
        /// What was computed.
        what: &'static str,
        /// The first word that differs.
        place: usize,
        /// What the processor computes.
        expected: u32,
        /// What the device returned.
        got: u32,
    },
}

impl Kernels {
    /// Permutes some thousand states, takes a transform there and back, and compares each with the processor.
    ///
    /// # Errors
    /// [`SelfTestError`] when the device fails or is wrong.
    pub fn self_test(&self) -> Result<(), SelfTestError> {
        // Multiples of an odd constant: all different, none special, and the edges in front.
        let words = |count: usize| {
            let mut words: Vec<u32> =
                (0..count as u64).map(|i| (i.wrapping_mul(0x9e37_79b9) % u64::from(F::ORDER_U32)) as u32).collect();
            words[..3].copy_from_slice(&[0, F::ORDER_U32 - 1, to_word(F::ONE)]);
            words
        };
        let states = words(16 << 12);
        let buffer = self.device().upload(&states)?;
        let mut recorder = self.device().record();
        self.permute(&mut recorder, &buffer, 1)?;
        recorder.submit()?;
        let permutation = default_koalabear_poseidon2_16();
        let mut expected = to_elements(&states);
        for state in expected.as_chunks_mut::<16>().0 {
            permutation.permute_mut(state);
        }
        let expected: Vec<u32> = expected.into_iter().map(to_word).collect();
        compare("a permutation", &expected, &self.device().download(&buffer, 0..buffer.words())?)?;

        // Two passes, one of them strided.
        let log_rows = 14;
        let column = words(1 << log_rows);
        let buffer = self.device().upload(&column)?;
        let span = Span { buffer: &buffer, first: 0, stride: 1 << log_rows, columns: 1, log_rows };
        let mut recorder = self.device().record();
        self.transform(&mut recorder, span)?;
        recorder.submit()?;
        let mut expected = Radix2DitParallel::<F>::default().dft(to_elements(&column));
        reverse_slice_index_bits(&mut expected);
        let expected: Vec<u32> = expected.into_iter().map(to_word).collect();
        compare("a transform", &expected, &self.device().download(&buffer, 0..buffer.words())?)?;
        let mut recorder = self.device().record();
        self.interpolate(&mut recorder, span)?;
        recorder.submit()?;
        compare("a transform's inverse", &column, &self.device().download(&buffer, 0..buffer.words())?)
    }

    /// Measures the device for some seconds at most: permutations of 2^`log_states` states, a transform of 2^`log_rows` elements, a
    /// copy of 2^`log_words` words.
    ///
    /// # Errors
    /// [`DeviceError`] when the device fails or is full.
    pub fn speed(&self, log_states: u32, log_rows: u32, log_words: u32) -> Result<Speed, DeviceError> {
        let states = self.device().buffer(16 << log_states)?;
        let times = 16;
        let permuting = self.median(|| {
            let mut recorder = self.device().record();
            self.permute(&mut recorder, &states, times)?;
            recorder.submit()
        })?;
        drop(states);

        let column = self.device().buffer(1 << log_rows)?;
        let span = Span { buffer: &column, first: 0, stride: 1 << log_rows, columns: 1, log_rows };
        // Many at once, so that waiting for the answer does not count.
        let transforms = 16;
        let transforming = self.median(|| {
            let mut recorder = self.device().record();
            (0..transforms).try_for_each(|_| self.transform(&mut recorder, span))?;
            recorder.submit()
        })?;
        drop(column);

        let (from, to) = (self.device().buffer(1 << log_words)?, self.device().buffer(1 << log_words)?);
        let copies = 8;
        let copying = self.median(|| {
            let mut recorder = self.device().record();
            (0..copies).for_each(|_| recorder.copy(&from, &to));
            recorder.submit()
        })?;
        Ok(Speed {
            permutations_per_s: f64::from(times) * f64::from(1u32 << log_states) / permuting.as_secs_f64(),
            transform: transforming / transforms,
            log_rows,
            copied_bytes_per_s: 8.0 * f64::from(copies) * f64::from(1u32 << log_words) / copying.as_secs_f64(),
        })
    }

    /// The median time of some work, after one round that compiles.
    fn median(&self, work: impl Fn() -> Result<(), DeviceError>) -> Result<Duration, DeviceError> {
        work()?;
        self.device().wait()?;
        let mut times = Vec::with_capacity(ROUNDS);
        for _ in 0..ROUNDS {
            let clock = Instant::now();
            work()?;
            self.device().wait()?;
            times.push(clock.elapsed());
        }
        times.sort_unstable();
        Ok(times[ROUNDS / 2].max(Duration::from_nanos(1)))
    }
}

fn compare(what: &'static str, expected: &[u32], got: &[u32]) -> Result<(), SelfTestError> {
    let differs = expected.iter().zip(got).position(|(expected, got)| expected != got);
    match differs {
        None => Ok(()),
        Some(place) => Err(SelfTestError::Wrong { what, place, expected: expected[place], got: got[place] }),
    }
}
