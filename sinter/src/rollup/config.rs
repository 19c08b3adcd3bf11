//! A rollup node's configuration file. `docs/rollup.md` has an example.

use super::{CapacityTable, Kind};
use alloy::primitives::Address;
use serde::{Deserialize, Serialize};
use sinter_primitives::Namespace;
use std::{net::SocketAddr, path::PathBuf};

/// The file.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RollupFile {
    /// What its team calls it.
    pub name: String,
    /// Which rules it has.
    pub kind: Kind,
    /// Its lane.
    pub namespace: Namespace,
    /// The network's `chain.toml`.
    pub chain: PathBuf,
    /// Members' RPCs; the next one is asked when one fails.
    pub sequencers: Vec<String>,
    /// Where everything durable lives.
    pub data_dir: PathBuf,
    /// The TCP address of `/status` and `/metrics`.
    pub listen: SocketAddr,
    /// What is logged.
    #[serde(default = "log")]
    pub log: String,
    /// The priority of this process: 0 is usual, 19 takes what others leave.
    #[serde(default)]
    pub niceness: i32,
    /// The longest that what was ordered waits for company in a statement.
    #[serde(default = "statement_wait_ms")]
    pub statement_wait_ms: u64,
    /// The number of transactions that do not wait.
    #[serde(default = "statement_transactions")]
    pub statement_transactions: u64,
    /// Time between rounds.
    #[serde(default = "poll_ms")]
    pub poll_ms: u64,
    /// The room of one statement, as the contract's program has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capacity: Option<CapacityTable>,
    /// Who folds its proofs.
    pub aggregator: AggregatorTable,
    /// Where it settles.
    pub l1: L1Table,
}

/// `[aggregator]`: who folds the proofs, and on which terms.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AggregatorTable {
    /// Its interface: `http://…`, `https://…` or `quic://HOST:PORT`.
    pub url: String,
    /// File with the account's token there.
    pub token_file: PathBuf,
    /// File in PEM with the certificate that signed the interface's, where that is no public one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<PathBuf>,
    /// How long until a proof should be settled.
    #[serde(default = "deadline_ms")]
    pub deadline_ms: u64,
    /// What is paid for a proof.
    #[serde(default)]
    pub price_gwei: u64,
    /// 0 to 3.
    #[serde(default)]
    pub priority: u8,
}

/// `[l1]`: where the rollup settles, and who pays.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct L1Table {
    /// The L1's RPC.
    pub url: String,
    /// The hub that knows the statements.
    pub hub: Address,
    /// The rollup's contract: `sinter rollup deploy` prints where it stands.
    pub contract: Address,
    /// File with the hex private key of the account that pays, mode 0600.
    pub key_file: PathBuf,
    /// Blocks above one for it to count.
    #[serde(default = "confirmations")]
    pub confirmations: u64,
    /// The most that a transaction may offer per gas.
    #[serde(default = "fee_ceiling_gwei")]
    pub fee_ceiling_gwei: u64,
    /// Whether withdrawals are paid out from here. Whoever has one can have it paid, too.
    #[serde(default)]
    pub pays_out: bool,
}

fn log() -> String {
    "info".into()
}

const fn statement_wait_ms() -> u64 {
    60_000
}

const fn statement_transactions() -> u64 {
    64
}

const fn poll_ms() -> u64 {
    1_000
}

const fn deadline_ms() -> u64 {
    3_600_000
}

const fn fee_ceiling_gwei() -> u64 {
    200
}

/// Two epochs of mainnet: final.
const fn confirmations() -> u64 {
    64
}
