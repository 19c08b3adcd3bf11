//! Every way in which bytes are not an acceptable Ethereum transaction, each with its own reason.

use crate::support::{chain::EVM_CHAIN_ID, node::TestNode};
use alloy::{
    consensus::{
        SignableTransaction, TxEip1559, TxEip2930, TxEip4844, TxEip7702, TxEnvelope, TxLegacy,
        transaction::RlpEcdsaEncodableTx,
    },
    eips::{Encodable2718, eip7702::Authorization},
    primitives::{Address, B256, Bytes, Signature, TxKind, U256},
    signers::{SignerSync, local::PrivateKeySigner},
};
use serde_json::json;

/// The key that signs; the same in every run.
pub fn signer(n: u8) -> PrivateKeySigner {
    PrivateKeySigner::from_bytes(&B256::repeat_byte(n)).unwrap()
}

fn sign<T: SignableTransaction<Signature> + RlpEcdsaEncodableTx>(transaction: T) -> Vec<u8>
where
    TxEnvelope: From<alloy::consensus::Signed<T>>,
{
    sign_by(1, transaction)
}

/// The transaction, signed by another key.
pub fn sign_by<T: SignableTransaction<Signature> + RlpEcdsaEncodableTx>(n: u8, transaction: T) -> Vec<u8>
where
    TxEnvelope: From<alloy::consensus::Signed<T>>,
{
    let signature = signer(n).sign_hash_sync(&transaction.signature_hash()).unwrap();
    TxEnvelope::from(transaction.into_signed(signature)).encoded_2718()
}

pub fn legacy(nonce: u64) -> TxLegacy {
    TxLegacy {
        chain_id: Some(EVM_CHAIN_ID),
        nonce,
        gas_price: 7,
        gas_limit: 21_000,
        to: TxKind::Call(Address::repeat_byte(9)),
        value: U256::from(5),
        input: Bytes::new(),
    }
}

pub fn eip2930(nonce: u64) -> TxEip2930 {
    TxEip2930 {
        chain_id: EVM_CHAIN_ID,
        nonce,
        gas_price: 7,
        gas_limit: 21_000,
        to: TxKind::Call(Address::repeat_byte(9)),
        ..TxEip2930::default()
    }
}

pub fn eip1559(nonce: u64) -> TxEip1559 {
    TxEip1559 {
        chain_id: EVM_CHAIN_ID,
        nonce,
        gas_limit: 60_000,
        max_fee_per_gas: 10,
        max_priority_fee_per_gas: 10,
        to: TxKind::Create,
        input: Bytes::from(vec![0x60, 0x00]),
        ..TxEip1559::default()
    }
}

pub fn eip7702(nonce: u64) -> TxEip7702 {
    let authorization =
        Authorization { chain_id: U256::from(EVM_CHAIN_ID), address: Address::repeat_byte(3), nonce: 1 };
    let signature = signer(2).sign_hash_sync(&authorization.signature_hash()).unwrap();
    TxEip7702 {
        chain_id: EVM_CHAIN_ID,
        nonce,
        gas_limit: 60_000,
        max_fee_per_gas: 10,
        to: Address::repeat_byte(9),
        authorization_list: vec![authorization.into_signed(signature)],
        ..TxEip7702::default()
    }
}

/// A signed transaction of each type that is ordered.
pub fn one_of_each(nonce: u64) -> [Vec<u8>; 4] {
    [sign(legacy(nonce)), sign(eip2930(nonce + 1)), sign(eip1559(nonce + 2)), sign(eip7702(nonce + 3))]
}

/// A type-2 transaction whose signature is changed before it is encoded.
fn with_signature(change: impl Fn(Signature) -> Signature) -> Vec<u8> {
    let transaction = eip1559(0);
    let signature = change(signer(1).sign_hash_sync(&transaction.signature_hash()).unwrap());
    TxEnvelope::from(transaction.into_signed(signature)).encoded_2718()
}

fn with_high_s(signature: Signature) -> Signature {
    let order = U256::from_str_radix("FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141", 16).unwrap();
    Signature::new(signature.r(), order - signature.s(), !signature.v())
}

#[tokio::test]
async fn each_is_refused_with_its_reason() {
    let node = TestNode::start().await;
    let good = sign(eip1559(0));
    let blob = TxEip4844 {
        chain_id: EVM_CHAIN_ID,
        max_fee_per_blob_gas: 1,
        blob_versioned_hashes: vec![B256::repeat_byte(1)],
        ..TxEip4844::default()
    };
    let blob = {
        let signature = signer(1).sign_hash_sync(&blob.signature_hash()).unwrap();
        let signed: alloy::consensus::EthereumTxEnvelope<TxEip4844> = blob.into_signed(signature).into();
        signed.encoded_2718()
    };
    // The nonce 0 as one zero byte instead of the empty string: the lists around it grow by nothing.
    let mut leading_zero = sign(legacy(0));
    let place = leading_zero.iter().position(|byte| *byte == 0x80).unwrap();
    leading_zero[place] = 0x00;
    let cases: Vec<(&str, Vec<u8>, &str)> = vec![
        ("no bytes", vec![], "empty"),
        ("noise", vec![0xff; 40], "encoding"),
        ("a string", vec![0x83, 1, 2, 3], "encoding"),
        ("half of one", good[..good.len() / 2].to_vec(), "encoding"),
        ("one byte more", [good.clone(), vec![0]].concat(), "encoding"),
        ("a zero with a zero", leading_zero, "encoding"),
        ("type 0 as a prefix", [vec![0], sign(legacy(0))].concat(), "type"),
        ("type 5", [vec![5], good[1..].to_vec()].concat(), "type"),
        ("type 0x7f", vec![0x7f, 0xc0], "type"),
        ("a blob transaction", blob, "blob"),
        ("no chain id", sign(TxLegacy { chain_id: None, ..legacy(0) }), "not-replay-protected"),
        ("another chain, type 0", sign(TxLegacy { chain_id: Some(1), ..legacy(0) }), "chain-id"),
        ("another chain, type 1", sign(TxEip2930 { chain_id: 7002, ..eip2930(0) }), "chain-id"),
        ("another chain, type 2", sign(TxEip1559 { chain_id: 0, ..eip1559(0) }), "chain-id"),
        ("another chain, type 4", sign(TxEip7702 { chain_id: 1, ..eip7702(0) }), "chain-id"),
        ("the upper signature", with_signature(with_high_s), "high-s"),
        (
            "r is zero",
            with_signature(|signature| Signature::new(U256::ZERO, signature.s(), signature.v())),
            "signature",
        ),
        (
            "s is zero",
            with_signature(|signature| Signature::new(signature.r(), U256::ZERO, signature.v())),
            "signature",
        ),
        (
            "r is beyond the field",
            with_signature(|signature| Signature::new(U256::MAX, signature.s(), signature.v())),
            "signature",
        ),
        ("the last nonce", sign(eip1559(u64::MAX)), "nonce"),
        ("a tip above the fee", sign(TxEip1559 { max_priority_fee_per_gas: 11, ..eip1559(0) }), "priority-fee"),
        (
            "type 4 without authorizations",
            sign(TxEip7702 { authorization_list: vec![], ..eip7702(0) }),
            "no-authorization",
        ),
    ];
    for (name, bytes, code) in cases {
        let raw = Bytes::from(bytes).to_string();
        let face = node.post("/namespaces/1", "eth_sendRawTransaction", json!([raw])).await;
        assert_eq!(face["error"]["code"], -32060, "{name}: {face}");
        assert_eq!(face["error"]["data"]["code"], code, "{name}: {face}");
        assert!(face["error"]["message"].as_str().unwrap().contains("expected"), "{name}: {face}");
        // The node's own interface asks no less.
        let own = node.post("/", "sinter_sendTransaction", json!([{ "namespace": 1, "payload": raw }])).await;
        assert_eq!(own["error"], face["error"], "{name}");
    }
    assert_eq!(node.handle.mempool.stats().transactions, 0);
}

#[tokio::test]
async fn chain_ids_are_said() {
    let node = TestNode::start().await;
    let raw = Bytes::from(sign(TxLegacy { chain_id: Some(1), ..legacy(0) })).to_string();
    let answer = node.post("/namespaces/1", "eth_sendRawTransaction", json!([raw])).await;
    assert_eq!(answer["error"]["data"], json!({ "code": "chain-id", "expected": EVM_CHAIN_ID, "got": 1 }));
}

#[tokio::test]
async fn a_changed_byte_is_another_sender_or_no_transaction() {
    // Whatever is flipped, the node never takes in what the signer did not sign as the signer's.
    let node = TestNode::start().await;
    let good = sign(eip1559(0));
    for place in 0..good.len() {
        let mut bytes = good.clone();
        bytes[place] ^= 0x01;
        let raw = Bytes::from(bytes.clone()).to_string();
        let answer = node.post("/namespaces/1", "eth_sendRawTransaction", json!([raw])).await;
        if answer["result"].is_string() {
            let found = node.post("/namespaces/1", "eth_getTransactionByHash", json!([answer["result"]])).await;
            let from = found["result"]["from"].as_str().unwrap().to_owned();
            assert_ne!(from.to_lowercase(), signer(1).address().to_string().to_lowercase(), "byte {place}");
        }
    }
}
