//! The Keccak table: Keccak-256 of a message of 64 or 96 bytes, one permutation, 24 rows. Only circuits that hash with Keccak
//! have it.
//!
//! # Columns
//!
//! Main (2633): those of `p3-keccak-air` 0.8, nothing else. Preprocessed (18): `short` (first row of a message of 64 bytes),
//! `long` (first row of one of 96); address and multiplicity of the message's six words (on the first row) and of the digest's
//! two (on the last).
//!
//! # Constraints
//!
//! - **Permutation** (degree 3): all of stock `KeccakAir`, which makes rows 24k to 24k + 23 the rounds of permutation k. It
//!   decomposes all 25 lanes that enter a round, and those that leave it, into bits, so what the ports carry are limbs of 16
//!   bits.
//! - **Padding** (2): `preimage`, the state that enters, has after the message's lanes (8 if short, 12 if long) Keccak's
//!   padding to 136 bytes: 1 in the first limb after the message, 2^15 in the last limb of lane 16, zeros between; and lanes
//!   17 to 24, the capacity, are zero.
//!
//! Ports: lanes 2w and 2w + 1 of `preimage`, w in 0..6, as words of eight limbs, each lane's lowest first; lanes 0 to 3 of the
//! output as two words. Of a short message, words 4 and 5 are padding and on no bus.
//!
//! `preimage` is one throughout a permutation's rows, so the first row may stand for it. A permutation that is not used, and
//! the rows after the last whole one, have all multiplicities zero; the permutation of zero is filled in. Nothing wraps around:
//! stock asks nothing of the step from the last row to the first.

use std::borrow::Borrow;

use p3_air::{Air, WindowAccess};
use p3_field::{Dup, PrimeCharacteristicRing, PrimeField32};
use p3_keccak_air::{KeccakAir, KeccakCols, NUM_KECCAK_COLS, NUM_ROUNDS, U64_LIMBS, generate_trace_rows};
use p3_lookup::InteractionBuilder;
use p3_matrix::dense::RowMajorMatrix;
use sha3::{Digest, Keccak256};

use super::{exprs, port};
use crate::field::{F, LIMBS};
use crate::record::{KeccakRow, NONE};

/// Rows of a permutation.
pub(crate) const ROUNDS: usize = NUM_ROUNDS;
/// Main columns.
pub(crate) const WIDTH: usize = NUM_KECCAK_COLS;
/// Preprocessed column: first row of a message of 64 bytes.
pub(crate) const SHORT: usize = 0;
/// Preprocessed column: first row of a message of 96 bytes.
pub(crate) const LONG: usize = 1;
/// Preprocessed column: address of the message's first word, followed by its multiplicity; then the others'.
pub(crate) const INPUT: usize = 2;
/// Words of the longer message.
pub(crate) const INPUT_WORDS: usize = 6;
/// Preprocessed column: address of the digest's first word, followed by its multiplicity; then the second's.
pub(crate) const OUTPUT: usize = INPUT + 2 * INPUT_WORDS;
/// Words of a digest.
pub(crate) const OUTPUT_WORDS: usize = 2;
/// Preprocessed columns.
pub(crate) const PREP: usize = OUTPUT + 2 * OUTPUT_WORDS;

/// Lanes of the state.
const LANES: usize = 25;
/// Lanes of a word.
const WORD_LANES: usize = LIMBS / U64_LIMBS;
/// Lanes of a message of 64 bytes.
const SHORT_LANES: usize = 8;
/// Lanes of a message of 96 bytes.
const LONG_LANES: usize = 12;
/// The last lane of the rate.
const LAST_LANE: usize = 16;

/// A lane of the padding after a message of `lanes` lanes.
const fn padding(lane: usize, lanes: usize) -> u64 {
    (lane == lanes) as u64 | ((lane == LAST_LANE) as u64) << 63
}

pub(crate) fn eval<AB: InteractionBuilder<F = F>>(builder: &mut AB) {
    KeccakAir {}.eval(builder);

    let main = builder.main();
    let prep = exprs::<AB>(builder.preprocessed().current_slice());
    let row: &KeccakCols<AB::Var> = main.current_slice().borrow();
    let (short, long) = (prep[SHORT].dup(), prep[LONG].dup());
    for lane in SHORT_LANES..LANES {
        for (limb, &cell) in row.preimage[lane / 5][lane % 5].iter().enumerate() {
            let padded = |lanes: usize| {
                let padding = (padding(lane, lanes) >> (16 * limb)) as u16;
                Into::<AB::Expr>::into(cell) - F::from_u16(padding)
            };
            let mut sum = short.dup() * padded(SHORT_LANES);
            if lane >= LONG_LANES {
                sum += long.dup() * padded(LONG_LANES);
            }
            builder.assert_zero(sum);
        }
    }
    for word in 0..INPUT_WORDS {
        let lanes = (0..WORD_LANES).map(|lane| word * WORD_LANES + lane);
        let limbs: Vec<AB::Expr> = lanes.flat_map(|lane| exprs::<AB>(&row.preimage[lane / 5][lane % 5])).collect();
        port(builder, &limbs, prep[INPUT + 2 * word].dup(), prep[INPUT + 2 * word + 1].dup());
    }
    for word in 0..OUTPUT_WORDS {
        let limb = |index: usize| row.a_prime_prime_prime(0, word * WORD_LANES + index / U64_LIMBS, index % U64_LIMBS);
        let limbs: Vec<AB::Expr> = (0..LIMBS).map(|index| limb(index).into()).collect();
        port(builder, &limbs, prep[OUTPUT + 2 * word].dup(), prep[OUTPUT + 2 * word + 1].dup());
    }
}

/// The two lanes of a word. Words that are hashed have limbs below 2^16 by their type.
fn lanes(word: &[F; LIMBS]) -> [u64; WORD_LANES] {
    let lane = |limbs: &[F]| limbs.iter().rev().fold(0, |lane, limb| lane << 16 | u64::from(limb.as_canonical_u32()));
    [lane(&word[..U64_LIMBS]), lane(&word[U64_LIMBS..])]
}

/// The two words of Keccak-256 of the bytes in these words.
pub(crate) fn hash(words: &[[F; LIMBS]]) -> [[F; LIMBS]; OUTPUT_WORDS] {
    let mut hasher = Keccak256::new();
    for lane in words.iter().flat_map(lanes) {
        hasher.update(lane.to_le_bytes());
    }
    let digest: [u8; 32] = hasher.finalize().into();
    let limb = |index: usize| F::from_u16(u16::from_le_bytes([digest[2 * index], digest[2 * index + 1]]));
    [std::array::from_fn(limb), std::array::from_fn(|index| limb(LIMBS + index))]
}

/// The main trace at that height.
pub(crate) fn trace(height: usize, rows: &[KeccakRow], word: impl Fn(u32) -> [F; LIMBS] + Sync) -> RowMajorMatrix<F> {
    let mut states: Vec<[u64; LANES]> = rows
        .iter()
        .map(|row| {
            let words: Vec<u32> = row.message.into_iter().filter(|&id| id != NONE).collect();
            let length = words.len() * WORD_LANES;
            let mut state = std::array::from_fn(|lane| if lane < length { 0 } else { padding(lane, length) });
            for (to, &id) in state.chunks_exact_mut(WORD_LANES).zip(&words) {
                to.copy_from_slice(&lanes(&word(id)));
            }
            state
        })
        .collect();
    // Stock rounds the rows up to a power of two: this many permutations give the height.
    states.resize((height / ROUNDS).max(states.len()), [0; LANES]);
    generate_trace_rows(states, 0)
}
