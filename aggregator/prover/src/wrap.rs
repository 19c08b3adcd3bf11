//! Wrapping: a program's proof into a node's.
//!
//! A program whose verifier fits the universal heights is wrapped once. A wide one is wrapped by a circuit of its own
//! heights first, whose proofs are those of a program like any other, and so on until the verifier of the last fits; the
//! last wrap's key is the `program_id`.

use std::time::Instant;

use sinter_circuit::{CircuitError, Heights, TABLES, TableRows};
use sinter_program::{Digest, Program, ProofFile, VerifyError};
use sinter_recursion::wrap::{Wrap, WrapError, WrapInputError};
use sinter_recursion::{NodeKey, Universal};
use thiserror::Error;

use crate::layer::{Layer, LayerError};
use crate::node::{CircuitProofError, KeyError, NodeCircuit, Report};
use crate::prover::Prover;

/// Most layers of one program's wrap.
pub const LAYERS: usize = 3;

/// Why a program cannot be wrapped.
#[derive(Debug, Error)]
pub enum WrapperError {
    /// Its verifier cannot be recorded.
    #[error(transparent)]
    Wrap(#[from] WrapError),
    /// A layer cannot be proved.
    #[error(transparent)]
    Layer(#[from] LayerError),
    /// The last circuit cannot be proved.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The verifier of the last layer is still too large.
    #[error("expected a verifier in the universal shape after at most {LAYERS} layers: {0}")]
    TooWide(CircuitError),
}

/// Why a proof is not wrapped.
#[derive(Debug, Error)]
pub enum WrapProofError {
    /// It is not a proof of the program.
    #[error(transparent)]
    Leaf(#[from] VerifyError),
    /// A layer cannot read it.
    #[error(transparent)]
    Input(#[from] WrapInputError),
    /// A layer rejects it, or the backend fails.
    #[error("wrap: {0}")]
    Prove(#[from] CircuitProofError),
}

/// Wraps the proofs of one program.
#[derive(Debug)]
pub struct Wrapper {
    wide: Vec<(Wrap, Layer)>,
    last: Wrap,
    node: NodeCircuit,
}

impl Wrapper {
    /// Records the circuits and commits to their columns.
    ///
    /// # Errors
    /// When the program cannot be verified in-circuit, or is too wide for [`LAYERS`] layers.
    pub fn new(program: &Program) -> Result<Self, WrapperError> {
        Self::of(Universal::fold(), program)
    }

    /// The same for another universal shape.
    ///
    /// # Errors
    /// As [`Wrapper::new`].
    pub fn of(shape: &Universal, program: &Program) -> Result<Self, WrapperError> {
        Self::with(shape, program, Heights::Smallest)
    }

    /// The same with other heights of the layers before the last: other circuits, so another `program_id`.
    ///
    /// # Errors
    /// As [`Wrapper::new`]; also when a layer does not fit.
    pub fn with(shape: &Universal, program: &Program, wide_heights: Heights) -> Result<Self, WrapperError> {
        let start = Instant::now();
        let mut wide: Vec<(Wrap, Layer)> = Vec::new();
        loop {
            let inner = wide.last().map_or(program, |(_, layer)| layer.program());
            match Wrap::new(inner, shape.heights()) {
                Ok(last) => {
                    let node = NodeCircuit::new(shape, last.circuit(), start)?;
                    return Ok(Self { wide, last, node });
                }
                Err(WrapError::Circuit(error @ CircuitError::Height { .. })) if wide.len() + 1 >= LAYERS => {
                    return Err(WrapperError::TooWide(error));
                }
                Err(WrapError::Circuit(CircuitError::Height { .. })) => {}
                Err(error) => return Err(error.into()),
            }
            let wrap = Wrap::new(inner, wide_heights)?;
            let layer = Layer::new(*shape.parameters(), wrap.circuit())?;
            wide.push((wrap, layer));
        }
    }

    /// The program.
    #[must_use]
    pub fn program(&self) -> &Program {
        self.wide.first().map_or_else(|| self.last.program(), |(wrap, _)| wrap.program())
    }

    /// The key of the last circuit.
    #[must_use]
    pub const fn key(&self) -> &NodeKey {
        self.node.key()
    }

    /// The program's identity: the digest of the key under which its proofs enter the tree.
    pub const fn program_id(&self) -> &Digest {
        self.node.digest()
    }

    /// Rows used and available, by table, of each layer; the last is the one in the universal shape.
    #[must_use]
    pub fn layers(&self) -> Vec<[TableRows; TABLES]> {
        let wide = self.wide.iter().map(|(wrap, _)| *wrap.circuit().rows());
        wide.chain([*self.node.rows()]).collect()
    }

    /// The last circuit: its key, its rows, what all layers took to build.
    #[must_use]
    pub const fn node(&self) -> &NodeCircuit {
        &self.node
    }

    /// Verifies a proof of the program and wraps it.
    ///
    /// # Errors
    /// When the proof is not one of the program, or the backend fails.
    pub fn wrap(&self, prover: &dyn Prover, leaf: &ProofFile) -> Result<(ProofFile, Report), WrapProofError> {
        self.program().verify(leaf)?;
        let mut report = Report::default();
        let mut inner: Option<ProofFile> = None;
        for (wrap, layer) in &self.wide {
            let inputs = wrap.inputs(inner.as_ref().unwrap_or(leaf))?;
            let (proof, cost) = layer.prove(prover, wrap.circuit(), &inputs)?;
            report = report.plus(&cost);
            inner = Some(proof);
        }
        let inputs = self.last.inputs(inner.as_ref().unwrap_or(leaf))?;
        let (proof, cost) = self.node.prove(prover, self.last.circuit(), &inputs)?;
        Ok((proof, report.plus(&cost)))
    }
}
