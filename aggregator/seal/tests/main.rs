//! Seals of the kit's AIR.
#![allow(clippy::unwrap_used, missing_docs)]

mod constraints;
mod production;
mod proof;
mod soundness;
