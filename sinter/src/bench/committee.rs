//! The files of a committee on loopback: one chain, and a directory for each member.

use super::processors;
use crate::{
    exit::{Exit, Failure, OrFail},
    keys,
};
use serde::Serialize;
use sinter_primitives::{
    Digest, Namespace, Parameters,
    chain::{ChainFile, L1Spec, NamespaceSpec, Ordering},
    header::L1Origin,
};
use sinter_sequencer::config::NodeConfig;
use std::{
    fs, io,
    net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket},
    num::NonZeroU64,
    path::{Path, PathBuf},
};
use tempfile::TempDir;

/// What a committee is like.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// Its members.
    pub nodes: usize,
    /// Most bytes of a block: what the bare engine's blocks have as well.
    pub block_bytes: usize,
    /// Heights of an epoch; without it, the first one never ends.
    pub epoch_blocks: Option<NonZeroU64>,
}

/// The namespaces: two speak Ethereum, so that their transactions are indexed by Ethereum hash as well.
pub const NAMESPACES: [Namespace; 3] = [Namespace(1), Namespace(2), Namespace(3)];
/// The one whose payloads nobody reads.
pub const OPAQUE: Namespace = NAMESPACES[2];

/// A committee that is on disk, and leaves it when dropped.
#[derive(Debug)]
pub struct Committee {
    pub members: Vec<Member>,
    _directory: TempDir,
}

/// A member's files.
#[derive(Debug)]
pub struct Member {
    /// Its configuration.
    pub config: NodeConfig,
    /// Where that lies.
    pub config_file: PathBuf,
    /// Where a process of it writes its log.
    pub log: PathBuf,
    /// What the others know it by.
    pub node_key: [u8; 32],
}

/// A member's configuration file, as far as it is not the default.
#[derive(Serialize)]
struct NodeFile {
    chain: &'static str,
    data_dir: &'static str,
    node_key_file: &'static str,
    bls_key_file: &'static str,
    listen: SocketAddr,
    rpc_listen: SocketAddr,
    worker_threads: usize,
    log: &'static str,
}

impl Committee {
    /// Makes a committee in a fresh directory below `storage`.
    ///
    /// # Errors
    /// When nothing can be written there.
    pub fn create(storage: &Path, shape: &Shape) -> Result<Self, Failure> {
        let what = format!("making a directory in {}", storage.display());
        let directory =
            tempfile::Builder::new().prefix("sinter-bench-").tempdir_in(storage).or_fail(Exit::Usage, what)?;
        let listen = free_addresses(2 * shape.nodes).or_fail(Exit::Failed, "looking for free ports")?;
        let (quic, rpc) = listen.split_at(shape.nodes);
        let mut seats = Vec::new();
        let mut members = Vec::new();
        for (number, (quic, rpc)) in quic.iter().zip(rpc).enumerate() {
            let home = directory.path().join(number.to_string());
            keys::make_plain(&home)?;
            let seat = keys::seat(&home, &quic.to_string())?;
            write_toml(&home.join("node.toml"), &node_file(*quic, *rpc, shape))?;
            members.push((home, seat.node_key));
            seats.push(seat);
        }
        seats.sort_by_key(|seat| seat.node_key);
        write_toml(&directory.path().join("chain.toml"), &chain_file(seats, shape))?;
        let members = members.into_iter().map(|(home, node_key)| {
            let config_file = home.join("node.toml");
            let none: [(&str, &str); 0] = [];
            let config = NodeConfig::load(Some(&config_file), &std::collections::BTreeMap::from(none));
            Ok(Member { config: config.or_fail(Exit::Failed, "")?, config_file, log: home.join("log"), node_key })
        });
        Ok(Self { members: members.collect::<Result<_, Failure>>()?, _directory: directory })
    }

    /// Each member's JSON-RPC.
    pub fn rpc(&self) -> Vec<SocketAddr> {
        self.members.iter().map(|member| member.config.rpc_listen).collect()
    }
}

fn node_file(listen: SocketAddr, rpc_listen: SocketAddr, shape: &Shape) -> NodeFile {
    NodeFile {
        chain: "../chain.toml",
        data_dir: "data",
        node_key_file: "node.key",
        bls_key_file: "bls.key",
        listen,
        rpc_listen,
        // All of them share this machine.
        worker_threads: (processors().get() / shape.nodes).max(1),
        log: "warn",
    }
}

fn chain_file(seats: Vec<sinter_primitives::committee::Seat>, shape: &Shape) -> ChainFile {
    let spec = |id, name: &str, evm_chain_id| NamespaceSpec {
        id,
        name: name.into(),
        evm_chain_id,
        ordering: Ordering::FirstCome,
    };
    let [first, second, third] = NAMESPACES;
    ChainFile {
        chain_id: 5_718,
        name: "bench".into(),
        genesis_timestamp_ms: 1_700_000_000_000,
        parameters: Parameters {
            block_bytes_max: shape.block_bytes,
            epoch_blocks: shape.epoch_blocks,
            ..Parameters::default()
        },
        // Nothing of a benchmark settles.
        l1: L1Spec {
            chain_id: 1,
            light_client: format!("0x{}", "ab".repeat(20)),
            origin: L1Origin { number: 0, hash: Digest([0; 32]) },
            registry: None,
            forced_inbox: None,
        },
        fees: None,
        seats,
        namespaces: vec![
            spec(first, "alpha", Some(57_181)),
            spec(second, "beta", Some(57_182)),
            spec(third, "opaque", None),
        ],
    }
}

fn write_toml(path: &Path, value: &impl Serialize) -> Result<(), Failure> {
    let what = format!("writing {}", path.display());
    let text = toml::to_string(value).or_fail(Exit::Failed, &what)?;
    fs::write(path, text).or_fail(Exit::Usage, &what)
}

/// Distinct loopback addresses on which both TCP and UDP can be listened on now.
fn free_addresses(count: usize) -> io::Result<Vec<SocketAddr>> {
    // All stay bound until the last is found, so that none is found twice.
    let mut held = Vec::new();
    for _ in 0..64 * count {
        if held.len() == count {
            break;
        }
        let tcp = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = tcp.local_addr()?;
        if let Ok(udp) = UdpSocket::bind(address) {
            held.push((address, tcp, udp));
        }
    }
    if held.len() < count {
        return Err(io::Error::other(format!("expected {count} free ports, found {}", held.len())));
    }
    Ok(held.into_iter().map(|(address, _, _)| address).collect())
}
