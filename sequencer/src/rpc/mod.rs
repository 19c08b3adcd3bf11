//! The node's interface: JSON-RPC over HTTP and WebSocket, health, metrics.
//!
//! | module | holds |
//! |---|---|
//! | [`api`], [`types`] | the methods with their generated client, and what goes over the wire |
//! | [`ethereum`] | a namespace as Ethereum's clients know a chain |
//! | [`error`] | every error's code |
//! | [`config`] | what is admitted: connections, calls, bytes, times |
//! | [`metrics`] | the process's recorder and `/metrics` |
//!
//! # How a call travels
//! ```text
//! listener ─► connection slot ─► guarded stream ─► site (path, origin) ─► policy (allowance, capacity, time)
//!    │ none left: told, closed                                              │
//!    ▼                                                                      ├─► methods ─► index, mempool, archive
//!                                                                           └─► a rollup's own RPC
//! ```
//! Nothing here can wait for consensus, and consensus never waits for anything here: the interface
//! reads the index and the archive, and hands transactions to the mempool.
//!
//! # What a client can hold
//! Connections, calls at a time, calls a second, bytes of responses a second, subscriptions and
//! messages that wait for it: each is bounded, for each client and in all ([`config::RpcConfig`]).
//! A client that reads nothing is read nothing from, and soon cut off.

pub mod api;
mod blocking;
mod clients;
pub mod config;
pub mod error;
pub mod ethereum;
mod health;
mod listener;
mod methods;
pub mod metrics;
mod policy;
mod proofs;
mod site;
mod stream;
mod subscriptions;
pub mod types;

pub use api::SinterApiClient;
pub use config::{RpcConfig, RpcConfigError};
pub use listener::{RpcServer, serve};
pub use metrics::RegistryText;

use std::net::SocketAddr;

/// Why the interface cannot start.
#[derive(Debug, thiserror::Error)]
pub enum RpcError {
    /// A bound makes no sense.
    #[error(transparent)]
    Config(#[from] RpcConfigError),
    /// The address cannot be listened on.
    #[error("rpc: cannot listen on {address}: {source}")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        source: std::io::Error,
    },
    /// The metrics recorder cannot be installed.
    #[error(transparent)]
    Metrics(#[from] metrics::MetricsError),
    /// The client of a rollup's own RPC cannot be made.
    #[error("rpc: client of namespace {namespace}'s own RPC: {reason}")]
    Upstream {
        /// The namespace.
        namespace: u64,
        /// What the library says.
        reason: String,
    },
}
