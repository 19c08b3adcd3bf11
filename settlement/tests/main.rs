//! The L1 side, tried on the embedded chain and on anvil.
#![allow(clippy::unwrap_used, missing_docs)]

mod advances;
mod artifacts;
mod contract;
mod dev_l1;
mod epochs;
mod evidence;
mod express_auction;
mod forced_inbox;
mod hub;
mod namespaces;
mod poseidon2;
mod proxy;
mod registry;
mod relayer;
mod ring;
mod rollup;
mod seal;
mod seals;
mod suite;
mod support;
