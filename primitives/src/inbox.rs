//! What a rollup takes from the L1 on its own: its inbox, and what it gives back: its withdrawals. The contract
//! (`RollupSettlement`), the rollup's node and its circuit share these definitions.
//!
//! Hash, digests and the packing of bytes are those of [`crate::accumulator`]: three bytes make an element,
//! little-endian. Big-endian integers stand in the bytes.
//!
//! # Domain
//!
//! `domain = sponge(DOMAIN = 6, 44, L1 chain id (8) ‖ settlement contract (20) ‖ chain id (8) ‖ namespace (8))`, the
//! length in bytes: no two settlement contracts anywhere share one.
//!
//! # Inbox
//!
//! | size | field of an entry |
//! |---|---|
//! | 1 | kind: 1 deposit, 2 forced transaction |
//! | 20 | sender |
//! | 12 | wei that came with it |
//! | 5 | deadline, Unix seconds |
//! | 2 | payload length, at most 4096 |
//! | | payload |
//!
//! `rolling(0) = domain`; `rolling(i + 1) = compress(rolling(i), sponge(INBOX = 4, bytes of entry i, its elements))`.
//! The head takes 40 bytes, so that an entry with a payload of 32 bytes takes three permutations, and one more for
//! the chain.
//!
//! # Withdrawals
//!
//! A withdrawal is `recipient (20) ‖ wei (12)`: 11 elements `e`. Its leaf is `compress(e0 … e7, e8 ‖ e9 ‖ e10 ‖ 5 ‖
//! 0 ‖ 0 ‖ 0 ‖ 0)`, one permutation. The tree has RFC 6962's shape (section 2.1) with `compress` for its nodes:
//! neighbours pair, a lone right end moves up. A statement names root and count, and count and index fix the path's
//! shape, so that a node cannot pass for a leaf. The root of no withdrawal is 8 zeros.

use crate::{Namespace, accumulator::Accumulator, hexadecimal, poseidon2};
use serde::{Deserialize, Serialize};

/// Most bytes of an entry's payload.
pub const PAYLOAD_BYTES_MAX: usize = 4096;
/// Bytes of an entry before its payload.
pub const ENTRY_HEAD_BYTES: usize = 40;

/// The sponge's tag for an inbox entry.
pub const TAG_INBOX: u32 = 4;
/// What stands behind a withdrawal in its leaf.
pub const TAG_WITHDRAWAL: u32 = 5;
const TAG_DOMAIN: u32 = 6;

/// 8 KoalaBear elements, each a canonical big-endian `u32`.
pub type Words = [u8; 32];

/// Which settlement contract a statement is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Domain {
    /// The EIP-155 id of the L1.
    pub l1_chain_id: u64,
    /// The settlement contract's address.
    pub settlement: [u8; 20],
    /// The id of the chain that orders.
    pub chain_id: u64,
    /// The rollup's namespace there.
    pub namespace: Namespace,
}

impl Domain {
    /// The digest that every statement carries, and the inbox's first rolling hash.
    #[must_use]
    pub fn digest(&self) -> Words {
        let mut bytes = [0; 44];
        bytes[..8].copy_from_slice(&self.l1_chain_id.to_be_bytes());
        bytes[8..28].copy_from_slice(&self.settlement);
        bytes[28..36].copy_from_slice(&self.chain_id.to_be_bytes());
        bytes[36..].copy_from_slice(&self.namespace.0.to_be_bytes());
        to_words(&sponge_bytes(TAG_DOMAIN, &bytes))
    }
}

/// Why an entry stands in the inbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum EntryKind {
    /// Ether, a message, or both.
    Deposit = 1,
    /// A transaction that the rollup must take.
    Forced = 2,
}

/// One entry of a rollup's inbox. Layout in the module's first lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InboxEntry {
    /// Why it stands there.
    pub kind: EntryKind,
    /// Who sent it, on the L1.
    pub sender: [u8; 20],
    /// Wei that came with it, below 2^96.
    pub wei: u128,
    /// When it must have been taken, in Unix seconds, below 2^40.
    pub deadline: u64,
    /// What it says; at most [`PAYLOAD_BYTES_MAX`] bytes.
    pub payload: Vec<u8>,
}

/// Why an entry cannot stand in an inbox.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EntryError {
    /// More wei than there are fields for.
    #[error("expected less than 2^96 wei, got {0}")]
    Wei(u128),
    /// A time too far away.
    #[error("expected a deadline below 2^40 seconds, got {0}")]
    Deadline(u64),
    /// A payload too long.
    #[error("expected a payload of at most {PAYLOAD_BYTES_MAX} bytes, got {0}")]
    Payload(usize),
}

impl InboxEntry {
    /// The bytes that are hashed.
    ///
    /// # Errors
    /// [`EntryError`] when a field is out of its bounds.
    pub fn encode(&self) -> Result<Vec<u8>, EntryError> {
        if self.wei >> 96 != 0 {
            return Err(EntryError::Wei(self.wei));
        }
        if self.deadline >> 40 != 0 {
            return Err(EntryError::Deadline(self.deadline));
        }
        if self.payload.len() > PAYLOAD_BYTES_MAX {
            return Err(EntryError::Payload(self.payload.len()));
        }
        let mut bytes = Vec::with_capacity(ENTRY_HEAD_BYTES + self.payload.len());
        bytes.push(self.kind as u8);
        bytes.extend_from_slice(&self.sender);
        bytes.extend_from_slice(&self.wei.to_be_bytes()[4..]);
        bytes.extend_from_slice(&self.deadline.to_be_bytes()[3..]);
        bytes.extend_from_slice(&(self.payload.len() as u16).to_be_bytes());
        bytes.extend_from_slice(&self.payload);
        Ok(bytes)
    }

    /// The rolling hash after this entry.
    ///
    /// # Errors
    /// [`EntryError`] when a field is out of its bounds.
    pub fn roll(&self, rolling: &Words) -> Result<Words, EntryError> {
        let digest = sponge_bytes(TAG_INBOX, &self.encode()?);
        Ok(to_words(&poseidon2::compress(&Accumulator(*rolling).elements(), &digest)))
    }
}

/// Ether that leaves the rollup.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Withdrawal {
    /// To whom, on the L1.
    #[serde(with = "hexadecimal::array")]
    pub recipient: [u8; 20],
    /// How many wei, below 2^96.
    pub wei: u128,
}

impl Withdrawal {
    /// Its leaf.
    ///
    /// # Errors
    /// [`EntryError::Wei`] when the amount has more than 96 bits.
    pub fn leaf(&self) -> Result<Words, EntryError> {
        if self.wei >> 96 != 0 {
            return Err(EntryError::Wei(self.wei));
        }
        let mut bytes = [0; 48];
        bytes[..20].copy_from_slice(&self.recipient);
        bytes[20..32].copy_from_slice(&self.wei.to_be_bytes()[4..]);
        let (left, right) = bytes.split_at(24);
        let mut right = poseidon2::unpack(right);
        right[3] = TAG_WITHDRAWAL;
        Ok(to_words(&poseidon2::compress(&poseidon2::unpack(left), &right)))
    }
}

/// The root over withdrawals' leaves; 8 zeros for none.
#[must_use]
pub fn withdrawals_root(leaves: &[Words]) -> Words {
    match leaves {
        [] => [0; 32],
        [leaf] => *leaf,
        _ => {
            let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
            compress(&withdrawals_root(left), &withdrawals_root(right))
        }
    }
}

/// The digests beside the way from leaf `index` to the root, bottom up; nothing where there is no such leaf.
#[must_use]
pub fn withdrawals_path(leaves: &[Words], index: usize) -> Option<Vec<Words>> {
    if index >= leaves.len() {
        return None;
    }
    if leaves.len() == 1 {
        return Some(Vec::new());
    }
    let half = leaves.len().next_power_of_two() / 2;
    let (left, right) = leaves.split_at(half);
    let (mut path, sibling) = if index < half {
        (withdrawals_path(left, index)?, withdrawals_root(right))
    } else {
        (withdrawals_path(right, index - half)?, withdrawals_root(left))
    };
    path.push(sibling);
    Some(path)
}

/// The first half of the permuted `left ‖ right`.
#[must_use]
pub fn compress(left: &Words, right: &Words) -> Words {
    to_words(&poseidon2::compress(&Accumulator(*left).elements(), &Accumulator(*right).elements()))
}

/// The sponge over bytes in one piece, its length in bytes.
fn sponge_bytes(tag: u32, bytes: &[u8]) -> poseidon2::Elements {
    poseidon2::sponge_chunks(tag, bytes, bytes.len().max(1)).first().copied().unwrap_or_default()
}

fn to_words(elements: &poseidon2::Elements) -> Words {
    let mut words = [0; 32];
    for (bytes, element) in words.as_chunks_mut::<4>().0.iter_mut().zip(elements) {
        *bytes = element.to_be_bytes();
    }
    words
}
