//! A graph with its LogUp constraints: everything the verifier evaluates at the out-of-domain point.

use std::collections::HashMap;

use p3_air::symbolic::{AirLayout, ExtEntry, ExtLeaf, SymbolicExpr, SymbolicExpression, SymbolicExpressionExt};
use p3_batch_stark::symbolic::get_symbolic_constraints;
use p3_field::{BasedVectorSpace, ExtensionField, PrimeCharacteristicRing};
use p3_lookup::{LogUpGadget, Lookup};

use super::export::leaf_node;
use super::{DagAir, ExportError, Node, NodeId, Row};
use crate::field::{EF, F};

/// One node of an [`ExtDag`]: a leaf, or an operation on earlier nodes. Every value is in [`EF`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ExtNode {
    /// A constant.
    Constant(EF),
    /// A column of the main trace, at the out-of-domain point or at the next.
    Main {
        /// The row.
        row: Row,
        /// The column.
        column: u32,
    },
    /// A column of the preprocessed trace, at the out-of-domain point or at the next.
    Preprocessed {
        /// The row.
        row: Row,
        /// The column.
        column: u32,
    },
    /// A column of the permutation trace, recomposed into the extension field: column 0 is the accumulator, column c + 1
    /// the fraction of lookup c.
    Permutation {
        /// The row.
        row: Row,
        /// The column.
        column: u32,
    },
    /// A public value of this table.
    Public(u32),
    /// The challenge β that weights the fields of a message.
    Beta,
    /// The offset α + (bus + 1)·β^W of a bus; W is the widest message of the program.
    BusPrefix(u32),
    /// The table's terminal: the sum of all its fractions.
    Terminal,
    /// The selector of the first row.
    IsFirstRow,
    /// The selector of the last row.
    IsLastRow,
    /// The selector of all rows but the last.
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

/// All constraints of one table, LogUp's after its own, in the order in which stock `p3_batch_stark` folds them.
///
/// It is lowered from Plonky3's own symbolic evaluation of the table and of the LogUp gadget on the packed lookups that
/// prover and verifier use, so that it says what stock checks, by construction.
#[derive(Clone, Debug)]
pub struct ExtDag {
    nodes: Vec<ExtNode>,
    constraints: Vec<NodeId>,
    own_constraints: usize,
}

/// The values of all leaves of an [`ExtDag`]. A row that the table does not read may be empty.
#[derive(Clone, Copy, Debug)]
pub struct ExtPoint<'a> {
    /// The main trace.
    pub main: [&'a [EF]; 2],
    /// The preprocessed trace.
    pub preprocessed: [&'a [EF]; 2],
    /// The permutation trace, recomposed.
    pub permutation: [&'a [EF]; 2],
    /// The public values of the table.
    pub public_values: &'a [F],
    /// The challenge β.
    pub beta: EF,
    /// The offset of every bus of the program.
    pub bus_prefixes: &'a [EF],
    /// The table's terminal; zero if it touches no bus.
    pub terminal: EF,
    /// The selector of the first row.
    pub is_first_row: EF,
    /// The selector of the last row.
    pub is_last_row: EF,
    /// The selector of all rows but the last.
    pub is_transition: EF,
}

impl ExtDag {
    /// Lower the constraints of a table and of its packed lookups, whose buses are numbered `buses`.
    ///
    /// # Errors
    /// When a leaf appears that no table has; there is none in what [`DagAir`] and LogUp emit.
    pub fn new(air: &DagAir, lookups: &[Lookup<F>], buses: &[u32]) -> Result<Self, ExportError> {
        let layout = AirLayout::from_air::<F>(air);
        let (base, extension) = get_symbolic_constraints::<F, EF, _, _>(air, layout, lookups, &LogUpGadget::new());
        let mut lowering =
            Lowering { buses, nodes: vec![], ids: HashMap::new(), base: HashMap::new(), ext: HashMap::new() };
        let mut constraints = Vec::with_capacity(base.len() + extension.len());
        for constraint in &base {
            constraints.push(lowering.base(constraint)?);
        }
        for constraint in &extension {
            constraints.push(lowering.ext(constraint)?);
        }
        Ok(Self { nodes: lowering.nodes, constraints, own_constraints: base.len() })
    }

    /// The nodes, each after its operands.
    #[must_use]
    pub fn nodes(&self) -> &[ExtNode] {
        &self.nodes
    }

    /// The nodes that must vanish on the trace domain, in folding order: the accumulator starts at zero, and each
    /// constraint multiplies it by the folding challenge and adds itself.
    #[must_use]
    pub fn constraints(&self) -> &[NodeId] {
        &self.constraints
    }

    /// How many constraints are the table's own; the others are LogUp's.
    #[must_use]
    pub const fn own_constraints(&self) -> usize {
        self.own_constraints
    }

    /// The value of every node.
    ///
    /// # Panics
    /// When a row that the table reads is missing from the point.
    #[must_use]
    pub fn evaluate(&self, point: &ExtPoint<'_>) -> Vec<EF> {
        let mut values: Vec<EF> = Vec::with_capacity(self.nodes.len());
        for node in &self.nodes {
            let at = |id: NodeId| values[id as usize];
            let cell = |rows: [&[EF]; 2], row: Row, column: u32| rows[usize::from(row == Row::Next)][column as usize];
            let value = match *node {
                ExtNode::Constant(value) => value,
                ExtNode::Main { row, column } => cell(point.main, row, column),
                ExtNode::Preprocessed { row, column } => cell(point.preprocessed, row, column),
                ExtNode::Permutation { row, column } => cell(point.permutation, row, column),
                ExtNode::Public(index) => point.public_values[index as usize].into(),
                ExtNode::Beta => point.beta,
                ExtNode::BusPrefix(bus) => point.bus_prefixes[bus as usize],
                ExtNode::Terminal => point.terminal,
                ExtNode::IsFirstRow => point.is_first_row,
                ExtNode::IsLastRow => point.is_last_row,
                ExtNode::IsTransition => point.is_transition,
                ExtNode::Add(a, b) => at(a) + at(b),
                ExtNode::Sub(a, b) => at(a) - at(b),
                ExtNode::Mul(a, b) => at(a) * at(b),
                ExtNode::Neg(a) => -at(a),
            };
            values.push(value);
        }
        values
    }

    /// All constraints at a point, folded by a challenge as stock folds them.
    ///
    /// # Panics
    /// As [`ExtDag::evaluate`].
    pub fn fold(&self, point: &ExtPoint<'_>, alpha: EF) -> EF {
        let values = self.evaluate(point);
        self.constraints.iter().fold(EF::ZERO, |folded, &root| folded * alpha + values[root as usize])
    }
}

struct Lowering<'a> {
    buses: &'a [u32],
    nodes: Vec<ExtNode>,
    ids: HashMap<ExtNode, NodeId>,
    base: HashMap<*const SymbolicExpression<F>, NodeId>,
    ext: HashMap<*const SymbolicExpressionExt<F, EF>, NodeId>,
}

impl Lowering<'_> {
    fn intern(&mut self, node: ExtNode) -> NodeId {
        *self.ids.entry(node).or_insert_with(|| {
            self.nodes.push(node);
            // LogUp adds a bounded number of nodes to a graph of at most 2^19.
            (self.nodes.len() - 1) as NodeId
        })
    }

    fn base(&mut self, expression: &SymbolicExpression<F>) -> Result<NodeId, ExportError> {
        let address = core::ptr::from_ref(expression);
        if let Some(&id) = self.base.get(&address) {
            return Ok(id);
        }
        let node = match expression {
            SymbolicExpr::Leaf(leaf) => match leaf_node(leaf)? {
                Node::Constant(value) => ExtNode::Constant(value.into()),
                Node::Main { row, column } => ExtNode::Main { row, column },
                Node::Preprocessed { row, column } => ExtNode::Preprocessed { row, column },
                Node::Public(index) => ExtNode::Public(index),
                Node::IsFirstRow => ExtNode::IsFirstRow,
                Node::IsLastRow => ExtNode::IsLastRow,
                Node::IsTransition => ExtNode::IsTransition,
                Node::Add(..) | Node::Sub(..) | Node::Mul(..) | Node::Neg(_) => {
                    return Err(ExportError::Unsupported { feature: "leaves that are operations" });
                }
            },
            SymbolicExpr::Add { x, y, .. } => ExtNode::Add(self.base(x)?, self.base(y)?),
            SymbolicExpr::Sub { x, y, .. } => ExtNode::Sub(self.base(x)?, self.base(y)?),
            SymbolicExpr::Neg { x, .. } => ExtNode::Neg(self.base(x)?),
            SymbolicExpr::Mul { x, y, .. } => ExtNode::Mul(self.base(x)?, self.base(y)?),
        };
        let id = self.intern(node);
        self.base.insert(address, id);
        Ok(id)
    }

    fn ext(&mut self, expression: &SymbolicExpressionExt<F, EF>) -> Result<NodeId, ExportError> {
        let address = core::ptr::from_ref(expression);
        if let Some(&id) = self.ext.get(&address) {
            return Ok(id);
        }
        let id = match expression {
            SymbolicExpr::Leaf(ExtLeaf::Base(base)) => self.base(base)?,
            SymbolicExpr::Leaf(ExtLeaf::ExtVariable(variable)) => {
                let node = self.variable(variable.entry, variable.index)?;
                self.intern(node)
            }
            SymbolicExpr::Leaf(ExtLeaf::ExtConstant(value)) => self.intern(ExtNode::Constant(*value)),
            SymbolicExpr::Add { x, y, .. } => {
                let node = ExtNode::Add(self.ext(x)?, self.ext(y)?);
                self.intern(node)
            }
            SymbolicExpr::Sub { x, y, .. } => {
                let node = ExtNode::Sub(self.ext(x)?, self.ext(y)?);
                self.intern(node)
            }
            SymbolicExpr::Neg { x, .. } => {
                let node = ExtNode::Neg(self.ext(x)?);
                self.intern(node)
            }
            SymbolicExpr::Mul { x, y, .. } => {
                let node = ExtNode::Mul(self.ext(x)?, self.ext(y)?);
                self.intern(node)
            }
        };
        self.ext.insert(address, id);
        Ok(id)
    }

    /// The leaf of an extension variable. Lookup c has two challenges: its bus's offset at 2c, and β at 2c + 1.
    fn variable(&self, entry: ExtEntry, index: usize) -> Result<ExtNode, ExportError> {
        let column = index as u32;
        match entry {
            ExtEntry::Permutation { offset: 0 } => Ok(ExtNode::Permutation { row: Row::Local, column }),
            ExtEntry::Permutation { offset: 1 } => Ok(ExtNode::Permutation { row: Row::Next, column }),
            ExtEntry::Permutation { offset } => Err(ExportError::RowOffset { offset }),
            ExtEntry::Challenge if index % 2 == 1 => Ok(ExtNode::Beta),
            ExtEntry::Challenge => match self.buses.get(index / 2) {
                Some(&bus) => Ok(ExtNode::BusPrefix(bus)),
                None => Err(ExportError::Unsupported { feature: "challenges outside the lookups" }),
            },
            ExtEntry::PermutationValue if index == 0 => Ok(ExtNode::Terminal),
            ExtEntry::PermutationValue => Err(ExportError::Unsupported { feature: "more than one terminal" }),
        }
    }
}

/// The permutation columns of a row, recomposed from the openings of their coordinates.
///
/// # Panics
/// Never: the coordinates are taken in groups of the extension's degree.
#[must_use]
pub fn recompose(openings: &[EF]) -> Vec<EF> {
    let recompose = |chunk: &[EF]| <EF as ExtensionField<F>>::from_ext_basis_coefficients(chunk);
    openings.chunks_exact(<EF as BasedVectorSpace<F>>::DIMENSION).filter_map(recompose).collect()
}
