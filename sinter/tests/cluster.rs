//! Four nodes without anybody who looks after them, so that a test can do to them what it likes.

use crate::process::{Guarded, errors, output, signal, sinter, wait_until};
use alloy::{
    consensus::{SignableTransaction, TxEip1559, TxEnvelope},
    eips::eip2718::Encodable2718,
    primitives::{Address, TxKind},
    signers::{SignerSync, local::PrivateKeySigner},
};
use jsonrpsee::http_client::{HttpClient, HttpClientBuilder};
use sinter_primitives::{Chain, Namespace, TransactionId, receipt::TrustedNetwork};
use sinter_sequencer::rpc::{
    SinterApiClient,
    types::{Id, NodeStatus, SendTransaction, TransactionStatus},
};
use std::{
    fs::{self, File},
    future::Future,
    path::PathBuf,
    process::{Command, Stdio},
    time::Duration,
};
use tempfile::TempDir;

/// Longer than any member's timeouts together.
pub const STALL_MAX: Duration = Duration::from_secs(20);

/// Four nodes.
pub struct Cluster {
    directory: TempDir,
    nodes: Vec<Option<Guarded>>,
    rpc: Vec<String>,
    runtime: tokio::runtime::Runtime,
    signer: PrivateKeySigner,
    nonce: u64,
}

impl Cluster {
    /// A network that has run for a moment; none of its nodes runs now.
    pub fn create() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut command = sinter(&["devnet", "--for", "1", "--rate", "0", "--json", "--data-dir"]);
        let run = output(command.arg(directory.path()));
        assert!(run.status.success(), "{}", errors(&run));
        let addresses: serde_json::Value =
            serde_json::from_str(&fs::read_to_string(directory.path().join("devnet.json")).unwrap()).unwrap();
        let nodes = addresses["nodes"].as_array().unwrap();
        Self {
            rpc: nodes.iter().map(|node| node["rpc"].as_str().unwrap().to_owned()).collect(),
            nodes: nodes.iter().map(|_| None).collect(),
            directory,
            runtime: tokio::runtime::Runtime::new().unwrap(),
            signer: PrivateKeySigner::from_bytes(&[7; 32].into()).unwrap(),
            nonce: 0,
        }
    }

    /// As [`Cluster::create`], with all nodes running and working.
    pub fn start_all() -> Self {
        let mut cluster = Self::create();
        for node in 0..cluster.len() {
            cluster.start(node);
        }
        cluster.wait_healthy();
        cluster
    }

    /// How many nodes there are.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// A node's directory.
    pub fn home(&self, node: usize) -> PathBuf {
        self.directory.path().join(format!("node-{node}"))
    }

    /// What a node has logged.
    pub fn log(&self, node: usize) -> String {
        fs::read_to_string(self.home(node).join("log")).unwrap_or_default()
    }

    /// The command that runs a node in the foreground.
    pub fn command(&self, node: usize) -> Command {
        let mut command = sinter(&["sequencer", "run", "--config"]);
        command.arg(self.home(node).join("node.toml"));
        command
    }

    /// Starts a node.
    pub fn start(&mut self, node: usize) {
        let command = self.command(node);
        self.start_as(node, command);
    }

    /// Starts a node by another command.
    pub fn start_as(&mut self, node: usize, mut command: Command) {
        let log = File::options().create(true).append(true).open(self.home(node).join("log")).unwrap();
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        self.nodes[node] = Some(Guarded(command.spawn().unwrap()));
    }

    /// Ends a node without letting it finish anything.
    pub fn kill(&mut self, node: usize) {
        drop(self.nodes[node].take());
    }

    /// Asks a node to end, and gives its exit code.
    pub fn stop(&mut self, node: usize) -> Option<i32> {
        let process = self.nodes[node].take().unwrap();
        signal(u64::from(process.0.id()), "TERM");
        process.finish(Duration::from_secs(60)).status.code()
    }

    /// Waits until a node ends by itself, and gives its exit code.
    pub fn wait_for_end(&mut self, node: usize, most: Duration) -> Option<i32> {
        self.nodes[node].take().unwrap().finish(most).status.code()
    }

    /// What a verifier trusts.
    pub fn trusted(&self) -> TrustedNetwork {
        TrustedNetwork::from(&Chain::parse(&fs::read(self.chain()).unwrap()).unwrap())
    }

    /// The chain file.
    pub fn chain(&self) -> PathBuf {
        self.directory.path().join("chain.toml")
    }

    /// Where a node's interface listens.
    pub fn rpc(&self, node: usize) -> &str {
        &self.rpc[node]
    }

    /// Gives a node's interface another address.
    pub fn move_rpc(&mut self, node: usize, url: String) {
        self.rpc[node] = url;
    }

    /// Runs something asynchronous.
    pub fn block_on<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.block_on(work)
    }

    /// A client of a node.
    pub fn client(&self, node: usize) -> HttpClient {
        HttpClientBuilder::default().request_timeout(Duration::from_secs(3)).build(&self.rpc[node]).unwrap()
    }

    /// What a node says of itself, if it answers.
    pub fn status(&self, node: usize) -> Option<NodeStatus> {
        self.runtime.block_on(self.client(node).status()).ok()
    }

    /// A node's last final height, 0 if it does not answer.
    pub fn height(&self, node: usize) -> u64 {
        self.status(node).map_or(0, |status| status.head.height)
    }

    /// Waits until all nodes that run call themselves healthy.
    pub fn wait_healthy(&self) {
        for node in (0..self.len()).filter(|node| self.nodes[*node].is_some()) {
            wait_until(&format!("node {node} is healthy: {}", self.end_of_log(node)), Duration::from_secs(60), || {
                self.status(node).is_some_and(|status| status.health.healthy)
            });
        }
    }

    fn end_of_log(&self, node: usize) -> String {
        let log = self.log(node);
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(5)..].join("\n")
    }

    /// Waits until a node's height has grown by `blocks`.
    pub fn wait_progress(&self, node: usize, blocks: u64, most: Duration) {
        let target = self.height(node) + blocks;
        wait_until(&format!("node {node} reaches height {target}"), most, || self.height(node) >= target);
    }

    /// Hands a signed Ethereum transaction to a node; its id, if the node took it.
    pub fn send(&mut self, node: usize) -> Option<TransactionId> {
        let namespace = Namespace(1);
        let draft = TxEip1559 {
            chain_id: 57_171,
            nonce: self.nonce,
            gas_limit: 21_000,
            max_fee_per_gas: 2,
            max_priority_fee_per_gas: 1,
            to: TxKind::Call(Address::ZERO),
            ..TxEip1559::default()
        };
        self.nonce += 1;
        let signature = self.signer.sign_hash_sync(&draft.signature_hash()).unwrap();
        let raw = TxEnvelope::from(draft.into_signed(signature)).encoded_2718();
        let client = self.client(node);
        let sent = client.send_transaction(SendTransaction::new(namespace, raw));
        self.runtime.block_on(sent).ok().map(|accepted| accepted.transaction_id)
    }

    /// Whether a node has a receipt for a transaction that holds.
    pub fn is_final(&self, node: usize, id: TransactionId) -> bool {
        let status = self.runtime.block_on(self.client(node).receipt(Id(id)));
        match status {
            Ok(TransactionStatus::Finalized { receipt }) => {
                receipt.verify(&self.trusted()).unwrap();
                receipt.transaction_id == id
            }
            _ => false,
        }
    }

    /// Checks that all nodes have the same blocks up to the lowest of their heights, and saw no member vote twice.
    pub fn check_agreement(&self) {
        let statuses: Vec<NodeStatus> = (0..self.len()).map(|node| self.status(node).unwrap()).collect();
        let height = statuses.iter().map(|status| status.head.height).min().unwrap();
        for (node, status) in statuses.iter().enumerate() {
            assert_eq!(status.faults, 0, "node {node} has proof that a member voted twice");
            for height in (1..=height).rev().take(50) {
                let header = |node: usize| {
                    let block = sinter_sequencer::rpc::types::BlockId::Height(height);
                    self.block_on(self.client(node).header(block)).unwrap()
                };
                assert_eq!(header(node).digest(), header(0).digest(), "height {height}");
            }
        }
    }
}
