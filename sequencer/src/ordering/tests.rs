//! The rules, and who tries to break them.

#![allow(clippy::unwrap_used)]

use super::*;
use bytes::Bytes;
use commonware_cryptography::{Signer, ed25519};
use sinter_primitives::Namespace;

const NAMESPACE: Namespace = Namespace(5);
const CONTEXT: LaneContext = LaneContext { chain_id: 7, height: 100 };

fn auction_key() -> ed25519::PrivateKey {
    ed25519::PrivateKey::from_seed(1)
}

fn key_bytes(key: &ed25519::PrivateKey) -> Digest {
    Digest(key.public_key().as_ref().try_into().unwrap())
}

fn express() -> Express {
    Express::new(NAMESPACE, key_bytes(&auction_key()))
}

fn transaction(kind: TransactionKind, payload: impl Into<Bytes>) -> Transaction {
    Transaction { kind, namespace: NAMESPACE, expiry_height: 100, payload: payload.into() }
}

fn user(number: u8) -> Transaction {
    transaction(TransactionKind::User, vec![number; 10])
}

fn bundle_by(key: &ed25519::PrivateKey, chain_id: u64, namespace: Namespace, height: u64) -> Transaction {
    transaction(TransactionKind::Express, seal_bundle(key, chain_id, namespace, height, b"bundle"))
}

fn bundle() -> Transaction {
    bundle_by(&auction_key(), 7, NAMESPACE, 100)
}

fn check(rule: &impl OrderingRule, transactions: Vec<Transaction>) -> Result<(), OrderingError> {
    rule.check(&transactions, &CONTEXT)
}

#[test]
fn first_come_accepts_users_in_any_order() {
    check(&FirstCome, vec![user(1), user(2)]).unwrap();
    check(&FirstCome, vec![user(2), user(1)]).unwrap();
}

#[test]
fn no_rule_accepts_the_inbox() {
    let inbox = || transaction(TransactionKind::Inbox, vec![1]);
    let refusal = |expected| Err(OrderingError::KindForbidden { expected, got: TransactionKind::Inbox });
    assert_eq!(check(&FirstCome, vec![user(1), inbox()]), refusal(vec![TransactionKind::User]));
    assert_eq!(check(&express(), vec![inbox()]), refusal(vec![TransactionKind::User, TransactionKind::Express]));
}

#[test]
fn first_come_accepts_no_bundle() {
    let expected = vec![TransactionKind::User];
    let refusal = OrderingError::KindForbidden { expected, got: TransactionKind::Express };
    assert_eq!(check(&FirstCome, vec![bundle()]), Err(refusal.clone()));
    assert_eq!(FirstCome.admit(&bundle(), 7), Err(refusal));
}

#[test]
fn a_bundle_opens_the_lane_or_there_is_none() {
    check(&express(), vec![bundle(), user(1), user(2)]).unwrap();
    check(&express(), vec![bundle()]).unwrap();
    check(&express(), vec![user(1), user(2)]).unwrap();
    assert_eq!(express().admit(&bundle(), 7), Ok(Admission::Opens { height: 100 }));
    assert_eq!(express().admit(&user(1), 7), Ok(Admission::InTurn));
}

#[test]
fn a_bundle_behind_others_is_refused() {
    assert_eq!(check(&express(), vec![user(1), bundle()]), Err(OrderingError::BundleNotFirst { got: 1 }));
}

#[test]
fn a_second_bundle_is_refused() {
    let second = transaction(TransactionKind::Express, seal_bundle(&auction_key(), 7, NAMESPACE, 100, b"another"));
    let lane = vec![bundle(), user(1), second];
    assert_eq!(check(&express(), lane), Err(OrderingError::BundleRepeated { position: 2 }));
}

#[test]
fn a_bundle_for_another_height_is_refused() {
    let other = bundle_by(&auction_key(), 7, NAMESPACE, 101);
    assert_eq!(check(&express(), vec![other]), Err(OrderingError::BundleHeight { expected: 100, got: 101 }));
}

#[test]
fn a_bundle_signed_for_another_chain_namespace_or_by_another_key_is_refused() {
    let forged = OrderingError::BundleSignature { auction_key: key_bytes(&auction_key()), height: 100 };
    let stranger = ed25519::PrivateKey::from_seed(2);
    for bundle in [
        bundle_by(&auction_key(), 8, NAMESPACE, 100),
        bundle_by(&auction_key(), 7, Namespace(6), 100),
        bundle_by(&stranger, 7, NAMESPACE, 100),
    ] {
        assert_eq!(check(&express(), vec![bundle.clone()]), Err(forged.clone()));
        assert_eq!(express().admit(&bundle, 7), Err(forged.clone()));
    }
}

#[test]
fn a_bundle_that_was_touched_is_refused() {
    let sealed = bundle().payload;
    for place in 0..sealed.len() {
        let mut touched = sealed.to_vec();
        touched[place] ^= 1;
        let verdict = check(&express(), vec![transaction(TransactionKind::Express, touched)]);
        assert!(
            matches!(verdict, Err(OrderingError::BundleSignature { .. } | OrderingError::BundleHeight { .. })),
            "byte {place}: {verdict:?}"
        );
    }
    for length in 0..BUNDLE_ENVELOPE_BYTES {
        let verdict = check(&express(), vec![transaction(TransactionKind::Express, sealed.slice(..length))]);
        assert_eq!(verdict, Err(OrderingError::BundleTooShort { min: 72, got: length }));
    }
}

#[test]
fn an_auction_key_off_the_curve_signs_nothing() {
    let auction_key = (0u8..=255)
        .map(|byte| Digest([byte; 32]))
        .find(|bytes| {
            Express::new(NAMESPACE, *bytes).admit(&bundle(), 7)
                == Err(OrderingError::AuctionKey { auction_key: *bytes })
        })
        .expect("half of all byte strings are no curve point");
    let rule = Express::new(NAMESPACE, auction_key);
    assert_eq!(check(&rule, vec![bundle()]), Err(OrderingError::AuctionKey { auction_key }));
    check(&rule, vec![user(1)]).unwrap();
}

/// The law of every rule: what `build` arranges, `check` accepts.
#[test]
fn what_build_arranges_check_accepts() {
    let stranger = ed25519::PrivateKey::from_seed(2);
    let material = [
        user(1),
        bundle_by(&stranger, 7, NAMESPACE, 100),
        transaction(TransactionKind::Express, vec![0; 5]),
        bundle_by(&auction_key(), 7, NAMESPACE, 99),
        bundle(),
        transaction(TransactionKind::Inbox, vec![9]),
        user(2),
        bundle(),
    ];
    for rule in [Rule::FirstCome(FirstCome), Rule::Express(express())] {
        for subset in 0u32..1 << material.len() {
            let chosen = (0..material.len()).filter(|place| subset >> place & 1 == 1);
            let mut candidates: Vec<_> = chosen.map(|place| material[place].clone()).collect();
            let users = candidates.iter().filter(|candidate| candidate.kind == TransactionKind::User).cloned();
            let users: Vec<_> = users.collect();
            rule.build(&mut candidates, &CONTEXT);
            assert!(candidates.ends_with(&users), "users stay, in order of arrival");
            check(&rule, candidates).unwrap();
        }
    }
}

#[test]
fn the_signed_message_is_as_documented() {
    use commonware_cryptography::{Hasher, Sha256, Verifier};
    let sealed = bundle().payload;
    let mut message = Vec::new();
    message.extend_from_slice(&7u64.to_be_bytes());
    message.extend_from_slice(&5u64.to_be_bytes());
    message.extend_from_slice(&100u64.to_be_bytes());
    message.extend_from_slice(&Sha256::hash(&[b"bundle"]));
    let signature = commonware_codec::DecodeExt::decode(commonware_codec::Copying(&sealed[..64])).unwrap();
    assert!(auction_key().public_key().verify(b"SINTER_EXPRESS", &message, &signature));
    assert_eq!(commonware_utils::union_unique(b"SINTER_EXPRESS", &message)[..15], *b"\x0eSINTER_EXPRESS");
    assert_eq!(&sealed[64..72], &100u64.to_be_bytes());
    assert_eq!(&sealed[72..], b"bundle");
}
