//! The machines beside the committee: the appliance, and a node for each rollup. Each has a folder with its configuration.
//!
//! What an earlier run left there is of contracts that this run does not use: it is removed.

use super::{
    network::write_toml,
    processes::Processes,
    rollups::{Setting, free_address},
    traffic::SentTransaction,
};
use crate::{
    aggregator::{AggregatorFile, BatchTable, L1Table, new_client},
    config::{read_line, write_secret},
    exit::{Exit, Failure, OrFail},
    rollup::{self, AggregatorTable, CapacityTable, Kind, RollupFile},
    trace,
};
use alloy::{hex, primitives::Address, signers::local::PrivateKeySigner};
use sinter_primitives::Namespace;
use sinter_prover::guarded::Wanted;
use sinter_rollup_node::{Aggregator, RollupContract, Status};
use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
};

/// The lowest priority there is: a node's vote is worth more than a fold.
pub const NICENESS: i32 = 19;
/// The longest that a batch waits for company.
const BATCH_AGE_MS: i64 = 6_000;
/// The longest that what was ordered waits for company in a statement.
const STATEMENT_WAIT_MS: u64 = 3_000;
/// L1 blocks above one for it to count.
const CONFIRMATIONS: u64 = 2;
/// The most that anybody here offers for gas.
const FEE_CEILING_GWEI: u64 = 200;
/// Between two looks, at anything.
const POLL_MS: u64 = 500;
/// Time for an appliance that folds a batch of this size, on a machine that does everything else, too.
const DEADLINE_MS: u64 = 3_600_000;
/// How long a lease holds: what was killed is back soon.
const LEASE_MS: i64 = 6_000;
/// Bytes that every rollup may send a second.
const BYTES_PER_SECOND: u64 = 100_000_000;

/// A machine, as whoever looks for it needs it.
#[derive(Clone, Debug, PartialEq)]
pub struct Machine {
    /// What it is.
    pub name: String,
    /// Its interface.
    pub url: String,
    /// Its metrics.
    pub metrics: String,
    /// The contract that it settles, if it is a rollup's.
    pub contract: Option<Address>,
}

impl Machine {
    /// It on a line.
    pub fn line(&self) -> String {
        let contract = self.contract.map_or_else(String::new, |contract| format!("   contract {contract}"));
        format!("{:<11} {}   metrics {}{contract}", self.name, self.url, self.metrics)
    }
}

/// The appliance's folder.
pub struct Home {
    folder: PathBuf,
    listen: SocketAddr,
    metrics: SocketAddr,
    hub: Address,
}

/// A rollup: its node, and its contract.
pub struct Party {
    /// What it is called.
    pub name: String,
    /// Its lane.
    pub namespace: Namespace,
    /// Its contract.
    pub contract: RollupContract,
    /// The account that its node pays with.
    pub account: Address,
    folder: PathBuf,
    listen: SocketAddr,
    deposits: u64,
}

/// A machine's folder, made anew; what is there must be a machine's.
fn fresh(folder: &Path, config: &str) -> Result<(), Failure> {
    let what = format!("making {}", folder.display());
    if folder.exists() {
        if !folder.join(config).exists() {
            let message =
                format!("--data-dir: expected a devnet's {}, got a folder without {config}", folder.display());
            return Err(Failure::new(Exit::Usage, message));
        }
        fs::remove_dir_all(folder).or_fail(Exit::Usage, &what)?;
    }
    fs::create_dir_all(folder).or_fail(Exit::Usage, &what)
}

fn write_key(file: &Path, key: &PrivateKeySigner) -> Result<(), Failure> {
    write_secret(file, &hex::encode_prefixed(key.to_bytes()))
}

impl Home {
    /// The appliance's folder, with everything but the accounts.
    ///
    /// # Errors
    /// When it cannot be written, or no port is free.
    pub fn make(setting: &Setting, hub: Address) -> Result<Self, Failure> {
        let folder = setting.directory.join("aggregator");
        fresh(&folder, "aggregator.toml")?;
        write_key(&folder.join("l1.key"), &setting.signer)?;
        let client = new_client("devnet", &folder.join("devnet.token"), BYTES_PER_SECOND)?;
        let home = Self { listen: free_address()?, metrics: free_address()?, hub, folder };
        let file = AggregatorFile {
            data_dir: "data".into(),
            listen: home.listen,
            listen_quic: None,
            tls: None,
            metrics: Some(home.metrics),
            queue: None,
            bucket: None,
            name: Some("devnet".into()),
            log: "info".into(),
            niceness: NICENESS,
            body_bytes_max: 16 << 20,
            lease_ms: LEASE_MS,
            price_floor_gwei: 0,
            memory_bytes: 64 << 30,
            prover: Wanted::Auto,
            gpu_memory_bytes: None,
            proofs_at_once: None,
            development_seal: !setting.production_seal,
            batch: BatchTable { age_max_ms: BATCH_AGE_MS, settle_ms: 30_000, ..BatchTable::default() },
            l1: Some(L1Table {
                url: setting.l1_url.clone(),
                chain_id: setting.chain.file.l1.chain_id,
                hub,
                key_file: "l1.key".into(),
                fee_ceiling_gwei: FEE_CEILING_GWEI,
                confirmations: Some(CONFIRMATIONS),
                poll_ms: POLL_MS,
            }),
            clients: vec![client],
        };
        write_toml(&home.folder.join("aggregator.toml"), &file)?;
        Ok(home)
    }

    /// A client of the appliance.
    ///
    /// # Errors
    /// When there is no token.
    pub fn client(&self) -> Result<Aggregator, Failure> {
        let token = read_line(&self.folder.join("devnet.token"))?;
        Aggregator::new(&format!("http://{}", self.listen), &token).or_fail(Exit::Failed, "")
    }

    /// A rollup's folder, whose node hands its proofs in here.
    ///
    /// # Errors
    /// When it cannot be written, or no port is free.
    #[allow(clippy::too_many_arguments, reason = "each is another kind of thing")]
    pub fn party(
        &self,
        setting: &Setting,
        name: &str,
        namespace: Namespace,
        kind: Kind,
        capacity: CapacityTable,
        contract: RollupContract,
        deposits: u64,
    ) -> Result<Party, Failure> {
        let folder = setting.directory.join(name);
        fresh(&folder, "rollup.toml")?;
        let (key, listen) = (PrivateKeySigner::random(), free_address()?);
        write_key(&folder.join("l1.key"), &key)?;
        let file = RollupFile {
            name: name.into(),
            kind,
            namespace,
            chain: "../chain.toml".into(),
            sequencers: setting.urls.clone(),
            data_dir: "data".into(),
            listen,
            log: "info".into(),
            niceness: NICENESS,
            statement_wait_ms: STATEMENT_WAIT_MS,
            statement_transactions: 64,
            poll_ms: POLL_MS,
            capacity: Some(capacity),
            aggregator: AggregatorTable {
                url: format!("http://{}", self.listen),
                token_file: "../aggregator/devnet.token".into(),
                certificate: None,
                deadline_ms: DEADLINE_MS,
                price_gwei: 0,
                priority: 0,
            },
            l1: rollup::L1Table {
                url: setting.l1_url.clone(),
                hub: self.hub,
                contract: contract.views.address,
                key_file: "l1.key".into(),
                confirmations: CONFIRMATIONS,
                fee_ceiling_gwei: FEE_CEILING_GWEI,
                pays_out: true,
            },
        };
        write_toml(&folder.join("rollup.toml"), &file)?;
        Ok(Party { name: name.into(), namespace, contract, account: key.address(), folder, listen, deposits })
    }
}

/// Starts the appliance and the rollups' nodes.
///
/// # Errors
/// When a process cannot be started.
pub fn start(processes: &mut Processes, parties: &[Party], home: &Home) -> Result<Vec<Machine>, Failure> {
    processes.start("the aggregator".into(), &["aggregator", "run"], &home.folder, "aggregator.toml")?;
    let mut machines = vec![Machine {
        name: "aggregator".into(),
        url: format!("http://{}", home.listen),
        metrics: format!("http://{}/metrics", home.metrics),
        contract: None,
    }];
    for party in parties {
        processes.start(party.name.clone(), &["rollup", "run"], &party.folder, "rollup.toml")?;
        machines.push(Machine {
            name: party.name.clone(),
            url: format!("http://{}", party.listen),
            metrics: format!("http://{}/metrics", party.listen),
            contract: Some(party.contract.views.address),
        });
    }
    Ok(machines)
}

impl Party {
    /// What the node tells of itself; nothing while it does not answer.
    pub async fn status(&self) -> Option<Status> {
        trace::status(&format!("http://{}", self.listen)).await.ok()
    }

    /// Whether everything that was sent is settled, and everything that is due paid.
    pub fn is_through(&self, status: &Status, sent: &[SentTransaction]) -> bool {
        let ours = sent.iter().filter(|transaction| transaction.namespace == self.namespace);
        let height = ours.map(|transaction| transaction.height).max().unwrap_or_default();
        let settled = status.records.iter().all(|record| record.settled_ms.is_some());
        let reached = status.settled.height >= height && status.settled.entries >= self.deposits;
        settled && reached && status.withdrawals_due == 0
    }
}
