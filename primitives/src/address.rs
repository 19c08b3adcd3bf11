//! Where a node is reached: `host:port` or `ip:port`, as `chain.toml` and a node's own configuration write it.
//!
//! | text | is |
//! |---|---|
//! | `192.0.2.1:7000`, `[2001:db8::1]:7000` | an address |
//! | `node.example.org:7000` | a name: labels of 1 to 63 letters, digits and inner hyphens, at most 253 bytes in all |
//!
//! The port is 1 to 65535, in decimal digits without a leading zero.

use commonware_utils::Hostname;
use std::{
    net::{IpAddr, SocketAddr},
    str::FromStr,
};

/// What an address looks like, for messages.
pub const EXPECTED: &str = "host:port or ip:port";

/// Characters of a refused text that an error repeats: longer than any address.
const GOT_CHARS_MAX: usize = 260;

/// Text that is no address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected {EXPECTED}, got {got:?}")]
pub struct AddressError {
    /// The text; its first 260 characters, where it is longer.
    pub got: String,
}

/// Where a node is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NodeAddress {
    /// A number.
    Socket(SocketAddr),
    /// A name, looked up when the node is dialed.
    Host {
        /// The name.
        host: Hostname,
        /// The port.
        port: u16,
    },
}

impl FromStr for NodeAddress {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        parse(text).ok_or_else(|| AddressError { got: text.chars().take(GOT_CHARS_MAX).collect() })
    }
}

fn parse(text: &str) -> Option<NodeAddress> {
    let (host, digits) = text.rsplit_once(':')?;
    let well_formed = digits.bytes().all(|digit| digit.is_ascii_digit()) && !digits.starts_with('0');
    let port: u16 = digits.parse().ok().filter(|_| well_formed)?;
    if let Ok(socket) = text.parse() {
        return Some(NodeAddress::Socket(socket));
    }
    // `300.0.2.1` and `1.2.3` are names by their letters, but nobody means a name by them, and resolvers differ.
    let is_number = host.split('.').all(|label| label.bytes().all(|byte| byte.is_ascii_digit()));
    let host = Hostname::new(host).ok().filter(|_| !is_number && host.parse::<IpAddr>().is_err())?;
    Some(NodeAddress::Host { host, port })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_are_addresses() {
        for text in ["127.0.0.1:7000", "[::1]:7000", "[2001:db8::1]:65535"] {
            let expected = NodeAddress::Socket(text.parse().expect("an address"));
            assert_eq!(text.parse(), Ok(expected), "{text}");
        }
        let long = format!("{}:65535", [["a"; 63].concat().as_str(); 3].join("."));
        for text in ["node.example.org:7000", "localhost:1", "4-you.example:70", "3com.example:80", &long] {
            let (name, port) = text.rsplit_once(':').expect("a colon");
            let Ok(NodeAddress::Host { host, port: got }) = text.parse() else { panic!("{text}") };
            assert_eq!((host.as_str(), got.to_string().as_str()), (name, port));
        }
    }

    #[test]
    fn other_text_is_refused() {
        let label = format!("{}.example:80", "a".repeat(64));
        let name = format!("{}:80", ["a"; 128].join("."));
        let texts = [
            "",
            ":",
            "node",
            "node:",
            ":7000",
            "node:port",
            "node:0",
            "node:070",
            "node:+70",
            "node:65536",
            "no de:7000",
            "no_de:7000",
            "-node:7000",
            "node-:7000",
            "node..org:7000",
            "node.:7000",
            "kn\u{f6}ten:7000",
            "::1:7000",
            "[::1]",
            "[node]:7000",
            "127.0.0.1:0",
            "[::1]:0",
            "300.0.2.1:7000",
            "1.2.3:7000",
            "127.0.0.1 :7000",
            &label,
            &name,
        ];
        for text in texts {
            assert_eq!(text.parse::<NodeAddress>(), Err(AddressError { got: text.into() }));
        }
        let endless = "a".repeat(100_000);
        assert_eq!(endless.parse::<NodeAddress>().map_err(|error| error.got.len()), Err(260));
    }
}
