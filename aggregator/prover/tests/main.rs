//! What the prover crate promises, and what breaks its files.
#![allow(clippy::unwrap_used)]

mod fold;
mod standard;
mod variants;
