//! A proof as the input list of the circuit that verifies it. The order is [`crate::verifier`]'s.

use p3_batch_stark::BatchProof;
use p3_field::{BasedVectorSpace, PrimeCharacteristicRing};
use sinter_program::field::{Cap, Digest, RATE};
use sinter_program::{Config, F};

use crate::layout::{Layout, Round};
use crate::plan::{self, Step};
use crate::proof::{ProofParts, lanes};
use crate::replay::{Replay, ReplayError, witness};

/// Appends what the verifier reads of one proof to an input list.
///
/// # Errors
/// When the proof's structure is not the layout's, or its pruned paths do not fit the query indices.
pub fn append(
    inputs: &mut Vec<F>,
    layout: &Layout,
    digest: &Digest,
    preprocessed: Option<&Cap>,
    proof: &BatchProof<Config>,
    publics: &[Vec<F>],
) -> Result<(), ReplayError> {
    let parts = ProofParts::new(layout, preprocessed, proof, publics)?;
    let replay = Replay::new(layout, digest, &parts)?;
    let before = inputs.len();
    for values in &parts.publics {
        inputs.extend_from_slice(values);
    }
    let used = inputs.len() - before;
    inputs.resize(before + used.next_multiple_of(RATE), F::ZERO);
    for step in layout.transcript() {
        match step {
            Step::Cap(plan::Cap::Commitment(c)) if layout.commitments[c].round != Round::Preprocessed => {
                inputs.extend(parts.caps[c].roots().iter().flatten());
            }
            Step::Cap(plan::Cap::Fri(r)) => inputs.extend(parts.fri_caps[r].roots().iter().flatten()),
            Step::Terminal(table) => {
                inputs.extend_from_slice(parts.terminals[table].unwrap_or_default().as_basis_coefficients_slice());
            }
            Step::Opening(opening) => inputs.extend(lanes(parts.openings[opening])),
            Step::FinalPoly => inputs.extend(lanes(parts.final_poly)),
            Step::Grind(grind, _) => inputs.push(witness(&parts, grind)),
            Step::Cap(_) | Step::Digest | Step::Constants(_) | Step::Publics(_) => {}
            Step::Challenge(_) | Step::Indices => {}
        }
    }
    for query in &replay.queries {
        for (leaves, path) in query.leaves.iter().zip(&query.paths) {
            inputs.extend(leaves.iter().rev().flatten());
            inputs.extend(path.iter().flatten());
        }
        for (group, path) in query.groups.iter().zip(&query.group_paths) {
            inputs.extend_from_slice(group);
            inputs.extend(path.iter().flatten());
        }
    }
    Ok(())
}
