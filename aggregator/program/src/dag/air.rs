//! A graph as a `p3_air::Air`.

use std::sync::Arc;

use p3_air::{Air, AirBuilder, BaseAir, DebugConstraintBuilder, WindowAccess};
use p3_batch_stark::folder::{ProverConstraintFolderWithLookups, VerifierConstraintFolderWithLookups};
use p3_batch_stark::{Domain, StarkGenericConfig};
use p3_commit::PolynomialSpace;
use p3_field::Dup;
use p3_lookup::{Count, InteractionBuilder, InteractionSymbolicBuilder};
use p3_matrix::dense::RowMajorMatrix;

use super::compile::Program;
use super::export::preprocessed_trace;
use super::{Dag, ExportError, Node, NodeId, Row, Tuple, export};
use crate::field::{EF, F};

/// A [`Dag`] that stock `prove_batch` and `verify_batch` can use. Cloning it is cheap.
///
/// It gives the same proofs, byte for byte, as the AIR it was exported from (see [`export()`] for the AIRs that declare more
/// than they use). Without a preprocessed trace it can verify but not prove.
#[derive(Clone, Debug)]
pub struct DagAir {
    dag: Arc<Dag>,
    program: Arc<Program>,
    preprocessed: Option<Arc<RowMajorMatrix<F>>>,
}

impl DagAir {
    /// An AIR to verify with.
    #[must_use]
    pub fn new(dag: Dag) -> Self {
        let program = Arc::new(Program::new(&dag));
        Self { dag: Arc::new(dag), program, preprocessed: None }
    }

    /// Export an AIR together with its preprocessed trace.
    ///
    /// # Errors
    /// As [`export()`]; or when the preprocessed trace is not as wide as declared.
    pub fn from_air<A>(air: &A) -> Result<Self, ExportError>
    where
        A: Air<InteractionSymbolicBuilder<F, EF>>,
    {
        let trace = preprocessed_trace(air)?;
        let air = Self::new(export(air)?);
        match trace {
            Some(trace) if trace.width > 0 => air.with_preprocessed(trace),
            _ => Ok(air),
        }
    }

    /// The same AIR with its preprocessed trace, to prove with.
    ///
    /// # Errors
    /// When the trace is not as wide as the graph says.
    pub fn with_preprocessed(mut self, trace: RowMajorMatrix<F>) -> Result<Self, ExportError> {
        let (expected, got) = (self.dag.preprocessed_width(), trace.width);
        if expected != got {
            return Err(ExportError::PreprocessedWidth { expected, got });
        }
        self.preprocessed = Some(Arc::new(trace));
        Ok(self)
    }

    /// The same AIR without its preprocessed trace, to verify with.
    #[must_use]
    pub fn without_preprocessed(&self) -> Self {
        Self { preprocessed: None, ..self.clone() }
    }

    /// The preprocessed trace, if there is one at hand.
    #[must_use]
    pub fn preprocessed(&self) -> Option<&RowMajorMatrix<F>> {
        self.preprocessed.as_deref()
    }

    /// The graph.
    #[must_use]
    pub fn dag(&self) -> &Dag {
        &self.dag
    }

    /// How many intermediate values an evaluation of the constraints holds at once.
    #[must_use]
    pub fn live_values(&self) -> usize {
        self.program.slots()
    }
}

impl BaseAir<F> for DagAir {
    fn width(&self) -> usize {
        self.dag.main_width()
    }

    fn preprocessed_trace(&self) -> Option<RowMajorMatrix<F>> {
        self.preprocessed.as_deref().cloned()
    }

    fn preprocessed_width(&self) -> usize {
        self.dag.preprocessed_width()
    }

    fn main_next_row_columns(&self) -> Vec<usize> {
        self.dag.main_next().to_vec()
    }

    fn preprocessed_next_row_columns(&self) -> Vec<usize> {
        self.dag.preprocessed_next().to_vec()
    }

    fn num_constraints(&self) -> Option<usize> {
        Some(self.dag.constraints().len())
    }

    fn num_public_values(&self) -> usize {
        self.dag.public_values()
    }
}

/// The prover, on packed rows: the constraints alone, since it takes the interactions from `CommonData`.
impl<SC> Air<ProverConstraintFolderWithLookups<'_, SC>> for DagAir
where
    SC: StarkGenericConfig,
    Domain<SC>: PolynomialSpace<Val = F>,
{
    fn eval(&self, builder: &mut ProverConstraintFolderWithLookups<'_, SC>) {
        self.program.run(builder);
    }
}

/// The verifier, at one point: the constraints alone.
impl<SC> Air<VerifierConstraintFolderWithLookups<'_, SC>> for DagAir
where
    SC: StarkGenericConfig,
    Domain<SC>: PolynomialSpace<Val = F>,
{
    fn eval(&self, builder: &mut VerifierConstraintFolderWithLookups<'_, SC>) {
        self.program.run(builder);
    }
}

/// The check of every row that a debug build of the prover makes: the constraints alone.
impl Air<DebugConstraintBuilder<'_, F, EF>> for DagAir {
    fn eval(&self, builder: &mut DebugConstraintBuilder<'_, F, EF>) {
        self.program.run(builder);
    }
}

/// Symbolically: constraints and interactions.
impl Air<InteractionSymbolicBuilder<F, EF>> for DagAir {
    fn eval(&self, builder: &mut InteractionSymbolicBuilder<F, EF>) {
        self.eval_with_interactions(builder);
    }
}

impl DagAir {
    /// Evaluate every node, assert the constraints and push the interactions.
    fn eval_with_interactions<AB: InteractionBuilder<F = F>>(&self, builder: &mut AB) {
        let values = evaluate(&self.dag, builder);
        let at = |id: NodeId| values[id as usize].dup();
        let tuple = |tuple: &Tuple| {
            let fields: Vec<AB::Expr> = tuple.fields.iter().map(|&field| at(field)).collect();
            (fields, Count::bounded(at(tuple.count), tuple.weight))
        };
        for &root in self.dag.constraints() {
            builder.assert_zero(at(root));
        }
        let interactions = self.dag.interactions();
        for local in &interactions.locals {
            builder.push_local_interaction(local.iter().map(tuple));
        }
        for global in &interactions.globals {
            let (fields, count) = tuple(&global.tuple);
            builder.push_interaction(&global.bus, fields, count);
        }
        for exclusive in &interactions.exclusives {
            let branches = exclusive.branches.iter().map(|(flag, message)| {
                let (fields, count) = tuple(message);
                (at(*flag), count, fields)
            });
            builder.push_exclusive_interaction(&exclusive.bus, branches);
        }
    }
}

/// The value of every node.
fn evaluate<AB: AirBuilder<F = F>>(dag: &Dag, builder: &AB) -> Vec<AB::Expr> {
    let main = builder.main();
    let preprocessed = builder.preprocessed();
    let mut values: Vec<AB::Expr> = Vec::with_capacity(dag.nodes().len());
    for node in dag.nodes() {
        let at = |id: NodeId| values[id as usize].dup();
        let value = match *node {
            Node::Constant(value) => AB::Expr::from(value),
            Node::Main { row: Row::Local, column } => main.current_slice()[column as usize].into(),
            Node::Main { row: Row::Next, column } => main.next_slice()[column as usize].into(),
            Node::Preprocessed { row: Row::Local, column } => preprocessed.current_slice()[column as usize].into(),
            Node::Preprocessed { row: Row::Next, column } => preprocessed.next_slice()[column as usize].into(),
            Node::Public(index) => builder.public_values()[index as usize].into(),
            Node::IsFirstRow => builder.is_first_row(),
            Node::IsLastRow => builder.is_last_row(),
            Node::IsTransition => builder.is_transition(),
            Node::Add(a, b) => at(a) + at(b),
            Node::Sub(a, b) => at(a) - at(b),
            Node::Mul(a, b) => at(a) * at(b),
            Node::Neg(a) => -at(a),
        };
        values.push(value);
    }
    values
}
