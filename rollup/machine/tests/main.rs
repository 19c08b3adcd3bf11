//! Runs of the machine, their proofs, and what a dishonest prover can try.
#![allow(clippy::unwrap_used)]

mod forgeries;
mod kit;
mod runs;
