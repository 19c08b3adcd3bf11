//! Wrap: the circuit that verifies one proof of one program, and exposes its public values as its own.
//!
//! The program's digest and preprocessed commitment are constants of the circuit, so the circuit's key is the program's
//! identity in the tree. The 16 limbs of a `journal` program are shown to be below 2^16.

use std::sync::Arc;

use sinter_circuit::{BitsSpec, Builder, Circuit, CircuitError, Heights, Inputs, PUBLIC_WORDS};
use sinter_program::field::RATE;
use sinter_program::program::JOURNAL_LIMBS;
use sinter_program::{Program, ProofFile, ProofKind, StatementLayout};
use thiserror::Error;

use crate::inputs;
use crate::replay::ReplayError;
use crate::verifier::{KeyWords, Verifier, VerifierError};

/// Bits of a journal's limb.
const LIMB_BITS: usize = 16;

/// The circuit that verifies a program's proofs.
#[derive(Debug)]
pub struct Wrap {
    program: Program,
    verifier: Verifier,
    circuit: Arc<Circuit>,
}

/// Why a program cannot be wrapped.
#[derive(Debug, Error)]
pub enum WrapError {
    /// There is no verifier for it.
    #[error(transparent)]
    Verifier(#[from] VerifierError),
    /// The verifier does not fit.
    #[error(transparent)]
    Circuit(#[from] CircuitError),
}

/// Why a proof cannot be wrapped.
#[derive(Debug, Error)]
pub enum WrapInputError {
    /// It is not a proof of the program.
    #[error(transparent)]
    Program(#[from] sinter_program::VerifyError),
    /// It cannot be replayed.
    #[error(transparent)]
    Replay(#[from] ReplayError),
}

impl Wrap {
    /// Records the circuit.
    ///
    /// # Errors
    /// When there is no verifier for the program, or it does not fit into the heights.
    pub fn new(program: &Program, heights: Heights) -> Result<Self, WrapError> {
        Self::exposing(program, PUBLIC_WORDS, heights)
    }

    /// Records the circuit that exposes the first `words` words of the program's public values alone, eight each.
    ///
    /// # Errors
    /// As [`Wrap::new`].
    pub fn exposing(program: &Program, words: usize, heights: Heights) -> Result<Self, WrapError> {
        let verifier = Verifier::new(program)?;
        let mut b = Builder::new();
        let digest = b.constant_word(*program.digest());
        let preprocessed = program.commitment().map(|cap| b.constant_block(cap.roots()));
        let publics = verifier.verify(&mut b, KeyWords { digest, preprocessed });
        if program.layout() == StatementLayout::Journal {
            b.set_label("journal limbs");
            for limb in 0..JOURNAL_LIMBS {
                let value = b.pick(publics[limb / RATE], limb % RATE);
                let bits = b.bits(value, &BitsSpec { len: LIMB_BITS, ..BitsSpec::default() });
                b.assert_zero(bits.high);
            }
        }
        debug_assert!(publics.len() <= PUBLIC_WORDS, "a program has at most 64 public values");
        for (i, word) in publics.into_iter().enumerate().take(words) {
            b.expose(i, word);
        }
        Ok(Self { program: program.clone(), verifier, circuit: Arc::new(b.finish(heights)?) })
    }

    /// The circuit.
    #[must_use]
    pub const fn circuit(&self) -> &Arc<Circuit> {
        &self.circuit
    }

    /// The program whose proofs it verifies.
    #[must_use]
    pub const fn program(&self) -> &Program {
        &self.program
    }

    /// What the circuit reads of a proof. Whether the proof verifies is for the circuit to say.
    ///
    /// # Errors
    /// When the proof is of another program or shape.
    pub fn inputs(&self, leaf: &ProofFile) -> Result<Inputs, WrapInputError> {
        use sinter_program::VerifyError;
        if leaf.kind != ProofKind::Leaf {
            return Err(VerifyError::Kind { expected: ProofKind::Leaf, got: leaf.kind }.into());
        }
        if leaf.digest != *self.program.digest() {
            return Err(VerifyError::Program { expected: *self.program.digest(), got: leaf.digest }.into());
        }
        let (expected, got) = (self.program.shape().public_values(), leaf.public_values.len());
        let publics = self.program.split_public_values(&leaf.public_values);
        let publics = publics.ok_or(VerifyError::PublicValues { expected, got })?;
        let mut values = Vec::with_capacity(self.circuit.input_len());
        let (layout, digest) = (&self.verifier.layout, self.program.digest());
        inputs::append(&mut values, layout, digest, self.program.commitment(), &leaf.proof, &publics)?;
        let mut inputs = Inputs::new();
        inputs.extend(values);
        Ok(inputs)
    }
}
