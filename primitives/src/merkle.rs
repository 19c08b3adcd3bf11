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

/// All levels of a tree in RFC 6962's shape, under any hash: `0` holds the leaves, each next one half as many, rounded up, as a
/// lone right end is promoted; the last one has one. None for an empty tree.
#[derive(Clone, Debug)]
pub(crate) struct Levels<H>(Vec<Vec<H>>);

impl<H: Copy> Levels<H> {
    pub(crate) fn new(leaves: Vec<H>, node: impl Fn(&H, &H) -> H) -> Self {
        let (mut level, mut levels) = (leaves, Vec::new());
        while level.len() > 1 {
            let (pairs, lone) = level.as_chunks::<2>();
            let mut above: Vec<H> = pairs.iter().map(|[left, right]| node(left, right)).collect();
            above.extend(lone);
            levels.push(std::mem::replace(&mut level, above));
        }
        if !level.is_empty() {
            levels.push(level);
        }
        Self(levels)
    }

    /// Number of leaves.
    pub(crate) fn count(&self) -> usize {
        self.0.first().map_or(0, Vec::len)
    }

    /// The hash over all leaves.
    pub(crate) fn top(&self) -> Option<H> {
        self.0.last().and_then(|top| top.first()).copied()
    }

    /// The hashes beside the path of a leaf, from the leaf up; a level on which the path's node is the lone right end has none.
    /// None where there is no such leaf.
    pub(crate) fn siblings(&self, index: usize) -> Option<Vec<H>> {
        let levels = self.0.iter().enumerate();
        (index < self.count()).then(|| levels.filter_map(|(up, level)| level.get((index >> up) ^ 1).copied()).collect())
    }
}

/// Where a path leads from the leaf hash at `index` among `count`; none where there is no such leaf, or index and count ask for
/// another number of siblings.
pub(crate) fn climb<H: Copy>(
    leaf: &H,
    index: u64,
    count: u64,
    siblings: &[H],
    node: impl Fn(&H, &H) -> H,
) -> Option<H> {
    if index >= count {
        return None;
    }
    let (mut hash, mut siblings) = (*leaf, siblings.iter());
    let (mut position, mut last) = (index, count - 1);
    while last > 0 {
        if position & 1 == 1 {
            hash = node(siblings.next()?, &hash);
        } else if position < last {
            hash = node(&hash, siblings.next()?);
        }
        position >>= 1;
        last >>= 1;
    }
    siblings.next().is_none().then_some(hash)
}

/// A tree with all its levels, to prove from.
#[derive(Clone, Debug)]
pub struct MerkleTree(Levels<Digest>);

impl MerkleTree {
    /// Builds the tree over `leaves`.
    pub fn new<L: AsRef<[u8]>>(leaves: impl IntoIterator<Item = L>) -> Self {
        Self(Levels::new(leaves.into_iter().map(|leaf| leaf_hash(leaf.as_ref())).collect(), node_hash))
    }

    /// Number of leaves.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.0.count() as u64
    }

    /// The root.
    #[must_use]
    pub fn root(&self) -> Digest {
        bind_count(self.count(), &self.0.top().unwrap_or_else(|| Sha256::hash(&[])))
    }

    /// Proves the leaf at `index`; nothing where there is none.
    #[must_use]
    pub fn prove(&self, index: u64) -> Option<MerkleProof> {
        let siblings = self.0.siblings(usize::try_from(index).ok()?)?;
        Some(MerkleProof { index, count: self.count(), siblings })
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
        let hash = climb(&leaf_hash(leaf), self.index, self.count, &self.siblings, node_hash).ok_or_else(|| {
            ProofError::SiblingCount { expected: sibling_count(self.index, self.count), got: self.siblings.len() }
        })?;
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
