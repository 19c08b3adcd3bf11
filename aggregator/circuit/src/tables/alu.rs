//! The Alu table: two relations d = a·b + c over the extension a row, none on the next row.
//!
//! # Columns
//!
//! Main (40), for each relation: a, b, c, d, five limbs each. Preprocessed (16), for each of the eight cells: address,
//! multiplicity.
//!
//! # Constraints
//!
//! With X^5 = 1 − X^2 and p_k = Σ_{i+j=k} a_i b_j, for each relation (degree 2):
//!
//! - d_0 = c_0 + p_0 + p_5 − p_8
//! - d_1 = c_1 + p_1 + p_6
//! - d_2 = c_2 + p_2 − p_5 + p_7 + p_8
//! - d_3 = c_3 + p_3 − p_6 + p_8
//! - d_4 = c_4 + p_4 − p_7
//!
//! Ports: (a, 0, 0, 0, address of a), and so on: a word that an Alu cell carries has its last three limbs zero.
//!
//! A row that is not used is all zero: 0 = 0·0 + 0, every multiplicity zero.

use p3_air::WindowAccess;
use p3_field::{Dup, PrimeCharacteristicRing};
use p3_lookup::InteractionBuilder;
use rayon::prelude::*;

use super::{exprs, port};
use crate::field::{DEGREE, F, LIMBS};

/// Relations a row.
pub(crate) const SLOTS: usize = 2;
/// Main columns.
pub(crate) const WIDTH: usize = SLOTS * 4 * DEGREE;
/// Preprocessed columns.
pub(crate) const PREP: usize = SLOTS * 4 * 2;

/// The product of two extension elements, given by their limbs.
pub(crate) fn ext_mul<E: PrimeCharacteristicRing>(a: &[E], b: &[E]) -> [E; DEGREE] {
    let mut p: [E; 2 * DEGREE - 1] = std::array::from_fn(|_| E::ZERO);
    for (i, left) in a.iter().enumerate() {
        for (j, right) in b.iter().enumerate() {
            p[i + j] += left.dup() * right.dup();
        }
    }
    let [p0, p1, p2, p3, p4, p5, p6, p7, p8] = p;
    [p0 + p5.dup() - p8.dup(), p1 + p6.dup(), p2 - p5 + p7.dup() + p8.dup(), p3 - p6 + p8, p4 - p7]
}

pub(crate) fn eval<AB: InteractionBuilder<F = F>>(builder: &mut AB) {
    let main = builder.main();
    let row = exprs::<AB>(main.current_slice());
    let prep = exprs::<AB>(builder.preprocessed().current_slice());
    for slot in 0..SLOTS {
        let cell = |index: usize| &row[(slot * 4 + index) * DEGREE..][..DEGREE];
        let product = ext_mul(cell(0), cell(1));
        for ((limb, product), (c, d)) in product.into_iter().enumerate().map(|(i, p)| ((i, p), (cell(2), cell(3)))) {
            builder.assert_zero(product + c[limb].dup() - d[limb].dup());
        }
        for index in 0..4 {
            let at = (slot * 4 + index) * 2;
            port(builder, cell(index), prep[at].dup(), prep[at + 1].dup());
        }
    }
}

/// Fills the main trace from the words of each recorded relation.
pub(crate) fn fill(trace: &mut [F], rows: &[[u32; 4]], word: impl Fn(u32) -> [F; LIMBS] + Sync) {
    trace.par_chunks_mut(WIDTH).zip(rows.par_chunks(SLOTS)).with_min_len(512).for_each(|(row, relations)| {
        for (cell, &id) in row.chunks_exact_mut(DEGREE).zip(relations.iter().flatten()) {
            cell.copy_from_slice(&word(id)[..DEGREE]);
        }
    });
}
