//! What the contract is told about a seal's AIR: data and code, made from the AIR itself.
//!
//! The contract `SealVerifier` knows Plonky3's protocol and the field, and nothing of an AIR. It reads the **data** from the
//! code of another contract, and calls others for the constraints, whose code is the [parts](Program::parts):
//!
//! ```text
//! 00 (STOP: nobody can run it) · seal key (32) · root of the preprocessed columns (26)
//! fields, 4 bytes each, in the order of `SealProgram.sol`
//! Keccak-256 of every part's code
//! three seeds: the constants that the transcript absorbs before main root, claimed values, folds; 4 bytes an element
//! ```
//!
//! The inputs of the parts are words, each an element of the extension in five lanes and in Montgomery form (`Lanes.sol`):
//! the claimed values in transcript order, the public values, the challenges α and β of the lookups, that which folds the
//! constraints, the selectors of first row, last row and transitions at ζ, ζ^n − 1. What the parts return in the end are two
//! words: what the constraints fold to, as stock folds them, LogUp's included, and what they must fold to:
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

use crate::code::parts;
use crate::hash::keccak256;
use crate::lower::lower;
use crate::seal::{Seal, SealError};

/// The longest code of a contract (EIP-170).
pub const CODE_BYTES_MAX: usize = 24_576;
/// Folds that the contract has room for: four bits each for their arities.
pub const FOLDS_MAX: usize = 8;
/// Parts that the contract has room for.
pub const PARTS_MAX: usize = 4;

/// What `SealVerifier` is deployed with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// The code of the contract that is data. It names the parts by the hashes of their code.
    pub data: Vec<u8>,
    /// The code of the contracts that evaluate the constraints, at most [`PARTS_MAX`].
    pub parts: Vec<Vec<u8>>,
}

/// What `SealVerifier` is deployed with, for a seal.
///
/// # Errors
/// When the constraints need more or longer parts than there may be.
pub fn program(seal: &Seal) -> Result<Program, SealError> {
    let parts = parts(&lower(seal)?)?;
    if parts.len() > PARTS_MAX {
        return Err(SealError::Size { what: "parts", max: PARTS_MAX, got: parts.len() });
    }
    let layout = seal.layout();
    if layout.rounds.len() > FOLDS_MAX {
        return Err(SealError::Size { what: "folds", max: FOLDS_MAX, got: layout.rounds.len() });
    }
    let seeds = seeds(seal);
    let width = |round: Round| -> usize {
        let commitments = layout.commitments.iter().filter(|commitment| commitment.round == round);
        commitments.flat_map(|commitment| &commitment.matrices).map(|matrix| matrix.width).sum()
    };
    let rounds = [Round::Main, Round::Quotient, Round::Preprocessed, Round::Permutation];
    let next = |round: Round| layout.opening(round, 0, 0, Point::Next).is_some();
    let nexts = rounds.iter().enumerate().map(|(i, &round)| usize::from(next(round)) << i).sum();
    let arities = layout.rounds.iter().enumerate().map(|(i, round)| round.log_arity << (4 * i)).sum();
    let log_height = seal.table().log_height;
    let generator = F::two_adic_generator(log_height);
    let fields: [usize; 22] = [
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
        log_height,
        generator.as_canonical_u32() as usize,
        generator.inverse().as_canonical_u32() as usize,
        4 * seeds[0].len(),
        4 * seeds[1].len(),
        4 * seeds[2].len(),
        parts.len(),
    ];
    let mut data = vec![0];
    data.extend_from_slice(seal.key());
    data.extend_from_slice(seal.root());
    // All are bounded far below 2^32, the arities by the number of folds.
    fields.iter().for_each(|&field| data.extend_from_slice(&(field as u32).to_be_bytes()));
    parts.iter().for_each(|part| data.extend_from_slice(&keccak256(part)));
    let elements = seeds.iter().flatten();
    elements.for_each(|element| data.extend_from_slice(&element.as_canonical_u32().to_be_bytes()));
    if data.len() > CODE_BYTES_MAX {
        return Err(SealError::Size { what: "bytes of data", max: CODE_BYTES_MAX, got: data.len() });
    }
    Ok(Program { data, parts })
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
