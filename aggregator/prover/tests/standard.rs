//! Plonky3's own AIRs, proved as data: unmodified `verify_batch` accepts the proofs against the AIRs as Plonky3 has them.

use p3_air::Air;
use p3_batch_stark::{folder::VerifierConstraintFolderWithLookups, verify_batch};
use p3_lookup::InteractionSymbolicBuilder;
use sinter_program::{Config, DagAir, EF, F, ParameterSet};
use sinter_prover::{
    CpuProver, Proof, ProveError, Prover, ProvingKey,
    standard::{Standard, poseidon2_air},
};

fn key(standard: Standard, log_rows: u8) -> ProvingKey {
    let air = DagAir::new(standard.dag().unwrap());
    let config = Config::new(ParameterSet::DEV, &[F::new(7); 8]);
    ProvingKey::new(config, vec![air], vec![log_rows.into()]).unwrap()
}

/// Proves `standard` from its graph and verifies the proof with `air`, which is not ours.
fn proves<A>(standard: Standard, log_rows: u8, air: A)
where
    A: Air<InteractionSymbolicBuilder<F, EF>> + for<'a> Air<VerifierConstraintFolderWithLookups<'a, Config>>,
{
    let key = key(standard, log_rows);
    let trace = standard.trace(log_rows, 1).unwrap();
    let (proof, stages): (Proof, _) = CpuProver.prove(&key, &[trace], &[vec![]]).unwrap();
    assert!(!stages.commit.is_zero() && !stages.quotient.is_zero() && !stages.opening.is_zero(), "{stages:?}");
    assert!(stages.lookups.is_zero(), "{stages:?}");
    let airs = [air];
    verify_batch(key.config(), &airs, &proof, &[vec![]], key.common()).unwrap();
    // Under another digest it is another program's, and none of its challenges fits.
    let other = key.config().with_digest(&[F::new(8); 8]);
    assert!(verify_batch(&other, &airs, &proof, &[vec![]], key.common()).is_err());
}

#[test]
fn keccak() {
    proves(Standard::Keccak, 6, p3_keccak_air::KeccakAir {});
}

#[test]
fn blake3() {
    proves(Standard::Blake3, 4, p3_blake3_air::Blake3Air {});
}

#[test]
fn poseidon2() {
    proves(Standard::Poseidon2, 8, poseidon2_air());
}

#[test]
fn what_does_not_fit_the_key_is_named() {
    let key = key(Standard::Poseidon2, 5);
    let prove = |trace, publics: &[Vec<F>]| CpuProver.prove(&key, &[trace], publics).map(|_| ()).unwrap_err();
    let trace = |log_rows| Standard::Poseidon2.trace(log_rows, 1).unwrap();
    assert_eq!(prove(trace(6), &[vec![]]).to_string(), "rows of table 0: expected 32, got 64");
    assert_eq!(prove(trace(5), &[]).to_string(), "lists of public values: expected 1, got 0");
    assert!(matches!(prove(trace(5), &[vec![F::new(1)]]), ProveError::Shape { table: Some(0), .. }));
    assert!(Standard::Keccak.trace(4, 1).is_err());
}

#[test]
fn the_seed_decides_the_trace() {
    let trace = |seed| Standard::Poseidon2.trace(3, seed).unwrap();
    assert_eq!(trace(1), trace(1));
    assert_ne!(trace(1), trace(2));
}
