//! Who calls, how often, and over how many connections: one bounded table.
//!
//! A client is an IPv4 address, or the /64 that an IPv6 address lies in. Each has an allowance of
//! tokens that refills with time: calls cost tokens before they run, and long responses cost more
//! after. The allowance may go below zero then; the client waits until it is positive again.

use super::config::RpcConfig;
use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// Bytes of a request or a response that cost a token.
pub(super) const BYTES_PER_TOKEN: usize = 4096;
/// Least time between two looks through a full table for clients that can be forgotten: a look visits
/// every client, and a flood of newcomers must not have one each.
const SWEEP_INTERVAL: Duration = Duration::from_secs(1);

/// Whose allowance it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Key {
    Client(IpAddr),
    /// Everybody who came when the table was full.
    Others,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    tokens: f64,
    refilled: Instant,
    connections: usize,
}

#[derive(Debug, Default)]
struct Table {
    entries: HashMap<Key, Entry>,
    /// When it was last searched for clients that can be forgotten.
    swept: Option<Instant>,
}

/// The table. Clones share it.
#[derive(Clone, Debug)]
pub struct Clients {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    tokens_per_second: f64,
    tokens_max: f64,
    clients_max: usize,
    connections_max: usize,
    unlimited: Vec<IpAddr>,
    table: Mutex<Table>,
}

/// A client's connection; dropping it gives its place back.
#[derive(Debug)]
pub struct ConnectionSlot {
    shared: Arc<Shared>,
    /// `None` for unlimited clients, which are not counted.
    key: Option<Key>,
}

impl Clients {
    pub fn new(config: &RpcConfig) -> Self {
        let shared = Shared {
            tokens_per_second: f64::from(config.tokens_per_second),
            tokens_max: f64::from(config.tokens_max),
            clients_max: config.clients_max,
            connections_max: config.connections_per_client_max,
            unlimited: config.unlimited.clone(),
            table: Mutex::default(),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Takes a place for one more connection; `None` when the client has all that it may.
    pub fn connect(&self, address: IpAddr) -> Option<ConnectionSlot> {
        let shared = self.shared.clone();
        if shared.is_unlimited(address) {
            return Some(ConnectionSlot { shared, key: None });
        }
        let mut table = shared.table();
        let (key, entry) = shared.entry(&mut table, address, Instant::now());
        if entry.connections >= shared.connections_max {
            return None;
        }
        entry.connections += 1;
        drop(table);
        Some(ConnectionSlot { shared, key: Some(key) })
    }

    /// Takes `tokens` from the client's allowance before a call.
    ///
    /// # Errors
    /// The time until there will be enough.
    pub fn spend(&self, address: IpAddr, tokens: u32) -> Result<(), Duration> {
        self.spend_at(address, tokens, Instant::now())
    }

    fn spend_at(&self, address: IpAddr, tokens: u32, now: Instant) -> Result<(), Duration> {
        if self.shared.is_unlimited(address) {
            return Ok(());
        }
        let mut table = self.shared.table();
        let (_, entry) = self.shared.entry(&mut table, address, now);
        // A call that costs more than anybody can save up costs all that can be saved.
        let tokens = f64::from(tokens).min(self.shared.tokens_max);
        if entry.tokens < tokens {
            return Err(Duration::from_secs_f64((tokens - entry.tokens) / self.shared.tokens_per_second));
        }
        entry.tokens -= tokens;
        Ok(())
    }

    /// Charges the client for a response, whatever it has left.
    pub fn charge_response(&self, address: IpAddr, bytes: usize) {
        if bytes < BYTES_PER_TOKEN || self.shared.is_unlimited(address) {
            return;
        }
        let mut table = self.shared.table();
        let (_, entry) = self.shared.entry(&mut table, address, Instant::now());
        entry.tokens -= (bytes / BYTES_PER_TOKEN) as f64;
    }
}

impl Drop for ConnectionSlot {
    fn drop(&mut self) {
        let Some(key) = self.key else { return };
        if let Some(entry) = self.shared.table().entries.get_mut(&key) {
            entry.connections = entry.connections.saturating_sub(1);
        }
    }
}

impl Shared {
    /// No holder of the lock panics half-way through a change.
    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_unlimited(&self, address: IpAddr) -> bool {
        self.unlimited.contains(&address.to_canonical())
    }

    /// The client's entry, refilled to `now`; the one of all others when the table is full of clients
    /// that are connected or have spent something lately, as far as the last sweep could tell.
    fn entry<'e>(&self, table: &'e mut Table, address: IpAddr, now: Instant) -> (Key, &'e mut Entry) {
        let Table { entries, swept } = table;
        let mut key = Key::Client(client(address));
        if entries.len() >= self.clients_max && !entries.contains_key(&key) {
            if swept.is_none_or(|swept| now.saturating_duration_since(swept) >= SWEEP_INTERVAL) {
                *swept = Some(now);
                entries.retain(|_, entry| {
                    self.refill(entry, now);
                    entry.connections > 0 || entry.tokens < self.tokens_max
                });
            }
            if entries.len() >= self.clients_max {
                key = Key::Others;
            }
        }
        let full = Entry { tokens: self.tokens_max, refilled: now, connections: 0 };
        let entry = entries.entry(key).or_insert(full);
        self.refill(entry, now);
        (key, entry)
    }

    fn refill(&self, entry: &mut Entry, now: Instant) {
        let gained = now.saturating_duration_since(entry.refilled).as_secs_f64() * self.tokens_per_second;
        entry.tokens = (entry.tokens + gained).min(self.tokens_max);
        entry.refilled = now;
    }
}

/// The client that an address belongs to.
fn client(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn clients(clients_max: usize) -> Clients {
        Clients::new(&RpcConfig {
            tokens_per_second: 10,
            tokens_max: 20,
            clients_max,
            connections_per_client_max: 2,
            ..RpcConfig::default()
        })
    }

    fn address(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    #[test]
    fn an_allowance_is_spent_and_refills() {
        let clients = clients(10);
        let now = Instant::now();
        assert_eq!(clients.spend_at(address(1), 15, now), Ok(()));
        assert_eq!(clients.spend_at(address(1), 15, now), Err(Duration::from_secs(1)));
        // Another client is another matter.
        assert_eq!(clients.spend_at(address(2), 15, now), Ok(()));
        assert_eq!(clients.spend_at(address(1), 15, now + Duration::from_secs(1)), Ok(()));
        // Never more than can be saved, and a greater price than that is payable.
        assert_eq!(clients.spend_at(address(1), 1000, now + Duration::from_secs(60)), Ok(()));
        assert!(clients.spend_at(address(1), 1, now + Duration::from_secs(60)).is_err());
    }

    #[test]
    fn long_responses_cost_afterwards() {
        let clients = clients(10);
        clients.charge_response(address(1), 4095);
        assert_eq!(clients.spend(address(1), 20), Ok(()));
        clients.charge_response(address(1), 100 * BYTES_PER_TOKEN);
        assert!(clients.spend(address(1), 1).unwrap_err() > Duration::from_secs(9));
    }

    #[test]
    fn connections_are_counted_and_given_back() {
        let clients = clients(10);
        let first = clients.connect(address(1)).unwrap();
        let _second = clients.connect(address(1)).unwrap();
        assert!(clients.connect(address(1)).is_none());
        drop(first);
        assert!(clients.connect(address(1)).is_some());
    }

    #[test]
    fn this_machine_is_not_limited_by_default() {
        let clients = clients(1);
        let here = IpAddr::from([127, 0, 0, 1]);
        let slots: Vec<_> = (0..10).map(|_| clients.connect(here).unwrap()).collect();
        assert_eq!(slots.len(), 10);
        assert_eq!(clients.spend("::ffff:127.0.0.1".parse().unwrap(), 1_000_000), Ok(()));
    }

    #[test]
    fn neighbours_of_a_64_are_one_client() {
        let clients = clients(10);
        clients.spend("2001:db8::1".parse().unwrap(), 20).unwrap();
        assert!(clients.spend("2001:db8::2".parse().unwrap(), 1).is_err());
        assert!(clients.spend("2001:db8:0:1::1".parse().unwrap(), 1).is_ok());
    }

    #[test]
    fn the_table_is_bounded() {
        let clients = clients(3);
        let now = Instant::now();
        for last in 0..3 {
            clients.spend_at(address(last), 20, now).unwrap();
        }
        // Full: newcomers share one allowance.
        clients.spend_at(address(10), 20, now).unwrap();
        assert!(clients.spend_at(address(11), 1, now).is_err());
        assert_eq!(clients.shared.table().entries.len(), 4);
        // Who has nothing outstanding is forgotten, and there is room again.
        clients.spend_at(address(12), 1, now + Duration::from_secs(10)).unwrap();
        assert_eq!(clients.shared.table().entries.len(), 1);
    }

    #[test]
    fn a_full_table_is_searched_once_a_second() {
        let clients = clients(3);
        let (now, ms) = (Instant::now(), Duration::from_millis);
        for last in 0..3 {
            clients.spend_at(address(last), 1, now).unwrap();
        }
        // The first newcomer makes it look, in vain. All have their token back soon, and still the next
        // newcomers share one allowance, until a second has passed.
        clients.spend_at(address(10), 1, now).unwrap();
        for (last, after) in [(11, ms(500)), (12, ms(999))] {
            clients.spend_at(address(last), 1, now + after).unwrap();
            assert_eq!(clients.shared.table().entries.len(), 4, "after {after:?}");
        }
        clients.spend_at(address(13), 1, now + SWEEP_INTERVAL).unwrap();
        assert_eq!(clients.shared.table().entries.len(), 2, "the newcomer, and the allowance that others share");
    }
}
