//! Ten thousand connections: some are served, the rest are told so or let go, and the node lives.

use crate::support::node::{PATIENCE, TestNode, http, http_with_head};
use sinter_sequencer::rpc::{RpcConfig, SinterApiClient};
use std::time::Duration;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{sleep, timeout},
};

const FLOOD: usize = 10_000;
const ADMITTED: usize = 200;

/// Connections that this process may open, with what the node needs beside them.
fn affordable() -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let line = limits.lines().find(|line| line.starts_with("Max open files")).unwrap_or_default();
    let files = line.split_whitespace().nth(3).and_then(|files| files.parse().ok()).unwrap_or(1024usize);
    files.saturating_sub(ADMITTED + 700)
}

#[tokio::test]
async fn ten_thousand_connections_do_not_kill_the_node() {
    let config = RpcConfig { connections_max: ADMITTED, idle_timeout_ms: 60_000, ..RpcConfig::default() };
    let mut node = TestNode::with(config).await;
    node.grow(2);
    let at_a_time = FLOOD.min(affordable());
    let (mut opened, mut held) = (0, Vec::new());
    while opened < FLOOD {
        if held.len() >= at_a_time {
            held.clear();
            sleep(Duration::from_millis(200)).await;
        }
        if let Ok(socket) = timeout(PATIENCE, TcpStream::connect(node.server.address())).await.unwrap() {
            held.push(socket);
        }
        opened += 1;
    }

    // There is no room now, and it says so, once it is through with those who came before.
    let address = node.server.address();
    let refusal = timeout(PATIENCE, async {
        loop {
            let (_, body) = http_with_head(address, "GET", "/health", "", "").await;
            if let Ok(refusal) = serde_json::from_str::<serde_json::Value>(&body) {
                return refusal;
            }
        }
    });
    let refusal = refusal.await.expect("a refusal in words");
    assert_eq!(refusal["error"]["code"], -32053, "{refusal}");
    assert_eq!(refusal["error"]["data"]["expected"], ADMITTED, "{refusal}");

    // Those that were admitted are served.
    let mut first = held.swap_remove(0);
    first.write_all(b"GET /health HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    timeout(PATIENCE, first.read_to_string(&mut answer)).await.unwrap().unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");

    // The flood is over.
    drop((held, first));
    let recovered = timeout(PATIENCE, async {
        while node.http().status().await.is_err() {
            sleep(Duration::from_millis(50)).await;
        }
    });
    recovered.await.expect("the node serves again");
    node.grow(1);
    assert_eq!(node.http().status().await.unwrap().head.height, 3);
}

#[tokio::test]
async fn one_client_cannot_take_all_places() {
    let config = RpcConfig { connections_per_client_max: 3, unlimited: Vec::new(), ..RpcConfig::default() };
    let node = TestNode::with(config).await;
    let mut held = Vec::new();
    for _ in 0..3 {
        held.push(TcpStream::connect(node.server.address()).await.unwrap());
    }
    sleep(Duration::from_millis(100)).await;
    let (status, body) = http(node.server.address(), "GET", "/health", "", "").await;
    assert_eq!(status, 503);
    assert!(body.contains("-32053") && body.contains("from one client"), "{body}");
    held.pop();
    let place_is_back =
        timeout(PATIENCE, async { while http(node.server.address(), "GET", "/metrics", "", "").await.0 != 200 {} });
    place_is_back.await.unwrap();
}
