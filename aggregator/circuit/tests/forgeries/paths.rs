//! Merkle paths walked with other bits than the index's: in a tree whose nodes are equal the hashes do not care.

use p3_field::{Field, PrimeCharacteristicRing};
use p3_matrix::dense::RowMajorMatrix;
use sinter_circuit::{BitsSpec, Builder, F, Heights, Inputs, TableKind};

use crate::support::checker::Checker;
use crate::support::sample::Opening;

const POSEIDON2: usize = TableKind::Poseidon2 as usize;
const INDEX: usize = 164;
const BIT: usize = 165;
const OUT_ADDRESS: usize = 191;

/// A path of depth 4 below a cap of 2, in a tree of equal rows, at index 22. Rows: 0 is the last step, 4 the leaf.
pub fn equal_tree() -> Checker {
    let opening = Opening { matrices: &[(5, 8)], cap_height: 1, index: 22, beta: false };
    let opened = opening.open_matrices(vec![RowMajorMatrix::new(vec![F::TWO; 32 * 8], 8)]);
    let (mut builder, mut inputs) = (Builder::new(), Inputs::new());
    inputs.push_base(F::from_u32(22));
    opened.cap.iter().for_each(|word| inputs.push_word(*word));
    inputs.extend(opened.inputs);
    let index = builder.input_base();
    let cap = builder.block_of_words(2);
    let bits = builder.bits(index, &BitsSpec { len: 5, shifts: vec![0, 4], ..Default::default() });
    opening.record(&mut builder, bits.shifted[0], bits.shifted[1], cap, None);
    let circuit = builder.finish(Heights::Smallest).unwrap();
    let witness = circuit.execute(&inputs).unwrap();
    let checker = Checker::new(&circuit, circuit.traces(&witness), witness.publics());
    checker.check().unwrap();
    assert_eq!(checker.cell(POSEIDON2, 4, INDEX), F::from_u32(22));
    assert_eq!(checker.cell(POSEIDON2, 0, INDEX), F::ONE);
    checker
}

/// The walk from `start` with the given bits, the index divided by two in the field where it is odd.
pub fn walk(checker: &Checker, start: F, bits: [u32; 4]) -> Vec<(usize, usize, usize, F)> {
    let mut changes = vec![(POSEIDON2, 4, INDEX, start), (POSEIDON2, 4, OUT_ADDRESS, start)];
    let mut index = start;
    for (step, bit) in bits.into_iter().enumerate() {
        let row = 3 - step;
        index = (index - F::from_u32(bit)) * F::TWO.inverse();
        changes.push((POSEIDON2, row, INDEX, index));
        changes.push((POSEIDON2, row, BIT, F::from_u32(bit)));
    }
    let cap = checker.prep(POSEIDON2, 0, 19);
    changes.push((POSEIDON2, 0, OUT_ADDRESS, cap + index));
    changes
}

#[test]
fn only_the_index_s_bits_pass() {
    let mut checker = equal_tree();
    for bits in 0..16u32 {
        let changes = walk(&checker, F::from_u32(22), std::array::from_fn(|k| (bits >> k) & 1));
        assert_eq!(checker.notices(&changes), bits != 22 & 15, "bits {bits:04b}");
    }
}

#[test]
fn another_index_is_noticed() {
    let mut checker = equal_tree();
    for index in [0u32, 6, 21, 23, 54] {
        let changes = walk(&checker, F::from_u32(index), std::array::from_fn(|k| (index >> k) & 1));
        assert!(checker.notices(&changes), "index {index}");
    }
}

#[test]
fn a_bit_that_is_no_bit_is_noticed() {
    let mut checker = equal_tree();
    // 22 = 2·index + bit holds for any index when the bit is free.
    for bit in [2, 22, 12345] {
        let changes = walk(&checker, F::from_u32(22), [bit, 1, 1, 0]);
        assert!(checker.notices(&changes), "bit {bit}");
    }
    // 22 = 16 + 2·1 + 4·1 again, by numbers that are not bits: the walk ends where it should.
    for bits in [[2, 0, 1, 0], [6, 0, 0, 0], [0, 3, 0, 0]] {
        let changes = walk(&checker, F::from_u32(22), bits);
        assert_eq!(changes[8].3, F::ONE, "the index at the end");
        assert!(checker.notices(&changes), "{bits:?}");
    }
}
