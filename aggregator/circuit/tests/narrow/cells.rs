//! A single cell is changed: every column, in every row that is used and some that are not. A constraint or the bus notices,
//! or the cell is listed here as free, with the reason.

use p3_field::PrimeCharacteristicRing;
use sinter_circuit::{F, NarrowAir};

use super::valid;
use crate::support::Random;
use crate::support::checker::Checker;

/// Main columns.
const WIDTH: usize = 74;
/// Main columns that only row B commits to.
const ONLY_B: std::ops::Range<usize> = 48..52;
/// The cells' columns.
const CELLS: std::ops::Range<usize> = 52..72;
/// Main column: index.
const INDEX: usize = 72;

// Preprocessed columns.
const B: usize = 1;
const TAG: usize = 7;
const MERKLE: usize = 8;
const Z: usize = 9;
const HORNER_A: usize = 17;
const HORNER_B: usize = 18;
const ALU: usize = 19;
const LEFT: usize = 20;
const RIGHT: usize = 21;
const OUT: usize = 22;
const AT: usize = 23;
const BITS: usize = 24;
const WINDOW: usize = 25;
const THREE: usize = 26;
const CONSTANT: usize = 27;
const PORTS: usize = 29;

/// Why a cell may have any value: nothing that is proven depends on it.
fn free(checker: &Checker<NarrowAir>, row: usize, column: usize) -> Option<&'static str> {
    let height = checker.height(0);
    let above = (row + height - 1) % height;
    let flag = |prep: usize| checker.prep(0, row, prep) != F::ZERO;
    let flag_above = |prep: usize| checker.prep(0, above, prep) != F::ZERO;
    if ONLY_B.contains(&column) {
        return (!flag(B)).then_some("a column that only row B commits to");
    }
    if column == INDEX {
        return (!(0..4).any(flag)).then_some("the index of a row that is of no permutation");
    }
    if !CELLS.contains(&column) {
        return None;
    }
    let (slot, limb) = ((column - CELLS.start) / 5, (column - CELLS.start) % 5);
    if flag(PORTS + 2 * slot + 1) {
        return None;
    }
    let by_slot = [
        [HORNER_A, LEFT, OUT, BITS],
        [HORNER_A, LEFT, OUT, BITS],
        [HORNER_A, RIGHT, AT, BITS],
        [HORNER_A, RIGHT, HORNER_B, CONSTANT],
    ][slot];
    // Bit 30 reads nothing of the row below.
    let bits = limb == 0 && (flag(BITS) || (flag_above(BITS) && !flag_above(Z) && slot != 1));
    let named = by_slot.into_iter().any(flag) || bits || (slot == 3 && flag(WINDOW));
    let below = flag_above(HORNER_B) && (slot == 1 || slot == 3);
    let merkle = flag(MERKLE) && slot == 0 && limb == 0;
    if named || below || merkle {
        return None;
    }
    if flag(ALU) {
        let other = CELLS.start + 5 * (1 - slot.min(1));
        let is_zero = (other..other + 5).all(|column| checker.cell(0, row, column) == F::ZERO);
        return (slot < 2 && is_zero).then_some("a factor of zero that is on no bus");
    }
    if flag(WINDOW) {
        let at = match slot {
            0 => limb,
            1 => 5 + limb,
            _ => 8 + limb,
        };
        let limbs = if flag(TAG) {
            5
        } else if flag(THREE) {
            3
        } else {
            1
        };
        let selected = (0..8).any(|k| flag(Z + k) && (k..k + limbs).contains(&at));
        let in_window = (slot != 1 || limb < 3) && selected;
        return (!in_window).then_some("a limb outside the window, of a word that is on no bus");
    }
    Some("a cell that nothing uses")
}

#[test]
fn every_cell_is_noticed_or_listed() {
    let mut checker = valid();
    let mut random = Random::new(11);
    let mut listed = std::collections::BTreeMap::new();
    for row in 0..checker.height(0) {
        for column in 0..WIDTH {
            let old = checker.cell(0, row, column);
            let values = [old + F::ONE, random.base()];
            let noticed = values.map(|value| value == old || checker.notices(&[(0, row, column, value)]));
            if noticed == [true, true] {
                continue;
            }
            match free(&checker, row, column) {
                Some(reason) => *listed.entry(reason).or_insert(0) += 1,
                None => panic!("row {row} column {column}: nothing notices"),
            }
        }
    }
    println!("free: {listed:?}");
    // Each reason is needed, or it has no place in the list.
    assert_eq!(listed.len(), 5, "{listed:?}");
}
