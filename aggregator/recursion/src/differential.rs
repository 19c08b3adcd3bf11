//! Differential fuzzing: the native verifier against the verifier circuit, on a proof that was changed somewhere.
//!
//! For every change of a valid proof both must refuse. Native verification is [`Program::verify`]: shape, then stock
//! `verify_batch`. The circuit is the program's [`Wrap`], at heights of its own; it refuses when [`Wrap::inputs`] does (the
//! proof's structure is wrong, or its paths cannot be un-pruned), or when execution does (an assertion does not hold).
//! Changes are made
//!
//! - to one field element anywhere in the proof or its public values: each part of a proof is as likely to be hit as any
//!   other, however small;
//! - to lists: entries exchanged, left out, repeated; tables, rows, queries, chunks, caps, paths, rounds;
//! - by taking a part from another proof of the same program;
//! - to the bytes of the proof file, where the decoder still reads a proof.
//!
//! Every case is named by a seed and a number, and [`Target::case`] makes it again.

mod mutate;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use sinter_circuit::Heights;
use sinter_program::{Program, ProofFile};
use thiserror::Error;

use crate::replay::ReplayError;
use crate::wrap::{Wrap, WrapError, WrapInputError};
use mutate::Random;

/// How long to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// That many changes.
    Count(u64),
    /// That much time.
    Time(Duration),
}

/// What a verifier says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The proof is valid.
    Accepts,
    /// The proof does not have the structure that the program's proofs have.
    Malformed(String),
    /// The proof is not valid.
    Rejects(String),
    /// The verifier panicked, which it must not.
    Panics,
}

impl Verdict {
    /// Whether the proof is refused in an orderly way.
    #[must_use]
    pub const fn refuses(&self) -> bool {
        matches!(self, Self::Malformed(_) | Self::Rejects(_))
    }
}

/// A changed proof that is not refused by both verifiers.
#[derive(Clone, Debug)]
pub struct Disagreement {
    /// Its number, which with the seed makes it again.
    pub case: u64,
    /// What was changed.
    pub change: String,
    /// What the native verifier says.
    pub native: Verdict,
    /// What the circuit says.
    pub circuit: Verdict,
}

/// The outcome of a run.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// The seed.
    pub seed: u64,
    /// Changed proofs that both verifiers saw.
    pub tried: u64,
    /// Of these, how many both refused.
    pub both_reject: u64,
    /// Of these, how many the circuit's inputs refused already.
    pub structural: u64,
    /// Changes that left the proof as it was, or bytes that no decoder reads: not tried.
    pub skipped: u64,
    /// How often each part of a proof was changed.
    pub parts: BTreeMap<String, u64>,
    /// What refused, in the circuit: the label of the assertion, or `inputs`.
    pub reasons: BTreeMap<String, u64>,
    /// Cases that are bugs: one verifier accepts, or both do, or one panics.
    pub disagreements: Vec<Disagreement>,
}

/// Why a proof cannot be fuzzed.
#[derive(Debug, Error)]
pub enum TargetError {
    /// There is no verifier circuit for the program.
    #[error(transparent)]
    Wrap(#[from] WrapError),
    /// The proof has no encoding.
    #[error("the proof cannot be encoded: {0}")]
    Encoding(#[from] sinter_program::proof::ProofError),
    /// The proof is not valid to begin with.
    #[error("proof {proof}: expected one that both verifiers accept, got native {native:?}, circuit {circuit:?}")]
    Invalid {
        /// Which of the proofs.
        proof: usize,
        /// What the native verifier says.
        native: Verdict,
        /// What the circuit says.
        circuit: Verdict,
    },
}

/// A program and valid proofs of it.
pub struct Target {
    wrap: Wrap,
    /// The proofs, encoded: the first is changed, parts are taken from all.
    proofs: Vec<Vec<u8>>,
}

impl Target {
    /// Builds the verifier circuit of a program and checks that it and the native verifier accept the proofs, of which there
    /// must be at least one.
    ///
    /// # Errors
    /// When there is no such circuit, or a proof is not accepted.
    pub fn new(program: &Program, proofs: &[ProofFile]) -> Result<Self, TargetError> {
        let bytes = proofs.iter().map(|proof| proof.encode(program.shape())).collect::<Result<_, _>>()?;
        let target = Self { wrap: Wrap::new(program, Heights::Smallest)?, proofs: bytes };
        for (proof, file) in proofs.iter().enumerate() {
            let (native, circuit) = (target.native(file), target.in_circuit(file));
            if native != Verdict::Accepts || circuit != Verdict::Accepts {
                return Err(TargetError::Invalid { proof, native, circuit });
            }
        }
        Ok(target)
    }

    /// Tries changes until the limit is reached.
    #[must_use]
    pub fn run(&self, seed: u64, limit: Limit) -> Report {
        let start = Instant::now();
        let mut report = Report { seed, ..Report::default() };
        for case in 0.. {
            let done = match limit {
                Limit::Count(count) => report.tried >= count,
                Limit::Time(time) => start.elapsed() >= time,
            };
            if done {
                break;
            }
            let Some((part, change, file)) = self.case(seed, case) else {
                report.skipped += 1;
                continue;
            };
            report.tried += 1;
            *report.parts.entry(part).or_default() += 1;
            let (native, circuit) = (self.native(&file), self.in_circuit(&file));
            let reason = match &circuit {
                Verdict::Malformed(_) => "inputs".to_owned(),
                Verdict::Rejects(reason) => reason.split(':').next().unwrap_or_default().to_owned(),
                Verdict::Accepts | Verdict::Panics => String::new(),
            };
            *report.reasons.entry(reason).or_default() += 1;
            report.structural += u64::from(matches!(circuit, Verdict::Malformed(_)));
            if native.refuses() && circuit.refuses() {
                report.both_reject += 1;
            } else {
                report.disagreements.push(Disagreement { case, change, native, circuit });
            }
        }
        report
    }

    /// The changed proof of that number, with the part that was changed and how. `None` when the change changes nothing, or
    /// gives bytes that are no proof.
    #[must_use]
    pub fn case(&self, seed: u64, case: u64) -> Option<(String, String, ProofFile)> {
        let mut random = Random::new(seed, case);
        let shape = self.wrap.program().shape();
        let original = self.proofs.first()?;
        if random.below(8) == 0 {
            let mut bytes = original.clone();
            let change = mutate::bytes(&mut bytes, &mut random);
            let file = ProofFile::decode(&bytes, shape).ok()?;
            return (bytes != *original).then_some(("bytes".to_owned(), change, file));
        }
        let decode = |bytes: &[u8]| ProofFile::decode(bytes, shape).ok();
        let mut file = decode(original)?;
        let donor = decode(&self.proofs[random.below(self.proofs.len())])?;
        let tables = self.wrap.program().split_public_values(&file.public_values)?;
        let (part, change) = mutate::proof(&mut file, donor, &tables, &mut random)?;
        // What cannot be encoded has another structure, and so is another proof.
        let same = file.encode(shape).is_ok_and(|bytes| bytes == *original);
        (!same).then_some((part, change, file))
    }

    /// What the native verifier says.
    #[must_use]
    pub fn native(&self, file: &ProofFile) -> Verdict {
        use sinter_program::VerifyError::Rejected;
        match catch_unwind(AssertUnwindSafe(|| self.wrap.program().verify(file))) {
            Err(_) => Verdict::Panics,
            Ok(Ok(())) => Verdict::Accepts,
            Ok(Err(error @ Rejected { .. })) => Verdict::Rejects(error.to_string()),
            Ok(Err(error)) => Verdict::Malformed(error.to_string()),
        }
    }

    /// What the verifier circuit says.
    #[must_use]
    pub fn in_circuit(&self, file: &ProofFile) -> Verdict {
        let run = || self.wrap.inputs(file).map(|inputs| self.wrap.circuit().execute(&inputs));
        match catch_unwind(AssertUnwindSafe(run)) {
            Err(_) => Verdict::Panics,
            Ok(Err(error @ WrapInputError::Replay(ReplayError::Degenerate))) => Verdict::Rejects(error.to_string()),
            Ok(Err(error)) => Verdict::Malformed(error.to_string()),
            Ok(Ok(Err(error))) => Verdict::Rejects(error.to_string()),
            Ok(Ok(Ok(_))) => Verdict::Accepts,
        }
    }
}
