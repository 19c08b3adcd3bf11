//! The transport over real UDP sockets on loopback, against honest peers and named adversaries.

mod adversaries;
mod frames;
mod handshake;
mod harness;
mod lanes;
mod lifetime;
mod link;
mod memory;
mod network;
