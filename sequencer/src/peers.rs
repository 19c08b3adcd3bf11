//! Where the committee's members are reached: `chain.toml`'s addresses, or this node's own for them. What an address is,
//! [`sinter_primitives::address`] says.

use commonware_codec::{Copying, DecodeExt};
use commonware_cryptography::ed25519::PublicKey;
use commonware_p2p::{Address, Ingress};
use commonware_utils::ordered::Map;
use sinter_primitives::{
    address::{AddressError, NodeAddress},
    committee::Seat,
};
use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr, SocketAddr},
};

/// Why a seat cannot be dialed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PeerError {
    /// Its address is none.
    #[error("seat {node_key}: {source}")]
    Address {
        /// The seat's node key, in hex.
        node_key: String,
        /// What was expected, and what is there.
        source: AddressError,
    },
    /// Its node key is none, which a [`sinter_primitives::Committee`] rules out.
    #[error("expected an ed25519 node key, got {got}")]
    NodeKey {
        /// The key, in hex.
        got: String,
    },
}

/// An address as p2p takes it.
fn dialable(address: NodeAddress) -> Address {
    match address {
        NodeAddress::Socket(socket) => Address::Symmetric(socket),
        NodeAddress::Host { host, port } => Address::Asymmetric {
            ingress: Ingress::Dns { host, port },
            // Where a named host sends from is not known before it does; peers are known by key, not by address.
            egress: SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), port),
        },
    }
}

/// Checks addresses that replace others, whoever has a seat.
///
/// # Errors
/// [`PeerError::Address`] with the first that is none.
pub fn check(overrides: &BTreeMap<String, String>) -> Result<(), PeerError> {
    overrides.iter().try_for_each(|(node_key, address)| match address.parse::<NodeAddress>() {
        Ok(_) => Ok(()),
        Err(source) => Err(PeerError::Address { node_key: node_key.clone(), source }),
    })
}

/// The key and address of each of these seats, ascending by key; where two have a key, the first one's address counts.
/// `overrides` maps node keys in hex to addresses.
///
/// # Errors
/// [`PeerError`] with the first address that is none.
pub fn addresses<'a>(
    seats: impl IntoIterator<Item = &'a Seat>,
    overrides: &BTreeMap<String, String>,
) -> Result<Map<PublicKey, Address>, PeerError> {
    let overrides: BTreeMap<String, &String> =
        overrides.iter().map(|(key, address)| (key.trim_start_matches("0x").to_ascii_lowercase(), address)).collect();
    let mut addresses = Vec::new();
    for seat in seats {
        let node_key = hex::encode(seat.node_key);
        let text = overrides.get(&node_key).map_or(&seat.address, |address| address);
        let address =
            text.parse::<NodeAddress>().map_err(|source| PeerError::Address { node_key: node_key.clone(), source })?;
        let key =
            PublicKey::decode(Copying(seat.node_key.as_slice())).map_err(|_| PeerError::NodeKey { got: node_key })?;
        addresses.push((key, dialable(address)));
    }
    Ok(Map::from_iter_dedup(addresses))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use sinter_primitives::testkit::Network;

    #[test]
    fn every_address_of_a_chain_file_can_be_dialed() {
        let texts = ["127.0.0.1:7000", "[::1]:7000", "node.example.org:7000", "n-1:1"];
        let network = Network::with(texts.len(), 1, |file| {
            for (seat, text) in file.seats.iter_mut().zip(texts) {
                seat.address = text.into();
            }
        });
        let seats = addresses(network.chain.committee.seats(), &BTreeMap::new()).unwrap();
        let [v4, v6, name, short] = seats.values() else { panic!("four seats") };
        assert_eq!(*v4, Address::Symmetric(texts[0].parse().unwrap()));
        assert_eq!(*v6, Address::Symmetric(texts[1].parse().unwrap()));
        for (address, port) in [(name, 7000), (short, 1)] {
            let Address::Asymmetric { ingress: Ingress::Dns { port: got, .. }, .. } = address else { panic!("a name") };
            assert_eq!(*got, port);
        }
    }

    #[test]
    fn a_node_may_know_better_where_a_seat_is() {
        let network = Network::new(1);
        let node_key = hex::encode(network.chain.committee.seats()[0].node_key);
        let with = |text: &str| {
            let key = format!("0x{}", node_key.to_uppercase());
            addresses(network.chain.committee.seats(), &BTreeMap::from([(key, text.to_owned())]))
        };
        assert_eq!(with("[::1]:7000").unwrap().values(), [Address::Symmetric("[::1]:7000".parse().unwrap())]);
        let source = AddressError { got: "node:0".into() };
        assert_eq!(with("node:0").unwrap_err(), PeerError::Address { node_key: node_key.clone(), source });
    }
}
