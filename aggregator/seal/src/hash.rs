//! Keccak-256, cut to 26 bytes: leaves and nodes of the seal's Merkle trees.
//!
//! ```text
//! leaf = keccak256(the row's elements, each a big-endian u32)[0..26]
//! node = keccak256(left ‖ right)[0..26]                        52 bytes in
//! ```
//!
//! 26 bytes are 208 bits, 104 bits of collision resistance, and six bytes less of calldata than a whole hash. A leaf of
//! 13 columns would be as long as a node; no seal has one ([`SealError::NodeLeaf`](crate::SealError::NodeLeaf)).
//! Rows are big-endian since that is how the EVM has them: a row is hashed as it lies in calldata.

use p3_commit::ExtensionMmcs;
use p3_field::PrimeField32;
use p3_keccak::{Keccak256Hash, VECTOR_LEN};
use p3_merkle_tree::{MerkleCap, MerkleTreeMmcs};
use p3_symmetric::{CryptographicHasher, PseudoCompressionFunction};
use sinter_program::{EF, F};

/// Bytes of a digest.
pub const DIGEST_BYTES: usize = 26;
/// Bits of work to find two preimages of one digest.
pub const COLLISION_BITS: usize = 4 * DIGEST_BYTES;
/// Columns of a leaf whose preimage would be as long as a node's.
pub const NODE_COLUMNS: usize = 2 * DIGEST_BYTES / 4;

/// A digest in a Merkle tree.
pub type Digest = [u8; DIGEST_BYTES];
/// A commitment: always one root.
pub type Root = MerkleCap<F, Digest>;
/// The commitment scheme for matrices over [`F`].
pub type ValMmcs = MerkleTreeMmcs<F, u8, LeafHash, NodeHash, 2, DIGEST_BYTES>;
/// The commitment scheme for matrices over [`EF`].
pub type ChallengeMmcs = ExtensionMmcs<F, EF, ValMmcs>;

/// Rows that are hashed in one call: their bytes stay in the nearest cache.
const ROWS: usize = 4 * VECTOR_LEN;

/// Hashes rows to leaves.
#[derive(Clone, Copy, Debug, Default)]
pub struct LeafHash;

/// Compresses two digests into one.
#[derive(Clone, Copy, Debug, Default)]
pub struct NodeHash;

/// The commitment scheme: trees of two, whose commitment is their root.
#[must_use]
pub const fn val_mmcs() -> ValMmcs {
    ValMmcs::new(LeafHash, NodeHash, 0)
}

/// Keccak-256 of some bytes.
#[must_use]
pub fn keccak256(bytes: &[u8]) -> [u8; 32] {
    Keccak256Hash.hash_slice(bytes)
}

/// The start of a hash that a digest is.
fn cut(hash: &[u8; 32]) -> Digest {
    let mut digest = [0; DIGEST_BYTES];
    digest.copy_from_slice(&hash[..DIGEST_BYTES]);
    digest
}

/// Hash messages of one length, laid back to back.
fn hash_many(messages: &[u8], length: usize, out: &mut [Digest]) {
    let mut hashes = [[0; 32]; ROWS];
    for (messages, out) in messages.chunks(length * ROWS).zip(out.chunks_mut(ROWS)) {
        let hashes = &mut hashes[..out.len()];
        Keccak256Hash.hash_many(messages, hashes);
        out.iter_mut().zip(hashes).for_each(|(digest, hash)| *digest = cut(hash));
    }
}

impl CryptographicHasher<F, Digest> for LeafHash {
    const LANES: usize = VECTOR_LEN;

    fn hash_iter<I: IntoIterator<Item = F>>(&self, input: I) -> Digest {
        let bytes: Vec<u8> = input.into_iter().flat_map(|value| value.as_canonical_u32().to_be_bytes()).collect();
        cut(&keccak256(&bytes))
    }

    fn hash_many(&self, input: &[F], out: &mut [Digest]) {
        if out.is_empty() {
            return;
        }
        assert!(input.len().is_multiple_of(out.len()), "rows of one width: {} for {}", input.len(), out.len());
        let length = 4 * (input.len() / out.len());
        if length == 0 {
            out.fill(cut(&keccak256(&[])));
            return;
        }
        let mut bytes = Vec::with_capacity(4 * input.len());
        input.iter().for_each(|value| bytes.extend_from_slice(&value.as_canonical_u32().to_be_bytes()));
        hash_many(&bytes, length, out);
    }
}

impl PseudoCompressionFunction<Digest, 2> for NodeHash {
    const LANES: usize = VECTOR_LEN;

    fn compress(&self, input: [Digest; 2]) -> Digest {
        cut(&keccak256(input.as_flattened()))
    }

    fn compress_many(&self, inputs: &[[Digest; 2]], out: &mut [Digest]) {
        assert_eq!(inputs.len(), out.len(), "as many pairs as digests");
        hash_many(inputs.as_flattened().as_flattened(), 2 * DIGEST_BYTES, out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use p3_field::PrimeCharacteristicRing;

    #[test]
    fn many_are_as_one_by_one() {
        for (width, count) in [(1, 1), (7, 3 * ROWS + 1), (140, ROWS)] {
            let rows: Vec<F> = (0..width * count).map(|i| F::from_usize(i * i + 5)).collect();
            let mut leaves = vec![[0; DIGEST_BYTES]; count];
            LeafHash.hash_many(&rows, &mut leaves);
            let alone: Vec<Digest> = rows.chunks(width).map(|row| LeafHash.hash_iter(row.iter().copied())).collect();
            assert_eq!(leaves, alone);
            let pairs: Vec<[Digest; 2]> = leaves.iter().map(|&leaf| [leaf, leaves[0]]).collect();
            let mut nodes = vec![[0; DIGEST_BYTES]; count];
            NodeHash.compress_many(&pairs, &mut nodes);
            assert_eq!(nodes, pairs.iter().map(|&pair| NodeHash.compress(pair)).collect::<Vec<_>>());
        }
    }
}
