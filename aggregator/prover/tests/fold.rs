//! Wrap and fold programs that no one here wrote, and check the result with stock Plonky3 alone.

use p3_batch_stark::verify_batch;
use sinter_program::{Config, DagAir, ParameterSet, Program, ProofFile, ProofKind, StatementLayout};
use sinter_prover::{CpuProver, Folder, Prover, ProvingKey, Wrapper, standard::Standard};
use sinter_recursion::{Universal, node, statement};

/// A small shape in which a fold closes at the development set: an eighth of the work.
pub fn dev_shape() -> Universal {
    Universal::new(ParameterSet::DEV, [13, 13, 11, 11, 8]).unwrap()
}

/// A standard program, and proofs of it under different seeds.
pub fn leaves(standard: Standard, log_rows: u8, set: ParameterSet, seeds: &[u64]) -> (Program, Vec<ProofFile>) {
    let air = DagAir::new(standard.dag().unwrap());
    let program = Program::new(vec![air], vec![log_rows], set, StatementLayout::Raw, None).unwrap();
    let key = ProvingKey::new(program.config(), program.airs().to_vec(), vec![log_rows.into()]).unwrap();
    let prove = |&seed| {
        let trace = standard.trace(log_rows, seed).unwrap();
        let (proof, _) = CpuProver.prove(&key, &[trace], &[vec![]]).unwrap();
        ProofFile { kind: ProofKind::Leaf, digest: *program.digest(), key: None, public_values: vec![], proof }
    };
    let proofs = seeds.iter().map(prove).collect();
    (program, proofs)
}

/// Accepts the root of a batch with nothing of ours but the tables, as data, and the transcript's first digest.
fn stock_accepts(folder: &Folder<'_>, root: &ProofFile) {
    let key = folder.key();
    let program = folder.shape().program(key).unwrap();
    let config = Config::new(*folder.shape().parameters(), &key.digest);
    let publics = [vec![], vec![], vec![], vec![], root.public_values.clone()];
    verify_batch(&config, program.airs(), &root.proof, &publics, &program.common()).unwrap();
    let mut forged = publics;
    forged[4][8] += sinter_program::F::new(1);
    assert!(verify_batch(&config, program.airs(), &root.proof, &forged, &program.common()).is_err());
}

/// Folds proofs in the shape of RFC 6962.
fn tree(folder: &Folder<'_>, mut nodes: Vec<ProofFile>) -> ProofFile {
    if nodes.len() == 1 {
        return nodes.remove(0);
    }
    let right = nodes.split_off(nodes.len().next_power_of_two() / 2);
    let (left, right) = (tree(folder, nodes), tree(folder, right));
    folder.fold(&CpuProver, &left, &right).unwrap().0
}

/// Folds proofs and checks root, count and proof.
fn aggregate(folder: &Folder<'_>, nodes: Vec<ProofFile>) -> ProofFile {
    let leaves: Vec<_> = nodes.iter().map(|file| node::statement(file).leaf()).collect();
    let root = tree(folder, nodes);
    let found = folder.verify(&root).unwrap();
    assert_eq!(found.count as usize, leaves.len());
    assert_eq!(Some(found.statements_root), statement::root(&leaves));
    stock_accepts(folder, &root);
    root
}

#[test]
fn sixteen_proofs_of_three_programs_at_different_heights_make_one() {
    let shape = dev_shape();
    let folder = Folder::of(&shape).unwrap();
    let mut nodes = Vec::new();
    for (standard, log_rows, seeds) in [
        (Standard::Poseidon2, 8, 0..5),
        (Standard::Keccak, 6, 0..4),
        (Standard::Blake3, 4, 0..4),
        (Standard::Poseidon2, 5, 5..7),
        (Standard::Keccak, 5, 4..5),
    ] {
        let (program, proofs) = leaves(standard, log_rows, ParameterSet::DEV, &seeds.collect::<Vec<_>>());
        let wrapper = Wrapper::of(&shape, &program).unwrap();
        nodes.extend(proofs.iter().map(|proof| wrapper.wrap(&CpuProver, proof).unwrap().0));
    }
    assert_eq!(nodes.len(), 16);
    // Mixed: neighbours are of different programs.
    let nodes = (0..16).map(|i| i * 5 % 16).map(|i| clone(&shape, &nodes[i])).collect();
    let _ = aggregate(&folder, nodes);
}

#[test]
fn a_fold_of_folds_of_folds_has_the_same_key_at_every_depth() {
    let shape = dev_shape();
    let folder = Folder::of(&shape).unwrap();
    let null = folder.null(&CpuProver).unwrap();
    let mut node = clone(&shape, &null);
    for depth in 1..=3 {
        let (next, _) = folder.fold(&CpuProver, &node, &node).unwrap();
        assert_eq!(next.digest, folder.key().digest, "depth {depth}");
        let found = folder.verify(&next).unwrap();
        assert_eq!(found.count, 1 << depth);
        node = next;
    }
    stock_accepts(&folder, &node);
}

/// Production parameters: a wide program, wrapped twice, and a narrow one.
#[test]
fn the_production_parameters_fold_wide_and_narrow_programs() {
    let folder = Folder::new().unwrap();
    let (keccak, keccak_proofs) = leaves(Standard::Keccak, 7, ParameterSet::FOLD, &[1]);
    let (poseidon2, poseidon2_proofs) = leaves(Standard::Poseidon2, 8, ParameterSet::FOLD, &[1]);
    let mut nodes = Vec::new();
    for (program, proof) in [(keccak, &keccak_proofs[0]), (poseidon2, &poseidon2_proofs[0])] {
        let wrapper = Wrapper::new(&program).unwrap();
        println!("{:?}", wrapper.layers().iter().map(|l| l.map(|r| (r.table.name(), r.used))).collect::<Vec<_>>());
        let (node, report) = wrapper.wrap(&CpuProver, proof).unwrap();
        println!("wrapped in {:?} {:?}", report.wall, report.stages);
        nodes.push(node);
    }
    let pair = aggregate(&folder, nodes);
    let bytes = pair.encode(folder.shape().shape()).unwrap().len();
    println!("{bytes} bytes");
    assert!(bytes <= 400_000, "{bytes} bytes");
}

/// A proof is not `Clone`: through its bytes.
fn clone(shape: &Universal, file: &ProofFile) -> ProofFile {
    shape.decode(&file.encode(shape.shape()).unwrap()).unwrap()
}
