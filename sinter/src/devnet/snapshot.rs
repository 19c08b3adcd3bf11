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

/// A rollup's way to the L1, as its node tells it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RollupView {
    /// What it is called.
    pub name: String,
    /// Whether its node answers.
    pub answers: bool,
    /// The height that it has followed.
    pub followed_height: u64,
    /// The height in which its last statement ends.
    pub proved_height: u64,
    /// The height in which its contract stands.
    pub settled_height: u64,
    /// Statements made.
    pub statements: u64,
    /// Those that the L1 does not have for good.
    pub pending: u64,
}

/// The trail from the order to the L1.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrailView {
    /// The rollups.
    pub rollups: Vec<RollupView>,
    /// The appliance's newest batch, in words.
    pub batch: String,
}

impl fmt::Display for TrailView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.rollups.is_empty() {
            return f.write_str("rollups starting");
        }
        let (made, pending) = self
            .rollups
            .iter()
            .fold((0, 0), |(made, pending), rollup| (made + rollup.statements, pending + rollup.pending));
        write!(f, "statements {made} settled {}", made - pending)?;
        if self.batch.is_empty() { Ok(()) } else { write!(f, "  {}", self.batch) }
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
    /// The relayer's metrics: those of the devnet's own process, which is the relayer.
    pub relayer_metrics: String,
    /// Where the network's files are.
    pub directory: String,
}

impl Addresses {
    /// The addresses, one a line.
    pub fn lines(&self) -> Vec<String> {
        let mut lines: Vec<String> = Vec::new();
        for (node, url) in self.rpc.iter().enumerate() {
            lines.push(format!("node {node}      {url}   also /dashboard and /metrics"));
        }
        for (name, url) in &self.faces {
            lines.push(format!("{name:<11} {url}"));
        }
        lines.push(format!("L1          {}   light client {}", self.l1, self.light_client));
        lines.push(format!("relayer     {}   also /dashboard", self.relayer_metrics));
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
    /// The rollups, and the batches of their proofs.
    pub trail: TrailView,
}

impl Snapshot {
    /// The highest final height.
    pub fn height(&self) -> u64 {
        self.nodes.iter().map(|node| node.height).max().unwrap_or_default()
    }
}
