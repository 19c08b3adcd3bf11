//! What the prover crate promises, and what breaks its files.
#![allow(clippy::unwrap_used)]

mod fold;
mod rows;
mod standard;
mod variants;
