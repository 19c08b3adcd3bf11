//! Programs: what is refused, and what a proof must match.

use p3_field::PrimeCharacteristicRing;
use p3_keccak_air::KeccakAir;
use sinter_program::dag::{DagError, DagParts, Global, Interactions, Node, Row, Tuple};
use sinter_program::field::digest_bytes;
use sinter_program::program::StatementLayout;
use sinter_program::{Dag, DagAir, F, ParameterSet, Program, ProgramError, ProofKind, VerifyError};

use crate::toy::{self, LOG_HEIGHTS, Toy};

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn digests_are_pinned() {
    let (toy, _) = toy::program();
    let keccak = DagAir::from_air(&KeccakAir {}).unwrap();
    let (keccak, _) = Program::build(vec![keccak], vec![7], ParameterSet::FOLD, StatementLayout::Raw).unwrap();
    let digests = [toy, keccak].map(|program| hex(&digest_bytes(program.digest())));
    assert_eq!(digests, [TOY, KECCAK]);
}

const TOY: &str = "4f5d465350a0aedd388201116b7bb4e4330933432565cc9a1cff8f141af549bb";
const KECCAK: &str = "6fe6e98212fa733679631e181ef72cd45d6baf0620a20f3940bd28df02e29c6c";

#[test]
fn a_proof_verifies_and_only_as_what_it_is() {
    let (program, mut file) = toy::proof();
    program.verify(&file).unwrap();
    file.public_values[1] += F::ONE;
    assert!(matches!(program.verify(&file), Err(VerifyError::Rejected { .. })));
    file.public_values[1] -= F::ONE;

    file.kind = ProofKind::Node;
    assert!(matches!(program.verify(&file), Err(VerifyError::Kind { .. })));
    file.kind = ProofKind::Leaf;

    file.digest[3] += F::ONE;
    assert!(matches!(program.verify(&file), Err(VerifyError::Program { .. })));
    file.digest = *program.digest();

    let last = file.public_values.pop().unwrap();
    assert_eq!(program.verify(&file), Err(VerifyError::PublicValues { expected: 2, got: 1 }));
    file.public_values.push(last);

    file.proof.degree_bits[1] += 1;
    let error = program.verify(&file).unwrap_err();
    assert_eq!(error.to_string(), "shape: log2 of a table's height: expected 5, got 6");
    file.proof.degree_bits[1] -= 1;
    program.verify(&file).unwrap();
}

#[test]
fn a_proof_under_another_digest_is_rejected() {
    let (program, file) = toy::proof();
    let config = program.config().with_digest(&[F::ONE; 8]);
    let error = program.verify_with(&config, &file.proof, &file.public_values);
    assert!(matches!(error, Err(VerifyError::Rejected { .. })), "{error:?}");
}

#[test]
fn heights_and_degrees_are_bounded() {
    let airs = || Toy::ALL.map(|air| DagAir::from_air(&air).unwrap()).to_vec();
    let build =
        |heights: [u8; 2], parameters| Program::build(airs(), heights.to_vec(), parameters, StatementLayout::Raw);
    let error = build([3, 5], ParameterSet::DEV).map(|_| ()).unwrap_err();
    assert_eq!(error.to_string(), "log2 of a height: expected 4..=22, got 3");
    let error = build([23, 5], ParameterSet::DEV).map(|_| ()).unwrap_err();
    assert_eq!(error.to_string(), "log2 of a height: expected 4..=22, got 23");
    let error = build([7, 5], ParameterSet::DEV).map(|_| ()).unwrap_err();
    assert_eq!(error, ProgramError::PreprocessedHeight { table: 0, expected: 128, got: 64 });
    let parameters = ParameterSet { log_blowup: 1, ..ParameterSet::DEV };
    assert!(build(LOG_HEIGHTS, parameters).is_ok());
    let error =
        Program::build(airs(), vec![6, 5], ParameterSet::DEV, StatementLayout::Journal).map(|_| ()).unwrap_err();
    assert_eq!(error, ProgramError::Journal { got: 2 });
}

#[test]
fn other_preprocessed_traces_are_refused() {
    let (program, _) = toy::program();
    program.prover_data().unwrap();
    let mut airs = program.airs().to_vec();
    let mut trace = airs[0].preprocessed().unwrap().clone();
    trace.values[5] += F::ONE;
    airs[0] = airs[0].clone().with_preprocessed(trace).unwrap();
    let commitment = program.commitment().cloned();
    let other = Program::new(airs, LOG_HEIGHTS.to_vec(), *program.parameters(), program.layout(), commitment).unwrap();
    assert!(matches!(other.prover_data(), Err(ProgramError::OtherPreprocessed)));
    assert_eq!(other.digest(), program.digest());
}

/// A graph of two columns: `constraint` is its only one.
fn parts(nodes: &[Node], constraints: &[u32]) -> DagParts {
    DagParts { main_width: 2, nodes: nodes.to_vec(), constraints: constraints.to_vec(), ..DagParts::default() }
}

const A: Node = Node::Main { row: Row::Local, column: 0 };
const B: Node = Node::Main { row: Row::Next, column: 1 };

#[test]
fn malformed_graphs_are_refused() {
    assert!(Dag::new(parts(&[A, B, Node::Sub(0, 1)], &[2])).is_ok());
    let refused = |nodes: &[Node], constraints: &[u32]| Dag::new(parts(nodes, constraints)).unwrap_err();
    assert_eq!(refused(&[A, Node::Mul(0, 1)], &[1]), DagError::Reference { what: "operand", limit: 1, got: 1 },);
    assert_eq!(refused(&[A], &[1]), DagError::Reference { what: "constraint", limit: 1, got: 1 });
    let column = Node::Main { row: Row::Local, column: 2 };
    assert_eq!(refused(&[column], &[0]), DagError::Reference { what: "main column", limit: 2, got: 2 });
    assert_eq!(refused(&[B, A, Node::Sub(1, 0)], &[2]), DagError::Order { expected: 0, got: 1 });
    assert_eq!(refused(&[A, B], &[0]), DagError::Unused { expected: 1, got: 2 });
    assert_eq!(refused(&[A, A, Node::Sub(0, 1)], &[2]), DagError::Duplicate { node: 1 });

    let mut nodes = vec![A];
    nodes.extend((0..9).map(|i| Node::Mul(i, i)));
    assert_eq!(refused(&nodes, &[9]), DagError::Degree { max: 257, got: 512 });
    let mut nodes = vec![A];
    nodes.extend((0..2000).map(Node::Neg));
    assert_eq!(refused(&nodes, &[2000]), DagError::Depth { max: 1536, got: 1537 });
}

#[test]
fn expressions_of_interactions_are_bounded_as_trees() {
    // Doubling sums: few nodes, many leaves, of which Plonky3 would visit every one on every row.
    let mut nodes = vec![A];
    nodes.extend((0..40).map(|i| Node::Add(i, i)));
    let tuple = Tuple { fields: vec![40], count: 0, weight: 1 };
    let interactions =
        Interactions { globals: vec![Global { bus: "bus".to_owned(), tuple }], ..Interactions::default() };
    let error = Dag::new(DagParts { interactions, ..parts(&nodes, &[]) }).unwrap_err();
    assert!(matches!(error, DagError::InteractionTree { .. }), "{error}");
}

#[test]
fn the_largest_lookup_that_stock_packs_is_within_the_stack() {
    // Constant messages have degree 0, so that stock packs all of them into one column: its expressions are as deep as
    // there are interactions.
    let tuple = || Tuple { fields: vec![0], count: 0, weight: 1 };
    let globals = (0..1024).map(|_| Global { bus: "bus".to_owned(), tuple: tuple() }).collect();
    let interactions = Interactions { globals, ..Interactions::default() };
    let dag = Dag::new(DagParts { interactions, ..parts(&[Node::Constant(F::ONE)], &[]) }).unwrap();
    let air = vec![DagAir::new(dag)];
    let program = Program::new(air, vec![4], ParameterSet::DEV, StatementLayout::Raw, None).unwrap();
    assert_eq!(program.lookups()[0].len(), 1);
    assert!(program.with_lookups(0).unwrap().nodes().len() > 3 * 1024);
    let bytes = sinter_program::file::encode(&program);
    assert_eq!(sinter_program::file::decode(&bytes).unwrap().digest(), program.digest());
}

#[test]
fn the_deepest_graph_is_within_the_stack() {
    let mut nodes = vec![A];
    nodes.extend((0..1536).map(|i| if i % 2 == 0 { Node::Add(i, 0) } else { Node::Neg(i) }));
    let dag = Dag::new(parts(&nodes, &[1536])).unwrap();
    Program::new(vec![DagAir::new(dag)], vec![4], ParameterSet::DEV, StatementLayout::Raw, None).unwrap();
}
