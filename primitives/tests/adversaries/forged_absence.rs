//! Namespaces that were active, claimed idle, and the other way round.

use proptest::prelude::*;
use sinter_primitives::{
    Accumulator, Digest, Namespace, NamespaceLeaf, NamespaceTable,
    table::{NamespaceProof, ProvenLeaf, TableError},
};

fn table(namespaces: &[u64]) -> NamespaceTable {
    let leaf = |namespace: &u64| NamespaceLeaf {
        namespace: Namespace(*namespace),
        tx_root: Digest([*namespace as u8; 32]),
        accumulator: Accumulator([0; 32]),
        tx_count: 1,
        byte_count: 1,
    };
    NamespaceTable::new(namespaces.iter().map(leaf).collect()).expect("ascending")
}

fn active(table: &NamespaceTable, namespace: u64) -> ProvenLeaf {
    match table.prove(Namespace(namespace)) {
        NamespaceProof::Active(leaf) => leaf,
        NamespaceProof::Idle { .. } => panic!("{namespace} is active"),
    }
}

fn idle(before: Option<ProvenLeaf>, after: Option<ProvenLeaf>) -> NamespaceProof {
    NamespaceProof::Idle { before, after }
}

#[test]
fn leaves_that_are_not_adjacent() {
    let table = table(&[10, 20, 30]);
    let skipped = idle(Some(active(&table, 10)), Some(active(&table, 30)));
    let expected = Err(TableError::NotAdjacent { namespace: Namespace(20) });
    assert_eq!(skipped.verify(&table.root(), Namespace(20)), expected);
}

#[test]
fn ends_that_are_none() {
    let table = table(&[10, 20, 30]);
    let root = table.root();
    let expected = |namespace| Err(TableError::NotAdjacent { namespace: Namespace(namespace) });
    assert_eq!(idle(None, Some(active(&table, 30))).verify(&root, Namespace(20)), expected(20));
    assert_eq!(idle(Some(active(&table, 10)), None).verify(&root, Namespace(20)), expected(20));
    assert!(matches!(idle(None, None).verify(&root, Namespace(20)), Err(TableError::NotEmpty { .. })));
}

#[test]
fn neighbours_on_the_wrong_side() {
    let table = table(&[10, 20, 30]);
    let root = table.root();
    for proof in [
        idle(Some(active(&table, 20)), Some(active(&table, 30))),
        idle(Some(active(&table, 10)), Some(active(&table, 20))),
        idle(Some(active(&table, 30)), None),
        idle(None, Some(active(&table, 10))),
    ] {
        assert!(matches!(proof.verify(&root, Namespace(20)), Err(TableError::NotBetween { .. })));
    }
}

#[test]
fn leaves_of_another_table() {
    let (ours, theirs) = (table(&[10, 20, 30]), table(&[10, 30]));
    let borrowed = theirs.prove(Namespace(20));
    borrowed.verify(&theirs.root(), Namespace(20)).expect("absent there");
    assert!(matches!(borrowed.verify(&ours.root(), Namespace(20)), Err(TableError::Proof { .. })));
    let empty = NamespaceTable::default();
    assert!(matches!(active_proof(&ours, 20).verify(&empty.root(), Namespace(20)), Err(TableError::Proof { .. })));
}

fn active_proof(table: &NamespaceTable, namespace: u64) -> NamespaceProof {
    table.prove(Namespace(namespace))
}

#[test]
fn the_leaf_of_another_namespace() {
    let table = table(&[10, 20, 30]);
    let expected = Err(TableError::Foreign { expected: Namespace(20), got: Namespace(10) });
    assert_eq!(active_proof(&table, 10).verify(&table.root(), Namespace(20)), expected);
    // Renamed, it is not under the root any more.
    let NamespaceProof::Active(mut renamed) = active_proof(&table, 10) else { panic!("active") };
    renamed.leaf.namespace = Namespace(20);
    let renamed = NamespaceProof::Active(renamed);
    assert!(matches!(renamed.verify(&table.root(), Namespace(20)), Err(TableError::Proof { .. })));
}

#[test]
fn a_place_that_wraps_around() {
    let table = table(&[10]);
    let mut before = active(&table, 10);
    before.proof.index = u64::MAX;
    assert!(idle(Some(before), None).verify(&table.root(), Namespace(20)).is_err());
}

proptest! {
    /// No combination of a table's own true leaves shows an active namespace idle.
    #[test]
    fn no_pair_of_true_leaves_hides_an_active_one(
        namespaces in proptest::collection::btree_set(0u64..60, 1..9),
        hidden in any::<prop::sample::Index>(),
    ) {
        let namespaces: Vec<u64> = namespaces.into_iter().collect();
        let table = table(&namespaces);
        let hidden = Namespace(namespaces[hidden.index(namespaces.len())]);
        let ends = || namespaces.iter().map(|namespace| Some(active(&table, *namespace))).chain([None]);
        for before in ends() {
            for after in ends() {
                prop_assert!(idle(before.clone(), after).verify(&table.root(), hidden).is_err());
            }
        }
    }
}
