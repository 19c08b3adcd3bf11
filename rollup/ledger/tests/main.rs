//! The ledger: its signatures, its rules against a second definition of them, and what a dishonest prover can try.
#![allow(clippy::unwrap_used)]

mod rules;
mod signatures;
mod world;
