//! The network that a devnet runs: made once, then read back from its directory.

use super::{
    directory::Directory,
    fees::{FEES, fee_recipient},
    ports,
};
use crate::{
    chain,
    exit::{Exit, Failure, OrFail},
    keys,
    load::LaneTarget,
};
use alloy::primitives::Address;
use serde::Serialize;
use sinter_primitives::{
    Chain, Digest, Namespace, Parameters,
    chain::{ChainFile, L1Spec, NamespaceSpec, Ordering},
};
use std::{
    collections::BTreeMap,
    fs,
    net::{Ipv4Addr, SocketAddr},
    num::NonZeroU64,
    path::Path,
};

/// Members of the committee: the fewest that bear a fault.
pub const SEATS: usize = 4;
const CHAIN_ID: u64 = 5_717;
/// Free space under which a node stops. A devnet is small, and so may be the disk.
const DISK_FREE_BYTES_MIN: u64 = 64 << 20;

/// The embedded L1 has a block a second.
const L1_POLL_INTERVAL_MS: u64 = 250;

/// A network that is on disk.
#[derive(Clone, Debug)]
pub struct Network {
    /// Its definition.
    pub chain: Chain,
    /// Each node's JSON-RPC; the first nodes are the seats of `chain.toml`, in their order.
    pub rpc: Vec<SocketAddr>,
    /// Where each listens for its peers.
    pub quic: Vec<SocketAddr>,
}

/// A node's configuration file, as far as a devnet sets it.
#[derive(Serialize)]
struct NodeFile {
    chain: &'static str,
    data_dir: &'static str,
    node_key_file: &'static str,
    bls_key_file: &'static str,
    listen: SocketAddr,
    rpc_listen: SocketAddr,
    disk_free_bytes_min: u64,
    worker_threads: usize,
    log: &'static str,
    namespaces: BTreeMap<String, BTreeMap<String, String>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    l1_rpc: Vec<String>,
    l1_poll_interval_ms: u64,
    fee_recipient: Option<Address>,
}

impl Network {
    /// The network in `directory`, where there is one.
    ///
    /// # Errors
    /// When what lies there is not what a devnet leaves behind.
    pub fn read(directory: &Directory) -> Result<Option<Self>, Failure> {
        if !directory.chain().exists() {
            return Ok(None);
        }
        let chain = chain::load(&directory.chain())?;
        let homes: Vec<_> = (0..).map(|number| directory.node(number)).take_while(|home| home.exists()).collect();
        let addresses = |key| homes.iter().map(|home| node_address(home, key)).collect::<Result<_, _>>();
        Ok(Some(Self { rpc: addresses("rpc_listen")?, quic: addresses("listen")?, chain }))
    }

    /// Makes a network of so many nodes and six namespaces that settles on `l1`. The first [`SEATS`] of them are its first committee.
    ///
    /// # Errors
    /// When the directory cannot be written.
    pub fn create(
        directory: &Directory,
        genesis_timestamp_ms: u64,
        l1: L1Spec,
        (nodes, epoch_blocks): (usize, Option<NonZeroU64>),
        l1_url: &str,
    ) -> Result<Self, Failure> {
        let listen = ports::free(2 * nodes).or_fail(Exit::Failed, "looking for free ports")?;
        let (quic, rpc) = listen.split_at(nodes);
        let mut members = Vec::new();
        for (number, address) in quic.iter().enumerate() {
            let keys = directory.path().join(format!("keys-{number}"));
            // What an interrupted start left behind belongs to no network.
            if keys.exists() {
                fs::remove_dir_all(&keys).or_fail(Exit::Usage, format_args!("removing {}", keys.display()))?;
            }
            keys::make_plain(&keys)?;
            members.push((keys::seat(&keys, &address.to_string())?, *address, keys));
        }
        // A member's number is its seat's, and seats ascend by node key.
        members.sort_by_key(|(seat, _, _)| seat.node_key);
        for (number, ((_, listen, keys), rpc)) in members.iter().zip(rpc).enumerate() {
            let node = directory.node(number);
            if node.exists() {
                fs::remove_dir_all(&node).or_fail(Exit::Usage, format_args!("removing {}", node.display()))?;
            }
            fs::rename(keys, &node).or_fail(Exit::Usage, format_args!("making {}", node.display()))?;
            let l1_rpc = l1.is_followed().then(|| l1_url.to_owned());
            let fee_recipient = l1.forced_inbox.as_ref().map(|_| fee_recipient(number));
            let file = NodeFile { l1_rpc: Vec::from_iter(l1_rpc), fee_recipient, ..node_file(*listen, *rpc) };
            write_toml(&node.join("node.toml"), &file)?;
        }
        let file = ChainFile {
            chain_id: CHAIN_ID,
            name: "devnet".into(),
            genesis_timestamp_ms,
            parameters: Parameters { epoch_blocks, ..Parameters::default() },
            fees: l1.forced_inbox.as_ref().map(|_| FEES),
            l1,
            seats: members.iter().take(SEATS).map(|(seat, _, _)| seat.clone()).collect(),
            namespaces: namespaces(),
        };
        // Last, and whole or not at all: a directory with a chain.toml is a complete network.
        let unfinished = directory.path().join("chain.toml.new");
        write_toml(&unfinished, &file)?;
        fs::rename(&unfinished, directory.chain()).or_fail(Exit::Usage, "writing chain.toml")?;
        let quic = members.iter().map(|(_, listen, _)| *listen).collect();
        Ok(Self { chain: chain::load(&directory.chain())?, rpc: rpc.to_vec(), quic })
    }

    /// Each node's JSON-RPC as a URL.
    pub fn rpc_urls(&self) -> Vec<String> {
        self.rpc.iter().map(|address| format!("http://{address}")).collect()
    }

    /// The namespaces that speak Ethereum.
    pub fn lanes(&self) -> Vec<LaneTarget> {
        let specs = self.chain.file.namespaces.iter();
        specs.filter_map(|spec| Some(LaneTarget { namespace: spec.id, evm_chain_id: spec.evm_chain_id? })).collect()
    }
}

fn node_file(listen: SocketAddr, rpc_listen: SocketAddr) -> NodeFile {
    NodeFile {
        chain: "../chain.toml",
        data_dir: "data",
        node_key_file: "node.key",
        bls_key_file: "bls.key",
        listen,
        rpc_listen,
        disk_free_bytes_min: DISK_FREE_BYTES_MIN,
        // Four nodes share this machine.
        worker_threads: 2,
        log: "info",
        namespaces: BTreeMap::new(),
        l1_rpc: Vec::new(),
        l1_poll_interval_ms: L1_POLL_INTERVAL_MS,
        fee_recipient: None,
    }
}

/// An address in a node's configuration.
fn node_address(home: &Path, key: &str) -> Result<SocketAddr, Failure> {
    let file = home.join("node.toml");
    let what = format!("reading {}", file.display());
    let text = fs::read_to_string(&file).or_fail(Exit::Usage, &what)?;
    let values: toml::Table = toml::from_str(&text).or_fail(Exit::Usage, &what)?;
    let address = values.get(key).and_then(toml::Value::as_str).unwrap_or_default();
    address.parse().or_fail(Exit::Usage, format_args!("{}: `{key}`", file.display()))
}

/// The ledgers' namespaces, and what they are called.
pub const LEDGERS: [(Namespace, &str); 2] = [(Namespace(11), "ledger-a"), (Namespace(12), "ledger-b")];
/// The counter's.
pub const COUNTER: (Namespace, &str) = (Namespace(13), "counter");

/// Three lanes for a load of Ethereum transactions, the last of which sells the first place; and the rollups that are proved.
fn namespaces() -> Vec<NamespaceSpec> {
    let spec = |id, name: &str, evm_chain_id, ordering| NamespaceSpec {
        id: Namespace(id),
        name: name.into(),
        evm_chain_id: Some(evm_chain_id),
        ordering,
    };
    let proved = |(id, name): (Namespace, &str)| NamespaceSpec {
        id,
        name: name.into(),
        evm_chain_id: None,
        ordering: Ordering::FirstCome,
    };
    // Nobody holds auctions in a devnet, so nobody needs this key's other half.
    let auction_key = Digest(EXPRESS_AUCTION_KEY);
    vec![
        spec(1, "alpha", 57_171, Ordering::FirstCome),
        spec(2, "beta", 57_172, Ordering::FirstCome),
        spec(3, "gamma", 57_173, Ordering::Express { auction_key }),
        proved(LEDGERS[0]),
        proved(LEDGERS[1]),
        proved(COUNTER),
    ]
}

/// The ed25519 public key of RFC 8032's first test vector: its secret key is public, too.
const EXPRESS_AUCTION_KEY: [u8; 32] = [
    0xd7, 0x5a, 0x98, 0x01, 0x82, 0xb1, 0x0a, 0xb7, 0xd5, 0x4b, 0xfe, 0xd3, 0xc9, 0x64, 0x07, 0x3a, 0x0e, 0xe1, 0x72,
    0xf3, 0xda, 0xa6, 0x23, 0x25, 0xaf, 0x02, 0x1a, 0x68, 0xf7, 0x07, 0x51, 0x1a,
];

/// Writes a file of TOML.
///
/// # Errors
/// When it cannot be written.
pub fn write_toml(path: &Path, value: &impl Serialize) -> Result<(), Failure> {
    let what = format!("writing {}", path.display());
    let text = toml::to_string(value).or_fail(Exit::Failed, &what)?;
    fs::write(path, text).or_fail(Exit::Usage, &what)
}

/// The loopback address with `port`.
pub const fn loopback(port: u16) -> SocketAddr {
    SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), port)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use sinter_primitives::header::L1Origin;
    use sinter_sequencer::config::NodeConfig;

    fn l1() -> L1Spec {
        let origin = L1Origin { number: 0, hash: Digest([7; 32]) };
        L1Spec {
            chain_id: 1337,
            light_client: format!("0x{}", "ab".repeat(20)),
            origin,
            registry: None,
            forced_inbox: None,
        }
    }

    #[test]
    fn a_network_is_read_back_as_it_was_made() {
        let directory = Directory::open(None).unwrap();
        assert!(Network::read(&directory).unwrap().is_none());
        let made = Network::create(&directory, 1_800_000_000_000, l1(), (SEATS, None), "").unwrap();
        let read = Network::read(&directory).unwrap().unwrap();
        assert_eq!((made.chain.hash, &made.rpc), (read.chain.hash, &read.rpc));
        assert_eq!(read.lanes().len(), 3);
        assert_eq!(read.chain.committee.quorum(), 3);
    }

    #[test]
    fn every_nodes_configuration_loads_and_fits_its_seat() {
        let directory = Directory::open(None).unwrap();
        let network = Network::create(&directory, 1_800_000_000_000, l1(), (SEATS, None), "").unwrap();
        for (number, seat) in network.chain.committee.seats().iter().enumerate() {
            let node = directory.node(number);
            let none: BTreeMap<String, String> = BTreeMap::new();
            let config = NodeConfig::load(Some(&node.join("node.toml")), &none).unwrap();
            assert_eq!(config.listen.to_string(), seat.address);
            assert_eq!(keys::seat(&node, &seat.address).unwrap().node_key, seat.node_key);
        }
    }
}
