//! The L1 side: what Ethereum checks, and how it gets there.
//!
//! | module | holds |
//! |---|---|
//! | [`light_client`] | the `FinalityLightClient` contract: deploy, encode, read |
//! | [`relayer`] | posts certified headers; durable, with fee replacement |
//! | [`dev_l1`] | an Ethereum for development in this process |
//!
//! The contracts are in `contracts/`, compiled in `artifacts/`: `cargo build` needs no Solidity compiler.

pub mod dev_l1;
pub mod light_client;
pub mod relayer;
