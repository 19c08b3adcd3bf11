//! The seal: the last proof of a batch, cheap for the EVM to check.
//!
//! One AIR of one table, proved by unmodified `p3_batch_stark` over KoalaBear and its extension of degree five, with
//! Keccak-256 for Merkle trees ([`hash`]) and transcript ([`transcript`]). What differs from the proofs below it is that
//! hash, the high blow-up, and the [encoding](proof), which is made for calldata.
//!
//! | to | use |
//! |---|---|
//! | make a seal of an AIR | [`SealProver::new`]`(DagAir::from_air(&air)?, log_height, ParameterSet::SEAL)`, then [`SealProver::prove`] |
//! | verify one natively | [`Seal::verify`]: decode, then stock `verify_batch` |
//! | verify one on L1 | [`evm::program`]`(&seal)` is what `SealVerifier` is deployed with |
//! | know what it proves | [`Seal::report`] |
//!
//! The format, the transcript and the contracts are described in `docs/seal.md`.

#![deny(missing_docs)]

mod code;
pub mod config;
pub mod evm;
pub mod hash;
#[cfg(feature = "test-kit")]
pub mod kit;
mod lower;
pub mod parts;
pub mod paths;
pub mod proof;
mod replay;
pub mod seal;
pub mod sealer;
pub mod transcript;
mod wire;

pub use config::SealConfig;
pub use proof::Claim;
pub use seal::{Seal, SealError, SealProver, VerifyError};
pub use sealer::Sealer;
pub use sinter_program::WireError;
