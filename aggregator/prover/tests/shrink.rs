//! From the root of a batch to the proof that a seal verifies; and what a cheating prover may hand in instead of the link.

use std::time::Instant;

use sinter_circuit::{Builder, Inputs};
use sinter_program::{Digest, F, ParameterSet, ProofFile};
use sinter_prover::shrink::{Layers, Shrinker};
use sinter_prover::{CpuProver, Folder, NodeCircuit, Prover, Root};
use sinter_recursion::top::{self, Top, TopInputError};
use sinter_recursion::{NodeKey, Universal};

use crate::fold::dev_shape;

/// The layers at the development set: what closes there is smaller.
const LAYERS: Layers = Layers {
    shrink: ParameterSet::DEV,
    shrink_log_heights: [12, 12, 10, 10, 8],
    narrow: ParameterSet { queries: 4, ..ParameterSet::DEV },
    narrow_log_height: 14,
};
/// The Keccak root that the stand-in for a link claims.
const LIMBS: [u16; 16] = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 0xffff];

/// A circuit in the place of the link: it claims whatever it is told.
struct Claims {
    circuit: sinter_circuit::Circuit,
    node: NodeCircuit,
}

impl Claims {
    fn new(shape: &Universal) -> Self {
        let mut b = Builder::new();
        for index in 0..4 {
            let word = b.input_word();
            b.expose(index, word);
        }
        let circuit = b.finish(shape.heights()).unwrap();
        let node = NodeCircuit::new(shape, &circuit, Instant::now()).unwrap();
        Self { circuit, node }
    }

    fn prove(&self, root: &Root) -> ProofFile {
        let mut values = root.statements_root.to_vec();
        values.push(F::new(root.count));
        values.extend(LIMBS.map(|limb| F::new(limb.into())));
        values.resize(32, F::new(0));
        let mut inputs = Inputs::new();
        inputs.extend(values);
        self.node.prove(&CpuProver, &self.circuit, &inputs).unwrap().0
    }
}

struct Batch {
    fold_key: NodeKey,
    proof: ProofFile,
    root: Root,
}

fn batch(shape: &Universal) -> Batch {
    let folder = Folder::of(shape).unwrap();
    let null = folder.null(&CpuProver).unwrap();
    let proof = folder.fold(&CpuProver, &null, &null).unwrap().0;
    let root = folder.verify(&proof).unwrap();
    Batch { fold_key: folder.key().clone(), proof, root }
}

#[test]
fn a_root_and_its_link_become_one_narrow_proof() {
    let shape = dev_shape();
    let (batch, claims) = (batch(&shape), Claims::new(&shape));
    let links = [Digest::default(), *claims.node.digest()];
    let shrinker = Shrinker::new(&shape, &batch.fold_key, &links, &LAYERS).unwrap();
    let link = claims.prove(&batch.root);
    let (proof, _) = shrinker.shrink(&CpuProver, &batch.proof, &link).unwrap();
    shrinker.program().verify(&proof).unwrap();
    let (limbs, count) = top::read(&proof.public_values).unwrap();
    assert_eq!(limbs, LIMBS.map(|limb| F::new(limb.into())));
    assert_eq!(count, F::new(2));
    let rest = &proof.public_values[17..];
    assert!(rest.iter().all(|value| *value == F::new(0)));

    let mut forged = proof;
    forged.public_values[3] += F::new(1);
    shrinker.program().verify(&forged).unwrap_err();
}

#[test]
fn a_link_over_other_statements_is_refused() {
    let shape = dev_shape();
    let (batch, claims) = (batch(&shape), Claims::new(&shape));
    let links = [*claims.node.digest()];
    let top = Top::new(&shape, &batch.fold_key, &links).unwrap();
    let layer = sinter_prover::layer::Layer::new(*shape.parameters(), top.circuit()).unwrap();
    let accepts = |root: &Root| {
        let inputs = top.inputs(&shape, &batch.proof, &claims.prove(root)).unwrap();
        let honest = layer.prove(&CpuProver, top.circuit(), &inputs).is_ok();
        // A prover who goes on regardless has a proof that nobody takes.
        let witness = top.circuit().execute_regardless(&inputs).unwrap();
        let traces = top.circuit().traces(&witness);
        let (proof, _) = CpuProver.prove(layer.proving(), &traces, &top.circuit().public_values(&witness)).unwrap();
        let public_values = witness.publics().to_vec();
        let digest = *layer.program().digest();
        let file = ProofFile { kind: sinter_program::ProofKind::Leaf, digest, key: None, public_values, proof };
        (honest, layer.program().verify(&file).is_ok())
    };
    assert_eq!(accepts(&batch.root), (true, true));
    assert_eq!(accepts(&Root { count: 1, ..batch.root }), (false, false), "a dropped statement");
    assert_eq!(accepts(&Root { count: 3, ..batch.root }), (false, false), "an invented statement");
    let mut statements_root = batch.root.statements_root;
    statements_root[7] += F::new(1);
    assert_eq!(accepts(&Root { statements_root, ..batch.root }), (false, false), "other statements");
}

#[test]
fn what_is_no_link_and_what_is_no_root_is_said() {
    let shape = dev_shape();
    let (batch, claims) = (batch(&shape), Claims::new(&shape));
    let other = Digest::default();
    let top = Top::new(&shape, &batch.fold_key, &[other]).unwrap();
    let link = claims.prove(&batch.root);
    let error = top.inputs(&shape, &batch.proof, &link).unwrap_err();
    assert!(matches!(&error, TopInputError::Key { which: "link", got, .. } if got == claims.node.digest()), "{error}");
    let top = Top::new(&shape, &batch.fold_key, &[*claims.node.digest()]).unwrap();
    let error = top.inputs(&shape, &link, &link).unwrap_err();
    assert!(matches!(error, TopInputError::Key { which: "root", .. }), "{error}");

    // The circuit says so too: a link under a key that is none of those given.
    let inputs = {
        let knows = Top::new(&shape, &batch.fold_key, &[*claims.node.digest()]).unwrap();
        knows.inputs(&shape, &batch.proof, &link).unwrap()
    };
    let refuses = Top::new(&shape, &batch.fold_key, &[other]).unwrap();
    assert!(refuses.circuit().execute(&inputs).is_err());
}

#[test]
fn a_layer_that_is_too_low_is_said() {
    let shape = dev_shape();
    let batch = batch(&shape);
    let low = Layers { narrow_log_height: 10, ..LAYERS };
    let error = Shrinker::new(&shape, &batch.fold_key, &[Digest::default()], &low).unwrap_err();
    assert!(error.to_string().starts_with("narrow: narrow table: expected at most 1024 rows"), "{error}");
}
