//! Allowances, capacity, origins: what is too much gets a refusal with a code.

use crate::support::node::{TestNode, http, http_with_head};
use serde_json::{Value, json};
use sinter_sequencer::rpc::RpcConfig;

const STATUS: &str = r#"{"jsonrpc":"2.0","id":1,"method":"sinter_status","params":[]}"#;

async fn post(node: &TestNode, headers: &str, body: &str) -> Value {
    let (_, body) = http(node.server.address(), "POST", "/", headers, body).await;
    serde_json::from_str(&body).unwrap_or_else(|_| panic!("expected JSON, got {body:?}"))
}

#[tokio::test]
async fn a_client_beyond_its_allowance_is_told_when_to_come_again() {
    let config = RpcConfig { tokens_per_second: 1, tokens_max: 5, unlimited: Vec::new(), ..RpcConfig::default() };
    let node = TestNode::with(config).await;
    // A batch counts call by call.
    let batch: Vec<Value> = (0..7).map(|_| serde_json::from_str(STATUS).unwrap()).collect();
    let answers = post(&node, "", &json!(batch).to_string()).await;
    let codes: Vec<_> = answers.as_array().unwrap().iter().map(|answer| answer["error"]["code"].as_i64()).collect();
    assert_eq!(codes, [None, None, None, None, None, Some(-32050), Some(-32050)]);
    let wait = answers[6]["error"]["data"]["retry_after_ms"].as_u64().unwrap();
    assert!((1..=1000).contains(&wait), "{answers}");
    tokio::time::sleep(std::time::Duration::from_millis(wait + 50)).await;
    assert!(post(&node, "", STATUS).await["result"].is_object());
}

#[tokio::test]
async fn a_trusted_proxy_names_the_client_and_nobody_else_can() {
    let config = RpcConfig {
        tokens_per_second: 1,
        tokens_max: 1,
        unlimited: Vec::new(),
        trusted_proxies: vec!["127.0.0.1".parse().unwrap()],
        ..RpcConfig::default()
    };
    let node = TestNode::with(config.clone()).await;
    for client in ["192.0.2.1", "192.0.2.2"] {
        // What the client wrote itself stands before what the proxy added.
        let forwarded = format!("x-forwarded-for: 203.0.113.9, {client}\r\n");
        assert!(post(&node, &forwarded, STATUS).await["result"].is_object(), "{client}");
        assert_eq!(post(&node, &forwarded, STATUS).await["error"]["code"], -32050, "{client}");
    }
    let node = TestNode::with(RpcConfig { trusted_proxies: Vec::new(), ..config }).await;
    assert!(post(&node, "x-forwarded-for: 192.0.2.1\r\n", STATUS).await["result"].is_object());
    assert_eq!(post(&node, "x-forwarded-for: 192.0.2.2\r\n", STATUS).await["error"]["code"], -32050);
}

#[tokio::test]
async fn web_pages_call_only_from_admitted_origins() {
    let config = RpcConfig { cors_origins: vec!["https://wallet.example".into()], ..RpcConfig::default() };
    let node = TestNode::with(config).await;
    let address = node.server.address();
    let good = "origin: https://wallet.example\r\n";
    let (head, body) = http_with_head(address, "POST", "/", good, STATUS).await;
    assert!(head.starts_with("HTTP/1.1 200") && body.contains("result"), "{head}");
    assert!(head.contains("access-control-allow-origin: https://wallet.example"), "{head}");
    let (head, _) = http_with_head(address, "OPTIONS", "/", good, "").await;
    assert!(head.starts_with("HTTP/1.1 204") && head.contains("access-control-allow-headers: content-type"), "{head}");

    let upgrade = "upgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    let bad = "origin: https://thief.example\r\n";
    for headers in [bad.to_owned(), format!("{bad}{upgrade}")] {
        let (head, _) = http_with_head(address, "GET", "/", &headers, "").await;
        assert!(head.starts_with("HTTP/1.1 403") && !head.contains("access-control"), "{head}");
    }
    // Without a configured origin no page may call; other programs send none.
    let node = TestNode::start().await;
    let (status, _) = http(node.server.address(), "POST", "/", good, STATUS).await;
    assert_eq!(status, 403);
    let node = TestNode::with(RpcConfig { cors_origins: vec!["*".into()], ..RpcConfig::default() }).await;
    let (status, _) = http(node.server.address(), "POST", "/", bad, STATUS).await;
    assert_eq!(status, 200);
}
