//! Statements, the tree over them, and its root.
//!
//! ```text
//! leaf(program_id, public values) = Compress(Hash(program_id ‖ 64 public values), TAG)
//! node(left, right)               = Compress(left, right)
//! ```
//!
//! Plonky3's sponge ends in the permutation that its compression uses, so a bare hash of a statement could be read as a
//! node. TAG keeps them apart: a node whose right child is TAG would need a tree whose root is TAG.
//!
//! The tree has the shape of RFC 6962: neighbours pair, a lone right end is promoted. So it can be built as statements
//! arrive, like a binary counter. A batch holds at least two statements: a single one is joined by the **null statement**,
//! that of the circuit which asserts nothing and whose public values are zero.

use p3_field::PrimeField32;
use p3_symmetric::PseudoCompressionFunction;
use sinter_program::F;
use sinter_program::field::{DIGEST_LEN, Digest, compress, hash_elements};

/// Public values of a statement.
pub const PUBLIC_VALUES: usize = 64;

/// Bytes of a statement.
pub const BYTES: usize = 4 * (DIGEST_LEN + PUBLIC_VALUES);

/// The word that a statement's hash is compressed with: `"SNTL"` less its last bit, then zeros.
pub const TAG: Digest = {
    let mut word = [F::new(0); 8];
    word[0] = F::new(0x4c54_4e53);
    word
};

/// What one proof claims.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// The digest of the key under which the proof enters the tree.
    pub program_id: Digest,
    /// The public values, zeros after the program's own.
    pub public_values: [F; PUBLIC_VALUES],
}

impl Statement {
    /// The statement's leaf in the tree.
    pub fn leaf(&self) -> Digest {
        let hash = hash_elements(self.program_id.iter().chain(&self.public_values).copied());
        node(&hash, &TAG)
    }

    /// The statement as contracts see it: the elements of `program_id`, then the public values, each a big-endian `u32`.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; BYTES] {
        let mut bytes = [0; BYTES];
        for (chunk, element) in bytes.chunks_exact_mut(4).zip(self.program_id.iter().chain(&self.public_values)) {
            chunk.copy_from_slice(&element.as_canonical_u32().to_be_bytes());
        }
        bytes
    }
}

/// The node above two.
pub fn node(left: &Digest, right: &Digest) -> Digest {
    compress().compress([*left, *right])
}

/// The root of the tree over some leaves (RFC 6962, section 2.1): none for no leaf, the leaf itself for one.
#[must_use]
pub fn root(leaves: &[Digest]) -> Option<Digest> {
    match leaves {
        [] => None,
        [leaf] => Some(*leaf),
        _ => {
            // The largest power of two below the number of leaves.
            let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
            Some(node(&root(left)?, &root(right)?))
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_lone_right_end_is_promoted() {
        let leaves: Vec<Digest> = (0..5).map(|i| [F::new(i); 8]).collect();
        let [a, b, c, d, e] = [0, 1, 2, 3, 4].map(|i| &leaves[i]);
        assert_eq!(root(&[]), None);
        assert_eq!(root(&leaves[..1]), Some(*a));
        assert_eq!(root(&leaves[..3]), Some(node(&node(a, b), c)));
        assert_eq!(root(&leaves), Some(node(&node(&node(a, b), &node(c, d)), e)));
    }

    #[test]
    fn a_leaf_depends_on_everything_in_the_statement() {
        let statement = Statement { program_id: [F::new(1); 8], public_values: [F::new(2); PUBLIC_VALUES] };
        let leaf = statement.leaf();
        for i in 0..8 {
            let mut other = statement.clone();
            other.program_id[i] = F::new(9);
            assert_ne!(other.leaf(), leaf);
        }
        for i in 0..PUBLIC_VALUES {
            let mut other = statement.clone();
            other.public_values[i] = F::new(9);
            assert_ne!(other.leaf(), leaf);
        }
        let all: Vec<F> = statement.program_id.iter().chain(&statement.public_values).copied().collect();
        assert_ne!(hash_elements(all), leaf);
    }
}
