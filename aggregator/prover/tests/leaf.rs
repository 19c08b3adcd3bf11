//! Leaf proofs of standard programs, as files.

use sinter_program::{ParameterSet, ProofFile, file};
use sinter_prover::{
    CpuProver,
    leaf::{LeafError, proof_bytes_max, prove, proving_key},
    standard::{Standard, StandardError},
};

#[test]
fn a_program_from_a_file_is_recognised_proved_and_verified() {
    for (standard, log_rows) in [(Standard::Keccak, 7), (Standard::Blake3, 7), (Standard::Poseidon2, 8)] {
        let exported = standard.program(log_rows, ParameterSet::DEV).unwrap();
        let program = file::decode(&file::encode(&exported)).unwrap();
        assert_eq!(Standard::of(&program), Some(standard));
        let key = proving_key(&program).unwrap();
        let trace = standard.trace(log_rows, 7).unwrap();
        let (proof, _) = prove(&CpuProver, &program, &key, std::slice::from_ref(&trace), &[]).unwrap();
        program.verify(&proof).unwrap();
        let bytes = proof.encode(program.shape()).unwrap();
        let max = proof_bytes_max(program.shape());
        assert!((bytes.len() as u64) < max && max < bytes.len() as u64 * 2, "{standard}: {} of {max}", bytes.len());
        program.verify(&ProofFile::decode(&bytes, program.shape()).unwrap()).unwrap();
        let error = prove(&CpuProver, &program, &key, &[trace], &[Default::default()]).unwrap_err();
        assert!(matches!(error, LeafError::PublicValues { expected: 0, got: 1 }));
    }
}

#[test]
fn a_height_that_a_program_cannot_have_is_named() {
    let error = |standard: Standard, log_rows| standard.program(log_rows, ParameterSet::DEV).unwrap_err();
    assert!(matches!(error(Standard::Keccak, 4), StandardError::Height(_)));
    assert!(matches!(error(Standard::Poseidon2, 3), StandardError::Program(_)));
    assert!(matches!(error(Standard::Blake3, 21), StandardError::Height(_)));
}
