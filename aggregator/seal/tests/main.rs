//! Seals of the kit's AIR.
#![allow(clippy::unwrap_used, missing_docs)]

mod proof;
mod soundness;
