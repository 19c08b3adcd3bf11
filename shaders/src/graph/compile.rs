//! From a graph to kernels.

use std::collections::{BTreeSet, HashMap};
use std::fmt::Write as _;

use super::{Graph, Node, NodeId, Output};
use crate::kernel::{Kernel, QUINTIC};
use crate::words::{DEGREE, ext_words, to_word};

/// The most operations of a kernel, counted as [`cost`] does. Twice as many take a driver four times as long.
const COST_MAX: usize = 800;

/// How a matrix that a graph reads lies in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// The column of the [`Columns`](crate::Columns) that the graph calls column 0.
    pub first_column: usize,
    /// Columns of a slab.
    pub per_slab: usize,
    /// log2 of the rows.
    pub log_rows: u32,
}

/// What a kernel binds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Binding {
    /// The scalars.
    Scalars,
    /// The weights of a sum.
    Weights,
    /// What waits for later kernels.
    Waiting,
    /// Where results go.
    Output,
    /// The factor of each row.
    Factor,
    /// One slab of a matrix.
    Slab {
        /// The matrix.
        matrix: u32,
        /// Its slab.
        slab: usize,
    },
}

/// A graph as kernels, to be run one after the other.
#[derive(Debug)]
pub struct Program {
    pub(super) kernels: Vec<(Kernel, Vec<Binding>)>,
    /// Words that wait, of each row.
    pub(super) waiting_words: u32,
    pub(super) output: Output,
}

impl Program {
    /// How many kernels it has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.kernels.len()
    }

    /// Whether nothing is computed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.kernels.is_empty()
    }

    /// Words of device memory that wait between kernels, of each row.
    #[must_use]
    pub const fn waiting_words(&self) -> u32 {
        self.waiting_words
    }
}

/// Whether each node is in the challenge field.
fn extensions(nodes: &[Node]) -> Vec<bool> {
    let mut extension: Vec<bool> = Vec::with_capacity(nodes.len());
    for node in nodes {
        let of_operands = node.operands().iter().flatten().any(|&id| extension[id as usize]);
        let leaf = matches!(node, Node::ConstantExt(_) | Node::ScalarExt(_) | Node::CellExt { .. });
        extension.push(leaf || of_operands);
    }
    extension
}

/// How many base operations a node is worth.
fn cost(node: &Node, extension: &[bool]) -> usize {
    let is_extension = |id: NodeId| extension[id as usize];
    match *node {
        Node::Add(a, b) | Node::Sub(a, b) => {
            if is_extension(a) && is_extension(b) {
                DEGREE
            } else {
                1
            }
        }
        Node::Mul(a, b) => match (is_extension(a), is_extension(b)) {
            (true, true) => 45,
            (false, false) => 1,
            _ => DEGREE,
        },
        Node::Neg(a) => {
            if is_extension(a) {
                DEGREE
            } else {
                1
            }
        }
        _ => 0,
    }
}

/// Compiles a graph over matrices of these shapes.
///
/// The nodes that are needed are taken in their order and cut wherever a kernel is full. A leaf is read again by every kernel that
/// needs it; an operation that a later kernel needs waits in memory.
#[must_use]
pub fn compile(label: &str, graph: &Graph, matrices: &[Shape]) -> Program {
    let nodes = &graph.nodes;
    let extension = extensions(nodes);

    // The kernel in which each operation is computed; none for leaves and for what is not needed.
    let mut needed = vec![false; nodes.len()];
    for &root in graph.output.roots() {
        needed[root as usize] = true;
    }
    for (id, node) in nodes.iter().enumerate().rev() {
        if needed[id] {
            node.operands().iter().flatten().for_each(|&operand| needed[operand as usize] = true);
        }
    }
    let mut roots_of: HashMap<NodeId, Vec<u32>> = HashMap::new();
    for (place, &root) in graph.output.roots().iter().enumerate() {
        roots_of.entry(root).or_default().push(place as u32);
    }
    let mut kernel_of: Vec<Option<usize>> = vec![None; nodes.len()];
    let (mut kernel, mut full) = (0, 0);
    for (id, node) in nodes.iter().enumerate().filter(|&(id, _)| needed[id]) {
        let roots = roots_of.get(&(id as NodeId)).map_or(0, Vec::len);
        let folded = if extension[id] { 45 + DEGREE } else { 2 * DEGREE };
        let cost = cost(node, &extension) + roots * folded;
        if full > 0 && full + cost > COST_MAX {
            (kernel, full) = (kernel + 1, 0);
        }
        full += cost;
        // A leaf counts only where it is itself a result.
        if node.operands()[0].is_some() || roots > 0 {
            kernel_of[id] = Some(kernel);
        }
    }
    let last_kernel = kernel_of.iter().flatten().max().copied();

    // Until which kernel each operation is needed, and where it waits for it.
    let mut needed_until: Vec<Option<usize>> = kernel_of.clone();
    for (id, node) in nodes.iter().enumerate() {
        for &operand in node.operands().iter().flatten() {
            needed_until[operand as usize] = needed_until[operand as usize].max(kernel_of[id]);
        }
    }
    let mut waiting = Waiting::default();
    for kernel in 0..last_kernel.map_or(0, |last| last + 1) {
        waiting.release(kernel);
        for (id, node) in nodes.iter().enumerate() {
            let operation = node.operands()[0].is_some();
            if let (true, Some(made), Some(until)) = (operation, kernel_of[id], needed_until[id])
                && made == kernel
                && until > kernel
            {
                waiting.hold(id as NodeId, if extension[id] { DEGREE as u32 } else { 1 }, until);
            }
        }
    }

    let kernels = (0..last_kernel.map_or(0, |last| last + 1)).map(|kernel| {
        let mut writer = Writer {
            graph,
            matrices,
            extension: &extension,
            places: &waiting.places,
            text: String::new(),
            named: BTreeSet::new(),
            bindings: BTreeSet::new(),
        };
        let made: Vec<NodeId> =
            (0..nodes.len()).filter(|&id| kernel_of[id] == Some(kernel)).map(|id| id as NodeId).collect();
        writer.write(&made, &roots_of, Some(kernel) == last_kernel);
        writer.finish(format!("{label}_{kernel}"))
    });
    Program { kernels: kernels.collect(), waiting_words: waiting.words, output: graph.output.clone() }
}

/// Places for what waits, used again once nobody needs it.
#[derive(Default)]
struct Waiting {
    places: HashMap<NodeId, u32>,
    held: Vec<(usize, u32, u32)>,
    free: HashMap<u32, Vec<u32>>,
    words: u32,
}

impl Waiting {
    fn hold(&mut self, id: NodeId, words: u32, until: usize) {
        let place = self.free.entry(words).or_default().pop().unwrap_or_else(|| {
            self.words += words;
            self.words - words
        });
        self.places.insert(id, place);
        self.held.push((until, words, place));
    }

    /// Frees what was last needed before `kernel`. A kernel reads all that waits for it before it writes anything of its own, but
    /// keeps a place of what it reads itself until it is done.
    fn release(&mut self, kernel: usize) {
        let (gone, held): (Vec<_>, Vec<_>) = self.held.drain(..).partition(|&(until, ..)| until < kernel);
        self.held = held;
        for (_, words, place) in gone {
            self.free.entry(words).or_default().push(place);
        }
    }
}

/// Writes the text of one kernel.
struct Writer<'a> {
    graph: &'a Graph,
    matrices: &'a [Shape],
    extension: &'a [bool],
    places: &'a HashMap<NodeId, u32>,
    text: String,
    named: BTreeSet<NodeId>,
    bindings: BTreeSet<Binding>,
}

impl Writer<'_> {
    fn write(&mut self, made: &[NodeId], roots_of: &HashMap<NodeId, Vec<u32>>, last: bool) {
        let sums = matches!(self.graph.output, Output::Sum(_));
        if sums {
            self.line("var sum = e_zero();");
        }
        for &id in made {
            self.node(id);
            for &place in roots_of.get(&id).into_iter().flatten() {
                self.root(id, place, sums);
            }
            if let Some(&place) = self.places.get(&id) {
                self.bindings.insert(Binding::Waiting);
                let coordinates = if self.extension[id as usize] { DEGREE as u32 } else { 1 };
                for c in 0..coordinates {
                    let value = if coordinates == 1 { format!("v{id}") } else { format!("v{id}.c{c}") };
                    self.line(&format!("waiting[{}u * params.rows + thread] = {value};", place + c));
                }
            }
        }
        if sums {
            self.bindings.insert(Binding::Output);
            self.line("if params.fresh == 0u { sum = e_add(sum, output_at(row)); }");
            if last {
                self.bindings.insert(Binding::Factor);
                self.line("sum = e_scale(sum, factor[row]);");
            }
            self.line("put_output(0u, row, sum);");
        }
    }

    fn root(&mut self, id: NodeId, place: u32, sums: bool) {
        let extension = self.extension[id as usize];
        if sums {
            self.bindings.insert(Binding::Weights);
            let product = if extension { "e_mul" } else { "e_scale" };
            self.line(&format!("sum = e_add(sum, {product}(weight({place}u), v{id}));"));
        } else {
            self.bindings.insert(Binding::Output);
            let value = if extension { format!("v{id}") } else { format!("Ext(v{id}, 0u, 0u, 0u, 0u)") };
            self.line(&format!("put_output({place}u, row, {value});"));
        }
    }

    /// Makes sure that a node has a name here: an operation of an earlier kernel is read from where it waits.
    fn name(&mut self, id: NodeId) {
        let Some(&place) = self.places.get(&id).filter(|_| !self.named.contains(&id)) else {
            return self.node(id);
        };
        self.bindings.insert(Binding::Waiting);
        let word = |c: u32| format!("waiting[{}u * params.rows + thread]", place + c);
        let value = if self.extension[id as usize] {
            format!("Ext({})", (0..DEGREE as u32).map(word).collect::<Vec<_>>().join(", "))
        } else {
            word(0)
        };
        self.named.insert(id);
        self.line(&format!("let v{id} = {value};"));
    }

    fn node(&mut self, id: NodeId) {
        if self.named.contains(&id) {
            return;
        }
        let node = self.graph.nodes[id as usize];
        node.operands().iter().flatten().for_each(|&operand| self.name(operand));
        let extension = |id: NodeId| self.extension[id as usize];
        let value = match node {
            Node::Constant(value) => format!("{}u", to_word(value)),
            Node::ConstantExt(value) => {
                format!("Ext({})", ext_words(value).map(|word| format!("{word}u")).join(", "))
            }
            Node::Scalar(index) => self.scalar(index),
            Node::ScalarExt(index) => {
                let words: Vec<String> = (0..DEGREE as u32).map(|c| self.scalar(index + c)).collect();
                format!("Ext({})", words.join(", "))
            }
            Node::Cell { matrix, column, next } => self.cell(matrix, column, next),
            Node::CellExt { matrix, column, next } => {
                let cells: Vec<String> = (0..DEGREE as u32).map(|c| self.cell(matrix, column + c, next)).collect();
                format!("Ext({})", cells.join(", "))
            }
            Node::Add(a, b) => match (extension(a), extension(b)) {
                (false, false) => format!("f_add(v{a}, v{b})"),
                (true, true) => format!("e_add(v{a}, v{b})"),
                (true, false) => format!("e_add_base(v{a}, v{b})"),
                (false, true) => format!("e_add_base(v{b}, v{a})"),
            },
            Node::Sub(a, b) => match (extension(a), extension(b)) {
                (false, false) => format!("f_sub(v{a}, v{b})"),
                (true, true) => format!("e_sub(v{a}, v{b})"),
                (true, false) => format!("e_sub_base(v{a}, v{b})"),
                (false, true) => format!("e_add_base(e_neg(v{b}), v{a})"),
            },
            Node::Mul(a, b) => match (extension(a), extension(b)) {
                (false, false) => format!("f_mul(v{a}, v{b})"),
                (true, true) => format!("e_mul(v{a}, v{b})"),
                (true, false) => format!("e_scale(v{a}, v{b})"),
                (false, true) => format!("e_scale(v{b}, v{a})"),
            },
            Node::Neg(a) => format!("{}(v{a})", if extension(a) { "e_neg" } else { "f_neg" }),
        };
        self.named.insert(id);
        self.line(&format!("let v{id} = {value};"));
    }

    fn scalar(&mut self, index: u32) -> String {
        self.bindings.insert(Binding::Scalars);
        format!("scalars[{index}u]")
    }

    fn cell(&mut self, matrix: u32, column: u32, next: bool) -> String {
        let Shape { first_column, per_slab, log_rows } = self.matrices[matrix as usize];
        let column = first_column + column as usize;
        let slab = column / per_slab;
        self.bindings.insert(Binding::Slab { matrix, slab });
        let offset = (column % per_slab) << log_rows;
        format!("m{matrix}_{slab}[{offset}u + {}]", if next { "next" } else { "row" })
    }

    fn line(&mut self, line: &str) {
        let _ = writeln!(self.text, "    {line}");
    }

    fn finish(self, label: String) -> (Kernel, Vec<Binding>) {
        let bindings: Vec<Binding> = self.bindings.into_iter().collect();
        let mut text = String::new();
        for (i, binding) in bindings.iter().enumerate() {
            let (access, name) = match binding {
                Binding::Scalars => ("read", "scalars".to_owned()),
                Binding::Weights => ("read", "weights".to_owned()),
                Binding::Waiting => ("read_write", "waiting".to_owned()),
                Binding::Output => ("read_write", "output".to_owned()),
                Binding::Factor => ("read", "factor".to_owned()),
                Binding::Slab { matrix, slab } => ("read", format!("m{matrix}_{slab}")),
            };
            let _ = writeln!(text, "@group(0) @binding({}) var<storage, {access}> {name}: array<u32>;", i + 1);
        }
        text.push_str(include_str!("../../wgsl/graph.wgsl"));
        if bindings.contains(&Binding::Weights) {
            text.push_str(include_str!("../../wgsl/graph_weights.wgsl"));
        }
        if bindings.contains(&Binding::Output) {
            text.push_str(include_str!("../../wgsl/graph_output.wgsl"));
        }
        text.push_str(include_str!("../../wgsl/graph_main.wgsl"));
        text.push_str(&self.text);
        text.push_str("}\n");
        (Kernel::generated(label, &[QUINTIC], text), bindings)
    }
}
