//! From a node's answers to a statement: a follower that stops and goes on, and answers that do not hold.

use crate::lanes::prover;
use sinter_counter::Counter;
use sinter_primitives::inbox::Domain;
use sinter_primitives::testkit::{Blocks, NAMESPACES, Network, transaction};
use sinter_rollup::follow::{FollowError, Follower};
use sinter_rollup::{Application, Lane, State, to_words};

const LANE: sinter_primitives::Namespace = NAMESPACES[0];

fn blocks() -> Blocks {
    let mut blocks = Blocks::new(Network::new(4));
    blocks.order(vec![transaction(LANE, "a"), transaction(LANE, "bc"), transaction(NAMESPACES[1], "x")]);
    blocks.order(vec![transaction(NAMESPACES[1], "y")]);
    blocks.order(vec![]);
    blocks.order((0..5).map(|byte| transaction(LANE, vec![byte])).collect());
    blocks.order(vec![transaction(LANE, vec![7; 5_000]), transaction(LANE, "d")]);
    blocks
}

#[test]
fn what_was_followed_is_what_is_proved() {
    let blocks = blocks();
    let mut follower = Follower::new(blocks.network.trusted(), LANE);
    let mut lane = Lane::default();
    lane.blocks.extend(follower.take(&blocks.range(LANE, 1, 2, 3)).unwrap());
    // A restart: the place is all that is kept.
    let place = serde_json::from_str(&serde_json::to_string(&follower.place()).unwrap()).unwrap();
    let mut follower = Follower::resume(blocks.network.trusted(), LANE, place);
    lane.blocks.extend(follower.take(&blocks.range(LANE, 3, 5, 5)).unwrap());
    assert_eq!(lane.blocks.iter().map(|block| block.position.height).collect::<Vec<_>>(), [1, 4, 5]);

    let chain_id = blocks.network.chain.file.chain_id;
    let domain = Domain { l1_chain_id: 1, settlement: [0; 20], chain_id, namespace: LANE };
    let mut counter = Counter::default();
    let statement = prover().statement(&State::genesis(&domain, counter.word()), &lane, &mut counter).unwrap();
    assert_eq!(counter, Counter(1 + 5 + 1));
    assert_eq!(to_words(&statement.after.accumulator), follower.place().accumulator.0);
}

#[test]
fn a_refused_range_changes_nothing() {
    let blocks = blocks();
    let mut follower = Follower::new(blocks.network.trusted(), LANE);
    let before = follower.place();
    let gap = follower.take(&blocks.range(LANE, 2, 5, 5)).unwrap_err();
    assert!(matches!(gap, FollowError::Height { expected: 1, got: 2 }), "{gap}");
    let foreign = follower.take(&blocks.range(NAMESPACES[1], 1, 5, 5)).unwrap_err();
    assert!(matches!(foreign, FollowError::Namespace { .. }), "{foreign}");
    let mut short = blocks.range(LANE, 1, 5, 5);
    short.blocks[3].transactions.pop();
    assert!(matches!(follower.take(&short).unwrap_err(), FollowError::Range(_)));
    assert_eq!(follower.place(), before);
    assert_eq!(follower.take(&blocks.range(LANE, 1, 5, 5)).unwrap().len(), 3);
}
