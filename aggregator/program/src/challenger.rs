//! The transcript: Plonky3's duplex challenger, whose grinding is deterministic.

use p3_challenger::{CanObserve, CanSample, CanSampleBits, FieldChallenger, GrindingChallenger};
use p3_field::{PackedValue, PrimeCharacteristicRing, PrimeField32};
use p3_symmetric::Permutation;
use rayon::prelude::*;

use crate::field::{Cap, Digest, Duplex, EF, F, PackedF, RATE, WIDTH, permutation};

/// How many packed candidates one step of the parallel search tries.
const BATCHES_PER_STEP: u32 = 2048;

/// Plonky3's `DuplexChallenger`, started with a program digest already absorbed.
///
/// It behaves as the stock challenger in everything but [`GrindingChallenger::grind`], which returns the *smallest*
/// witness rather than any: the same trace gives the same proof, byte for byte, whatever the number of threads. What is
/// accepted as a witness is left to Plonky3.
#[derive(Clone, Debug)]
pub struct Challenger(Duplex);

impl Challenger {
    /// A transcript that has absorbed `digest` and nothing else.
    #[must_use]
    pub fn new(digest: &Digest) -> Self {
        let mut inner = Duplex::new(permutation());
        inner.observe_slice(digest);
        Self(inner)
    }

    /// The stock challenger inside.
    #[must_use]
    pub const fn inner(&self) -> &Duplex {
        &self.0
    }

    /// The state that Plonky3's duplexing permutes after absorbing one more element, and the place of that element in it, where it
    /// holds zero. After the permutation, word 7 is the next sample.
    pub fn sponge_before_witness(&self) -> ([F; WIDTH], usize) {
        let buffered = &self.0.input_buffer;
        let position = buffered.len();
        let state = core::array::from_fn(|i| {
            if i < position {
                buffered[i]
            } else if i < RATE {
                F::ZERO
            } else if i == RATE {
                self.0.sponge_state[RATE] + F::from_usize(position + 1)
            } else {
                self.0.sponge_state[i]
            }
        });
        (state, position)
    }

    /// The smallest element that, absorbed next, makes the next sample's low `bits` bits zero.
    fn smallest_witness(&self, bits: usize) -> F {
        let (state, position) = self.sponge_before_witness();
        let state = state.map(PackedF::from);
        let lanes = PackedF::WIDTH as u32;
        let mask = (1u32 << bits) - 1;
        let try_batch = |batch: u32| {
            let base = batch.checked_mul(lanes).filter(|&base| base < F::ORDER_U32)?;
            // Past the modulus the last element is tried again, which changes nothing.
            let candidates = PackedF::from_fn(|lane| F::from_u32((base + lane as u32).min(F::ORDER_U32 - 1)));
            let mut state = state;
            state[position] = candidates;
            self.0.permutation.permute_mut(&mut state);
            let samples = state[RATE - 1].as_slice().iter();
            samples.zip(candidates.as_slice()).find(|(s, _)| s.as_canonical_u32() & mask == 0).map(|(_, &w)| w)
        };
        (0..F::ORDER_U32.div_ceil(lanes))
            .step_by(BATCHES_PER_STEP as usize)
            .find_map(|first| (first..first + BATCHES_PER_STEP).into_par_iter().find_map_first(try_batch))
            // 2^31 candidates against at most 30 bits: none passes with probability e^-2 at 30 bits, and with
            // probability below 2^-1000 at the 24 bits that a parameter set allows.
            .expect("a witness exists")
    }
}

impl CanObserve<F> for Challenger {
    fn observe(&mut self, value: F) {
        self.0.observe(value);
    }
}

impl CanObserve<Cap> for Challenger {
    fn observe(&mut self, value: Cap) {
        self.0.observe(value);
    }
}

impl CanSample<F> for Challenger {
    fn sample(&mut self) -> F {
        self.0.sample()
    }
}

impl CanSample<EF> for Challenger {
    fn sample(&mut self) -> EF {
        self.0.sample()
    }
}

impl CanSampleBits<usize> for Challenger {
    fn sample_bits(&mut self, bits: usize) -> usize {
        self.0.sample_bits(bits)
    }
}

impl FieldChallenger<F> for Challenger {}

impl GrindingChallenger for Challenger {
    type Witness = F;

    fn grind(&mut self, bits: usize) -> F {
        assert!(bits < 31, "at most 30 bits can be ground in a 31-bit field, got {bits}");
        if bits == 0 {
            return F::ZERO;
        }
        let witness = self.smallest_witness(bits);
        assert!(self.check_witness(bits, witness), "the search and Plonky3's check disagree");
        witness
    }

    fn check_witness(&mut self, bits: usize, witness: F) -> bool {
        self.0.check_witness(bits, witness)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_witness_is_the_smallest_that_plonky3_accepts() {
        for buffered in [0usize, 3, 7] {
            for bits in [1, 5, 10] {
                let mut challenger = Challenger::new(&[F::TWO; 8]);
                challenger.observe_slice(&vec![F::ONE; buffered]);
                let stock = challenger.0.clone();
                let witness = challenger.grind(bits);
                let smallest = (0..).map(F::from_u32).find(|&w| stock.clone().check_witness(bits, w));
                assert_eq!(Some(witness), smallest, "{buffered} buffered, {bits} bits");
                let mut checked = stock;
                assert!(checked.check_witness(bits, witness));
                let (after, expected): (F, F) = (challenger.sample(), checked.sample());
                assert_eq!(after, expected);
            }
        }
    }

    #[test]
    fn no_bits_cost_nothing() {
        let mut challenger = Challenger::new(&[F::ONE; 8]);
        let before: F = challenger.clone().sample();
        assert_eq!(challenger.grind(0), F::ZERO);
        let after: F = challenger.sample();
        assert_eq!(before, after);
    }

    #[test]
    fn the_digest_decides_the_first_challenge() {
        let a: EF = Challenger::new(&[F::ONE; 8]).sample();
        let b: EF = Challenger::new(&[F::TWO; 8]).sample();
        assert_ne!(a, b);
    }
}
