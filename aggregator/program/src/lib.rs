//! What a rollup proves, as data: fields, parameters, AIRs, program and proof files, and their native verification.
//!
//! - [`field`] names the field, its extension, the permutation, hash and commitment types. Everything else uses these.
//! - [`ParameterSet`] is a named choice of FRI numbers; [`soundness`] computes what it proves for a [`Shape`].
//! - [`Config`] is Plonky3's `StarkGenericConfig` for a parameter set, with the transcript pre-fed by a program digest.
//! - [`dag`] holds AIRs as data: [`dag::export`] flattens any `p3_air::Air`, [`DagAir`] evaluates the result inside stock
//!   `prove_batch` and `verify_batch`, and [`dag::ExtDag`] is the same with the LogUp constraints, for circuits.
//! - [`Program`] is an AIR set at fixed heights; [`file`](mod@file) encodes it, [`proof`] encodes its proofs, and
//!   [`Program::verify`] checks one against nothing but the program, with the unmodified `p3_batch_stark::verify_batch`.
//!
//! The byte formats are specified in `docs/proofs.md`.

#![deny(missing_docs)]

pub mod challenger;
pub mod config;
pub mod dag;
pub mod field;
pub mod file;
pub mod parameters;
pub mod program;
pub mod proof;
pub mod shape;
pub mod soundness;
pub mod verify;
mod wire;

pub use challenger::Challenger;
pub use config::Config;
pub use dag::{Dag, DagAir};
pub use field::{Digest, EF, F};
pub use parameters::ParameterSet;
pub use program::{Program, ProgramError, StatementLayout};
pub use proof::{ProofFile, ProofHeader, ProofKind};
pub use shape::Shape;
pub use verify::VerifyError;
pub use wire::WireError;
