//! The permutation alone, and the search for proofs of work.

use crate::device::{Buffer, Recorder, threads};
use crate::error::DeviceError;
use crate::kernels::Kernels;
use crate::words::{F, to_word};
use p3_field::PrimeField32;

/// Candidates that are tried at once.
const CANDIDATES: u32 = 1 << 20;

impl Kernels {
    /// Permutes states of 16 words each, `times` times.
    ///
    /// # Errors
    /// [`DeviceError`] when the device fails.
    pub fn permute(&self, recorder: &mut Recorder<'_>, states: &Buffer, times: u32) -> Result<(), DeviceError> {
        let count = states.words() / 16;
        let buffers = [(1, &self.round_constants), (2, states)];
        recorder.dispatch(&self.permute, &buffers, &[count as u32, times], threads(count))
    }

    /// The smallest element that, put into word `position` (below 8) of a sponge, makes the low `bits` bits of word 7 zero after the
    /// permutation; none if no element does.
    ///
    /// # Errors
    /// [`DeviceError`] when the device fails or is full.
    pub fn grind(&self, sponge: &[F; 16], position: usize, bits: u32) -> Result<Option<F>, DeviceError> {
        let words: Vec<u32> = sponge.iter().map(|&element| to_word(element)).collect();
        let (sponge, smallest) = (self.device().upload(&words)?, self.device().upload(&[u32::MAX])?);
        let mut first = 0;
        while first < F::ORDER_U32 {
            let count = CANDIDATES.min(F::ORDER_U32 - first);
            let mut recorder = self.device().record();
            let buffers = [(1, &self.round_constants), (2, &sponge), (3, &smallest)];
            let params = [first, count, position as u32, (1 << bits) - 1];
            recorder.dispatch(&self.grind, &buffers, &params, threads(count.into()))?;
            recorder.submit()?;
            if let [witness] = self.device().download(&smallest, 0..1)?[..]
                && witness != u32::MAX
            {
                return Ok(Some(F::new(witness)));
            }
            first += count;
        }
        Ok(None)
    }
}
