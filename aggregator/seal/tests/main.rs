//! Seals of the kit's AIR.
#![allow(clippy::unwrap_used, missing_docs)]

mod production;
mod proof;
mod soundness;
