//! The transport under the p2p layer that it was made for.

use super::harness::{CHAIN, Context, SOON, ended, eventually, key, run};
use crate::{quic::harness, support::ports::free_udp_addresses};
use commonware_cryptography::ed25519::PublicKey;
use commonware_p2p::{
    Address, AddressableManager as _, Receiver as _, Recipients, Sender as _,
    authenticated::lookup::{self, Network},
};
use commonware_runtime::{Handle, Quota, Supervisor as _};
use commonware_utils::{NZU32, NZUsize, ordered::Map};
use sinter_sequencer::{
    channels::{ALL, BLOCKS, VOTES},
    quic::{QuicContext, Transport},
};
use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

type Sender = lookup::Sender<PublicKey, QuicContext<Context>>;
type Receiver = lookup::Receiver<PublicKey>;

struct Member {
    transport: Arc<Transport>,
    channels: Vec<(Sender, Receiver)>,
    running: Handle<()>,
}

fn free_addresses(count: usize) -> Vec<(u64, SocketAddr)> {
    (1..).zip(free_udp_addresses(count)).collect()
}

fn join(context: &Context, seed: u64, addresses: &[(u64, SocketAddr)]) -> Member {
    let transport = Transport::new(harness::config(seed)).unwrap();
    let quic = QuicContext::new(context.child("member").with_attribute("seed", seed), transport.clone());
    let listen = addresses.iter().find(|(other, _)| *other == seed).unwrap().1;
    let peers = NZUsize!(16);
    let mut config =
        lookup::Config::local(transport.upgrader(), CHAIN.as_ref(), listen, peers, 1 << 20, NZUsize!(1024));
    config.bypass_ip_check = true;
    config.peer_connection_cooldown = Duration::from_millis(500);
    config.dial_frequency = Duration::from_millis(100);
    config.allowed_handshake_rate_per_ip = Quota::per_second(NZU32!(128));
    let (mut network, mut oracle) = Network::new(quic, config);
    let peers: Map<PublicKey, Address> =
        Map::from_iter_dedup(addresses.iter().map(|(seed, address)| (key(*seed), Address::Symmetric(*address))));
    let _ = oracle.track(0, peers);
    let channels = ALL.iter().map(|channel| network.register(channel.id, channel.quota())).collect();
    Member { transport, channels, running: network.start() }
}

/// Sends until `to` answers having heard `from`.
async fn heard(from: &mut Sender, to: &mut Receiver, peer: u64, text: &'static [u8]) {
    let started = Instant::now();
    loop {
        let _ = from.send(Recipients::One(key(peer)), text, true);
        let received = tokio::time::timeout(Duration::from_millis(50), to.recv()).await;
        if let Ok(Ok((_, message))) = received
            && message == *text
        {
            return;
        }
        assert!(started.elapsed() < SOON, "never heard");
    }
}

#[test]
fn four_members_all_hear_each_other() {
    run(|context| async move {
        let addresses = free_addresses(4);
        let mut members: Vec<_> = (1..=4).map(|seed| join(&context, seed, &addresses)).collect();
        for from in 0..4 {
            for to in 0..4 {
                if from == to {
                    continue;
                }
                let mut sender = members[from].channels[VOTES as usize].0.clone();
                let receiver = &mut members[to].channels[VOTES as usize].1;
                heard(&mut sender, receiver, to as u64 + 1, b"vote").await;
            }
        }
    });
}

#[test]
fn a_member_that_restarts_is_back_before_the_idle_timeout() {
    run(|context| async move {
        let addresses = free_addresses(2);
        let mut first = join(&context, 1, &addresses);
        let mut second = join(&context, 2, &addresses);
        let (near, far) = (&mut first.channels[VOTES as usize], &mut second.channels[VOTES as usize]);
        heard(&mut near.0, &mut far.1, 2, b"before").await;

        // As a process that is killed: no goodbye, and the same address and key afterwards.
        let Member { transport, channels, running } = second;
        running.abort();
        drop((transport, channels));
        tokio::time::sleep(Duration::from_millis(200)).await;
        let started = Instant::now();
        let mut second = join(&context, 2, &addresses);
        let far = &mut second.channels[VOTES as usize];
        heard(&mut first.channels[VOTES as usize].0, &mut far.1, 2, b"after").await;
        assert!(started.elapsed() < Duration::from_secs(8), "took {:?}", started.elapsed());
    });
}

#[test]
fn a_member_that_stops_says_so() {
    run(|context| async move {
        let addresses = free_addresses(2);
        let mut first = join(&context, 1, &addresses);
        let mut second = join(&context, 2, &addresses);
        let (near, far) = (&mut first.channels[VOTES as usize], &mut second.channels[VOTES as usize]);
        heard(&mut near.0, &mut far.1, 2, b"before").await;
        second.transport.shutdown(Duration::from_secs(2)).await;
        eventually("both sides know why", || ended("shutdown") >= 2).await;
    });
}

#[test]
fn a_channel_over_its_quota_does_not_hold_up_votes() {
    run(|context| async move {
        let addresses = free_addresses(2);
        let mut first = join(&context, 1, &addresses);
        let mut second = join(&context, 2, &addresses);
        let (near, far) = (&mut first.channels[VOTES as usize], &mut second.channels[VOTES as usize]);
        heard(&mut near.0, &mut far.1, 2, b"before").await;
        // What the sender's own quota lets through is a burst at once, and then the rate, with votes between.
        let mut blocks = first.channels[BLOCKS as usize].0.clone();
        let started = Instant::now();
        while started.elapsed() < Duration::from_secs(1) {
            let _ = blocks.send(Recipients::One(key(2)), vec![1_u8; 1000], false);
            let asked = Instant::now();
            heard(&mut first.channels[VOTES as usize].0, &mut second.channels[VOTES as usize].1, 2, b"vote").await;
            assert!(asked.elapsed() < Duration::from_millis(500), "took {:?}", asked.elapsed());
        }
    });
}
