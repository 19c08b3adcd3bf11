//! The public values: the first eight words of memory.
//!
//! Main (8): a word. Preprocessed (10): the word's address, whether it is taken, and eight flags of which one chooses eight
//! of the 64 public values.
//!
//! - word_i = Σ_s flag_s · public\[8s + i\], i in 0..8

use p3_field::{Dup, PrimeCharacteristicRing};
use p3_lookup::InteractionBuilder;
use p3_matrix::dense::RowMajorMatrix;
use sinter_program::F;

use super::{main_row, preprocessed_row, take};
use crate::{PUBLIC_VALUES, WORD};

const WORDS: usize = PUBLIC_VALUES / WORD;
/// log2 of the rows that are needed.
pub(crate) const LOG_WORDS: u8 = WORDS.ilog2() as u8;
const USED: usize = 1;
const FLAGS: usize = 2;
/// Main columns.
pub(crate) const WIDTH: usize = WORD;
/// Preprocessed columns.
pub(crate) const PREPROCESSED: usize = FLAGS + WORDS;

pub(crate) fn preprocessed(height: usize) -> RowMajorMatrix<F> {
    let mut values = vec![F::ZERO; height * PREPROCESSED];
    for (word, row) in values.chunks_exact_mut(PREPROCESSED).enumerate().take(WORDS) {
        row[0] = F::from_usize(word * WORD);
        row[USED] = F::ONE;
        row[FLAGS + word] = F::ONE;
    }
    RowMajorMatrix::new(values, PREPROCESSED)
}

pub(crate) fn eval<AB: InteractionBuilder<F = F>>(builder: &mut AB) {
    let row = main_row(builder);
    let preprocessed = preprocessed_row(builder);
    let publics: Vec<AB::Expr> = builder.public_values().iter().map(|&value| value.into()).collect();
    for (limb, value) in row.iter().enumerate() {
        let mut chosen = AB::Expr::ZERO;
        for word in 0..WORDS {
            chosen += preprocessed[FLAGS + word].dup() * publics[word * WORD + limb].dup();
        }
        builder.assert_eq(value.dup(), chosen);
    }
    let mut word = vec![preprocessed[0].dup()];
    word.extend(row);
    take(builder, "word", word, preprocessed[USED].dup());
}

/// The trace of a run.
pub(crate) fn fill(trace: &mut [F], public_values: &[F; PUBLIC_VALUES]) {
    trace[..PUBLIC_VALUES].copy_from_slice(public_values);
}
