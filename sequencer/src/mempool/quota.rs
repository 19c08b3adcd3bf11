//! Who is behind a transaction, and how much each may have pending.

use super::{
    config::{MempoolConfig, Size},
    refusal::{Refusal, Unit},
};
use sinter_primitives::Namespace;
use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
};

/// Whose quota a transaction counts against.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    /// An account of a namespace, known by its signature, and the client that handed the transaction in.
    /// Both are counted: accounts cost nothing, so by themselves they would bound nobody.
    Account {
        /// The namespace.
        namespace: Namespace,
        /// Its account.
        account: [u8; 20],
        /// The client's address, counted as that of [`Self::Client`].
        client: IpAddr,
    },
    /// A client of this node that is known by its address only. IPv6 addresses count by /64.
    Client(IpAddr),
    /// Another seat, by its node key: the transaction came by dissemination.
    Peer([u8; 32]),
}

impl Source {
    /// Whether this node is the one that took the transaction in, and so the one that passes it on.
    #[must_use]
    pub const fn is_local(&self) -> bool {
        !matches!(self, Self::Peer(_))
    }
}

/// Who has a quota.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Holder {
    Account(Namespace, [u8; 20]),
    Client(IpAddr),
    Peer([u8; 32]),
    PeerInNamespace([u8; 32], Namespace),
}

/// What each source has pending. Holds nobody who has nothing pending.
#[derive(Debug)]
pub(super) struct Quotas {
    account: Size,
    client: Size,
    peer: Size,
    peer_in_namespace: Size,
    used: HashMap<Holder, Size>,
}

impl Quotas {
    pub fn new(config: &MempoolConfig, seats: usize) -> Self {
        Self {
            account: Size { transactions: config.sender_transactions_max, bytes: config.sender_bytes_max },
            client: Size { transactions: config.client_transactions_max, bytes: config.client_bytes_max },
            peer: MempoolConfig::peer_share(config.pool(), seats),
            peer_in_namespace: MempoolConfig::peer_share(config.namespace(), seats),
            used: HashMap::new(),
        }
    }

    fn holders(&self, source: Source, namespace: Namespace) -> impl Iterator<Item = (Holder, Size)> + use<> {
        let (first, second) = match source {
            Source::Account { namespace, account, client } => (
                (Holder::Account(namespace, account), self.account),
                Some((Holder::Client(network_of(client)), self.client)),
            ),
            Source::Client(address) => ((Holder::Client(network_of(address)), self.client), None),
            Source::Peer(key) => (
                (Holder::Peer(key), self.peer),
                Some((Holder::PeerInNamespace(key, namespace), self.peer_in_namespace)),
            ),
        };
        std::iter::once(first).chain(second)
    }

    /// Whether `source` may have one more transaction of `bytes` bytes pending in `namespace`.
    pub fn check(&self, source: Source, namespace: Namespace, bytes: usize) -> Result<(), Refusal> {
        for (holder, max) in self.holders(source, namespace) {
            let would = self.used.get(&holder).copied().unwrap_or_default() + Size::one(bytes);
            if let Some((unit, max, got)) = excess(would, max) {
                return Err(match holder {
                    Holder::Client(_) => Refusal::ClientFull { unit, max, got },
                    _ => Refusal::SenderFull { unit, max, got },
                });
            }
        }
        Ok(())
    }

    pub fn add(&mut self, source: Source, namespace: Namespace, bytes: usize) {
        for (holder, _) in self.holders(source, namespace) {
            *self.used.entry(holder).or_default() += Size::one(bytes);
        }
    }

    pub fn remove(&mut self, source: Source, namespace: Namespace, bytes: usize) {
        for (holder, _) in self.holders(source, namespace) {
            let Some(used) = self.used.get_mut(&holder) else { continue };
            *used -= Size::one(bytes);
            if used.transactions == 0 {
                self.used.remove(&holder);
            }
        }
    }

    /// Sources that have something pending.
    #[cfg(test)]
    pub fn holders_with_pending(&self) -> usize {
        self.used.len()
    }
}

/// What of `got` exceeds `max`: its unit, the bound, and the amount.
pub(super) fn excess(got: Size, max: Size) -> Option<(Unit, usize, usize)> {
    if got.transactions > max.transactions {
        return Some((Unit::Transactions, max.transactions, got.transactions));
    }
    (got.bytes > max.bytes).then_some((Unit::Bytes, max.bytes, got.bytes))
}

/// An address as it counts: of IPv6 the /64, which is what one customer gets; IPv4 inside IPv6 as IPv4.
fn network_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from(u128::from(address) >> 64 << 64)),
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_one_customer_count_as_one() {
        let network = |text: &str| network_of(text.parse().expect("an address"));
        assert_eq!(network("2001:db8:1:2:3::4"), network("2001:db8:1:2:ffff::1"));
        assert_ne!(network("2001:db8:1:2::1"), network("2001:db8:1:3::1"));
        assert_eq!(network("::ffff:192.0.2.1"), network("192.0.2.1"));
        assert_ne!(network("192.0.2.1"), network("192.0.2.2"));
    }
}
