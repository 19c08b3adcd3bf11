//! A wide-area network of members in ten regions, on commonware's deterministic runtime: what the benchmarks of this folder share.
//!
//! **The model.** A message takes half of the round trip between two regions ([`ROUND_TRIPS_MS`]) with a jitter of a millisecond, and its
//! share of each member's bandwidth. Processors take next to no time here ([`STEP`]): what finality costs of them is what
//! `sinter bench order` measures. Finality is from a block's timestamp, which its leader sets when it builds it, until a member has it
//! final. Runs of one seed differ by a few in a hundred: not all chance in a node comes from the seed.

#![allow(
    dead_code,
    reason = "no benchmark uses all that they share, and none all that the fault tests' cluster can do"
)]

#[path = "../../tests/faults/cluster.rs"]
pub mod cluster;
#[path = "../../tests/faults/liar.rs"]
mod liar;

use bytes::Bytes;
use cluster::{Cluster, NAMESPACE, OTHER_NAMESPACE};
use commonware_p2p::simulated::Link;
use commonware_runtime::{Spawner as _, Supervisor as _, deterministic};
use commonware_utils::{probability, sync::Mutex};
use sinter_primitives::{Transaction, TransactionKind};
use sinter_sequencer::{
    clock::unix_ms,
    mempool::{Source, Visibility},
};
use std::{collections::BTreeMap, net::Ipv4Addr, sync::Arc, time::Duration};

/// Round trips between cloud regions in milliseconds, as their providers' public measurements have them, rounded to five.
const ROUND_TRIPS_MS: [[u64; 10]; 10] = [
    //  Virginia, Oregon, São Paulo, Ireland, Frankfurt, Cape Town, Mumbai, Singapore, Tokyo, Sydney
    [2, 65, 115, 70, 90, 225, 190, 215, 150, 200],
    [65, 2, 175, 125, 145, 280, 220, 165, 100, 140],
    [115, 175, 2, 180, 200, 340, 300, 325, 255, 310],
    [70, 125, 180, 2, 25, 160, 125, 175, 205, 255],
    [90, 145, 200, 25, 2, 155, 110, 155, 225, 250],
    [225, 280, 340, 160, 155, 2, 265, 320, 360, 410],
    [190, 220, 300, 125, 110, 265, 2, 60, 130, 150],
    [215, 165, 325, 175, 155, 320, 60, 2, 70, 95],
    [150, 100, 255, 205, 225, 360, 130, 70, 2, 105],
    [200, 140, 310, 255, 250, 410, 150, 95, 105, 2],
];
pub const REGIONS: usize = ROUND_TRIPS_MS.len();
pub const PAYLOAD_BYTES: usize = 16 << 10;
/// What it takes one task of a node to wake another. A proposal goes through dozens of them on its way to being final.
const STEP: Duration = Duration::from_micros(10);
/// How often mempools are filled.
pub const FILL_INTERVAL: Duration = Duration::from_millis(20);

/// When each member had each height final, in milliseconds.
pub type Finals = Arc<Mutex<Vec<BTreeMap<u64, u64>>>>;

/// The runtime that all of a benchmark's nodes share.
pub fn runner(seed: u64) -> deterministic::Runner {
    let config = deterministic::Config::new().with_seed(seed).with_cycle(STEP);
    deterministic::Runner::new(config.with_timeout(Some(Duration::from_secs(3_600))))
}

const fn region(member: usize) -> usize {
    member % REGIONS
}

fn link(from: usize, to: usize) -> Link {
    let round_trip_ms = ROUND_TRIPS_MS[region(from)][region(to)];
    Link {
        latency: Duration::from_micros(500 * round_trip_ms),
        jitter: Duration::from_millis(1),
        success_rate: probability!(1.0),
    }
}

/// The least finality that any protocol of three hops has here at its median, over leaders and members, in milliseconds: a block to
/// everybody, a quorum's votes to everybody, and a quorum's votes again, with nothing between.
pub fn floor_ms(seats: usize) -> u64 {
    let quorum = seats - (seats - 1) / 3;
    let hop_us = |from: usize, to: usize| if from == to { 0 } else { 500 * ROUND_TRIPS_MS[region(from)][region(to)] };
    // When a member has the votes of a quorum that were cast at these times.
    let after = |cast: &[u64]| -> Vec<u64> {
        let heard = |to: usize| {
            let mut times: Vec<_> = cast.iter().enumerate().map(|(from, at)| at + hop_us(from, to)).collect();
            times.sort_unstable();
            times[quorum - 1]
        };
        (0..seats).map(heard).collect()
    };
    let mut finals: Vec<u64> = (0..seats)
        .flat_map(|leader| after(&after(&(0..seats).map(|to| hop_us(leader, to)).collect::<Vec<_>>())))
        .collect();
    quantile(&mut finals, 50) / 1_000
}

/// Puts a cluster's members into their regions, each with so much bandwidth up and down.
pub async fn spread(cluster: &Cluster, megabit_per_s: usize) {
    let count = cluster.members.len();
    for from in 0..count {
        let rate = Some(megabit_per_s * 1_000_000 / 8);
        cluster.oracle.limit_bandwidth(cluster.key(from), rate, rate).await.unwrap();
        for to in (0..count).filter(|to| *to != from) {
            cluster.oracle.remove_link(cluster.key(from), cluster.key(to)).await.unwrap();
            cluster.oracle.add_link(cluster.key(from), cluster.key(to), link(from, to)).await.unwrap();
        }
    }
}

/// Notes when a member has which height final.
pub fn watch(cluster: &Cluster, member: usize, finals: Finals) {
    let mut heads = cluster.node(member).heads.clone();
    cluster.context.child("watch").with_attribute("member", member).spawn(move |context| async move {
        while heads.changed().await.is_ok() {
            let height = heads.borrow_and_update().height;
            let now_ms = unix_ms(&context);
            let mut finals = finals.lock();
            let from = finals[member].last_key_value().map_or(1, |(height, _)| height + 1);
            finals[member].extend((from..=height).map(|height| (height, now_ms)));
        }
    });
}

/// Keeps two blocks' worth in a member's mempool.
pub fn fill(cluster: &mut Cluster, member: usize) {
    let missing =
        (2 * cluster.chain.file.parameters.block_bytes_max).saturating_sub(cluster.node(member).mempool.stats().bytes);
    for number in 0..missing / PAYLOAD_BYTES {
        let expiry_height = cluster.height(member) + cluster.chain.file.parameters.expiry_blocks / 2;
        let namespace = if number % 2 == 0 { NAMESPACE } else { OTHER_NAMESPACE };
        let mut payload = cluster.transaction(namespace, expiry_height).payload.to_vec();
        payload.resize(PAYLOAD_BYTES, 0);
        let payload = Bytes::from(payload);
        let transaction = Transaction { kind: TransactionKind::User, namespace, expiry_height, payload };
        let source = Source::Client(Ipv4Addr::new(10, 0, (member / 256) as u8, (member % 256) as u8).into());
        // It holds what it may hold: what is too much waits for the next time.
        let _ = cluster.node(member).mempool.insert(transaction, source, Visibility::Private);
    }
}

pub fn quantile(samples: &mut [u64], percent: usize) -> u64 {
    samples.sort_unstable();
    samples.get(samples.len().saturating_sub(1) * percent / 100).copied().unwrap_or_default()
}
