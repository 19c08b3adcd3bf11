//! Old heights go, with everything that points at them, and nothing else does.

use crate::support::chain::{EVM, Network, TestChain, evm};
use alloy::primitives::keccak256;
use sinter_primitives::Transaction;
use sinter_sequencer::index::Index;

#[test]
fn pruned_heights_leave_no_trace() {
    let mut chain = TestChain::new(Network::new());
    chain.grow(200);
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("index");
    let index = Index::open(&path, chain.network.chain.clone()).unwrap();
    chain.apply(&index, 1, 200).unwrap();

    // A reader from before keeps what it sees.
    let before = index.snapshot().unwrap();
    assert_eq!(index.prune(151).unwrap(), 151);
    assert_eq!(before.header(1).unwrap(), Some(chain.at(1).block.header));

    drop((before, index));
    let index = Index::open(&path, chain.network.chain.clone()).unwrap();
    let snapshot = index.snapshot().unwrap();
    assert_eq!(snapshot.earliest().unwrap(), 151);
    for finalized in &chain.blocks {
        let header = finalized.block.header;
        let kept = header.height >= 151;
        assert_eq!(snapshot.header(header.height).unwrap().is_some(), kept);
        assert_eq!(snapshot.height_of(&header.digest()).unwrap().is_some(), kept);
        for (id, transaction) in finalized.ids.iter().zip(finalized.block.body.transactions()) {
            assert_eq!(snapshot.locate(id).unwrap().is_some(), kept);
            if transaction.namespace == EVM {
                let hash = keccak256(&transaction.payload).0;
                assert_eq!(snapshot.locate_ethereum(EVM, hash).unwrap().is_some(), kept);
            }
        }
        assert_eq!(
            !snapshot.namespace_table(header.height).unwrap().leaves().is_empty(),
            kept && header.height % 3 != 0
        );
    }
    assert_eq!(snapshot.recent_ids(1000).unwrap().first().map(|(height, _)| *height), Some(151));
    // Blocks below are taken for repeated ones, and new ones still fit.
    chain.grow(1);
    assert_eq!(chain.apply(&index, 140, 201).unwrap(), 1);
}

#[test]
fn the_tip_is_never_pruned() {
    let mut chain = TestChain::new(Network::new());
    chain.grow(5);
    let directory = tempfile::tempdir().unwrap();
    let index = Index::open(&directory.path().join("index"), chain.network.chain.clone()).unwrap();
    chain.apply(&index, 1, 5).unwrap();
    assert_eq!(index.prune(u64::MAX).unwrap(), 5);
    assert_eq!(index.prune(3).unwrap(), 5);
    assert_eq!(index.snapshot().unwrap().tip().unwrap(), chain.at(5).block.header);
}

#[test]
fn a_payload_that_came_again_is_pruned_without_harm() {
    let mut chain = TestChain::new(Network::new());
    let payload = evm(1, 1);
    chain.push(vec![payload.clone()], true);
    chain.push(vec![Transaction { expiry_height: 50, ..payload.clone() }], true);
    chain.grow(2);
    let directory = tempfile::tempdir().unwrap();
    let index = Index::open(&directory.path().join("index"), chain.network.chain.clone()).unwrap();
    chain.apply(&index, 1, 4).unwrap();
    let hash = keccak256(&payload.payload).0;
    index.prune(2).unwrap();
    assert_eq!(index.snapshot().unwrap().locate_ethereum(EVM, hash).unwrap(), None);
    index.prune(3).unwrap();
    assert_eq!(index.snapshot().unwrap().earliest().unwrap(), 3);
}
