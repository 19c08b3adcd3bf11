//! Every line between members is slow, uneven, and loses datagrams.

use crate::support::{
    load::Load,
    network::{Network, on_loopback},
    relay::{Quality, Relays},
    votes::History,
};
use std::time::Duration;

const QUALITY: Quality =
    Quality { delay: Duration::from_millis(30), jitter: Duration::from_millis(20), loss_percent: 2 };
const SEED: u64 = 0x51_47_3e;

#[test]
fn a_network_over_bad_lines_still_finalizes() {
    let places = on_loopback(4);
    let mut relays = Relays::new(QUALITY, SEED);
    let lines: Vec<Vec<_>> =
        places.iter().map(|_| places.iter().map(|place| relays.line_to(place.quic)).collect()).collect();
    let mut network = Network::at(&places, |seat, chain| {
        let peers = chain.committee.seats().iter().zip(&lines[seat]).enumerate().filter(|(peer, _)| *peer != seat);
        let peers = peers.map(|(_, (peer, line))| format!("{} = \"{line}\"\n", hex::encode(peer.node_key)));
        format!("[peers]\n{}", peers.collect::<String>())
    });
    network.start();
    let load = Load::start(network.rpc_without(&[]), Duration::from_millis(100));
    network.wait_for_height(40);
    let ids: Vec<_> = load.stop().into_iter().map(|sent| sent.id).collect();
    assert!(ids.len() >= 20, "{} transactions are too few to show anything", ids.len());
    network.assert_final_everywhere(&ids);
    network.wait_until_healthy();
    network.assert_agreement();
    let mut history = History::default();
    history.look_at_all(&network);
    history.assert_sound();
}
