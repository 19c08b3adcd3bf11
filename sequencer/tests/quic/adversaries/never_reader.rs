//! An authenticated peer that reads nothing, whatever it is sent.

use super::impostor::{Attempt, Impostor};
use crate::quic::harness::{CHAIN, key};
use std::net::SocketAddr;

/// Connects as node 1 to node 2, granting the usual credit and never taking a byte out.
pub async fn connect(address: SocketAddr) -> Attempt {
    Impostor::new(1, CHAIN).with_window(1 << 20).connect(address, &key(2)).await
}
