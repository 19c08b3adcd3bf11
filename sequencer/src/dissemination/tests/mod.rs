//! Dissemination over a simulated network, deterministically; one file an adversary.

#![allow(clippy::unwrap_used)]

mod flooding_peer;
mod garbage_peer;

use super::{Actor, BATCH_TRANSACTIONS_MAX, DisseminationConfig, Leaders, batch::Batch, message_bytes_max};
use crate::{
    channels,
    mempool::{
        Mempool, MempoolConfig, Visibility,
        tests::fixtures::{account, chain, transaction},
    },
};
use commonware_codec::{Decode, Encode, EncodeSize};
use commonware_cryptography::{
    Signer,
    ed25519::{PrivateKey, PublicKey},
};
use commonware_p2p::{
    Manager as _, Recipients, Sender as _,
    simulated::{self, Link, Network, Oracle, Receiver, Sender},
};
use commonware_runtime::{Clock, Quota, Runner, Supervisor as _, deterministic};
use commonware_utils::{NZU32, NZUsize, ordered::Set, probability};
use sinter_primitives::{Parameters, Transaction, TransactionKind};
use std::{
    future::Future,
    sync::{Arc, Mutex},
    time::Duration,
};

type Context = deterministic::Context;
type Channel = (Sender<PublicKey, Context>, Receiver<PublicKey>);

/// One way from seat to seat.
const LATENCY: Duration = Duration::from_millis(20);
/// Time for what was sent to be there, and not yet to be gossiped.
const SOON: Duration = Duration::from_millis(100);
/// Time for gossip to be there, and not yet a second round.
const LATER: Duration = Duration::from_millis(500);

/// Leaders that a test names.
struct Named {
    members: Vec<PublicKey>,
    leaders: Arc<Mutex<Vec<PublicKey>>>,
}

impl Leaders for Named {
    fn epoch(&self) -> u64 {
        0
    }

    fn members(&self) -> Vec<PublicKey> {
        self.members.clone()
    }

    fn next_leaders(&self, count: usize) -> Vec<PublicKey> {
        self.leaders.lock().unwrap().iter().take(count).cloned().collect()
    }
}

/// A committee whose first seats run the actor; the others' channels are the test's to misuse.
struct Committee {
    keys: Vec<PublicKey>,
    pools: Vec<Mempool>,
    raw: Vec<Channel>,
    leaders: Arc<Mutex<Vec<PublicKey>>>,
    oracle: Oracle<PublicKey, Context>,
}

impl Committee {
    /// Makes these seats the next leaders.
    fn lead(&self, seats: &[usize]) {
        *self.leaders.lock().unwrap() = seats.iter().map(|seat| self.keys[*seat].clone()).collect();
    }

    /// How many transactions each seat has.
    fn pending(&self) -> Vec<usize> {
        self.pools.iter().map(|pool| pool.stats().transactions).collect()
    }

    /// A client of seat 0 sends `transaction`.
    fn client_sends(&self, transaction: Transaction, visibility: Visibility) {
        self.pools[0].insert(transaction, account(1), visibility).unwrap();
    }

    async fn link(&self, from: usize, to: usize) {
        let link = Link { latency: LATENCY, jitter: Duration::ZERO, success_rate: probability!(1.0) };
        self.oracle.add_link(self.keys[from].clone(), self.keys[to].clone(), link).await.unwrap();
    }

    async fn blocked(&self) -> Vec<(usize, usize)> {
        let seat = |key: &PublicKey| self.keys.iter().position(|other| other == key).unwrap();
        self.oracle.blocked().await.unwrap().iter().map(|(from, to)| (seat(from), seat(to))).collect()
    }
}

struct Setup {
    seats: usize,
    honest: usize,
    quota: Quota,
    config: DisseminationConfig,
    linked: bool,
    pool: MempoolConfig,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            seats: 4,
            honest: 4,
            quota: channels::quota(channels::TRANSACTIONS),
            config: DisseminationConfig::default(),
            linked: true,
            pool: MempoolConfig::default(),
        }
    }
}

/// Runs `test` on a committee that is set up like that.
fn run<F: Future<Output = ()>>(setup: Setup, test: impl FnOnce(Context, Committee) -> F) {
    deterministic::Runner::timed(Duration::from_secs(3_600)).start(|context| async move {
        let committee = start(&context, setup).await;
        test(context, committee).await;
    });
}

async fn start(context: &Context, setup: Setup) -> Committee {
    let mut keys: Vec<_> = (0..setup.seats as u64).map(|seed| PrivateKey::from_seed(seed).public_key()).collect();
    keys.sort_unstable();
    let network = simulated::Config {
        max_size: u32::try_from(2 * message_bytes_max(&Parameters::default())).unwrap(),
        max_peers_per_set: NZUsize!(128),
        disconnect_on_block: true,
        tracked_peer_sets: NZUsize!(1),
    };
    let (network, oracle) = Network::new(context.child("network"), network);
    network.start();
    let mut channels = Vec::new();
    for key in &keys {
        channels.push(oracle.control(key.clone()).register(channels::TRANSACTIONS, setup.quota).await.unwrap());
    }
    oracle.manager().track(0, Set::from_iter_dedup(keys.clone()));

    let leaders = Arc::new(Mutex::new(Vec::<PublicKey>::new()));
    let file = chain(&[1], setup.seats, Parameters::default());
    let mut pools = Vec::new();
    let raw = channels.split_off(setup.honest);
    for (key, channel) in keys.iter().zip(channels) {
        let pool = Mempool::for_file(&file, &setup.pool);
        let leaders = leaders.clone();
        let actor = Actor::new(
            context.child("dissemination"),
            setup.config,
            file.parameters,
            key,
            pool.clone(),
            Named { members: keys.clone(), leaders },
            oracle.control(key.clone()),
        );
        actor.start(channel);
        pools.push(pool);
    }
    let committee = Committee { keys, pools, raw, leaders, oracle };
    if setup.linked {
        for from in 0..setup.seats {
            for to in (0..setup.seats).filter(|to| *to != from) {
                committee.link(from, to).await;
            }
        }
    }
    committee
}

#[test]
fn the_next_leaders_get_it_first_and_the_others_later() {
    run(Setup::default(), |context, committee| async move {
        committee.lead(&[2, 0]);
        committee.client_sends(transaction(1, 0, 200, 100), Visibility::Public);
        context.sleep(SOON).await;
        assert_eq!(committee.pending(), [1, 0, 1, 0]);
        context.sleep(LATER).await;
        assert_eq!(committee.pending(), [1, 1, 1, 1]);
    });
}

#[test]
fn what_leaders_order_in_time_is_not_gossiped() {
    run(Setup::default(), |context, committee| async move {
        committee.lead(&[2]);
        let ordered = transaction(1, 0, 200, 100);
        let id = ordered.id(7);
        committee.client_sends(ordered, Visibility::Public);
        context.sleep(SOON).await;
        committee.pools[0].notarized(1, &[id]);
        context.sleep(LATER).await;
        assert_eq!(committee.pending(), [1, 0, 1, 0]);
    });
}

#[test]
fn private_ones_go_to_leaders_only_and_follow_them() {
    run(Setup::default(), |context, committee| async move {
        committee.lead(&[1]);
        committee.client_sends(transaction(1, 0, 200, 100), Visibility::Private);
        context.sleep(LATER).await;
        assert_eq!(committee.pending(), [1, 1, 0, 0]);
        committee.lead(&[3]);
        context.sleep(Duration::from_secs(2)).await;
        assert_eq!(committee.pending(), [1, 1, 0, 1]);
        context.sleep(Duration::from_secs(600)).await;
        assert_eq!(committee.pending(), [1, 1, 0, 1], "seat 2 never led");
    });
}

#[test]
fn nobody_passes_on_what_is_not_his() {
    run(Setup { linked: false, ..Setup::default() }, |context, committee| async move {
        committee.link(0, 1).await;
        committee.link(1, 2).await;
        committee.lead(&[1, 2]);
        committee.client_sends(transaction(1, 0, 200, 100), Visibility::Public);
        context.sleep(Duration::from_secs(60)).await;
        assert_eq!(committee.pending(), [1, 1, 0, 0]);
    });
}

#[test]
fn what_was_lost_is_sent_again() {
    run(Setup { linked: false, ..Setup::default() }, |context, committee| async move {
        committee.lead(&[1]);
        committee.client_sends(transaction(1, 0, 200, 100), Visibility::Public);
        context.sleep(Duration::from_secs(5)).await;
        assert_eq!(committee.pending(), [1, 0, 0, 0]);
        committee.link(0, 1).await;
        committee.link(0, 2).await;
        context.sleep(Duration::from_secs(10)).await;
        assert_eq!(committee.pending(), [1, 1, 1, 0]);
    });
}

#[test]
fn a_burst_travels_in_few_messages() {
    // One message in two seconds: what a batch cannot hold waits for the quota, and nothing is lost.
    let quota = Quota::with_period(Duration::from_secs(2)).unwrap();
    run(Setup { quota, ..Setup::default() }, |context, committee| async move {
        committee.lead(&[1]);
        for number in 0..3_000 {
            let source = account(u8::try_from(number / 1_000).unwrap());
            let transaction = transaction(1, number, 200, 100);
            committee.pools[0].insert(transaction, source, Visibility::Public).unwrap();
        }
        context.sleep(SOON).await;
        // 256 KiB at 200 bytes and an envelope of 19.
        let first = committee.pending()[1];
        assert!((1_100..1_200).contains(&first), "{first}");
        context.sleep(Duration::from_secs(20)).await;
        assert_eq!(committee.pending()[1], 3_000);
    });
}

#[test]
fn a_schedule_is_bounded() {
    let config = DisseminationConfig { scheduled_max: 10, ..DisseminationConfig::default() };
    run(Setup { config, ..Setup::default() }, |context, committee| async move {
        committee.lead(&[1]);
        for number in 0..50 {
            committee.client_sends(transaction(1, number, 200, 100), Visibility::Public);
        }
        context.sleep(Duration::from_secs(10)).await;
        assert_eq!(committee.pending(), [50, 10, 10, 10]);
        // It goes on with what comes next.
        committee.client_sends(transaction(1, 50, 200, 100), Visibility::Public);
        context.sleep(LATER).await;
        assert_eq!(committee.pending(), [51, 11, 11, 11]);
    });
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let state = || {
        deterministic::Runner::seeded(7).start(|context| async move {
            let committee = start(&context, Setup::default()).await;
            committee.lead(&[1, 2]);
            for number in 0..200 {
                committee.client_sends(transaction(1, number, 200, 100), Visibility::Public);
                context.sleep(Duration::from_millis(3)).await;
            }
            context.sleep(LATER).await;
            assert_eq!(committee.pending(), [200; 4]);
            context.auditor().state()
        })
    };
    assert_eq!(state(), state());
}

#[test]
fn batches_have_one_encoding_and_fit_their_messages() {
    let max = message_bytes_max(&Parameters::default());
    let transactions: Vec<_> = (0..10_000).map(|number| transaction(1, number, 8 + number as usize % 200, 9)).collect();
    let batches = Batch::pack(Visibility::Private, transactions.clone(), max);
    assert!(batches.len() < 10);
    for batch in &batches {
        let bytes = batch.encode();
        assert_eq!(bytes.len(), batch.encode_size());
        assert!(bytes.len() <= max && batch.transactions.len() <= BATCH_TRANSACTIONS_MAX);
        assert_eq!(Batch::decode_cfg(bytes, &1_000).unwrap(), *batch);
    }
    let unpacked: Vec<_> = batches.into_iter().flat_map(|batch| batch.transactions).collect();
    assert_eq!(unpacked, transactions);
    // The largest payload has a message of its own.
    let parameters = Parameters { payload_bytes_max: 1 << 20, ..Parameters::default() };
    let largest = vec![transaction(1, 0, 1 << 20, 9), transaction(1, 1, 1 << 20, 9)];
    let batches = Batch::pack(Visibility::Public, largest, message_bytes_max(&parameters));
    assert_eq!(batches.len(), 2);
    assert!(batches.iter().all(|batch| batch.encode_size() <= message_bytes_max(&parameters)));
}

#[test]
fn the_layout_is_as_documented() {
    let batch = Batch { visibility: Visibility::Private, transactions: vec![transaction(3, 1, 8, 5)] };
    let expected = "01 01 00 0000000000000003 0000000000000005 08 0000000000000001".replace(' ', "");
    assert_eq!(hex::encode(batch.encode()), expected);
}
