//! The tree over a batch's statements as contracts see it: Keccak-256, in the shape of RFC 6962.
//!
//! ```text
//! statement         = program_id (32 bytes) ‖ public values (256 bytes): 72 big-endian u32s
//! leaf(statement)   = keccak256(keccak256(bytes 0..96) ‖ keccak256(bytes 96..192) ‖ keccak256(bytes 192..288))
//! node(left, right) = keccak256(left ‖ right)
//! root of n leaves  = node(root of the first k, root of the rest), k the largest power of two below n; of one, the leaf
//! ```
//!
//! Every hash is of one block, which is what a circuit computes cheaply, and leaves hash 96 bytes, nodes 64: neither is the
//! other. The root does not bind n: whoever holds it holds n as well. With n and an index a path has one length and one meaning.

use crate::merkle::{Levels, climb};
use sha3::{Digest as _, Keccak256};

/// Bytes of a statement.
pub const STATEMENT_BYTES: usize = 288;
/// Bytes of a statement that are hashed at once.
const CHUNK_BYTES: usize = 96;

/// A Keccak-256 digest.
pub type Hash = [u8; 32];

/// The leaf of a statement.
#[must_use]
pub fn leaf(statement: &[u8; STATEMENT_BYTES]) -> Hash {
    let mut outer = Keccak256::new();
    for chunk in statement.chunks_exact(CHUNK_BYTES) {
        outer.update(Keccak256::digest(chunk));
    }
    outer.finalize().into()
}

/// The node above two.
#[must_use]
pub fn node(left: &Hash, right: &Hash) -> Hash {
    Keccak256::new().chain_update(left).chain_update(right).finalize().into()
}

/// A tree with all its levels, to prove from.
#[derive(Clone, Debug)]
pub struct StatementTree(Levels<Hash>);

impl StatementTree {
    /// The tree over statements.
    pub fn new<'a>(statements: impl IntoIterator<Item = &'a [u8; STATEMENT_BYTES]>) -> Self {
        Self(Levels::new(statements.into_iter().map(leaf).collect(), node))
    }

    /// Number of statements.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.count()
    }

    /// The root; none for no statement.
    #[must_use]
    pub fn root(&self) -> Option<Hash> {
        self.0.top()
    }

    /// The hashes beside the path of a leaf, from the leaf up; a level on which the path's node is the lone right end has none.
    /// None where there is no such leaf.
    #[must_use]
    pub fn path(&self, index: usize) -> Option<Vec<Hash>> {
        self.0.siblings(index)
    }
}

/// Where a path leads from a leaf at `index` among `count`; none where there is no such leaf, or the path has another length.
#[must_use]
pub fn root_of_path(leaf: &Hash, index: usize, count: usize, path: &[Hash]) -> Option<Hash> {
    climb(leaf, index as u64, count as u64, path, node)
}
