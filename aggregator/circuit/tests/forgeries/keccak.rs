//! Digests that are none: other messages, other padding, other limbs, other outputs.

use p3_field::{PrimeCharacteristicRing, PrimeField32};
use p3_keccak_air::{KeccakCols, generate_trace_rows};
use sinter_circuit::{F, Heights, TableKind};
use std::borrow::Borrow;

use super::stock::stock_accepts;
use crate::support::Random;
use crate::support::checker::Checker;
use crate::support::digests::digests;

const KECCAK: usize = TableKind::Keccak as usize;
const BOUNDARY: usize = TableKind::Boundary as usize;
const ROUNDS: usize = 24;
/// Constraints of stock `KeccakAir`; those of the padding follow, a limb each, from lane 8.
const STOCK: usize = 3182;

/// Two permutations: the first of a long message, the second of a short one. The last 16 rows are of neither.
fn valid() -> Checker {
    let (circuit, inputs) = digests(Heights::Keccak { keccak: 6, others: 9 });
    let witness = circuit.execute(&inputs).unwrap();
    let checker = Checker::new(&circuit, circuit.traces(&witness), witness.publics());
    checker.check().unwrap();
    checker
}

/// The state that enters permutation `index`.
fn state(checker: &Checker, index: usize) -> [u64; 25] {
    let width = checker.traces[KECCAK].width;
    let row: &KeccakCols<F> = checker.traces[KECCAK].values[index * ROUNDS * width..][..width].borrow();
    let lane = |limbs: [F; 4]| limbs.iter().rev().fold(0, |lane, limb| lane << 16 | u64::from(limb.as_canonical_u32()));
    std::array::from_fn(|at| lane(row.preimage[at / 5][at % 5]))
}

/// The cells of permutation `index` as those of another state: an honest permutation, so that stock's constraints hold.
fn permuted(checker: &Checker, index: usize, state: [u64; 25]) -> Vec<(usize, usize, usize, F)> {
    let rows = generate_trace_rows::<F>(vec![state], 0);
    let mut changes = Vec::new();
    for row in 0..ROUNDS {
        for column in 0..rows.width {
            let (at, value) = (index * ROUNDS + row, rows.values[row * rows.width + column]);
            if checker.cell(KECCAK, at, column) != value {
                changes.push((KECCAK, at, column, value));
            }
        }
    }
    changes
}

#[test]
fn every_column_is_noticed() {
    let mut checker = valid();
    let mut random = Random::new(41);
    let width = checker.traces[KECCAK].width;
    let mut free = Vec::new();
    for row in [0, 1, 22, 23, 24, 47] {
        for column in 0..width {
            let old = checker.cell(KECCAK, row, column);
            for value in [old + F::ONE, F::ONE - old, random.base()] {
                if value != old && !checker.notices(&[(KECCAK, row, column, value)]) {
                    free.push((row, column));
                }
            }
        }
    }
    // `export`, by which stock's users choose permutations: here the multiplicities do.
    free.dedup();
    assert_eq!(free, [(23, ROUNDS), (47, ROUNDS)]);
}

#[test]
fn every_limb_of_the_padding_is_constrained() {
    let checker = valid();
    for (index, length) in [(0, 12), (1, 8)] {
        let honest = state(&checker, index);
        assert!(checker.violated(&permuted(&checker, index, honest)).is_empty(), "the honest state");
        for lane in length..25 {
            for limb in 0..4 {
                // An honest permutation of a state with other padding.
                let mut state = honest;
                state[lane] ^= 1 << (16 * limb + 5);
                let violated = checker.violated(&permuted(&checker, index, state));
                let expected = (KECCAK, index * ROUNDS, STOCK + 4 * (lane - 8) + limb);
                assert_eq!(violated, [expected], "message {index} lane {lane} limb {limb}");
            }
        }
    }
}

#[test]
fn a_message_of_another_length_is_noticed() {
    let checker = valid();
    // The long message cut to 64 bytes with a short one's padding, and the short one with 32 bytes of padding as message.
    let mut cut = state(&checker, 0);
    cut[8..12].copy_from_slice(&[1, 0, 0, 0]);
    cut[12] = 0;
    assert_eq!(checker.violated(&permuted(&checker, 0, cut)).first(), Some(&(KECCAK, 0, STOCK + 16)));
    let mut longer = state(&checker, 1);
    longer[12] = 1;
    assert_eq!(checker.violated(&permuted(&checker, 1, longer)).first(), Some(&(KECCAK, ROUNDS, STOCK + 16)));
    // SHA-3's padding: 6 for 1.
    let mut sha3 = state(&checker, 0);
    sha3[12] = 6;
    assert_eq!(checker.violated(&permuted(&checker, 0, sha3)), [(KECCAK, 0, STOCK + 16)]);
    // The last bit of the rate in the capacity.
    let mut moved = state(&checker, 0);
    (moved[16], moved[17]) = (0, 1 << 63);
    assert_eq!(checker.violated(&permuted(&checker, 0, moved)).len(), 2);
}

#[test]
fn every_limb_of_a_message_and_of_a_digest_is_on_the_bus() {
    let mut checker = valid();
    for (index, length) in [(0, 12), (1, 8)] {
        let honest = state(&checker, index);
        for lane in 0..length {
            for limb in 0..4 {
                let mut state = honest;
                state[lane] ^= 1 << (16 * limb + 9);
                let changes = permuted(&checker, index, state);
                // Each is an honest permutation of another message: only the words say that it is the wrong one.
                assert!(checker.violated(&changes).is_empty());
                assert!(checker.notices(&changes), "message {index} lane {lane} limb {limb}");
            }
        }
    }
}

#[test]
fn two_messages_do_not_change_places() {
    let checker = valid();
    let states = [0, 1].map(|index| state(&checker, index));
    let mut changes = permuted(&checker, 0, states[1]);
    changes.extend(permuted(&checker, 1, states[0]));
    assert!(!checker.violated(&changes).is_empty());
    assert!(!stock_accepts(&checker, &changes));
}

#[test]
fn forged_digests_have_no_proof() {
    let mut checker = valid();
    assert!(stock_accepts(&checker, &[]), "the honest trace");
    // A changed limb of the message.
    let mut other = state(&checker, 1);
    other[3] ^= 1;
    assert!(!stock_accepts(&checker, &permuted(&checker, 1, other)));
    // Wrong padding.
    let mut unpadded = state(&checker, 1);
    unpadded[16] = 0;
    assert!(!stock_accepts(&checker, &permuted(&checker, 1, unpadded)));
    // An output word replaced, and the public values with it.
    let limb = checker.publics[32];
    let column = (0..checker.traces[KECCAK].width).rev().find(|&at| checker.cell(KECCAK, 47, at) == limb);
    checker.publics[32] += F::ONE;
    assert!(!stock_accepts(&checker, &[]));
    assert!(!stock_accepts(&checker, &[(KECCAK, 47, column.unwrap(), limb + F::ONE)]));
    assert_eq!(checker.height(BOUNDARY), 512);
}
