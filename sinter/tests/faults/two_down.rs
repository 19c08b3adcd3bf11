//! Two of four are gone: the others must stop, and say so, and all must go on when they are back.

use crate::{
    process::wait_until,
    support::{load, network::Network, votes::History},
};
use std::thread::sleep;

const AWAY: [usize; 2] = [1, 2];
const LEFT: [usize; 2] = [0, 3];

#[test]
fn a_network_without_a_quorum_halts_and_goes_on_by_itself_when_it_is_back() {
    let mut network = Network::new(4);
    network.start();
    network.wait_until_healthy();
    let mut history = History::default();
    for seat in AWAY {
        network.nodes[seat].kill();
        history.look(&network.nodes[seat]);
    }

    let heights = |network: &Network| LEFT.map(|seat| network.nodes[seat].height());
    // Those that are left notice by themselves; what was under way when the others went has arrived by then.
    wait_until("those that are left are red", network.patience(), || {
        LEFT.iter().all(|&seat| network.nodes[seat].health() == Some(503))
    });
    let halted = heights(&network);
    let waiting = load::send(network.nodes[LEFT[0]].rpc).expect("accepted while the network halts");
    sleep(network.stall_bound());
    assert_eq!(heights(&network), halted, "final without a quorum");
    assert!(network.nodes[LEFT[0]].receipt(&waiting).is_none());

    for seat in AWAY {
        network.nodes[seat].start();
    }
    for seat in AWAY {
        network.nodes[seat].wait_until_up();
    }
    let height = halted.into_iter().flatten().max().expect("heights");
    network.wait_for_height(height + 5);
    network.wait_until_healthy();
    network.assert_final_everywhere(&[waiting]);
    network.assert_agreement();
    history.look_at_all(&network);
    history.assert_sound();
}

#[test]
fn members_that_are_frozen_and_thawed_catch_up() {
    let mut network = Network::new(4);
    network.start();
    for seat in AWAY {
        network.nodes[seat].signal("STOP");
    }
    wait_until("those that are left are red", network.patience(), || {
        LEFT.iter().all(|&seat| network.nodes[seat].health() == Some(503))
    });
    let halted = LEFT.map(|seat| network.nodes[seat].height()).into_iter().flatten().max().expect("heights");
    for seat in AWAY {
        network.nodes[seat].signal("CONT");
    }
    network.wait_for_height(halted + 5);
    network.wait_until_healthy();
    network.assert_agreement();
    let mut history = History::default();
    history.look_at_all(&network);
    history.assert_sound();
}
