//! Methods that the node does not serve are asked of the rollup's own RPC, within bounds, whatever that does.

use crate::support::{
    chain::EVM,
    node::{PATIENCE, TestNode},
};
use serde_json::{Value, json};
use sinter_sequencer::rpc::RpcConfig;
use std::net::SocketAddr;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    time::sleep,
};

/// A rollup's RPC that answers every request with `answer`, or not at all.
async fn rollup(answer: Option<String>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (mut socket, _) = listener.accept().await.unwrap();
            let answer = answer.clone();
            tokio::spawn(async move {
                let mut request = vec![0; 1 << 16];
                let read = socket.read(&mut request).await.unwrap();
                let request = String::from_utf8_lossy(&request[..read]).into_owned();
                let Some(answer) = answer else {
                    sleep(PATIENCE).await;
                    return;
                };
                // "$params" stands for what was asked.
                let asked = request.split("\r\n\r\n").nth(1).unwrap_or_default();
                let asked: Value = serde_json::from_str(asked).unwrap_or_default();
                let answer = answer.replace("$params", &asked["params"].to_string());
                let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", answer.len());
                let _ = socket.write_all(head.as_bytes()).await;
                let _ = socket.write_all(answer.as_bytes()).await;
            });
        }
    });
    address
}

async fn node_with(upstream: String) -> TestNode {
    let config = RpcConfig {
        upstreams: [(EVM, upstream)].into(),
        upstream_timeout_ms: 500,
        upstream_bytes_max: 10_000,
        ..RpcConfig::default()
    };
    TestNode::with(config).await
}

async fn ask(answer: Option<&str>, method: &str) -> Value {
    let address = rollup(answer.map(Into::into)).await;
    let node = node_with(format!("http://{address}/rpc")).await;
    node.post("/namespaces/1", method, json!(["0xabc", "latest"])).await
}

#[tokio::test]
async fn answers_come_through_as_they_are() {
    let echo = ask(Some(r#"{"jsonrpc":"2.0","id":1,"result":$params}"#), "eth_getTransactionCount").await;
    assert_eq!(echo["result"], json!(["0xabc", "latest"]));
    let null = ask(Some(r#"{"jsonrpc":"2.0","id":1,"result":null}"#), "eth_getBlockByNumber").await;
    assert_eq!(null.get("result"), Some(&Value::Null), "{null}");
    let error = r#"{"jsonrpc":"2.0","id":1,"error":{"code":3,"message":"execution reverted","data":"0x08"},"extra":1}"#;
    let error = ask(Some(error), "eth_call").await;
    assert_eq!(error["error"], json!({ "code": 3, "message": "execution reverted", "data": "0x08" }));
}

#[tokio::test]
async fn what_the_node_serves_it_serves_itself() {
    let own = ask(Some(r#"{"jsonrpc":"2.0","id":1,"result":"0x1"}"#), "eth_chainId").await;
    assert_eq!(own["result"], "0x1b59");
}

#[tokio::test]
async fn a_rollup_that_misbehaves_is_an_error_with_a_code() {
    assert_eq!(ask(None, "eth_call").await["error"]["code"], -32062);
    assert_eq!(ask(Some("<html>"), "eth_call").await["error"]["code"], -32063);
    let huge = format!(r#"{{"jsonrpc":"2.0","id":1,"result":"{}"}}"#, "a".repeat(20_000));
    assert_eq!(ask(Some(&huge), "eth_call").await["error"]["code"], -32063);
    // Nobody listens there; where that is, is not the client's business.
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let node = node_with(format!("http://{gone}")).await;
    let answer = node.post("/namespaces/1", "eth_call", json!([])).await;
    assert_eq!(answer["error"]["code"], -32061, "{answer}");
    assert!(!answer.to_string().contains(&gone.port().to_string()), "{answer}");
}

#[tokio::test]
async fn only_admitted_methods_are_passed_on() {
    let answer = ask(Some(r#"{"jsonrpc":"2.0","id":1,"result":true}"#), "admin_stopEverything").await;
    assert_eq!(answer["error"]["code"], -32601, "{answer}");
    // The second namespace has no upstream.
    let address = rollup(Some(r#"{"jsonrpc":"2.0","id":1,"result":true}"#.into())).await;
    let node = node_with(format!("http://{address}")).await;
    let answer = node.post("/namespaces/2", "eth_call", json!([])).await;
    assert_eq!(answer["error"]["code"], -32601, "{answer}");
}
