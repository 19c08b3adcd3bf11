//! The L1 side, tried on the embedded chain and on anvil.
#![allow(clippy::unwrap_used, missing_docs)]

mod contract;
mod support;
