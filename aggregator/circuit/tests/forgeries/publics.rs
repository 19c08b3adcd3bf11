//! Public values other than the circuit's: each of the 64 is bound, exposed or not.

use p3_field::PrimeCharacteristicRing;
use sinter_circuit::{F, PUBLIC_VALUES};

use super::valid;

#[test]
fn every_public_value_is_bound() {
    let mut checker = valid();
    checker.check().unwrap();
    assert_eq!(checker.publics.len(), PUBLIC_VALUES);
    for index in 0..PUBLIC_VALUES {
        checker.publics[index] += F::ONE;
        assert!(checker.check().is_err(), "public value {index}");
        checker.publics[index] -= F::ONE;
    }
}

#[test]
fn public_words_do_not_change_places() {
    let mut checker = valid();
    for word in 0..7 {
        let mut swapped = checker.publics.clone();
        let (left, right) = swapped.split_at_mut(8 * (word + 1));
        left[8 * word..].swap_with_slice(&mut right[..8]);
        std::mem::swap(&mut checker.publics, &mut swapped);
        assert!(checker.check().is_err(), "words {word} and {}", word + 1);
        std::mem::swap(&mut checker.publics, &mut swapped);
    }
}
