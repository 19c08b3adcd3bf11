//! One batch, folded as its proofs arrive.
//!
//! The tree of a batch has the shape of RFC 6962's: neighbours are paired, and a lone right end is promoted. A node can
//! therefore be made as soon as its last leaf is there, like the carries of a binary counter, and of what is done only
//! the **peaks** have to be kept: complete trees of decreasing size, one for each bit of the number of leaves.
//!
//! ```text
//! leaves 0 1 2 3 4 5 6        peaks after 7 leaves: 0–3, 4–5, 6
//!        └┬┘ └┬┘ └┬┘ │        closing folds them from the right: (4–5, 6), then (0–3, 4–6)
//!         └─┬─┘   └─┬┘
//!           └───┬───┘
//! ```
//!
//! 1. [`Aggregation::push`] wraps a leaf and makes every node that it completes.
//! 2. Each node is written to the [`State`] directory before anything is built on it, under a name that hashes what it
//!    is made of: the circuits, and the leaves below it in their order.
//! 3. A node that is there already is not made again: it is read, and *checked* as if a stranger had sent it. One that
//!    does not hold is said, and made again.
//! 4. [`Aggregation::close`] folds the peaks. A batch of one is folded with the published null statement.
//!
//! So a process that is killed at any moment goes on where it was when it is started with the same leaves, and a state
//! directory of other circuits, or of other leaves, is of no use and no harm.
//!
//! What makes and checks nodes is behind [`Nodes`], so that a test can have a tree without a proof in it.

mod state;
pub mod tree;

pub use state::{State, StateError};

use sha2::{Digest, Sha256};
use std::{
    error::Error,
    time::{Duration, Instant},
};
use thiserror::Error;

/// The hash of what a node is made of.
pub type Id = [u8; 32];

/// What makes the nodes of a tree, and checks those that were made before.
pub trait Nodes {
    /// A leaf's proof.
    type Leaf;
    /// A node's proof.
    type Node;
    /// Why a node cannot be made, or does not hold.
    type Error: Error;

    /// The hash of everything besides leaves that decides what a node is: the circuits.
    fn circuits(&self) -> Id;
    /// The hash of a leaf: of its proof and its program.
    fn leaf_id(&self, leaf: &Self::Leaf) -> Id;
    /// The most bytes that an encoded node has.
    fn node_bytes_max(&self) -> u64;
    /// A node as it is stored.
    ///
    /// # Errors
    /// When it is not encodable, which a node that was just made is.
    fn encode(&self, node: &Self::Node) -> Result<Vec<u8>, Self::Error>;

    /// The node over one leaf.
    ///
    /// # Errors
    /// When the leaf does not hold, or the prover fails.
    fn wrap(&self, leaf: &Self::Leaf) -> Result<Self::Node, Self::Error>;
    /// The node over one leaf, from bytes of which nothing is known.
    ///
    /// # Errors
    /// When they are not that node's.
    fn check_wrap(&self, leaf: &Self::Leaf, bytes: &[u8]) -> Result<Self::Node, Self::Error>;
    /// The published null statement's node.
    ///
    /// # Errors
    /// When the prover fails.
    fn null(&self) -> Result<Self::Node, Self::Error>;
    /// The null statement's node, from bytes of which nothing is known.
    ///
    /// # Errors
    /// When they are not that node's.
    fn check_null(&self, bytes: &[u8]) -> Result<Self::Node, Self::Error>;
    /// The node over two nodes.
    ///
    /// # Errors
    /// When one of them does not hold, or the prover fails.
    fn fold(&self, left: &Self::Node, right: &Self::Node) -> Result<Self::Node, Self::Error>;
    /// The node over two nodes, from bytes of which nothing is known.
    ///
    /// # Errors
    /// When they are not that node's.
    fn check_fold(&self, left: &Self::Node, right: &Self::Node, bytes: &[u8]) -> Result<Self::Node, Self::Error>;
}

/// Why a batch cannot go on. Everything that was finished before is in the state directory.
#[derive(Debug, Error)]
pub enum AggregateError<E: Error> {
    /// The state directory cannot be read or written.
    #[error("state: {0}")]
    State(#[from] StateError),
    /// A node cannot be made.
    #[error("{what}: {source}")]
    Node {
        /// Which.
        what: String,
        /// Why.
        source: E,
    },
    /// There is no leaf.
    #[error("expected at least one proof, got none")]
    Empty,
}

/// What happened, for whoever watches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A leaf was wrapped.
    Wrapped {
        /// Which leaf, from 0.
        leaf: u64,
        /// Whether it was there already.
        found: bool,
        /// How long that took.
        took: Duration,
    },
    /// Two nodes were folded.
    Folded {
        /// The first leaf below.
        first: u64,
        /// The leaves below.
        leaves: u64,
        /// Whether it was there already.
        found: bool,
        /// How long that took.
        took: Duration,
    },
    /// The null statement was proved.
    Null {
        /// Whether it was there already.
        found: bool,
        /// How long that took.
        took: Duration,
    },
    /// A file of the state directory does not hold, and is made again.
    Discarded {
        /// Its name.
        name: String,
        /// What is wrong with it.
        reason: String,
    },
}

/// How many folds a batch of so many leaves takes, one with the null statement included.
#[must_use]
pub const fn folds(leaves: u64) -> u64 {
    match leaves {
        0 => 0,
        1 => 1,
        _ => leaves - 1,
    }
}

/// A complete tree.
struct Peak<T> {
    id: Id,
    first: u64,
    leaves: u64,
    node: T,
}

/// A batch that is being folded.
pub struct Aggregation<'a, N: Nodes> {
    nodes: &'a N,
    state: State,
    circuits: Id,
    peaks: Vec<Peak<N::Node>>,
    leaves: u64,
    observe: Box<dyn FnMut(Event) + 'a>,
}

impl<'a, N: Nodes> Aggregation<'a, N> {
    /// An empty batch, whose nodes are kept in `state`.
    pub fn new(nodes: &'a N, state: State, observe: impl FnMut(Event) + 'a) -> Self {
        let circuits = nodes.circuits();
        Self { nodes, state, circuits, peaks: Vec::new(), leaves: 0, observe: Box::new(observe) }
    }

    /// Leaves so far.
    #[must_use]
    pub const fn leaves(&self) -> u64 {
        self.leaves
    }

    /// The numbers of leaves below the peaks, from the left: the binary digits of [`Aggregation::leaves`].
    pub fn peaks(&self) -> impl Iterator<Item = u64> {
        self.peaks.iter().map(|peak| peak.leaves)
    }

    /// Wraps a leaf and makes every node that it completes.
    ///
    /// # Errors
    /// When a node cannot be made or stored. The batch must then be begun anew: it finds what was finished.
    pub fn push(&mut self, leaf: &N::Leaf) -> Result<(), AggregateError<N::Error>> {
        let nodes = self.nodes;
        let id = hash(b"wrap", &[&self.circuits, &nodes.leaf_id(leaf)]);
        let first = self.leaves;
        let name = format!("wrap-{}", hexadecimal(&id));
        let wrapped =
            self.make(&name, || format!("leaf {first}"), || nodes.wrap(leaf), |bytes| nodes.check_wrap(leaf, bytes))?;
        (self.observe)(Event::Wrapped { leaf: first, found: wrapped.found, took: wrapped.took });
        self.leaves += 1;
        self.peaks.push(Peak { id, first, leaves: 1, node: wrapped.node });
        while let [.., left, right] = self.peaks.as_slice()
            && left.leaves == right.leaves
        {
            self.fold_last()?;
        }
        Ok(())
    }

    /// Folds the peaks into the root.
    ///
    /// # Errors
    /// When a node cannot be made or stored, or the batch is empty.
    pub fn close(mut self) -> Result<N::Node, AggregateError<N::Error>> {
        if self.leaves == 1 {
            let nodes = self.nodes;
            let id = hash(b"null", &[&self.circuits]);
            let name = format!("null-{}", hexadecimal(&id));
            let null =
                self.make(&name, || "the null statement".into(), || nodes.null(), |bytes| nodes.check_null(bytes))?;
            (self.observe)(Event::Null { found: null.found, took: null.took });
            self.peaks.push(Peak { id, first: 1, leaves: 0, node: null.node });
        }
        while self.peaks.len() > 1 {
            self.fold_last()?;
        }
        self.peaks.pop().map(|peak| peak.node).ok_or(AggregateError::Empty)
    }

    /// Folds the last two peaks, if there are two.
    fn fold_last(&mut self) -> Result<(), AggregateError<N::Error>> {
        let (Some(right), Some(left)) = (self.peaks.pop(), self.peaks.pop()) else { return Ok(()) };
        let nodes = self.nodes;
        let id = hash(b"fold", &[&self.circuits, &left.id, &right.id]);
        let (first, leaves) = (left.first, left.leaves + right.leaves);
        let name = format!("fold-{}", hexadecimal(&id));
        let folded = self.make(
            &name,
            || format!("the fold of leaves {first} to {}", first + leaves - 1),
            || nodes.fold(&left.node, &right.node),
            |bytes| nodes.check_fold(&left.node, &right.node, bytes),
        )?;
        (self.observe)(Event::Folded { first, leaves, found: folded.found, took: folded.took });
        self.peaks.push(Peak { id, first, leaves, node: folded.node });
        Ok(())
    }

    /// A node: out of the state directory if one is there and holds, or made and stored.
    fn make(
        &mut self,
        name: &str,
        what: impl FnOnce() -> String,
        make: impl FnOnce() -> Result<N::Node, N::Error>,
        check: impl FnOnce(&[u8]) -> Result<N::Node, N::Error>,
    ) -> Result<Made<N::Node>, AggregateError<N::Error>> {
        let started = Instant::now();
        let mut wrong = |reason: String| (self.observe)(Event::Discarded { name: name.to_owned(), reason });
        match self.state.get(name, self.nodes.node_bytes_max()) {
            Ok(Some(bytes)) => match check(&bytes) {
                Ok(node) => return Ok(Made { node, found: true, took: started.elapsed() }),
                Err(error) => wrong(error.to_string()),
            },
            Ok(None) => {}
            Err(error) if error.is_too_large() => wrong(error.to_string()),
            Err(error) => return Err(error.into()),
        }
        let failed = |source, what| AggregateError::Node { what, source };
        let node = match make() {
            Ok(node) => node,
            Err(source) => return Err(failed(source, what())),
        };
        let bytes = match self.nodes.encode(&node) {
            Ok(bytes) => bytes,
            Err(source) => return Err(failed(source, what())),
        };
        self.state.put(name, &bytes)?;
        Ok(Made { node, found: false, took: started.elapsed() })
    }
}

struct Made<T> {
    node: T,
    found: bool,
    took: Duration,
}

/// The hash of parts of fixed length under a tag of four bytes.
fn hash(tag: &[u8; 4], parts: &[&Id]) -> Id {
    let mut hasher = Sha256::new();
    hasher.update(tag);
    parts.iter().for_each(|part| hasher.update(part));
    hasher.finalize().into()
}

fn hexadecimal(id: &Id) -> String {
    id.iter().map(|byte| format!("{byte:02x}")).collect()
}
