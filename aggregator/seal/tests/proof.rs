//! Proofs, their encoding and its refusals.

use sinter_program::ParameterSet;
use sinter_seal::kit::Kit;
use sinter_seal::proof::{decode, encode};
use sinter_seal::{Claim, VerifyError, WireError};

#[test]
fn a_seal_round_trips_and_verifies() {
    for (kit, queries) in [(Kit::SMALL, 1), (Kit::SMALL, 12), (Kit { log_height: 8, ..Kit::SMALL }, 60), (Kit::WIDE, 8)]
    {
        let prover = kit.prover(ParameterSet { queries, ..Kit::PARAMETERS });
        let bytes = prover.prove(&kit.trace(&Kit::CLAIM), &Kit::CLAIM).unwrap();
        assert_eq!(prover.seal().verify(&bytes).unwrap(), Kit::CLAIM);
        let (claim, proof) = decode(prover.seal(), &bytes).unwrap();
        assert_eq!(encode(prover.seal(), &claim, &proof), bytes, "{kit:?}, {queries} queries");
        println!("{kit:?}, {queries} queries: {} bytes", bytes.len());
    }
}

#[test]
fn the_same_trace_gives_the_same_seal() {
    let prover = Kit::SMALL.prover(Kit::PARAMETERS);
    let prove = || prover.prove(&Kit::SMALL.trace(&Kit::CLAIM), &Kit::CLAIM).unwrap();
    assert_eq!(prove(), prove());
}

#[test]
fn other_lengths_are_refused() {
    let prover = Kit::SMALL.prover(Kit::PARAMETERS);
    let bytes = prover.prove(&Kit::SMALL.trace(&Kit::CLAIM), &Kit::CLAIM).unwrap();
    for length in (0..bytes.len()).step_by(97) {
        assert!(matches!(decode(prover.seal(), &bytes[..length]), Err(WireError::End { .. })), "{length}");
    }
    let longer = [bytes.as_slice(), &[0]].concat();
    assert!(matches!(decode(prover.seal(), &longer), Err(WireError::Trailing { .. })));
    let mut count = bytes;
    count[32..36].fill(0xff);
    assert!(matches!(decode(prover.seal(), &count), Err(WireError::Element { at: 32, got: u32::MAX })));
}

#[test]
fn a_seal_is_bound_to_its_claim_and_its_key() {
    let prover = Kit::SMALL.prover(Kit::PARAMETERS);
    let trace = Kit::SMALL.trace(&Kit::CLAIM);
    let bytes = prover.prove(&trace, &Kit::CLAIM).unwrap();
    let other = Kit { log_height: 8, ..Kit::SMALL }.prover(Kit::PARAMETERS);
    assert_ne!(other.seal().key(), prover.seal().key());
    let queries = Kit::SMALL.prover(ParameterSet { queries: 13, ..Kit::PARAMETERS });
    assert_ne!(queries.seal().key(), prover.seal().key());
    // A trace of another claim: proved as it is, refused.
    let lie = Claim { count: 257, ..Kit::CLAIM };
    let refused = prover.prove_stock(&trace, &lie.elements());
    if let Ok(proof) = refused {
        assert!(matches!(prover.seal().verify_proof(&lie, &proof), Err(VerifyError::Rejected(_))));
    }
    let mut claim = bytes;
    claim[3] ^= 1;
    assert!(prover.seal().verify(&claim).is_err());
}
