//! A member is away for longer than its peers keep votes for.

use crate::support::{load::Load, network::Network, votes::History};
use std::time::Duration;

const AWAY: usize = 0;
/// More than the 128 views that consensus remembers.
const BLOCKS_MISSED: u64 = 200;

#[test]
fn a_member_that_missed_hundreds_of_blocks_catches_up_by_itself() {
    let mut network = Network::new(4);
    network.start();
    network.nodes[AWAY].stop();
    let mut history = History::default();
    history.look(&network.nodes[AWAY]);
    // Blocks follow each other at once as long as there is something to order.
    let load = Load::start(network.rpc_without(&[AWAY]), Duration::from_millis(10));
    let height = network.nodes[1].height().expect("an answer");
    network.nodes[1].wait_for_height(height + BLOCKS_MISSED, network.patience() * 2);
    let ids: Vec<_> = load.stop().into_iter().map(|sent| sent.id).collect();

    network.nodes[AWAY].start_and_wait();
    network.wait_until_even();
    network.wait_until_healthy();
    // Votes again.
    let voted_until = history.views(AWAY).last().copied();
    network.nodes[AWAY].wait_for_height(height + BLOCKS_MISSED + 10, network.patience());
    history.look(&network.nodes[AWAY]);
    assert!(history.views(AWAY).last().copied() > voted_until);
    let sample: Vec<_> = ids.into_iter().step_by(10).collect();
    assert!(!sample.is_empty());
    network.assert_final_everywhere(&sample);
    network.assert_agreement();
    history.look_at_all(&network);
    history.assert_sound();
}
