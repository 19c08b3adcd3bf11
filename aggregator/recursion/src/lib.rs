//! Recursion: circuits that verify stock `p3_batch_stark` proofs, and the tree of proofs made of them.

#![deny(missing_docs)]

pub mod inputs;
pub mod layout;
pub mod plan;
pub mod proof;
pub mod replay;
pub mod verifier;

pub use layout::Layout;
pub use verifier::{KeyWords, Verifier, VerifierError};
