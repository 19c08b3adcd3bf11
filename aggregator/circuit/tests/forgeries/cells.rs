//! A single cell is changed: every column of every table, in every row that is used and some that are not. A constraint or
//! the bus notices, or the cell is listed here as free, with the reason.

use p3_field::PrimeCharacteristicRing;
use sinter_circuit::{F, TableKind};

use super::valid;
use crate::support::Random;
use crate::support::checker::Checker;

/// Why a cell may have any value: nothing that is proven depends on it.
fn free(checker: &Checker, kind: TableKind, row: usize, column: usize) -> Option<&'static str> {
    let table = kind as usize;
    let zero = |prep: usize| checker.prep(table, row, prep) == F::ZERO;
    match kind {
        TableKind::Poseidon2 if column == 164 => {
            // Preprocessed: 0 is z_0, 9 and 10 are fresh and cont, 13 is merkle, 14 is at.
            let walks = |row: usize| {
                let flag = |prep: usize| checker.prep(table, row, prep) != F::ZERO;
                flag(13) || (flag(0) && !flag(9) && !flag(10))
            };
            let after = (row + checker.height(table) - 1) % checker.height(table);
            let idle = zero(14) && !walks(row) && !walks(after);
            idle.then_some("index of a permutation that is on no path")
        }
        TableKind::Alu => {
            let (slot, cell) = (column / 20, column % 20 / 5);
            let others_zero =
                |cell: usize| (0..5).all(|i| checker.cell(table, row, slot * 20 + cell * 5 + i) == F::ZERO);
            let unconnected = |cell: usize| zero((slot * 4 + cell) * 2 + 1);
            let idle = cell < 2 && unconnected(cell) && others_zero(1 - cell);
            idle.then_some("a factor of zero that is on no bus: a relation that is not used")
        }
        TableKind::Window if column < 75 => {
            let (slot, limb) = (column / 25, column % 25);
            let flags = slot * 17;
            if limb >= 16 {
                return None;
            }
            let unconnected = zero(flags + 11 + limb / 8 * 2 + 1);
            let len = if !zero(flags + 9) {
                8
            } else if !zero(flags + 8) {
                5
            } else {
                1
            };
            let selected = (0..8).any(|k| !zero(flags + k) && (k..k + len).contains(&limb));
            (unconnected && !selected).then_some("a limb outside the window, of a word that is on no bus")
        }
        _ => None,
    }
}

#[test]
fn every_cell_is_noticed_or_listed() {
    let mut checker = valid();
    let mut random = Random::new(11);
    let mut changed = 0;
    let mut listed = std::collections::BTreeMap::new();
    for (table, kind) in TableKind::ALL.into_iter().enumerate() {
        for row in 0..checker.height(table) {
            for column in 0..kind.width() {
                let old = checker.cell(table, row, column);
                let values = [old + F::ONE, random.base()];
                let noticed = values.map(|value| value == old || checker.notices(&[(table, row, column, value)]));
                changed += 1;
                if noticed == [true, true] {
                    continue;
                }
                match free(&checker, kind, row, column) {
                    Some(reason) => *listed.entry(reason).or_insert(0) += 1,
                    None => panic!("{kind} row {row} column {column}: nothing notices"),
                }
            }
        }
    }
    println!("{changed} cells changed, free: {listed:?}");
    // Each reason is needed, or it has no place in the list.
    assert_eq!(listed.len(), 3, "{listed:?}");
}
