//! The Window table: three windows over pairs of words a row, none on the next row.
//!
//! # Columns
//!
//! Main (80), for each window: A, B and out, eight limbs each, and `reads`; then five columns that are zero (so that the
//! width is a whole number of hash blocks). Preprocessed (56), for each window: k as eight flags (at most one is set), `five`
//! (at least five limbs), `eight` (all limbs), `block` (may be read dynamically), and address and multiplicity of A, B, out;
//! then five zero columns.
//!
//! # Constraints
//!
//! For each window, with AB = A ‖ B and m_0 = 1, m_1 … m_4 = five, m_5 … m_7 = eight:
//!
//! - out_i = m_i · Σ_k flag_k · AB\[k + i\] for i in 0..8 (degree 3)
//! - (1 − block) · reads = 0
//!
//! and each of the five padding columns is zero.
//!
//! Ports: (A, address of A), (B, address of B), (out, address of out), the last with multiplicity preprocessed + reads.
//! The address of out may be the target of dynamic reads. A window whose A is not connected makes `out` any word of that
//! many limbs: this is how a hint that nothing else owns gets an owner, and is shown to be an extension or base element.
//!
//! A row that is not used has no flags: out = 0, A and B are free but on no bus; they are filled in as zero.

use p3_air::WindowAccess;
use p3_field::{Dup, PrimeCharacteristicRing};
use p3_lookup::InteractionBuilder;
use rayon::prelude::*;

use super::{exprs, port};
use crate::field::{F, LIMBS};
use crate::record::{NONE, WindowRow};

/// Windows a row.
pub(crate) const SLOTS: usize = 3;
/// Main columns of a window.
const SLOT_WIDTH: usize = 3 * LIMBS + 1;
/// Main column of a window: its dynamic reads.
pub(crate) const READS: usize = 3 * LIMBS;
/// Main columns.
pub(crate) const WIDTH: usize = (SLOTS * SLOT_WIDTH).next_multiple_of(LIMBS);
/// Preprocessed columns of a window.
pub(crate) const SLOT_PREP: usize = LIMBS + 3 + 6;
/// Preprocessed column: at least five limbs.
pub(crate) const FIVE: usize = LIMBS;
/// Preprocessed column: all limbs.
pub(crate) const EIGHT: usize = LIMBS + 1;
/// Preprocessed column: may be read dynamically.
pub(crate) const BLOCK: usize = LIMBS + 2;
/// Preprocessed column: address of A, followed by its multiplicity; then B's, then out's.
pub(crate) const PORTS: usize = LIMBS + 3;
/// Preprocessed columns.
pub(crate) const PREP: usize = (SLOTS * SLOT_PREP).next_multiple_of(LIMBS);

/// Column of a window's `reads`.
pub(crate) const fn reads_column(slot: usize) -> usize {
    slot * SLOT_WIDTH + READS
}

pub(crate) fn eval<AB: InteractionBuilder<F = F>>(builder: &mut AB) {
    let main = builder.main();
    let row = exprs::<AB>(main.current_slice());
    let prep = exprs::<AB>(builder.preprocessed().current_slice());
    for slot in 0..SLOTS {
        let cells = &row[slot * SLOT_WIDTH..][..SLOT_WIDTH];
        let flags = &prep[slot * SLOT_PREP..][..SLOT_PREP];
        let (source, rest) = cells.split_at(2 * LIMBS);
        let (out, reads) = (&rest[..LIMBS], rest[LIMBS].dup());
        for (i, limb) in out.iter().enumerate() {
            let mut sum = flags[0].dup() * source[i].dup();
            for k in 1..LIMBS {
                sum += flags[k].dup() * source[k + i].dup();
            }
            let sum = match i {
                0 => sum,
                1..5 => flags[FIVE].dup() * sum,
                _ => flags[EIGHT].dup() * sum,
            };
            builder.assert_zero(limb.dup() - sum);
        }
        builder.assert_zero((AB::Expr::ONE - flags[BLOCK].dup()) * reads.dup());
        let [a, a_count, b, b_count, to, to_count] = std::array::from_fn(|index| flags[PORTS + index].dup());
        port(builder, &source[..LIMBS], a, a_count);
        port(builder, &source[LIMBS..], b, b_count);
        port(builder, out, to, to_count + reads);
    }
    for zero in &row[SLOTS * SLOT_WIDTH..] {
        builder.assert_zero(zero.dup());
    }
}

/// Fills the main trace; `reads` are filled in by the caller.
pub(crate) fn fill(trace: &mut [F], rows: &[WindowRow], word: impl Fn(u32) -> [F; LIMBS] + Sync) {
    trace.par_chunks_mut(WIDTH).zip(rows.par_chunks(SLOTS)).with_min_len(256).for_each(|(cells, windows)| {
        for (cells, window) in cells.chunks_exact_mut(SLOT_WIDTH).zip(windows) {
            let out = word(window.out);
            if window.a == NONE {
                cells[window.k as usize..][..LIMBS].copy_from_slice(&out);
            } else {
                cells[..LIMBS].copy_from_slice(&word(window.a));
            }
            if window.b != NONE {
                cells[LIMBS..2 * LIMBS].copy_from_slice(&word(window.b));
            }
            cells[2 * LIMBS..3 * LIMBS].copy_from_slice(&out);
        }
    });
}
