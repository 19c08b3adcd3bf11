//! Poseidon2 of width 16 over KoalaBear, as [`crate::accumulator`] defines its uses. Elements are
//! canonical `u32` here; Montgomery form stays inside.

use p3_field::PrimeField32;
use p3_koala_bear::{KoalaBear, Poseidon2KoalaBear, default_koalabear_poseidon2_16};
use p3_symmetric::Permutation;
use std::sync::LazyLock;

/// KoalaBear's order.
pub const PRIME: u32 = 0x7f00_0001;
/// Elements taken in by one permutation.
const RATE: usize = 8;
const WIDTH: usize = 16;
/// Bytes packed into an element.
const ELEMENT_BYTES: usize = 3;

/// 8 elements.
pub type Elements = [u32; RATE];

static PERMUTATION: LazyLock<Poseidon2KoalaBear<WIDTH>> = LazyLock::new(default_koalabear_poseidon2_16);

/// The first 8 elements of `P(left ‖ right)`.
pub fn compress(left: &Elements, right: &Elements) -> Elements {
    let mut state = [KoalaBear::new(0); WIDTH];
    for (element, value) in state.iter_mut().zip(left.iter().chain(right)) {
        *element = KoalaBear::new(*value);
    }
    PERMUTATION.permute_mut(&mut state);
    digest(&state)
}

/// One level of the tree: adjacent digests compressed, an odd last one kept.
pub fn compress_pairs(digests: &[Elements]) -> Vec<Elements> {
    let (pairs, odd) = digests.as_chunks::<2>();
    let mut level: Vec<Elements> = pairs.iter().map(|[left, right]| compress(left, right)).collect();
    level.extend(odd);
    level
}

/// The overwrite sponge over elements; the length in the capacity is their number.
pub fn sponge(tag: u32, elements: &[u32]) -> Elements {
    absorb(initial(tag, elements.len() as u32), elements.iter().copied())
}

/// The digests of `bytes` in chunks of `chunk_bytes`; the length in each capacity is in bytes.
pub fn sponge_chunks(tag: u32, bytes: &[u8], chunk_bytes: usize) -> Vec<Elements> {
    bytes
        .chunks(chunk_bytes)
        .map(|chunk| {
            let elements = chunk.chunks(ELEMENT_BYTES).map(|bytes| {
                let mut word = [0; 4];
                for (to, from) in word.iter_mut().zip(bytes) {
                    *to = *from;
                }
                u32::from_le_bytes(word)
            });
            absorb(initial(tag, chunk.len() as u32), elements)
        })
        .collect()
}

fn initial(tag: u32, length: u32) -> [KoalaBear; WIDTH] {
    let mut state = [KoalaBear::new(0); WIDTH];
    state[RATE] = KoalaBear::new(tag);
    state[RATE + 1] = KoalaBear::new(length);
    state
}

fn absorb(mut state: [KoalaBear; WIDTH], mut elements: impl ExactSizeIterator<Item = u32>) -> Elements {
    while elements.len() > 0 {
        for element in state.iter_mut().take(RATE) {
            *element = KoalaBear::new(elements.next().unwrap_or(0));
        }
        PERMUTATION.permute_mut(&mut state);
    }
    digest(&state)
}

fn digest(state: &[KoalaBear; WIDTH]) -> Elements {
    let mut digest = [0; RATE];
    for (to, from) in digest.iter_mut().zip(state) {
        *to = from.as_canonical_u32();
    }
    digest
}
