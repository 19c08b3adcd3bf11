//! The Boundary table: the circuit's constants, and its public values.
//!
//! # Columns
//!
//! Main (1): `reads`. Preprocessed (19): eight limbs of a constant; eight flags, at most one set, that choose one of the
//! eight public words; `block` (may be read dynamically); address and multiplicity. Public values: 64.
//!
//! # Constraints
//!
//! - (1 − block) · reads = 0
//!
//! Port: (limb_i + Σ_s flag_s · public\[8s + i\], address), i in 0..8, with multiplicity preprocessed + reads. The word is
//! linear in preprocessed columns, so it needs no main column. The circuit has a row for each of the eight public words:
//! one that is not exposed is tied to the zero constant, so all 64 public values are bound.
//!
//! A row that is not used is zero.

use p3_air::WindowAccess;
use p3_field::{Dup, PrimeCharacteristicRing};
use p3_lookup::InteractionBuilder;

use super::{exprs, port};
use crate::builder::PUBLIC_WORDS;
use crate::field::{F, LIMBS};

/// Public values of the table.
pub(crate) const PUBLIC_VALUES: usize = PUBLIC_WORDS * LIMBS;
/// Main columns.
pub(crate) const WIDTH: usize = 1;
/// Preprocessed column: the first flag of the public words.
pub(crate) const FLAGS: usize = LIMBS;
/// Preprocessed column: may be read dynamically.
pub(crate) const BLOCK: usize = FLAGS + PUBLIC_WORDS;
/// Preprocessed column: address, followed by the multiplicity.
pub(crate) const PORT: usize = BLOCK + 1;
/// Preprocessed columns.
pub(crate) const PREP: usize = PORT + 2;

pub(crate) fn eval<AB: InteractionBuilder<F = F>>(builder: &mut AB) {
    let main = builder.main();
    let reads: AB::Expr = main.current_slice()[0].into();
    let prep = exprs::<AB>(builder.preprocessed().current_slice());
    let publics: Vec<AB::Expr> = builder.public_values().iter().map(|value| (*value).into()).collect();
    let limbs: Vec<AB::Expr> = (0..LIMBS)
        .map(|limb| {
            let mut sum = prep[limb].dup();
            for word in 0..PUBLIC_WORDS {
                sum += prep[FLAGS + word].dup() * publics[word * LIMBS + limb].dup();
            }
            sum
        })
        .collect();
    builder.assert_zero((AB::Expr::ONE - prep[BLOCK].dup()) * reads.dup());
    port(builder, &limbs, prep[PORT].dup(), prep[PORT + 1].dup() + reads);
}
