//! What the prover crate promises, and what breaks its files.
#![allow(clippy::unwrap_used)]

mod standard;
mod variants;
