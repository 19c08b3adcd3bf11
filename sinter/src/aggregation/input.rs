//! Programs and proofs from files, within bounds.

use crate::exit::{Exit, Failure, OrFail};
use sinter_program::{Digest, Program, ProofFile, ProofHeader, Shape, dag::limits, file};
use sinter_prover::{files, leaf::proof_bytes_max};
use std::path::Path;

/// The most bytes that say what a proof is of.
const HEADER_BYTES_MAX: u64 = 40 + 4 * limits::PUBLIC_VALUES as u64;

/// Reads a program file.
///
/// # Errors
/// When it cannot be read, or is not exactly a program's.
pub fn program(path: &Path) -> Result<Program, Failure> {
    let bytes = files::read(path, file::MAX_BYTES as u64).or_fail(Exit::Usage, "")?;
    file::decode(&bytes).or_fail(Exit::Usage, path.display())
}

/// Reads what a proof file says it is of.
///
/// # Errors
/// When it cannot be read, or is not a proof file.
pub fn header(path: &Path) -> Result<ProofHeader, Failure> {
    let bytes = files::read_start(path, HEADER_BYTES_MAX).or_fail(Exit::Usage, "")?;
    ProofHeader::read(&bytes).or_fail(Exit::Usage, path.display())
}

/// Reads a proof file of a shape. Whether the proof verifies is another question.
///
/// # Errors
/// When it cannot be read, is larger than any proof of the shape, or is not exactly one.
pub fn proof(path: &Path, shape: &Shape) -> Result<ProofFile, Failure> {
    let bytes = files::read(path, proof_bytes_max(shape)).or_fail(Exit::Usage, "")?;
    ProofFile::decode(&bytes, shape).or_fail(Exit::Usage, path.display())
}

/// Writes a file, whole or not at all.
///
/// # Errors
/// When it cannot be written.
pub fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    files::write(path, bytes).or_fail(Exit::Failed, "")
}

/// Refuses a proof of another program than `expected`, in words that a person can compare.
///
/// # Errors
/// With [`Exit::Refused`] when they differ.
pub fn same_program(path: &Path, expected: &Digest, got: &Digest) -> Result<(), Failure> {
    if expected == got {
        return Ok(());
    }
    let (expected, got) = (super::text::digest(expected), super::text::digest(got));
    let message = format!("{}: expected a proof of program {expected}, got one of {got}", path.display());
    Err(Failure::new(Exit::Refused, message))
}
