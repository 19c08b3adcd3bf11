//! What can be wrong with a graph, or keep an AIR from becoming one.

use thiserror::Error;

/// A graph that is malformed, out of bounds, or not canonical.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum DagError {
    /// A table has no main column.
    #[error("expected at least one main column, got none")]
    NoColumns,
    /// A count is above its bound.
    #[error("{what}: expected at most {max}, got {got}")]
    TooMany {
        /// What is counted.
        what: &'static str,
        /// The bound.
        max: usize,
        /// The count.
        got: usize,
    },
    /// A count is below its bound.
    #[error("{what}: expected at least {min}, got {got}")]
    TooFew {
        /// What is counted.
        what: &'static str,
        /// The bound.
        min: usize,
        /// The count.
        got: usize,
    },
    /// A reference points at nothing, or not backwards.
    #[error("{what}: expected an index below {limit}, got {got}")]
    Reference {
        /// What refers.
        what: &'static str,
        /// The first index out of range.
        limit: u32,
        /// The index.
        got: u32,
    },
    /// A node's degree is above the bound.
    #[error("degree: expected at most {max}, got {got}")]
    Degree {
        /// The bound.
        max: u32,
        /// The degree.
        got: u32,
    },
    /// A path through the nodes is longer than the bound.
    #[error("depth: expected at most {max}, got {got}")]
    Depth {
        /// The bound.
        max: u32,
        /// The length.
        got: u32,
    },
    /// An expression of an interaction, or all of them together, written out as trees, are larger than the bound.
    #[error("interaction expressions as trees: expected at most {max} nodes, got {got}")]
    InteractionTree {
        /// The bound.
        max: u64,
        /// The size.
        got: u64,
    },
    /// Tuples on one bus have different widths, so that a short one could pass for a long one.
    #[error("bus {bus}: expected tuples of {expected} fields, got {got}")]
    BusWidth {
        /// The name of the bus.
        bus: String,
        /// The width of its first tuple.
        expected: usize,
        /// The width of another.
        got: usize,
    },
    /// The multiplicity bounds of one AIR add up to too much.
    #[error("sum of count weights: expected at most {max}, got {got}")]
    Weight {
        /// The bound.
        max: u32,
        /// The sum.
        got: u64,
    },
    /// The nodes are not in canonical order.
    #[error("canonical order: expected node {expected} next, got node {got}")]
    Order {
        /// The node that the walk has reached.
        expected: u32,
        /// The node it meets.
        got: u32,
    },
    /// Some nodes are reached from no root.
    #[error("canonical order: expected {expected} nodes in use, got {got}")]
    Unused {
        /// The nodes in use.
        expected: usize,
        /// The nodes given.
        got: usize,
    },
    /// A node is listed twice.
    #[error("canonical order: node {node} repeats an earlier one")]
    Duplicate {
        /// The later of the two.
        node: usize,
    },
}

/// Why an AIR cannot be exported.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ExportError {
    /// The AIR uses a feature of Plonky3 that programs do not have.
    #[error("programs do not support {feature}")]
    Unsupported {
        /// The feature.
        feature: &'static str,
    },
    /// An expression reads a row other than the local and the next.
    #[error("expected a window of two rows, got an offset of {offset}")]
    RowOffset {
        /// The offset found.
        offset: usize,
    },
    /// The preprocessed trace is not as wide as the AIR declares.
    #[error("preprocessed trace: expected {expected} columns, got {got}")]
    PreprocessedWidth {
        /// The declared width.
        expected: usize,
        /// The width of the trace.
        got: usize,
    },
    /// The graph breaks a bound.
    #[error(transparent)]
    Dag(#[from] DagError),
}
