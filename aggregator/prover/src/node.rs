//! A circuit in the universal shape, with all that proving it takes.

use std::time::{Duration, Instant};

use p3_matrix::dense::RowMajorMatrix;
use sinter_circuit::{Circuit, ExecutionError, Inputs, TABLES, TableRows, Witness};
use sinter_program::dag::ExportError;
use sinter_program::{Config, Digest, F, ProofFile, ProofKind};
use sinter_recursion::{NodeKey, Universal};
use thiserror::Error;

use crate::prover::{ProveError, Prover, ProvingKey};
use crate::stages::Stages;

/// What one proof cost.
#[derive(Clone, Copy, Debug, Default)]
pub struct Report {
    /// From the first input to the proof.
    pub wall: Duration,
    /// Where the time went. `build` is zero: it is the circuit's, not the proof's.
    pub stages: Stages,
}

impl Report {
    /// The cost of both, one after the other.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        Self { wall: self.wall + other.wall, stages: self.stages.plus(&other.stages) }
    }
}

/// Why a circuit cannot be proved.
#[derive(Debug, Error)]
pub enum KeyError {
    /// Its tables are not the shape's.
    #[error(transparent)]
    Export(#[from] ExportError),
    /// Its columns cannot be committed to.
    #[error(transparent)]
    Prove(#[from] ProveError),
    /// A circuit without preprocessed columns has no key.
    #[error("the circuit has no preprocessed columns")]
    NoColumns,
}

/// Why there is no proof of a circuit.
#[derive(Debug, Error)]
pub enum CircuitProofError {
    /// The circuit rejects its inputs.
    #[error(transparent)]
    Execution(#[from] ExecutionError),
    /// The backend has none.
    #[error(transparent)]
    Prove(#[from] ProveError),
}

/// Executes a circuit and proves it.
///
/// # Errors
/// When the circuit rejects the inputs, or the backend fails.
pub fn prove_circuit(
    prover: &dyn Prover,
    key: &ProvingKey,
    circuit: &Circuit,
    inputs: &Inputs,
) -> Result<(crate::Proof, Vec<F>, Report), CircuitProofError> {
    let fill = |witness: &Witness| (circuit.traces(witness), circuit.public_values(witness));
    let (proof, witness, report) = prove_filled(prover, key, || circuit.execute(inputs), fill)?;
    Ok((proof, witness.publics().to_vec(), report))
}

/// Executes a circuit in some layout, fills its traces and public values, and proves them.
///
/// # Errors
/// As [`prove_circuit`].
pub(crate) fn prove_filled(
    prover: &dyn Prover,
    key: &ProvingKey,
    execute: impl FnOnce() -> Result<Witness, ExecutionError>,
    fill: impl FnOnce(&Witness) -> (Vec<RowMajorMatrix<F>>, Vec<Vec<F>>),
) -> Result<(crate::Proof, Witness, Report), CircuitProofError> {
    let start = Instant::now();
    let witness = execute()?;
    let executed = start.elapsed();
    let (traces, public_values) = fill(&witness);
    let filled = start.elapsed();
    let (proof, mut stages) = prover.prove(key, &traces, &public_values)?;
    (stages.witness, stages.traces) = (executed, filled - executed);
    Ok((proof, witness, Report { wall: start.elapsed(), stages }))
}

/// A circuit in the universal shape, its key, and its committed columns.
#[derive(Debug)]
pub struct NodeCircuit {
    key: NodeKey,
    proving: ProvingKey,
    rows: [TableRows; TABLES],
    build: Duration,
}

impl NodeCircuit {
    /// Commits to the circuit's preprocessed columns. `since` is when building it began.
    ///
    /// # Errors
    /// When its tables are not the shape's.
    pub fn new(shape: &Universal, circuit: &Circuit, since: Instant) -> Result<Self, KeyError> {
        let heights = circuit.log_heights().to_vec();
        let config = Config::new(*shape.parameters(), shape.digest());
        let proving = ProvingKey::new(config, shape.airs_of(circuit)?, heights)?;
        let cap = proving.preprocessed_commitment().ok_or(KeyError::NoColumns)?;
        let key = shape.key(cap.clone());
        let proving = proving.with_digest(&key.digest);
        Ok(Self { proving, key, rows: *circuit.rows(), build: since.elapsed() })
    }

    /// The circuit's key.
    #[must_use]
    pub const fn key(&self) -> &NodeKey {
        &self.key
    }

    /// The digest of the key.
    pub const fn digest(&self) -> &Digest {
        &self.key.digest
    }

    /// What a backend proves with.
    #[must_use]
    pub const fn proving(&self) -> &ProvingKey {
        &self.proving
    }

    /// Rows used and available, by table.
    #[must_use]
    pub const fn rows(&self) -> &[TableRows; TABLES] {
        &self.rows
    }

    /// How long recording the circuit and committing to its columns took: once a process.
    #[must_use]
    pub const fn build(&self) -> Duration {
        self.build
    }

    /// Executes and proves.
    ///
    /// # Errors
    /// When the circuit rejects the inputs, or the backend fails.
    pub fn prove(
        &self,
        prover: &dyn Prover,
        circuit: &Circuit,
        inputs: &Inputs,
    ) -> Result<(ProofFile, Report), CircuitProofError> {
        let (proof, public_values, report) = prove_circuit(prover, &self.proving, circuit, inputs)?;
        let (digest, key) = (self.key.digest, Some(self.key.cap.clone()));
        Ok((ProofFile { kind: ProofKind::Node, digest, key, public_values, proof }, report))
    }
}
