//! Keccak-256 in the circuit is Keccak-256.

use p3_batch_stark::{ProverData, StarkInstance, prove_batch, verify_batch};
use p3_field::{PrimeCharacteristicRing, PrimeField32};
use sha3::{Digest, Keccak256};
use sinter_circuit::{Builder, CircuitError, F, Heights, NarrowCircuit, TableKind};
use std::sync::Arc;

use crate::support::checker::Checker;
use crate::support::config;
use crate::support::digests::{digests, words};

/// Big-endian bytes of elements.
fn bytes(elements: &[F]) -> Vec<u8> {
    elements.iter().flat_map(|element| element.as_canonical_u32().to_be_bytes()).collect()
}

#[test]
fn digests_are_those_of_the_standard() {
    let [a, b, c] = words();
    let long = Keccak256::digest([bytes(&a), bytes(&b), bytes(&c)].concat());
    let short = Keccak256::digest([long.to_vec(), bytes(&c)].concat());
    let limb = |low: bool| {
        move |pair: &[u8]| {
            let pair = [pair[0], pair[1]];
            F::from_u16(if low { u16::from_le_bytes(pair) } else { u16::from_be_bytes(pair) })
        }
    };
    for chosen in [true, false] {
        let (circuit, mut inputs) = digests(Heights::Keccak { keccak: 6, others: 9 });
        assert_eq!(circuit.log_heights(), [9, 9, 9, 9, 9, 9, 6]);
        if !chosen {
            *inputs.as_mut_slice().last_mut().unwrap() = F::ZERO;
        }
        let witness = circuit.execute(&inputs).unwrap();
        Checker::new(&circuit, circuit.traces(&witness), witness.publics()).check().unwrap();
        let digest = if chosen { &short } else { &long };
        let expected: Vec<F> = digest.chunks(2).map(limb(false)).collect();
        assert_eq!(witness.publics()[..16], expected);
        let expected: Vec<F> = bytes(&a).chunks(2).map(limb(true)).collect();
        assert_eq!(witness.publics()[16..32], expected);
        let expected: Vec<F> = digest[..16].chunks(2).map(limb(true)).collect();
        assert_eq!(witness.publics()[32..40], expected);
        assert!(
            circuit
                .execute(&{
                    *inputs.as_mut_slice().last_mut().unwrap() = F::TWO;
                    inputs
                })
                .is_err()
        );
    }
}

#[test]
fn stock_proves_and_verifies() {
    let (circuit, inputs) = digests(Heights::Keccak { keccak: 6, others: 9 });
    let witness = circuit.execute(&inputs).unwrap();
    let (traces, airs, config) = (circuit.traces(&witness), circuit.airs(), config());
    let data = ProverData::from_airs_and_degrees(&config, &airs, &circuit.log_heights()).unwrap();
    let mut publics = circuit.public_values(&witness);
    let traces: Vec<_> = traces.iter().collect();
    let proof = prove_batch(&config, &StarkInstance::new_multiple(&airs, &traces, &publics), &data).unwrap();
    verify_batch(&config, &airs, &proof, &publics, &data.common).unwrap();
    publics[TableKind::Boundary as usize][0] += F::ONE;
    assert!(verify_batch(&config, &airs, &proof, &publics, &data.common).is_err());
}

#[test]
fn heights_are_asked_for() {
    let record = || {
        let mut builder = Builder::new();
        let word = builder.constant_word([F::ONE; 8]);
        let bytes = builder.bytes(word);
        builder.keccak(&[bytes; 3]);
        builder
    };
    // The universal shape has no tables for it.
    let error = record().finish(Heights::UNIVERSAL).unwrap_err();
    assert_eq!(error, CircuitError::Height { table: TableKind::Bytes, needed: 1, available: 0 });
    let error = record().finish(Heights::Keccak { keccak: 4, others: 8 }).unwrap_err();
    assert_eq!(error, CircuitError::Height { table: TableKind::Keccak, needed: 24, available: 16 });
    // Nor has the narrow layout.
    let error = NarrowCircuit::new(Arc::new(record().finish(Heights::Smallest).unwrap()), 15).unwrap_err();
    assert_eq!(error, CircuitError::Height { table: TableKind::Keccak, needed: 24, available: 0 });
    let circuit = record().finish(Heights::Smallest).unwrap();
    assert_eq!(
        circuit.keccak_rows().unwrap().map(|rows| (rows.table, rows.used, rows.height)),
        [(TableKind::Bytes, 1, 512), (TableKind::Keccak, 24, 512)]
    );
    for parts in [0, 1, 4] {
        let mut builder = record();
        let word = builder.constant_word([F::ONE; 8]);
        let bytes = builder.bytes(word);
        builder.keccak(&vec![bytes; parts]);
        assert!(matches!(builder.finish(Heights::Smallest), Err(CircuitError::Argument { operation: "keccak", .. })));
    }
    // A circuit that does not hash with Keccak has no such tables, whatever heights it is given.
    assert_eq!(Builder::new().finish(Heights::Keccak { keccak: 9, others: 8 }).unwrap().log_heights(), [8; 5]);
}
