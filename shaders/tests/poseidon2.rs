//! The permutation and the search for proofs of work.

use p3_challenger::{CanObserve, DuplexChallenger, GrindingChallenger};
use p3_field::{PrimeCharacteristicRing, PrimeField32};
use p3_koala_bear::{Poseidon2KoalaBear, default_koalabear_poseidon2_16};
use p3_symmetric::Permutation;
use sinter_shaders::Options;
use sinter_shaders::words::{F, to_elements, to_word};

use crate::kit::{elements, variants};

#[test]
fn states_are_permuted_as_plonky3_permutes_them() {
    let permutation = default_koalabear_poseidon2_16();
    for kernels in variants("poseidon2", Options::default()) {
        for (count, times) in [(1usize, 1u32), (3, 2), (257, 1), (1000, 1)] {
            let mut states = elements(16 * count, 7 + count as u64);
            // All edges at once.
            states[..16].fill(F::NEG_ONE);
            let words: Vec<u32> = states.iter().map(|&element| to_word(element)).collect();
            let buffer = kernels.device().upload(&words).unwrap();
            let mut recorder = kernels.device().record();
            kernels.permute(&mut recorder, &buffer, times).unwrap();
            recorder.submit().unwrap();
            let got = to_elements(&kernels.device().download(&buffer, 0..buffer.words()).unwrap());
            for chunk in states.chunks_exact_mut(16) {
                let mut state: [F; 16] = chunk.try_into().unwrap();
                (0..times).for_each(|_| permutation.permute_mut(&mut state));
                chunk.copy_from_slice(&state);
            }
            assert_eq!(got, states, "{count} states, {times} times, {:?}", kernels.device().arithmetic());
        }
    }
}

#[test]
fn the_smallest_witness_is_found_at_every_position() {
    type Challenger = DuplexChallenger<F, Poseidon2KoalaBear<16>, 16, 8>;
    for kernels in variants("grind", Options::default()) {
        for position in [0usize, 3, 4, 7] {
            let mut challenger = Challenger::new(default_koalabear_poseidon2_16());
            challenger.observe_slice(&elements(8 + position, 3));
            let bits = 11;
            let smallest = (0..F::ORDER_U32).map(F::from_u32).find(|&w| challenger.clone().check_witness(bits, w));
            let mut sponge = challenger.sponge_state;
            sponge[..position].copy_from_slice(&challenger.input_buffer);
            sponge[position + 1..8].fill(F::ZERO);
            sponge[8] += F::from_usize(position + 1);
            assert_eq!(kernels.grind(&sponge, position, bits as u32).unwrap(), smallest, "position {position}");
        }
    }
}
