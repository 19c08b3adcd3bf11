//! UDP addresses that nobody uses.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};

/// Below the range that Linux hands out to sockets that ask for any port, so that none of those, here or in a test beside
/// this one, takes an address between now and the time that it is listened on, or while a node is down.
const RANGE: std::ops::Range<u16> = 18_000..32_000;
const TRIES_MAX: usize = 1000;

/// Distinct free loopback addresses.
pub fn free_udp_addresses(count: usize) -> Vec<SocketAddr> {
    let tries = (0..TRIES_MAX).map(|_| SocketAddr::from((Ipv4Addr::LOCALHOST, rand::random_range(RANGE))));
    // All stay bound until the last is found.
    let held: Vec<_> = tries.filter_map(|address| UdpSocket::bind(address).ok()).take(count).collect();
    assert_eq!(held.len(), count, "free UDP ports in {RANGE:?}");
    held.iter().map(|socket| socket.local_addr().unwrap()).collect()
}
