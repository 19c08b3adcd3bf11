//! Multiplicities: the counts of dynamic reads are the only ones a prover chooses.

use p3_field::PrimeCharacteristicRing;
use sinter_circuit::{F, TableKind};

use super::valid;

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
