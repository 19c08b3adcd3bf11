//! Top: the circuit that verifies the root of a batch and the link over the same statements, and exposes what the L1 needs.
//!
//! Its public values are
//!
//! ```text
//! Keccak root of the statements, 16 limbs of 16 bits, the most significant first (16) · number of statements (1) · zeros
//! ```
//!
//! 1. The root's proof verifies under the fold key, a constant; its public values begin with that key's digest, so every
//!    fold below it was made under the same key.
//! 2. The link's proof verifies under one of the link keys, constants: one for each capacity.
//! 3. Both name the same statements root and the same number of statements.

use sinter_circuit::{Builder, Circuit, CircuitError, Inputs, Len, Word};
use sinter_program::field::{Digest, RATE};
use sinter_program::{F, ProofFile};
use thiserror::Error;

use crate::node::{NodeError, NodeKey, Universal};
use crate::replay::ReplayError;
use crate::verifier::KeyWords;

/// Words of public values that say something.
pub const WORDS: usize = 3;

/// The top circuit.
#[derive(Debug)]
pub struct Top {
    fold: NodeKey,
    links: Vec<Digest>,
    circuit: Circuit,
}

/// Why two proofs have no top.
#[derive(Debug, Error)]
pub enum TopInputError {
    /// One is no node's proof of the shape.
    #[error("{which}: {source}")]
    Node {
        /// Which one.
        which: &'static str,
        /// What it is instead.
        source: NodeError,
    },
    /// One is under a key that the circuit does not know.
    #[error("{which}: expected a proof under one of the keys {expected:?}, got one under {got:?}")]
    Key {
        /// Which one.
        which: &'static str,
        /// The keys that are known.
        expected: Vec<Digest>,
        /// The key of the proof.
        got: Digest,
    },
    /// One cannot be replayed.
    #[error("{which}: {source}")]
    Replay {
        /// Which one.
        which: &'static str,
        /// Why.
        source: ReplayError,
    },
}

impl Top {
    /// Records the circuit for a fold key and the keys of the links.
    ///
    /// # Errors
    /// When two verifiers do not fit into the shape.
    pub fn new(shape: &Universal, fold: &NodeKey, links: &[Digest]) -> Result<Self, CircuitError> {
        let mut b = Builder::new();
        let (digest, cap) = (b.constant_word(fold.digest), b.constant_block(fold.cap.roots()));
        let root = shape.verifier().verify(&mut b, KeyWords { digest, preprocessed: Some(cap) });
        b.set_label("fold key");
        b.assert_eq(root[0], digest);

        let (key, link) = shape.verify_any(&mut b);
        b.set_label("link key");
        let zero = b.zero();
        let mut known = zero;
        for digest in links {
            let digest = b.constant_word(*digest);
            let same = b.is_equal_words(key, digest);
            let one = b.one();
            known = b.base_mul_add(same, one, known);
        }
        let one = b.one();
        b.assert_eq(known, one);

        b.set_label("statements");
        b.assert_eq(root[1], link[0]);
        let (folded, linked) = (b.pick(root[2], 0), b.pick(link[1], 0));
        b.assert_eq(folded, linked);
        let limbs: [Word; 2] = [1, 2].map(|word| b.window(link[word], Some(link[word + 1]), 1, Len::Eight));
        b.expose(0, limbs[0]);
        b.expose(1, limbs[1]);
        b.expose(2, folded);
        Ok(Self { fold: fold.clone(), links: links.to_vec(), circuit: b.finish(shape.heights())? })
    }

    /// The circuit.
    #[must_use]
    pub const fn circuit(&self) -> &Circuit {
        &self.circuit
    }

    /// What the circuit reads of a root and a link. Whether they verify is for the circuit to say.
    ///
    /// # Errors
    /// When one is no node's proof of the shape, or under a key that the circuit does not know.
    pub fn inputs(&self, shape: &Universal, root: &ProofFile, link: &ProofFile) -> Result<Inputs, TopInputError> {
        let mut values = Vec::with_capacity(self.circuit.input_len());
        let fold = [self.fold.digest];
        for (which, proof, known) in [("root", root, &fold[..]), ("link", link, &self.links)] {
            let key = shape.key_of(proof).map_err(|source| TopInputError::Node { which, source })?;
            if !known.contains(&key.digest) {
                return Err(TopInputError::Key { which, expected: known.to_vec(), got: key.digest });
            }
            if which == "link" {
                values.extend(key.cap.roots().iter().flatten());
            }
            shape.append(&mut values, &key, proof).map_err(|source| TopInputError::Replay { which, source })?;
        }
        let mut inputs = Inputs::new();
        inputs.extend(values);
        Ok(inputs)
    }
}

/// The limbs and the number in the public values of a top, or of what shrinks one: 16 elements, and one.
#[must_use]
pub fn read(public_values: &[F]) -> Option<(&[F], F)> {
    let count = public_values.get(2 * RATE)?;
    Some((&public_values[..2 * RATE], *count))
}
