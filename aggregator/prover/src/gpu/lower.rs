//! A table's constraints and lookups as graphs for the device.

use p3_field::{BasedVectorSpace, PrimeCharacteristicRing};
use sinter_program::dag::{ExtDag, ExtNode, Row};
use sinter_program::{EF, F};
use sinter_shaders::graph::{Graph, Node, NodeId, Output};
use sinter_shaders::words::{DEGREE, ext_words, to_word};

use crate::prover::ProveError;

/// The matrices of a table's graphs, in this order.
pub(super) const MAIN: u32 = 0;
pub(super) const PREPROCESSED: u32 = 1;
pub(super) const LOOKUPS: u32 = 2;
/// Selectors of the first row, the last row, and all rows but the last.
pub(super) const SELECTORS: u32 = 3;

/// The scalars of a table's graphs: public values, then the offset of each lookup's bus, β, and the terminal.
pub(super) fn scalars(public_values: &[F], challenges: &[EF], terminal: EF) -> Vec<u32> {
    let offsets = challenges.iter().step_by(2).flat_map(|&offset| ext_words(offset));
    let beta = challenges.get(1).copied().unwrap_or(EF::ZERO);
    let public_values = public_values.iter().map(|&value| to_word(value));
    public_values.chain(offsets).chain(ext_words(beta)).chain(ext_words(terminal)).collect()
}

/// The constraints, to be summed with the powers of the folding challenge; of lookup number c, challenge 2c is its bus's offset.
pub(super) fn constraints(dag: &ExtDag, public_values: usize, lookups: usize) -> Graph {
    Graph { nodes: nodes(dag, public_values, lookups), output: Output::Sum(dag.constraints().to_vec()) }
}

/// The numerator and the denominator of every lookup, from the constraint that pins its fraction: denominator · fraction − numerator.
pub(super) fn terms(dag: &ExtDag, public_values: usize, lookups: usize) -> Result<Graph, ProveError> {
    let nodes = nodes(dag, public_values, lookups);
    let pins = dag.constraints().iter().skip(dag.own_constraints()).take(lookups);
    let mut roots: Vec<NodeId> = Vec::with_capacity(2 * lookups);
    for (lookup, &pin) in pins.enumerate() {
        let fraction = ExtNode::Permutation { row: Row::Local, column: lookup as u32 + 1 };
        let at = |id: NodeId| dag.nodes()[id as usize];
        let found = match at(pin) {
            ExtNode::Sub(product, numerator) => match at(product) {
                ExtNode::Mul(denominator, f) if at(f) == fraction => Some([numerator, denominator]),
                ExtNode::Mul(f, denominator) if at(f) == fraction => Some([numerator, denominator]),
                _ => None,
            },
            _ => None,
        };
        let stock = || {
            ProveError::Stock(format!("the constraint of lookup {lookup} is not denominator · fraction − numerator"))
        };
        roots.extend(found.ok_or_else(stock)?);
    }
    Ok(Graph { nodes, output: Output::Nodes(roots) })
}

fn nodes(dag: &ExtDag, public_values: usize, lookups: usize) -> Vec<Node> {
    let offsets = public_values as u32;
    let beta = offsets + (DEGREE * lookups) as u32;
    let node = |node: &ExtNode| match *node {
        ExtNode::Constant(value) => match value.as_basis_coefficients_slice() {
            [value, rest @ ..] if rest.iter().all(|&coordinate| coordinate == F::ZERO) => Node::Constant(*value),
            _ => Node::ConstantExt(value),
        },
        ExtNode::Main { row, column } => Node::Cell { matrix: MAIN, column, next: row == Row::Next },
        ExtNode::Preprocessed { row, column } => Node::Cell { matrix: PREPROCESSED, column, next: row == Row::Next },
        ExtNode::Permutation { row, column } => {
            Node::CellExt { matrix: LOOKUPS, column: DEGREE as u32 * column, next: row == Row::Next }
        }
        ExtNode::Public(index) => Node::Scalar(index),
        ExtNode::BusPrefix(lookup) => Node::ScalarExt(offsets + DEGREE as u32 * lookup),
        ExtNode::Beta => Node::ScalarExt(beta),
        ExtNode::Terminal => Node::ScalarExt(beta + DEGREE as u32),
        ExtNode::IsFirstRow => Node::Cell { matrix: SELECTORS, column: 0, next: false },
        ExtNode::IsLastRow => Node::Cell { matrix: SELECTORS, column: 1, next: false },
        ExtNode::IsTransition => Node::Cell { matrix: SELECTORS, column: 2, next: false },
        ExtNode::Add(a, b) => Node::Add(a, b),
        ExtNode::Sub(a, b) => Node::Sub(a, b),
        ExtNode::Mul(a, b) => Node::Mul(a, b),
        ExtNode::Neg(a) => Node::Neg(a),
    };
    dag.nodes().iter().map(node).collect()
}
