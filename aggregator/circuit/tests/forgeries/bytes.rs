//! Bytes other than an element's own: those of x + p, the same field element, and any changed cell.

use p3_field::{PrimeCharacteristicRing, PrimeField32};
use sinter_circuit::{Builder, F, Heights, Inputs, TableKind};

use super::stock::stock_accepts;
use crate::support::Random;
use crate::support::checker::Checker;

const BYTES: usize = TableKind::Bytes as usize;
const KECCAK: usize = TableKind::Keccak as usize;
const BOUNDARY: usize = TableKind::Boundary as usize;
/// Main columns of an element: 31 bits, three products.
const ELEMENT: usize = 34;
const P: u64 = F::ORDER_U32 as u64;

/// A circuit that only shows the bytes of a word. Its second row is not used.
fn split(word: [F; 8]) -> Checker {
    let (mut builder, mut inputs) = (Builder::new(), Inputs::new());
    inputs.push_word(word);
    let read = builder.input_word();
    let bytes = builder.bytes(read);
    builder.expose(0, read);
    builder.expose(1, bytes.words()[0]);
    builder.expose(2, bytes.words()[1]);
    let circuit = builder.finish(Heights::Keccak { keccak: 5, others: 7 }).unwrap();
    let witness = circuit.execute(&inputs).unwrap();
    let checker = Checker::new(&circuit, circuit.traces(&witness), witness.publics());
    checker.check().unwrap();
    checker
}

/// The cells of element `element` of row 0 as those of `value`, with honest products.
fn cells(element: usize, value: u64) -> Vec<(usize, usize, usize, F)> {
    let ones = |from: usize| F::from_bool((from..31).all(|bit| value >> bit & 1 == 1));
    let bits = (0..31).map(|bit| F::from_u64(value >> bit & 1));
    let cells = bits.chain([28, 26, 24].map(ones));
    cells.enumerate().map(|(column, cell)| (BYTES, 0, element * ELEMENT + column, cell)).collect()
}

/// The public values with the limbs of `element` as those of `value`.
fn claim(checker: &mut Checker, element: usize, value: u64) {
    let bytes = (value as u32).to_be_bytes();
    checker.publics[8 + 2 * element] = F::from_u16(u16::from_le_bytes([bytes[0], bytes[1]]));
    checker.publics[9 + 2 * element] = F::from_u16(u16::from_le_bytes([bytes[2], bytes[3]]));
}

#[test]
fn the_second_representative_is_noticed() {
    let edges = [0, 1, 2, 12345, (1 << 24) - 3, (1 << 24) - 2];
    for (element, value) in edges.into_iter().enumerate() {
        let mut word = [F::from_u32(77); 8];
        word[element] = F::from_u64(value);
        let mut checker = split(word);
        assert!(!checker.notices(&cells(element, value)), "the honest cells");
        assert!(value + P < 1 << 31);
        // The bytes that the circuit shows are those of x + p, and everything else is as honest as it can be.
        claim(&mut checker, element, value + P);
        let forged = cells(element, value + P);
        let mut lied = forged.clone();
        assert!(refused(&mut checker, &forged), "{value} + p");
        // Lies about the products, from any of them on.
        for product in (0..3).rev() {
            lied[31 + product].3 = F::ZERO;
            assert!(refused(&mut checker, &lied), "{value} + p, product {product}");
        }
    }
}

/// Whether the checker refuses the trace with these changes, and the public values that it has.
fn refused(checker: &mut Checker, changes: &[(usize, usize, usize, F)]) -> bool {
    let honest = checker.traces[BYTES].clone();
    let width = honest.width;
    for &(_, row, column, value) in changes {
        checker.traces[BYTES].values[row * width + column] = value;
    }
    let refused = checker.check().is_err();
    checker.traces[BYTES] = honest;
    refused
}

#[test]
fn the_second_representative_has_no_proof() {
    let mut checker = split([F::from_u32(5); 8]);
    assert!(stock_accepts(&checker, &cells(3, 5)), "the honest cells");
    claim(&mut checker, 3, 5 + P);
    let forged = cells(3, 5 + P);
    assert!(!stock_accepts(&checker, &forged));
    // The claim alone, without the cells.
    assert!(!stock_accepts(&checker, &[]));
    // The same for bytes that are right, under the constraint that they break: the last of the element's.
    let constraint = checker.violated(&forged);
    assert_eq!(constraint, [(BYTES, 0, 3 * 35 + 34)], "the low bits below seven ones");
}

#[test]
fn the_largest_values_are_canonical() {
    split([F::NEG_ONE; 8]);
    split([F::ZERO; 8]);
    split(std::array::from_fn(|i| F::from_u32((127 << 24) - 1 - i as u32)));
}

#[test]
fn every_cell_is_noticed() {
    let mut random = Random::new(31);
    let mut checker = split(random.word());
    for row in 0..2 {
        for column in 0..8 * ELEMENT {
            let old = checker.cell(BYTES, row, column);
            for value in [old + F::ONE, F::ONE - old, random.base()] {
                let unused = row == 1;
                let notices = value == old || checker.notices(&[(BYTES, row, column, value)]);
                // A low bit of a row that is on no bus may be another bit: no product is one.
                let free = unused && (value == F::ONE || value == F::ZERO) && column % ELEMENT < 31;
                assert!(notices || free, "row {row} column {column}");
            }
        }
    }
    assert_eq!(checker.height(KECCAK), 32);
    assert_eq!(checker.height(BOUNDARY), 128);
}
