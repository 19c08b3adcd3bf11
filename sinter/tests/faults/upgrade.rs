//! Old and new releases side by side: the committee goes over to other rules when enough are ready, and who is late stops, and comes back.

use crate::{
    process::wait_until,
    support::{
        load::Load,
        network::{Network, on_loopback},
        node::Node,
        votes::History,
    },
};
use serde_json::{Value, json};
use std::{fs, num::NonZeroU64, time::Duration};

const EPOCH_BLOCKS: u64 = 32;
/// What a release that knows one protocol less takes part in.
const OLD: &str = "protocol_max = 1\n";

fn protocol(node: &Node, field: &str) -> u64 {
    let status = node.call("sinter_status", json!([])).expect("an answer");
    status["protocol"][field].as_u64().unwrap_or_else(|| panic!("{field}: {status}"))
}

/// Takes up the new release: its configuration holds it back no more.
fn upgrade(node: &mut Node) {
    let config = node.home.join("node.toml");
    let text = fs::read_to_string(&config).unwrap();
    assert!(text.contains(OLD), "{text}");
    fs::write(&config, text.replace(OLD, "")).unwrap();
}

/// The protocol of each header from `from` to `to`.
fn protocols(node: &Node, from: u64, to: u64) -> Vec<u64> {
    let header = |height| -> Value { node.call("sinter_getHeader", json!([height])).expect("a header") };
    (from..=to).map(|height| header(height)["protocol"].as_u64().unwrap()).collect()
}

#[test]
fn old_and_new_go_on_together_until_a_quorum_is_ready_and_the_late_one_comes_back() {
    const LATE: usize = 3;
    let places = on_loopback(4);
    let more = |seat: usize| if seat >= 2 { OLD.to_owned() } else { String::new() };
    let mut network = Network::with_epochs(&places, NonZeroU64::new(EPOCH_BLOCKS), |seat, _| more(seat));
    network.nodes.iter_mut().for_each(Node::start);
    network.nodes.iter_mut().for_each(Node::wait_until_up);
    let load = Load::start(network.rpc_without(&[LATE]), Duration::from_millis(20));
    let mut history = History::default();

    // Two of four are no quorum: nothing changes, whoever leads.
    let patience = network.patience() * 2;
    network.nodes.iter().for_each(|node| node.wait_for_height(2 * EPOCH_BLOCKS + 2, patience));
    for node in &network.nodes {
        let fields = ["current", "next", "seats"].map(|field| protocol(node, field));
        assert_eq!(fields, [1, 1, 4]);
        // What others are ready for, members tell each other now and then.
        wait_until("two are known to be ready", network.patience(), || {
            ["ready_seats", "next_ready_seats"].map(|field| protocol(node, field)) == [2, 2]
        });
    }

    // With the third it happens, an epoch after it is signed.
    network.nodes[2].stop();
    upgrade(&mut network.nodes[2]);
    network.nodes[2].start_and_wait();
    assert_eq!(network.nodes[LATE].ended().code(), Some(2));
    let log = fs::read_to_string(network.nodes[LATE].home.join("log")).unwrap();
    let message = "expected a protocol up to 1, got 2, which is in force at height ";
    let (_, after) = log.rsplit_once(message).unwrap_or_else(|| panic!("{log}"));
    let from_height: u64 = after.split_once(':').unwrap().0.parse().unwrap();
    assert_eq!(from_height % EPOCH_BLOCKS, 0);
    history.look(&network.nodes[LATE]);

    // It is held to what it says: it does not start, and says why.
    network.nodes[LATE].start();
    assert_eq!(network.nodes[LATE].ended().code(), Some(2));
    network.nodes[0].wait_for_height(from_height + EPOCH_BLOCKS, patience);
    assert_eq!(protocols(&network.nodes[0], from_height - 1, from_height + 1), [1, 2, 2]);

    upgrade(&mut network.nodes[LATE]);
    network.nodes[LATE].start_and_wait();
    network.wait_until_even();
    assert_eq!((protocol(&network.nodes[LATE], "current"), protocol(&network.nodes[LATE], "max")), (2, 2));
    // The others need it now: it votes.
    network.nodes[0].kill();
    let height = network.nodes[1].height().expect("an answer");
    for seat in 1..4 {
        network.nodes[seat].wait_for_height(height + EPOCH_BLOCKS, patience);
    }
    history.look(&network.nodes[LATE]);
    assert!(!history.views(LATE).is_empty());
    history.assert_sound();
    for seat in 1..4 {
        let evidence = network.nodes[seat].call("sinter_getEvidence", json!([])).expect("an answer");
        assert_eq!(evidence, json!([]), "seat {seat}");
    }
    for sent in load.stop() {
        let receipt = network.nodes[1].call("sinter_getReceipt", json!([sent.id])).expect("an answer");
        assert_ne!(receipt["stage"], "unknown", "{}", sent.id);
    }
}
