//! Tests of the sequencer from outside, in one binary so that they link once.
#![allow(clippy::unwrap_used, missing_docs)]

mod certificates;
mod faults;
mod index;
mod node;
mod quic;
mod rpc;
mod signer;
mod support;
