//! A committee member that lies: it passes calls on to an honest one, and alters what that answers.

use super::rpc::call;
use serde_json::{Value, json};
use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    thread,
};

/// What is done to the result of a method.
pub type Lie = fn(&str, &mut Value);

/// Starts one; gives its URL. It ends with the test.
pub fn start(honest: SocketAddr, lie: Lie) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || answer(stream, honest, lie));
        }
    });
    url
}

/// One call a connection. Who goes away in between is no matter of ours.
fn answer(stream: TcpStream, honest: SocketAddr, lie: Lie) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
        if line.trim().is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let request: Value = serde_json::from_slice(&body).ok()?;
    let method = request["method"].as_str()?;
    let mut result = call(honest, method, request["params"].clone()).ok()?;
    lie(method, &mut result);
    let text = json!({ "jsonrpc": "2.0", "id": request["id"], "result": result }).to_string();
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: ";
    (&stream).write_all(format!("{head}{}\r\n\r\n{text}", text.len()).as_bytes()).ok()
}
