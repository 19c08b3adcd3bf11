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
//! 1. **Stream**: the namespace's transactions, in order, each as the elements
//!    `kind ‖ payload length in bytes ‖ expiry height (3) ‖ payload`, concatenated. A payload begins at an element: the bytes
//!    that its last element lacks are zeros. The kind is bound, so an inbox transaction cannot be confused with a user's.
//! 2. **Chunks**: the stream is cut into chunks of 512 elements, the last one shorter. A chunk's digest is
//!    `sponge(CHUNK = 1, its bytes: three times its elements, its elements)`.
//! 3. **Tree**: digests are paired left to right with `compress`; an odd last one moves up unchanged;
//!    repeated until one is left. The root over no elements is 8 zeros.
//! 4. **Head**: `commitment = sponge(HEAD = 2, 29, root (8) ‖ chain id (3) ‖ namespace (3) ‖
//!    height (3) ‖ timestamp in ms (3) ‖ L1 origin number (3) ‖ transaction count (3) ‖ elements of the stream (3))`.
//!
//! The number of elements fixes the tree's shape and the transactions are self-delimiting, so the commitment is
//! injective up to a collision of `P`. A circuit can open one chunk without the others, and finds every transaction and every
//! integer at a whole element: it never has to take one apart.
//!
//! # The chain of accumulators
//!
//! `genesis = sponge(GENESIS = 3, 6, chain id (3) ‖ namespace (3))`, and a block in which the
//! namespace is active makes `next = compress(previous, commitment)`. An idle block changes nothing.
//!
//! An accumulator's 32 bytes are its 8 elements in order, canonical, each as a big-endian `u32`.

use crate::{
    Namespace, Transaction,
    poseidon2::{self, ELEMENT_BYTES},
};
use bytes::BufMut;
use commonware_codec::{Buf, Error, FixedSize, Read, ReadExt, Write};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

/// Elements of a chunk: 64 groups of the sponge's rate.
pub const CHUNK_ELEMENTS: usize = 512;
/// Elements of a block's head.
pub const HEAD_PREIMAGE_ELEMENTS: usize = 8 + 7 * 3;
/// Elements in front of each payload: kind, payload length, expiry height.
pub const HEAD_ELEMENTS: usize = 1 + 1 + 3;

/// The sponge's tag for a chunk.
pub const TAG_CHUNK: u32 = 1;
/// The sponge's tag for a head.
pub const TAG_HEAD: u32 = 2;
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
        let elements = [u64_elements(chain_id), u64_elements(namespace.0)];
        Self::from_elements(&poseidon2::sponge(TAG_GENESIS, elements.as_flattened()))
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

    /// The accumulator of 8 canonical elements.
    #[must_use]
    pub fn from_elements(elements: &poseidon2::Elements) -> Self {
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
pub fn commitment(at: &Position, transactions: &[Transaction]) -> poseidon2::Elements {
    let stream = Stream::new(transactions);
    let (transactions, elements) = (transactions.len() as u64, stream.elements() as u64);
    poseidon2::sponge(TAG_HEAD, &head_elements(at, transactions, elements, &stream.root()))
}

/// What the commitment to a stream with this root is the digest of: step 4.
#[must_use]
pub fn head_elements(
    at: &Position,
    transactions: u64,
    elements: u64,
    root: &poseidon2::Elements,
) -> [u32; HEAD_PREIMAGE_ELEMENTS] {
    let mut preimage = [0; HEAD_PREIMAGE_ELEMENTS];
    let (head, numbers) = preimage.split_at_mut(root.len());
    head.copy_from_slice(root);
    let values = [at.chain_id, at.namespace.0, at.height, at.timestamp_ms, at.l1_origin_number, transactions, elements];
    for (limbs, value) in numbers.as_chunks_mut::<3>().0.iter_mut().zip(values) {
        *limbs = u64_elements(value);
    }
    preimage
}

/// What a block orders for a namespace, as elements: step 1. Kept as bytes, three an element.
#[derive(Clone, Debug)]
pub struct Stream(Vec<u8>);

impl Stream {
    /// The stream of these transactions.
    #[must_use]
    pub fn new(transactions: &[Transaction]) -> Self {
        let elements: usize = transactions.iter().map(|transaction| elements_of(transaction.payload.len())).sum();
        let mut bytes = Vec::with_capacity(elements * ELEMENT_BYTES);
        for transaction in transactions {
            let [low, middle, high] = u64_elements(transaction.expiry_height);
            // A payload is bounded by the chain's parameters, below 2^24 bytes.
            for element in [transaction.kind as u32, transaction.payload.len() as u32, low, middle, high] {
                bytes.extend_from_slice(&element.to_le_bytes()[..ELEMENT_BYTES]);
            }
            bytes.extend_from_slice(&transaction.payload);
            bytes.resize(bytes.len().next_multiple_of(ELEMENT_BYTES), 0);
        }
        Self(bytes)
    }

    /// How many elements there are.
    #[must_use]
    pub const fn elements(&self) -> usize {
        self.0.len() / ELEMENT_BYTES
    }

    /// The elements of chunk `index`; none behind the last.
    pub fn chunk(&self, index: usize) -> impl Iterator<Item = u32> {
        let bytes = self.0.chunks(CHUNK_ELEMENTS * ELEMENT_BYTES).nth(index).unwrap_or_default();
        bytes
            .as_chunks::<ELEMENT_BYTES>()
            .0
            .iter()
            .map(|&[low, middle, high]| u32::from_le_bytes([low, middle, high, 0]))
    }

    /// The chunks' digests: step 2.
    #[must_use]
    pub fn digests(&self) -> Vec<poseidon2::Elements> {
        poseidon2::sponge_chunks(TAG_CHUNK, &self.0, CHUNK_ELEMENTS * ELEMENT_BYTES)
    }

    /// The tree's root: step 3.
    #[must_use]
    pub fn root(&self) -> poseidon2::Elements {
        let mut digests = self.digests();
        while digests.len() > 1 {
            digests = poseidon2::compress_pairs(&digests);
        }
        digests.first().copied().unwrap_or_default()
    }
}

/// Elements that a transaction with so many bytes of payload takes in the stream.
#[must_use]
pub const fn elements_of(payload_bytes: usize) -> usize {
    HEAD_ELEMENTS + payload_bytes.div_ceil(ELEMENT_BYTES)
}

/// An integer as three elements: bits 0–23, 24–47 and 48–63.
#[must_use]
pub fn u64_elements(value: u64) -> [u32; 3] {
    [value & 0xff_ffff, (value >> 24) & 0xff_ffff, value >> 48].map(|limb| limb as u32)
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
