//! `chain.toml`: the one file that defines a network. Its SHA-256, as `sha256sum` prints it, names the
//! network: it is the consensus namespace that every vote is signed under, and part of the QUIC ALPN.

use crate::{
    Committee, Digest, Namespace,
    body::BodyBounds,
    committee::{CommitteeError, Seat},
    draw::PREVRANDAO_DELAY_S,
    fees::{self, FeeSpec},
    forced_inbox,
    header::{Header, L1Origin, PROTOCOL_FIRST},
    ledger::Ledger,
    reveals::Mix,
};
use bytes::BufMut;
use commonware_codec::{Buf, Copying, DecodeExt, EncodeSize, Error, FixedSize, Read, ReadExt, Write};
use commonware_cryptography::{Hasher, Sha256, ed25519::PublicKey};
use serde::{Deserialize, Serialize};
use std::num::NonZeroU64;

/// Most namespaces that a chain may open.
pub const NAMESPACES_MAX: usize = 4096;
/// Most bytes of a chain file.
pub const CHAIN_FILE_BYTES_MAX: usize = 4 << 20;
/// Most bytes of a name for people.
pub const NAME_BYTES_MAX: usize = 64;
/// Most seats in a committee: what one certificate's bitmap and the L1 contract are sized for.
pub const SEATS_MAX: usize = 128;

/// Fewest blocks of an epoch: enough for a committee to meet before it is replaced.
pub const EPOCH_BLOCKS_MIN: u64 = 8;

/// Why a `chain.toml` was refused.
#[derive(Debug, thiserror::Error)]
pub enum ChainError {
    /// Longer than any chain needs.
    #[error("chain file: expected at most {CHAIN_FILE_BYTES_MAX} bytes, got {got}")]
    TooLong {
        /// Its length in bytes.
        got: usize,
    },
    /// Not UTF-8.
    #[error("chain file is not UTF-8 text: {0}")]
    Utf8(#[from] std::str::Utf8Error),
    /// Not the expected TOML.
    #[error("chain file: {0}")]
    Toml(#[from] toml::de::Error),
    /// A key holds a value out of its range.
    #[error("chain file: `{key}`: expected {expected}, got {got}")]
    OutOfRange {
        /// The key, as a dotted path.
        key: &'static str,
        /// What is admitted.
        expected: String,
        /// What the file has.
        got: String,
    },
    /// The committee is not one that can sign.
    #[error("chain file: `seats`: {0}")]
    Committee(#[from] CommitteeError),
}

/// How a namespace's transactions are ordered inside its lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "rule", rename_all = "kebab-case", from = "OrderingTable")]
pub enum Ordering {
    /// In the order of arrival at the proposer. Arrival cannot be checked, so nothing is.
    FirstCome,
    /// A bundle signed by the auction key, where there is one, opens the lane.
    Express {
        /// The ed25519 key of the namespace's auction.
        #[serde(with = "crate::hexadecimal::digest")]
        auction_key: Digest,
    },
}

/// [`Ordering`] as read: serde refuses unknown keys beside a tag only in variants with braces.
#[derive(Deserialize)]
#[serde(tag = "rule", rename_all = "kebab-case", deny_unknown_fields)]
enum OrderingTable {
    FirstCome {},
    Express {
        #[serde(with = "crate::hexadecimal::digest")]
        auction_key: Digest,
    },
}

impl From<OrderingTable> for Ordering {
    fn from(table: OrderingTable) -> Self {
        match table {
            OrderingTable::FirstCome {} => Self::FirstCome,
            OrderingTable::Express { auction_key } => Self::Express { auction_key },
        }
    }
}

/// `0` for first-come, or `1 ‖ auction key (32)` for express.
impl Write for Ordering {
    fn write(&self, buf: &mut impl BufMut) {
        match self {
            Self::FirstCome => 0u8.write(buf),
            Self::Express { auction_key } => {
                1u8.write(buf);
                auction_key.write(buf);
            }
        }
    }
}

impl EncodeSize for Ordering {
    fn encode_size(&self) -> usize {
        match self {
            Self::FirstCome => u8::SIZE,
            Self::Express { .. } => u8::SIZE + Digest::SIZE,
        }
    }
}

impl Read for Ordering {
    type Cfg = ();
    fn read_cfg(buf: &mut impl Buf, _: &()) -> Result<Self, Error> {
        match u8::read(buf)? {
            0 => Ok(Self::FirstCome),
            1 => Ok(Self::Express { auction_key: Digest::read(buf)? }),
            other => Err(Error::InvalidEnum(other)),
        }
    }
}

/// A namespace that the chain orders for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NamespaceSpec {
    /// Its id.
    pub id: Namespace,
    /// A name for people.
    pub name: String,
    /// The EIP-155 chain id of its transactions, where it speaks Ethereum.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evm_chain_id: Option<u64>,
    /// How its lane is ordered.
    pub ordering: Ordering,
}

/// The L1 that the chain settles on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct L1Spec {
    /// The L1's EIP-155 chain id.
    pub chain_id: u64,
    /// The `FinalityLightClient`'s address: `0x` and 40 hex digits.
    pub light_client: String,
    /// The L1 block that genesis stands on.
    pub origin: L1Origin,
    /// The registry that committees are drawn from; without it, the committee of `seats` stays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registry: Option<RegistrySpec>,
    /// What the committee must order: see [`crate::forced_inbox`]. Without it, nothing has to be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forced_inbox: Option<ForcedInboxSpec>,
}

impl L1Spec {
    /// Whether blocks depend on what happens on the L1. Where they do not, the L1 origin stands still, and no node needs an L1 node.
    #[must_use]
    pub const fn is_followed(&self) -> bool {
        self.registry.is_some() || self.forced_inbox.is_some()
    }
}

/// The `ForcedInbox` of a chain. It must have no entry by the chain's L1 origin.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ForcedInboxSpec {
    /// The contract's address: `0x` and 40 hex digits.
    pub address: String,
}

impl ForcedInboxSpec {
    /// The contract's address, as a checked chain file has it.
    #[must_use]
    pub fn address(&self) -> [u8; 20] {
        address(&self.address).unwrap_or_default()
    }
}

/// The `CommitteeRegistry` of a chain, and how committees are drawn from it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RegistrySpec {
    /// The contract's address: `0x` and 40 hex digits.
    pub address: String,
    /// The L1 block of the contract's first record, or one before it.
    pub from_block: u64,
    /// Seats of a committee that is drawn. It has fewer where fewer may be drawn.
    pub seats: usize,
    /// Where fewer may be drawn than this, nobody is, and the committee stays.
    pub seats_min: usize,
    /// Seconds from an epoch's last reveal to the L1 block whose `prevrandao` completes the seed. Below the default, an L1 epoch,
    /// whoever reveals last may know it: for development.
    #[serde(default = "prevrandao_delay_s")]
    pub prevrandao_delay_s: u64,
}

const fn prevrandao_delay_s() -> u64 {
    PREVRANDAO_DELAY_S
}

impl RegistrySpec {
    /// The contract's address, as a checked chain file has it.
    #[must_use]
    pub fn address(&self) -> [u8; 20] {
        address(&self.address).unwrap_or_default()
    }
}

/// The 20 bytes of `0x` and 40 hex digits.
fn address(text: &str) -> Option<[u8; 20]> {
    hex::decode(text.strip_prefix("0x")?).ok()?.try_into().ok()
}

/// Bounds and timings that every member must share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Parameters {
    /// Most bytes of a block's encoded body.
    pub block_bytes_max: usize,
    /// Most transactions in a block.
    pub block_transactions_max: usize,
    /// Most bytes of a transaction's payload.
    pub payload_bytes_max: usize,
    /// Blocks within which a transaction must be ordered, and within which it must not repeat.
    pub expiry_blocks: u64,
    /// Time that a leader has to propose.
    pub leader_timeout_ms: u64,
    /// Time in which a view must be certified.
    pub certification_timeout_ms: u64,
    /// Time between nullify votes for a view that nobody leaves.
    pub timeout_retry_ms: u64,
    /// Time between blocks when there is nothing to order. Below `leader_timeout_ms`.
    pub idle_interval_ms: u64,
    /// How far a block's timestamp may lie ahead of a member's clock before that member waits.
    pub clock_drift_ms_max: u64,
    /// Views that a leader keeps.
    pub leader_term_views: u64,
    /// Heights of an epoch; without it, epoch 0 never ends. Epoch `e` has the heights from `e × epoch_blocks` on, genesis being one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub epoch_blocks: Option<NonZeroU64>,
}

impl Default for Parameters {
    fn default() -> Self {
        Self {
            block_bytes_max: 1 << 20,
            block_transactions_max: 1 << 14,
            payload_bytes_max: 128 * 1024,
            expiry_blocks: 512,
            leader_timeout_ms: 1_000,
            certification_timeout_ms: 2_000,
            timeout_retry_ms: 2_000,
            idle_interval_ms: 250,
            clock_drift_ms_max: 500,
            leader_term_views: 1,
            epoch_blocks: None,
        }
    }
}

impl Parameters {
    /// The bounds that bodies are decoded under.
    #[must_use]
    pub const fn body_bounds(&self) -> BodyBounds {
        BodyBounds {
            bytes_max: self.block_bytes_max,
            transactions_max: self.block_transactions_max,
            payload_bytes_max: self.payload_bytes_max,
        }
    }

    /// The epoch that a height belongs to.
    #[must_use]
    pub fn epoch_of(&self, height: u64) -> u64 {
        self.epoch_blocks.map_or(0, |blocks| height / blocks)
    }

    /// The height before an epoch's first block: what the epoch stands on. Genesis, for epoch 0.
    #[must_use]
    pub fn boundary_before(&self, epoch: u64) -> u64 {
        self.epoch_blocks.map_or(0, |blocks| epoch.saturating_mul(blocks.get()).saturating_sub(1))
    }

    /// The last height of an epoch at which a leader may reveal: three quarters of it are over then. `None` without epochs.
    #[must_use]
    pub fn cutoff_of(&self, epoch: u64) -> Option<u64> {
        let blocks = self.epoch_blocks?.get();
        Some(epoch.saturating_mul(blocks).saturating_add(blocks - blocks.div_ceil(4) - 1))
    }

    /// The leader's term that a view belongs to; terms, like views, are counted within an epoch.
    #[must_use]
    pub const fn term_of(&self, view: u64) -> u64 {
        view.saturating_sub(1) / self.leader_term_views
    }

    /// Whether a height is the last of its epoch, whose header names the committee of the epoch after the next.
    #[must_use]
    pub fn is_last_of_epoch(&self, height: u64) -> bool {
        self.epoch_blocks.is_some_and(|blocks| height % blocks == blocks.get() - 1)
    }
}

/// `chain.toml` as written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChainFile {
    /// The chain's id: in every header and every transaction id.
    pub chain_id: u64,
    /// A name for people.
    pub name: String,
    /// Genesis time, in milliseconds since the Unix epoch.
    pub genesis_timestamp_ms: u64,
    /// Bounds and timings.
    #[serde(default)]
    pub parameters: Parameters,
    /// The L1.
    pub l1: L1Spec,
    /// What ordering costs those who open a namespace on L1. Without it, nobody can, and nothing costs anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fees: Option<FeeSpec>,
    /// Epoch 0's committee, ascending by node key.
    pub seats: Vec<Seat>,
    /// Open namespaces, ascending by id.
    pub namespaces: Vec<NamespaceSpec>,
}

/// A checked `chain.toml`, with the hash that names its network.
#[derive(Clone, Debug)]
pub struct Chain {
    /// SHA-256 of the file.
    pub hash: Digest,
    /// The file's content.
    pub file: ChainFile,
    /// Epoch 0's committee; every proof of possession has been checked.
    pub committee: Committee,
}

impl Chain {
    /// Reads and checks the bytes of a `chain.toml`.
    ///
    /// # Errors
    /// [`ChainError`], naming the key, what was expected and what came.
    pub fn parse(bytes: &[u8]) -> Result<Self, ChainError> {
        if bytes.len() > CHAIN_FILE_BYTES_MAX {
            return Err(ChainError::TooLong { got: bytes.len() });
        }
        let file: ChainFile = toml::from_str(std::str::from_utf8(bytes)?)?;
        file.check()?;
        let hash = Sha256::hash(&[bytes]);
        let committee = Committee::new(file.seats.clone())?;
        Ok(Self { hash, file, committee })
    }

    /// The spec of an open namespace.
    #[must_use]
    pub fn namespace(&self, namespace: Namespace) -> Option<&NamespaceSpec> {
        let index = self.file.namespaces.binary_search_by_key(&namespace, |spec| spec.id).ok()?;
        self.file.namespaces.get(index)
    }

    /// Most seats that a committee of this chain has.
    #[must_use]
    pub fn seats_max(&self) -> usize {
        let drawn = self.file.l1.registry.as_ref().map_or(0, |registry| registry.seats);
        self.committee.seats().len().max(drawn)
    }

    /// The genesis header: height 0, view 0, an empty body, signed by nobody.
    #[must_use]
    pub fn genesis(&self) -> Header {
        Header {
            next_protocol: 0,
            protocol: PROTOCOL_FIRST,
            chain_id: self.file.chain_id,
            height: 0,
            epoch: 0,
            view: 0,
            parent_view: 0,
            // Genesis names the network where others name their parent.
            parent: self.hash,
            proposer_seat: 0,
            timestamp_ms: self.file.genesis_timestamp_ms,
            l1_origin: self.file.l1.origin,
            inbox_cursor: 0,
            body_root: crate::Body::default().root(),
            namespaces_root: crate::NamespaceTable::default().root(),
            ledger_root: Ledger::genesis(&self.file).root(),
            next_committee: self.committee.digest(),
            randomness: match self.file.l1.registry {
                Some(_) => Mix::genesis(&self.hash).0,
                None => Digest([0; 32]),
            },
        }
    }
}

impl ChainFile {
    /// The text of a `chain.toml`, which [`Chain::parse`] reads back.
    ///
    /// # Errors
    /// When a number is above `i64::MAX`, which TOML cannot write.
    pub fn to_toml(&self) -> Result<String, toml::ser::Error> {
        toml::to_string(self)
    }

    fn check(&self) -> Result<(), ChainError> {
        let parameters = &self.parameters;
        in_range("parameters.block_bytes_max", parameters.block_bytes_max, 1 << 10, 16 << 20)?;
        in_range("parameters.block_transactions_max", parameters.block_transactions_max, 1, 1 << 20)?;
        // A transaction that fits no block would wait forever: leave room for the lane around it.
        in_range("parameters.payload_bytes_max", parameters.payload_bytes_max, 1, parameters.block_bytes_max - 64)?;
        in_range("parameters.expiry_blocks", parameters.expiry_blocks, 2, 1 << 16)?;
        in_range("parameters.leader_timeout_ms", parameters.leader_timeout_ms, 50, 60_000)?;
        in_range(
            "parameters.certification_timeout_ms",
            parameters.certification_timeout_ms,
            parameters.leader_timeout_ms + 1,
            120_000,
        )?;
        in_range("parameters.timeout_retry_ms", parameters.timeout_retry_ms, 50, 120_000)?;
        in_range("parameters.idle_interval_ms", parameters.idle_interval_ms, 1, parameters.leader_timeout_ms / 2)?;
        in_range("parameters.clock_drift_ms_max", parameters.clock_drift_ms_max, 1, 60_000)?;
        in_range("parameters.leader_term_views", parameters.leader_term_views, 1, 1_000)?;
        if let Some(blocks) = parameters.epoch_blocks {
            in_range("parameters.epoch_blocks", blocks.get(), EPOCH_BLOCKS_MIN, u64::from(u32::MAX))?;
        }
        in_range("name (bytes)", self.name.len(), 1, NAME_BYTES_MAX)?;
        for spec in &self.namespaces {
            // The first number is that of a lane of the L1's.
            in_range("namespaces.id", spec.id.0, fees::ACCOUNTS.0 + 1, u64::MAX)?;
            in_range("namespaces.name (bytes)", spec.name.len(), 1, NAME_BYTES_MAX)?;
        }
        in_range("namespaces", self.namespaces.len(), 1, NAMESPACES_MAX)?;
        in_range("seats", self.seats.len(), 1, SEATS_MAX)?;
        if !self.namespaces.is_sorted_by(|a, b| a.id < b.id) {
            return Err(ChainError::OutOfRange {
                key: "namespaces.id",
                expected: "strictly ascending ids".into(),
                got: format!("{:?}", self.namespaces.iter().map(|spec| spec.id.0).collect::<Vec<_>>()),
            });
        }
        for spec in &self.namespaces {
            // Nothing could ever be signed by a key that is no curve point.
            if let Ordering::Express { auction_key } = spec.ordering
                && PublicKey::decode(Copying(&auction_key[..])).is_err()
            {
                return Err(ChainError::OutOfRange {
                    key: "namespaces.ordering.auction_key",
                    expected: "an ed25519 public key".into(),
                    got: format!("0x{auction_key}"),
                });
            }
        }
        contract("l1.light_client", &self.l1.light_client)?;
        if let Some(registry) = &self.l1.registry {
            contract("l1.registry.address", &registry.address)?;
            in_range("l1.registry.seats", registry.seats, 1, SEATS_MAX)?;
            in_range("l1.registry.seats_min", registry.seats_min, 1, registry.seats)?;
            in_range("l1.registry.prevrandao_delay_s", registry.prevrandao_delay_s, 1, 86_400)?;
            if parameters.epoch_blocks.is_none() {
                return Err(ChainError::OutOfRange {
                    key: "parameters.epoch_blocks",
                    expected: "a number of blocks, since committees are drawn from a registry".into(),
                    got: "none".into(),
                });
            }
        }
        if let Some(inbox) = &self.l1.forced_inbox {
            contract("l1.forced_inbox.address", &inbox.address)?;
            // What one L1 block appends fits into half a block.
            let (bytes_min, count_min) = (2 * forced_inbox::L1_BLOCK_BYTES_MAX, 2 * forced_inbox::L1_BLOCK_ENTRIES_MAX);
            in_range("parameters.block_bytes_max", parameters.block_bytes_max, bytes_min, 16 << 20)?;
            in_range("parameters.block_transactions_max", parameters.block_transactions_max, count_min, 1 << 20)?;
            let payload_min = forced_inbox::PAYLOAD_BYTES_MAX;
            in_range("parameters.payload_bytes_max", parameters.payload_bytes_max, payload_min, usize::MAX)?;
        }
        match &self.fees {
            Some(fees) => self.check_fees(fees),
            None => Ok(()),
        }
    }

    fn check_fees(&self, fees: &FeeSpec) -> Result<(), ChainError> {
        in_range("fees.floor_wei", fees.floor_wei, 1, 1_000_000_000_000)?;
        in_range("fees.target_bytes_per_s", fees.target_bytes_per_s, 1_000, 1_000_000_000)?;
        let lacks =
            |key, expected: &str| Err(ChainError::OutOfRange { key, expected: expected.into(), got: "none".into() });
        if self.parameters.epoch_blocks.is_none() {
            return lacks(
                "parameters.epoch_blocks",
                "a number of blocks, since fees are shared out at the end of an epoch",
            );
        }
        if self.l1.forced_inbox.is_none() {
            return lacks("l1.forced_inbox", "the address of a `Namespaces` contract, where fees are prepaid");
        }
        in_range("namespaces", self.namespaces.len(), 1, NAMESPACES_MAX - fees::OPENED_MAX - 1)?;
        for spec in &self.namespaces {
            in_range("namespaces.id", spec.id.0, 1, fees::OPENED_FIRST - 1)?;
        }
        Ok(())
    }
}

fn contract(key: &'static str, text: &str) -> Result<(), ChainError> {
    match address(text) {
        Some(_) => Ok(()),
        None => Err(ChainError::OutOfRange { key, expected: "0x and 40 hex digits".into(), got: text.to_owned() }),
    }
}

fn in_range<T: PartialOrd + std::fmt::Display>(key: &'static str, got: T, min: T, max: T) -> Result<(), ChainError> {
    if got < min || got > max {
        return Err(ChainError::OutOfRange { key, expected: format!("{min} to {max}"), got: got.to_string() });
    }
    Ok(())
}
