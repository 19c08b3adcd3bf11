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
//! arrive, like a binary counter ([`Peaks`]). A batch holds at least two statements: a single one is joined by the
//! **null statement**, that of the circuit which asserts nothing and whose public values are zero.

use p3_symmetric::PseudoCompressionFunction;
use sinter_program::F;
use sinter_program::field::{Digest, compress, hash_elements};

/// Public values of a statement.
pub const PUBLIC_VALUES: usize = 64;

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
    #[must_use]
    pub fn leaf(&self) -> Digest {
        let hash = hash_elements(self.program_id.iter().chain(&self.public_values).copied());
        node(&hash, &TAG)
    }
}

/// The node above two.
#[must_use]
pub fn node(left: &Digest, right: &Digest) -> Digest {
    compress().compress([*left, *right])
}

/// The root of the tree over some leaves: none for no leaf, the leaf itself for one.
#[must_use]
pub fn root(leaves: &[Digest]) -> Option<Digest> {
    let mut peaks = Peaks::default();
    for &leaf in leaves {
        peaks.push(leaf, &mut |left, right| Ok::<_, std::convert::Infallible>(node(&left, &right))).ok()?;
    }
    peaks.finish(&mut |left, right| Ok::<_, std::convert::Infallible>(node(&left, &right))).ok()?
}

/// The perfect subtrees of a growing RFC 6962 tree, tallest first: a binary counter.
#[derive(Clone, Debug)]
pub struct Peaks<T> {
    peaks: Vec<(u32, T)>,
}

impl<T> Default for Peaks<T> {
    fn default() -> Self {
        Self { peaks: Vec::new() }
    }
}

impl<T> Peaks<T> {
    /// Appends a leaf, joining subtrees of equal height.
    ///
    /// # Errors
    /// What `join` returns; the peaks that it took are lost then.
    pub fn push<E>(&mut self, leaf: T, join: &mut impl FnMut(T, T) -> Result<T, E>) -> Result<(), E> {
        let mut height = 0;
        let mut value = leaf;
        while self.peaks.last().is_some_and(|&(top, _)| top == height) {
            if let Some((_, left)) = self.peaks.pop() {
                value = join(left, value)?;
                height += 1;
            }
        }
        self.peaks.push((height, value));
        Ok(())
    }

    /// Subtrees, tallest first.
    pub fn iter(&self) -> impl Iterator<Item = (u32, &T)> {
        self.peaks.iter().map(|(height, value)| (*height, value))
    }

    /// Joins what is left, from the right: the lone right end is promoted.
    ///
    /// # Errors
    /// What `join` returns.
    pub fn finish<E>(mut self, join: &mut impl FnMut(T, T) -> Result<T, E>) -> Result<Option<T>, E> {
        let Some((_, mut value)) = self.peaks.pop() else { return Ok(None) };
        while let Some((_, left)) = self.peaks.pop() {
            value = join(left, value)?;
        }
        Ok(Some(value))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    /// RFC 6962, section 2.1, as written there: split at the largest power of two below the number of leaves.
    fn by_definition(leaves: &[Digest]) -> Digest {
        match leaves {
            [leaf] => *leaf,
            _ => {
                let split = (leaves.len().next_power_of_two() / 2).max(1);
                node(&by_definition(&leaves[..split]), &by_definition(&leaves[split..]))
            }
        }
    }

    #[test]
    fn the_counter_builds_the_tree_of_rfc_6962() {
        let leaves: Vec<Digest> = (0..40).map(|i| [F::new(i); 8]).collect();
        assert_eq!(root(&[]), None);
        for count in 1..=leaves.len() {
            assert_eq!(root(&leaves[..count]), Some(by_definition(&leaves[..count])), "{count} leaves");
        }
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
