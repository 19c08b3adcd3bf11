//! The transport over real UDP sockets on loopback, against honest peers and named adversaries.

mod adversaries;
mod handshake;
mod harness;
mod network;
