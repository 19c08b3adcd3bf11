//! Link: the circuit that opens all statements under a statements root, and computes the Keccak root of the same list.
//!
//! Its public values are
//!
//! ```text
//! statements root (8) · number of statements (1) · Keccak root (16 limbs of 16 bits, big-endian) · zeros
//! ```
//!
//! A contract cannot afford Poseidon2, so what it sees is a Keccak tree over the statements' bytes: with `bytes` the 72 elements
//! of a statement (program_id, then the 64 public values), each a big-endian `u32`,
//!
//! ```text
//! leaf(bytes)       = keccak256(keccak256(bytes[0..96]) ‖ keccak256(bytes[96..192]) ‖ keccak256(bytes[192..288]))
//! node(left, right) = keccak256(left ‖ right)
//! ```
//!
//! Leaves hash 96 bytes and nodes 64, so neither is ever the other. Both trees have RFC 6962's shape over the same n leaves.
//!
//! # n is data
//!
//! A circuit has a capacity N = 2^k, and n is any of 1 to N. `live_j` is 1 when there is a leaf j: `live_0` = 1, and for j > 0
//! it is a bit that is 0 after a 0 (live_j · live_{j−1} = live_j), so n = Σ live_j and the live leaves are 0 to n − 1. The tree is
//! built over N leaves in pairs. A node over leaves a to a + 2w − 1 is
//!
//! ```text
//! live_{a+w} = 1: node(left child, right child)        live_{a+w} = 0: the left child
//! ```
//!
//! By induction it is RFC 6962's root of the live leaves below it, if there is one. If leaf a + w lives, so do all to its left:
//! the left subtree is full with w leaves, a power of two, and the right one holds the 1 to w others: RFC 6962's split. If not, all
//! live leaves are in the left subtree. What stands in the place of a dead leaf reaches no root. Each `live_j` but the first
//! decides one node, in both trees.

use p3_field::PrimeCharacteristicRing;
use sinter_circuit::{Base, Builder, Bytes32, Circuit, CircuitError, Heights, Inputs, Item, Word};
use sinter_program::F;
use sinter_program::field::RATE;
use thiserror::Error;

use crate::statement::{Statement, TAG};

/// Words of a statement: its `program_id`, and its 64 public values.
const WORDS: usize = 9;
/// Words whose bytes one Keccak permutation takes: 96 bytes.
const CHUNK: usize = 3;
/// log2 of the greatest capacity.
pub const LOG_CAPACITY_MAX: usize = 12;

/// The link circuit of one capacity.
#[derive(Debug)]
pub struct Link {
    circuit: Circuit,
    capacity: usize,
}

/// A list that a link of that capacity cannot take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("expected 1 to {capacity} statements, got {got}")]
pub struct LinkInputError {
    /// The most.
    pub capacity: usize,
    /// The number given.
    pub got: usize,
}

/// A node of both trees.
#[derive(Clone, Copy)]
struct Node {
    poseidon2: Word,
    keccak: Bytes32,
}

impl Link {
    /// Records the circuit for 1 to 2^`log_capacity` statements.
    ///
    /// # Errors
    /// When the capacity is below 2 or above 2^[`LOG_CAPACITY_MAX`].
    pub fn new(log_capacity: usize) -> Result<Self, CircuitError> {
        if !(1..=LOG_CAPACITY_MAX).contains(&log_capacity) {
            let (low, high, got) = (1, LOG_CAPACITY_MAX, log_capacity);
            return Err(CircuitError::Argument { operation: "link", argument: "log2 of the capacity", low, high, got });
        }
        let capacity = 1 << log_capacity;
        let mut b = Builder::new();
        b.set_label("live leaves");
        let live = live(&mut b, capacity);
        let (one, zero) = (b.one(), b.zero());
        let count = live.iter().fold(zero, |count, &bit| b.base_mul_add(bit, one, count));
        b.set_label("statement");
        let mut level: Vec<Node> = (0..capacity).map(|_| b.section(leaf)).collect();
        b.set_label("tree");
        let mut width = 1;
        while level.len() > 1 {
            let pairs = level.as_chunks::<2>().0.iter().enumerate();
            // The first leaf below the right child.
            level = pairs.map(|(i, pair)| node(&mut b, live[(2 * i + 1) * width], pair)).collect();
            width *= 2;
        }
        for root in level {
            let limbs = b.big_endian(root.keccak).map(Item::Base);
            let items: Vec<Item> = std::iter::once(Item::Base(count)).chain(limbs).collect();
            b.expose(0, root.poseidon2);
            for (index, word) in b.pack(&items).into_iter().enumerate() {
                b.expose(1 + index, word);
            }
        }
        Ok(Self { circuit: b.finish(heights(log_capacity))?, capacity })
    }

    /// The circuit.
    #[must_use]
    pub const fn circuit(&self) -> &Circuit {
        &self.circuit
    }

    /// The most statements.
    #[must_use]
    pub const fn capacity(&self) -> usize {
        self.capacity
    }

    /// What the circuit reads of a list of statements.
    ///
    /// # Errors
    /// When there are none, or more than the capacity.
    pub fn inputs(&self, statements: &[Statement]) -> Result<Inputs, LinkInputError> {
        let (capacity, got) = (self.capacity, statements.len());
        if !(1..=capacity).contains(&got) {
            return Err(LinkInputError { capacity, got });
        }
        let mut inputs = Inputs::new();
        inputs.extend((1..capacity).map(|leaf| F::from_bool(leaf < got)));
        for statement in statements {
            inputs.extend(statement.program_id.into_iter().chain(statement.public_values));
        }
        inputs.extend(std::iter::repeat_n(F::ZERO, (capacity - got) * WORDS * RATE));
        Ok(inputs)
    }
}

/// A permutation takes 24 rows, and there are five a statement but one: 2^7 · N rows hold them. Everything else fits an eighth of
/// that, so FRI stops twice.
const fn heights(log_capacity: usize) -> Heights {
    let others = log_capacity + 4;
    Heights::Keccak { keccak: log_capacity + 7, others: if others < 8 { 8 } else { others } }
}

/// Ones, at least one, then zeros.
fn live(b: &mut Builder, capacity: usize) -> Vec<Base> {
    let (zero, mut before) = (b.zero(), b.one());
    let mut live = vec![before];
    for _ in 1..capacity {
        let bit = b.input_base();
        b.assert_bool(bit);
        b.assert_mul_add(bit, before, zero, bit);
        live.push(bit);
        before = bit;
    }
    live
}

/// A statement, out of the inputs.
fn leaf(b: &mut Builder) -> Node {
    let words = [(); WORDS].map(|()| b.input_word());
    let hash = b.hash(&words);
    let tag = b.constant_word(TAG);
    let poseidon2 = b.compress(hash, tag);
    let bytes = words.map(|word| b.bytes(word));
    let chunks: Vec<Bytes32> = bytes.chunks(CHUNK).map(|chunk| b.keccak(chunk)).collect();
    Node { poseidon2, keccak: b.keccak(&chunks) }
}

/// The node above a pair: of both, or the left one alone.
fn node(b: &mut Builder, both: Base, &[left, right]: &[Node; 2]) -> Node {
    let poseidon2 = b.compress(left.poseidon2, right.poseidon2);
    let keccak = b.keccak(&[left.keccak, right.keccak]);
    Node {
        poseidon2: b.select_word(both, poseidon2, left.poseidon2),
        keccak: b.select_bytes(both, keccak, left.keccak),
    }
}
