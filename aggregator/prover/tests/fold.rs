//! Wrap and fold real programs, at the production parameters.

use std::time::Instant;

use p3_batch_stark::verify_batch;
use sinter_program::{Config, DagAir, ParameterSet, Program, ProofFile, ProofKind, StatementLayout};
use sinter_prover::{CpuProver, Folder, Prover, ProvingKey, Wrapper, standard::Standard};
use sinter_recursion::{Universal, node, statement};

/// A proof of a standard program, and the program.
pub fn leaf(standard: Standard, log_rows: u8, set: ParameterSet, seed: u64) -> (Program, ProofFile) {
    let air = DagAir::new(standard.dag().unwrap());
    let program = Program::new(vec![air], vec![log_rows], set, StatementLayout::Raw, None).unwrap();
    let key = ProvingKey::new(program.config(), program.airs().to_vec(), vec![log_rows.into()]).unwrap();
    let trace = standard.trace(log_rows, seed).unwrap();
    let (proof, _) = CpuProver.prove(&key, &[trace], &[vec![]]).unwrap();
    let (kind, digest) = (ProofKind::Leaf, *program.digest());
    (program, ProofFile { kind, digest, key: None, public_values: vec![], proof })
}

#[test]
fn a_tree_of_three_programs_at_the_production_parameters() {
    let folder = Folder::new().unwrap();
    println!("fold: {:?} build {:?}", folder.node().rows(), folder.node().build());
    let mut nodes = Vec::new();
    for (standard, log_rows) in [(Standard::Poseidon2, 8), (Standard::Keccak, 6), (Standard::Blake3, 4)] {
        let (program, proof) = leaf(standard, log_rows, ParameterSet::FOLD, 1);
        let start = Instant::now();
        let wrapper = Wrapper::new(&program).unwrap();
        println!("{standard}: {:?} build {:?}", wrapper.layers(), start.elapsed());
        let (node, report) = wrapper.wrap(&CpuProver, &proof).unwrap();
        println!("{standard}: wrapped in {:?} {:?}", report.wall, report.stages);
        nodes.push(node);
    }
    let (pair, report) = folder.fold(&CpuProver, &nodes[0], &nodes[1]).unwrap();
    println!(
        "fold: {:?} {:?}, {} bytes",
        report.wall,
        report.stages,
        pair.encode(folder.shape().shape()).unwrap().len()
    );
    let (root, report) = folder.fold(&CpuProver, &pair, &nodes[2]).unwrap();
    println!("fold: {:?} {:?}", report.wall, report.stages);
    let found = folder.verify(&root).unwrap();
    let leaves: Vec<_> = nodes.iter().map(|file| node::statement(file).leaf()).collect();
    assert_eq!(found.count, 3);
    assert_eq!(Some(found.statements_root), statement::root(&leaves));

    // Stock, with nothing of ours but the tables and the digest that starts the transcript.
    let key = folder.key();
    let program = Universal::fold().program(key).unwrap();
    let config = Config::new(ParameterSet::FOLD, &key.digest);
    let publics = [vec![], vec![], vec![], vec![], root.public_values.clone()];
    verify_batch(&config, program.airs(), &root.proof, &publics, &program.common()).unwrap();
}
