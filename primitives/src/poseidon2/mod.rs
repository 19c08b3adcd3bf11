//! Poseidon2 of width 16 over KoalaBear, as [`crate::accumulator`] defines its uses. Elements are
//! canonical `u32` here; what form a kernel computes in stays inside it.
//!
//! A megabyte takes 44 thousand permutations, and chunks are independent of each other: so chunks are
//! hashed side by side, one in each lane of a vector. Plonky3 chooses its vectors when it is compiled,
//! and a binary that must run anywhere is compiled for none; so the one here is chosen when it runs.

#[cfg(target_arch = "x86_64")]
mod avx2;

use p3_field::PrimeField32;
use p3_koala_bear::{KoalaBear, Poseidon2KoalaBear, default_koalabear_poseidon2_16};
use p3_symmetric::Permutation;
use std::sync::LazyLock;

/// KoalaBear's order.
pub const PRIME: u32 = 0x7f00_0001;
/// Elements of a state.
const WIDTH: usize = 16;
/// Elements taken in by one permutation, and in a digest.
const RATE: usize = 8;
/// Bytes packed into an element.
pub const ELEMENT_BYTES: usize = 3;
/// Bytes taken in by one permutation.
pub const BLOCK_BYTES: usize = RATE * ELEMENT_BYTES;

/// Chunks or pairs handed to a kernel together: the widest one's lanes.
const GROUP: usize = 8;

/// A digest: 8 canonical elements.
pub type Elements = [u32; RATE];

/// `L` states side by side: `states[i][lane]` is element `i`, in the kernel's form.
type States<const L: usize> = [[u32; L]; WIDTH];

static PERMUTATION: LazyLock<Poseidon2KoalaBear<WIDTH>> = LazyLock::new(default_koalabear_poseidon2_16);

/// Something that permutes `L` states at a time.
trait Kernel<const L: usize> {
    /// A canonical element in the kernel's form.
    fn enter(element: u32) -> u32;
    /// An element in the kernel's form, canonical.
    fn leave(element: u32) -> u32;
    /// Permutes each state.
    fn permute(&self, states: &mut States<L>);
    /// Overwrites the first 8 elements of each state with canonical ones below 2^24, then permutes.
    fn absorb(&self, states: &mut States<L>, block: &[[u32; L]; RATE]);
}

/// Plonky3's permutation, one state at a time.
struct Portable;

impl Kernel<1> for Portable {
    fn enter(element: u32) -> u32 {
        element
    }

    fn leave(element: u32) -> u32 {
        element
    }

    fn permute(&self, states: &mut States<1>) {
        let mut state = states.map(|[element]| KoalaBear::new(element));
        PERMUTATION.permute_mut(&mut state);
        *states = state.map(|element| [element.as_canonical_u32()]);
    }

    fn absorb(&self, states: &mut States<1>, block: &[[u32; 1]; RATE]) {
        states[..RATE].copy_from_slice(block);
        self.permute(states);
    }
}

/// The first 8 elements of `P(left ‖ right)`.
#[must_use]
pub fn compress(left: &Elements, right: &Elements) -> Elements {
    let mut state = [[0]; WIDTH];
    for (to, from) in state.iter_mut().zip(left.iter().chain(right)) {
        *to = [*from];
    }
    Portable.permute(&mut state);
    digest::<1, Portable>(&state, 0)
}

/// One level of the tree: adjacent digests compressed, an odd last one kept. Eight pairs at once where the machine can.
#[must_use]
pub fn compress_pairs(digests: &[Elements]) -> Vec<Elements> {
    let (pairs, odd) = digests.as_chunks::<2>();
    let mut level = Vec::with_capacity(pairs.len() + odd.len());
    for group in pairs.chunks(GROUP) {
        #[cfg(target_arch = "x86_64")]
        if group.len() > 1
            && let Some(kernel) = avx2::Avx2::detect()
        {
            compress_group(&kernel, group, &mut level);
            continue;
        }
        for pair in group {
            compress_group(&Portable, std::slice::from_ref(pair), &mut level);
        }
    }
    level.extend(odd);
    level
}

/// The overwrite sponge over elements; the length in the capacity is their number.
#[must_use]
pub fn sponge(tag: u32, elements: &[u32]) -> Elements {
    let mut states = initial::<1, Portable>(tag, [elements.len() as u32]);
    for chunk in elements.chunks(RATE) {
        let mut block = [[0]; RATE];
        for (to, from) in block.iter_mut().zip(chunk) {
            *to = [*from];
        }
        Portable.absorb(&mut states, &block);
    }
    digest::<1, Portable>(&states, 0)
}

/// The digests of `bytes` in chunks of `chunk_bytes`; the length in each capacity is in bytes.
#[must_use]
pub fn sponge_chunks(tag: u32, bytes: &[u8], chunk_bytes: usize) -> Vec<Elements> {
    let chunks: Vec<&[u8]> = bytes.chunks(chunk_bytes).collect();
    let mut digests = Vec::with_capacity(chunks.len());
    for group in chunks.chunks(GROUP) {
        #[cfg(target_arch = "x86_64")]
        if group.len() > 1
            && let Some(kernel) = avx2::Avx2::detect()
        {
            sponge_group(&kernel, tag, group, &mut digests);
            continue;
        }
        for chunk in group {
            sponge_group(&Portable, tag, std::slice::from_ref(chunk), &mut digests);
        }
    }
    digests
}

/// Hashes up to `L` chunks, one in each lane. Lanes of shorter chunks, or of none, go on with zeros
/// after their digest has been taken.
fn sponge_group<const L: usize, K: Kernel<L>>(kernel: &K, tag: u32, group: &[&[u8]], digests: &mut Vec<Elements>) {
    debug_assert!(group.len() <= L, "a group fits into the lanes");
    let chunks: [&[u8]; L] = std::array::from_fn(|lane| group.get(lane).copied().unwrap_or_default());
    let blocks = chunks.map(|chunk| chunk.len().div_ceil(BLOCK_BYTES));
    let mut states = initial::<L, K>(tag, chunks.map(|chunk| chunk.len() as u32));
    let mut lanes = chunks.map(|chunk| chunk.chunks(BLOCK_BYTES));
    let mut taken = [[0; RATE]; L];
    for absorbed in 1..=blocks.into_iter().max().unwrap_or(0) {
        let mut block = [[0; L]; RATE];
        for (lane, bytes) in lanes.iter_mut().enumerate() {
            let elements = unpack(bytes.next().unwrap_or_default());
            for (to, from) in block.iter_mut().zip(elements) {
                to[lane] = from;
            }
        }
        kernel.absorb(&mut states, &block);
        for lane in 0..L {
            if blocks[lane] == absorbed {
                taken[lane] = digest::<L, K>(&states, lane);
            }
        }
    }
    digests.extend(&taken[..group.len()]);
}

/// Up to 24 bytes as 8 elements of three bytes each, little-endian.
#[inline]
#[must_use]
pub fn unpack(bytes: &[u8]) -> Elements {
    let mut padded = [0; BLOCK_BYTES];
    if let Ok(whole) = <&[u8; BLOCK_BYTES]>::try_from(bytes) {
        padded[..BLOCK_BYTES].copy_from_slice(whole);
    } else {
        // A chunk's last block is shorter.
        padded[..bytes.len()].copy_from_slice(bytes);
    }
    std::array::from_fn(|element| {
        let at = element * ELEMENT_BYTES;
        u32::from_le_bytes([padded[at], padded[at + 1], padded[at + 2], 0])
    })
}

/// Compresses up to `L` pairs, one in each lane.
fn compress_group<const L: usize, K: Kernel<L>>(kernel: &K, group: &[[Elements; 2]], digests: &mut Vec<Elements>) {
    debug_assert!(group.len() <= L, "a group fits into the lanes");
    let mut states = [[0; L]; WIDTH];
    for (lane, pair) in group.iter().enumerate() {
        for (to, from) in states.iter_mut().zip(pair.as_flattened()) {
            to[lane] = K::enter(*from);
        }
    }
    kernel.permute(&mut states);
    digests.extend((0..group.len()).map(|lane| digest::<L, K>(&states, lane)));
}

fn initial<const L: usize, K: Kernel<L>>(tag: u32, lengths: [u32; L]) -> States<L> {
    let mut states = [[K::enter(0); L]; WIDTH];
    states[RATE] = [K::enter(tag); L];
    states[RATE + 1] = lengths.map(K::enter);
    states
}

fn digest<const L: usize, K: Kernel<L>>(states: &States<L>, lane: usize) -> Elements {
    std::array::from_fn(|element| K::leave(states[element][lane]))
}
