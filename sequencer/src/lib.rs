//! The committee member: transport, ordering, block building, consensus and interface.

pub mod application;
pub mod archive;
pub mod block;
pub mod channels;
pub mod clock;
pub mod config;
pub mod consensus;
pub mod disk;
pub mod dissemination;
pub mod engine;
pub mod finalizer;
pub mod handle;
pub mod history;
pub mod index;
pub mod keys;
pub mod ledgers;
pub mod mempool;
pub mod node;
pub mod observer;
pub mod ordering;
pub mod peers;
pub mod quic;
pub mod rpc;
pub mod status;
pub mod telemetry;
pub mod validity;
