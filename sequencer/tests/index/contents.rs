//! What was applied is found again, and nothing is applied that does not belong.

use crate::support::chain::{EVM, Network, OPAQUE, TestChain, evm};
use alloy::primitives::keccak256;
use sinter_primitives::Ledger;
use sinter_sequencer::index::{FinalizedBlock, Index, IndexError, Location, Persist};

fn indexed(heights: u64) -> (TestChain, Index, tempfile::TempDir) {
    let mut chain = TestChain::new(Network::new());
    chain.grow(heights);
    let directory = tempfile::tempdir().unwrap();
    let index = Index::open(&directory.path().join("index"), chain.network.chain.clone()).unwrap();
    if heights > 0 {
        assert_eq!(chain.apply(&index, 1, heights).unwrap(), heights as usize);
    }
    (chain, index, directory)
}

#[test]
fn a_new_index_stands_at_genesis() {
    let (chain, index, _directory) = indexed(0);
    assert_eq!(index.tip().header, chain.network.chain.genesis());
    assert_eq!(index.ledger().unwrap(), Ledger::genesis(&chain.network.chain.file));
    assert_eq!(index.recent_ids(100).unwrap(), []);
    let snapshot = index.snapshot().unwrap();
    assert_eq!(snapshot.earliest().unwrap(), 0);
    assert_eq!(snapshot.height_of(&chain.network.chain.genesis().digest()).unwrap(), Some(0));
}

#[test]
fn everything_is_found_by_height_digest_and_hash() {
    let (chain, index, _directory) = indexed(7);
    let snapshot = index.snapshot().unwrap();
    for finalized in &chain.blocks {
        let header = finalized.block.header;
        assert_eq!(snapshot.header(header.height).unwrap(), Some(header));
        assert_eq!(snapshot.height_of(&header.digest()).unwrap(), Some(header.height));
        assert_eq!(snapshot.namespace_table(header.height).unwrap(), finalized.table);
        let mut ids = finalized.ids.iter();
        for lane in &finalized.block.body.lanes {
            let lane_ids: Vec<_> = ids.by_ref().take(lane.transactions.len()).copied().collect();
            assert_eq!(snapshot.ids(header.height, lane.namespace).unwrap(), lane_ids);
            for (place, (id, transaction)) in (0..).zip(lane_ids.iter().zip(&lane.transactions)) {
                let location = Location { height: header.height, namespace: lane.namespace, index: place };
                assert_eq!(snapshot.locate(id).unwrap(), Some(location));
                let by_hash = snapshot.locate_ethereum(lane.namespace, keccak256(&transaction.payload).0).unwrap();
                assert_eq!(by_hash, (lane.namespace == EVM).then_some(location));
            }
        }
    }
    assert_eq!(snapshot.header(8).unwrap(), None);
    assert_eq!(snapshot.ids(3, OPAQUE).unwrap(), []);
    assert_eq!(index.ledger().unwrap(), chain.at(7).ledger_after);
    assert_eq!(index.tip().header, chain.at(7).block.header);
    assert_eq!(snapshot.headers(3..=5).unwrap().len(), 3);
}

#[test]
fn the_window_of_ids_ends_at_the_tip() {
    let (chain, index, _directory) = indexed(7);
    let window = |blocks| index.recent_ids(blocks).unwrap();
    assert_eq!(window(0), []);
    assert_eq!(window(1), [(7, chain.at(7).ids.clone())]);
    // Height 6 is empty.
    assert_eq!(window(3), [(5, chain.at(5).ids.clone()), (7, chain.at(7).ids.clone())]);
    assert_eq!(window(u64::MAX).len(), 5);
    assert_eq!(window(8), window(7));
}

#[test]
fn a_repeated_block_changes_nothing() {
    let (chain, index, _directory) = indexed(5);
    assert_eq!(chain.apply(&index, 2, 5).unwrap(), 0);
    assert_eq!(index.tip().header, chain.at(5).block.header);
}

#[test]
fn a_repeated_payload_keeps_its_first_place() {
    let mut chain = TestChain::new(Network::new());
    let first = evm(1, 1);
    let again = sinter_primitives::Transaction { expiry_height: 99, ..first.clone() };
    chain.push(vec![first.clone()], true);
    chain.push(vec![again], true);
    let directory = tempfile::tempdir().unwrap();
    let index = Index::open(&directory.path().join("index"), chain.network.chain.clone()).unwrap();
    chain.apply(&index, 1, 2).unwrap();
    let place = index.snapshot().unwrap().locate_ethereum(EVM, keccak256(&first.payload).0).unwrap();
    assert_eq!(place.map(|place| place.height), Some(1));
}

#[test]
fn gaps_forks_and_wrong_contents_are_refused_whole() {
    let (mut chain, index, _directory) = indexed(3);
    chain.grow(3);
    let tip = index.tip();
    assert!(matches!(chain.apply(&index, 5, 6), Err(IndexError::Gap { expected: 4, got: 5 })));

    let mut fork = TestChain::new(Network::new());
    fork.push(vec![evm(1, 200)], true);
    fork.grow(4);
    assert!(matches!(fork.apply(&index, 4, 4), Err(IndexError::Parent { height: 4, .. })));
    assert!(matches!(fork.apply(&index, 3, 3), Err(IndexError::Conflict { height: 3, .. })));

    let next = chain.at(4);
    let good = FinalizedBlock { block: &next.block, ids: &next.ids, table: &next.table };
    let wrong_ledger = index.apply(&[good], &chain.at(3).ledger_after, Persist::Now);
    assert!(
        matches!(wrong_ledger, Err(IndexError::Mismatch { height: 4, what: "ledger root", .. })),
        "{wrong_ledger:?}"
    );
    let other = chain.at(5);
    let wrong_table = index.apply(&[FinalizedBlock { table: &other.table, ..good }], &next.ledger_after, Persist::Now);
    assert!(matches!(wrong_table, Err(IndexError::Mismatch { height: 4, what: "namespaces root", .. })));
    let wrong_ids = index.apply(&[FinalizedBlock { ids: &other.ids, ..good }], &next.ledger_after, Persist::Now);
    assert!(matches!(wrong_ids, Err(IndexError::Mismatch { height: 4, what: "transaction ids", .. })));

    assert_eq!(index.tip(), tip);
    assert_eq!(chain.apply(&index, 1, 6).unwrap(), 3);
}
