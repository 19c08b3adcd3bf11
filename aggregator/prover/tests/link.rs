//! Links of small batches, wrapped; what each capacity's link is, and what its proofs prove.

use p3_batch_stark::verify_batch;
use p3_field::PrimeCharacteristicRing;
use sinter_circuit::Heights;
use sinter_primitives::statements::StatementTree;
use sinter_program::field::digest_bytes;
use sinter_program::soundness::Report;
use sinter_program::{Config, F, ParameterSet};
use sinter_prover::layer::Layer;
use sinter_prover::link::{Capacity, LinkError, LinkedError, WIDE_HEIGHTS};
use sinter_prover::{CpuProver, Folder, Linker};
use sinter_recursion::statement::{PUBLIC_VALUES, root};
use sinter_recursion::top::{self, Top};
use sinter_recursion::{Link, Statement, Wrap, node};

use crate::fold::dev_shape;

/// Statements that differ from each other.
fn statements(count: usize) -> Vec<Statement> {
    let element = |at: usize, index: usize| F::from_usize(1 + at * 72 + index) * F::NEG_ONE;
    let statement = |at| Statement {
        program_id: std::array::from_fn(|index| element(at, index)),
        public_values: std::array::from_fn::<F, PUBLIC_VALUES, _>(|index| element(at, 8 + index)),
    };
    (0..count).map(statement).collect()
}

#[test]
fn a_batch_is_linked_and_stock_accepts_the_node() {
    let shape = dev_shape();
    let linkers = [2, 3].map(|log| Linker::of(&shape, log, ParameterSet::DEV, Heights::Smallest).unwrap());
    let statements = statements(3);
    let (proof, _) = linkers[0].prove(&CpuProver, &statements).unwrap();
    let linked = linkers[0].verify(&proof).unwrap();
    let leaves: Vec<_> = statements.iter().map(Statement::leaf).collect();
    let bytes: Vec<_> = statements.iter().map(Statement::to_bytes).collect();
    assert_eq!(linked.statements_root, root(&leaves).unwrap());
    assert_eq!(linked.count, 3);
    assert_eq!(linked.keccak_root, StatementTree::new(&bytes).root().unwrap());

    // Nothing of ours but the tables, as data, and the transcript's first digest.
    let key = linkers[0].key();
    let program = shape.program(key).unwrap();
    let config = Config::new(*shape.parameters(), &key.digest);
    let mut publics = [vec![], vec![], vec![], vec![], proof.public_values.clone()];
    verify_batch(&config, program.airs(), &proof.proof, &publics, &program.common()).unwrap();
    // Another statements root, count, Keccak root.
    for index in [0, 8, 24] {
        publics[4][index] += F::ONE;
        assert!(verify_batch(&config, program.airs(), &proof.proof, &publics, &program.common()).is_err());
        publics[4][index] -= F::ONE;
    }

    // Another capacity is another key.
    assert!(matches!(linkers[1].verify(&proof), Err(LinkedError::OtherKey { .. })));
    for count in [0, 5] {
        let statements = self::statements(count);
        assert!(matches!(linkers[0].prove(&CpuProver, &statements), Err(LinkError::Input(_))));
    }
}

#[test]
fn the_top_takes_a_fold_and_the_link_of_its_statements() {
    let shape = dev_shape();
    let linker = Linker::of(&shape, 2, ParameterSet::DEV, Heights::Smallest).unwrap();
    let folder = Folder::of(&shape).unwrap();
    let null = folder.null(&CpuProver).unwrap();
    let statement = node::statement(&null);
    let fold = |left, right| folder.fold(&CpuProver, left, right).unwrap().0;
    let two = fold(&null, &null);
    let three = fold(&two, &null);
    let top = Top::new(&shape, folder.key(), &[linker.key().digest]).unwrap();
    let link = |count| linker.prove(&CpuProver, &vec![statement.clone(); count]).unwrap().0;
    let links = [2, 3].map(link);
    for (root, count, link) in [(&two, 2, &links[0]), (&three, 3, &links[1])] {
        let witness = top.circuit().execute(&top.inputs(&shape, root, link).unwrap()).unwrap();
        let (limbs, counted) = top::read(witness.publics()).unwrap();
        let keccak = StatementTree::new(&vec![statement.to_bytes(); count]).root().unwrap();
        let expected: Vec<F> =
            keccak.chunks(2).map(|pair| F::from_u16(u16::from_be_bytes([pair[0], pair[1]]))).collect();
        assert_eq!((limbs, counted), (&expected[..], F::from_usize(count)));
        assert_eq!(linker.verify(link).unwrap().statements_root, folder.verify(root).unwrap().statements_root);
    }
    // The link of another list.
    let inputs = top.inputs(&shape, &two, &links[1]).unwrap();
    let error = top.circuit().execute(&inputs).unwrap_err().to_string();
    assert!(error.starts_with("statements"), "{error}");
}

#[test]
fn the_least_capacity_that_holds_a_batch() {
    let of = |count| Capacity::of(count).map(Capacity::statements);
    assert_eq!([1, 16, 17, 64, 65, 256, 257, 1024].map(of), [16, 16, 64, 64, 256, 256, 1024, 1024].map(Some));
    assert_eq!(of(1025), None);
}

#[test]
fn every_capacity_proves_100_bits() {
    for capacity in Capacity::ALL {
        let link = Link::new(capacity.log2()).unwrap();
        let layer = Layer::new(ParameterSet::FOLD, link.circuit()).unwrap();
        let report = Report::new(layer.program().shape());
        assert!(report.meets_target(), "{capacity}: {report}");
        if capacity == Capacity::C1024 {
            // The layer between, the largest of the four.
            let wrap = Wrap::new(layer.program(), WIDE_HEIGHTS).unwrap();
            let layer = Layer::new(ParameterSet::FOLD, wrap.circuit()).unwrap();
            let report = Report::new(layer.program().shape());
            assert!(report.meets_target(), "wrap of {capacity}: {report}");
        }
    }
}

/// A release that changes one of these changes the seal's key, and must say so.
#[test]
fn the_link_keys_of_this_version() {
    for capacity in Capacity::ALL {
        let digest = Linker::new(capacity).unwrap().key().digest;
        assert_eq!(digest, capacity.key(), "{capacity}: {}", hex::encode(digest_bytes(&digest)));
    }
}
