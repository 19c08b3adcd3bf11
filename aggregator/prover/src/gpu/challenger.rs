//! The transcript, whose long proofs of work are searched on the device.

use p3_challenger::{CanObserve, CanSample, CanSampleBits, FieldChallenger, GrindingChallenger};
use p3_field::PrimeCharacteristicRing;
use sinter_program::field::{Cap, RATE};
use sinter_program::{Challenger, EF, F};
use sinter_shaders::{DeviceError, Kernels};

/// From how many bits on the device searches: below, asking it takes longer than searching here.
const DEVICE_BITS_MIN: usize = 14;

/// A [`Challenger`] with a device beside it. It returns the same witnesses: both search for the smallest.
pub(super) struct GpuChallenger<'a> {
    inner: Challenger,
    kernels: &'a Kernels,
    /// Why the device did not search, if it was asked to. The transcript has no way to say so, and goes on with the processor's
    /// witness; whoever drives it ends the proof.
    pub(super) failure: Option<DeviceError>,
}

impl<'a> GpuChallenger<'a> {
    pub(super) const fn new(inner: Challenger, kernels: &'a Kernels) -> Self {
        Self { inner, kernels, failure: None }
    }

    /// Takes the device's failure, if there was one.
    pub(super) fn check(&mut self) -> Result<(), DeviceError> {
        self.failure.take().map_or(Ok(()), Err)
    }
}

impl CanObserve<F> for GpuChallenger<'_> {
    fn observe(&mut self, value: F) {
        self.inner.observe(value);
    }
}

impl CanObserve<Cap> for GpuChallenger<'_> {
    fn observe(&mut self, value: Cap) {
        self.inner.observe(value);
    }
}

impl CanSample<F> for GpuChallenger<'_> {
    fn sample(&mut self) -> F {
        self.inner.sample()
    }
}

impl CanSample<EF> for GpuChallenger<'_> {
    fn sample(&mut self) -> EF {
        self.inner.sample()
    }
}

impl CanSampleBits<usize> for GpuChallenger<'_> {
    fn sample_bits(&mut self, bits: usize) -> usize {
        self.inner.sample_bits(bits)
    }
}

impl FieldChallenger<F> for GpuChallenger<'_> {}

impl GrindingChallenger for GpuChallenger<'_> {
    type Witness = F;

    fn grind(&mut self, bits: usize) -> F {
        if bits < DEVICE_BITS_MIN || self.failure.is_some() {
            return self.inner.grind(bits);
        }
        let (sponge, position) = self.inner.sponge_before_witness();
        debug_assert!(position < RATE, "{position} elements wait to be absorbed");
        let found = self.kernels.grind(&sponge, position, bits as u32);
        let mut after = self.inner.clone();
        match found {
            Ok(Some(witness)) if after.check_witness(bits, witness) => {
                self.inner = after;
                return witness;
            }
            Ok(found) => {
                let reason = format!("a search for {bits} bits of work found {:?}", found.unwrap_or(F::ZERO));
                self.failure = Some(DeviceError::Refused { reason });
            }
            Err(error) => self.failure = Some(error),
        }
        self.inner.grind(bits)
    }

    fn check_witness(&mut self, bits: usize, witness: F) -> bool {
        self.inner.check_witness(bits, witness)
    }
}
