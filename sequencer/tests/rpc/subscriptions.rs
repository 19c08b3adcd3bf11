//! Streams: every height once, in order, from wherever the subscriber stopped.

use crate::support::{
    chain::{EVM, OPAQUE},
    node::{PATIENCE, TestNode},
};
use jsonrpsee::core::client::Subscription;
use serde::de::DeserializeOwned;
use sinter_sequencer::rpc::{RpcConfig, SinterApiClient, types::HeadEvent};
use tokio::time::timeout;

async fn next<T: DeserializeOwned>(stream: &mut Subscription<T>) -> T {
    timeout(PATIENCE, stream.next()).await.unwrap().unwrap().unwrap()
}

async fn heads(stream: &mut Subscription<HeadEvent>, count: usize) -> Vec<u64> {
    let mut heights = Vec::new();
    for _ in 0..count {
        heights.push(next(stream).await.header.height);
    }
    heights
}

#[tokio::test]
async fn heads_come_without_gap_or_repeat() {
    let mut node = TestNode::start().await;
    node.grow(3);
    let client = node.ws().await;
    let mut live = client.subscribe_heads(None, None).await.unwrap();
    let mut resumed = client.subscribe_heads(Some(2), Some(true)).await.unwrap();
    node.grow(4);
    assert_eq!(heads(&mut live, 4).await, [4, 5, 6, 7]);
    for height in 2..=7 {
        let event = next(&mut resumed).await;
        let expected = node.chain.at(height);
        assert_eq!((event.header, event.digest), (expected.block.header, expected.block.digest()));
        assert_eq!(event.certificate, expected.certificate);
    }
    // A resumed stream over many heights, with more of them coming in meanwhile.
    node.grow(150);
    let mut long = client.subscribe_heads(Some(0), None).await.unwrap();
    let reading = tokio::spawn(async move { heads(&mut long, 181).await });
    node.grow(23);
    assert_eq!(reading.await.unwrap(), (0..=180).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_namespace_is_covered_from_height_to_height() {
    let mut node = TestNode::start().await;
    node.grow(5);
    let client = node.ws().await;
    let mut whole = client.subscribe_namespace(OPAQUE, Some(1), None).await.unwrap();
    let mut lean = client.subscribe_namespace(EVM, None, Some(false)).await.unwrap();
    node.grow(200);
    for _ in 0..70 {
        node.finalize(vec![], true);
    }
    let mut covered = 0;
    while covered < 268 {
        let event = next(&mut whole).await;
        assert_eq!(event.from_height, covered + 1);
        covered = event.height;
        let expected = node.chain.at(event.height);
        let leaf = event.proof.verify(&event.header.namespaces_root, OPAQUE).unwrap();
        assert_eq!(event.header, expected.block.header);
        assert_eq!(leaf.map_or(0, |leaf| leaf.tx_count as usize), event.ids.len());
        let ids: Vec<_> = event.transactions.iter().map(|transaction| transaction.id(77)).collect();
        assert_eq!(ids, event.ids);
        assert!(event.ids.iter().all(|id| expected.ids.contains(id)));
    }
    let event = next(&mut lean).await;
    assert_eq!((event.from_height, event.height, event.ids.len(), event.transactions.len()), (6, 7, 1, 0));
}

#[tokio::test]
async fn streams_begin_only_where_the_node_can() {
    let mut node = TestNode::start().await;
    node.grow(20);
    node.handle.index.prune(10).unwrap();
    let client = node.ws().await;
    for (from, code) in [(9, "-32041"), (22, "InvalidParams"), (u64::MAX, "InvalidParams")] {
        let error = client.subscribe_heads(Some(from), None).await.unwrap_err().to_string();
        assert!(error.contains(code), "{from}: {error}");
    }
    let error = client.subscribe_namespace(sinter_primitives::Namespace(4), None, None).await.unwrap_err();
    assert!(error.to_string().contains("InvalidParams"), "{error}");
    client.subscribe_heads(Some(10), None).await.unwrap();
    client.subscribe_heads(Some(21), None).await.unwrap();
    // Over HTTP there are none.
    let answer = node.post("/", "sinter_subscribeHeads", serde_json::json!([])).await;
    assert!(answer["error"].is_object(), "{answer}");
}

#[tokio::test]
async fn there_are_only_so_many() {
    let config = RpcConfig { subscriptions_per_connection_max: 2, subscriptions_max: 3, ..RpcConfig::default() };
    let node = TestNode::with(config).await;
    let (first, second) = (node.ws().await, node.ws().await);
    let kept = first.subscribe_heads(None, None).await.unwrap();
    let _also = first.subscribe_heads(None, None).await.unwrap();
    let error = first.subscribe_heads(None, None).await.unwrap_err().to_string();
    assert!(error.contains("-32006"), "{error}");
    let _third = second.subscribe_heads(None, None).await.unwrap();
    let error = second.subscribe_heads(None, None).await.unwrap_err().to_string();
    assert!(error.contains("-32054"), "{error}");
    kept.unsubscribe().await.unwrap();
    // The place comes free a moment after.
    timeout(PATIENCE, async { while second.subscribe_heads(None, None).await.is_err() {} }).await.unwrap();
}

#[tokio::test]
async fn a_stopping_node_ends_its_streams() {
    let mut node = TestNode::start().await;
    node.grow(1);
    let client = node.ws().await;
    let mut stream = client.subscribe_heads(Some(1), None).await.unwrap();
    assert_eq!(next(&mut stream).await.header.height, 1);
    let address = node.server.address();
    timeout(PATIENCE, node.server.stop()).await.unwrap();
    assert!(timeout(PATIENCE, stream.next()).await.unwrap().is_none());
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
}
