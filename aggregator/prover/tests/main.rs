//! What the prover crate promises, and what breaks its files.
#![allow(clippy::unwrap_used)]

mod aggregate;
mod fold;
mod gpu;
mod leaf;
mod link;
mod rows;
mod shrink;
mod standard;
#[allow(dead_code)] // Its own tests use all of it.
#[path = "../../program/tests/toy.rs"]
mod toy;
mod variants;
