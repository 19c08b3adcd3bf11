//! One of four is killed without warning and started again, over and over, while transactions come in.

use crate::{
    process::{errors, output, sinter, wait_until},
    support::{load::Load, network::Network, progress::Progress, rpc, votes::History},
};
use sinter_primitives::committee::Seat;
use sinter_sequencer::votes::{self, Vote};
use std::time::Duration;

const SEATS: usize = 4;
const VICTIM: usize = 1;
const ROUNDS: usize = 4;
/// Blocks that the others make without it, each time.
const BLOCKS_WITHOUT: u64 = 5;
/// What a busy machine adds to the longest pause that the timeouts allow.
const NOISE: u32 = 2;

#[test]
fn a_member_that_is_killed_in_a_loop_stalls_nothing_loses_nothing_and_never_votes_twice() {
    let mut network = Network::new(SEATS);
    network.start();
    let mut history = History::default();
    let progress = Progress::watch(network.rpc_without(&[VICTIM]));
    let load = Load::start(network.rpc_without(&[]), Duration::from_millis(100));

    for round in 0..ROUNDS {
        network.nodes[VICTIM].kill();
        // All that this life can have signed is on disk, and is compared with all later lives.
        history.look(&network.nodes[VICTIM]);
        let height = network.nodes[0].height().expect("an answer");
        network.nodes[0].wait_for_height(height + BLOCKS_WITHOUT, network.patience());
        network.nodes[VICTIM].start_and_wait();
        network.wait_until_even();
        // The first votes of the new life, before the journal forgets them.
        history.look(&network.nodes[VICTIM]);
        println!("round {round}: back at height {:?}", network.nodes[VICTIM].height());
    }

    let sent = load.stop();
    let pause = progress.longest_pause();
    assert!(pause < network.stall_bound() * NOISE, "nothing final for {pause:?}");

    // What the other three took must become final: they were never away. What the victim took may have
    // died with it; where it did become final, everybody must have it.
    let (to_victim, to_others): (Vec<_>, Vec<_>) = sent.into_iter().partition(|sent| sent.node == VICTIM);
    assert!(to_others.len() >= 3 * ROUNDS, "{} transactions are too few to show anything", to_others.len());
    let mut ids: Vec<String> = to_others.into_iter().map(|sent| sent.id).collect();
    wait_until("all that the others took is final", network.patience(), || {
        ids.iter().rev().all(|id| network.nodes[0].receipt(id).is_some())
    });
    ids.extend(to_victim.into_iter().map(|sent| sent.id).filter(|id| network.nodes[0].receipt(id).is_some()));
    network.assert_final_everywhere(&ids);
    let height = network.assert_agreement();
    println!("{} transactions are final at height {height}; longest pause {pause:?}", ids.len());

    // Whose views ended without a block is told by who was away.
    let (_, metrics) = rpc::get(network.nodes[0].rpc, "/metrics").expect("an answer");
    let without_block = |seat: &Seat| -> u64 {
        let name = format!("sinter_views_nullified_total{{peer=\"{}\"}} ", hex::encode(seat.node_key));
        let value = metrics.lines().find_map(|line| line.strip_prefix(&name)).expect("a number of each seat");
        value.parse().expect("a number")
    };
    let without_block: Vec<u64> = network.chain.committee.seats().iter().map(without_block).collect();
    println!("views without a block, by seat: {without_block:?}");
    assert!((0..SEATS).all(|seat| seat == VICTIM || without_block[seat] < without_block[VICTIM]), "{without_block:?}");

    network.nodes.iter_mut().for_each(|node| node.stop());
    history.look_at_all(&network);
    history.assert_sound();

    // The operator's view of the same.
    let mut command = sinter(&["sequencer", "votes", "--json", "--data-dir"]);
    let run = output(command.arg(network.nodes[VICTIM].data_dir()));
    assert!(run.status.success(), "{}", errors(&run));
    let listed = String::from_utf8(run.stdout).unwrap();
    let listed: Vec<Vote> = listed.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(listed, votes::read(&network.nodes[VICTIM].data_dir()).unwrap());
}
