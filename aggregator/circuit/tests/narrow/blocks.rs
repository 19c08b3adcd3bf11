//! Words that are read dynamically: whose port counts its readers is the only one at its address that may.

use p3_field::PrimeCharacteristicRing;
use p3_koala_bear::default_koalabear_poseidon2_16;
use p3_symmetric::Permutation;
use sinter_circuit::narrow::NARROW_PUBLIC_WORDS;
use sinter_circuit::{Builder, Circuit, F, Heights, Inputs, LeafSpec, MerkleSpec, NarrowAir, NarrowCircuit};

use crate::support::checker::Checker;
use crate::support::sample::sample_with;

/// Preprocessed columns.
const OUT: usize = 22;
const AT: usize = 23;
const CONSTANT: usize = 27;
const BLOCK: usize = 28;
const PORTS: usize = 29;

/// The best that a prover can do with the counts of dynamic reads, on both layouts of an execution that goes on
/// regardless: (the wide one accepts, the narrow one accepts).
pub fn accepted(circuit: Circuit, inputs: &Inputs, log_height: usize) -> (bool, bool) {
    let witness = circuit.execute_regardless(inputs).unwrap();
    let mut wide = Checker::new(&circuit, circuit.traces(&witness), witness.publics());
    wide.settle();
    let narrow = NarrowCircuit::new(circuit.into(), log_height).unwrap();
    let mut narrow = Checker::narrow(&narrow, &witness);
    narrow.settle();
    (wide.check().is_ok(), narrow.check().is_ok())
}

#[test]
fn a_word_of_a_block_that_is_no_constant_is_noticed() {
    let build = |claimed: F| {
        let (mut b, mut inputs) = (Builder::new(), Inputs::new());
        for word in [[claimed; 8], [F::TWO; 8]] {
            inputs.push_word(word);
        }
        let block = b.block_of_words(2);
        let expected = b.constant_word([F::ONE; 8]);
        b.assert_eq(block.word(0).unwrap(), expected);
        b.expose(0, block.word(0).unwrap());
        accepted(b.finish(Heights::Smallest).unwrap(), &inputs, 6)
    };
    assert_eq!(build(F::ONE), (true, true));
    assert_eq!(build(F::TWO), (false, false));
}

#[test]
fn constants_that_are_not_equal_are_noticed() {
    // In both orders, and with the difference in either half.
    for (left, right) in [(3, 4), (4, 3), (3, 3)] {
        for (upper_left, upper_right) in [(0, 9), (9, 0), (9, 8)] {
            let mut b = Builder::new();
            let [left, right] = [(left, upper_left), (right, upper_right)].map(|(lower, upper)| {
                let mut word = [F::ZERO; 8];
                (word[0], word[6]) = (F::from_u32(lower), F::from_u32(upper));
                b.constant_word(word)
            });
            b.assert_eq(left, right);
            let read = b.ext_at(left, None, 0);
            let product = b.mul(read, read);
            b.expose(0, product);
            let got = accepted(b.finish(Heights::Smallest).unwrap(), &Inputs::new(), 6);
            assert_eq!(got, (false, false), "{left:?} {right:?} {upper_left} {upper_right}");
        }
    }
}

/// A path whose leaf is its root, in a block that is constant, and copied: what its root is in the trace is what it is in
/// the circuit.
#[test]
fn another_root_than_the_constant_is_noticed() {
    let build = |leaf: [F; 8]| {
        let (mut b, mut inputs) = (Builder::new(), Inputs::new());
        let mut state = [F::ZERO; 16];
        state[..8].copy_from_slice(&leaf);
        default_koalabear_poseidon2_16().permute_mut(&mut state);
        let cap = b.constant_block(&[std::array::from_fn(|i| state[i])]);
        b.block_from(&[cap.word(0).unwrap()]);
        inputs.extend(leaf);
        let leaf = b.leaf(&LeafSpec { segments: vec![8], beta: None, expose: false });
        let zero = b.zero();
        b.merkle(&leaf, &MerkleSpec { depth: 0, injected: &[], index: zero, cap_index: zero, cap });
        let circuit = b.finish(Heights::Smallest).unwrap();
        let narrow = NarrowCircuit::new(circuit.into(), 6).unwrap();
        let witness = narrow.execute(&inputs).unwrap();
        Checker::narrow(&narrow, &witness)
    };
    let (mut checker, other) = (build([F::ONE; 8]), build([F::TWO; 8]));
    checker.check().unwrap();
    // Everything but the constants' own rows is the other circuit's.
    for row in (0..checker.height(0)).filter(|row| checker.prep(0, *row, CONSTANT) == F::ZERO).collect::<Vec<_>>() {
        let cells = row * checker.traces[0].width..(row + 1) * checker.traces[0].width;
        checker.traces[0].values[cells.clone()].copy_from_slice(&other.traces[0].values[cells]);
    }
    checker.settle();
    assert!(checker.check().is_err());
}

/// At each address one port has the number of the others as its multiplicity, and these −1; no other counts readers.
pub fn one_owner_at_each_address(checker: &Checker<NarrowAir>) {
    let mut ports = std::collections::HashMap::<F, Vec<(F, bool)>>::new();
    for row in 0..checker.height(0) {
        let prep = |column: usize| checker.prep(0, row, column);
        let block = prep(BLOCK) != F::ZERO;
        assert!(!block || prep(PORTS + 6) != F::ZERO, "row {row} counts readers of no word");
        for slot in 0..4 {
            let (address, multiplicity) = (prep(PORTS + 2 * slot), prep(PORTS + 2 * slot + 1));
            if address == F::ZERO {
                assert_eq!(multiplicity, F::ZERO, "row {row}: a port without an address");
                continue;
            }
            if prep(OUT) * prep(AT) != F::ZERO && slot < 2 {
                assert_eq!(multiplicity, F::NEG_ONE, "row {row}: a dynamic read");
                continue;
            }
            ports.entry(address).or_default().push((multiplicity, block && slot == 3));
        }
    }
    for (address, ports) in ports {
        let others = F::from_usize(ports.len() - 1);
        let owner = ports.iter().position(|(multiplicity, _)| *multiplicity == others).unwrap();
        for (at, (multiplicity, counts)) in ports.iter().enumerate() {
            assert!(at == owner || (*multiplicity == F::NEG_ONE && !counts), "address {address}: {ports:?}");
        }
    }
}

#[test]
fn every_address_of_the_sample_has_one_owner() {
    let (circuit, inputs) = sample_with(Heights::Smallest, NARROW_PUBLIC_WORDS);
    let narrow = NarrowCircuit::new(circuit.into(), super::LOG_HEIGHT).unwrap();
    let witness = narrow.execute(&inputs).unwrap();
    one_owner_at_each_address(&Checker::narrow(&narrow, &witness));
}
