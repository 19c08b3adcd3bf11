//! What does the proving, so that a test can have a service without a proof in it.

use crate::ids::Hash;
use thiserror::Error;

/// A program as whoever proves needs it.
#[derive(Clone, Copy, Debug)]
pub struct ProgramFile<'a> {
    /// The digest of its file; zeros for a proof in the universal shape, which has none.
    pub digest: &'a Hash,
    /// The file.
    pub bytes: &'a [u8],
    /// The digest of the key under which its proofs enter the tree, once that is known.
    pub program_id: Option<&'a Hash>,
}

/// Why something was not proved.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Fault {
    /// What was handed in is at fault, and will be at every attempt.
    #[error("{0}")]
    Invalid(String),
    /// It may succeed another time.
    #[error("{0}")]
    Failed(String),
}

/// Proves. Every method may take minutes, and is called where that disturbs nobody.
pub trait Prove: Send + Sync + 'static {
    /// Builds a program's wrap circuit; returns the digest of its key, which is the `program_id`.
    ///
    /// # Errors
    /// [`Fault::Invalid`] when the program has none, or proves too little.
    fn register(&self, program: ProgramFile<'_>) -> Result<Hash, Fault>;

    /// Verifies a leaf proof natively; returns what it claims.
    ///
    /// # Errors
    /// [`Fault::Invalid`] when it does not hold.
    fn verify(&self, program: ProgramFile<'_>, proof: &[u8]) -> Result<Vec<u8>, Fault>;

    /// Wraps a leaf proof into a node's.
    ///
    /// # Errors
    /// When it does not hold, or the prover fails.
    fn wrap(&self, program: ProgramFile<'_>, proof: &[u8]) -> Result<Vec<u8>, Fault>;

    /// The node of the null statement.
    ///
    /// # Errors
    /// When the prover fails.
    fn null(&self) -> Result<Vec<u8>, Fault>;

    /// Folds two nodes into one.
    ///
    /// # Errors
    /// When one of them does not hold, or the prover fails.
    fn fold(&self, left: &[u8], right: &[u8]) -> Result<Vec<u8>, Fault>;

    /// Seals a root, which is over these statements; a single one is joined by the null statement.
    ///
    /// # Errors
    /// When the root is not over them, or the prover fails.
    fn seal(&self, root: &[u8], statements: &[Vec<u8>]) -> Result<Vec<u8>, Fault>;
}
