//! A client of a node's interface that shares no line with the node's own: HTTP/1.1 by hand, one call a
//! connection, bounded in time.

use serde_json::{Value, json};
use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// Calls a method.
///
/// # Errors
/// What the node says against it, or why there is no answer.
pub fn call(node: SocketAddr, method: &str, parameters: Value) -> Result<Value, String> {
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": parameters }).to_string();
    let request = format!(
        "POST / HTTP/1.1\r\nhost: {node}\r\ncontent-type: application/json\r\nconnection: close\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    );
    let (_, text) = exchange(node, &request).map_err(|error| error.to_string())?;
    let mut answer: Value = serde_json::from_str(&text).map_err(|error| format!("{error} in {text:?}"))?;
    match answer.get("error") {
        None => Ok(answer["result"].take()),
        Some(error) => Err(error.to_string()),
    }
}

/// Gets a page: the HTTP status and the body.
pub fn get(node: SocketAddr, path: &str) -> io::Result<(u16, String)> {
    exchange(node, &format!("GET {path} HTTP/1.1\r\nhost: {node}\r\nconnection: close\r\n\r\n"))
}

fn exchange(node: SocketAddr, request: &str) -> io::Result<(u16, String)> {
    let mut stream = TcpStream::connect_timeout(&node, CONNECT_TIMEOUT)?;
    stream.set_read_timeout(Some(ANSWER_TIMEOUT))?;
    stream.set_write_timeout(Some(ANSWER_TIMEOUT))?;
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    parse(&answer).ok_or_else(|| {
        io::Error::other(format!("expected an HTTP response, got {:?}", String::from_utf8_lossy(&answer)))
    })
}

/// The status and the body of a response that ends with its connection.
fn parse(answer: &[u8]) -> Option<(u16, String)> {
    let text = std::str::from_utf8(answer).ok()?;
    let (head, body) = text.split_once("\r\n\r\n")?;
    let status = head.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()?;
    Some((status, body.into()))
}
