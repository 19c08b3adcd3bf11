//! Ports that nobody uses.

use super::network::loopback;
use std::{
    io,
    net::{SocketAddr, TcpListener, UdpSocket},
};

/// Below the range that Linux hands out for outgoing connections, so that none of those takes a port
/// between now and the time that it is listened on.
const RANGE: std::ops::Range<u16> = 18_000..32_000;
const TRIES_MAX: usize = 10_000;

/// Distinct loopback addresses on which both TCP and UDP can be listened on now.
///
/// # Errors
/// When there are not that many.
pub fn free(count: usize) -> io::Result<Vec<SocketAddr>> {
    // All stay bound until the last is found: two callers at a time get different ones.
    let mut held = Vec::new();
    for _ in 0..TRIES_MAX {
        if held.len() == count {
            break;
        }
        let address = loopback(rand::random_range(RANGE));
        if let (Ok(tcp), Ok(udp)) = (TcpListener::bind(address), UdpSocket::bind(address)) {
            held.push((address, tcp, udp));
        }
    }
    if held.len() < count {
        return Err(io::Error::other(format!("expected {count} free ports, found {}", held.len())));
    }
    Ok(held.into_iter().map(|(address, _, _)| address).collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    #[test]
    fn ports_are_distinct_and_free() {
        let addresses = super::free(12).unwrap();
        let distinct: std::collections::BTreeSet<_> = addresses.iter().collect();
        assert_eq!(distinct.len(), 12);
        std::net::TcpListener::bind(addresses[0]).unwrap();
    }
}
