//! What goes over the wire beside the types of `sinter-primitives`. JSON, fields in snake case, bytes
//! as `0x`-prefixed hex, heights and times as numbers.

use crate::{handle::Head, mempool::MempoolStats};
use bytes::Bytes;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use sinter_primitives::{
    Accumulator, Certificate, Committee, Digest, Header, Namespace, Transaction, TransactionId, TransactionKind,
    chain::{ChainFile, NamespaceSpec},
    committee::CommitteeError,
    fees::Account,
    hexadecimal,
    receipt::TrustedNetwork,
    table::NamespaceProof,
};
use std::fmt;

pub use sinter_primitives::answers::{RangePage, TransactionStatus, TransactionTrace};

/// Which block: `"latest"`, a height, or a header's digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlockId {
    /// The head.
    Latest,
    /// By height.
    Height(u64),
    /// By the digest of its header.
    Digest(Digest),
}

impl fmt::Display for BlockId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Latest => f.write_str("the latest block"),
            Self::Height(height) => write!(f, "height {height}"),
            Self::Digest(digest) => write!(f, "block 0x{digest}"),
        }
    }
}

impl Serialize for BlockId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Latest => serializer.serialize_str("latest"),
            Self::Height(height) => serializer.serialize_u64(*height),
            Self::Digest(digest) => hexadecimal::digest::serialize(digest, serializer),
        }
    }
}

impl<'de> Deserialize<'de> for BlockId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = BlockId;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("\"latest\", a height as a number, or a header's digest as 0x and 64 hex digits")
            }

            fn visit_u64<E: de::Error>(self, height: u64) -> Result<BlockId, E> {
                Ok(BlockId::Height(height))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<BlockId, E> {
                if text == "latest" {
                    return Ok(BlockId::Latest);
                }
                let mut digest = [0; 32];
                let digits = text.strip_prefix("0x").unwrap_or_default();
                hex::decode_to_slice(digits, &mut digest)
                    .map_err(|_| E::invalid_value(de::Unexpected::Str(text), &self))?;
                Ok(BlockId::Digest(Digest(digest)))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

/// A transaction to be ordered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SendTransaction {
    /// The lane.
    pub namespace: Namespace,
    /// The bytes to order. Where the namespace speaks Ethereum and the kind is `user`, a signed
    /// Ethereum transaction.
    #[serde(with = "hexadecimal::payload")]
    pub payload: Bytes,
    /// The last height at which it may be ordered. Without it, half of what the chain admits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expiry_height: Option<u64>,
    /// Whether it goes to the leaders that may order it only.
    #[serde(default)]
    pub private: bool,
    /// `user`, or `express` for a bundle that the namespace's auction key signed.
    #[serde(default = "user")]
    pub kind: TransactionKind,
}

const fn user() -> TransactionKind {
    TransactionKind::User
}

impl SendTransaction {
    /// A public user transaction that expires when the node thinks best.
    #[must_use]
    pub fn new(namespace: Namespace, payload: impl Into<Bytes>) -> Self {
        Self { namespace, payload: payload.into(), expiry_height: None, private: false, kind: TransactionKind::User }
    }
}

/// The node took a transaction in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accepted {
    /// Its id.
    #[serde(with = "hexadecimal::digest")]
    pub transaction_id: TransactionId,
    /// The last height at which it may be ordered: if it is not final by then, it never will be.
    pub expiry_height: u64,
}

/// A transaction's id as a parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Id(#[serde(with = "hexadecimal::digest")] pub TransactionId);

/// A block with its transactions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlockView {
    /// The header.
    pub header: Header,
    /// The header's digest.
    #[serde(with = "hexadecimal::digest")]
    pub digest: Digest,
    /// The lanes, ascending by namespace.
    pub lanes: Vec<LaneView>,
}

/// One namespace's transactions in a block.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LaneView {
    /// The namespace.
    pub namespace: Namespace,
    /// Its transactions, in order.
    pub transactions: Vec<Transaction>,
}

/// The ledger after an epoch's last block.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EpochLedger {
    /// The epoch.
    pub epoch: u64,
    /// The encoding of [`sinter_primitives::Ledger`].
    #[serde(with = "hexadecimal::payload")]
    pub ledger: Bytes,
}

/// A namespace, after the last final block.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamespaceView {
    /// What `chain.toml` says of it, or what was said where it was opened on L1.
    pub spec: NamespaceSpec,
    /// What it pays out of; nothing where it is ordered for nothing.
    pub account: Option<Account>,
    /// Wei that a metered byte costs in the next block: of a payload's bytes, and 64 for each transaction.
    #[serde(with = "sinter_primitives::decimal")]
    pub base_fee_wei: u128,
    /// Its accumulator.
    pub accumulator: Accumulator,
}

/// The network that a node belongs to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ChainInfo {
    /// SHA-256 of `chain.toml`.
    #[serde(with = "hexadecimal::digest")]
    pub hash: Digest,
    /// What the file says.
    pub file: ChainFile,
    /// Votes that certify.
    pub quorum: u32,
    /// The genesis header.
    pub genesis: Header,
}

impl ChainInfo {
    /// What a verifier would trust, **if it trusted the node that sent this**. Who trusts nobody takes
    /// the committee from a `chain.toml` that it got elsewhere.
    ///
    /// # Errors
    /// [`CommitteeError`] when the seats are not a sound committee.
    pub fn trusted_network(&self) -> Result<TrustedNetwork, CommitteeError> {
        let committee = Committee::new(self.file.seats.clone())?;
        Ok(TrustedNetwork::genesis(self.hash, self.file.chain_id, committee))
    }
}

/// Why a node is not healthy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "code", rename_all = "kebab-case")]
pub enum Ailment {
    /// It has seen nothing final since it started.
    Starting,
    /// Nothing became final for longer than a working committee can take.
    Stalled {
        /// Time since something did.
        since_ms: u64,
        /// The longest that a working committee takes.
        bound_ms: u64,
    },
    /// Blocks that are final are not indexed yet.
    Behind {
        /// How many.
        blocks: u64,
    },
}

/// Whether a node does its work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// Nothing ails it.
    pub healthy: bool,
    /// What does.
    pub ailments: Vec<Ailment>,
}

/// A node's state at a glance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeStatus {
    /// The release that it runs.
    pub version: String,
    /// The network.
    #[serde(with = "hexadecimal::digest")]
    pub chain_hash: Digest,
    /// The network's chain id.
    pub chain_id: u64,
    /// Whether it does its work.
    pub health: Health,
    /// The last final block that it indexed.
    pub head: Head,
    /// The height that it knows to be final.
    pub finalized_height: u64,
    /// The earliest height that it keeps.
    pub earliest_height: u64,
    /// The epoch that it is in.
    pub epoch: u64,
    /// The highest view of it in which it has seen a certificate.
    pub view: u64,
    /// The rules that the chain has, and will have.
    pub protocol: ProtocolStatus,
    /// Committee members that it is connected to.
    pub peers: u32,
    /// Proven faults of members that it has seen.
    pub faults: u64,
    /// When it started, in milliseconds since the Unix epoch.
    pub started_ms: u64,
    /// What waits to be ordered.
    pub mempool: MempoolStats,
}

/// Which rules hold, and who is ready for others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProtocolStatus {
    /// That of the last final block.
    pub current: u8,
    /// That of the next epoch's blocks.
    pub next: u8,
    /// Where the next epoch begins; none where this one never ends.
    pub next_height: Option<u64>,
    /// The last one that this node takes part in.
    pub max: u8,
    /// Seats of the epoch.
    pub seats: u32,
    /// Those that are ready for the protocol after the current one.
    pub ready_seats: u32,
    /// Seats of the next epoch.
    pub next_seats: u32,
    /// Those that are ready for it.
    pub next_ready_seats: u32,
}

/// A block became final: one message for every height, in order, none left out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HeadEvent {
    /// Its header.
    pub header: Header,
    /// The header's digest.
    #[serde(with = "hexadecimal::digest")]
    pub digest: Digest,
    /// Its own finalization, where it was asked for and there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<Certificate>,
}

/// A namespace's lane in a final block, or a stretch of blocks in which it was idle.
///
/// Events cover every height without gap or overlap: each begins where the one before ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamespaceEvent {
    /// The first height covered. The namespace was idle from here up to `height`, exclusive.
    pub from_height: u64,
    /// The last height covered; resume from the one above.
    pub height: u64,
    /// The header at `height`.
    pub header: Header,
    /// What the header's namespace table says of the namespace.
    pub proof: NamespaceProof,
    /// The ids of its transactions at `height`, in order; none where it was idle.
    #[serde(with = "hexadecimal::digests")]
    pub ids: Vec<TransactionId>,
    /// The transactions themselves, unless they were declined.
    pub transactions: Vec<Transaction>,
}
