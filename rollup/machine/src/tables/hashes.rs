//! The hashes: a permutation a row.
//!
//! Main (169): the 164 columns of [`sinter_circuit::permutation`]; the addresses of left, right and out; used; all (whether
//! both halves of the output are written).
//!
//! - used · (used − 1) = 0; all · (used − all) = 0, hence all is 0 or used.
//!
//! A used row provides (left, right, out, all) once, and takes the words at left and right, which are its input, at out, and
//! at out + 8 if all. A row that is not used is the permutation of zeros.

use p3_field::{Dup, PrimeCharacteristicRing};
use p3_lookup::InteractionBuilder;
use rayon::prelude::*;
use sinter_circuit::permutation;
use sinter_program::F;

use super::{main_row, provide, take};
use crate::WORD;
use crate::execute::{Execution, HashCall};

const POINTERS: usize = permutation::WIDTH;
const USED: usize = POINTERS + 3;
const ALL: usize = USED + 1;
/// Columns.
pub(crate) const WIDTH: usize = ALL + 1;

pub(crate) fn eval<AB: InteractionBuilder<F = F>>(builder: &mut AB) {
    let row = main_row(builder);
    permutation::eval(builder, &row);
    let [left, right, out] = std::array::from_fn(|pointer| row[POINTERS + pointer].dup());
    let (used, all) = (row[USED].dup(), row[ALL].dup());
    builder.assert_bool(used.dup());
    builder.assert_zero(all.dup() * (used.dup() - all.dup()));

    provide(builder, "hash", vec![left.dup(), right.dup(), out.dup(), all.dup()], used.dup());
    let words = [
        (left, 0, used.dup()),
        (right, WORD, used.dup()),
        (out.dup(), permutation::OUT, used),
        (out + AB::Expr::from_usize(WORD), permutation::OUT + WORD, all),
    ];
    for (address, first, count) in words {
        let mut word = vec![address];
        word.extend(row[first..first + WORD].iter().map(Dup::dup));
        take(builder, "word", word, count);
    }
}

/// The trace of a run.
pub(crate) fn fill(trace: &mut [F], execution: &Execution) {
    trace.par_chunks_exact_mut(WIDTH).enumerate().with_min_len(64).for_each(|(at, row)| {
        if let Some(HashCall { pointers, permute }) = execution.hashes.get(at) {
            for (lane, pointer) in row[..2 * WORD].chunks_exact_mut(WORD).zip(pointers) {
                for (limb, value) in lane.iter_mut().enumerate() {
                    *value = execution.memory.finished(*pointer + F::from_usize(limb));
                }
            }
            row[POINTERS..USED].copy_from_slice(pointers);
            row[USED] = F::ONE;
            row[ALL] = F::from_bool(*permute);
        }
        permutation::fill(row);
    });
}
