//! The namespace table under a header: one leaf for each namespace that is active in the block.
//!
//! | offset | size | leaf field |
//! |---|---|---|
//! | 0 | 8 | namespace |
//! | 8 | 32 | transaction root |
//! | 40 | 32 | accumulator after this block |
//! | 72 | 4 | transaction count |
//! | 76 | 8 | payload bytes |
//! | 84 | | end |
//!
//! The transaction root is the [`crate::merkle`] root over the lane's transaction ids, in order. The
//! table's root is the Merkle root over its leaves, ascending by namespace: an absent namespace is
//! proven by the two adjacent leaves that it would stand between.

use crate::{
    Accumulator, Digest, Namespace,
    merkle::{self, MerkleProof, MerkleTree, ProofError},
};
use bytes::BufMut;
use commonware_codec::{Buf, Encode, EncodeSize, Error, FixedSize, RangeCfg, Read, ReadExt, Write};
use serde::{Deserialize, Serialize};

/// What one namespace had ordered in a block. Layout in the module's first lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NamespaceLeaf {
    /// The namespace.
    pub namespace: Namespace,
    /// Merkle root over the ids of its transactions, in order.
    #[serde(with = "crate::hexadecimal::digest")]
    pub tx_root: Digest,
    /// Its accumulator after this block.
    pub accumulator: Accumulator,
    /// Number of its transactions; never zero.
    pub tx_count: u32,
    /// Sum of their payloads' bytes.
    pub byte_count: u64,
}

impl Write for NamespaceLeaf {
    fn write(&self, buf: &mut impl BufMut) {
        self.namespace.write(buf);
        self.tx_root.write(buf);
        self.accumulator.write(buf);
        self.tx_count.write(buf);
        self.byte_count.write(buf);
    }
}

impl FixedSize for NamespaceLeaf {
    const SIZE: usize = 84;
}

impl Read for NamespaceLeaf {
    type Cfg = ();
    fn read_cfg(buf: &mut impl Buf, _: &()) -> Result<Self, Error> {
        let leaf = Self {
            namespace: Namespace::read(buf)?,
            tx_root: Digest::read(buf)?,
            accumulator: Accumulator::read(buf)?,
            tx_count: u32::read(buf)?,
            byte_count: u64::read(buf)?,
        };
        if leaf.tx_count == 0 {
            return Err(Error::Invalid("NamespaceLeaf", "an active namespace has at least one transaction"));
        }
        Ok(leaf)
    }
}

/// Why a table, or a proof of what it holds, was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TableError {
    /// Leaves out of order, or two for one namespace.
    #[error("namespaces must strictly ascend: {after} stands after {before}")]
    Order {
        /// The leaf before.
        before: Namespace,
        /// The leaf after.
        after: Namespace,
    },
    /// The leaf is of another namespace.
    #[error("expected the leaf of namespace {expected}, got that of {got}")]
    Foreign {
        /// The namespace asked for.
        expected: Namespace,
        /// The namespace of the leaf.
        got: Namespace,
    },
    /// A neighbour that does not leave room for the absent namespace.
    #[error("namespace {namespace} is not shown absent: its neighbour is {neighbour}")]
    NotBetween {
        /// The namespace claimed absent.
        namespace: Namespace,
        /// The leaf on the wrong side.
        neighbour: Namespace,
    },
    /// Neighbours with a gap between them, or that are not at the table's ends where one is missing.
    #[error("namespace {namespace} is not shown absent: the leaves given are not adjacent")]
    NotAdjacent {
        /// The namespace claimed absent.
        namespace: Namespace,
    },
    /// A leaf's path does not lead to the root.
    #[error("leaf of namespace {namespace}: {source}")]
    Proof {
        /// The leaf's namespace.
        namespace: Namespace,
        /// What is wrong with its path.
        source: ProofError,
    },
    /// No leaves are given, and the root is not the empty table's.
    #[error("expected root {expected}, got the empty table's {got}")]
    NotEmpty {
        /// The trusted root.
        expected: Digest,
        /// The empty table's root.
        got: Digest,
    },
}

/// The leaves under a header's `namespaces_root`, ascending by namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NamespaceTable(Vec<NamespaceLeaf>);

impl NamespaceTable {
    /// A table of `leaves`.
    ///
    /// # Errors
    /// [`TableError::Order`] unless their namespaces strictly ascend.
    pub fn new(leaves: Vec<NamespaceLeaf>) -> Result<Self, TableError> {
        for pair in leaves.windows(2) {
            if let [before, after] = pair
                && before.namespace >= after.namespace
            {
                return Err(TableError::Order { before: before.namespace, after: after.namespace });
            }
        }
        Ok(Self(leaves))
    }

    /// The leaves.
    #[must_use]
    pub fn leaves(&self) -> &[NamespaceLeaf] {
        &self.0
    }

    /// The leaf of `namespace`, if it was active.
    #[must_use]
    pub fn leaf(&self, namespace: Namespace) -> Option<&NamespaceLeaf> {
        let index = self.position(namespace).ok()?;
        self.0.get(index)
    }

    /// The Merkle root over the leaves: a header's `namespaces_root`.
    #[must_use]
    pub fn root(&self) -> Digest {
        self.tree().root()
    }

    /// Proves what the table holds for `namespace`: its leaf, or that it has none.
    #[must_use]
    pub fn prove(&self, namespace: Namespace) -> NamespaceProof {
        let tree = self.tree();
        let proven = |index: usize| {
            let leaf = *self.0.get(index)?;
            Some(ProvenLeaf { leaf, proof: tree.prove(index as u64)? })
        };
        match self.position(namespace) {
            Ok(index) => match proven(index) {
                Some(active) => NamespaceProof::Active(active),
                // `position` found a leaf at `index`, and the tree has as many leaves as the table.
                None => unreachable!("a table proves every leaf that it holds"),
            },
            Err(index) => NamespaceProof::Idle { before: index.checked_sub(1).and_then(proven), after: proven(index) },
        }
    }

    fn position(&self, namespace: Namespace) -> Result<usize, usize> {
        self.0.binary_search_by_key(&namespace, |leaf| leaf.namespace)
    }

    fn tree(&self) -> MerkleTree {
        MerkleTree::new(self.0.iter().map(Encode::encode))
    }
}

impl Write for NamespaceTable {
    fn write(&self, buf: &mut impl BufMut) {
        self.0.write(buf);
    }
}

impl EncodeSize for NamespaceTable {
    fn encode_size(&self) -> usize {
        self.0.encode_size()
    }
}

impl Read for NamespaceTable {
    /// The most leaves admitted.
    type Cfg = usize;
    fn read_cfg(buf: &mut impl Buf, leaves_max: &usize) -> Result<Self, Error> {
        let leaves = Vec::read_cfg(buf, &(RangeCfg::new(0..=*leaves_max), ()))?;
        Self::new(leaves).map_err(|_| Error::Invalid("NamespaceTable", "namespaces must strictly ascend"))
    }
}

/// A leaf with its path to a `namespaces_root`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProvenLeaf {
    /// The leaf.
    pub leaf: NamespaceLeaf,
    /// Its path.
    pub proof: MerkleProof,
}

impl ProvenLeaf {
    /// Checks the path to `namespaces_root`.
    ///
    /// # Errors
    /// [`TableError::Proof`], naming the leaf's namespace.
    pub fn verify(&self, namespaces_root: &Digest) -> Result<(), TableError> {
        self.proof
            .verify(namespaces_root, &self.leaf.encode())
            .map_err(|source| TableError::Proof { namespace: self.leaf.namespace, source })
    }
}

/// What a block's table holds for one namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum NamespaceProof {
    /// It was active: its leaf.
    Active(ProvenLeaf),
    /// It was idle: the leaves that it would stand between. A missing one means the table's end on
    /// that side; none at all means an empty table.
    Idle {
        /// The last leaf of a smaller namespace.
        before: Option<ProvenLeaf>,
        /// The first leaf of a greater namespace.
        after: Option<ProvenLeaf>,
    },
}

impl NamespaceProof {
    /// Checks the proof against a header's `namespaces_root`; gives the leaf of `namespace`, or
    /// nothing when the namespace was idle.
    ///
    /// # Errors
    /// [`TableError`], saying which step fails.
    pub fn verify(&self, namespaces_root: &Digest, namespace: Namespace) -> Result<Option<&NamespaceLeaf>, TableError> {
        match self {
            Self::Active(active) => {
                if active.leaf.namespace != namespace {
                    return Err(TableError::Foreign { expected: namespace, got: active.leaf.namespace });
                }
                active.verify(namespaces_root)?;
                Ok(Some(&active.leaf))
            }
            Self::Idle { before, after } => {
                verify_idle(namespaces_root, namespace, before.as_ref(), after.as_ref())?;
                Ok(None)
            }
        }
    }
}

fn verify_idle(
    namespaces_root: &Digest,
    namespace: Namespace,
    before: Option<&ProvenLeaf>,
    after: Option<&ProvenLeaf>,
) -> Result<(), TableError> {
    if let Some(before) = before {
        before.verify(namespaces_root)?;
        if before.leaf.namespace >= namespace {
            return Err(TableError::NotBetween { namespace, neighbour: before.leaf.namespace });
        }
    }
    if let Some(after) = after {
        after.verify(namespaces_root)?;
        if after.leaf.namespace <= namespace {
            return Err(TableError::NotBetween { namespace, neighbour: after.leaf.namespace });
        }
    }
    // Paths were checked under a root that binds the leaf count, so both indices are of one tree.
    let adjacent = match (before, after) {
        (Some(before), Some(after)) => before.proof.index.checked_add(1) == Some(after.proof.index),
        (Some(before), None) => before.proof.index.checked_add(1) == Some(before.proof.count),
        (None, Some(after)) => after.proof.index == 0,
        (None, None) => {
            let got = merkle::root::<&[u8]>([]);
            if *namespaces_root != got {
                return Err(TableError::NotEmpty { expected: *namespaces_root, got });
            }
            true
        }
    };
    if adjacent { Ok(()) } else { Err(TableError::NotAdjacent { namespace }) }
}
