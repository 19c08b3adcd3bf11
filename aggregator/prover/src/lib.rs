//! Provers of circuits and programs behind one trait.

pub mod prover;
pub mod stages;
pub mod standard;
pub mod variants;

pub use prover::{CpuProver, Proof, ProveError, Prover, ProvingKey};
