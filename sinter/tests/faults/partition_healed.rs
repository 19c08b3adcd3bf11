//! The network falls apart into islands and grows together again: real kernels' links, one namespace a node.

use crate::{
    process::wait_until,
    support::{
        isolation::isolated,
        links::{Hosts, Island},
        load,
        network::Network,
        votes::History,
    },
};
use std::thread::sleep;

#[test]
#[ignore = "needs root: network namespaces"]
fn two_islands_of_two_halt_and_agree_when_they_are_joined() {
    isolated("faults::partition_healed::two_islands_of_two_halt_and_agree_when_they_are_joined", || {
        let hosts = Hosts::new(4);
        let mut network = Network::at(&hosts.places(), |_, _| String::new());
        network.start();
        let mut history = History::default();
        history.look_at_all(&network);

        hosts.plug(2, Island::B);
        hosts.plug(3, Island::B);
        wait_until("both islands are red", network.patience(), || {
            network.nodes.iter().all(|node| node.health() == Some(503))
        });
        let heights = |network: &Network| -> Vec<_> { network.nodes.iter().map(|node| node.height()).collect() };
        let halted = heights(&network);
        // One transaction on each island: both must make it into the one chain.
        let waiting = [0, 3].map(|seat| load::send(network.nodes[seat].rpc).expect("accepted on an island"));
        sleep(network.stall_bound());
        assert_eq!(heights(&network), halted, "final without a quorum");

        hosts.plug(2, Island::A);
        hosts.plug(3, Island::A);
        let highest = halted.into_iter().flatten().max().expect("heights");
        network.wait_for_height(highest + 5);
        network.wait_until_healthy();
        network.assert_final_everywhere(&waiting);
        network.assert_agreement();
        history.look_at_all(&network);
        history.assert_sound();
    });
}

#[test]
#[ignore = "needs root: network namespaces"]
fn three_go_on_without_the_one_that_is_cut_off_which_catches_up() {
    isolated("faults::partition_healed::three_go_on_without_the_one_that_is_cut_off_which_catches_up", || {
        const CUT_OFF: usize = 2;
        let hosts = Hosts::new(4);
        let mut network = Network::at(&hosts.places(), |_, _| String::new());
        network.start();
        let mut history = History::default();
        history.look_at_all(&network);

        hosts.plug(CUT_OFF, Island::B);
        wait_until("the one that is cut off is red", network.patience(), || {
            network.nodes[CUT_OFF].health() == Some(503)
        });
        let left_behind = network.nodes[CUT_OFF].height().expect("an answer");
        network.nodes[0].wait_for_height(left_behind + 20, network.patience());
        assert_eq!(network.nodes[CUT_OFF].height(), Some(left_behind));
        let waiting = load::send(network.nodes[CUT_OFF].rpc).expect("accepted while cut off");

        hosts.plug(CUT_OFF, Island::A);
        network.wait_until_even();
        network.wait_until_healthy();
        network.assert_final_everywhere(&[waiting]);
        network.assert_agreement();
        history.look_at_all(&network);
        history.assert_sound();
    });
}
