//! What the contract is told about a seal's AIR: data, lowered from the AIR itself.
//!
//! The contract `SealVerifier` knows Plonky3's protocol and the field, and nothing of an AIR. It reads this data from the
//! code of another contract, and interprets the constraints:
//!
//! ```text
//! 00 (STOP: nobody can run it) · seal key (32) · root of the preprocessed columns (26)
//! fields, 4 bytes each, in the order of `Field`
//! three seeds: the constants that the transcript absorbs before main root, claimed values, folds; 4 bytes an element
//! constants, 4 bytes each
//! runs of operations: code (4 bits) · number (12 bits), then 5 bytes each:
//!     destination · first operand · second operand (13 bits each) · a bit of nothing
//! ```
//!
//! Operands and destinations are slots, each an element of the extension in Montgomery form. Slot [`FIRST_SLOT`] and those
//! after it hold at first: the claimed values in transcript order, the public values, the challenges α and β of the lookups,
//! that which folds the constraints, ζ, the constants. One kind of operation folds a value, as stock folds constraints,
//! LogUp's included. In the end the result, a slot, must hold what was folded:
//!
//! ```text
//! (ζ^n − 1) · quotient(ζ)
//! ```
//!
//! The constraints are [`ExtDag`](sinter_program::dag::ExtDag)'s: stock's own symbolic evaluation of the AIR and of the
//! LogUp gadget. Nothing of them is typed twice.

use p3_field::TwoAdicField;
use p3_field::{Field as _, PrimeCharacteristicRing, PrimeField32};
use sinter_program::F;
use sinter_recursion::layout::{Point, Round};
use sinter_recursion::plan::Step;

use crate::lower::{Lowered, lower};
use crate::seal::{Seal, SealError};

/// The longest code of a contract (EIP-170).
pub const CODE_BYTES_MAX: usize = 24_576;
/// The first slot of the interpreter: below it lies memory that Solidity keeps for itself.
pub const FIRST_SLOT: usize = 128;
/// Slots that an operation can name.
pub const SLOTS_MAX: usize = 1 << 13;

/// The code of the data contract that `SealVerifier` is deployed with.
///
/// # Errors
/// When it is longer than a contract's code may be, or the constraints need more slots than operations can name.
pub fn program(seal: &Seal) -> Result<Vec<u8>, SealError> {
    let Lowered { constants, operations, slots, result } = lower(seal)?;
    let layout = seal.layout();
    let seeds = seeds(seal);
    let width = |round: Round| -> usize {
        let commitments = layout.commitments.iter().filter(|commitment| commitment.round == round);
        commitments.flat_map(|commitment| &commitment.matrices).map(|matrix| matrix.width).sum()
    };
    let rounds = [Round::Main, Round::Quotient, Round::Preprocessed, Round::Permutation];
    let next = |round: Round| layout.opening(round, 0, 0, Point::Next).is_some();
    let nexts = rounds.iter().enumerate().map(|(i, &round)| usize::from(next(round)) << i).sum();
    let arities = layout.rounds.iter().enumerate().map(|(i, round)| round.log_arity << (4 * i)).sum();
    let generator = F::two_adic_generator(seal.table().log_height).as_canonical_u32() as usize;
    let fields: [usize; 23] = [
        layout.index_bits(),
        layout.fri.num_queries,
        layout.fri.lookup_pow_bits,
        layout.fri.ood_pow_bits,
        layout.fri.batch_pow_bits,
        layout.fri.query_pow_bits,
        layout.openings.iter().map(|opening| opening.width).sum(),
        width(rounds[0]),
        width(rounds[1]),
        width(rounds[2]),
        width(rounds[3]),
        nexts,
        layout.rounds.len(),
        arities,
        layout.fri.log_final_poly_len,
        generator,
        4 * seeds[0].len(),
        4 * seeds[1].len(),
        4 * seeds[2].len(),
        slots,
        constants.len(),
        operations.len(),
        result,
    ];
    let mut bytes = vec![0];
    bytes.extend_from_slice(seal.key());
    bytes.extend_from_slice(seal.root());
    // All are bounded far below 2^32: the arities by the eight folds that 24 bits of height leave room for.
    fields.iter().for_each(|&field| bytes.extend_from_slice(&(field as u32).to_be_bytes()));
    let elements = seeds.iter().flatten().chain(&constants);
    elements.for_each(|element| bytes.extend_from_slice(&element.as_canonical_u32().to_be_bytes()));
    bytes.extend_from_slice(&operations);
    if bytes.len() > CODE_BYTES_MAX {
        return Err(SealError::Size { what: "bytes of the program", max: CODE_BYTES_MAX, got: bytes.len() });
    }
    Ok(bytes)
}

/// The constants that the transcript absorbs, before the main root, the claimed values and the folds.
fn seeds(seal: &Seal) -> [Vec<F>; 3] {
    let mut seeds: [Vec<F>; 3] = Default::default();
    let mut at = 0;
    for step in seal.layout().transcript() {
        match step {
            Step::Constants(constants) => seeds[at].extend(constants),
            Step::Cap(_) if at == 0 => at = 1,
            Step::Opening(_) => at = 2,
            _ => {}
        }
    }
    seeds
}

/// The factors of stock's recomposition of the quotient: of each chunk's domain the inverse of its shift to the height,
/// and the inverse of the product of the other domains' vanishing polynomials at its first point.
pub(crate) fn chunk_factors(log_height: usize, log_chunks: usize) -> Vec<(F, F)> {
    let step = F::two_adic_generator(log_height + log_chunks);
    let shifts: Vec<F> =
        step.powers().take(1 << log_chunks).map(|power| (F::GENERATOR * power).exp_power_of_2(log_height)).collect();
    let factor = |i: usize| {
        let others = shifts.iter().enumerate().filter(|&(j, _)| j != i);
        others.map(|(_, other)| shifts[i] * other.inverse() - F::ONE).product::<F>().inverse()
    };
    shifts.iter().enumerate().map(|(i, shift)| (shift.inverse(), factor(i))).collect()
}
