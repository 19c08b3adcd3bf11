//! `SealVerifier` against Plonky3, which it must agree with on every seal.

mod accept;
mod adversary;
mod forger;
mod gas;
mod golden;

use sinter_seal::{Seal, evm};
use sinter_settlement::seal::Bench;

/// The verifier of a seal's AIR.
fn bench(seal: &Seal) -> Bench {
    let evm::Program { data, parts } = evm::program(seal).unwrap();
    Bench::new(&data, &parts).unwrap()
}
