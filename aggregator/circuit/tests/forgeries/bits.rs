//! Bits of x + p instead of x: the same field element, other bits.

use p3_field::{PrimeCharacteristicRing, PrimeField32};
use sinter_circuit::{BitsSpec, Builder, F, Heights, Inputs, TableKind};

use crate::support::checker::Checker;

pub const P: u32 = F::ORDER_U32;
const BITS: usize = TableKind::Bits as usize;

/// A circuit that only decomposes `value`, whose high part nothing else reads.
pub fn decompose(value: u32) -> Checker {
    let (mut builder, mut inputs) = (Builder::new(), Inputs::new());
    inputs.push_base(F::from_u32(value));
    let read = builder.input_base();
    builder.expose(0, read);
    builder.bits(read, &BitsSpec { len: 31, ..Default::default() });
    let circuit = builder.finish(Heights::Smallest).unwrap();
    let witness = circuit.execute(&inputs).unwrap();
    let checker = Checker::new(&circuit, circuit.traces(&witness), witness.publics());
    checker.check().unwrap();
    checker
}

/// The frame of another representative, with every other cell as honest as it can be.
pub fn frame(value: u64) -> Vec<(usize, usize, usize, F)> {
    let mut changes = Vec::new();
    let mut ones = F::ONE;
    for k in (0..31).rev() {
        let bit = F::from_u64((value >> k) & 1);
        if k >= 24 {
            ones *= bit;
        }
        let cells = [F::from_u64(value >> k), bit, ones];
        changes.extend(cells.into_iter().enumerate().map(|(column, cell)| (BITS, k, column, cell)));
    }
    changes
}

#[test]
fn the_second_representative_is_noticed() {
    // x + p has 31 bits for every x below 2^24 − 1.
    for value in [0, 1, 2, 5, 12345, (1 << 24) - 3, (1 << 24) - 2] {
        let mut checker = decompose(value);
        assert!(!checker.notices(&frame(u64::from(value))), "the honest frame");
        assert!(u64::from(value) + u64::from(P) < 1 << 31);
        assert!(checker.notices(&frame(u64::from(value) + u64::from(P))), "{value} + p");
    }
}

#[test]
fn the_largest_values_are_canonical() {
    for value in [P - 1, P - 2, 126 << 24, (126 << 24) + (1 << 24) - 1] {
        decompose(value);
    }
}

#[test]
fn a_lie_about_the_high_ones_is_noticed() {
    let mut checker = decompose(3);
    let mut forged = frame(3 + u64::from(P));
    // Say "not all ones" from any bit on downwards.
    for from in 0..31 {
        for change in forged.iter_mut().filter(|change| change.2 == 2 && change.1 <= from) {
            change.3 = F::ZERO;
        }
        assert!(checker.notices(&forged), "from bit {from}");
        forged = frame(3 + u64::from(P));
    }
}
