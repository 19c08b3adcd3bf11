//! Leaf proofs: a program's own, made from its traces, and how large their files can be.

use crate::{
    prover::{ProveError, Prover, ProvingKey},
    stages::Stages,
};
use p3_matrix::dense::RowMajorMatrix;
use sinter_program::{
    F, Program, ProofFile, ProofKind, Shape,
    field::{DIGEST_LEN, EXTENSION_DEGREE},
};
use thiserror::Error;

/// Why there is no leaf proof.
#[derive(Debug, Error)]
pub enum LeafError {
    /// The public values are not as many as the program's.
    #[error("public values: expected {expected}, got {got}")]
    PublicValues {
        /// The program's.
        expected: usize,
        /// The number given.
        got: usize,
    },
    /// The prover failed.
    #[error(transparent)]
    Prove(#[from] ProveError),
}

/// What a program is proved with. Its preprocessed traces must be at hand.
///
/// # Errors
/// See [`ProvingKey::new`].
pub fn proving_key(program: &Program) -> Result<ProvingKey, ProveError> {
    let log_heights = program.log_heights().iter().map(|&height| height.into()).collect();
    ProvingKey::new(program.config(), program.airs().to_vec(), log_heights)
}

/// Proves that `traces` satisfy a program with these public values, those of all tables in a row.
///
/// # Errors
/// When what is handed in does not fit the program, or the prover fails.
pub fn prove(
    prover: &dyn Prover,
    program: &Program,
    key: &ProvingKey,
    traces: &[RowMajorMatrix<F>],
    public_values: &[F],
) -> Result<(ProofFile, Stages), LeafError> {
    let (expected, got) = (program.shape().public_values(), public_values.len());
    let tables = program.split_public_values(public_values).ok_or(LeafError::PublicValues { expected, got })?;
    let (proof, stages) = prover.prove(key, traces, &tables)?;
    let public_values = public_values.to_vec();
    let (kind, digest) = (ProofKind::Leaf, *program.digest());
    Ok((ProofFile { kind, digest, key: None, public_values, proof }, stages))
}

/// The most bytes that the file of a proof of this shape can have: every Merkle path unpruned.
#[must_use]
pub fn proof_bytes_max(shape: &Shape) -> u64 {
    const DIGEST: usize = 4 * DIGEST_LEN;
    const EXT: usize = 4 * EXTENSION_DEGREE;
    let queries = usize::from(shape.parameters.queries);
    // Magic, version, kind, digest, number of public values, preprocessed cap of a node, five witnesses.
    let head = 8 + DIGEST + 4 * shape.public_values() + (DIGEST << shape.parameters.cap_height) + 20;
    let rounds = shape.rounds.iter().map(|round| {
        let row: usize = round.matrices.iter().map(|matrix| 4 * matrix.width).sum();
        let log_height = round.log_height();
        DIGEST * shape.cap_len(log_height) + 4 + queries * (row + DIGEST * shape.path_len(log_height))
    });
    let folds = shape.folds.iter().map(|fold| {
        let siblings = ((1 << fold.log_arity) - 1) * EXT;
        let paths = queries * (siblings + DIGEST * shape.path_len(fold.log_height));
        DIGEST * shape.cap_len(fold.log_height) + 8 + paths
    });
    let values = EXT * (shape.openings() + shape.tables.len() + shape.final_poly_len());
    (head + rounds.sum::<usize>() + folds.sum::<usize>() + values) as u64
}
