//! The Bytes table: the big-endian bytes of eight base elements a row, none on the next row. Only circuits that hash with
//! Keccak have it.
//!
//! # Columns
//!
//! Main (272), for each of the eight elements: bits 0 to 30; then three products of its high bits, t_0, t_1, t_2.
//! Preprocessed (6): address and multiplicity of the word, of the first half of its bytes, of the second half.
//!
//! # Constraints
//!
//! For each element, degree at most 3:
//!
//! - bit_j · (bit_j − 1) = 0
//! - t_0 = bit_30 · bit_29 · bit_28, t_1 = t_0 · bit_27 · bit_26, t_2 = t_1 · bit_25 · bit_24: t_2 says that bits 24 to 30 are
//!   all ones
//! - t_2 · (bit_0 + … + bit_23) = 0. The sum is below p, so bits 0 to 23 are then zero. As p − 1 = 127 · 2^24, exactly the
//!   numbers below p pass: the bits are canonical
//!
//! Ports, all linear: the word (Σ_j 2^j bit_j of each element), and its 32 bytes as two words of eight limbs. With B_0, B_1,
//! B_2, B_3 the bytes of an element, most significant first, its two limbs are B_0 + 2^8 B_1 and B_2 + 2^8 B_3: a limb holds
//! two bytes as Keccak's lanes have them, the first one low. Elements 0 to 3 are in the first word, 4 to 7 in the second.
//!
//! A row that is not used is zero.

use p3_air::WindowAccess;
use p3_field::{Dup, PrimeCharacteristicRing, PrimeField32};
use p3_lookup::InteractionBuilder;
use rayon::prelude::*;

use super::bits::{HIGH_FROM, VALUE_BITS};
use super::{exprs, port};
use crate::field::{F, LIMBS};
use crate::record::BytesRow;

/// Products of an element's high bits.
const PRODUCTS: usize = 3;
/// Main columns of an element.
const ELEMENT_WIDTH: usize = VALUE_BITS + PRODUCTS;
/// Main columns.
pub(crate) const WIDTH: usize = LIMBS * ELEMENT_WIDTH;
/// Preprocessed column: address of the word, followed by its multiplicity; then the two halves'.
pub(crate) const PORTS: usize = 0;
/// Preprocessed columns.
pub(crate) const PREP: usize = 6;
/// Bits of a limb.
const LIMB_BITS: usize = 16;
/// Bits of a byte.
const BYTE_BITS: usize = 8;

/// Limb `limb` of an element, as (bit, power of two) terms.
fn limb_terms(limb: usize) -> impl Iterator<Item = (usize, u32)> {
    // The two bytes' places in the element: the first is the higher one.
    let first = 3 * BYTE_BITS - limb * LIMB_BITS;
    let byte = |from: usize, shift: usize| (0..BYTE_BITS).map(move |bit| (from + bit, 1 << (bit + shift)));
    // The element has no bit 31.
    byte(first, 0).chain(byte(first - BYTE_BITS, BYTE_BITS)).filter(|(bit, _)| *bit < VALUE_BITS)
}

pub(crate) fn eval<AB: InteractionBuilder<F = F>>(builder: &mut AB) {
    let main = builder.main();
    let row = exprs::<AB>(main.current_slice());
    let prep = exprs::<AB>(builder.preprocessed().current_slice());
    let mut word = Vec::with_capacity(LIMBS);
    let mut bytes = Vec::with_capacity(2 * LIMBS);
    for cells in row.chunks_exact(ELEMENT_WIDTH) {
        let (bits, products) = cells.split_at(VALUE_BITS);
        for bit in bits {
            builder.assert_bool(bit.dup());
        }
        builder.assert_zero(bits[30].dup() * bits[29].dup() * bits[28].dup() - products[0].dup());
        builder.assert_zero(products[0].dup() * bits[27].dup() * bits[26].dup() - products[1].dup());
        builder.assert_zero(products[1].dup() * bits[25].dup() * bits[24].dup() - products[2].dup());
        let low = bits[..HIGH_FROM].iter().fold(AB::Expr::ZERO, |sum, bit| sum + bit.dup());
        builder.assert_zero(products[2].dup() * low);
        word.push(sum::<AB>(bits, (0..VALUE_BITS).map(|bit| (bit, 1 << bit))));
        bytes.extend((0..2).map(|limb| sum::<AB>(bits, limb_terms(limb))));
    }
    for (index, limbs) in [&word[..], &bytes[..LIMBS], &bytes[LIMBS..]].into_iter().enumerate() {
        let at = PORTS + 2 * index;
        port(builder, limbs, prep[at].dup(), prep[at + 1].dup());
    }
}

fn sum<AB: InteractionBuilder<F = F>>(bits: &[AB::Expr], terms: impl Iterator<Item = (usize, u32)>) -> AB::Expr {
    terms.fold(AB::Expr::ZERO, |sum, (bit, power)| sum + bits[bit].dup() * F::from_u32(power))
}

/// The two words of a word's bytes: the native twin of the ports.
pub(crate) fn split(word: &[F; LIMBS]) -> [[F; LIMBS]; 2] {
    let limb = |index: usize| {
        let bytes = word[index / 2].as_canonical_u32().to_be_bytes();
        let at = index % 2 * 2;
        F::from_u16(u16::from_le_bytes([bytes[at], bytes[at + 1]]))
    };
    [std::array::from_fn(limb), std::array::from_fn(|index| limb(LIMBS + index))]
}

/// Fills the main trace.
pub(crate) fn fill(trace: &mut [F], rows: &[BytesRow], word: impl Fn(u32) -> [F; LIMBS] + Sync) {
    trace.par_chunks_exact_mut(WIDTH).zip(rows).with_min_len(64).for_each(|(cells, row)| {
        for (cells, element) in cells.chunks_exact_mut(ELEMENT_WIDTH).zip(word(row.word)) {
            let value = element.as_canonical_u32();
            for (bit, cell) in cells[..VALUE_BITS].iter_mut().enumerate() {
                *cell = F::from_u32((value >> bit) & 1);
            }
            for (product, from) in [28, 26, 24].into_iter().enumerate() {
                cells[VALUE_BITS + product] = F::from_bool((from..VALUE_BITS).all(|bit| (value >> bit) & 1 == 1));
            }
        }
    });
}
