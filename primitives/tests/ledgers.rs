//! The ledger: what a body may be, and what its root commits to.

use sinter_primitives::{
    Accumulator, Body, Chain, Ledger, Namespace,
    accumulator::Position,
    body::Lane,
    ledger::{LedgerError, Place, payload_bytes, transactions_root},
    testkit::{CHAIN_ID, NAMESPACES, Network, transaction},
};

const PLACE: Place =
    Place { height: 1, timestamp_ms: 1_000, parent_timestamp_ms: 750, l1_origin_number: 100, proposer_seat: 0 };

fn ledger() -> (Chain, Ledger) {
    let chain = Network::new(1).chain;
    let ledger = Ledger::genesis(&chain.file);
    (chain, ledger)
}

fn lane(namespace: Namespace, payloads: &[&'static str]) -> Lane {
    Lane { namespace, transactions: payloads.iter().map(|payload| transaction(namespace, *payload)).collect() }
}

#[test]
fn a_body_advances_its_lanes_and_no_others() {
    let (chain, mut ledger) = ledger();
    let before = ledger.clone();
    let body = Body { lanes: vec![lane(NAMESPACES[0], &["a", "bc"]), lane(NAMESPACES[2], &["d"])], ..Body::default() };
    let table = ledger.apply(&chain, &PLACE, &body).expect("a sound body");
    assert_eq!(table.leaves().len(), 2);
    assert_eq!(ledger.accumulator(NAMESPACES[1]), before.accumulator(NAMESPACES[1]));
    for lane in &body.lanes {
        let leaf = table.leaf(lane.namespace).expect("active");
        let at = Position {
            chain_id: CHAIN_ID,
            namespace: lane.namespace,
            height: 1,
            timestamp_ms: 1_000,
            l1_origin_number: 100,
        };
        let expected = Accumulator::genesis(CHAIN_ID, lane.namespace).advance(&at, &lane.transactions);
        assert_eq!(leaf.accumulator, expected);
        assert_eq!(ledger.accumulator(lane.namespace), Some(expected));
        assert_eq!(leaf.tx_root, transactions_root(CHAIN_ID, &lane.transactions));
        assert_eq!(leaf.tx_count as usize, lane.transactions.len());
        assert_eq!(leaf.byte_count, payload_bytes(&lane.transactions));
    }
    assert_ne!(ledger.root(), before.root());
}

#[test]
fn an_empty_body_changes_nothing() {
    let (chain, mut ledger) = ledger();
    let before = ledger.clone();
    let table = ledger.apply(&chain, &PLACE, &Body::default()).expect("a sound body");
    assert!(table.leaves().is_empty());
    assert_eq!(ledger, before);
}

#[test]
fn unsound_bodies_change_nothing() {
    let sound = lane(NAMESPACES[0], &["a"]);
    let mut foreign = lane(NAMESPACES[1], &["a", "b"]);
    foreign.transactions[1].namespace = NAMESPACES[0];
    let cases = [
        (vec![sound.clone(), lane(Namespace(11), &["a"])], LedgerError::UnknownNamespace(Namespace(11))),
        (vec![sound.clone(), lane(NAMESPACES[1], &[])], LedgerError::EmptyLane(NAMESPACES[1])),
        (vec![sound.clone(), foreign], LedgerError::ForeignTransaction { expected: NAMESPACES[1], got: NAMESPACES[0] }),
    ];
    let (chain, mut ledger) = ledger();
    let before = ledger.clone();
    for (lanes, expected) in cases {
        assert_eq!(ledger.apply(&chain, &PLACE, &Body { lanes, ..Body::default() }), Err(expected));
        assert_eq!(ledger, before);
    }
    for lanes in [vec![sound.clone(), sound.clone()], vec![lane(NAMESPACES[1], &["b"]), sound]] {
        assert!(matches!(ledger.apply(&chain, &PLACE, &Body { lanes, ..Body::default() }), Err(LedgerError::Order(_))));
        assert_eq!(ledger, before);
    }
}

#[test]
fn the_root_binds_chain_accumulators_and_ordering_rules() {
    let root = |adjust: fn(&mut sinter_primitives::chain::ChainFile)| {
        Ledger::genesis(&Network::with(1, 0, adjust).chain.file).root()
    };
    let base = root(|_| ());
    assert_eq!(base, root(|file| file.name = "a name is not in the ledger".into()));
    assert_ne!(base, root(|file| file.chain_id += 1));
    assert_ne!(base, root(|file| file.namespaces[1].id.0 += 1));
    assert_ne!(base, root(|file| file.namespaces[0].ordering = file.namespaces[2].ordering));
    assert_ne!(base, root(|file| drop(file.namespaces.pop())));
}
