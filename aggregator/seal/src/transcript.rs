//! The seal's transcript: a chain of Keccak-256 hashes that the EVM replays from calldata.
//!
//! ```text
//! start    state = seal key
//! absorb   elements as big-endian u32s, digests as they are; nothing is hashed yet
//! squeeze  state = keccak256(state ‖ what was absorbed since)
//! draw     of a fresh state, five lanes of 51 bits, the lowest first; the next squeeze when they are used up
//! element  lane mod p                      challenge: five elements, so one squeeze
//! index    the lane's low bits
//! grind    squeeze; absorb the witness; squeeze; the state's low bits are zero; its lanes are not used
//! ```
//!
//! Stock `SerializingChallenger32` would serve, but has little-endian elements, draws four bytes at a time, backwards, and
//! rejects. Here what is absorbed lies in calldata in this order already, and a challenge is one hash.
//!
//! **Bias.** A lane is uniform on 2^51 values, so an element has any given value with probability at most
//! ⌈2^51 / p⌉ / 2^51 < (1 + 2^−20) / p, and a challenge with less than (1 + 2^−17) / p^5: every bound on the share of bad
//! challenges grows by that factor, which is 2^−17 of a bit. Indices are exactly uniform.
//!
//! **Injectivity.** The seal key fixes the protocol, and so what is absorbed between two squeezes and how long it is: two
//! different runs under a key absorb different bytes at the first place where they differ.

use p3_challenger::{CanObserve, CanSample, CanSampleBits, FieldChallenger, GrindingChallenger};
use p3_field::{BasedVectorSpace, PrimeCharacteristicRing, PrimeField32};
use p3_keccak::{Keccak256Hash, VECTOR_LEN};
use p3_symmetric::CryptographicHasher;
use rayon::prelude::*;
use sinter_program::{EF, F};

use crate::hash::{Root, keccak256};

/// Bits of a lane.
const LANE_BITS: usize = 51;
/// Lanes of a state.
const LANES: usize = 5;
/// Witnesses that one task of the search for one tries.
const BATCH: u32 = 64 * VECTOR_LEN as u32;
/// Tasks that run before it is known whether an earlier one has found a witness.
const BATCHES: u32 = 256;

/// The transcript. Grinding returns the smallest witness, so the same trace gives the same proof.
#[derive(Clone, Debug)]
pub struct Challenger {
    state: [u8; 32],
    absorbed: Vec<u8>,
    drawn: usize,
}

impl Challenger {
    /// A transcript that starts from a seal key.
    #[must_use]
    pub const fn new(key: [u8; 32]) -> Self {
        Self { state: key, absorbed: Vec::new(), drawn: LANES }
    }

    fn squeeze(&mut self) {
        let mut bytes = self.state.to_vec();
        bytes.append(&mut self.absorbed);
        self.state = keccak256(&bytes);
        self.drawn = 0;
    }

    /// The next lane.
    fn lane(&mut self) -> u64 {
        if self.drawn == LANES || !self.absorbed.is_empty() {
            self.squeeze();
        }
        let lane = lane(&self.state, self.drawn);
        self.drawn += 1;
        lane
    }

    /// The smallest element after which the state's low bits are zero. Nothing is absorbed.
    fn smallest_witness(&self, bits: usize) -> F {
        let mask = (1u64 << bits) - 1;
        let try_batch = |first: u32| {
            let last = first.saturating_add(BATCH).min(F::ORDER_U32);
            let mut messages = Vec::with_capacity(36 * BATCH as usize);
            for witness in first..last {
                messages.extend_from_slice(&self.state);
                messages.extend_from_slice(&witness.to_be_bytes());
            }
            let mut hashes = vec![[0; 32]; (last - first) as usize];
            Keccak256Hash.hash_many(&messages, &mut hashes);
            let found = hashes.iter().position(|hash| lane(hash, 0) & mask == 0)?;
            Some(first + found as u32)
        };
        let witness = (0..F::ORDER_U32.div_ceil(BATCH)).step_by(BATCHES as usize).find_map(|first| {
            let batches = first..(first + BATCHES).min(F::ORDER_U32.div_ceil(BATCH));
            batches.into_par_iter().find_map_first(|batch| try_batch(batch * BATCH))
        });
        // 2^31 candidates against the 24 bits that a parameter set allows: none passes with probability below 2^-180.
        F::from_u32(witness.expect("a witness exists"))
    }
}

/// A lane of a state.
fn lane(state: &[u8; 32], lane: usize) -> u64 {
    let bit = lane * LANE_BITS;
    // The eight bytes that end where the lane begins hold it: 51 bits after at most 7 others.
    let end = 32 - bit / 8;
    let start = end.saturating_sub(8);
    let value = state[start..end].iter().fold(0u64, |value, &byte| value << 8 | u64::from(byte));
    (value >> (bit % 8)) & ((1 << LANE_BITS) - 1)
}

impl CanObserve<F> for Challenger {
    fn observe(&mut self, value: F) {
        self.absorbed.extend_from_slice(&value.as_canonical_u32().to_be_bytes());
    }
}

impl CanObserve<Root> for Challenger {
    fn observe(&mut self, value: Root) {
        value.roots().iter().for_each(|root| self.absorbed.extend_from_slice(root));
    }
}

impl CanSample<F> for Challenger {
    fn sample(&mut self) -> F {
        F::from_u64(self.lane() % u64::from(F::ORDER_U32))
    }
}

impl CanSample<EF> for Challenger {
    fn sample(&mut self) -> EF {
        <EF as BasedVectorSpace<F>>::from_basis_coefficients_fn(|_| self.sample())
    }
}

impl CanSampleBits<usize> for Challenger {
    fn sample_bits(&mut self, bits: usize) -> usize {
        assert!(bits <= LANE_BITS, "at most {LANE_BITS} bits of a lane, got {bits}");
        (self.lane() & ((1 << bits) - 1)) as usize
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
        let mut squeezed = self.clone();
        squeezed.squeeze();
        let witness = squeezed.smallest_witness(bits);
        assert!(self.check_witness(bits, witness), "the search and the check disagree");
        witness
    }

    fn check_witness(&mut self, bits: usize, witness: F) -> bool {
        if bits == 0 {
            return true;
        }
        self.squeeze();
        self.observe(witness);
        let passes = self.sample_bits(bits) == 0;
        self.drawn = LANES;
        passes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lanes_are_the_bits_of_the_state() {
        let state: [u8; 32] = core::array::from_fn(|i| (i * 37 + 11) as u8);
        let bit = |i: usize| u64::from(state[31 - i / 8] >> (i % 8) & 1);
        for index in 0..LANES {
            let expected = (0..LANE_BITS).fold(0, |value, i| value | bit(index * LANE_BITS + i) << i);
            assert_eq!(lane(&state, index), expected, "lane {index}");
        }
    }

    #[test]
    fn the_witness_is_the_smallest_that_passes() {
        for bits in [1, 7, 12] {
            let mut challenger = Challenger::new([7; 32]);
            challenger.observe(F::TWO);
            let before = challenger.clone();
            let witness = challenger.grind(bits);
            let smallest = (0..).map(F::from_u32).find(|&w| before.clone().check_witness(bits, w));
            assert_eq!(Some(witness), smallest);
            let mut checked = before.clone();
            assert!(checked.check_witness(bits, witness));
            let (after, expected): (EF, EF) = (challenger.sample(), checked.sample());
            assert_eq!(after, expected);
        }
    }

    #[test]
    fn everything_absorbed_changes_what_is_drawn() {
        let draw = |key: u8, values: &[u32]| -> EF {
            let mut challenger = Challenger::new([key; 32]);
            values.iter().for_each(|&value| challenger.observe(F::from_u32(value)));
            challenger.sample()
        };
        assert_ne!(draw(1, &[1]), draw(2, &[1]));
        assert_ne!(draw(1, &[1]), draw(1, &[2]));
        assert_ne!(draw(1, &[1]), draw(1, &[1, 0]));
    }
}
