//! Statements over lanes: what they consume, where they end, and what a dishonest prover can try.
#![allow(clippy::unwrap_used)]

mod consume;
mod cuts;
mod docs;
mod follow;
mod lanes;
