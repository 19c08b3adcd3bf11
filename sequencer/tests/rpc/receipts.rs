//! A transaction on its way: pending, notarized, final with a proof that convinces a stranger.

use crate::support::{
    chain::{EVM, OPAQUE, opaque},
    node::TestNode,
};
use serde_json::json;
use sinter_primitives::{Namespace, Transaction, TransactionId, receipt::Receipt};
use sinter_sequencer::mempool::Visibility;
use sinter_sequencer::rpc::{
    SinterApiClient,
    types::{Id, SendTransaction, TransactionStatus},
};

/// The transaction as the node made it of a request.
fn ordered(node: &TestNode, id: &TransactionId) -> Transaction {
    node.handle.mempool.get(id).unwrap()
}

async fn receipt(node: &TestNode, id: TransactionId) -> Receipt {
    match node.http().receipt(Id(id)).await.unwrap() {
        TransactionStatus::Finalized { receipt } => *receipt,
        other => panic!("expected a final transaction, got {other:?}"),
    }
}

#[tokio::test]
async fn a_transaction_goes_through_its_stages() {
    let mut node = TestNode::start().await;
    node.grow(3);
    let client = node.http();
    let accepted = client.send_transaction(SendTransaction::new(OPAQUE, b"hello".to_vec())).await.unwrap();
    let id = accepted.transaction_id;
    assert_eq!(accepted.expiry_height, 3 + 256);
    assert_eq!(client.receipt(Id(id)).await.unwrap(), TransactionStatus::Pending);

    node.handle.mempool.notarized(4, &[id]);
    assert_eq!(client.receipt(Id(id)).await.unwrap(), TransactionStatus::Notarized { height: 4 });

    let transaction = ordered(&node, &id);
    node.finalize(vec![opaque(4, 1), transaction, opaque(4, 2)], true);
    let receipt = receipt(&node, id).await;
    let verified = receipt.verify(&node.chain.network.trusted()).unwrap();
    assert_eq!((verified.transaction_id, verified.height, verified.index), (id, 4, 1));
    assert_eq!((verified.certified_height, verified.signers), (4, 3));

    let unknown = client.receipt(Id(sinter_primitives::Digest([9; 32]))).await.unwrap();
    assert_eq!(unknown, TransactionStatus::Unknown);
}

#[tokio::test]
async fn a_height_without_a_finalization_is_proven_from_above() {
    let mut node = TestNode::start().await;
    node.grow(2);
    let transaction = opaque(3, 7);
    let id = transaction.id(crate::support::chain::CHAIN_ID);
    node.finalize(vec![transaction], false);
    // Final, but nothing here proves it yet.
    assert_eq!(node.http().receipt(Id(id)).await.unwrap(), TransactionStatus::Notarized { height: 3 });
    node.finalize(vec![], false);
    node.finalize(vec![], true);
    node.finalize(vec![], true);
    let receipt = receipt(&node, id).await;
    assert_eq!(receipt.header_chain.headers.len(), 3);
    let verified = receipt.verify(&node.chain.network.trusted()).unwrap();
    assert_eq!((verified.height, verified.certified_height), (3, 5));
}

#[tokio::test]
async fn a_receipt_survives_json_and_no_forgery() {
    let mut node = TestNode::start().await;
    node.grow(4);
    let id = node.chain.at(4).ids[0];
    let answer = node.post("/", "sinter_getReceipt", json!([format!("0x{id}")])).await;
    let json = &answer["result"]["receipt"];
    let network = node.chain.network.trusted();
    serde_json::from_value::<Receipt>(json.clone()).unwrap().verify(&network).unwrap();
    for (path, forged) in [
        ("/height", json!(3)),
        ("/index", json!(1)),
        ("/namespace", json!(2)),
        ("/transaction_id", json!(format!("0x{}", "11".repeat(32)))),
        ("/leaf/tx_count", json!(2)),
        ("/header_chain/headers/0/timestamp_ms", json!(1)),
    ] {
        let mut changed = json.clone();
        *changed.pointer_mut(path).unwrap() = forged;
        let receipt: Receipt = serde_json::from_value(changed).unwrap();
        assert!(receipt.verify(&network).is_err(), "{path}");
    }
}

#[tokio::test]
async fn what_the_mempool_refuses_is_refused_by_code() {
    let mut node = TestNode::start().await;
    node.grow(2);
    let limit = node.handle.chain.file.parameters.payload_bytes_max;
    let send = async |namespace: Namespace, payload: Vec<u8>, expiry: Option<u64>| {
        let request = SendTransaction { expiry_height: expiry, ..SendTransaction::new(namespace, payload) };
        node.post("/", "sinter_sendTransaction", json!([request])).await
    };
    for (answer, code, word) in [
        (send(Namespace(5), vec![1], None).await, -32602, "namespace"),
        (send(OPAQUE, vec![], None).await, -32021, "1 byte"),
        (send(OPAQUE, vec![1; limit + 1], None).await, -32022, "at most"),
        (send(OPAQUE, vec![1], Some(2)).await, -32023, "at least 3"),
        (send(OPAQUE, vec![1], Some(10_000)).await, -32024, "at most"),
        (send(EVM, vec![1; limit + 1], None).await, -32022, "at most"),
    ] {
        assert_eq!(answer["error"]["code"], code, "{answer}");
        assert!(answer["error"]["message"].as_str().unwrap().contains(word), "{answer}");
    }
    assert!(send(OPAQUE, vec![1], Some(9)).await["result"]["transaction_id"].is_string());
    let again = send(OPAQUE, vec![1], Some(9)).await;
    assert_eq!(again["error"]["code"], -32025, "{again}");
    assert_eq!(again["error"]["data"]["code"], "already-pending", "{again}");
}

#[tokio::test]
async fn private_transactions_are_marked_so() {
    let node = TestNode::start().await;
    let request = SendTransaction { private: true, ..SendTransaction::new(OPAQUE, b"quiet".to_vec()) };
    node.http().send_transaction(request).await.unwrap();
    assert_eq!(node.handle.mempool.local_after(0, 1)[0].1, Visibility::Private);
}
