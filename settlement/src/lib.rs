//! The L1 side: what Ethereum checks, and how it gets there.
//!
//! | module | holds |
//! |---|---|
//! | [`light_client`] | the `FinalityLightClient` contract: deploy, encode, read |
//! | [`registry`] | the `CommitteeRegistry` contract: deploy, register, follow, leave |
//! | [`evidence`] | the `Evidence` contract: deploy, report two votes that exclude each other |
//! | [`namespaces`] | the `Namespaces` contract: open a namespace, prepay, be paid |
//! | [`express_auction`] | the `ExpressAuction` contract: sells the first place in a namespace's lane |
//! | [`hub`] | `AggregationHub`, its gateway and the adapters: calls and proofs |
//! | [`rollup`] | `RollupSettlement` and its inbox: statements and the calls that settle them |
//! | [`l1`] | a client of an L1 |
//! | [`submitter`] | calls to a contract, each included at most once and none lost: journal, nonce, fees, reorganizations |
//! | [`relayer`] | posts certified headers through it |
//! | [`seal`] | `SealVerifier`: deploy, encode, measure |
//! | [`deployment`] | a version's contracts, at the same addresses on every L1 |
//! | [`seals`] | posts seals through it, when gas is cheap enough |
//! | [`advances`] | advances rollups' contracts and pays out of them through it |
//! | [`dev_l1`] | an Ethereum for development in this process |
//!
//! The contracts are in `contracts/`, compiled in `artifacts/`: `cargo build` needs no Solidity compiler.

pub mod advances;
pub mod deployment;
pub mod dev_l1;
pub mod evidence;
pub mod express_auction;
pub mod forced_inbox;
pub mod hub;
pub mod l1;
pub mod light_client;
pub mod namespaces;
pub mod registry;
pub mod relayer;
pub mod rollup;
pub mod seal;
pub mod seals;
pub mod submitter;
