//! Nodes: circuits in the universal shape, their keys and their proofs.
//!
//! The **universal shape** is the five tables of a circuit at fixed heights under one parameter set. Its digest U is that
//! of the program file with these tables and a commitment of zeros. A circuit in that shape differs from another in its
//! preprocessed columns alone, so their commitment, a cap of c digests, is its **key**:
//!
//! ```text
//! key digest = Hash(U ‖ cap[0] ‖ … ‖ cap[c − 1])
//! ```
//!
//! The key digest starts the transcript of each of the circuit's proofs. A proof carries the cap, which proves nothing by
//! itself: it is the preimage of the digest, and whoever verifies a proof decides which digest he expects.

use std::sync::OnceLock;

use sinter_circuit::{Builder, Circuit, Heights, TableAir, TableKind, Word};
use sinter_program::dag::{DagAir, ExportError, export};
use sinter_program::field::{Cap, Digest, hash_elements};
use sinter_program::proof::ProofError;
use sinter_program::{
    Config, F, ParameterSet, Program, ProgramError, ProofFile, ProofKind, Shape, StatementLayout, VerifyError,
};
use thiserror::Error;

use crate::inputs;
use crate::replay::ReplayError;
use crate::statement::Statement;
use crate::verifier::{KeyWords, Verifier, VerifierError};

/// The universal shape.
#[derive(Debug)]
pub struct Universal {
    program: Program,
    verifier: Verifier,
    heights: [usize; 5],
}

/// Why a shape is none.
#[derive(Debug, Error)]
pub enum UniversalError {
    /// A table cannot be exported.
    #[error(transparent)]
    Export(#[from] ExportError),
    /// The tables make no program.
    #[error(transparent)]
    Program(#[from] ProgramError),
    /// There is no verifier for it.
    #[error(transparent)]
    Verifier(#[from] VerifierError),
}

/// Why a proof is not a node's.
#[derive(Debug, Error)]
pub enum NodeError {
    /// It is a leaf's.
    #[error("expected a proof of a node, got one of a leaf")]
    Leaf,
    /// It carries no key.
    #[error("expected a proof with its key, got one without")]
    NoKey,
    /// The key that it carries is not the preimage of its digest.
    #[error("key digest: expected {expected:?} of the key that the proof carries, got {got:?}")]
    Key {
        /// The digest of the key.
        expected: Digest,
        /// The digest in the proof.
        got: Digest,
    },
    /// It cannot be read.
    #[error(transparent)]
    Proof(#[from] ProofError),
    /// The key is not one of this shape.
    #[error(transparent)]
    Program(#[from] ProgramError),
    /// It does not verify.
    #[error(transparent)]
    Verify(#[from] VerifyError),
}

/// What identifies a circuit in the universal shape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeKey {
    /// The commitment to its preprocessed columns.
    pub cap: Cap,
    /// The digest of the shape and the commitment: for a wrap, the `program_id`.
    pub digest: Digest,
}

impl Universal {
    /// log2 of the heights of the universal tables, in the order of [`TableKind::ALL`].
    pub const LOG_HEIGHTS: [usize; 5] = match Heights::UNIVERSAL {
        Heights::Forced(heights) => heights,
        Heights::Smallest | Heights::Keccak { .. } => [0; 5],
    };

    /// The shape that everything in production has: the `fold` parameter set at the universal heights.
    ///
    /// # Panics
    /// Never: a test constructs it.
    pub fn fold() -> &'static Self {
        static SHAPE: OnceLock<Universal> = OnceLock::new();
        SHAPE.get_or_init(|| Self::new(ParameterSet::FOLD, Self::LOG_HEIGHTS).expect("constants make a shape"))
    }

    /// The shape of another parameter set and other heights, for development.
    ///
    /// # Errors
    /// When the tables make no program there.
    pub fn new(parameters: ParameterSet, log_heights: [usize; 5]) -> Result<Self, UniversalError> {
        let airs = TableKind::ALL.iter().map(|&kind| export(&TableAir::shape(kind)).map(DagAir::new));
        let airs = airs.collect::<Result<Vec<_>, _>>()?;
        let heights = log_heights.map(|height| height as u8).to_vec();
        let tallest = log_heights.into_iter().max().unwrap_or(0) + usize::from(parameters.log_blowup);
        let digests = 1usize << usize::from(parameters.cap_height).min(tallest);
        let zeros = Cap::new(vec![Digest::default(); digests]);
        let program = Program::new(airs, heights, parameters, StatementLayout::Raw, Some(zeros))?;
        let verifier = Verifier::new(&program)?;
        Ok(Self { program, verifier, heights: log_heights })
    }

    /// U: what every key's digest begins with.
    pub const fn digest(&self) -> &Digest {
        self.program.digest()
    }

    /// The shape of its proofs.
    #[must_use]
    pub const fn shape(&self) -> &Shape {
        self.program.shape()
    }

    /// The parameter set.
    #[must_use]
    pub const fn parameters(&self) -> &ParameterSet {
        self.program.parameters()
    }

    /// The heights that circuits are forced into.
    #[must_use]
    pub const fn heights(&self) -> Heights {
        Heights::Forced(self.heights)
    }

    /// The tables as data, without preprocessed columns.
    #[must_use]
    pub fn airs(&self) -> &[DagAir] {
        self.program.airs()
    }

    /// The verifier of its proofs.
    #[must_use]
    pub const fn verifier(&self) -> &Verifier {
        &self.verifier
    }

    /// Records the verification of a node's proof under whatever key it carries; returns the key's digest and the words of
    /// its public values.
    pub fn verify_any(&self, b: &mut Builder) -> (Word, Vec<Word>) {
        b.set_label("key");
        let digests = self.shape().cap_len(self.verifier.layout.index_bits());
        let cap = b.block_of_words(digests);
        let mut chain = b.hasher();
        let shape_digest = b.constant_word(*self.digest());
        let mut key = b.absorb(&mut chain, shape_digest, 8);
        for word in cap.words() {
            key = b.absorb(&mut chain, word, 8);
        }
        let publics = self.verifier.verify(b, KeyWords { digest: key, preprocessed: Some(cap) });
        (key, publics)
    }

    /// Appends what the verifier reads of a node's proof to an input list; the key's cap is the caller's to append before it
    /// where the circuit reads one.
    ///
    /// # Errors
    /// When the proof cannot be replayed.
    pub fn append(&self, values: &mut Vec<F>, key: &NodeKey, file: &ProofFile) -> Result<(), ReplayError> {
        let layout = &self.verifier.layout;
        // The Boundary table, the last, has all public values.
        let mut publics = vec![Vec::new(); layout.tables.len()];
        publics.iter_mut().rev().take(1).for_each(|last| last.clone_from(&file.public_values));
        inputs::append(values, layout, &key.digest, Some(&key.cap), &file.proof, &publics)
    }

    /// The key with that commitment.
    #[must_use]
    pub fn key(&self, cap: Cap) -> NodeKey {
        let digest = hash_elements(self.digest().iter().chain(cap.roots().iter().flatten()).copied());
        NodeKey { cap, digest }
    }

    /// The tables of a circuit as data, with its preprocessed columns.
    ///
    /// # Errors
    /// When the circuit's columns are not the tables'.
    pub fn airs_of(&self, circuit: &Circuit) -> Result<Vec<DagAir>, ExportError> {
        let columns = self.airs().iter().zip(circuit.preprocessed());
        columns.map(|(air, columns)| air.clone().with_preprocessed((**columns).clone())).collect()
    }

    /// Read a node's proof.
    ///
    /// # Errors
    /// When the bytes are not those of a node's proof of this shape, or its key is not its digest's preimage.
    pub fn decode(&self, bytes: &[u8]) -> Result<ProofFile, NodeError> {
        let file = ProofFile::decode(bytes, self.shape())?;
        self.key_of(&file)?;
        Ok(file)
    }

    /// The key that a proof carries.
    ///
    /// # Errors
    /// When it is a leaf's, carries none, or one that is not its digest's preimage.
    pub fn key_of(&self, file: &ProofFile) -> Result<NodeKey, NodeError> {
        if file.kind != ProofKind::Node {
            return Err(NodeError::Leaf);
        }
        let cap = file.key.as_ref().ok_or(NodeError::NoKey)?;
        let key = self.key(cap.clone());
        if key.digest == file.digest { Ok(key) } else { Err(NodeError::Key { expected: key.digest, got: file.digest }) }
    }

    /// Verify a node's proof with stock `verify_batch`, under the key that it carries. Which key that is, and what its
    /// public values then mean, is for the caller to judge.
    ///
    /// # Errors
    /// When the key is not its digest's preimage, or the proof does not verify.
    pub fn verify(&self, file: &ProofFile) -> Result<NodeKey, NodeError> {
        let key = self.key_of(file)?;
        let program = self.program.with_commitment(key.cap.clone())?;
        let config = Config::new(*self.parameters(), &key.digest);
        program.verify_with(&config, &file.proof, &file.public_values)?;
        Ok(key)
    }

    /// What stock `verify_batch` takes besides the AIRs and the configuration, for proofs under a key.
    ///
    /// # Errors
    /// When the key is not one of this shape.
    pub fn program(&self, key: &NodeKey) -> Result<Program, ProgramError> {
        self.program.with_commitment(key.cap.clone())
    }
}

/// The statement that a node's proof makes as a leaf of the tree: its key and all its public values.
#[must_use]
pub fn statement(file: &ProofFile) -> Statement {
    let mut public_values = [F::default(); crate::statement::PUBLIC_VALUES];
    public_values.iter_mut().zip(&file.public_values).for_each(|(to, from)| *to = *from);
    Statement { program_id: file.digest, public_values }
}
