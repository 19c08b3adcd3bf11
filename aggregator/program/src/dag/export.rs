//! From any `p3_air::Air` to a [`Dag`].

use std::collections::HashMap;

use p3_air::symbolic::{AirLayout, BaseEntry, BaseLeaf, SymbolicExpr, SymbolicExpression};
use p3_air::{Air, BaseAir};
use p3_lookup::InteractionSymbolicBuilder;

use super::{Dag, DagParts, Exclusive, ExportError, Global, Interactions, Node, NodeId, Row, Tuple};
use crate::field::{EF, F};

/// Flatten an AIR: run it symbolically once and number what it emits.
///
/// Exporting a [`DagAir`](super::DagAir) gives its graph back.
///
/// What the AIR *declares* about itself (a degree, the columns whose next row it reads) is ignored in favour of what its
/// constraints do. An AIR that declares more than it uses must therefore be proved through its graph: `p3-keccak-air`,
/// `p3-blake3-air` and `p3-poseidon2-air` do not.
///
/// # Errors
/// When the AIR uses periodic columns, indexed lookups, boundary public values, constraints over the extension field, or
/// relies on a binary trace; or when the graph breaks a bound.
pub fn export<A>(air: &A) -> Result<Dag, ExportError>
where
    A: Air<InteractionSymbolicBuilder<F, EF>>,
{
    let unsupported = |feature| Err(ExportError::Unsupported { feature });
    if air.num_periodic_columns() != 0 {
        return unsupported("periodic columns");
    }
    if !air.public_boundary_io().is_empty() {
        return unsupported("boundary public values");
    }
    if air.assumes_boolean_trace() {
        return unsupported("traces that are binary by assumption");
    }
    let layout = AirLayout::from_air::<F>(air);
    let builder = InteractionSymbolicBuilder::<F, EF>::from_air(air, layout);
    if !builder.extension_constraints().is_empty() {
        return unsupported("constraints over the extension field");
    }
    if !builder.indexed_reads().is_empty() || !builder.indexed_tables().is_empty() {
        return unsupported("indexed lookups");
    }

    let constraints = builder.base_constraints();
    let mut lowering = Lowering::default();
    let constraints = lowering.all(&constraints)?;

    let mut interactions = Interactions::default();
    for local in builder.local_interactions() {
        let mut tuples = Vec::with_capacity(local.tuples.len());
        for (fields, count) in &local.tuples {
            let (expression, weight) = count.clone().into_parts();
            tuples.push(Tuple { fields: lowering.all(fields)?, count: lowering.owned(expression)?, weight });
        }
        interactions.locals.push(tuples);
    }
    for global in builder.global_interactions() {
        let tuple = Tuple {
            fields: lowering.all(&global.fields)?,
            count: lowering.one(&global.count)?,
            weight: global.count_weight,
        };
        interactions.globals.push(Global { bus: global.bus_name.clone(), tuple });
    }
    for exclusive in builder.exclusive_interactions() {
        let mut branches = Vec::with_capacity(exclusive.branches.len());
        for branch in &exclusive.branches {
            let flag = lowering.one(&branch.flag)?;
            let tuple = Tuple {
                fields: lowering.all(&branch.fields)?,
                count: lowering.one(&branch.count)?,
                weight: branch.count_weight,
            };
            branches.push((flag, tuple));
        }
        interactions.exclusives.push(Exclusive { bus: exclusive.bus_name.clone(), branches });
    }

    Ok(Dag::new(DagParts {
        main_width: count(air.width()),
        preprocessed_width: count(air.preprocessed_width()),
        public_values: count(air.num_public_values()),
        nodes: lowering.nodes,
        constraints,
        interactions,
    })?)
}

/// A count as a `u32`; one that does not fit is above every bound.
fn count(value: usize) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

/// The preprocessed trace of an AIR, checked against the width it declares.
pub(super) fn preprocessed_trace<A: BaseAir<F>>(
    air: &A,
) -> Result<Option<p3_matrix::dense::RowMajorMatrix<F>>, ExportError> {
    let trace = air.preprocessed_trace();
    let (expected, got) = (air.preprocessed_width(), trace.as_ref().map_or(0, |trace| trace.width));
    if expected != got {
        return Err(ExportError::PreprocessedWidth { expected, got });
    }
    Ok(trace)
}

/// Numbers expressions, equal ones once.
#[derive(Default)]
struct Lowering {
    nodes: Vec<Node>,
    ids: HashMap<Node, NodeId>,
    /// The nodes already numbered, by address: shared sub-expressions are walked once. Only addresses that outlive the
    /// lowering are kept.
    seen: HashMap<*const SymbolicExpression<F>, NodeId>,
}

impl Lowering {
    fn all(&mut self, expressions: &[SymbolicExpression<F>]) -> Result<Vec<NodeId>, ExportError> {
        expressions.iter().map(|expression| self.one(expression)).collect()
    }

    /// Lower an expression that the caller drops: forget addresses afterwards.
    fn owned(&mut self, expression: SymbolicExpression<F>) -> Result<NodeId, ExportError> {
        let id = self.one(&expression);
        self.seen.clear();
        id
    }

    fn one(&mut self, expression: &SymbolicExpression<F>) -> Result<NodeId, ExportError> {
        let address = core::ptr::from_ref(expression);
        if let Some(&id) = self.seen.get(&address) {
            return Ok(id);
        }
        let node = match expression {
            SymbolicExpr::Leaf(leaf) => leaf_node(leaf)?,
            SymbolicExpr::Add { x, y, .. } => Node::Add(self.one(x)?, self.one(y)?),
            SymbolicExpr::Sub { x, y, .. } => Node::Sub(self.one(x)?, self.one(y)?),
            SymbolicExpr::Neg { x, .. } => Node::Neg(self.one(x)?),
            SymbolicExpr::Mul { x, y, .. } => Node::Mul(self.one(x)?, self.one(y)?),
        };
        let id = *self.ids.entry(node).or_insert_with(|| {
            self.nodes.push(node);
            count(self.nodes.len() - 1)
        });
        self.seen.insert(address, id);
        Ok(id)
    }
}

/// The node of a base-field leaf.
pub(super) fn leaf_node(leaf: &BaseLeaf<F>) -> Result<Node, ExportError> {
    let row = |offset| match offset {
        0 => Ok(Row::Local),
        1 => Ok(Row::Next),
        offset => Err(ExportError::RowOffset { offset }),
    };
    Ok(match leaf {
        BaseLeaf::Variable(variable) => {
            let column = count(variable.index);
            match variable.entry {
                BaseEntry::Main { offset } => Node::Main { row: row(offset)?, column },
                BaseEntry::Preprocessed { offset } => Node::Preprocessed { row: row(offset)?, column },
                BaseEntry::Public => Node::Public(column),
                BaseEntry::Periodic => return Err(ExportError::Unsupported { feature: "periodic columns" }),
            }
        }
        BaseLeaf::IsFirstRow => Node::IsFirstRow,
        BaseLeaf::IsLastRow => Node::IsLastRow,
        BaseLeaf::IsTransition => Node::IsTransition,
        BaseLeaf::Constant(value) => Node::Constant(*value),
    })
}
