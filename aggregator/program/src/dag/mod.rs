//! AIRs as data.
//!
//! A [`Dag`] is the flattened form of one AIR: a list of nodes, each referring only to nodes before it; the constraints,
//! which are nodes that must vanish, in the order in which stock `p3_batch_stark` folds them; and the interactions of the
//! AIR with buses. [`export()`] makes one from any `p3_air::Air`; [`DagAir`] evaluates one inside the stock prover and
//! verifier; [`ExtDag`] adds the LogUp constraints.
//!
//! # Canonical order
//! The nodes are those that a depth-first walk meets: roots in order (constraints; then of each local, global and
//! exclusive interaction its tuples, a tuple being its fields and then its count, an exclusive branch's flag before its
//! tuple), operands left before right, a node after its operands, equal nodes once. Every [`Dag`] is in this order, so an
//! AIR's graph has one encoding.
//!
//! # What is recomputed
//! Degrees, next-row use and depth are derived from the nodes and never read from a file.

use std::collections::{BTreeMap, HashSet};

use crate::field::F;

mod air;
mod compile;
mod error;
mod export;
mod ext;

pub use air::DagAir;
pub use error::{DagError, ExportError};
pub use export::export;
pub use ext::{ExtDag, ExtNode, ExtPoint, recompose};

/// The index of a node in its [`Dag`].
pub type NodeId = u32;

/// Bounds that every [`Dag`] keeps, whether it was exported or decoded.
pub mod limits {
    /// Columns of the main trace.
    pub const MAIN_COLUMNS: usize = 1 << 14;
    /// Columns of the preprocessed trace.
    pub const PREPROCESSED_COLUMNS: usize = 1 << 10;
    /// Public values of one AIR, and of all AIRs of a program together.
    pub const PUBLIC_VALUES: usize = 64;
    /// Nodes of one AIR.
    pub const NODES: usize = 1 << 19;
    /// Constraints of one AIR.
    pub const CONSTRAINTS: usize = 1 << 17;
    /// Interactions of one AIR.
    pub const INTERACTIONS: usize = 1 << 10;
    /// Tuples of one local interaction, or branches of one exclusive interaction.
    pub const TUPLES: usize = 64;
    /// Fields of one tuple.
    pub const FIELDS: usize = 64;
    /// Bytes of a bus's name.
    pub const BUS_NAME: usize = 64;
    /// Degree of any node: what the largest blow-up factor allows of a constraint.
    pub const DEGREE: u32 = 257;
    /// Operations on the longest path through the nodes. Plonky3 walks its expressions recursively.
    pub const DEPTH: u32 = 1536;
    /// Nodes of one field, count or flag of an interaction, written out as a tree. Plonky3 evaluates these as trees.
    pub const INTERACTION_TREE: u64 = 1 << 12;
    /// The same of all fields, counts and flags of one AIR together.
    pub const INTERACTION_TREES: u64 = 1 << 18;
    /// Operations on the longest path of a field, count or flag of an interaction.
    pub const INTERACTION_DEPTH: u32 = 128;
}

/// Which row of the two-row window a cell is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Row {
    /// The row itself.
    Local,
    /// The row after it; after the last row, the first.
    Next,
}

/// One node of a [`Dag`]: a leaf, or an operation on earlier nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Node {
    /// A constant.
    Constant(F),
    /// A cell of the main trace.
    Main {
        /// The row.
        row: Row,
        /// The column.
        column: u32,
    },
    /// A cell of the preprocessed trace.
    Preprocessed {
        /// The row.
        row: Row,
        /// The column.
        column: u32,
    },
    /// A public value of this AIR.
    Public(u32),
    /// Nonzero on the first row alone.
    IsFirstRow,
    /// Nonzero on the last row alone.
    IsLastRow,
    /// Zero on the last row alone.
    IsTransition,
    /// The sum of two nodes.
    Add(NodeId, NodeId),
    /// The first node minus the second.
    Sub(NodeId, NodeId),
    /// The product of two nodes.
    Mul(NodeId, NodeId),
    /// The negation of a node.
    Neg(NodeId),
}

impl Node {
    /// The operands, none for a leaf.
    #[must_use]
    pub const fn operands(&self) -> (Option<NodeId>, Option<NodeId>) {
        match *self {
            Self::Add(a, b) | Self::Sub(a, b) | Self::Mul(a, b) => (Some(a), Some(b)),
            Self::Neg(a) => (Some(a), None),
            _ => (None, None),
        }
    }
}

/// One message: its payload, and how often it is sent (negative: received).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tuple {
    /// The payload.
    pub fields: Vec<NodeId>,
    /// The signed multiplicity.
    pub count: NodeId,
    /// The bound on the multiplicity's magnitude on any row, which the AIR enforces; 0 on the side that provides.
    pub weight: u32,
}

/// A message on a bus that tables share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Global {
    /// The name of the bus.
    pub bus: String,
    /// The message.
    pub tuple: Tuple,
}

/// Messages on one bus of which at most one is sent on a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exclusive {
    /// The name of the bus.
    pub bus: String,
    /// Each message with the flag that selects it.
    pub branches: Vec<(NodeId, Tuple)>,
}

/// The interactions of one AIR, each kind in the order in which it was pushed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Interactions {
    /// Lookups within the table: the messages of each sum to zero by themselves.
    pub locals: Vec<Vec<Tuple>>,
    /// Messages on shared buses.
    pub globals: Vec<Global>,
    /// Groups of messages on shared buses, at most one of a group on a row.
    pub exclusives: Vec<Exclusive>,
}

impl Interactions {
    /// How many interactions there are, of all kinds.
    #[must_use]
    pub fn len(&self) -> usize {
        self.locals.len() + self.globals.len() + self.exclusives.len()
    }

    /// Whether the AIR touches no bus.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Every tuple, in canonical order, with the flag that selects it if it has one.
    pub fn tuples(&self) -> impl Iterator<Item = (Option<NodeId>, &Tuple)> {
        let locals = self.locals.iter().flatten().map(|tuple| (None, tuple));
        let globals = self.globals.iter().map(|global| (None, &global.tuple));
        let exclusives = self.exclusives.iter().flat_map(|e| e.branches.iter().map(|(flag, t)| (Some(*flag), t)));
        locals.chain(globals).chain(exclusives)
    }

    /// Every node that an interaction reads, in canonical order.
    fn roots(&self) -> impl Iterator<Item = NodeId> {
        self.tuples().flat_map(|(flag, tuple)| {
            flag.into_iter().chain(tuple.fields.iter().copied()).chain(core::iter::once(tuple.count))
        })
    }

    /// The payload width of every shared bus.
    fn bus_widths(&self) -> Result<BTreeMap<&str, usize>, DagError> {
        let globals = self.globals.iter().map(|global| (global.bus.as_str(), &global.tuple));
        let exclusives = self.exclusives.iter().flat_map(|e| e.branches.iter().map(|(_, t)| (e.bus.as_str(), t)));
        let mut widths = BTreeMap::new();
        for (bus, tuple) in globals.chain(exclusives) {
            let got = tuple.fields.len();
            let expected = *widths.entry(bus).or_insert(got);
            if expected != got {
                return Err(DagError::BusWidth { bus: bus.to_owned(), expected, got });
            }
        }
        Ok(widths)
    }
}

/// What a [`Dag`] is made of, before it is checked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DagParts {
    /// Columns of the main trace.
    pub main_width: u32,
    /// Columns of the preprocessed trace.
    pub preprocessed_width: u32,
    /// Public values.
    pub public_values: u32,
    /// The nodes, in canonical order.
    pub nodes: Vec<Node>,
    /// The nodes that must vanish, in the order in which they are folded.
    pub constraints: Vec<NodeId>,
    /// The interactions with buses.
    pub interactions: Interactions,
}

/// One AIR as data: checked, in canonical order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dag {
    parts: DagParts,
    main_next: Vec<usize>,
    preprocessed_next: Vec<usize>,
    constraint_degree: u32,
}

impl Dag {
    /// Check the parts of a graph and derive what is derived.
    ///
    /// # Errors
    /// When a bound is broken, a reference points outside, or the nodes are not in canonical order.
    pub fn new(parts: DagParts) -> Result<Self, DagError> {
        let bound = |what: &'static str, got: usize, max: usize| {
            if got > max { Err(DagError::TooMany { what, max, got }) } else { Ok(()) }
        };
        let DagParts { main_width, preprocessed_width, public_values, nodes, constraints, interactions } = &parts;
        if *main_width == 0 {
            return Err(DagError::NoColumns);
        }
        bound("main columns", *main_width as usize, limits::MAIN_COLUMNS)?;
        bound("preprocessed columns", *preprocessed_width as usize, limits::PREPROCESSED_COLUMNS)?;
        bound("public values", *public_values as usize, limits::PUBLIC_VALUES)?;
        bound("nodes", nodes.len(), limits::NODES)?;
        bound("constraints", constraints.len(), limits::CONSTRAINTS)?;
        check_interaction_bounds(interactions)?;
        check_references(&parts)?;

        let Measures { degrees, depths, trees } = measure(nodes)?;
        let mut all_trees = 0;
        for root in interactions.roots() {
            let (got, depth) = (trees[root as usize], depths[root as usize]);
            if got > limits::INTERACTION_TREE {
                return Err(DagError::InteractionTree { max: limits::INTERACTION_TREE, got });
            }
            all_trees += got;
            if all_trees > limits::INTERACTION_TREES {
                return Err(DagError::InteractionTree { max: limits::INTERACTION_TREES, got: all_trees });
            }
            if depth > limits::INTERACTION_DEPTH {
                return Err(DagError::Depth { max: limits::INTERACTION_DEPTH, got: depth });
            }
        }
        interactions.bus_widths()?;
        let weight: u64 = interactions.tuples().map(|(_, tuple)| u64::from(tuple.weight)).sum();
        if weight > u64::from(u32::MAX) {
            return Err(DagError::Weight { max: u32::MAX, got: weight });
        }
        check_canonical(&parts)?;

        let constraint_degree = constraints.iter().map(|&root| degrees[root as usize]).max().unwrap_or(0);
        let next = |wanted: fn(&Node) -> Option<u32>| {
            let mut columns: Vec<usize> = nodes.iter().filter_map(wanted).map(|column| column as usize).collect();
            columns.sort_unstable();
            columns
        };
        let main_next = next(|node| match node {
            Node::Main { row: Row::Next, column } => Some(*column),
            _ => None,
        });
        let preprocessed_next = next(|node| match node {
            Node::Preprocessed { row: Row::Next, column } => Some(*column),
            _ => None,
        });
        Ok(Self { main_next, preprocessed_next, constraint_degree, parts })
    }

    /// The parts, as given.
    #[must_use]
    pub const fn parts(&self) -> &DagParts {
        &self.parts
    }

    /// Columns of the main trace.
    #[must_use]
    pub const fn main_width(&self) -> usize {
        self.parts.main_width as usize
    }

    /// Columns of the preprocessed trace.
    #[must_use]
    pub const fn preprocessed_width(&self) -> usize {
        self.parts.preprocessed_width as usize
    }

    /// Public values.
    #[must_use]
    pub const fn public_values(&self) -> usize {
        self.parts.public_values as usize
    }

    /// Public values that no constraint or interaction reads, ascending: they are absorbed by the transcript, and are
    /// otherwise the prover's word.
    pub fn unread_public_values(&self) -> impl Iterator<Item = usize> {
        (0..self.parts.public_values).filter(|&i| !self.parts.nodes.contains(&Node::Public(i))).map(|i| i as usize)
    }

    /// The nodes, in canonical order.
    #[must_use]
    pub fn nodes(&self) -> &[Node] {
        &self.parts.nodes
    }

    /// The nodes that must vanish, in the order in which they are folded.
    #[must_use]
    pub fn constraints(&self) -> &[NodeId] {
        &self.parts.constraints
    }

    /// The interactions with buses.
    #[must_use]
    pub const fn interactions(&self) -> &Interactions {
        &self.parts.interactions
    }

    /// The main columns whose next row some constraint or interaction reads, ascending.
    #[must_use]
    pub fn main_next(&self) -> &[usize] {
        &self.main_next
    }

    /// The preprocessed columns whose next row some constraint or interaction reads, ascending.
    #[must_use]
    pub fn preprocessed_next(&self) -> &[usize] {
        &self.preprocessed_next
    }

    /// The greatest degree of a constraint, LogUp's not counted; a cell and the selectors of the first and last row count 1.
    #[must_use]
    pub const fn constraint_degree(&self) -> u32 {
        self.constraint_degree
    }

    /// The payload width of every shared bus, by name.
    #[must_use]
    pub fn bus_widths(&self) -> BTreeMap<&str, usize> {
        // `new` has refused a graph for which this is an error.
        self.parts.interactions.bus_widths().unwrap_or_default()
    }
}

/// Check the numbers and lengths of interactions.
fn check_interaction_bounds(interactions: &Interactions) -> Result<(), DagError> {
    let range = |what: &'static str, got: usize, min: usize, max: usize| match got {
        _ if got < min => Err(DagError::TooFew { what, min, got }),
        _ if got > max => Err(DagError::TooMany { what, max, got }),
        _ => Ok(()),
    };
    range("interactions", interactions.len(), 0, limits::INTERACTIONS)?;
    for local in &interactions.locals {
        range("tuples of a local interaction", local.len(), 1, limits::TUPLES)?;
        let expected = local[0].fields.len();
        if let Some(tuple) = local.iter().find(|tuple| tuple.fields.len() != expected) {
            let got = tuple.fields.len();
            return Err(DagError::BusWidth { bus: "(local)".to_owned(), expected, got });
        }
    }
    for exclusive in &interactions.exclusives {
        range("branches of an exclusive interaction", exclusive.branches.len(), 1, limits::TUPLES)?;
    }
    let buses = interactions.globals.iter().map(|g| &g.bus).chain(interactions.exclusives.iter().map(|e| &e.bus));
    for bus in buses {
        range("bytes of a bus name", bus.len(), 1, limits::BUS_NAME)?;
    }
    for (_, tuple) in interactions.tuples() {
        range("fields of a tuple", tuple.fields.len(), 1, limits::FIELDS)?;
    }
    Ok(())
}

/// Check that every node refers backwards and every leaf and root exists.
fn check_references(parts: &DagParts) -> Result<(), DagError> {
    let inside = |what: &'static str, got: u32, limit: u32| {
        if got < limit { Ok(()) } else { Err(DagError::Reference { what, limit, got }) }
    };
    for (id, node) in parts.nodes.iter().enumerate() {
        match *node {
            Node::Main { column, .. } => inside("main column", column, parts.main_width)?,
            Node::Preprocessed { column, .. } => inside("preprocessed column", column, parts.preprocessed_width)?,
            Node::Public(index) => inside("public value", index, parts.public_values)?,
            _ => {}
        }
        let (a, b) = node.operands();
        for operand in a.into_iter().chain(b) {
            inside("operand", operand, id as u32)?;
        }
    }
    let count = parts.nodes.len() as u32;
    parts.constraints.iter().try_for_each(|&root| inside("constraint", root, count))?;
    parts.interactions.roots().try_for_each(|root| inside("interaction", root, count))
}

/// Degree, depth and size as a tree of every node.
struct Measures {
    degrees: Vec<u32>,
    depths: Vec<u32>,
    trees: Vec<u64>,
}

/// Measure every node, within bounds.
fn measure(nodes: &[Node]) -> Result<Measures, DagError> {
    let mut degrees: Vec<u32> = Vec::with_capacity(nodes.len());
    let mut depths: Vec<u32> = Vec::with_capacity(nodes.len());
    let mut trees: Vec<u64> = Vec::with_capacity(nodes.len());
    for node in nodes {
        let degree = match *node {
            Node::Main { .. } | Node::Preprocessed { .. } | Node::IsFirstRow | Node::IsLastRow => 1,
            Node::Constant(_) | Node::Public(_) | Node::IsTransition => 0,
            Node::Add(a, b) | Node::Sub(a, b) => degrees[a as usize].max(degrees[b as usize]),
            Node::Mul(a, b) => degrees[a as usize] + degrees[b as usize],
            Node::Neg(a) => degrees[a as usize],
        };
        if degree > limits::DEGREE {
            return Err(DagError::Degree { max: limits::DEGREE, got: degree });
        }
        let (a, b) = node.operands();
        let operands = || a.into_iter().chain(b).map(|operand| operand as usize);
        let depth = operands().map(|operand| depths[operand] + 1).max().unwrap_or(0);
        if depth > limits::DEPTH {
            return Err(DagError::Depth { max: limits::DEPTH, got: depth });
        }
        trees.push(operands().fold(1, |sum, operand| trees[operand].saturating_add(sum)));
        degrees.push(degree);
        depths.push(depth);
    }
    Ok(Measures { degrees, depths, trees })
}

/// Check that the nodes are those that the canonical walk meets, in its order.
fn check_canonical(parts: &DagParts) -> Result<(), DagError> {
    /// Visit a node; its depth, and so the recursion's, is bounded.
    fn visit(nodes: &[Node], id: NodeId, next: &mut u32) -> Result<(), DagError> {
        if id < *next {
            return Ok(());
        }
        let (a, b) = nodes[id as usize].operands();
        for operand in a.into_iter().chain(b) {
            visit(nodes, operand, next)?;
        }
        if id != *next {
            return Err(DagError::Order { expected: *next, got: id });
        }
        *next += 1;
        Ok(())
    }
    let mut next = 0;
    for root in parts.constraints.iter().copied().chain(parts.interactions.roots()) {
        visit(&parts.nodes, root, &mut next)?;
    }
    if next as usize != parts.nodes.len() {
        return Err(DagError::Unused { expected: next as usize, got: parts.nodes.len() });
    }
    let mut seen = HashSet::with_capacity(parts.nodes.len());
    for (id, node) in parts.nodes.iter().enumerate() {
        if !seen.insert(*node) {
            return Err(DagError::Duplicate { node: id });
        }
    }
    Ok(())
}
