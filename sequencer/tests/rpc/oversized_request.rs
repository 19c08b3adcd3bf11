//! Requests that are too big, too many, too deep or no requests at all.

use crate::support::node::{TestNode, http};
use serde_json::{Value, json};
use sinter_sequencer::rpc::{RpcConfig, SinterApiClient, types::SendTransaction};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

async fn post(node: &TestNode, body: &str) -> (u16, Value) {
    let (status, body) = http(node.server.address(), "POST", "/", "", body).await;
    (status, serde_json::from_str(&body).unwrap_or(Value::String(body)))
}

#[tokio::test]
async fn bodies_are_bounded() {
    let config = RpcConfig { request_bytes_max: 300_000, ..RpcConfig::default() };
    let node = TestNode::with(config).await;
    let call = |bytes: usize| {
        let payload = format!("0x{}", "ab".repeat(bytes));
        json!({ "jsonrpc": "2.0", "id": 1, "method": "sinter_sendTransaction",
            "params": [{ "namespace": 9, "payload": payload }] })
        .to_string()
    };
    let (status, answer) = post(&node, &call(128 * 1024)).await;
    assert!((status, answer["result"].is_object()) == (200, true), "{answer}");
    let (status, answer) = post(&node, &call(200_000)).await;
    assert_eq!((status, &answer["error"]["code"]), (413, &json!(-32007)), "{answer}");
    // A length that is a lie: more comes than was said, or it never ends.
    let mut socket = tokio::net::TcpStream::connect(node.server.address()).await.unwrap();
    let head = "POST / HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\
                connection: close\r\n\r\n";
    socket.write_all(head.as_bytes()).await.unwrap();
    let chunk = format!("10000\r\n{}\r\n", "[".repeat(0x10000));
    for _ in 0..20 {
        if socket.write_all(chunk.as_bytes()).await.is_err() {
            break;
        }
    }
    let mut answer = Vec::new();
    let _ = socket.read_to_end(&mut answer).await;
    assert!(String::from_utf8_lossy(&answer).starts_with("HTTP/1.1 413"), "{}", String::from_utf8_lossy(&answer));
}

#[tokio::test]
async fn the_same_bound_holds_for_websockets() {
    let config = RpcConfig { request_bytes_max: 300_000, ..RpcConfig::default() };
    let node = TestNode::with(config).await;
    let client = node.ws().await;
    let huge = SendTransaction::new(sinter_primitives::Namespace(9), vec![1; 400_000]);
    // The node names no call in its answer: it has read none.
    let sent = tokio::time::timeout(std::time::Duration::from_secs(2), client.send_transaction(huge)).await;
    assert!(!matches!(sent, Ok(Ok(_))));
    assert!(node.http().status().await.is_ok());
}

#[tokio::test]
async fn batches_are_bounded_and_answered_one_by_one() {
    let config = RpcConfig { batch_max: 3, ..RpcConfig::default() };
    let mut node = TestNode::with(config).await;
    node.grow(2);
    let call = |id: u64, method: &str| json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": [] });
    let batch = json!([call(1, "sinter_status"), call(2, "sinter_nothing"), 7]).to_string();
    let (_, answer) = post(&node, &batch).await;
    assert_eq!(answer[0]["result"]["head"]["height"], 2, "{answer}");
    assert_eq!(answer[1]["error"]["code"], -32601, "{answer}");
    assert_eq!(answer[2]["error"]["code"], -32600, "{answer}");
    let batch = json!([call(1, "sinter_chain"), call(2, "sinter_chain"), call(3, "sinter_chain"), call(4, "a")]);
    let (_, answer) = post(&node, &batch.to_string()).await;
    assert_eq!(answer["error"]["code"], -32010, "{answer}");
    let (_, answer) = post(&node, "[]").await;
    assert_eq!(answer["error"]["code"], -32600, "{answer}");
    // Notifications are heard, and answered with nothing: HTTP wants some body.
    let (status, answer) = post(&node, &json!({ "jsonrpc": "2.0", "method": "sinter_status" }).to_string()).await;
    assert_eq!((status, answer), (200, Value::Null));
}

#[tokio::test]
async fn nonsense_is_answered_and_survived() {
    let node = TestNode::start().await;
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let deep_params = json!({ "jsonrpc": "2.0", "id": 1, "method": "sinter_getHeader" }).to_string();
    let deep_params = format!("{},\"params\":[{deep}]}}", deep_params.trim_end_matches('}'));
    for body in ["", "{", "null", "\"text\"", "{}", "\u{0}\u{1}", &deep, &deep_params, "[{}]", "{\"jsonrpc\":\"1.0\"}"]
    {
        let (status, answer) = post(&node, body).await;
        let shown: String = body.chars().take(30).collect();
        assert!(matches!(status, 200 | 400), "{shown}: {status} {answer}");
        assert!(answer.to_string().contains("\"error\""), "{shown}: {answer}");
    }
    // Not HTTP, a head without end, and a method of another world.
    for bytes in [
        "\u{16}\u{3}\u{1}hello tls".to_owned(),
        format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(100_000)),
        "BREW / HTTP/1.1\r\nhost: pot\r\nconnection: close\r\n\r\n".into(),
    ] {
        let mut socket = tokio::net::TcpStream::connect(node.server.address()).await.unwrap();
        let _ = socket.write_all(bytes.as_bytes()).await;
        let mut answer = Vec::new();
        let _ = socket.read_to_end(&mut answer).await;
        let answer = String::from_utf8_lossy(&answer);
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{answer}");
    }
    let (status, _) = http(node.server.address(), "POST", "/elsewhere", "", "{}").await;
    assert_eq!(status, 404);
    let (status, _) = http(node.server.address(), "GET", "/", "", "").await;
    assert_eq!(status, 405);
    assert!(node.http().status().await.is_ok());
}
