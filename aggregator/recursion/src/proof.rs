//! A stock proof, taken apart and put in the order of its [`Layout`].
//!
//! [`ProofParts::new`] is the only place that looks at a proof's structure: every length is compared with the
//! shape's and nothing is sized by the proof. What it accepts is exactly what `verify_batch` would begin to check:
//! well-formed, of the key's heights, with canonical witnesses where no grinding is asked. Whether the *values* are
//! right is for the native verifier, or the circuit, to say.

use p3_batch_stark::BatchProof;
use p3_field::PrimeCharacteristicRing;
use p3_merkle_tree::PrunedMerklePaths;
use sinter_program::field::{Cap, EXTENSION_DEGREE};
use sinter_program::{Config, EF, F};
use thiserror::Error;

use crate::layout::{Layout, Point, Round};

/// A proof whose structure is not the program's.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum ProofShapeError {
    /// A length, a count or a height differs.
    #[error("{what}: expected {expected}, got {got}")]
    Mismatch {
        /// What was measured.
        what: &'static str,
        /// The shape's number.
        expected: usize,
        /// The proof's number.
        got: usize,
    },
    /// A part is there that should not be, or is missing.
    #[error("{what}: expected {}, got {}", presence(*expected), presence(*got))]
    Presence {
        /// What was looked for.
        what: &'static str,
        /// Whether it belongs.
        expected: bool,
        /// Whether it is there.
        got: bool,
    },
    /// A grinding witness that no one grinds is not zero.
    #[error("{0} witness must be zero where no bits are ground")]
    Witness(&'static str),
}

const fn presence(present: bool) -> &'static str {
    if present { "presence" } else { "absence" }
}

fn equal(what: &'static str, expected: usize, got: usize) -> Result<(), ProofShapeError> {
    if expected == got { Ok(()) } else { Err(ProofShapeError::Mismatch { what, expected, got }) }
}

fn present(what: &'static str, expected: bool, got: bool) -> Result<(), ProofShapeError> {
    if expected == got { Ok(()) } else { Err(ProofShapeError::Presence { what, expected, got }) }
}

fn canonical(what: &'static str, bits: usize, witness: F) -> Result<(), ProofShapeError> {
    if bits == 0 && witness != F::ZERO { Err(ProofShapeError::Witness(what)) } else { Ok(()) }
}

/// The rows of all queries under one commitment and the pruned paths that authenticate them.
pub struct QueriedRows<'a> {
    /// Per query, per matrix: the row.
    pub rows: &'a [Vec<Vec<F>>],
    /// Boundary digests.
    pub paths: &'a PrunedMerklePaths<F, 8>,
}

/// The siblings of all queries in one FRI round and the pruned paths.
pub struct QueriedSiblings<'a> {
    /// Per query: the group without the queried element.
    pub siblings: &'a [Vec<EF>],
    /// Boundary digests.
    pub paths: &'a PrunedMerklePaths<F, 8>,
}

/// A proof in the order of its shape.
pub struct ProofParts<'a> {
    /// Caps in opening order, the preprocessed one being the key's.
    pub caps: Vec<&'a Cap>,
    /// Claimed values of each opening.
    pub openings: Vec<&'a [EF]>,
    /// Terminal of each table on a bus.
    pub terminals: Vec<Option<EF>>,
    /// Public values of each table.
    pub publics: Vec<&'a [F]>,
    /// Caps of the FRI rounds.
    pub fri_caps: Vec<&'a Cap>,
    /// Coefficients of the final polynomial.
    pub final_poly: &'a [EF],
    /// Grinding witnesses: lookup, out-of-domain, batch, query.
    pub lookup_witness: F,
    /// Before zeta.
    pub ood_witness: F,
    /// Before the batching challenge.
    pub batch_witness: F,
    /// Before each folding challenge.
    pub commit_witnesses: &'a [F],
    /// Before the indices.
    pub query_witness: F,
    /// Opened rows per commitment.
    pub rows: Vec<QueriedRows<'a>>,
    /// Opened siblings per FRI round.
    pub siblings: Vec<QueriedSiblings<'a>>,
}

impl<'a> ProofParts<'a> {
    /// Takes a proof apart.
    ///
    /// `preprocessed` is the key's cap (never the proof's, which carries none), `publics` one list a table.
    ///
    /// # Errors
    /// When any count, width, height or presence differs from the shape's.
    pub fn new(
        layout: &Layout,
        preprocessed: Option<&'a Cap>,
        proof: &'a BatchProof<Config>,
        publics: &'a [Vec<F>],
    ) -> Result<Self, ProofShapeError> {
        let tables = layout.tables.len();
        equal("tables with opened values", tables, proof.opened_values.instances.len())?;
        equal("tables with a height", tables, proof.degree_bits.len())?;
        equal("tables with public values", tables, publics.len())?;
        equal("tables with a terminal slot", tables, proof.lookup_terminals.len())?;
        for (table, expected) in layout.tables.iter().enumerate() {
            equal("log height", expected.log_height, proof.degree_bits[table])?;
            equal("public values", expected.num_publics, publics[table].len())?;
            present("terminal", expected.num_lookups > 0, proof.lookup_terminals[table].is_some())?;
        }
        let lookups = layout.num_lookup_tables() > 0;
        present("lookup witness", lookups, proof.lookup_pow_witness.is_some())?;
        present("permutation commitment", lookups, proof.commitments.permutation.is_some())?;
        present("randomization commitment", false, proof.commitments.random.is_some())?;
        present("preprocessed commitment", layout.commitment(Round::Preprocessed).is_some(), preprocessed.is_some())?;

        let opening = &proof.opening_proof;
        let lookup_witness = proof.lookup_pow_witness.unwrap_or(F::ZERO);
        canonical("lookup", layout.fri.lookup_pow_bits, lookup_witness)?;
        canonical("out-of-domain", layout.fri.ood_pow_bits, proof.ood_pow_witness)?;
        canonical("batch", layout.fri.batch_pow_bits, opening.batch_pow_witness)?;
        canonical("query", layout.fri.query_pow_bits, opening.query_pow_witness)?;
        equal("commit witnesses", layout.rounds.len(), opening.commit_pow_witnesses.len())?;
        for &witness in &opening.commit_pow_witnesses {
            canonical("commit", layout.fri.commit_pow_bits, witness)?;
        }
        equal("final polynomial", 1 << layout.fri.log_final_poly_len, opening.final_poly.len())?;

        let mut caps = Vec::with_capacity(layout.commitments.len());
        for commitment in &layout.commitments {
            let cap = match commitment.round {
                Round::Main => Some(&proof.commitments.main),
                Round::Quotient => Some(&proof.commitments.quotient_chunks),
                Round::Preprocessed => preprocessed,
                Round::Permutation => proof.commitments.permutation.as_ref(),
            };
            // Presence was compared with the layout above.
            let cap = cap.ok_or(ProofShapeError::Presence { what: "commitment", expected: true, got: false })?;
            equal("digests in a cap", 1 << commitment.log_cap, cap.num_roots())?;
            caps.push(cap);
        }
        equal("FRI rounds", layout.rounds.len(), opening.commit_phase_commits.len())?;
        equal("opened FRI rounds", layout.rounds.len(), opening.commit_phase_openings.len())?;
        for (round, cap) in layout.rounds.iter().zip(&opening.commit_phase_commits) {
            equal("digests in a FRI cap", 1 << round.log_cap, cap.num_roots())?;
        }

        Ok(Self {
            caps,
            openings: openings(layout, proof)?,
            terminals: proof.lookup_terminals.iter().map(|t| t.as_ref().map(|t| t.0)).collect(),
            publics: publics.iter().map(Vec::as_slice).collect(),
            fri_caps: opening.commit_phase_commits.iter().collect(),
            final_poly: &opening.final_poly,
            lookup_witness,
            ood_witness: proof.ood_pow_witness,
            batch_witness: opening.batch_pow_witness,
            commit_witnesses: &opening.commit_pow_witnesses,
            query_witness: opening.query_pow_witness,
            rows: rows(layout, proof)?,
            siblings: siblings(layout, proof)?,
        })
    }
}

/// The claimed values, in transcript order.
fn openings<'a>(layout: &Layout, proof: &'a BatchProof<Config>) -> Result<Vec<&'a [EF]>, ProofShapeError> {
    for (table, instance) in layout.tables.iter().zip(&proof.opened_values.instances) {
        let base = &instance.base_opened_values;
        present("randomization", false, base.random.is_some())?;
        present("next main row", table.main_next, base.trace_next.is_some())?;
        present("preprocessed row", table.prep_width > 0, base.preprocessed.is_some())?;
        let next = base.preprocessed.as_ref().is_some_and(|p| p.next.is_some());
        present("next preprocessed row", table.prep_next && table.prep_width > 0, next)?;
        equal("quotient chunks", table.chunks(), base.quotient_chunks.len())?;
        equal("permutation row", table.permutation_width(), instance.permutation_local.len())?;
        equal("next permutation row", table.permutation_width(), instance.permutation_next.len())?;
    }
    let mut out = Vec::with_capacity(layout.openings.len());
    for opening in &layout.openings {
        let commitment = &layout.commitments[opening.commitment];
        let matrix = &commitment.matrices[opening.matrix];
        let instance = &proof.opened_values.instances[matrix.table];
        let base = &instance.base_opened_values;
        let values: Option<&[EF]> = match (commitment.round, opening.point) {
            (Round::Main, Point::Zeta) => Some(&base.trace_local),
            (Round::Main, Point::Next) => base.trace_next.as_deref(),
            (Round::Quotient, _) => base.quotient_chunks.get(matrix.chunk).map(Vec::as_slice),
            (Round::Preprocessed, Point::Zeta) => base.preprocessed.as_ref().map(|p| p.local.as_slice()),
            (Round::Preprocessed, Point::Next) => base.preprocessed.as_ref().and_then(|p| p.next.as_deref()),
            (Round::Permutation, Point::Zeta) => Some(&instance.permutation_local),
            (Round::Permutation, Point::Next) => Some(&instance.permutation_next),
        };
        let values = values.ok_or(ProofShapeError::Presence { what: "opening", expected: true, got: false })?;
        equal("opened values", opening.width, values.len())?;
        out.push(values);
    }
    Ok(out)
}

fn rows<'a>(layout: &Layout, proof: &'a BatchProof<Config>) -> Result<Vec<QueriedRows<'a>>, ProofShapeError> {
    let batches = &proof.opening_proof.input_openings;
    equal("opened commitments", layout.commitments.len(), batches.len())?;
    let mut out = Vec::with_capacity(batches.len());
    for (commitment, batch) in layout.commitments.iter().zip(batches) {
        equal("opened queries", layout.fri.num_queries, batch.opened_values.len())?;
        for query in &batch.opened_values {
            equal("opened matrices", commitment.matrices.len(), query.len())?;
            for (matrix, row) in commitment.matrices.iter().zip(query) {
                equal("opened row", matrix.width, row.len())?;
            }
        }
        out.push(QueriedRows { rows: &batch.opened_values, paths: &batch.opening_proof });
    }
    Ok(out)
}

fn siblings<'a>(layout: &Layout, proof: &'a BatchProof<Config>) -> Result<Vec<QueriedSiblings<'a>>, ProofShapeError> {
    let mut out = Vec::with_capacity(layout.rounds.len());
    for (round, step) in layout.rounds.iter().zip(&proof.opening_proof.commit_phase_openings) {
        equal("opened FRI queries", layout.fri.num_queries, step.sibling_values.len())?;
        for group in &step.sibling_values {
            equal("FRI siblings", (1 << round.log_arity) - 1, group.len())?;
        }
        out.push(QueriedSiblings { siblings: &step.sibling_values, paths: &step.opening_proof });
    }
    Ok(out)
}

/// Base-field lanes of extension elements, in order.
#[must_use]
pub fn lanes(values: &[EF]) -> Vec<F> {
    use p3_field::BasedVectorSpace;
    let mut out = Vec::with_capacity(values.len() * EXTENSION_DEGREE);
    for value in values {
        out.extend_from_slice(value.as_basis_coefficients_slice());
    }
    out
}
