//! Fold: the circuit that verifies two nodes' proofs, and exposes the root over all statements below them.
//!
//! Its public values are
//!
//! ```text
//! fold key digest (8) · statements root (8) · number of statements (1) · zeros
//! ```
//!
//! Nothing in the circuit depends on its own key: the digest is a public value, and whoever checks the last proof compares it
//! with that proof's own key and with the published constant. For each child, with k the digest of the key that it verified
//! under and F the fold key digest:
//!
//! - k = F: the child is a fold. It must carry F too; its root and its count count as they are.
//! - k ≠ F: the child is a leaf of the tree, whatever it is. Its root is the leaf of the statement (k, its 64 public
//!   values), its count is 1.
//!
//! So any key may be folded, and none can pass for a fold: a child whose key is another fold circuit's, or that merely writes
//! F where a fold would, is a leaf, and shows in the root as the statement it is.
//!
//! The left count is a power of two, and left ≥ right ≥ 1: with the counts of the children this fixes the shape of the
//! tree, which is RFC 6962's. Counts are below 2^24.

use sinter_circuit::{Base, BitsSpec, Builder, Circuit, CircuitError, Inputs, Lane, Word};
use sinter_program::field::Digest;
use sinter_program::{F, ProofFile};
use thiserror::Error;

use crate::node::{NodeError, Universal};
use crate::replay::ReplayError;
use crate::statement::TAG;

/// Bits of a count of statements.
pub const COUNT_BITS: usize = 24;

/// The fold circuit of a universal shape.
#[derive(Debug)]
pub struct Fold {
    circuit: Circuit,
}

/// Why two proofs cannot be folded.
#[derive(Debug, Error)]
pub enum FoldInputError {
    /// A child is no node's proof of the shape.
    #[error("{side} child: {source}")]
    Node {
        /// Which one.
        side: &'static str,
        /// What it is instead.
        source: NodeError,
    },
    /// A child cannot be replayed.
    #[error("{side} child: {source}")]
    Replay {
        /// Which one.
        side: &'static str,
        /// Why.
        source: ReplayError,
    },
}

/// What a child adds to the tree.
struct Child {
    root: Word,
    count: Base,
}

impl Fold {
    /// Records the circuit.
    ///
    /// # Errors
    /// When two verifiers do not fit into the shape.
    pub fn new(shape: &Universal) -> Result<Self, CircuitError> {
        let mut b = Builder::new();
        let fold_key = b.input_word();
        let left = child(&mut b, shape, fold_key);
        let right = child(&mut b, shape, fold_key);
        b.set_label("counts");
        check_counts(&mut b, left.count, right.count);
        let root = b.compress(left.root, right.root);
        let one = b.one();
        let count = b.base_mul_add(left.count, one, right.count);
        b.expose(0, fold_key);
        b.expose(1, root);
        b.expose(2, count);
        Ok(Self { circuit: b.finish(shape.heights())? })
    }

    /// The circuit.
    #[must_use]
    pub const fn circuit(&self) -> &Circuit {
        &self.circuit
    }

    /// What the circuit reads of two proofs. Whether they verify is for the circuit to say.
    ///
    /// # Errors
    /// When a child is not a node's proof of the shape.
    pub fn inputs(
        &self,
        shape: &Universal,
        fold_key: &Digest,
        left: &ProofFile,
        right: &ProofFile,
    ) -> Result<Inputs, FoldInputError> {
        let mut values = Vec::with_capacity(self.circuit.input_len());
        values.extend_from_slice(fold_key);
        for (side, child) in [("left", left), ("right", right)] {
            let key = shape.key_of(child).map_err(|source| FoldInputError::Node { side, source })?;
            values.extend(key.cap.roots().iter().flatten());
            shape.append(&mut values, &key, child).map_err(|source| FoldInputError::Replay { side, source })?;
        }
        let mut inputs = Inputs::new();
        inputs.extend(values);
        Ok(inputs)
    }
}

/// Verifies one child and finds what it adds to the tree.
fn child(b: &mut Builder, shape: &Universal, fold_key: Word) -> Child {
    let (key, publics) = shape.verify_any(b);

    b.set_label("statement");
    let mut chain = b.hasher();
    let mut hash = b.absorb(&mut chain, key, 8);
    for &word in &publics {
        hash = b.absorb(&mut chain, word, 8);
    }
    let tag = b.constant_word(TAG);
    let leaf = b.compress(hash, tag);

    b.set_label("fold key");
    let is_fold = b.is_equal_words(key, fold_key);
    let zero = b.zero();
    for k in [0, 5] {
        let (carried, expected) = (b.ext_at(publics[0], None, k), b.ext_at(fold_key, None, k));
        let difference = b.sub(carried, expected);
        b.assert_mul_add(is_fold, difference, zero, zero);
    }
    let root = select_word(b, is_fold, publics[1], leaf);
    let one = b.one();
    let counted = b.pick(publics[2], 0);
    let more = b.base_mul_sub_from(counted, one, one);
    let count = b.base_mul_add(is_fold, more, one);
    Child { root, count }
}

/// `if_one` when `bit` is 1, `if_zero` when it is 0.
fn select_word(b: &mut Builder, bit: Base, if_one: Word, if_zero: Word) -> Word {
    let [low, high] = [0, 5].map(|k| {
        let (one, zero) = (b.ext_at(if_one, None, k), b.ext_at(if_zero, None, k));
        Word::from(b.select(bit, one, zero))
    });
    let mut lanes = [Lane::Const(F::default()); 8];
    for (i, lane) in lanes.iter_mut().enumerate() {
        *lane = if i < 5 { Lane::Limb(low, i) } else { Lane::Limb(high, i - 5) };
    }
    b.assemble(lanes)
}

/// The left count is a power of two, left ≥ right ≥ 1, all below 2^24.
fn check_counts(b: &mut Builder, left: Base, right: Base) {
    let (zero, one) = (b.zero(), b.one());
    let bits = b.bits(left, &BitsSpec { len: COUNT_BITS, bits: (0..COUNT_BITS).collect(), ..BitsSpec::default() });
    b.assert_zero(bits.high);
    let sum = bits.bits.into_iter().fold(zero, |sum, bit| b.base_mul_add(bit, one, sum));
    b.assert_eq(sum, one);
    let surplus = b.base_mul_sub_from(left, right, one);
    let rest = b.base_mul_sub_from(right, one, one);
    for value in [surplus, rest] {
        let bits = b.bits(value, &BitsSpec { len: COUNT_BITS, ..BitsSpec::default() });
        b.assert_zero(bits.high);
    }
}

/// The null circuit: it asserts nothing, and its public values are zero.
///
/// # Errors
/// Never in a shape that holds anything.
pub fn null(shape: &Universal) -> Result<Circuit, CircuitError> {
    Builder::new().finish(shape.heights())
}
