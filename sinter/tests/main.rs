//! The program as people run it: real processes, real sockets, real signals.
#![allow(clippy::unwrap_used)]

mod cluster;
mod commands;
mod devnet;
mod faults;
mod hosts;
mod process;
