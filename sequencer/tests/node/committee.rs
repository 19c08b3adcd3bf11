//! Configurations for a committee on loopback, and nodes that run in threads.

use crate::support::ports::free_udp_addresses;
use sinter_primitives::{
    Chain, Digest, Namespace, Parameters,
    chain::{ChainFile, L1Spec, NamespaceSpec, Ordering},
    header::L1Origin,
};
use sinter_sequencer::{
    config::NodeConfig,
    index::Index,
    keys,
    node::{self, NodeError},
};
use std::{net::SocketAddr, path::PathBuf, sync::Arc, thread::JoinHandle};
use tempfile::TempDir;
use tokio::sync::oneshot;

/// A committee's files.
pub struct Committee {
    _directory: TempDir,
    pub chain: Arc<Chain>,
    pub configs: Vec<NodeConfig>,
}

/// A node in a thread.
pub struct Running {
    stop: oneshot::Sender<()>,
    thread: JoinHandle<Result<(), NodeError>>,
}

impl Running {
    pub fn start(config: NodeConfig) -> Self {
        let (stop, stopped) = oneshot::channel::<()>();
        let thread = std::thread::spawn(move || {
            node::run(config, None, async {
                let _ = stopped.await;
            })
        });
        Self { stop, thread }
    }

    pub fn is_finished(&self) -> bool {
        self.thread.is_finished()
    }

    pub fn stop(self) -> Result<(), NodeError> {
        let _ = self.stop.send(());
        self.thread.join().unwrap()
    }
}

impl Committee {
    pub fn new(seats: usize) -> Self {
        Self::with(seats, Parameters { idle_interval_ms: 100, ..Parameters::default() })
    }

    pub fn with(seats: usize, parameters: Parameters) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut members: Vec<(PathBuf, SocketAddr, sinter_primitives::committee::Seat)> = free_udp_addresses(seats)
            .into_iter()
            .enumerate()
            .map(|(member, listen)| {
                let path = directory.path().join(member.to_string());
                std::fs::create_dir(&path).unwrap();
                let node_key = keys::generate_node_key(&path.join("node.key"), rand::rng()).unwrap();
                let bls_key = keys::generate_bls_key(&path.join("bls.key"), rand::rng()).unwrap();
                let seat = keys::seat(&node_key, &bls_key, &listen.to_string()).unwrap();
                (path, listen, seat)
            })
            .collect();
        members.sort_by_key(|(_, _, seat)| seat.node_key);
        let file = ChainFile {
            chain_id: 9,
            name: "loopback".into(),
            genesis_timestamp_ms: 0,
            parameters,
            l1: L1Spec {
                chain_id: 1,
                light_client: format!("0x{}", "ab".repeat(20)),
                origin: L1Origin { number: 5, hash: Digest([5; 32]) },
                registry: None,
                forced_inbox: None,
            },
            fees: None,
            seats: members.iter().map(|(_, _, seat)| seat.clone()).collect(),
            namespaces: vec![NamespaceSpec {
                id: Namespace(1),
                name: "one".into(),
                evm_chain_id: None,
                ordering: Ordering::FirstCome,
            }],
        };
        let text = toml::to_string(&file).unwrap();
        let chain_path = directory.path().join("chain.toml");
        std::fs::write(&chain_path, &text).unwrap();
        let configs = members
            .into_iter()
            .map(|(path, listen, _)| {
                let text = format!(
                    "chain = {chain_path:?}\ndata_dir = \"data\"\nnode_key_file = \"node.key\"\nbls_key_file = \"bls.key\"\n\
                     listen = \"{listen}\"\nrpc_listen = \"127.0.0.1:0\"\nworker_threads = 1\n"
                );
                let file = path.join("node.toml");
                std::fs::write(&file, text).unwrap();
                NodeConfig::load(Some(&file), &serde_json::json!({})).unwrap()
            })
            .collect();
        Self { _directory: directory, chain: Arc::new(Chain::parse(text.as_bytes()).unwrap()), configs }
    }

    /// A stopped node's index.
    pub fn index(&self, seat: usize) -> Index {
        Index::open(&self.configs[seat].data_dir.join("index.redb"), self.chain.clone()).unwrap()
    }
}
