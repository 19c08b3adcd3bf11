//! Signatures, natively.

use crate::world::{KEYS, domain};
use p3_field::PrimeCharacteristicRing;
use sinter_ledger::signature::{CHAINS, DIGIT_SUM, LEAVES, Message, SecretKey, digest, digits, verify};
use sinter_program::F;
use sinter_rollup::Digest;

fn message(text: u32) -> Message {
    let mut body = Digest::default();
    body[0] = F::from_u32(text);
    [domain(), body, Digest::default(), body]
}

#[test]
fn what_is_signed_verifies_and_nothing_else() {
    let key = &KEYS[0];
    for leaf in [0, 1, 2, LEAVES - 1] {
        let signature = key.sign(leaf, &message(7));
        assert!(verify(&key.public(), leaf, &message(7), &signature));
        assert!(!verify(&key.public(), leaf ^ 1, &message(7), &signature), "another leaf");
        assert!(!verify(&key.public(), leaf, &message(8), &signature), "another message");
        assert!(!verify(&KEYS[1].public(), leaf, &message(7), &signature), "another key");
        assert!(!verify(&key.public(), leaf + LEAVES, &message(7), &signature), "a leaf that is none");
        for chain in [0, CHAINS - 1] {
            let mut other = signature.clone();
            other.chains[chain][3] += F::ONE;
            assert!(!verify(&key.public(), leaf, &message(7), &other), "chain {chain}");
        }
        let mut other = signature.clone();
        other.path[5][0] += F::ONE;
        assert!(!verify(&key.public(), leaf, &message(7), &other), "path");
        let mut other = signature.clone();
        other.salt[0] ^= 1;
        assert!(!verify(&key.public(), leaf, &message(7), &other), "salt");
    }
}

#[test]
fn signing_again_gives_the_same_signature() {
    assert_eq!(KEYS[0].sign(5, &message(1)), KEYS[0].sign(5, &message(1)));
    assert_ne!(KEYS[0].sign(5, &message(1)).salt, KEYS[0].sign(6, &message(1)).salt);
    assert_eq!(SecretKey::new(&[1; 32]).public(), KEYS[0].public());
}

#[test]
fn signed_digits_have_the_sum() {
    let signature = KEYS[0].sign(9, &message(3));
    assert_eq!(digits(&digest(&message(3), &signature.salt)).iter().sum::<u32>(), DIGIT_SUM);
}
