//! The narrow layout: its shape, proofs by stock Plonky3, and what a cheating prover may try on it.

mod blocks;
mod cells;
mod differential;

use p3_air::BaseAir;
use p3_air::symbolic::AirLayout;
use p3_batch_stark::symbolic::{get_log_num_quotient_chunks, get_symbolic_constraints};
use p3_batch_stark::{ProverData, StarkInstance, prove_batch, verify_batch};
use p3_field::PrimeCharacteristicRing;
use p3_lookup::{LogUpGadget, Lookups};
use sinter_circuit::narrow::NARROW_PUBLIC_WORDS;
use sinter_circuit::{CircuitError, EF, F, Heights, NarrowAir, NarrowCircuit};

use crate::support::checker::Checker;
use crate::support::sample::sample_with;
use crate::support::{Random, config};

/// log2 of the height at which the sample fits.
const LOG_HEIGHT: usize = 10;

fn valid() -> Checker<NarrowAir> {
    let (circuit, inputs) = sample_with(Heights::Forced([8, 8, 9, 6, 7]), NARROW_PUBLIC_WORDS);
    let narrow = NarrowCircuit::new(circuit.into(), LOG_HEIGHT).unwrap();
    println!("{} rows", narrow.used());
    let witness = narrow.execute(&inputs).unwrap();
    Checker::narrow(&narrow, &witness)
}

#[test]
fn the_sample_holds() {
    valid().check().unwrap();
}

#[test]
fn four_quotient_chunks_and_two_auxiliary_columns() {
    let air = NarrowAir::shape();
    let layout = AirLayout::from_air(&air);
    let gadget = LogUpGadget::new();
    let lookups = Lookups::<F>::from_air::<EF, _>(&air).pack_same_bus(&gadget, 5);
    let log_chunks = get_log_num_quotient_chunks::<F, EF, _, _>(&air, layout, 1 << 15, &lookups, 0, &gadget);
    let (base, _) = get_symbolic_constraints::<F, EF, _, _>(&air, layout, &lookups, &gadget);
    let got = (air.width(), air.preprocessed_width(), 5 * (lookups.len() + 1), log_chunks, base.len());
    assert_eq!(got, (74, 37, 10, 2, 195));
}

/// Proves the checker's trace, changed, with stock Plonky3 and verifies the proof.
fn stock_accepts(checker: &Checker<NarrowAir>, changes: &[(usize, usize, usize, F)]) -> bool {
    let mut trace = checker.traces[0].clone();
    for &(_, row, column, value) in changes {
        trace.values[row * trace.width + column] = value;
    }
    let (config, airs) = (config(), checker.airs());
    let data = ProverData::from_airs_and_degrees(&config, airs, &[LOG_HEIGHT]).unwrap();
    let publics = vec![checker.publics.clone()];
    let traces = [&trace];
    let instances = StarkInstance::new_multiple(airs, &traces, &publics);
    let proof = prove_batch(&config, &instances, &data).unwrap();
    verify_batch(&config, airs, &proof, &publics, &data.common).is_ok()
}

#[test]
fn stock_plonky3_proves_it_and_refuses_changes() {
    let mut checker = valid();
    assert!(stock_accepts(&checker, &[]));
    for index in [0, 9, 16] {
        checker.publics[index] += F::ONE;
        assert!(!stock_accepts(&checker, &[]), "public value {index}");
        checker.publics[index] -= F::ONE;
    }
    let mut random = Random::new(5);
    let mut tried = 0;
    while tried < 5 {
        let (row, column) = (random.next() as usize % checker.height(0), random.next() as usize % 74);
        let change = [(0, row, column, checker.cell(0, row, column) + F::ONE)];
        if checker.notices(&change) {
            assert!(!stock_accepts(&checker, &change), "row {row} column {column}");
            tried += 1;
        }
    }
}

#[test]
fn what_does_not_fit_is_said() {
    let (circuit, _) = sample_with(Heights::Smallest, NARROW_PUBLIC_WORDS);
    let error = NarrowCircuit::new(circuit.into(), 8).unwrap_err();
    assert!(matches!(error, CircuitError::NarrowHeight { needed: 257.., available: 256 }), "{error}");
    let (circuit, _) = sample_with(Heights::Smallest, NARROW_PUBLIC_WORDS + 1);
    let error = NarrowCircuit::new(circuit.into(), LOG_HEIGHT).unwrap_err();
    assert_eq!(error, CircuitError::NarrowPublic { index: 3, words: 3 });
}
