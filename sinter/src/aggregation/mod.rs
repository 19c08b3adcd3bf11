//! The proof side on the command line: programs, their proofs, and the tree that folds them.
//!
//! | file | holds |
//! |---|---|
//! | `arguments.rs` | the command lines |
//! | `input.rs` | programs and proofs from files, within bounds |
//! | `soundness.rs` | `sinter soundness`: what the parameter sets prove |
//! | `program.rs` | `sinter program`: export, identify, inspect |
//! | `leaf.rs` | `sinter leaf`: prove one of Plonky3's programs |
//! | `nodes.rs` | `sinter wrap` and `sinter fold`: one node at a time |
//! | `aggregate.rs`, `progress.rs` | `sinter aggregate`: a batch, and how it goes |
//! | `verify.rs` | `sinter verify`: any proof file |
//! | `seal.rs` | `sinter seal`: a batch's root for the L1 |
//! | `text.rs` | tables, digests and numbers as people read them |
//!
//! Nothing here starts an async runtime: proving takes every core, through rayon.

mod aggregate;
mod arguments;
mod input;
mod leaf;
mod nodes;
mod program;
mod progress;
pub mod seal;
mod soundness;
pub mod text;
mod verify;

pub use arguments::{
    AggregateArguments, FoldArguments, LeafCommand, ProgramCommand, SealArguments, SoundnessArguments, VerifyArguments,
    WrapArguments,
};

pub use aggregate::run as aggregate;
pub use leaf::run as leaf;
pub use nodes::{fold, wrap};
pub use program::run as program;
pub use seal::run as seal_root;
pub use soundness::run as soundness;
pub use verify::run as verify;
