//! Graphs at random, long enough to be cut into many kernels, against an evaluation on the host.

use p3_field::PrimeCharacteristicRing;
use p3_matrix::bitrev::BitReversibleMatrix;
use p3_matrix::{Matrix, dense::RowMajorMatrix};
use p3_util::reverse_bits_len;
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use sinter_shaders::graph::{Arguments, Graph, Node, Output, Shape, compile};
use sinter_shaders::words::{EF, F, ext_words, from_planes, to_word};
use sinter_shaders::{Columns, Kernels, Options};

use crate::kit::{POISON, elements, extensions, variants};

const WIDTHS: [usize; 2] = [13, 6];
const LOG_ROWS: [u32; 2] = [5, 7];
/// The rows that are evaluated: all of the first matrix, the first quarter of the second.
const ROWS: usize = 32;
const STEP: usize = 4;

/// A graph that uses every kind of node and reaches far back.
fn graph(operations: usize, seed: u64, sum: bool) -> Graph {
    let mut random = SmallRng::seed_from_u64(seed);
    let mut nodes = vec![
        Node::Constant(F::NEG_ONE),
        Node::Constant(F::from_u32(77)),
        Node::ConstantExt(extensions(1, 50)[0]),
        Node::Scalar(0),
        Node::ScalarExt(1),
    ];
    for matrix in 0..2u32 {
        for column in 0..WIDTHS[matrix as usize] as u32 {
            nodes.push(Node::Cell { matrix, column, next: column % 3 == 0 });
        }
        nodes.push(Node::CellExt { matrix, column: 1, next: true });
        nodes.push(Node::CellExt { matrix, column: 0, next: false });
    }
    for _ in 0..operations {
        // One operand near, so that nearly everything is needed; one anywhere, so that much has to wait.
        let count = nodes.len() as u32;
        let (a, b) = (random.random_range(count.saturating_sub(20)..count), random.random_range(0..count));
        nodes.push(match random.random_range(0..7u32) {
            0 | 1 => Node::Add(a, b),
            2 | 3 => Node::Sub(a, b),
            4 | 5 => Node::Mul(a, b),
            _ => Node::Neg(a),
        });
    }
    let first = nodes.len() as u32 - operations as u32;
    let mut roots: Vec<u32> = (0..9).map(|i| first + i * (operations as u32 / 9)).collect();
    // A leaf, and one node twice.
    roots.extend([5, first + 1, nodes.len() as u32 - 1]);
    roots.push(first + 1);
    Graph { nodes, output: if sum { Output::Sum(roots) } else { Output::Nodes(roots) } }
}

fn run(kernels: &Kernels, graph: &Graph) {
    let first_columns = [3usize, 0];
    let mut recorder = kernels.device().record();
    let mut matrices = Vec::new();
    let mut hosts = Vec::new();
    for m in 0..2 {
        let width = WIDTHS[m] + first_columns[m];
        let values = elements(width << LOG_ROWS[m], 60 + m as u64);
        let columns = Columns::new(kernels.device(), LOG_ROWS[m], width, 8).unwrap();
        kernels.upload_rows(&mut recorder, &columns, 0, &values, width).unwrap();
        matrices.push(columns);
        hosts.push(RowMajorMatrix::new(values, width).bit_reverse_rows().to_row_major_matrix());
    }
    let scalar = F::from_u32(123_456);
    let scalar_ext = extensions(2, 70)[1];
    let weights = extensions(graph.output.roots().len(), 71);
    let factor = elements(ROWS, 72);

    let shapes: Vec<Shape> =
        (0..2).map(|m| Shape { first_column: first_columns[m], per_slab: 8, log_rows: LOG_ROWS[m] }).collect();
    let program = compile("test", graph, &shapes);
    let outputs = if matches!(graph.output, Output::Sum(_)) { 1 } else { weights.len() };
    let device = kernels.device();
    let output = device.upload(&vec![POISON; 5 * ROWS * outputs]).unwrap();
    let scalars = device.upload(&[vec![to_word(scalar)], ext_words(scalar_ext).to_vec()].concat()).unwrap();
    let weight_words: Vec<u32> = weights.iter().flat_map(|&weight| ext_words(weight)).collect();
    let arguments = Arguments {
        matrices: &[&matrices[0], &matrices[1]],
        scalars: &scalars,
        weights: &device.upload(&weight_words).unwrap(),
        factor: &device.upload(&factor.iter().map(|&f| to_word(f)).collect::<Vec<_>>()).unwrap(),
        log_rows: ROWS.ilog2(),
        step: STEP as u32,
        output: &output,
    };
    kernels.run(&mut recorder, &program, &arguments).unwrap();
    recorder.submit().unwrap();
    let got: Vec<Vec<EF>> =
        device.download(&output, 0..output.words()).unwrap().chunks_exact(5 * ROWS).map(from_planes).collect();

    for row in 0..ROWS {
        let bits = ROWS.ilog2() as usize;
        let next = reverse_bits_len((reverse_bits_len(row, bits) + STEP) % ROWS, bits);
        let cell = |matrix: u32, column: u32, wanted: bool| {
            let m = matrix as usize;
            hosts[m].get(if wanted { next } else { row }, first_columns[m] + column as usize).unwrap()
        };
        let mut values: Vec<EF> = Vec::new();
        for node in &graph.nodes {
            let at = |id: u32| values[id as usize];
            values.push(match *node {
                Node::Constant(value) => value.into(),
                Node::ConstantExt(value) => value,
                Node::Scalar(_) => scalar.into(),
                Node::ScalarExt(_) => scalar_ext,
                Node::Cell { matrix, column, next } => cell(matrix, column, next).into(),
                Node::CellExt { matrix, column, next } => {
                    use p3_field::BasedVectorSpace;
                    EF::from_basis_coefficients_fn(|c| cell(matrix, column + c as u32, next))
                }
                Node::Add(a, b) => at(a) + at(b),
                Node::Sub(a, b) => at(a) - at(b),
                Node::Mul(a, b) => at(a) * at(b),
                Node::Neg(a) => -at(a),
            });
        }
        let roots = graph.output.roots();
        match graph.output {
            Output::Sum(_) => {
                let sum: EF = roots.iter().zip(&weights).map(|(&root, &weight)| weight * values[root as usize]).sum();
                assert_eq!(got[0][row], sum * factor[row], "row {row}, {} kernels", program.len());
            }
            Output::Nodes(_) => {
                for (place, &root) in roots.iter().enumerate() {
                    assert_eq!(got[place][row], values[root as usize], "node {root} of row {row}");
                }
            }
        }
    }
}

#[test]
fn sums_and_nodes_are_what_the_host_computes() {
    for kernels in variants("graph", Options::default()) {
        for (operations, seed) in [(9, 1), (60, 2), (300, 3)] {
            run(&kernels, &graph(operations, seed, true));
            run(&kernels, &graph(operations, seed, false));
        }
    }
}

#[test]
fn a_long_graph_is_cut_into_bounded_kernels() {
    let program = compile("test", &graph(3000, 4, true), &[Shape { first_column: 0, per_slab: 8, log_rows: 5 }; 2]);
    assert!(program.len() >= 10, "{} kernels", program.len());
    assert!(program.waiting_words() > 0);
}
