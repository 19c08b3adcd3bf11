//! Where the committee's members are reached: `chain.toml`'s addresses, or this node's own for them.

use commonware_codec::{Copying, DecodeExt};
use commonware_cryptography::ed25519::PublicKey;
use commonware_p2p::{Address, Ingress};
use commonware_utils::{Hostname, ordered::Map};
use sinter_primitives::Committee;
use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr, SocketAddr},
};

/// An address that is none.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("expected {expected}, got {got:?}")]
pub struct AddressError {
    /// What is admitted.
    pub expected: &'static str,
    /// The text.
    pub got: String,
}

const EXPECTED: &str = "host:port or ip:port";

/// Reads `host:port` or `ip:port`.
///
/// # Errors
/// [`AddressError`] with the text.
pub fn parse_address(text: &str) -> Result<Address, AddressError> {
    if let Ok(socket) = text.parse::<SocketAddr>() {
        return Ok(Address::Symmetric(socket));
    }
    let refuse = || AddressError { expected: EXPECTED, got: text.into() };
    let (host, port) = text.rsplit_once(':').ok_or_else(refuse)?;
    let port = port.parse().map_err(|_| refuse())?;
    let host = Hostname::new(host).map_err(|_| refuse())?;
    Ok(Address::Asymmetric {
        ingress: Ingress::Dns { host, port },
        // Where a named host sends from is not known before it does; peers are known by key, not by address.
        egress: SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), port),
    })
}

/// Every seat's key and address, ascending by key; `overrides` maps node keys in hex to addresses.
///
/// # Errors
/// [`AddressError`] with the first address that is none.
pub fn addresses(
    committee: &Committee,
    overrides: &BTreeMap<String, String>,
) -> Result<Map<PublicKey, Address>, AddressError> {
    let overrides: BTreeMap<String, &String> =
        overrides.iter().map(|(key, address)| (key.trim_start_matches("0x").to_ascii_lowercase(), address)).collect();
    let mut addresses = Vec::with_capacity(committee.seats().len());
    for seat in committee.seats() {
        let text = overrides.get(&hex::encode(seat.node_key)).map_or(&seat.address, |address| address);
        let key = PublicKey::decode(Copying(seat.node_key.as_slice()))
            .map_err(|_| AddressError { expected: "an ed25519 node key", got: hex::encode(seat.node_key) })?;
        addresses.push((key, parse_address(text)?));
    }
    Ok(Map::from_iter_dedup(addresses))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn names_and_numbers_are_addresses() {
        assert_eq!(parse_address("127.0.0.1:7000").unwrap(), Address::Symmetric("127.0.0.1:7000".parse().unwrap()));
        assert!(matches!(parse_address("[::1]:7000").unwrap(), Address::Symmetric(_)));
        assert!(matches!(
            parse_address("node.example.org:7000").unwrap(),
            Address::Asymmetric { ingress: Ingress::Dns { port: 7000, .. }, .. }
        ));
    }

    #[test]
    fn other_text_is_refused() {
        for text in ["", "node", "node:port", "node:70000", "no de:7000", ":7000"] {
            assert_eq!(parse_address(text).unwrap_err().got, text);
        }
    }
}
