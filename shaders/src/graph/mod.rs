//! Expressions over the cells of matrices, compiled to kernels that evaluate them on every row.
//!
//! A [`Graph`] is a list of operations, each on earlier ones, over cells, scalars and constants; values are in the base field or in
//! the challenge field, whichever they need. [`compile`](compile::compile) cuts the list into kernels of bounded length, because the
//! time that drivers take grows faster than the length; what one kernel makes and a later one needs waits in device memory. What
//! comes out is either the weighted sum of some nodes or the nodes themselves.
//!
//! Reference: `quotient_values` of p3-batch-stark, which evaluates a prover's constraints row by row.

mod compile;
mod run;

pub use compile::{Program, Shape, compile};
pub use run::Arguments;

use crate::words::{EF, F};

/// The index of a node in its [`Graph`].
pub type NodeId = u32;

/// One node of a [`Graph`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Node {
    /// A constant of the base field.
    Constant(F),
    /// A constant of the challenge field.
    ConstantExt(EF),
    /// Word `0` of the scalars: an element of the base field.
    Scalar(u32),
    /// Words `0..5` of the scalars from there on: an element of the challenge field.
    ScalarExt(u32),
    /// A cell of a matrix.
    Cell {
        /// The matrix.
        matrix: u32,
        /// The column.
        column: u32,
        /// Whether it is of the row after this one.
        next: bool,
    },
    /// Five neighbouring cells of a matrix: an element of the challenge field.
    CellExt {
        /// The matrix.
        matrix: u32,
        /// The column of the first coordinate.
        column: u32,
        /// Whether it is of the row after this one.
        next: bool,
    },
    /// A sum.
    Add(NodeId, NodeId),
    /// A difference.
    Sub(NodeId, NodeId),
    /// A product.
    Mul(NodeId, NodeId),
    /// A negation.
    Neg(NodeId),
}

impl Node {
    const fn operands(&self) -> [Option<NodeId>; 2] {
        match *self {
            Self::Add(a, b) | Self::Sub(a, b) | Self::Mul(a, b) => [Some(a), Some(b)],
            Self::Neg(a) => [Some(a), None],
            _ => [None, None],
        }
    }
}

/// What is made of the nodes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Of every row, the sum of these nodes, each times its weight (an element of the challenge field), and all of it times a
    /// factor of the row.
    Sum(Vec<NodeId>),
    /// Of every row, each of these nodes, as an element of the challenge field.
    Nodes(Vec<NodeId>),
}

impl Output {
    /// The nodes.
    #[must_use]
    pub fn roots(&self) -> &[NodeId] {
        match self {
            Self::Sum(roots) | Self::Nodes(roots) => roots,
        }
    }
}

/// Operations, each on earlier ones, and what is made of them.
#[derive(Clone, Debug, PartialEq)]
pub struct Graph {
    /// The operations.
    pub nodes: Vec<Node>,
    /// What comes out.
    pub output: Output,
}
