//! Allowances, capacity, origins: what is too much gets a refusal with a code.

use super::bad_ethereum_transactions::{eip1559, sign_by};
use crate::support::{
    chain::Network,
    node::{TestNode, http, http_with_head},
};
use alloy::primitives::Bytes;
use serde_json::{Value, json};
use sinter_sequencer::{mempool::MempoolConfig, rpc::RpcConfig};

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
async fn fresh_accounts_do_not_give_one_address_more_room() {
    let mempool = MempoolConfig { client_transactions_max: 3, ..MempoolConfig::default() };
    let config = RpcConfig { trusted_proxies: vec!["127.0.0.1".parse().unwrap()], ..RpcConfig::default() };
    let node = TestNode::with_mempool(Network::new(), config, mempool).await;
    let send = async |account: u8, path: &str, client: &str| {
        let raw = Bytes::from(sign_by(account, eip1559(0)));
        let (method, params) = match path {
            "/" => ("sinter_sendTransaction", json!([{ "namespace": 1, "payload": raw }])),
            _ => ("eth_sendRawTransaction", json!([raw])),
        };
        let call = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params }).to_string();
        let forwarded = format!("x-forwarded-for: {client}\r\n");
        let (_, answer) = http(node.server.address(), "POST", path, &forwarded, &call).await;
        serde_json::from_str::<Value>(&answer).unwrap()
    };
    for (account, path) in [(1, "/namespaces/1"), (2, "/"), (3, "/namespaces/1/private")] {
        let sent = send(account, path, "192.0.2.1").await;
        assert!(sent.get("result").is_some(), "{sent}");
    }
    for (account, path) in [(4, "/namespaces/1"), (5, "/"), (6, "/namespaces/1/private")] {
        let refused = send(account, path, "192.0.2.1").await;
        assert_eq!(refused["error"]["code"], -32032, "{refused}");
        let data = json!({ "code": "client-full", "unit": "transactions", "max": 3, "got": 4 });
        assert_eq!(refused["error"]["data"], data, "{refused}");
    }
    let other = send(4, "/namespaces/1", "192.0.2.2").await;
    assert!(other["result"].is_string(), "{other}");
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
