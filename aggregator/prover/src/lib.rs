//! Provers of circuits and programs behind one trait.

pub mod aggregate;
pub mod files;
pub mod fold;
pub mod gpu;
pub mod guarded;
pub mod layer;
pub mod leaf;
pub mod link;
pub mod node;
pub mod prover;
pub mod shrink;
pub mod stages;
pub mod standard;
pub mod statements;
pub mod variants;
pub mod wrap;

pub use fold::{Folder, Root};
pub use gpu::GpuProver;
pub use guarded::Guarded;
pub use link::Linker;
pub use node::{NodeCircuit, Report};
pub use prover::{CpuProver, Proof, ProveError, Prover, ProvingKey};
pub use shrink::Shrinker;
pub use wrap::Wrapper;
