//! What a rollup integrates with: from its lane in the shared order to statements that settle.
//!
//! - [`code`] is the part of a statement's code that all rollups share. A rollup writes its [`code::Rules`].
//! - [`State`] is what a statement begins and ends in; [`Lane`] is what was ordered for a rollup.
//! - [`follow`] gets a lane from nodes that nobody has to trust.
//! - [`Prover`] runs the code over a lane with the rollup's [`Application`] and gives the [`Statement`].
//!
//! `docs/integrating.md` walks through all of it with a rollup of twenty lines.

#![deny(missing_docs)]

pub mod code;
pub mod follow;
mod host;
mod lane;
mod prover;
mod state;

pub use host::{Application, InputError, StatementHost};
pub use lane::{Block, Lane};
pub use prover::{Prover, Statement, StatementError};
pub use state::{Digest, State, compress, digest_text, from_words, sponge, to_words};
