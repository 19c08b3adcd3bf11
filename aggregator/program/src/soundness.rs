//! What a parameter set proves about the proofs of a given shape, in bits, computed with `p3-security`.
//!
//! Every term is `−log2` of the probability with which one step of the protocol lets a false statement through, in the
//! list-decoding (Johnson) regime at the proximity parameter that does best, or in the unique-decoding regime where that
//! does better. The bits of a set are the minimum over the terms: round-by-round soundness, as `p3-security` accounts for
//! it. Where Plonky3's calculator speaks of a single AIR, the terms here are those of a batch, rounded down:
//!
//! - **constraints** counts the constraints of all tables together;
//! - **out-of-domain** takes the tallest table, the highest degree and the most quotient chunks, once for each table;
//! - **lookups** counts every message of every row of every table, and charges the whole list of candidate traces.

use core::fmt;

use p3_security::fri::{commit_phase_error_ldr_m, commit_phase_error_udr, query_phase_error};
use p3_security::logup::{self, LOGUP_LABEL, LogUpAir};
use p3_security::proximity::{alpha_ldr_m, alpha_udr, list_size_ldr_m};
use p3_security::report::{ALI_LABEL, BATCH_LABEL, COLLISION_LABEL, DEEP_LABEL};
use p3_security::stark::proven_security_report;
use p3_security::{InstanceShape, Regime, RegimeReport, StarkAirParams};
use serde::Serialize;

use crate::field::{CHALLENGE_BITS, COLLISION_BITS};
use crate::parameters::ParameterSet;
use crate::shape::Shape;

/// The bits that everything but development must prove.
pub const TARGET_BITS: f64 = 100.0;

/// One step of the protocol at which a false statement can slip through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Step {
    /// The challenge that folds the constraints.
    Constraints,
    /// The out-of-domain point (DEEP).
    OutOfDomain,
    /// The challenge that batches all openings into one codeword.
    Batching,
    /// FRI's folding challenges.
    FriCommit,
    /// FRI's queries.
    FriQuery,
    /// The challenges of LogUp.
    Lookups,
    /// The collision resistance of the hash.
    Hash,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Constraints => "constraints (ALI)",
            Self::OutOfDomain => "out-of-domain point (DEEP)",
            Self::Batching => "batching of openings",
            Self::FriCommit => "FRI folding",
            Self::FriQuery => "FRI queries",
            Self::Lookups => "lookups (LogUp)",
            Self::Hash => "hash collisions",
        })
    }
}

/// A step and what it proves.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Term {
    /// The step.
    pub step: Step,
    /// `−log2` of its error, grinding included.
    pub bits: f64,
    /// The bits of it that are ground.
    pub ground: u8,
}

/// What a parameter set proves about one shape. Its `Display` is a table.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// The name of the parameter set.
    pub parameter_set: &'static str,
    /// The parameter set.
    pub parameters: ParameterSet,
    /// The proximity parameter of the Johnson regime; `None` in the unique-decoding regime.
    pub johnson_m: Option<usize>,
    /// Every term.
    pub terms: Vec<Term>,
    /// The least of them.
    pub proven_bits: f64,
}

impl Report {
    /// Compute the soundness of a parameter set for proofs of a shape.
    #[must_use]
    pub fn new(shape: &Shape) -> Self {
        let set = shape.parameters;
        let (air, instance) = (air_params(shape), instance_shape(shape));
        let lookups = logup_air(shape);
        let extras: Vec<_> = logup::security_term(&lookups, &instance, &set.grinding()).into_iter().collect();
        let report = proven_security_report(&set.regime(), &air, &instance, &extras, &set.grinding());
        let udr = terms(shape, &air, &instance, &report.udr);
        let ldr = report.ldr.as_ref().map(|ldr| terms(shape, &air, &instance, ldr));
        let (johnson_m, terms) = match (report.ldr.map(|ldr| ldr.regime), ldr) {
            (Some(Regime::ListDecoding { m }), Some(ldr)) if least(&ldr) > least(&udr) => (Some(m), ldr),
            _ => (None, udr),
        };
        let proven_bits = least(&terms);
        Self { parameter_set: set.name(), parameters: set, johnson_m, terms, proven_bits }
    }

    /// The same with another hash, whose collisions take so many bits of work.
    #[must_use]
    pub fn with_collision_bits(mut self, bits: f64) -> Self {
        for term in self.terms.iter_mut().filter(|term| term.step == Step::Hash) {
            term.bits = bits;
        }
        Self { proven_bits: least(&self.terms), ..self }
    }

    /// The bits of one step, if the protocol has it.
    #[must_use]
    pub fn bits(&self, step: Step) -> Option<f64> {
        self.terms.iter().find(|term| term.step == step).map(|term| term.bits)
    }

    /// Whether it proves what everything but development must.
    #[must_use]
    pub fn meets_target(&self) -> bool {
        self.proven_bits >= TARGET_BITS
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ParameterSet { log_blowup, queries, query_pow_bits, .. } = self.parameters;
        writeln!(
            f,
            "{}: log blow-up {log_blowup}, {queries} queries, {query_pow_bits} bits ground before them, {}",
            self.parameter_set,
            match self.johnson_m {
                Some(m) => format!("Johnson regime at m = {m}"),
                None => "unique decoding".to_owned(),
            }
        )?;
        for Term { step, bits, ground } in &self.terms {
            let binds = if *bits <= self.proven_bits { "  <- binds" } else { "" };
            writeln!(f, "  {step:<28} {bits:>6.1} bits, {ground:>2} of them ground{binds}")?;
        }
        write!(f, "  {:<28} {:>6.1} bits", "proven", self.proven_bits)
    }
}

fn least(terms: &[Term]) -> f64 {
    terms.iter().map(|term| term.bits).fold(f64::INFINITY, f64::min)
}

/// The batch as one AIR: all constraints, the highest degree, the most chunks, both points.
fn air_params(shape: &Shape) -> StarkAirParams {
    let tables = &shape.tables;
    StarkAirParams {
        num_constraints: tables.iter().map(|table| table.constraints).sum::<usize>().max(1),
        max_constraint_degree: tables.iter().map(|table| table.constraint_degree).max().unwrap_or(1).max(1),
        num_quotient_chunks: 1 << tables.iter().map(|table| table.log_quotient_chunks).max().unwrap_or(0),
        max_combo: 2,
    }
}

fn instance_shape(shape: &Shape) -> InstanceShape {
    InstanceShape {
        log_trace_length: shape.tables.iter().map(|table| table.log_height).max().unwrap_or(0),
        modulus_bits: CHALLENGE_BITS,
        collision_resistance: COLLISION_BITS,
        num_batched_functions: shape.openings(),
    }
}

/// All messages of all rows, as messages of each row of the tallest table.
fn logup_air(shape: &Shape) -> LogUpAir {
    let log_height = shape.tables.iter().map(|table| table.log_height).max().unwrap_or(0);
    let messages: usize = shape.tables.iter().map(|table| table.messages << table.log_height).sum();
    LogUpAir { num_interactions: messages.div_ceil(1 << log_height), max_message_width: shape.message_width }
}

/// The terms of one regime, those that concern a batch made stricter than Plonky3 has them.
fn terms(shape: &Shape, air: &StarkAirParams, instance: &InstanceShape, report: &RegimeReport) -> Vec<Term> {
    let set = shape.parameters;
    let (regime, log_blowup) = (set.regime(), usize::from(set.log_blowup));
    let (list_size, query, commit) = match report.regime {
        Regime::ListDecoding { m } => {
            (list_size_ldr_m(log_blowup, m), alpha_ldr_m(log_blowup, m), commit_phase_error_ldr_m(&regime, instance, m))
        }
        _ => (
            1.0,
            alpha_udr(instance.log_trace_length, log_blowup, air.max_combo),
            commit_phase_error_udr(&regime, instance),
        ),
    };
    let mut terms = Vec::new();
    let mut push = |step, bits: f64, ground| terms.push(Term { step, bits: bits.max(0.0), ground });
    for term in report.terms() {
        let bits = term.bits.bits();
        match term.label {
            ALI_LABEL => push(Step::Constraints, bits, 0),
            DEEP_LABEL => push(Step::OutOfDomain, bits - (shape.tables.len() as f64).log2(), set.ood_pow_bits),
            BATCH_LABEL => push(Step::Batching, bits, set.batch_pow_bits),
            LOGUP_LABEL => push(Step::Lookups, bits - list_size.log2(), set.lookup_pow_bits),
            COLLISION_LABEL => push(Step::Hash, bits, 0),
            _ => {
                if let Some(commit) = commit {
                    push(Step::FriCommit, commit.bits(), set.commit_pow_bits);
                }
                let query = query_phase_error(query, regime.num_queries, regime.query_pow_bits);
                // Whatever else Plonky3 holds against the low-degree test is charged here.
                let query = if commit.is_some_and(|commit| commit.bits() <= bits) { query.bits() } else { bits };
                push(Step::FriQuery, query, set.query_pow_bits);
            }
        }
    }
    terms
}
