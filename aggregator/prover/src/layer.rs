//! A circuit at heights of its own, whose proofs are those of a program like any other.

use sinter_circuit::narrow::{NarrowAir, NarrowCircuit};
use sinter_circuit::{Circuit, Inputs, Witness};
use sinter_program::dag::{DagAir, ExportError};
use sinter_program::{Config, Digest, ParameterSet, Program, ProgramError, ProofFile, ProofKind, StatementLayout};
use thiserror::Error;

use crate::node::{CircuitProofError, Report, prove_circuit, prove_filled};
use crate::prover::{ProveError, Prover, ProvingKey};

/// Why a circuit is no layer.
#[derive(Debug, Error)]
pub enum LayerError {
    /// Its tables make no program.
    #[error(transparent)]
    Program(#[from] ProgramError),
    /// Its tables cannot be exported.
    #[error(transparent)]
    Export(#[from] ExportError),
    /// Its columns cannot be committed to.
    #[error(transparent)]
    Prove(#[from] ProveError),
}

/// What proves a circuit, and the program that its proofs are of.
#[derive(Debug)]
pub struct Layer {
    program: Program,
    proving: ProvingKey,
}

impl Layer {
    /// The tables of a circuit at the heights it was finished at.
    ///
    /// # Errors
    /// When the tables make no program under the parameters.
    pub fn new(parameters: ParameterSet, circuit: &Circuit) -> Result<Self, LayerError> {
        let airs = circuit.airs().iter().map(DagAir::from_air).collect::<Result<Vec<_>, _>>()?;
        Self::of(parameters, airs, circuit.log_heights())
    }

    /// The one table of a narrow circuit.
    ///
    /// # Errors
    /// As [`Layer::new`].
    pub fn narrow(parameters: ParameterSet, circuit: &NarrowCircuit) -> Result<Self, LayerError> {
        let air: NarrowAir = circuit.air();
        Self::of(parameters, vec![DagAir::from_air(&air)?], vec![circuit.log_height()])
    }

    fn of(parameters: ParameterSet, airs: Vec<DagAir>, heights: Vec<usize>) -> Result<Self, LayerError> {
        let bytes = heights.iter().map(|height| *height as u8).collect();
        let bare = airs.iter().map(DagAir::without_preprocessed).collect();
        // What is committed does not depend on the digest, which depends on it.
        let proving = ProvingKey::new(Config::new(parameters, &Digest::default()), airs, heights)?;
        let commitment = proving.preprocessed_commitment().cloned();
        let program = Program::new(bare, bytes, parameters, StatementLayout::Raw, commitment)?;
        let proving = proving.with_digest(program.digest());
        Ok(Self { program, proving })
    }

    /// The program.
    #[must_use]
    pub const fn program(&self) -> &Program {
        &self.program
    }

    /// What a backend proves with.
    #[must_use]
    pub const fn proving(&self) -> &ProvingKey {
        &self.proving
    }

    /// Executes and proves the circuit that the layer was made of.
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
        Ok((self.file(proof, public_values), report))
    }

    /// Executes and proves the narrow circuit that the layer was made of.
    ///
    /// # Errors
    /// As [`Layer::prove`].
    pub fn prove_narrow(
        &self,
        prover: &dyn Prover,
        circuit: &NarrowCircuit,
        inputs: &Inputs,
    ) -> Result<(ProofFile, Report), CircuitProofError> {
        let fill = |witness: &Witness| (vec![circuit.trace(witness)], vec![circuit.public_values(witness)]);
        let (proof, witness, report) = prove_filled(prover, &self.proving, || circuit.execute(inputs), fill)?;
        Ok((self.file(proof, circuit.public_values(&witness)), report))
    }

    fn file(&self, proof: crate::Proof, public_values: Vec<sinter_program::F>) -> ProofFile {
        ProofFile { kind: ProofKind::Leaf, digest: *self.program.digest(), key: None, public_values, proof }
    }
}
