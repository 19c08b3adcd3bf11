//! Recursion: circuits that verify stock `p3_batch_stark` proofs, and the tree of proofs made of them.

#![deny(missing_docs)]

pub mod differential;
pub mod fold;
pub mod inputs;
pub mod layout;
pub mod link;
pub mod node;
pub mod plan;
pub mod proof;
pub mod replay;
pub mod statement;
pub mod top;
pub mod verifier;
pub mod wrap;

pub use fold::Fold;
pub use layout::Layout;
pub use link::Link;
pub use node::{NodeError, NodeKey, Universal};
pub use statement::Statement;
pub use top::Top;
pub use verifier::{KeyWords, Verifier, VerifierError};
pub use wrap::Wrap;
