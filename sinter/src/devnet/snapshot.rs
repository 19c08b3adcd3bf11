//! What a devnet shows at one moment, whichever way it is shown.

use crate::load::Numbers;
use std::{fmt, time::Duration};

/// Where a run is in its life.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Phase {
    /// Processes are starting.
    #[default]
    Starting,
    /// Under load.
    Running,
    /// No more load; what was accepted becomes final.
    Draining,
    /// The last header is on its way to L1.
    Settling,
    /// Receipts are being verified offline.
    Verifying,
    /// The rollups' statements are being proved, folded, sealed and settled.
    Folding,
}

impl Phase {
    /// The phase in a word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Draining => "draining",
            Self::Settling => "settling",
            Self::Verifying => "verifying",
            Self::Folding => "folding",
        }
    }
}

/// One node, as its status tells.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NodeView {
    /// Whether it answers.
    pub answers: bool,
    /// Whether it calls itself healthy.
    pub healthy: bool,
    /// Last final height.
    pub height: u64,
    /// Current view.
    pub view: u64,
    /// Members that it is connected to.
    pub peers: u64,
    /// Transactions that wait to be ordered.
    pub mempool: u64,
}

/// The L1, as far as it concerns the chain.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct L1View {
    /// Its last block.
    pub head: u64,
    /// The highest height that the relayer has posted.
    pub posted_height: u64,
    /// The highest height that the light client has verified.
    pub verified_height: u64,
}

/// The batch of proofs, as far as it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FoldView {
    /// Proofs in the batch.
    pub proofs: u64,
    /// Proofs that are wrapped.
    pub wrapped: u64,
    /// Folds that are done; one less than the proofs makes them one.
    pub folded: u64,
    /// Whether the one proof is sealed.
    pub sealed: bool,
    /// Whether the hub on the L1 has the batch.
    pub settled: bool,
}

impl fmt::Display for FoldView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let &Self { proofs, wrapped, folded, sealed, settled } = self;
        write!(f, "wrapped {wrapped}/{proofs} folded {folded}/{}", proofs.saturating_sub(1))?;
        f.write_str(match (sealed, settled) {
            (_, true) => " settled",
            (true, false) => " sealed",
            (false, false) => "",
        })
    }
}

/// Where everything listens.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Addresses {
    /// Each node's JSON-RPC.
    pub rpc: Vec<String>,
    /// The Ethereum faces at the first node: the namespace's name, and the URL.
    pub faces: Vec<(String, String)>,
    /// The L1's JSON-RPC.
    pub l1: String,
    /// The light client's address there.
    pub light_client: String,
    /// Where the network's files are.
    pub directory: String,
}

impl Addresses {
    /// The addresses, one a line.
    pub fn lines(&self) -> Vec<String> {
        let mut lines: Vec<String> = Vec::new();
        for (node, url) in self.rpc.iter().enumerate() {
            lines.push(format!("node {node}      {url}   metrics {url}/metrics"));
        }
        for (name, url) in &self.faces {
            lines.push(format!("{name:<11} {url}"));
        }
        lines.push(format!("L1          {}   light client {}", self.l1, self.light_client));
        lines.push(format!("files       {}", self.directory));
        lines
    }
}

/// Everything at one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Snapshot {
    /// Where the run is.
    pub phase: Phase,
    /// Since the load began.
    pub elapsed: Duration,
    /// The nodes.
    pub nodes: Vec<NodeView>,
    /// The load.
    pub load: Numbers,
    /// The L1.
    pub l1: L1View,
    /// The batch of proofs.
    pub fold: FoldView,
}

impl Snapshot {
    /// The highest final height.
    pub fn height(&self) -> u64 {
        self.nodes.iter().map(|node| node.height).max().unwrap_or_default()
    }
}
