//! Verification of a proof against nothing but a program: shape first, then stock `verify_batch`.

use p3_batch_stark::proof::BatchProof;
use p3_batch_stark::verify_batch;
use p3_field::PrimeField32;
use thiserror::Error;

use crate::config::Config;
use crate::field::{Digest, F};
use crate::program::{Program, StatementLayout};
use crate::proof::{ProofError, ProofFile, ProofKind, conforms};

/// Why a proof is not a proof of a program.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum VerifyError {
    /// The proof is not of a program.
    #[error("expected a proof of kind {expected:?}, got {got:?}")]
    Kind {
        /// The kind that was to be verified.
        expected: ProofKind,
        /// The proof's kind.
        got: ProofKind,
    },
    /// The proof is of another program.
    #[error("expected a proof of program {expected:?}, got one of {got:?}")]
    Program {
        /// The program's digest.
        expected: Digest,
        /// The digest in the proof.
        got: Digest,
    },
    /// The public values are not as many as the program's.
    #[error("public values: expected {expected}, got {got}")]
    PublicValues {
        /// The program's.
        expected: usize,
        /// The number given.
        got: usize,
    },
    /// A public value of a program with a journal is not a 16-bit limb.
    #[error("journal limb {index}: expected at most 65535, got {got}")]
    Limb {
        /// Which limb.
        index: usize,
        /// Its value.
        got: u32,
    },
    /// The proof does not have the program's shape.
    #[error("shape: {0}")]
    Shape(#[from] ProofError),
    /// Plonky3 rejects the proof.
    #[error("rejected: {reason}")]
    Rejected {
        /// Its reason.
        reason: String,
    },
}

impl Program {
    /// Verify a proof file of this program.
    ///
    /// # Errors
    /// When it is of another kind or program, or does not verify.
    pub fn verify(&self, file: &ProofFile) -> Result<(), VerifyError> {
        if file.kind != ProofKind::Leaf {
            return Err(VerifyError::Kind { expected: ProofKind::Leaf, got: file.kind });
        }
        if file.digest != *self.digest() {
            return Err(VerifyError::Program { expected: *self.digest(), got: file.digest });
        }
        self.verify_with(&self.config(), &file.proof, &file.public_values)
    }

    /// Verify a proof under a configuration of one's own: that of a node starts its transcript with the key's digest.
    ///
    /// The heights, the number of tables and every other length are compared with the program's before stock
    /// `verify_batch` runs, which takes heights from the proof for tables without preprocessed columns.
    ///
    /// # Errors
    /// When the proof does not have the program's shape, or does not verify.
    pub fn verify_with(
        &self,
        config: &Config,
        proof: &BatchProof<Config>,
        public_values: &[F],
    ) -> Result<(), VerifyError> {
        let (expected, got) = (self.shape().public_values(), public_values.len());
        let tables = self.split_public_values(public_values).ok_or(VerifyError::PublicValues { expected, got })?;
        if self.layout() == StatementLayout::Journal {
            let limbs = public_values.iter().map(PrimeField32::as_canonical_u32).enumerate();
            if let Some((index, got)) = limbs.into_iter().find(|&(_, limb)| limb > u16::MAX.into()) {
                return Err(VerifyError::Limb { index, got });
            }
        }
        conforms(proof, self.shape())?;
        verify_batch(config, self.airs(), proof, &tables, &self.common())
            .map_err(|error| VerifyError::Rejected { reason: error.to_string() })
    }
}
