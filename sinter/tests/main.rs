//! The program as people run it: real processes, real sockets, real signals.
#![allow(clippy::unwrap_used)]

mod aggregation;
mod commands;
mod devnet;
mod faults;
mod joining;
mod journey;
mod namespaces;
mod process;
mod proofs;
mod sealed;
mod settle;
mod signer;
mod support;
mod trail;
