//! Whole nodes, over QUIC on loopback, each with a runtime, a directory and a port of its own.

pub mod committee;

mod configuration;
mod lifecycle;
