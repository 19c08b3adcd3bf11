//! As much of HTTP as it takes to send prepared bytes over a kept connection and read the answers.

use std::{io, net::SocketAddr};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// Most bytes of an answer's head, and of its body.
const HEAD_BYTES_MAX: usize = 16 << 10;
const BODY_BYTES_MAX: usize = 64 << 20;

/// A connection that is kept.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    received: Vec<u8>,
}

impl Connection {
    /// Connects to a node.
    ///
    /// # Errors
    /// When nobody listens.
    pub async fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, received: Vec::new() })
    }

    /// Sends a whole request and gives the body of the answer.
    ///
    /// # Errors
    /// When the connection fails, or the answer is not a success with a known length.
    pub async fn ask(&mut self, request: &[u8]) -> io::Result<&[u8]> {
        self.stream.write_all(request).await?;
        self.received.clear();
        let head_end = loop {
            if let Some(end) = find(&self.received, b"\r\n\r\n") {
                break end + 4;
            }
            self.receive(HEAD_BYTES_MAX).await?;
        };
        let length = content_length(&self.received[..head_end])?;
        if length > BODY_BYTES_MAX {
            return Err(invalid(format!("expected at most {BODY_BYTES_MAX} bytes, got {length}")));
        }
        while self.received.len() < head_end + length {
            self.receive(head_end + length).await?;
        }
        Ok(&self.received[head_end..head_end + length])
    }

    async fn receive(&mut self, bytes_max: usize) -> io::Result<()> {
        if self.received.len() >= bytes_max {
            return Err(invalid(format!("expected a head of at most {bytes_max} bytes")));
        }
        match self.stream.read_buf(&mut self.received).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }
}

/// A `GET` of `path`.
pub fn get(path: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").into_bytes()
}

/// The head of a `POST` of JSON to the root.
pub fn post_head(body_bytes: usize) -> Vec<u8> {
    format!(
        "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {body_bytes}\r\n\r\n"
    )
    .into_bytes()
}

/// Where `needle` first stands.
pub fn find(bytes: &[u8], needle: &[u8]) -> Option<usize> {
    bytes.windows(needle.len()).position(|window| window == needle)
}

fn content_length(head: &[u8]) -> io::Result<usize> {
    let head = str::from_utf8(head).map_err(|_| invalid("expected a head of text".into()))?;
    let mut lines = head.lines();
    let status = lines.next().unwrap_or_default();
    if status.split(' ').nth(1) != Some("200") {
        return Err(invalid(format!("expected status 200, got {status:?}")));
    }
    let length = lines.find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
    });
    length.ok_or_else(|| invalid("expected a Content-Length".into()))
}

fn invalid(message: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, message)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn lengths_are_read_whatever_their_case() {
        assert_eq!(content_length(b"HTTP/1.1 200 OK\r\ncontent-length: 12\r\n\r\n").unwrap(), 12);
        assert!(content_length(b"HTTP/1.1 429 Slow\r\ncontent-length: 12\r\n\r\n").is_err());
        assert!(content_length(b"HTTP/1.1 200 OK\r\n\r\n").is_err());
    }
}
