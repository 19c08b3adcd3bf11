//! Tests of the circuit crate: proofs by stock Plonky3, equality with its native hashing, and forgeries.

#![allow(clippy::unwrap_used)]

mod forgeries;
mod keccak;
mod narrow;
mod native;
mod operations;
mod shape;
mod speed;
mod support;
