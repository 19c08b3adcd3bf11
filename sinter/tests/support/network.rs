//! A committee: keys, a chain file with short timeouts, a configuration for each seat.

use super::{disk, node::Node};
use crate::process::wait_until;
use rand::RngExt as _;
use serde_json::{Value, json};
use sinter_primitives::{
    Chain, Digest, Namespace, Parameters,
    chain::{ChainFile, L1Spec, NamespaceSpec, Ordering},
    header::L1Origin,
    receipt::TrustedNetwork,
};
use sinter_sequencer::{keys, status::stall_bound_ms};
use std::{
    fs,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    num::NonZeroU64,
    path::{Path, PathBuf},
    time::Duration,
};
use tempfile::TempDir;

/// The namespace that takes any bytes.
pub const NAMESPACE: u64 = 1;
/// Free bytes under which a node stops: the least that a configuration admits.
pub const DISK_FREE_BYTES_MIN: u64 = 16 << 20;
/// How many times longer than computed things may take on a machine that does much else.
const PATIENCE: u32 = 6;
const QUIC_PORT: u16 = 7000;
const RPC_PORT: u16 = 8000;

/// Where a seat's process runs.
#[derive(Clone, Debug)]
pub struct Place {
    /// What its peers reach it at.
    pub quic: SocketAddr,
    /// What its interface listens on.
    pub rpc: SocketAddr,
    /// Words before the program's name.
    pub launcher: Vec<String>,
}

/// A committee and its processes.
pub struct Network {
    /// By seat. Dropped before the directory.
    pub nodes: Vec<Node>,
    /// The chain.
    pub chain: Chain,
    /// Where everything lies, for as long as this does.
    directory: TempDir,
}

impl Network {
    /// Makes a committee of `seats` on loopback. Nothing is started.
    pub fn new(seats: usize) -> Self {
        Self::at(&on_loopback(seats), |_, _| String::new())
    }

    /// Makes a committee at these places. `more` gives further lines of a seat's `node.toml`, which may open
    /// tables.
    pub fn at(places: &[Place], more: impl Fn(usize, &Chain) -> String) -> Self {
        Self::with_epochs(places, None, more)
    }

    /// The same, with epochs of so many blocks.
    pub fn with_epochs(
        places: &[Place],
        epoch_blocks: Option<NonZeroU64>,
        more: impl Fn(usize, &Chain) -> String,
    ) -> Self {
        let directory = disk::quick_directory();
        let mut made: Vec<_> = (0..places.len())
            .map(|number| {
                let home = directory.path().join(format!("made-{number}"));
                fs::create_dir(&home).unwrap();
                let node_key = keys::generate_node_key(&home.join("node.key"), rand::rng()).unwrap();
                let bls_key = keys::generate_bls_key(&home.join("bls.key"), rand::rng()).unwrap();
                (keys::node_public(&node_key), node_key, bls_key, home)
            })
            .collect();
        // A seat's number is its place in the order of node keys.
        made.sort_by(|(first, ..), (second, ..)| first.cmp(second));
        let mut seats = Vec::new();
        for (number, (_, node_key, bls_key, home)) in made.iter().enumerate() {
            seats.push(keys::seat(node_key, bls_key, &places[number].quic.to_string()).unwrap());
            fs::rename(home, home_of(directory.path(), number)).unwrap();
        }
        let text = chain_file(seats, epoch_blocks).to_toml().unwrap();
        fs::write(directory.path().join("chain.toml"), &text).unwrap();
        let chain = Chain::parse(text.as_bytes()).unwrap();
        let nodes = places.iter().enumerate().map(|(seat, place)| {
            let home = home_of(directory.path(), seat);
            fs::write(home.join("node.toml"), node_file(place) + &more(seat, &chain)).unwrap();
            Node::new(seat, home, place.rpc, place.launcher.clone())
        });
        Self { nodes: nodes.collect(), chain, directory }
    }

    /// Starts all nodes, and waits until each has seen a final block.
    pub fn start(&mut self) {
        self.nodes.iter_mut().for_each(Node::start);
        self.nodes.iter_mut().for_each(Node::wait_until_up);
        self.wait_for_height(1);
    }

    /// Waits until every node's head is at `height` or above.
    pub fn wait_for_height(&self, height: u64) {
        for node in &self.nodes {
            node.wait_for_height(height, self.patience());
        }
    }

    /// Waits until every node has as much final as any of them has now.
    pub fn wait_until_even(&self) {
        let highest = self.nodes.iter().filter_map(Node::height).max().expect("a node that answers");
        self.wait_for_height(highest);
    }

    /// Waits until every node says that it is well.
    pub fn wait_until_healthy(&self) {
        wait_until("every node is healthy", self.patience(), || {
            self.nodes.iter().all(|node| node.health() == Some(200))
        });
    }

    /// The longest that a committee with a third of its seats faulty goes without a new final block, by its
    /// parameters.
    pub fn stall_bound(&self) -> Duration {
        Duration::from_millis(stall_bound_ms(&self.chain.file.parameters, self.nodes.len()))
    }

    /// How long to wait for what must happen.
    pub fn patience(&self) -> Duration {
        self.stall_bound() * PATIENCE
    }

    /// Where the nodes' interfaces are, but for `left_out`.
    pub fn rpc_without(&self, left_out: &[usize]) -> Vec<SocketAddr> {
        self.nodes.iter().filter(|node| !left_out.contains(&node.seat)).map(|node| node.rpc).collect()
    }

    /// The chain's file.
    pub fn chain_path(&self) -> PathBuf {
        self.directory.path().join("chain.toml")
    }

    /// What a verifier trusts.
    pub fn trusted(&self) -> TrustedNetwork {
        TrustedNetwork::from(&self.chain)
    }

    /// Fails unless all nodes hold the same header at every height up to the lowest head, and none has proof of
    /// a member's fault. Gives that height.
    pub fn assert_agreement(&self) -> u64 {
        for node in &self.nodes {
            let status = node.call("sinter_status", json!([])).expect("an answer");
            assert_eq!(status["faults"], 0, "node {}: {status}", node.seat);
        }
        let lowest = self.nodes.iter().map(|node| node.height().expect("an answer")).min().unwrap();
        for height in 1..=lowest {
            let headers: Vec<Value> = self
                .nodes
                .iter()
                .map(|node| {
                    let header = node.call("sinter_getHeader", json!([height]));
                    header.unwrap_or_else(|error| panic!("node {}, height {height}: {error:?}", node.seat))
                })
                .collect();
            assert!(headers.windows(2).all(|pair| pair[0] == pair[1]), "height {height}: {headers:#?}");
        }
        lowest
    }

    /// Fails unless every node proves, to somebody who trusts the committee only, that each of these is final.
    pub fn assert_final_everywhere(&self, transactions: &[String]) {
        let trusted = self.trusted();
        for node in &self.nodes {
            for id in transactions {
                let mut receipt = None;
                wait_until(&format!("node {} has a receipt for {id}", node.seat), self.patience(), || {
                    receipt = node.receipt(id);
                    receipt.is_some()
                });
                let verified = receipt.expect("a receipt").verify(&trusted);
                let verified = verified.unwrap_or_else(|error| panic!("node {}: {id}: {error}", node.seat));
                assert_eq!(format!("0x{}", verified.transaction_id), *id);
            }
        }
    }
}

/// Places for `seats` processes on a loopback address that nobody else has drawn, all but surely.
pub fn on_loopback(seats: usize) -> Vec<Place> {
    let mut random = rand::rng();
    let host = Ipv4Addr::new(127, random.random_range(1..=254), random.random(), random.random_range(1..=254));
    let address = |base: u16, seat: usize| SocketAddr::new(IpAddr::V4(host), base + u16::try_from(seat).unwrap());
    let place = |seat| Place { quic: address(QUIC_PORT, seat), rpc: address(RPC_PORT, seat), launcher: Vec::new() };
    (0..seats).map(place).collect()
}

fn home_of(directory: &Path, seat: usize) -> PathBuf {
    directory.join(format!("node-{seat}"))
}

fn chain_file(seats: Vec<sinter_primitives::committee::Seat>, epoch_blocks: Option<NonZeroU64>) -> ChainFile {
    ChainFile {
        chain_id: 77,
        name: "faults".into(),
        genesis_timestamp_ms: 0,
        parameters: Parameters {
            // Short enough to wait for, and long enough that a busy machine meets them.
            leader_timeout_ms: 1_000,
            certification_timeout_ms: 2_000,
            timeout_retry_ms: 1_000,
            idle_interval_ms: 100,
            epoch_blocks,
            ..Parameters::default()
        },
        l1: L1Spec {
            chain_id: 1,
            light_client: format!("0x{}", "ab".repeat(20)),
            origin: L1Origin { number: 5, hash: Digest([5; 32]) },
            registry: None,
            forced_inbox: None,
        },
        fees: None,
        seats,
        namespaces: vec![NamespaceSpec {
            id: Namespace(NAMESPACE),
            name: "bytes".into(),
            evm_chain_id: None,
            ordering: Ordering::FirstCome,
        }],
    }
}

fn node_file(place: &Place) -> String {
    format!(
        "chain = \"../chain.toml\"\ndata_dir = \"data\"\nnode_key_file = \"node.key\"\nbls_key_file = \"bls.key\"\n\
         listen = \"{}\"\nrpc_listen = \"{}\"\nworker_threads = 1\ndisk_free_bytes_min = {DISK_FREE_BYTES_MIN}\n\
         log = \"info\"\n",
        place.quic, place.rpc
    )
}
