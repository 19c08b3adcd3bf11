//! A member comes when the chain is old already, by the word of others, of whom one is away and one lies.

use crate::{
    process::{errors, output, sinter},
    support::{
        liar,
        load::Load,
        network::{Network, on_loopback},
        votes::History,
    },
};
use serde_json::json;
use sinter_primitives::network::TrustedNetwork;
use std::{fs, num::NonZeroU64, path::Path, time::Duration};

const LATE: usize = 3;
const EPOCH_BLOCKS: u64 = 32;

/// The committees that a member leads to, for somebody who trusts `trusted`.
fn committees(trusted: &Path, url: &str) -> (TrustedNetwork, Vec<u8>) {
    let mut command = sinter(&["sequencer", "committee", "--rpc", url, "--trusted"]);
    let output = output(command.arg(trusted));
    assert!(output.status.success(), "{}", errors(&output));
    (TrustedNetwork::parse(&output.stdout).unwrap(), output.stdout)
}

#[test]
fn a_member_that_comes_late_begins_at_the_end_of_an_epoch_and_votes_in_the_next() {
    let places = on_loopback(4);
    let lying = liar::start(places[0].rpc, |method, result| match method {
        // The last ones are hidden, and what is left is not what they say.
        "sinter_getHandOvers" => drop(result.as_array_mut().and_then(Vec::pop)),
        "sinter_getEpochLedger" => result["ledger"] = json!("0x00"),
        _ => {}
    });
    let join_from = [places[LATE].rpc, places[1].rpc, places[0].rpc].map(|rpc| format!("http://{rpc}"));
    let [away, one, other] = &join_from;
    let more = |seat: usize| match seat {
        LATE => format!("join_from = {}\n", json!([away, lying, one, other])),
        _ => String::new(),
    };
    let mut network = Network::with_epochs(&places, NonZeroU64::new(EPOCH_BLOCKS), |seat, _| more(seat));
    for seat in 0..LATE {
        network.nodes[seat].start();
    }
    network.nodes[..LATE].iter_mut().for_each(|node| node.wait_until_up());
    let load = Load::start(network.rpc_without(&[LATE]), Duration::from_millis(20));
    network.nodes[0].wait_for_height(4 * EPOCH_BLOCKS + 4, network.patience() * 2);
    let ids: Vec<_> = load.stop().into_iter().map(|sent| sent.id).collect();

    network.nodes[LATE].start_and_wait();
    network.wait_until_even();
    let status = network.nodes[LATE].call("sinter_status", json!([])).expect("an answer");
    let log = fs::read_to_string(network.nodes[LATE].home.join("log")).unwrap();
    assert!(log.contains("this node begins at the end of an epoch"), "{log}");
    assert!(log.contains(away), "{log}");
    assert!(log.contains(&lying) && log.contains("ledger after epoch"), "{log}");
    // It has what was ordered in the window, and no block from before.
    let block = network.nodes[LATE].call("sinter_getBlock", json!([2])).expect_err("pruned");
    assert!(format!("{block:?}").contains("pruned"), "{block:?}");
    for id in &ids {
        match network.nodes[LATE].call("sinter_getReceipt", json!([id])) {
            Ok(answer) => assert_ne!(answer["stage"], "unknown", "{id}"),
            Err(error) => assert!(format!("{error:?}").contains("pruned"), "{id}: {error:?}"),
        }
    }

    // From the next epoch on the others need not all be there.
    let epoch = status["epoch"].as_u64().unwrap();
    network.nodes[0].wait_for_height((epoch + 1) * EPOCH_BLOCKS + 2, network.patience() * 2);
    network.nodes[0].kill();
    let height = network.nodes[1].height().expect("an answer");
    for seat in 1..4 {
        network.nodes[seat].wait_for_height(height + EPOCH_BLOCKS, network.patience() * 2);
    }
    let mut history = History::default();
    history.look(&network.nodes[LATE]);
    assert!(!history.views(LATE).is_empty());
    history.assert_sound();

    // A restart needs nobody's word again.
    network.nodes[LATE].stop();
    network.nodes[LATE].start_and_wait();
    let height = network.nodes[1].height().expect("an answer");
    network.nodes[LATE].wait_for_height(height + 2, network.patience());
    let log = fs::read_to_string(network.nodes[LATE].home.join("log")).unwrap();
    assert!(log.contains("this node has history, and joins from nobody"), "{log}");

    // What others may trust is printed by anybody, and leads on.
    let (trusted, text) = committees(&network.chain_path(), one);
    assert!(trusted.epoch > 2);
    let file = network.nodes[LATE].home.join("committees.json");
    fs::write(&file, text).unwrap();
    let (again, _) = committees(&file, &format!("http://{}", places[LATE].rpc));
    assert!(again.epoch >= trusted.epoch);
    let foreign = Network::new(4);
    let refused = output(sinter(&["sequencer", "committee", "--rpc", one, "--trusted"]).arg(foreign.chain_path()));
    assert_eq!(refused.status.code(), Some(3), "{}", errors(&refused));
}

#[test]
fn a_member_that_nobody_lets_begin_says_why_and_starts_nothing() {
    let places = on_loopback(4);
    let nobody = json!([format!("http://{}", places[0].rpc), format!("http://{}", places[1].rpc)]);
    let epochs = NonZeroU64::new(EPOCH_BLOCKS);
    let mut network = Network::with_epochs(&places, epochs, |_, _| format!("join_from = {nobody}\n"));
    let late = &mut network.nodes[LATE];
    late.start();
    assert_eq!(late.ended().code(), Some(1));
    let log = fs::read_to_string(late.home.join("log")).unwrap();
    assert!(log.contains("`join_from`: none of the members lets this node begin"), "{log}");
    assert!(log.contains(&places[0].rpc.to_string()) && log.contains(&places[1].rpc.to_string()), "{log}");
    // Another network's committees are not taken for this one's.
    let foreign = Network::new(1);
    let trusted = serde_json::to_value(foreign.trusted()).unwrap();
    fs::write(late.home.join("trusted.json"), trusted.to_string()).unwrap();
    let config = late.home.join("node.toml");
    let text = fs::read_to_string(&config).unwrap();
    fs::write(&config, format!("join_trusted = \"trusted.json\"\n{text}")).unwrap();
    late.start();
    assert_eq!(late.ended().code(), Some(2));
    let log = fs::read_to_string(late.home.join("log")).unwrap();
    assert!(log.contains("trusted committees: expected those of chain"), "{log}");
}
