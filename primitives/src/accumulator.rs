//! A namespace's running Poseidon2 commitment to everything ordered for it.
//!
//! A rollup's proof claims `accumulator before → after`; the one way to know such a pair is to have
//! consumed exactly the bytes that the committee ordered in between. The definition is kept small, so
//! that a circuit can recompute it. Everything below is over KoalaBear, `p = 2^31 − 2^24 + 1`.
//!
//! # Hash
//!
//! `P` is Poseidon2 of width 16 over KoalaBear as in Plonky3 (`default_koalabear_poseidon2_16`:
//! S-box `x^3`, 8 full and 20 partial rounds, Grain LFSR constants). A *digest* is 8 elements.
//!
//! - `compress(a, b)`: the first 8 elements of `P(a ‖ b)`.
//! - `sponge(tag, length, elements)`: the state starts as 8 zeros ‖ `tag` ‖ `length` ‖ 6 zeros. The
//!   elements, padded with zeros to a multiple of 8, are taken 8 at a time: each group **overwrites**
//!   the first 8 elements of the state, then the state becomes `P(state)`. The digest is the first 8
//!   elements of the last state. Tag and length stand in the capacity: they fix what the padding hides.
//!
//! # Bytes and integers as elements
//!
//! Three bytes make an element, little-endian (`b0 + 2^8·b1 + 2^16·b2`; bytes missing at the end are
//! zero). A `u64` makes three elements: its bits 0–23, 24–47 and 48–63.
//!
//! # A block's commitment
//!
//! 1. **Envelopes**: the namespace's transactions, in order, each as
//!    `kind (1 byte) ‖ expiry height (8, big-endian) ‖ payload length (4, big-endian) ‖ payload`,
//!    concatenated. The kind is bound, so an inbox envelope cannot be confused with a user's.
//! 2. **Chunks**: the concatenation is cut into chunks of 1024 bytes, the last one shorter. A chunk's
//!    digest is `sponge(CHUNK = 1, length in bytes, its elements)`.
//! 3. **Tree**: digests are paired left to right with `compress`; an odd last one moves up unchanged;
//!    repeated until one is left. The root over no bytes is 8 zeros.
//! 4. **Head**: `commitment = sponge(HEAD = 2, 29, root (8) ‖ chain id (3) ‖ namespace (3) ‖
//!    height (3) ‖ timestamp in ms (3) ‖ L1 origin number (3) ‖ transaction count (3) ‖ bytes of the
//!    concatenation (3))`.
//!
//! The byte count fixes the tree's shape and the envelopes are self-delimiting, so the commitment is
//! injective up to a collision of `P`.
//!
//! # The chain of accumulators
//!
//! `genesis = sponge(GENESIS = 3, 6, chain id (3) ‖ namespace (3))`, and a block in which the
//! namespace is active makes `next = compress(previous, commitment)`. An idle block changes nothing.
//!
//! An accumulator's 32 bytes are its 8 elements in order, canonical, each as a big-endian `u32`.

use crate::{Namespace, Transaction, poseidon2};
use bytes::BufMut;
use commonware_codec::{Buf, Error, FixedSize, Read, ReadExt, Write};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

/// Bytes of a chunk.
pub const CHUNK_BYTES: usize = 1024;
/// Bytes in front of each payload: kind, expiry height, payload length.
pub const ENVELOPE_HEAD_BYTES: usize = 1 + 8 + 4;

const TAG_CHUNK: u32 = 1;
const TAG_HEAD: u32 = 2;
const TAG_GENESIS: u32 = 3;

/// Where in the shared order a lane stands: bound into its commitment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// The chain's id.
    pub chain_id: u64,
    /// The lane.
    pub namespace: Namespace,
    /// The block's height.
    pub height: u64,
    /// The block's timestamp, in milliseconds.
    pub timestamp_ms: u64,
    /// The number of the block's L1 origin.
    pub l1_origin_number: u64,
}

/// A namespace's running commitment: 8 KoalaBear elements, each a canonical big-endian `u32`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Accumulator(pub [u8; 32]);

impl Accumulator {
    /// The accumulator of a namespace for which nothing has been ordered yet.
    #[must_use]
    pub fn genesis(chain_id: u64, namespace: Namespace) -> Self {
        let mut elements = Vec::with_capacity(6);
        push_u64(&mut elements, chain_id);
        push_u64(&mut elements, namespace.0);
        Self::from_elements(&poseidon2::sponge(TAG_GENESIS, &elements))
    }

    /// The accumulator after a block at `at` has ordered `transactions` for the namespace.
    #[must_use]
    pub fn advance(&self, at: &Position, transactions: &[Transaction]) -> Self {
        Self::from_elements(&poseidon2::compress(&self.elements(), &commitment(at, transactions)))
    }

    /// The 8 elements.
    #[must_use]
    pub fn elements(&self) -> [u32; 8] {
        let mut elements = [0; 8];
        for (element, bytes) in elements.iter_mut().zip(self.0.as_chunks::<4>().0) {
            *element = u32::from_be_bytes(*bytes);
        }
        elements
    }

    fn from_elements(elements: &[u32; 8]) -> Self {
        let mut bytes = [0; 32];
        for (bytes, element) in bytes.as_chunks_mut::<4>().0.iter_mut().zip(elements) {
            *bytes = element.to_be_bytes();
        }
        Self(bytes)
    }

    fn is_canonical(&self) -> bool {
        self.elements().iter().all(|&element| element < poseidon2::PRIME)
    }
}

/// The commitment to one block's transactions of one namespace: step 4 of the module's definition.
#[must_use]
pub fn commitment(at: &Position, transactions: &[Transaction]) -> [u32; 8] {
    let bytes = envelopes(transactions);
    let mut elements = Vec::with_capacity(29);
    elements.extend(tree_root(&bytes));
    push_u64(&mut elements, at.chain_id);
    push_u64(&mut elements, at.namespace.0);
    push_u64(&mut elements, at.height);
    push_u64(&mut elements, at.timestamp_ms);
    push_u64(&mut elements, at.l1_origin_number);
    push_u64(&mut elements, transactions.len() as u64);
    push_u64(&mut elements, bytes.len() as u64);
    poseidon2::sponge(TAG_HEAD, &elements)
}

/// Step 1: the bytes that are hashed.
fn envelopes(transactions: &[Transaction]) -> Vec<u8> {
    let bytes = transactions.iter().map(|transaction| ENVELOPE_HEAD_BYTES + transaction.payload.len()).sum();
    let mut envelopes = Vec::with_capacity(bytes);
    for transaction in transactions {
        envelopes.push(transaction.kind as u8);
        envelopes.extend_from_slice(&transaction.expiry_height.to_be_bytes());
        // A payload is bounded by the chain's parameters, far below 4 GiB.
        envelopes.extend_from_slice(&(transaction.payload.len() as u32).to_be_bytes());
        envelopes.extend_from_slice(&transaction.payload);
    }
    envelopes
}

/// Steps 2 and 3: the root over `bytes`.
fn tree_root(bytes: &[u8]) -> [u32; 8] {
    let mut digests = poseidon2::sponge_chunks(TAG_CHUNK, bytes, CHUNK_BYTES);
    while digests.len() > 1 {
        digests = poseidon2::compress_pairs(&digests);
    }
    digests.first().copied().unwrap_or_default()
}

fn push_u64(elements: &mut Vec<u32>, value: u64) {
    elements.extend([value & 0xff_ffff, (value >> 24) & 0xff_ffff, value >> 48].map(|limb| limb as u32));
}

impl Write for Accumulator {
    fn write(&self, buf: &mut impl BufMut) {
        buf.put_slice(&self.0);
    }
}

impl FixedSize for Accumulator {
    const SIZE: usize = 32;
}

impl Read for Accumulator {
    type Cfg = ();
    fn read_cfg(buf: &mut impl Buf, _: &()) -> Result<Self, Error> {
        let accumulator = Self(<[u8; 32]>::read(buf)?);
        if !accumulator.is_canonical() {
            return Err(Error::Invalid("Accumulator", "element is not below the KoalaBear prime"));
        }
        Ok(accumulator)
    }
}

impl fmt::Debug for Accumulator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Accumulator({self})")
    }
}

impl fmt::Display for Accumulator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "0x{}", hex::encode(self.0))
    }
}

impl Serialize for Accumulator {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        crate::hexadecimal::array::serialize(&self.0, serializer)
    }
}

impl<'de> Deserialize<'de> for Accumulator {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let accumulator = Self(crate::hexadecimal::array::deserialize(deserializer)?);
        if !accumulator.is_canonical() {
            return Err(serde::de::Error::custom(format!(
                "expected 8 elements below {}, got {accumulator}",
                poseidon2::PRIME
            )));
        }
        Ok(accumulator)
    }
}
