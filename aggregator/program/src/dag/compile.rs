//! A graph compiled for evaluation: a straight line of operations on a few reused slots.
//!
//! The prover evaluates the constraints once for every packed row of the quotient domain, so this is its hot path. A value
//! lives in a slot from the operation that makes it to its last use; slots are reused, so that they stay in the first-level
//! cache. Cells are read where they lie and never copied.

use p3_air::{AirBuilder, WindowAccess};
use p3_field::{Dup, PrimeCharacteristicRing};

use super::{Dag, Node, NodeId, Row};
use crate::field::F;

/// Where an operand is read.
#[derive(Clone, Copy, Debug)]
enum Operand {
    Slot(u32),
    MainLocal(u32),
    MainNext(u32),
    PreprocessedLocal(u32),
    PreprocessedNext(u32),
}

/// One step of a program.
#[derive(Clone, Copy, Debug)]
enum Step {
    Add(u32, Operand, Operand),
    Sub(u32, Operand, Operand),
    Mul(u32, Operand, Operand),
    Neg(u32, Operand),
    /// Emit the next constraint.
    Assert(Operand),
}

/// A leaf that is not a cell: it is put into its slot before the first step and stays there.
#[derive(Clone, Copy, Debug)]
enum Fixed {
    Constant(F),
    Public(u32),
    IsFirstRow,
    IsLastRow,
    IsTransition,
}

/// The constraints of a [`Dag`], ready to run.
#[derive(Clone, Debug)]
pub(super) struct Program {
    fixed: Vec<Fixed>,
    steps: Vec<Step>,
    slots: usize,
}

impl Program {
    /// Compile the constraints of a graph; what only its interactions use is left out.
    pub(super) fn new(dag: &Dag) -> Self {
        let nodes = dag.nodes();
        // In canonical order the nodes of the constraints come first.
        let used = dag.constraints().iter().map(|&root| root as usize + 1).max().unwrap_or(0);

        // A constraint is emitted as soon as it and all constraints before it are computed.
        let mut emit_after: Vec<Vec<NodeId>> = vec![Vec::new(); used];
        let mut last_use: Vec<usize> = (0..used).collect();
        let mut reached = 0;
        for &root in dag.constraints() {
            reached = reached.max(root as usize);
            emit_after[reached].push(root);
            last_use[root as usize] = last_use[root as usize].max(reached);
        }
        for (id, node) in nodes[..used].iter().enumerate() {
            let (a, b) = node.operands();
            for operand in a.into_iter().chain(b) {
                last_use[operand as usize] = last_use[operand as usize].max(id);
            }
        }
        let mut expires: Vec<Vec<usize>> = vec![Vec::new(); used];
        for (id, &last) in last_use.iter().enumerate() {
            expires[last].push(id);
        }

        let mut compiler = Compiler::default();
        let mut places: Vec<Option<Operand>> = vec![None; used];
        for (id, node) in nodes[..used].iter().enumerate() {
            if let Some(fixed) = fixed_leaf(node) {
                places[id] = Some(Operand::Slot(compiler.fix(fixed)));
            }
        }
        for (id, node) in nodes[..used].iter().enumerate() {
            // Operands come before their node, and a place is set for every node in turn.
            let at = |id: NodeId| places[id as usize].unwrap_or(Operand::Slot(0));
            let step: Option<fn(u32, Operand, Operand) -> Step> = match node {
                Node::Add(..) => Some(Step::Add),
                Node::Sub(..) => Some(Step::Sub),
                Node::Mul(..) => Some(Step::Mul),
                Node::Neg(_) => Some(|slot, a, _| Step::Neg(slot, a)),
                _ => None,
            };
            if let (Some(step), (Some(a), b)) = (step, node.operands()) {
                let (a, b) = (at(a), at(b.unwrap_or(a)));
                let slot = compiler.allocate();
                compiler.steps.push(step(slot, a, b));
                places[id] = Some(Operand::Slot(slot));
            } else if let Some(cell) = cell(node) {
                places[id] = Some(cell);
            }
            for &root in &emit_after[id] {
                compiler.steps.extend(places[root as usize].map(Step::Assert));
            }
            for &gone in &expires[id] {
                if let (Some(Operand::Slot(slot)), None) = (places[gone], fixed_leaf(&nodes[gone])) {
                    compiler.free.push(slot);
                }
            }
        }
        let Compiler { fixed, steps, slots, .. } = compiler;
        Self { fixed, steps, slots: slots as usize }
    }

    /// Run the constraints in a builder, emitting each in order.
    pub(super) fn run<AB: AirBuilder<F = F>>(&self, builder: &mut AB) {
        let main = builder.main();
        let preprocessed = builder.preprocessed().clone();
        let (main_local, main_next) = (main.current_slice(), main.next_slice());
        let (prep_local, prep_next) = (preprocessed.current_slice(), preprocessed.next_slice());

        let mut slots: Vec<AB::Expr> = Vec::with_capacity(self.slots);
        slots.extend(self.fixed.iter().map(|fixed| match *fixed {
            Fixed::Constant(value) => AB::Expr::from(value),
            Fixed::Public(index) => builder.public_values()[index as usize].into(),
            Fixed::IsFirstRow => builder.is_first_row(),
            Fixed::IsLastRow => builder.is_last_row(),
            Fixed::IsTransition => builder.is_transition(),
        }));
        slots.resize_with(self.slots, || AB::Expr::ZERO);

        let read = |slots: &[AB::Expr], operand: Operand| -> AB::Expr {
            match operand {
                Operand::Slot(slot) => slots[slot as usize].dup(),
                Operand::MainLocal(column) => main_local[column as usize].into(),
                Operand::MainNext(column) => main_next[column as usize].into(),
                Operand::PreprocessedLocal(column) => prep_local[column as usize].into(),
                Operand::PreprocessedNext(column) => prep_next[column as usize].into(),
            }
        };
        for step in &self.steps {
            match *step {
                Step::Add(slot, a, b) => slots[slot as usize] = read(&slots, a) + read(&slots, b),
                Step::Sub(slot, a, b) => slots[slot as usize] = read(&slots, a) - read(&slots, b),
                Step::Mul(slot, a, b) => slots[slot as usize] = read(&slots, a) * read(&slots, b),
                Step::Neg(slot, a) => slots[slot as usize] = -read(&slots, a),
                Step::Assert(root) => builder.assert_zero(read(&slots, root)),
            }
        }
    }

    /// How many values are live at once.
    pub(super) const fn slots(&self) -> usize {
        self.slots
    }
}

/// The operand of a cell.
const fn cell(node: &Node) -> Option<Operand> {
    match *node {
        Node::Main { row: Row::Local, column } => Some(Operand::MainLocal(column)),
        Node::Main { row: Row::Next, column } => Some(Operand::MainNext(column)),
        Node::Preprocessed { row: Row::Local, column } => Some(Operand::PreprocessedLocal(column)),
        Node::Preprocessed { row: Row::Next, column } => Some(Operand::PreprocessedNext(column)),
        _ => None,
    }
}

/// The leaf of a node that is one and is not a cell.
const fn fixed_leaf(node: &Node) -> Option<Fixed> {
    match *node {
        Node::Constant(value) => Some(Fixed::Constant(value)),
        Node::Public(index) => Some(Fixed::Public(index)),
        Node::IsFirstRow => Some(Fixed::IsFirstRow),
        Node::IsLastRow => Some(Fixed::IsLastRow),
        Node::IsTransition => Some(Fixed::IsTransition),
        _ => None,
    }
}

#[derive(Default)]
struct Compiler {
    fixed: Vec<Fixed>,
    steps: Vec<Step>,
    free: Vec<u32>,
    slots: u32,
}

impl Compiler {
    /// A slot for a leaf that stays; called before any other slot is taken.
    fn fix(&mut self, fixed: Fixed) -> u32 {
        self.fixed.push(fixed);
        self.slots += 1;
        self.slots - 1
    }

    /// A slot that is free now: the one freed last, which is the likeliest to be cached.
    fn allocate(&mut self) -> u32 {
        self.free.pop().unwrap_or_else(|| {
            self.slots += 1;
            self.slots - 1
        })
    }
}
