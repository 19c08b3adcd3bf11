//! All that a namespace had ordered, checked offline: nothing missing, nothing foreign.

use crate::support::{
    chain::{CHAIN_ID, EVM, EVM_2, OPAQUE, opaque},
    node::TestNode,
};
use serde_json::json;
use sinter_primitives::{Accumulator, Namespace, receipt::NamespaceRange};
use sinter_sequencer::rpc::{RpcConfig, SinterApiClient};

/// Follows pages from `from` to `to`, verifies each with the accumulator of the one before, and gives
/// the number of pages and of transactions.
async fn follow(node: &TestNode, namespace: Namespace, from: u64, to: u64) -> (usize, u64) {
    let (client, network) = (node.http(), node.chain.network.trusted());
    let mut accumulator = Some(Accumulator::genesis(CHAIN_ID, namespace));
    let (mut next, mut pages, mut transactions) = (Some(from), 0, 0);
    while let Some(from) = next {
        let page = client.namespace_range(namespace, from, to).await.unwrap();
        assert_eq!(page.range.from_height, from);
        let verified = page.range.verify(&network, accumulator).unwrap();
        accumulator = verified.accumulator;
        transactions += verified.transactions;
        assert!(page.next_height.is_none_or(|next| next == verified.to_height + 1));
        (next, pages) = (page.next_height, pages + 1);
    }
    let ledger = &node.chain.at(to).ledger_after;
    assert_eq!(accumulator, ledger.accumulator(namespace));
    (pages, transactions)
}

#[tokio::test]
async fn every_namespace_is_followed_to_its_accumulator() {
    let mut node = TestNode::start().await;
    node.grow(30);
    assert_eq!(follow(&node, EVM, 1, 30).await, (1, 20));
    assert_eq!(follow(&node, OPAQUE, 1, 30).await, (1, 20));
    assert_eq!(follow(&node, EVM_2, 1, 30).await, (1, 0));
}

#[tokio::test]
async fn pages_are_bounded_in_heights_and_bytes() {
    let config = RpcConfig { range_heights_max: 7, ..RpcConfig::default() };
    let mut node = TestNode::with(config).await;
    node.grow(30);
    assert_eq!(follow(&node, EVM, 1, 30).await, (5, 20));

    // 96 payload bytes fit into two active heights of the opaque namespace, or into one and a bit.
    let config = RpcConfig { range_bytes_max: 100, ..RpcConfig::default() };
    let mut node = TestNode::with(config).await;
    node.grow(12);
    assert_eq!(follow(&node, OPAQUE, 1, 12).await, (4, 8));
    // A single height may hold more than a page.
    node.finalize((0..10).map(|salt| opaque(13, salt)).collect(), true);
    assert_eq!(follow(&node, OPAQUE, 1, 13).await, (5, 18));
}

#[tokio::test]
async fn a_range_ends_below_what_nothing_proves_yet() {
    let mut node = TestNode::start().await;
    node.grow(4);
    node.finalize(vec![opaque(5, 1)], false);
    node.finalize(vec![opaque(6, 1)], false);
    let page = node.http().namespace_range(OPAQUE, 2, 6).await.unwrap();
    assert_eq!((page.range.to_height, page.next_height), (4, Some(5)));
    page.range.verify(&node.chain.network.trusted(), None).unwrap();
    let answer = node.post("/", "sinter_getNamespaceRange", json!([9, 5, 6])).await;
    assert_eq!(answer["error"]["code"], -32042, "{answer}");
    node.finalize(vec![], true);
    let page = node.http().namespace_range(OPAQUE, 5, 6).await.unwrap();
    assert_eq!((page.range.to_height, page.next_height, page.range.header_chain.headers.len()), (6, None, 3));
    page.range.verify(&node.chain.network.trusted(), None).unwrap();
}

#[tokio::test]
async fn heights_above_the_head_are_for_later() {
    let mut node = TestNode::start().await;
    node.grow(5);
    let page = node.http().namespace_range(EVM, 4, 100).await.unwrap();
    assert_eq!((page.range.to_height, page.next_height), (5, Some(6)));
    let answer = node.post("/", "sinter_getNamespaceRange", json!([1, 6, 100])).await;
    assert_eq!(answer["error"]["code"], -32040, "{answer}");
}

#[tokio::test]
async fn a_range_that_was_tampered_with_convinces_nobody() {
    let mut node = TestNode::start().await;
    node.grow(8);
    let answer = node.post("/", "sinter_getNamespaceRange", json!([9, 1, 8])).await;
    let range = &answer["result"]["range"];
    let network = node.chain.network.trusted();
    serde_json::from_value::<NamespaceRange>(range.clone()).unwrap().verify(&network, None).unwrap();
    for (path, tampered) in [
        ("/blocks/0/transactions", json!([])),
        ("/blocks/1/transactions", range["blocks"][0]["transactions"].clone()),
        ("/blocks/0/proof", range["blocks"][1]["proof"].clone()),
        ("/to_height", json!(7)),
        ("/namespace", json!(1)),
    ] {
        let mut changed = range.clone();
        *changed.pointer_mut(path).unwrap() = tampered;
        let changed: NamespaceRange = serde_json::from_value(changed).unwrap();
        assert!(changed.verify(&network, None).is_err(), "{path}");
    }
}
