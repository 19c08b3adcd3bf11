//! The same forgeries against stock Plonky3: a prover proves the false trace as well as `prove_batch` can, and `verify_batch`
//! refuses it. What the checker notices, the proof system notices.

use p3_batch_stark::{ProverData, StarkInstance, prove_batch, verify_batch};
use p3_field::PrimeCharacteristicRing;
use sinter_circuit::{F, TableKind};

use super::{bits, paths, valid};
use crate::support::checker::Checker;
use crate::support::{Random, config};

/// Proves the checker's traces, changed, and verifies the proof.
pub fn stock_accepts(checker: &Checker, changes: &[(usize, usize, usize, F)]) -> bool {
    let mut traces = checker.traces.clone();
    for &(table, row, column, value) in changes {
        let width = traces[table].width;
        traces[table].values[row * width + column] = value;
    }
    let heights: Vec<usize> = traces.iter().map(|trace| (trace.values.len() / trace.width).ilog2() as usize).collect();
    let (config, airs) = (config(), checker.airs());
    let data = ProverData::from_airs_and_degrees(&config, airs, &heights).unwrap();
    let publics =
        airs.iter().map(|air| if air.kind() == TableKind::Boundary { checker.publics.clone() } else { vec![] });
    let publics: Vec<Vec<F>> = publics.collect();
    let traces: Vec<_> = traces.iter().collect();
    let instances = StarkInstance::new_multiple(airs, &traces, &publics);
    let proof = prove_batch(&config, &instances, &data).unwrap();
    verify_batch(&config, airs, &proof, &publics, &data.common).is_ok()
}

#[test]
fn the_second_representative_has_no_proof() {
    let checker = bits::decompose(5);
    assert!(stock_accepts(&checker, &bits::frame(5)), "the honest frame");
    assert!(!stock_accepts(&checker, &bits::frame(5 + u64::from(bits::P))));
}

#[test]
fn a_path_walked_with_other_bits_has_no_proof() {
    let checker = paths::equal_tree();
    assert!(stock_accepts(&checker, &[]), "the honest walk");
    assert!(!stock_accepts(&checker, &paths::walk(&checker, F::from_u32(22), [0, 1, 0, 0])));
    assert!(!stock_accepts(&checker, &paths::walk(&checker, F::from_u32(6), [0, 1, 1, 0])));
}

#[test]
fn false_public_values_have_no_proof() {
    let mut checker = valid();
    assert!(stock_accepts(&checker, &[]));
    for index in [0, 17, 63] {
        checker.publics[index] += F::ONE;
        assert!(!stock_accepts(&checker, &[]), "public value {index}");
        checker.publics[index] -= F::ONE;
    }
}

#[test]
fn a_changed_cell_has_no_proof() {
    let mut checker = valid();
    let mut random = Random::new(5);
    for (table, kind) in TableKind::ALL.into_iter().enumerate() {
        let mut tried = 0;
        while tried < 3 {
            let (row, column) = (random.next() as usize % checker.height(table), random.next() as usize % kind.width());
            let change = [(table, row, column, checker.cell(table, row, column) + F::ONE)];
            // Cells that may have any value are listed where all cells are tried.
            if checker.notices(&change) {
                assert!(!stock_accepts(&checker, &change), "{kind} row {row} column {column}");
                tried += 1;
            }
        }
    }
}
