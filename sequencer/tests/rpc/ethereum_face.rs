//! An unchanged Ethereum client sends, and learns where its transaction stands.

use super::bad_ethereum_transactions::{one_of_each, signer};
use crate::support::{
    chain::{CHAIN_ID, EVM, EVM_CHAIN_ID},
    node::TestNode,
};
use alloy::{
    consensus::{Transaction as _, Typed2718},
    primitives::{Bytes, keccak256},
    providers::{Provider, ProviderBuilder},
};
use serde_json::{Value, json};
use sinter_sequencer::mempool::Visibility;
use sinter_sequencer::rpc::{
    SinterApiClient,
    types::{Id, SendTransaction, TransactionStatus},
};

const FACE: &str = "/namespaces/1";

#[tokio::test]
async fn an_ethereum_client_sends_every_type_and_sees_them_included() {
    let mut node = TestNode::start().await;
    node.grow(2);
    let url = format!("{}{FACE}", node.url()).parse().unwrap();
    let provider = ProviderBuilder::new().disable_recommended_fillers().connect_http(url);
    assert_eq!(provider.get_chain_id().await.unwrap(), EVM_CHAIN_ID);
    assert_eq!(provider.get_block_number().await.unwrap(), 2);
    assert_eq!(provider.get_net_version().await.unwrap(), EVM_CHAIN_ID);

    let raws = one_of_each(0);
    let mut transactions = Vec::new();
    for (raw, ty) in raws.iter().zip([0, 1, 2, 4]) {
        let hash = *provider.send_raw_transaction(raw).await.unwrap().tx_hash();
        assert_eq!(hash, keccak256(raw));
        assert!(provider.get_transaction_receipt(hash).await.unwrap().is_none());
        let pending = provider.get_transaction_by_hash(hash).await.unwrap().unwrap();
        assert_eq!((pending.block_number, pending.inner.ty()), (None, ty));
        assert_eq!(pending.inner.signer(), signer(1).address());
        let outgoing = node.taken_in(transactions.len() as u64);
        assert_eq!(outgoing.transaction.payload, raw.as_slice());
        transactions.push(outgoing.transaction.clone());
    }
    node.finalize(transactions, true);

    for (index, (raw, ty)) in (0..).zip(raws.iter().zip([0, 1, 2, 4])) {
        let hash = keccak256(raw);
        let receipt = provider.get_transaction_receipt(hash).await.unwrap().unwrap();
        assert_eq!((receipt.block_number, receipt.transaction_index), (Some(3), Some(index)));
        assert_eq!(receipt.block_hash.unwrap().0, node.chain.at(3).block.digest().0);
        assert_eq!((receipt.from, receipt.transaction_type() as u8), (signer(1).address(), ty));
        // Type 2 creates a contract here.
        assert_eq!(receipt.contract_address.is_some(), ty == 2);
        let found = provider.get_transaction_by_hash(hash).await.unwrap().unwrap();
        assert_eq!((found.block_number, found.inner.nonce()), (Some(3), index));
    }
}

#[tokio::test]
async fn a_receipt_claims_inclusion_and_nothing_more() {
    let mut node = TestNode::start().await;
    let [raw, ..] = one_of_each(0);
    let sent = node.http().send_transaction(SendTransaction::new(EVM, raw.clone())).await.unwrap();
    let transaction = node.handle.mempool.get(&sent.transaction_id).unwrap();
    node.finalize(vec![transaction], true);
    let answer = node.post(FACE, "eth_getTransactionReceipt", json!([keccak256(&raw)])).await;
    let receipt = &answer["result"];
    assert!(receipt.get("status").is_none(), "{receipt}");
    let accumulator = node.chain.at(1).ledger_after.accumulator(EVM).unwrap();
    assert_eq!(receipt["root"], format!("0x{}", hex::encode(accumulator.0)));
    assert_eq!((&receipt["gasUsed"], &receipt["logs"]), (&json!("0x0"), &json!([])));
    // The same transaction under its own id, with the proof.
    let TransactionStatus::Finalized { receipt } = node.http().receipt(Id(sent.transaction_id)).await.unwrap() else {
        panic!("expected a final transaction");
    };
    receipt.verify(&node.chain.network.trusted()).unwrap();
}

#[tokio::test]
async fn a_transaction_that_is_sent_again_is_known() {
    let mut node = TestNode::start().await;
    let [raw, other, ..] = one_of_each(0).map(Bytes::from);
    let send = async |node: &TestNode, raw: &Bytes| node.post(FACE, "eth_sendRawTransaction", json!([raw])).await;
    assert!(send(&node, &raw).await["result"].is_string());
    // Later, with another expiry, and so another id.
    node.grow(1);
    let again = send(&node, &raw).await;
    assert_eq!((&again["error"]["code"], &again["error"]["data"]["code"]), (&json!(-32025), &json!("already-pending")));
    let transaction = node.taken_in(0).transaction.clone();
    node.finalize(vec![transaction.clone()], true);
    let again = send(&node, &raw).await;
    assert_eq!(again["error"]["code"], -32026, "{again}");
    assert_eq!(again["error"]["data"]["id"], format!("0x{}", transaction.id(CHAIN_ID)), "{again}");
    assert!(send(&node, &other).await["result"].is_string());
}

#[tokio::test]
async fn the_private_path_is_for_leaders_only() {
    let node = TestNode::start().await;
    let [raw, ..] = one_of_each(0).map(Bytes::from);
    let private = node.post("/namespaces/1/private", "eth_sendRawTransaction", json!([raw])).await;
    assert!(private["result"].is_string(), "{private}");
    assert_eq!(node.handle.mempool.local_after(0, 1)[0].1, Visibility::Private);
}

#[tokio::test]
async fn a_private_transaction_is_not_shown_before_it_is_final() {
    let mut node = TestNode::start().await;
    let [hidden, shown, ..] = one_of_each(0).map(Bytes::from);
    let private = "/namespaces/1/private";
    assert!(node.post(private, "eth_sendRawTransaction", json!([hidden])).await["result"].is_string());
    assert!(node.post(FACE, "eth_sendRawTransaction", json!([shown])).await["result"].is_string());
    let outgoing = node.taken_in(0);
    assert_eq!(outgoing.transaction.payload, hidden.0);
    node.handle.mempool.notarized(1, &[outgoing.transaction.id(CHAIN_ID)]);
    for path in [FACE, private] {
        let answer = node.post(path, "eth_getTransactionByHash", json!([keccak256(&hidden)])).await;
        assert_eq!(answer.get("result"), Some(&Value::Null), "{path}: {answer}");
        let answer = node.post(path, "eth_getTransactionByHash", json!([keccak256(&shown)])).await;
        assert!(answer["result"].is_object(), "{path}: {answer}");
    }
    node.finalize(vec![outgoing.transaction], true);
    let answer = node.post(FACE, "eth_getTransactionByHash", json!([keccak256(&hidden)])).await;
    assert_eq!(answer["result"]["blockNumber"], "0x1", "{answer}");
}

#[tokio::test]
async fn what_is_not_served_says_what_to_configure() {
    let node = TestNode::start().await;
    for method in ["eth_getTransactionCount", "eth_call", "eth_getBalance", "debug_traceBlock", "sinter_status"] {
        let answer = node.post(FACE, method, json!([])).await;
        assert_eq!(answer["error"]["code"], -32601, "{answer}");
        let message = answer["error"]["message"].as_str().unwrap();
        assert!(message.contains("namespaces.1.rpc_url") && message.contains(method), "{message}");
    }
    let subscribe = node.post(FACE, "eth_subscribe", json!(["newHeads"])).await;
    assert!(subscribe["error"]["message"].as_str().unwrap().contains("not passed on"), "{subscribe}");
    // Faces exist for namespaces that speak Ethereum only.
    for (path, word) in
        [("/namespaces/9", "no EIP-155"), ("/namespaces/4", "not open"), ("/namespaces/x", "whole number")]
    {
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "eth_chainId" }).to_string();
        let (status, body) = crate::support::node::http(node.server.address(), "POST", path, "", &body).await;
        assert_eq!(status, 404, "{path}");
        assert!(body.contains(word), "{path}: {body}");
    }
    // Ethereum's methods are not the node's own.
    let answer = node.post("/", "eth_chainId", json!([])).await;
    assert_eq!(answer["error"]["code"], -32601, "{answer}");
}

#[tokio::test]
async fn hashes_that_nobody_knows_are_null() {
    let mut node = TestNode::start().await;
    // What another node let through: bytes in the lane that are no transaction.
    node.finalize(vec![crate::support::chain::evm(1, 1)], true);
    let garbage = keccak256(&node.chain.at(1).block.body.lanes[0].transactions[0].payload);
    for hash in [garbage.to_string(), format!("0x{}", "00".repeat(32))] {
        for method in ["eth_getTransactionReceipt", "eth_getTransactionByHash"] {
            let answer = node.post(FACE, method, json!([hash])).await;
            assert_eq!(answer.get("result"), Some(&Value::Null), "{method}: {answer}");
        }
    }
    let wrong = node.post(FACE, "eth_getTransactionReceipt", json!(["0x12"])).await;
    assert_eq!(wrong["error"]["code"], -32602, "{wrong}");
}
