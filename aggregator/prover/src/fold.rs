//! Folding: two nodes' proofs into one.

use std::time::Instant;

use p3_field::PrimeField32;
use sinter_circuit::{Circuit, CircuitError, Inputs};
use sinter_program::{Digest, ProofFile};
use sinter_recursion::fold::{self, Fold, FoldInputError};
use sinter_recursion::{NodeError, NodeKey, Universal};
use thiserror::Error;

use crate::node::{CircuitProofError, KeyError, NodeCircuit, Report};
use crate::prover::Prover;

/// Why a folder cannot be set up.
#[derive(Debug, Error)]
pub enum FolderError {
    /// The fold circuit does not fit into the shape.
    #[error("fold circuit: {0}")]
    Circuit(#[from] CircuitError),
    /// The fold circuit cannot be proved.
    #[error("fold circuit: {0}")]
    Key(#[from] KeyError),
}

/// Why two proofs are not folded.
#[derive(Debug, Error)]
pub enum FoldError {
    /// A child is no proof of a node.
    #[error(transparent)]
    Input(#[from] FoldInputError),
    /// The fold circuit rejects them, or the backend fails.
    #[error("fold: {0}")]
    Prove(#[from] CircuitProofError),
}

/// Why a proof is not the root of a batch.
#[derive(Debug, Error)]
pub enum RootError {
    /// It is not a valid proof of any node.
    #[error(transparent)]
    Node(#[from] NodeError),
    /// It is valid, and of another circuit.
    #[error("expected a proof under the fold key {expected:?}, got one under {got:?}")]
    OtherKey {
        /// The fold key's digest.
        expected: Digest,
        /// The digest of the proof's key.
        got: Digest,
    },
    /// It was folded for another fold key.
    #[error("expected the fold key {expected:?} in the public values, got {got:?}")]
    OtherFoldKey {
        /// The fold key's digest.
        expected: Digest,
        /// The digest in the public values.
        got: Digest,
    },
}

/// What the root of a batch says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Root {
    /// The root over the statements.
    pub statements_root: Digest,
    /// How many there are, a null statement included.
    pub count: u32,
}

/// The fold circuit, recorded once and committed to.
#[derive(Debug)]
pub struct Folder<'a> {
    shape: &'a Universal,
    fold: Fold,
    node: NodeCircuit,
}

impl Folder<'static> {
    /// The folder of the production shape.
    ///
    /// # Errors
    /// Never: a test constructs it.
    pub fn new() -> Result<Self, FolderError> {
        Self::of(Universal::fold())
    }
}

impl<'a> Folder<'a> {
    /// The folder of a shape.
    ///
    /// # Errors
    /// When two verifiers of the shape do not fit into it.
    pub fn of(shape: &'a Universal) -> Result<Self, FolderError> {
        let start = Instant::now();
        let fold = Fold::new(shape)?;
        let node = NodeCircuit::new(shape, fold.circuit(), start)?;
        Ok(Self { shape, fold, node })
    }

    /// The shape.
    #[must_use]
    pub const fn shape(&self) -> &'a Universal {
        self.shape
    }

    /// The fold circuit: its key, its rows, what it took to build.
    #[must_use]
    pub const fn node(&self) -> &NodeCircuit {
        &self.node
    }

    /// The fold key.
    #[must_use]
    pub const fn key(&self) -> &NodeKey {
        self.node.key()
    }

    /// What the fold circuit reads of two proofs.
    ///
    /// # Errors
    /// When a child is no proof of a node.
    pub fn inputs(&self, left: &ProofFile, right: &ProofFile) -> Result<Inputs, FoldInputError> {
        self.fold.inputs(self.shape, self.node.digest(), left, right)
    }

    /// The fold circuit itself.
    #[must_use]
    pub const fn circuit(&self) -> &Circuit {
        self.fold.circuit()
    }

    /// Folds two nodes' proofs, which the circuit verifies.
    ///
    /// # Errors
    /// When a child is no proof of a node or does not verify, or when the tree would not have RFC 6962's shape.
    pub fn fold(
        &self,
        prover: &dyn Prover,
        left: &ProofFile,
        right: &ProofFile,
    ) -> Result<(ProofFile, Report), FoldError> {
        let start = Instant::now();
        let inputs = self.inputs(left, right)?;
        let replayed = start.elapsed();
        let (proof, mut report) = self.node.prove(prover, self.circuit(), &inputs)?;
        report.stages.witness += replayed;
        report.wall += replayed;
        Ok((proof, report))
    }

    /// Verifies the root of a batch: a proof under the fold key that carries the fold key.
    ///
    /// # Errors
    /// When it is not one.
    pub fn verify(&self, root: &ProofFile) -> Result<Root, RootError> {
        let got = self.shape.verify(root)?.digest;
        let expected = *self.node.digest();
        if got != expected {
            return Err(RootError::OtherKey { expected, got });
        }
        let mut words = root.public_values.chunks_exact(8).map(|word| {
            let mut digest = Digest::default();
            digest.copy_from_slice(word);
            digest
        });
        let [carried, statements_root, count] = [0; 3].map(|_| words.next().unwrap_or_default());
        if carried != expected {
            return Err(RootError::OtherFoldKey { expected, got: carried });
        }
        Ok(Root { statements_root, count: count[0].as_canonical_u32() })
    }

    /// The key of the null statement's circuit.
    ///
    /// # Errors
    /// Never in a shape that holds anything.
    pub fn null_key(&self) -> Result<NodeKey, NullError> {
        Ok(self.null_node()?.1.key().clone())
    }

    /// The proof of the null statement, which joins a batch of one.
    ///
    /// # Errors
    /// When the backend fails.
    pub fn null(&self, prover: &dyn Prover) -> Result<ProofFile, NullError> {
        let (circuit, node) = self.null_node()?;
        Ok(node.prove(prover, &circuit, &Inputs::new())?.0)
    }

    fn null_node(&self) -> Result<(Circuit, NodeCircuit), NullError> {
        let start = Instant::now();
        let circuit = fold::null(self.shape)?;
        let node = NodeCircuit::new(self.shape, &circuit, start)?;
        Ok((circuit, node))
    }
}

/// Why there is no proof of the null statement.
#[derive(Debug, Error)]
pub enum NullError {
    /// The null circuit does not fit.
    #[error("null circuit: {0}")]
    Circuit(#[from] CircuitError),
    /// The null circuit cannot be proved.
    #[error("null circuit: {0}")]
    Key(#[from] KeyError),
    /// The backend fails.
    #[error("null circuit: {0}")]
    Prove(#[from] CircuitProofError),
}
