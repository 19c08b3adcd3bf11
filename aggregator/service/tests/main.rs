//! The service as a whole: laws of the queue on both engines, adversaries, and the interface.
#![allow(clippy::unwrap_used)]

mod adversaries;
mod encrypted;
mod intake;
mod kit;
mod laws;
mod properties;
mod quic;
mod real;
mod s3;
mod workers;
