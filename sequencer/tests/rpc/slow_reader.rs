//! Clients that ask and do not read: the node holds little for them, drops them, and serves the others.

use crate::support::{
    chain::{EVM, Network, OPAQUE},
    node::{PATIENCE, TestNode},
};
use bytes::Bytes;
use serde_json::{Value, json};
use sinter_primitives::{Parameters, Transaction, TransactionKind};
use sinter_sequencer::rpc::{RpcConfig, SinterApiClient};
use std::time::{Duration, Instant};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    time::{sleep, timeout},
};

/// A WebSocket by hand, so that nothing reads behind the test's back.
struct RawSocket(TcpStream);

impl RawSocket {
    async fn connect(node: &TestNode) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        // The less the system keeps for the client, the sooner the node notices.
        socket.set_recv_buffer_size(8 << 10).unwrap();
        let mut stream = socket.connect(node.server.address()).await.unwrap();
        let handshake = "GET / HTTP/1.1\r\nhost: node\r\nupgrade: websocket\r\nconnection: upgrade\r\n\
                         sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
        stream.write_all(handshake.as_bytes()).await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap());
        }
        assert!(head.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&head));
        Self(stream)
    }

    async fn send(&mut self, method: &str, params: Value) -> std::io::Result<()> {
        let text = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params }).to_string();
        let length = u16::try_from(text.len()).unwrap();
        // A final text frame, masked with zeros.
        let mut frame = vec![0x81, 0x80 | 126];
        frame.extend_from_slice(&length.to_be_bytes());
        frame.extend_from_slice(&[0; 4]);
        frame.extend_from_slice(text.as_bytes());
        self.0.write_all(&frame).await
    }

    /// The next text, pings left out; `None` at the end.
    async fn text(&mut self) -> Option<String> {
        loop {
            let mut head = [0; 2];
            self.0.read_exact(&mut head).await.ok()?;
            let length = match head[1] {
                126 => u64::from(self.0.read_u16().await.ok()?),
                127 => self.0.read_u64().await.ok()?,
                short => u64::from(short),
            };
            let mut payload = vec![0; length as usize];
            self.0.read_exact(&mut payload).await.ok()?;
            match head[0] & 0xf {
                1 => return Some(String::from_utf8(payload).unwrap()),
                8 => return None,
                _ => {}
            }
        }
    }
}

fn large(height: u64) -> Transaction {
    Transaction {
        kind: TransactionKind::User,
        namespace: OPAQUE,
        expiry_height: height + 10,
        payload: Bytes::from([vec![7; 100_000], height.to_be_bytes().to_vec()].concat()),
    }
}

async fn node_with_large_blocks(config: RpcConfig, blocks: u64) -> TestNode {
    let mut node = TestNode::on(Network::with(1, Parameters::default()), config).await;
    for height in 1..=blocks {
        node.finalize(vec![large(height)], true);
    }
    node
}

#[tokio::test]
async fn a_subscriber_that_reads_late_is_told_where_to_resume() {
    // The buffer is full for long enough to be dropped, and not for long enough to be cut off.
    let config = RpcConfig {
        subscription_buffer: 2,
        slow_subscriber_timeout_ms: 300,
        write_timeout_ms: 60_000,
        ..RpcConfig::default()
    };
    let node = node_with_large_blocks(config, 120).await;
    let mut socket = RawSocket::connect(&node).await;
    socket.send("sinter_subscribeNamespace", json!([OPAQUE, 1])).await.unwrap();
    sleep(Duration::from_secs(2)).await;

    let (mut last, mut reason) = (0, None);
    timeout(PATIENCE, async {
        while let Some(text) = socket.text().await {
            let message: Value = serde_json::from_str(&text).unwrap();
            if let Some(height) = message["params"]["result"]["height"].as_u64() {
                assert_eq!(height, last + 1);
                last = height;
            }
            if message["params"]["error"].is_object() {
                reason = Some(message["params"]["error"].clone());
                break;
            }
        }
    })
    .await
    .unwrap();
    let reason = reason.expect("a reason");
    assert_eq!(reason["code"], -32055, "{reason}");
    assert_eq!(reason["data"]["next_height"], last + 1, "{reason}");
    assert!(last < 120, "all of it fitted into buffers");

    // The same connection may go on from there.
    socket.send("sinter_subscribeNamespace", json!([OPAQUE, last + 1])).await.unwrap();
    let resumed = timeout(PATIENCE, async {
        loop {
            let message: Value = serde_json::from_str(&socket.text().await.unwrap()).unwrap();
            if let Some(height) = message["params"]["result"]["height"].as_u64() {
                return height;
            }
        }
    });
    assert_eq!(resumed.await.unwrap(), last + 1);
}

#[tokio::test]
async fn a_client_that_never_reads_is_cut_off_and_others_are_served() {
    let config = RpcConfig { write_timeout_ms: 500, ..RpcConfig::default() };
    let node = node_with_large_blocks(config, 40).await;
    let mut socket = RawSocket::connect(&node).await;
    // It asks for much more than buffers hold, until the node listens no more.
    let started = Instant::now();
    let flood = async {
        while socket.send("sinter_getNamespaceRange", json!([OPAQUE, 1, 40])).await.is_ok() {
            sleep(Duration::from_millis(5)).await;
        }
    };
    let serving = async {
        loop {
            let asked = Instant::now();
            node.http().status().await.unwrap();
            assert!(asked.elapsed() < Duration::from_secs(5), "an honest client waited {:?}", asked.elapsed());
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, async {
        tokio::select! { () = flood => {}, () = serving => {} }
    })
    .await
    .expect("the node went on listening to a client that reads nothing");
    assert!(started.elapsed() >= Duration::from_millis(500));
}

#[tokio::test]
async fn half_a_request_is_not_waited_for_forever() {
    let config = RpcConfig { idle_timeout_ms: 300, call_timeout_ms: 300, ..RpcConfig::default() };
    let node = TestNode::with(config).await;
    // Half a head, half a body, and nothing at all.
    for half in [
        "POST / HTT",
        "POST / HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 99\r\n\r\n{",
        "",
    ] {
        let mut socket = TcpStream::connect(node.server.address()).await.unwrap();
        socket.write_all(half.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        timeout(PATIENCE, socket.read_to_end(&mut answer)).await.expect("the connection ends").unwrap();
        if half.contains("content-length") {
            let answer = String::from_utf8_lossy(&answer);
            assert!(answer.starts_with("HTTP/1.1 408") && answer.contains("-32052"), "{answer}");
        }
    }
}

#[tokio::test]
async fn what_subscribers_hold_does_not_grow_with_the_chain() {
    // A subscriber that reads nothing is sent no more than its buffers hold, however far behind it is.
    let config = RpcConfig { write_timeout_ms: 60_000, slow_subscriber_timeout_ms: 60_000, ..RpcConfig::default() };
    let mut node = TestNode::with(config).await;
    let mut sockets = Vec::new();
    for _ in 0..4 {
        let mut socket = RawSocket::connect(&node).await;
        socket.send("sinter_subscribeNamespace", json!([EVM, 1])).await.unwrap();
        sockets.push(socket);
    }
    node.grow(500);
    for socket in &mut sockets {
        // The answer to the subscription, and then every height, read at leisure.
        let mut covered = 0;
        timeout(PATIENCE, async {
            while covered < 499 {
                let message: Value = serde_json::from_str(&socket.text().await.unwrap()).unwrap();
                let event = &message["params"]["result"];
                if let Some(height) = event["height"].as_u64() {
                    assert_eq!(event["from_height"], covered + 1);
                    covered = height;
                }
            }
        })
        .await
        .unwrap();
    }
}
