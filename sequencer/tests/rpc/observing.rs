//! Health and metrics, for machines that watch.

use crate::support::node::{TestNode, http};
use serde_json::Value;
use sinter_sequencer::rpc::{RpcConfig, SinterApiClient, types::BlockId};
use std::{
    collections::HashMap,
    io::Write,
    process::{Command, Stdio},
};

async fn health(node: &TestNode) -> (u16, Value) {
    let (status, body) = http(node.server.address(), "GET", "/health", "", "").await;
    (status, serde_json::from_str(&body).unwrap())
}

#[tokio::test]
async fn health_is_red_until_something_is_final() {
    let mut node = TestNode::start().await;
    let (status, body) = health(&node).await;
    assert_eq!((status, &body["ailments"][0]["code"]), (503, &"starting".into()), "{body}");
    node.grow(1);
    let (status, body) = health(&node).await;
    assert_eq!((status, &body["healthy"]), (200, &true.into()), "{body}");
}

#[tokio::test]
async fn health_is_red_when_the_index_lies_behind() {
    let mut node = TestNode::with(RpcConfig { behind_blocks_max: 3, ..RpcConfig::default() }).await;
    node.grow(2);
    node.handle.status.observe_finalized(6, crate::support::node::now_ms());
    let (status, body) = health(&node).await;
    assert_eq!((status, &body["ailments"][0]["blocks"]), (503, &4.into()), "{body}");
}

#[tokio::test]
async fn health_is_red_when_nothing_becomes_final() {
    let mut node = TestNode::start().await;
    node.grow(1);
    let long_ago = std::sync::Arc::new(sinter_sequencer::status::Status::new(1, 100));
    long_ago.observe_finalized(1, 1);
    let handle = sinter_sequencer::handle::Handle { status: long_ago, ..node.handle.clone() };
    let text = std::sync::Arc::new(String::new);
    let stalled = sinter_sequencer::rpc::serve(handle, RpcConfig::default(), text).await.unwrap();
    let (status, body) = http(stalled.address(), "GET", "/health", "", "").await;
    assert_eq!(status, 503);
    assert!(body.contains("stalled") && body.contains("\"bound_ms\":100"), "{body}");
}

#[tokio::test]
async fn metrics_are_what_prometheus_expects() {
    let mut node = TestNode::start().await;
    node.grow(2);
    node.http().header(BlockId::Latest).await.unwrap();
    let _ = node.post("/", "sinter_noSuchMethod", serde_json::json!([])).await;
    let (status, text) = http(node.server.address(), "GET", "/metrics", "", "").await;
    assert_eq!(status, 200);
    for sample in [
        "sinter_rpc_calls_total{method=\"sinter_getHeader\",outcome=\"ok\"} 1",
        "sinter_rpc_calls_total{method=\"other\",outcome=\"refused\"} 1",
        "sinter_rpc_call_seconds_bucket{method=\"sinter_getHeader\",le=\"10\"} 1",
        "sinter_head_height 2",
        "sinter_healthy 1",
        "commonware_voter_votes_total 3",
    ] {
        assert!(text.contains(sample), "{sample} is not in\n{text}");
    }
    every_family_is_described_once(&text);
    if let Some(complaints) = promtool(&text) {
        assert_eq!(complaints, "");
    }
}

/// The rules of `promtool check metrics` that have been broken before, for where it is not installed.
fn every_family_is_described_once(text: &str) {
    let mut seen: HashMap<&str, (usize, usize)> = HashMap::new();
    for line in text.lines() {
        let mut words = line.split_whitespace();
        match (words.next(), words.next(), words.next()) {
            (Some("#"), Some("HELP"), Some(name)) => seen.entry(name).or_default().0 += 1,
            (Some("#"), Some("TYPE"), Some(name)) => seen.entry(name).or_default().1 += 1,
            _ => {}
        }
    }
    for (name, counts) in &seen {
        assert_eq!(*counts, (1, 1), "HELP and TYPE of {name}");
        assert!(
            name.starts_with("sinter_") || name.starts_with("commonware_") || name.starts_with("process_"),
            "{name}"
        );
    }
    assert!(!seen.is_empty());
}

/// What `promtool check metrics` has to say; `None` where it is not installed.
fn promtool(text: &str) -> Option<String> {
    let mut child = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .ok()?;
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    Some(String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).trim().to_owned())
}

#[tokio::test]
async fn metrics_have_a_listener_of_their_own_when_asked() {
    let config = RpcConfig { metrics_listen: Some("127.0.0.1:0".parse().unwrap()), ..RpcConfig::default() };
    let node = TestNode::with(config).await;
    assert_ne!(node.server.address(), node.server.metrics_address());
    assert_eq!(http(node.server.address(), "GET", "/metrics", "", "").await.0, 404);
    assert_eq!(http(node.server.metrics_address(), "GET", "/metrics", "", "").await.0, 200);
    assert_eq!(http(node.server.metrics_address(), "POST", "/", "", "{}").await.0, 404);
}
