//! Multiplicities: the counts of dynamic reads are the only ones a prover chooses.

use p3_field::PrimeCharacteristicRing;
use p3_koala_bear::default_koalabear_poseidon2_16;
use p3_symmetric::Permutation;
use sinter_circuit::{Builder, CapRef, F, Heights, Inputs, LeafSpec, MerkleSpec, TableKind};

use super::valid;
use crate::support::checker::Checker;

/// `reads` columns of the Window and of the Boundary table, with the preprocessed column that lets them be other than zero.
const READS: [(TableKind, usize, usize); 4] = [
    (TableKind::Window, 24, 10),
    (TableKind::Window, 49, 27),
    (TableKind::Window, 74, 44),
    (TableKind::Boundary, 0, 16),
];

#[test]
fn a_count_other_than_the_reads_is_noticed() {
    let mut checker = valid();
    let mut blocks = 0;
    for (kind, column, block) in READS {
        let table = kind as usize;
        for row in 0..checker.height(table) {
            blocks += usize::from(checker.prep(table, row, block) == F::ONE);
            let count = checker.cell(table, row, column);
            for wrong in [count + F::ONE, count - F::ONE, -count - F::TWO, F::NEG_ONE - count] {
                assert!(wrong == count || checker.notices(&[(table, row, column, wrong)]), "{kind} row {row}");
            }
        }
    }
    assert!(blocks >= 8);
}

#[test]
fn reads_do_not_move_between_rows() {
    let mut checker = valid();
    let cells: Vec<(usize, usize, usize)> = READS
        .iter()
        .flat_map(|&(kind, column, block)| {
            let (checker, table) = (&checker, kind as usize);
            (0..checker.height(table))
                .filter(move |row| checker.prep(table, *row, block) == F::ONE)
                .map(move |row| (table, row, column))
        })
        .collect();
    for &(table, row, column) in &cells {
        let count = checker.cell(table, row, column);
        if count == F::ZERO {
            continue;
        }
        for &(other, at, to) in cells.iter().filter(|cell| **cell != (table, row, column)) {
            let moved = checker.cell(other, at, to) + F::ONE;
            assert!(checker.notices(&[(table, row, column, count - F::ONE), (other, at, to, moved)]));
        }
    }
}

/// A path whose leaf is its root, index 0.
fn path(b: &mut Builder, inputs: &mut Inputs, leaf: F, cap: CapRef) {
    inputs.extend([leaf; 8]);
    let leaf = b.leaf(&LeafSpec { segments: vec![8], beta: None, expose: false });
    let zero = b.zero();
    b.merkle(&leaf, &MerkleSpec { depth: 0, injected: &[], index: zero, cap_index: zero, cap });
}

fn root(leaf: F) -> [F; 8] {
    let mut state: [F; 16] = std::array::from_fn(|i| if i < 8 { leaf } else { F::ZERO });
    default_koalabear_poseidon2_16().permute_mut(&mut state);
    std::array::from_fn(|i| state[i])
}

#[test]
fn a_block_s_word_that_is_not_the_constant_it_equals_is_noticed() {
    let accepts = |claimed: F, leaves: [F; 2]| {
        let (mut b, mut inputs) = (Builder::new(), Inputs::new());
        inputs.push_word(root(claimed));
        let cap = b.block_of_words(1);
        let expected = b.constant_word(root(F::ONE));
        b.assert_eq(cap.word(0).unwrap(), expected);
        leaves.into_iter().for_each(|leaf| path(&mut b, &mut inputs, leaf, cap));
        let circuit = b.finish(Heights::Smallest).unwrap();
        let witness = circuit.execute_regardless(&inputs).unwrap();
        let mut checker = Checker::new(&circuit, circuit.traces(&witness), witness.publics());
        checker.settle();
        checker.check().is_ok()
    };
    assert!(accepts(F::ONE, [F::ONE, F::ONE]));
    assert!(!accepts(F::ONE, [F::ONE, F::TWO]));
    // One path ends in the constant, and the other in what the prover says the block's word is.
    assert!(!accepts(F::TWO, [F::ONE, F::TWO]));
    assert!(!accepts(F::TWO, [F::TWO, F::TWO]));
}
