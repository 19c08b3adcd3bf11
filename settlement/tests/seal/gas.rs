//! What a seal costs, and where.

use super::bench;
use sinter_program::ParameterSet;
use sinter_seal::kit::Kit;
use sinter_settlement::seal::Profile;

/// As many queries as the seal has, of fewer rows: by hand, `SINTER_SEAL_LOG_HEIGHT=15` gives the seal's own.
#[test]
fn the_parts_add_up() {
    let log_height = std::env::var("SINTER_SEAL_LOG_HEIGHT").map_or(9, |height| height.parse().unwrap());
    let kit = Kit { log_height, ..Kit::WIDE };
    let parameters = if log_height > 9 { ParameterSet::SEAL } else { ParameterSet { queries: 20, ..Kit::PARAMETERS } };
    let prover = kit.prover(parameters);
    let started = std::time::Instant::now();
    let seal = prover.prove(&kit.trace(&Kit::CLAIM), &Kit::CLAIM).unwrap();
    let wall = started.elapsed();
    let mut bench = bench(prover.seal());
    let (claim, gas) = bench.verify(&seal).unwrap();
    assert!(claim.is_ok());
    let profile = bench.profile(&seal).unwrap();
    println!("{} bytes, proved in {wall:?}, {gas:?}, {profile:?}", seal.len());
    let Profile { transcript, constraints, deep, merkle, fri } = profile;
    let sum = transcript + constraints + deep + merkle + fri;
    assert!(sum.abs_diff(gas.execution) < gas.execution / 20, "{sum} of {}", gas.execution);
}
