//! The transcript of a proof, as a list of steps fixed by its [`Layout`].
//!
//! The native replay and the circuit walk the same list, so they cannot differ in what they absorb. It
//! restates `p3_batch_stark`'s, `p3_fri`'s PCS and FRI transcripts of p3 0.8:
//!
//! ```text
//! digest of the program (8)                                    the challenger starts fed with it
//! seed of the batch                                            constants
//! per table: log height as an extension element (5)            constants
//! main cap · public values of every table · preprocessed cap
//! if any lookup:  grind, lookup alpha, lookup beta, permutation cap, terminals
//! constraint challenge · quotient cap · grind · zeta
//! seed of the opening argument                                 constants
//! every claimed value · grind · batching challenge
//! seed of FRI                                                  constants
//! per round: cap · grind · folding challenge
//! final polynomial · grind · query indices
//! ```
//!
//! Heights are constants here: a proof's `degree_bits` are compared with the key's before anything else, so the
//! circuit absorbs the key's.

use p3_batch_stark::BatchShape;
use p3_challenger::CanObserve;
use p3_challenger::fs::{DomainSeparator, FieldUnit};
use p3_field::PrimeCharacteristicRing;
use p3_fri::{FriShape, PcsShape};
use sinter_program::field::EXTENSION_DEGREE;
use sinter_program::{EF, F};

use crate::layout::{Layout, Round};

/// A cap that is absorbed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cap {
    /// Of a commitment, by its position in opening order.
    Commitment(usize),
    /// Of a FRI round.
    Fri(usize),
}

/// A challenge in the extension field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Challenge {
    /// LogUp denominators.
    LookupAlpha,
    /// LogUp tuples.
    LookupBeta,
    /// Folds constraints.
    Constraints,
    /// The out-of-domain point.
    Zeta,
    /// Batches openings.
    Batch,
    /// Folds in a FRI round.
    Fold(usize),
}

/// A grinding step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grind {
    /// Before the lookup challenges.
    Lookup,
    /// Before zeta.
    OutOfDomain,
    /// Before the batching challenge.
    Batch,
    /// Before a round's folding challenge.
    Commit(usize),
    /// Before the query indices.
    Query,
}

/// One step of the transcript.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Absorb the digest of the program: 8 elements.
    Digest,
    /// Absorb constants.
    Constants(Vec<F>),
    /// Absorb a cap.
    Cap(Cap),
    /// Absorb a table's public values.
    Publics(usize),
    /// Absorb a table's LogUp terminal.
    Terminal(usize),
    /// Absorb the values of an opening.
    Opening(usize),
    /// Absorb the final polynomial.
    FinalPoly,
    /// Absorb a witness, sample, and require that many low bits to be zero. Absent where the bits are zero.
    Grind(Grind, usize),
    /// Draw a challenge.
    Challenge(Challenge),
    /// Draw the query indices: the low bits of one sample each.
    Indices,
}

/// Collects the field elements of a domain separator's seed.
#[derive(Default)]
struct Recorder(Vec<F>);

impl CanObserve<F> for Recorder {
    fn observe(&mut self, value: F) {
        self.0.push(value);
    }
}

fn seed(separator: &DomainSeparator<FieldUnit<F>>) -> Step {
    let mut recorder = Recorder::default();
    separator.seed(&mut recorder);
    Step::Constants(recorder.0)
}

impl Layout {
    /// The transcript's steps.
    #[must_use]
    pub fn transcript(&self) -> Vec<Step> {
        let mut steps = vec![Step::Digest];
        self.batch_steps(&mut steps);
        self.opening_steps(&mut steps);
        steps
    }

    fn grind(steps: &mut Vec<Step>, grind: Grind, bits: usize) {
        if bits > 0 {
            steps.push(Step::Grind(grind, bits));
        }
    }

    fn cap(&self, steps: &mut Vec<Step>, round: Round) {
        if let Some(commitment) = self.commitment(round) {
            steps.push(Step::Cap(Cap::Commitment(commitment)));
        }
    }

    fn batch_steps(&self, steps: &mut Vec<Step>) {
        let batch = BatchShape {
            trace_widths: self.tables.iter().map(|t| t.width).collect(),
            public_value_counts: self.tables.iter().map(|t| t.num_publics).collect(),
            preprocessed_widths: self.tables.iter().map(|t| t.prep_width).collect(),
            has_preprocessed_commitment: self.commitment(Round::Preprocessed).is_some(),
            num_lookup_instances: self.num_lookup_tables(),
            lookup_pow_bits: self.fri.lookup_pow_bits,
            has_randomization_commitment: false,
            ood_pow_bits: self.fri.ood_pow_bits,
        };
        steps.push(seed(&batch.domain_separator::<F, EF>()));
        for table in &self.tables {
            let mut degree = vec![F::ZERO; EXTENSION_DEGREE];
            degree[0] = F::from_usize(table.log_height);
            steps.push(Step::Constants(degree));
        }
        self.cap(steps, Round::Main);
        steps.extend((0..self.tables.len()).map(Step::Publics));
        self.cap(steps, Round::Preprocessed);
        if batch.num_lookup_instances > 0 {
            Self::grind(steps, Grind::Lookup, self.fri.lookup_pow_bits);
            steps.push(Step::Challenge(Challenge::LookupAlpha));
            steps.push(Step::Challenge(Challenge::LookupBeta));
            self.cap(steps, Round::Permutation);
            let on_a_bus = (0..self.tables.len()).filter(|&t| self.tables[t].num_lookups > 0);
            steps.extend(on_a_bus.map(Step::Terminal));
        }
        steps.push(Step::Challenge(Challenge::Constraints));
        self.cap(steps, Round::Quotient);
        Self::grind(steps, Grind::OutOfDomain, self.fri.ood_pow_bits);
        steps.push(Step::Challenge(Challenge::Zeta));
    }

    fn opening_steps(&self, steps: &mut Vec<Step>) {
        let counts = |c: &crate::layout::CommitmentShape| {
            c.matrices.iter().map(|m| m.openings.iter().map(|&o| self.openings[o].width).collect()).collect()
        };
        let pcs = PcsShape {
            claimed_evaluation_counts: self.commitments.iter().map(counts).collect(),
            batch_pow_bits: self.fri.batch_pow_bits,
        };
        steps.push(seed(&pcs.domain_separator::<F, EF>()));
        steps.extend((0..self.openings.len()).map(Step::Opening));
        Self::grind(steps, Grind::Batch, self.fri.batch_pow_bits);
        steps.push(Step::Challenge(Challenge::Batch));

        let fri = FriShape {
            log_arities: self.rounds.iter().map(|r| r.log_arity).collect(),
            final_poly_len: 1 << self.fri.log_final_poly_len,
            commit_pow_bits: self.fri.commit_pow_bits,
            query_pow_bits: self.fri.query_pow_bits,
            num_queries: self.fri.num_queries,
            index_bits: self.index_bits(),
            log_blowup: self.fri.log_blowup,
            max_log_arity: self.fri.max_log_arity,
        };
        steps.push(seed(&fri.domain_separator::<F, EF>()));
        for round in 0..self.rounds.len() {
            steps.push(Step::Cap(Cap::Fri(round)));
            Self::grind(steps, Grind::Commit(round), self.fri.commit_pow_bits);
            steps.push(Step::Challenge(Challenge::Fold(round)));
        }
        steps.push(Step::FinalPoly);
        Self::grind(steps, Grind::Query, self.fri.query_pow_bits);
        steps.push(Step::Indices);
    }
}
