//! The block header: fixed-size big-endian fields, so that a contract can read it from `calldata`.
//! Its SHA-256 is the payload that the committee signs.
//!
//! | offset | size | field |
//! |---|---|---|
//! | 0 | 1 | protocol of the next epoch (zero where it is this block's) |
//! | 1 | 1 | protocol |
//! | 2 | 8 | chain id |
//! | 10 | 8 | height |
//! | 18 | 8 | epoch |
//! | 26 | 8 | view |
//! | 34 | 8 | parent view |
//! | 42 | 32 | parent digest |
//! | 74 | 4 | proposer seat |
//! | 78 | 8 | timestamp (ms) |
//! | 86 | 8 | L1 origin: block number |
//! | 94 | 32 | L1 origin: block hash |
//! | 126 | 8 | inbox cursor |
//! | 134 | 32 | body root |
//! | 166 | 32 | namespaces root |
//! | 198 | 32 | ledger root |
//! | 230 | 32 | next-committee digest (zero except in an epoch's last block) |
//! | 262 | 32 | randomness: the mix of all reveals (zero without a registry) |
//! | 294 | | end |

use crate::Digest;
use bytes::BufMut;
use commonware_codec::{Buf, Encode, Error, FixedSize, Read, ReadExt, Write};
use commonware_cryptography::{Hasher, Sha256};
use serde::{Deserialize, Serialize};

/// The rules that every chain begins with.
pub const PROTOCOL_FIRST: u8 = 1;
/// The last rules that this release knows: see `docs/protocol.md`, section 14.
pub const PROTOCOL_MAX: u8 = 2;

/// A point on the L1 chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct L1Origin {
    /// Block number.
    pub number: u64,
    /// Block hash.
    #[serde(with = "crate::hexadecimal::digest")]
    pub hash: Digest,
}

/// What the committee signs. Layout in the module's first lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Header {
    /// The rules of the next epoch's blocks, where they are others than this block's; zero where they are not.
    pub next_protocol: u8,
    /// The rules that the block obeys, from [`PROTOCOL_FIRST`] on.
    pub protocol: u8,
    /// The chain's id, from `chain.toml`.
    pub chain_id: u64,
    /// Blocks since genesis, which has height 0.
    pub height: u64,
    /// The epoch whose committee ordered this block.
    pub epoch: u64,
    /// The view in which it was first proposed.
    pub view: u64,
    /// The view of its parent.
    pub parent_view: u64,
    /// SHA-256 of the parent's header.
    #[serde(with = "crate::hexadecimal::digest")]
    pub parent: Digest,
    /// The seat that proposed it.
    pub proposer_seat: u32,
    /// Milliseconds since the Unix epoch; greater than the parent's.
    pub timestamp_ms: u64,
    /// The L1 block up to which L1 events are taken in.
    pub l1_origin: L1Origin,
    /// Inbox entries consumed so far.
    pub inbox_cursor: u64,
    /// SHA-256 of the body's encoding.
    #[serde(with = "crate::hexadecimal::digest")]
    pub body_root: Digest,
    /// Root of the [`crate::NamespaceTable`].
    #[serde(with = "crate::hexadecimal::digest")]
    pub namespaces_root: Digest,
    /// Root over every open namespace: see `docs/protocol.md`.
    #[serde(with = "crate::hexadecimal::digest")]
    pub ledger_root: Digest,
    /// Digest of the committee of epoch + 2; zero except in an epoch's last block.
    #[serde(with = "crate::hexadecimal::digest")]
    pub next_committee: Digest,
    /// The mix of all reveals up to and with this block's ([`crate::reveals`]); zero where the chain draws no committees.
    #[serde(with = "crate::hexadecimal::digest")]
    pub randomness: Digest,
}

impl Header {
    /// SHA-256 of the encoding: the payload that the committee signs.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Sha256::hash(&[&self.encode()])
    }

    /// The rules that a child of this block obeys, if it is of `epoch`: this block's or the next one.
    #[must_use]
    pub const fn protocol_in(&self, epoch: u64) -> u8 {
        if epoch == self.epoch || self.next_protocol == 0 { self.protocol } else { self.next_protocol }
    }

    /// What a child of this block names as its next protocol, if it is of `epoch` and changes nothing.
    #[must_use]
    pub const fn next_protocol_in(&self, epoch: u64) -> u8 {
        if epoch == self.epoch { self.next_protocol } else { 0 }
    }
}

impl Write for Header {
    fn write(&self, buf: &mut impl BufMut) {
        self.next_protocol.write(buf);
        self.protocol.write(buf);
        self.chain_id.write(buf);
        self.height.write(buf);
        self.epoch.write(buf);
        self.view.write(buf);
        self.parent_view.write(buf);
        self.parent.write(buf);
        self.proposer_seat.write(buf);
        self.timestamp_ms.write(buf);
        self.l1_origin.number.write(buf);
        self.l1_origin.hash.write(buf);
        self.inbox_cursor.write(buf);
        self.body_root.write(buf);
        self.namespaces_root.write(buf);
        self.ledger_root.write(buf);
        self.next_committee.write(buf);
        self.randomness.write(buf);
    }
}

impl FixedSize for Header {
    const SIZE: usize = 294;
}

impl Read for Header {
    type Cfg = ();
    fn read_cfg(buf: &mut impl Buf, _: &()) -> Result<Self, Error> {
        let header = Self {
            next_protocol: u8::read(buf)?,
            protocol: u8::read(buf)?,
            chain_id: u64::read(buf)?,
            height: u64::read(buf)?,
            epoch: u64::read(buf)?,
            view: u64::read(buf)?,
            parent_view: u64::read(buf)?,
            parent: Digest::read(buf)?,
            proposer_seat: u32::read(buf)?,
            timestamp_ms: u64::read(buf)?,
            l1_origin: L1Origin { number: u64::read(buf)?, hash: Digest::read(buf)? },
            inbox_cursor: u64::read(buf)?,
            body_root: Digest::read(buf)?,
            namespaces_root: Digest::read(buf)?,
            ledger_root: Digest::read(buf)?,
            next_committee: Digest::read(buf)?,
            randomness: Digest::read(buf)?,
        };
        // Every protocol has this layout: who does not know the rules of one can still follow its committees.
        if header.protocol < PROTOCOL_FIRST {
            return Err(Error::Invalid("Header", "no protocol"));
        }
        Ok(header)
    }
}

pub use crate::hexadecimal::digest as hex_digest;
