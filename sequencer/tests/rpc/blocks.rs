//! Headers, blocks, certificates: by height, by digest, or the latest; and why one is not there.

use crate::support::node::TestNode;
use serde_json::json;
use sinter_primitives::Digest;
use sinter_sequencer::rpc::{SinterApiClient, types::BlockId};

#[tokio::test]
async fn blocks_are_found_by_every_name() {
    let mut node = TestNode::start().await;
    node.grow(5);
    let client = node.http();
    for height in 1..=5 {
        let expected = &node.chain.at(height).block;
        for name in [BlockId::Height(height), BlockId::Digest(expected.digest())] {
            assert_eq!(client.header(name).await.unwrap(), expected.header);
            let block = client.block(name).await.unwrap();
            assert_eq!((block.header, block.digest), (expected.header, expected.digest()));
            for (view, lane) in block.lanes.iter().zip(&expected.body.lanes) {
                assert_eq!((view.namespace, &view.transactions), (lane.namespace, &lane.transactions));
            }
            assert_eq!(block.lanes.len(), expected.body.lanes.len());
        }
    }
    assert_eq!(client.header(BlockId::Latest).await.unwrap().height, 5);
    assert_eq!(client.block(BlockId::Height(0)).await.unwrap().header, node.handle.chain.genesis());
}

#[tokio::test]
async fn a_certificate_comes_with_the_headers_that_lead_to_it() {
    let mut node = TestNode::start().await;
    node.finalize(vec![], true);
    node.finalize(vec![], false);
    node.finalize(vec![], true);
    node.finalize(vec![], false);
    let client = node.http();
    let network = node.chain.network.trusted();
    for (height, headers) in [(1, 1), (2, 2), (3, 1)] {
        let chain = client.certificate(BlockId::Height(height)).await.unwrap();
        assert_eq!((chain.headers[0].height, chain.headers.len()), (height, headers));
        chain.verify(&network).unwrap();
    }
    let answer = node.post("/", "sinter_getCertificate", json!(["latest"])).await;
    assert_eq!(answer["error"]["code"], -32042, "{answer}");
    assert_eq!(answer["error"]["data"]["height"], 4, "{answer}");
    let genesis = node.post("/", "sinter_getCertificate", json!([0])).await;
    assert_eq!(genesis["error"]["code"], -32602, "{genesis}");
}

#[tokio::test]
async fn what_is_not_there_has_a_reason() {
    let mut node = TestNode::start().await;
    node.grow(100);
    node.handle.index.prune(40).unwrap();
    node.archive.remove(45);
    let header = async |block: serde_json::Value| node.post("/", "sinter_getHeader", json!([block])).await;
    for (answer, code, data) in [
        (header(json!(101)).await, -32040, json!({ "height": 100 })),
        (header(json!(u64::MAX)).await, -32040, json!({ "height": 100 })),
        (header(json!(format!("0x{}", "ab".repeat(32)))).await, -32040, json!({ "height": 100 })),
        (header(json!(39)).await, -32041, json!({ "earliest_height": 40 })),
        (node.post("/", "sinter_getBlock", json!([45])).await, -32041, json!({ "earliest_height": 46 })),
        (
            node.post("/", "sinter_getNamespaceRange", json!([1, 30, 50])).await,
            -32041,
            json!({ "earliest_height": 40 }),
        ),
    ] {
        assert_eq!(answer["error"]["code"], code, "{answer}");
        assert_eq!(answer["error"]["data"], data, "{answer}");
    }
    assert!(header(json!(40)).await["result"].is_object());
    // Genesis follows from the chain file.
    assert!(header(json!(0)).await["result"].is_object());
    let pruned = node.chain.at(38).ids[0];
    let answer = node.post("/", "sinter_getReceipt", json!([format!("0x{pruned}")])).await;
    assert_eq!(answer["result"]["stage"], "unknown", "{answer}");
}

#[tokio::test]
async fn wrong_parameters_are_told_what_was_expected() {
    let node = TestNode::start().await;
    for (method, params, expected) in [
        ("sinter_getHeader", json!(["newest"]), "\\\"latest\\\", a height"),
        ("sinter_getHeader", json!([-1]), "a height as a number"),
        ("sinter_getHeader", json!([]), "No more params"),
        ("sinter_getHeader", json!(["0x1234"]), "64 hex digits"),
        ("sinter_getReceipt", json!(["0xzz"]), "hex"),
        ("sinter_getReceipt", json!([7]), "hex digits"),
        ("sinter_sendTransaction", json!([{ "namespace": 1 }]), "missing field `payload`"),
        ("sinter_sendTransaction", json!([{ "namespace": "one", "payload": "0x" }]), "expected u64"),
        ("sinter_sendTransaction", json!([{ "namespace": 1, "payload": "0x01", "gas": 1 }]), "unknown field `gas`"),
        ("sinter_getNamespaceRange", json!([5, 1, 2]), "namespace"),
        ("sinter_getNamespaceRange", json!([1, 3, 2]), "at least from_height, 3"),
        ("sinter_getNamespaceRange", json!([1, 0, 2]), "above 0"),
    ] {
        let answer = node.post("/", method, params.clone()).await;
        assert_eq!(answer["error"]["code"], -32602, "{method} {params}: {answer}");
        assert!(answer["error"].to_string().contains(expected), "{method} {params}: {answer}");
    }
    let unknown = node.post("/", "sinter_doAnything", json!([])).await;
    assert_eq!(unknown["error"]["code"], -32601, "{unknown}");
}

#[tokio::test]
async fn the_network_and_the_node_introduce_themselves() {
    let mut node = TestNode::start().await;
    node.grow(3);
    let client = node.http();
    let chain = client.chain().await.unwrap();
    assert_eq!((chain.hash, chain.quorum), (node.handle.chain.hash, 3));
    assert_eq!(chain.file, node.handle.chain.file);
    assert_eq!(chain.trusted_network().unwrap(), node.chain.network.trusted());
    let status = client.status().await.unwrap();
    assert_eq!((status.head.height, status.finalized_height, status.earliest_height), (3, 3, 0));
    assert_eq!(status.head.digest, node.chain.at(3).block.digest());
    assert!(status.health.healthy, "{status:?}");
    assert_ne!(status.chain_hash, Digest([0; 32]));
}
