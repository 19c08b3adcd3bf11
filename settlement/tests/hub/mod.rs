//! `AggregationHub`, the gateway and the adapters.

mod adapters;
mod forged_list;
mod gateway;
mod walkthrough;

pub use adapters::sha256;

use crate::suite::{Statement, Suite, both, check, gas_of, places, seal};
use alloy::primitives::{B256, Bytes, keccak256};
use sinter_settlement::hub::{Place, contract::AggregationHub, leaf};

/// The statement number `i`: canonical, and another one for every number.
pub fn statement(i: u32) -> Statement {
    let element = |tag: u32, at: u32| {
        u32::from_be_bytes(keccak256([tag, i, at].map(u32::to_be_bytes).concat())[..4].try_into().unwrap()) >> 2
    };
    let id: Vec<u8> = (0..8).flat_map(|at| element(0, at).to_be_bytes()).collect();
    let mut values = [0; 256];
    for (at, bytes) in values.as_chunks_mut::<4>().0.iter_mut().enumerate() {
        *bytes = element(1, at as u32).to_be_bytes();
    }
    (B256::from_slice(&id), values)
}

pub fn statements(count: u32) -> Vec<Statement> {
    (0..count).map(statement).collect()
}

async fn settling(suite: &mut Suite) {
    let hub = suite.hub().await;
    let list = statements(5);
    let (root, places) = places(&list);

    let unknown = AggregationHub::RootUnknown { root };
    suite.refuses("an unknown root", hub.address, &check(&list[0], &places[0]), unknown).await;
    let not_told = crate::suite::contract::ToldVerifier::NotTold { root, count: 5 };
    let settle = AggregationHub::settleCall { seal: seal(root, 5) };
    suite.refuses("a seal that does not prove", hub.address, &settle, not_told).await;
    let empty = hub.told(suite, root, 0).await;
    let call = AggregationHub::settleCall { seal: empty };
    suite.refuses("a batch of nothing", hub.address, &call, AggregationHub::EmptyBatch {}).await;

    hub.told(suite, root, 5).await;
    let other = B256::repeat_byte(9);
    let unless = |root, seal| AggregationHub::settleUnlessKnownCall { root, seal };
    let mismatch = AggregationHub::RootMismatch { expected: other, got: root };
    suite.refuses("another root than said", hub.address, &unless(other, seal(root, 5)), mismatch).await;
    assert_eq!(suite.reads(hub.address, &AggregationHub::countCall { root }).await, 0);

    let receipt = suite.accepts("settle", hub.address, &settle).await;
    assert_eq!(receipt.logs().len(), 1);
    assert_eq!(suite.reads(hub.address, &AggregationHub::countCall { root }).await, 5);
    // Again, by whichever call: no word is written, nothing is said, and one of them does not even verify.
    let again = suite.accepts("settle again", hub.address, &settle).await;
    let known = suite.accepts("settle, known", hub.address, &unless(root, Bytes::from(vec![1; 64]))).await;
    assert!(again.logs().is_empty() && known.logs().is_empty());
    assert_eq!(suite.reads(hub.address, &AggregationHub::countCall { root }).await, 5);
    for (statement, place) in list.iter().zip(&places) {
        suite.accepts("check", hub.address, &check(statement, place)).await;
    }
}

/// Every shape of tree up to 40 leaves, and what a check costs in larger ones.
async fn shapes(suite: &mut Suite) {
    let hub = suite.hub().await;
    for count in (1..=17).chain([31, 32, 33, 40]) {
        let list = statements(count);
        let places = hub.settles(suite, "settle", &list).await;
        for (statement, place) in list.iter().zip(&places) {
            suite.reads(hub.address, &check(statement, place)).await;
        }
    }
    for count in [16, 64, 256, 1024] {
        let list = statements(count);
        let places = hub.settles(suite, "settle", &list).await;
        suite.meter(&format!("check, 1 of {count}"), hub.address, &check(&list[3], &places[3])).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_hub_settles_once() {
    both(settling).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn statements_are_checked_in_trees_of_every_shape() {
    let record = both(shapes).await;
    let gas = gas_of(&record, "check, 1 of 1024, called");
    assert!(gas <= 30_000, "a check at depth 10: {gas}");
}

/// Where a statement with a path of the right length leads.
pub fn forged_root(statement: &Statement, place: &Place, count: u32) -> B256 {
    let mut hash = leaf(&statement.0, &statement.1);
    let (mut index, mut last, mut path) = (place.index, count - 1, place.path.iter());
    while last > 0 {
        let node = |left: B256, right: B256| keccak256([left.0, right.0].concat());
        if index & 1 == 1 {
            hash = node(*path.next().unwrap(), hash);
        } else if index < last {
            hash = node(hash, *path.next().unwrap());
        }
        (index, last) = (index >> 1, last >> 1);
    }
    hash
}
