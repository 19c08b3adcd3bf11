//! Does the device compute what it should: what is asked of a card before anything else.

use p3_dft::{Radix2DitParallel, TwoAdicSubgroupDft};
use p3_field::{PrimeCharacteristicRing, PrimeField32};
use p3_koala_bear::default_koalabear_poseidon2_16;
use p3_symmetric::Permutation;
use p3_util::reverse_slice_index_bits;

use crate::error::DeviceError;
use crate::kernels::Kernels;
use crate::ntt::Span;
use crate::words::{F, to_elements, to_word};

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
}

fn compare(what: &'static str, expected: &[u32], got: &[u32]) -> Result<(), SelfTestError> {
    let differs = expected.iter().zip(got).position(|(expected, got)| expected != got);
    match differs {
        None => Ok(()),
        Some(place) => Err(SelfTestError::Wrong { what, place, expected: expected[place], got: got[place] }),
    }
}
