//! The memory: a word a row, at preprocessed addresses 0, 8, 16, …
//!
//! Main (17): the eight values; how often each is read as a cell; how often all are read as a word. Preprocessed (1): the
//! address. No constraints: the row provides what it holds, any number of times.

use p3_field::{Dup, PrimeCharacteristicRing};
use p3_lookup::InteractionBuilder;
use p3_matrix::dense::RowMajorMatrix;
use rayon::prelude::*;
use sinter_program::F;

use super::{main_row, preprocessed_row, provide};
use crate::WORD;
use crate::memory::Memory;

const CELL_READS: usize = WORD;
const WORD_READS: usize = CELL_READS + WORD;
/// Main columns.
pub(crate) const WIDTH: usize = WORD_READS + 1;
/// Preprocessed columns.
pub(crate) const PREPROCESSED: usize = 1;

pub(crate) fn preprocessed(words: usize) -> RowMajorMatrix<F> {
    RowMajorMatrix::new((0..words).map(|word| F::from_usize(word * WORD)).collect(), PREPROCESSED)
}

pub(crate) fn eval<AB: InteractionBuilder<F = F>>(builder: &mut AB) {
    let row = main_row(builder);
    let address = preprocessed_row(builder)[0].dup();
    for limb in 0..WORD {
        let cell = vec![address.dup() + AB::Expr::from_usize(limb), row[limb].dup()];
        provide(builder, "cell", cell, row[CELL_READS + limb].dup());
    }
    let mut word = vec![address];
    word.extend(row[..WORD].iter().map(Dup::dup));
    provide(builder, "word", word, row[WORD_READS].dup());
}

/// The trace of a run. `cells` and `words` are how often each is read.
pub(crate) fn fill(trace: &mut [F], memory: &Memory, cells: &[u32], words: &[u32]) {
    trace.par_chunks_exact_mut(WIDTH).enumerate().with_min_len(1024).for_each(|(at, row)| {
        row[..WORD].copy_from_slice(&memory.word(at));
        for (column, &reads) in row[CELL_READS..WORD_READS].iter_mut().zip(&cells[at * WORD..]) {
            *column = F::from_u32(reads);
        }
        row[WORD_READS] = F::from_u32(words[at]);
    });
}
