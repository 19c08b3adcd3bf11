//! An appliance's configuration file. `docs/aggregator.md` has an example.

use crate::{exit::Failure, relayer::read_key};
use alloy::primitives::Address;
use serde::{Deserialize, Serialize};
use sinter_prover::guarded::Wanted;
use sinter_service::{AdmissionPolicy, BatchPolicy, intake::Client};
use sinter_settlement::seals::{Depth, FeePolicy, SealsConfig};
use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

/// The file.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AggregatorFile {
    /// Where everything durable lives: queue, proofs, journal.
    pub data_dir: PathBuf,
    /// The TCP address of the interface.
    pub listen: SocketAddr,
    /// The UDP address of the interface over QUIC, beside the other; it takes a certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub listen_quic: Option<SocketAddr>,
    /// Where `/metrics` is served.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metrics: Option<SocketAddr>,
    /// The queue, if it is not a SQLite file in `data_dir`: `postgres://…`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue: Option<String>,
    /// The S3 bucket of the proofs, if they are not in `data_dir`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bucket: Option<String>,
    /// What this box is called in a fleet; no other box may be called so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What is logged.
    #[serde(default = "log")]
    pub log: String,
    /// The priority of this process: 0 is usual, 19 takes what others leave.
    #[serde(default)]
    pub niceness: i32,
    /// The largest proof or program file.
    #[serde(default = "body_bytes_max")]
    pub body_bytes_max: u64,
    /// How long a claim of a task holds without a heartbeat.
    #[serde(default = "lease_ms")]
    pub lease_ms: i64,
    /// The least that is paid for a proof.
    #[serde(default)]
    pub price_floor_gwei: u64,
    /// Memory of the machine that proving may take, all proofs at once together.
    #[serde(default = "memory_bytes")]
    pub memory_bytes: u64,
    /// What proves: `auto` (every hardware GPU, or the processor if there is none), `gpu:NAME`, or `cpu`.
    #[serde(default, with = "as_text", skip_serializing_if = "is_auto")]
    pub prover: Wanted,
    /// The most memory of each GPU that may be held; without it, what the driver gives.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gpu_memory_bytes: Option<u64>,
    /// Proofs that are made at a time. Without it: one on the processor; with GPUs two on each, so that one is prepared while another
    /// is on the device.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proofs_at_once: Option<u32>,
    /// Seal with development's parameters, which prove little, in seconds. The hub must be one for such seals.
    #[serde(default)]
    pub development_seal: bool,
    /// The certificate and key of the interface. Without them it is in the clear, for a proxy that stands before it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<TlsTable>,
    /// When a batch closes.
    #[serde(default)]
    pub batch: BatchTable,
    /// Where batches are settled; without it they are sealed and kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub l1: Option<L1Table>,
    /// Who may hand proofs in.
    #[serde(default)]
    pub clients: Vec<Client>,
}

/// `[tls]`: files in PEM.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsTable {
    /// The chain of certificates, the box's own first.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// `[batch]`: when a batch closes.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BatchTable {
    /// Places.
    pub places_max: u32,
    /// The longest that it waits after its first proof.
    pub age_max_ms: i64,
    /// The same while gas is dear.
    pub dear_age_max_ms: i64,
    /// Gas up to here is cheap.
    pub cheap_gas_gwei: u64,
    /// Gas from here on is dear.
    pub dear_gas_gwei: u64,
    /// The fewest proofs with which it closes because gas is cheap.
    pub cheap_places_min: i64,
    /// Time that the L1 takes.
    pub settle_ms: u64,
    /// Time that a seal takes, until one was made.
    pub seal_ms: u64,
}

impl Default for BatchTable {
    fn default() -> Self {
        let BatchPolicy { age_max_ms, dear_age_max_ms, cheap_gas_gwei, dear_gas_gwei, cheap_places_min, .. } =
            BatchPolicy::default();
        let AdmissionPolicy { settle_ms, assumed, .. } = AdmissionPolicy::default();
        Self {
            places_max: 256,
            age_max_ms,
            dear_age_max_ms,
            cheap_gas_gwei,
            dear_gas_gwei,
            cheap_places_min,
            settle_ms,
            seal_ms: assumed.seal_ms,
        }
    }
}

impl BatchTable {
    /// As the scheduler has it.
    pub fn policy(&self) -> BatchPolicy {
        let Self { age_max_ms, dear_age_max_ms, cheap_gas_gwei, dear_gas_gwei, cheap_places_min, .. } = *self;
        let settle_ms = i64::try_from(self.settle_ms).unwrap_or(i64::MAX);
        BatchPolicy { age_max_ms, dear_age_max_ms, cheap_gas_gwei, dear_gas_gwei, cheap_places_min, settle_ms }
    }
}

/// `[l1]`: where batches are settled, and who pays.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct L1Table {
    /// The L1's RPC.
    pub url: String,
    /// Its EIP-155 chain id.
    pub chain_id: u64,
    /// The hub: `sinter hub show` prints where it stands.
    pub hub: Address,
    /// File with the hex private key of the account that pays, mode 0600. Nobody else may use that account.
    pub key_file: PathBuf,
    /// The most that is paid per gas.
    #[serde(default = "fee_ceiling_gwei")]
    pub fee_ceiling_gwei: u64,
    /// Blocks above a root for it to count as settled; without it, the L1 must call it final.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirmations: Option<u64>,
    /// Time between looks at the L1.
    #[serde(default = "poll_ms")]
    pub poll_ms: u64,
}

impl L1Table {
    /// As what settles has it.
    ///
    /// # Errors
    /// When there is no key.
    pub fn config(&self, folder: &Path, data_dir: &Path) -> Result<SealsConfig, Failure> {
        let signer = read_key(&folder.join(&self.key_file))?;
        let journal = data_dir.join("settle.journal");
        let usual = SealsConfig::new(self.url.clone(), self.chain_id, self.hub, signer, journal);
        let poll = Duration::from_millis(self.poll_ms);
        Ok(SealsConfig {
            fees: FeePolicy::at_once(u128::from(self.fee_ceiling_gwei) * 1_000_000_000),
            depth: self.confirmations.map_or(Depth::Finalized, Depth::Blocks),
            // Three of mainnet's blocks; of a development L1's, a few more.
            replace_after: poll * 9,
            poll,
            ..usual
        })
    }
}

impl AggregatorFile {
    /// What is taken in, where a prover needs this much memory.
    pub fn admission(&self, prover_bytes: u64) -> AdmissionPolicy {
        let usual = AdmissionPolicy::default();
        let assumed = sinter_service::admission::Assumed { seal_ms: self.batch.seal_ms, ..usual.assumed };
        AdmissionPolicy {
            price_floor_gwei: self.price_floor_gwei,
            places_max: self.batch.places_max.into(),
            settle_ms: self.batch.settle_ms,
            memory_bytes: self.memory_bytes,
            assumed,
            prover_bytes,
            ..usual
        }
    }
}

fn is_auto(wanted: &Wanted) -> bool {
    *wanted == Wanted::Auto
}

/// A value that is read from, and written as, its text.
mod as_text {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};
    use std::{fmt::Display, str::FromStr};

    pub fn serialize<T: Display, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(value)
    }

    pub fn deserialize<'de, T: FromStr<Err: Display>, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

fn log() -> String {
    "info".into()
}

const fn body_bytes_max() -> u64 {
    16 << 20
}

const fn lease_ms() -> i64 {
    30_000
}

const fn memory_bytes() -> u64 {
    16 << 30
}

const fn fee_ceiling_gwei() -> u64 {
    200
}

const fn poll_ms() -> u64 {
    4_000
}
