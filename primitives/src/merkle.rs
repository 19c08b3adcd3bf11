//! SHA-256 Merkle trees in the shape of RFC 6962, with a root that binds the number of leaves.
//!
//! ```text
//! leaf hash = SHA-256(0x00 ‖ leaf)
//! node hash = SHA-256(0x01 ‖ left ‖ right)
//! MTH()     = SHA-256()                      MTH(l) = leaf hash of l
//! MTH(n)    = node(MTH(first k), MTH(rest))  k: the largest power of two below n
//! root      = SHA-256(0x02 ‖ n as a big-endian u64 ‖ MTH)
//! ```
//!
//! Since the root binds `n`, an index and a path have one meaning only, and "the last leaf" can be
//! proven.

use crate::Digest;
use commonware_cryptography::{Hasher, Sha256};
use serde::{Deserialize, Serialize};

/// Most siblings that a proof may carry: a tree of 2^64 leaves needs no more.
pub const SIBLINGS_MAX: usize = 64;

/// Why an inclusion proof was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// The index names no leaf.
    #[error("leaf index {index} is not below the leaf count {count}")]
    IndexOutOfRange {
        /// The proof's index.
        index: u64,
        /// The proof's leaf count.
        count: u64,
    },
    /// A path of another length than index and count ask for.
    #[error("expected {expected} siblings for this index and count, got {got}")]
    SiblingCount {
        /// What index and count ask for.
        expected: usize,
        /// What the proof has.
        got: usize,
    },
    /// The path leads to another root.
    #[error("expected root {expected}, got {got}")]
    Root {
        /// The trusted root.
        expected: Digest,
        /// Where the path leads.
        got: Digest,
    },
}

/// The root over `leaves`.
pub fn root<L: AsRef<[u8]>>(leaves: impl IntoIterator<Item = L>) -> Digest {
    MerkleTree::new(leaves).root()
}

/// A tree with all its levels, to prove from.
#[derive(Clone, Debug)]
pub struct MerkleTree {
    /// `levels[0]` holds the leaf hashes; each next one half as many, rounded up; the last one has
    /// one hash. Empty for an empty tree.
    levels: Vec<Vec<Digest>>,
}

impl MerkleTree {
    /// Builds the tree over `leaves`.
    pub fn new<L: AsRef<[u8]>>(leaves: impl IntoIterator<Item = L>) -> Self {
        let mut level: Vec<Digest> = leaves.into_iter().map(|leaf| leaf_hash(leaf.as_ref())).collect();
        let mut levels = Vec::new();
        while level.len() > 1 {
            let (pairs, odd) = level.as_chunks::<2>();
            let mut above: Vec<Digest> = pairs.iter().map(|[left, right]| node_hash(left, right)).collect();
            above.extend(odd);
            levels.push(std::mem::replace(&mut level, above));
        }
        if !level.is_empty() {
            levels.push(level);
        }
        Self { levels }
    }

    /// Number of leaves.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.levels.first().map_or(0, |leaves| leaves.len() as u64)
    }

    /// The root.
    #[must_use]
    pub fn root(&self) -> Digest {
        let top = self.levels.last().and_then(|top| top.first()).copied();
        bind_count(self.count(), &top.unwrap_or_else(|| Sha256::hash(&[])))
    }

    /// Proves the leaf at `index`; nothing where there is none.
    #[must_use]
    pub fn prove(&self, index: u64) -> Option<MerkleProof> {
        let count = self.count();
        if index >= count {
            return None;
        }
        let mut position = usize::try_from(index).ok()?;
        let mut siblings = Vec::new();
        for level in &self.levels {
            siblings.extend(level.get(position ^ 1));
            position >>= 1;
        }
        Some(MerkleProof { index, count, siblings })
    }
}

/// That one leaf stands at `index` among `count`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MerkleProof {
    /// The leaf's place, from 0.
    pub index: u64,
    /// Number of leaves in the tree.
    pub count: u64,
    /// Hashes beside the path, from the leaf up. A level on which the path's node is the odd last one
    /// has none.
    #[serde(with = "crate::hexadecimal::digests")]
    pub siblings: Vec<Digest>,
}

impl MerkleProof {
    /// Checks that `leaf` stands at this index in the tree with this `root`.
    ///
    /// # Errors
    /// [`ProofError`], saying what was expected.
    pub fn verify(&self, root: &Digest, leaf: &[u8]) -> Result<(), ProofError> {
        if self.index >= self.count {
            return Err(ProofError::IndexOutOfRange { index: self.index, count: self.count });
        }
        let expected = sibling_count(self.index, self.count);
        if self.siblings.len() != expected {
            return Err(ProofError::SiblingCount { expected, got: self.siblings.len() });
        }
        let mut hash = leaf_hash(leaf);
        let mut siblings = self.siblings.iter();
        let (mut position, mut last) = (self.index, self.count - 1);
        while last > 0 {
            if position & 1 == 1 {
                if let Some(left) = siblings.next() {
                    hash = node_hash(left, &hash);
                }
            } else if position < last
                && let Some(right) = siblings.next()
            {
                hash = node_hash(&hash, right);
            }
            position >>= 1;
            last >>= 1;
        }
        let got = bind_count(self.count, &hash);
        if got != *root {
            return Err(ProofError::Root { expected: *root, got });
        }
        Ok(())
    }
}

/// Siblings on the path of leaf `index` among `count`: one a level, but for levels where the path's
/// node is the odd last one.
fn sibling_count(index: u64, count: u64) -> usize {
    let (mut position, mut last) = (index, count.saturating_sub(1));
    let mut siblings = 0;
    while last > 0 {
        siblings += usize::from(position & 1 == 1 || position < last);
        position >>= 1;
        last >>= 1;
    }
    siblings
}

fn leaf_hash(leaf: &[u8]) -> Digest {
    Sha256::hash(&[&[0], leaf])
}

fn node_hash(left: &Digest, right: &Digest) -> Digest {
    Sha256::hash(&[&[1], left, right])
}

fn bind_count(count: u64, hash: &Digest) -> Digest {
    Sha256::hash(&[&[2], &count.to_be_bytes(), hash])
}
