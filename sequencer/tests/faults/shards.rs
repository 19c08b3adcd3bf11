//! Blocks that go in shards: in time where whole ones are not, past members that are silent, that pass on what is wrong, or that lead
//! and send wrong ones; over epochs' ends, and to who was away. And whole ones, which seats alone get from their leader.

use super::{
    cluster::{Cluster, Context, Receiver, Sender, members, parameters, run, test_chain},
    epochs::{EPOCH_BLOCKS, Turns, committee, with_epochs},
};
use bytes::Bytes;
use commonware_actor::{Feedback, Unreliable};
use commonware_codec::Encode as _;
use commonware_coding::{Config as Code, ReedSolomon, Scheme as _};
use commonware_consensus::{
    simplex::elector::{Config, Elector as _, RoundRobin},
    types::{Epoch, Participant, Round, View},
};
use commonware_cryptography::{Sha256, ed25519::PublicKey};
use commonware_p2p::{CheckedSender, LimitedSender, Recipients, Sender as _};
use commonware_parallel::Sequential;
use commonware_runtime::IoBufs;
use commonware_utils::{TryCollect as _, ordered::Set};
use sinter_primitives::{Digest, Parameters, Transaction, TransactionKind};
use sinter_sequencer::{
    channels,
    committees::Repeat,
    consensus::Scheme,
    mempool::{Source, Visibility},
    shards::{ShardsConfig, VIEWS_AHEAD_MAX},
};
use std::{net::Ipv4Addr, num::NonZeroU16, sync::Arc};

/// Two of them may be faulty, and any three shards are a block.
const SEATS: usize = 7;
const NEEDED: u16 = 3;
const FAULTY: [usize; 2] = [5, 6];
const HONEST: [usize; 5] = [0, 1, 2, 3, 4];
const BLOCK_BYTES: usize = 256 << 10;
const ALWAYS: ShardsConfig = ShardsConfig { saved_bytes_min: 0 };
const NEVER: ShardsConfig = ShardsConfig { saved_bytes_min: u64::MAX };
/// First byte of a message that is a shard.
const SHARD: u8 = 1;

async fn cluster(context: Context, parameters: Parameters, shards: ShardsConfig) -> Cluster {
    let members = members(SEATS);
    let chain = Arc::new(test_chain(&members, parameters));
    let mut cluster = Cluster::of(context, chain, members, Arc::new(Repeat)).await;
    cluster.shards = shards;
    cluster
}

/// Two committees that take turns, and have nobody in common.
async fn two_committees(context: Context, parameters: Parameters) -> Cluster {
    let members = members(2 * SEATS);
    let chain = test_chain(&members[..SEATS], parameters);
    let turns = Turns(vec![committee(&members, SEATS..2 * SEATS), committee(&members, 0..SEATS)]);
    Cluster::of(context, Arc::new(chain), members, Arc::new(turns)).await
}

/// A message with the shard of a seat of what is no block.
fn nonsense(epoch: u64, view: u64, seat: usize, said: &[u8]) -> Vec<u8> {
    let extra = NonZeroU16::new(SEATS as u16 - NEEDED).unwrap();
    let config = Code { minimum_shards: NonZeroU16::new(NEEDED).unwrap(), extra_shards: extra };
    let (root, shards) = ReedSolomon::<Sha256>::encode(&config, said, &Sequential).unwrap();
    [&[SHARD], &epoch.to_be_bytes()[..], &view.to_be_bytes(), &root.encode(), &shards[seat].encode()].concat()
}

fn epoch_and_view(message: &[u8]) -> (u64, u64) {
    let number = |from: usize| u64::from_be_bytes(message[from..from + 8].try_into().unwrap());
    (number(1), number(9))
}

/// What a faulty member does to the shards that it sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// Passes on shards that are not under their root.
    Alters,
    /// Passes on the shard of another seat.
    PassesOff,
    /// Passes nothing on.
    Withholds,
    /// Leads with shards of what is no block.
    LeadsWithNonsense,
    /// Leads with shards of a block to some, and of what is none to the others.
    LeadsWithTwo,
    /// Leads with fewer shards than make a block.
    LeadsWithTooFew,
}

impl Fault {
    /// What is sent instead, and to whom. A leader sends shards one by one, and others to all at once.
    fn apply(
        self,
        keys: &Set<PublicKey>,
        recipients: Recipients<PublicKey>,
        message: Bytes,
    ) -> Option<(Recipients<PublicKey>, Bytes)> {
        if message.first() != Some(&SHARD) {
            return Some((recipients, message));
        }
        let (epoch, view) = epoch_and_view(&message);
        let to = match &recipients {
            Recipients::One(key) => keys.position(key),
            _ => None,
        };
        let message = match (self, to) {
            (Self::Alters, None) => {
                let mut altered = message.to_vec();
                // In the middle of the shard.
                altered[200] ^= 1;
                Some(altered.into())
            }
            // Its own is that of seat 5 or 6.
            (Self::PassesOff, None) => Some(nonsense(epoch, view, 0, &[9; 5_000]).into()),
            (Self::Withholds, None) => None,
            (Self::LeadsWithNonsense, Some(seat)) => Some(nonsense(epoch, view, seat, &[7; 5_000]).into()),
            // Three of either: enough for both.
            (Self::LeadsWithTwo, Some(seat)) if seat < 3 => Some(nonsense(epoch, view, seat, &[8; 5_000]).into()),
            (Self::LeadsWithTooFew, Some(seat)) if seat >= usize::from(NEEDED) - 1 => None,
            _ => Some(message),
        };
        message.map(|message| (recipients, message))
    }
}

/// Who leads a view where nobody is drawn and no epoch ends.
fn leader(keys: &Set<PublicKey>, view: u64) -> Participant {
    let turns = Config::<Scheme>::build(RoundRobin::<Sha256>::default(), keys);
    turns.elect(Round::new(Epoch::zero(), View::new(view)), ())
}

fn keys(cluster: &Cluster) -> Set<PublicKey> {
    (0..SEATS).map(|seat| cluster.key(seat)).try_collect().unwrap()
}

/// A sender that a faulty member has.
#[derive(Clone, Debug)]
struct FaultySender {
    inner: Sender,
    fault: Option<Fault>,
    keys: Arc<Set<PublicKey>>,
}

struct FaultyChecked<'a> {
    sender: &'a mut FaultySender,
    recipients: Recipients<PublicKey>,
}

impl LimitedSender for FaultySender {
    type PublicKey = PublicKey;
    type Checked<'a> = FaultyChecked<'a>;

    fn check(&mut self, recipients: Recipients<PublicKey>) -> Result<FaultyChecked<'_>, std::time::SystemTime> {
        self.inner.check(recipients.clone())?;
        Ok(FaultyChecked { sender: self, recipients })
    }
}

impl CheckedSender for FaultyChecked<'_> {
    type PublicKey = PublicKey;

    fn recipients(&self) -> Vec<PublicKey> {
        Vec::new()
    }

    fn send(self, message: impl Into<IoBufs> + Send, priority: bool) -> Unreliable<Feedback> {
        let Self { sender: FaultySender { inner, fault, keys }, recipients } = self;
        let message: Bytes = message.into().coalesce().into();
        let outcome = match fault {
            Some(fault) => fault.apply(keys, recipients, message),
            None => Some((recipients, message)),
        };
        if let Some((recipients, message)) = outcome {
            inner.send(recipients, message, priority);
        }
        Unreliable::new(Feedback::Ok)
    }
}

/// Starts a member that does this with its shards, and is honest otherwise.
async fn start(cluster: &mut Cluster, seat: usize, fault: Fault) {
    let keys = Arc::new(keys(cluster));
    let mut pairs: Vec<(FaultySender, Receiver)> = Vec::new();
    for channel in super::cluster::CHANNELS {
        let (inner, receiver) = cluster.channel(seat, channel).await;
        let fault = (channel == channels::BLOCKS).then_some(fault);
        pairs.push((FaultySender { inner, fault, keys: keys.clone() }, receiver));
    }
    cluster.launch(seat, None, pairs).await.unwrap();
}

/// The view and the proposer of every final block, from the first one on.
fn proposers(cluster: &Cluster) -> Vec<(u64, usize)> {
    let index = &cluster.node(0).index;
    let snapshot = index.snapshot().unwrap();
    let header = |height| snapshot.header(height).unwrap().unwrap();
    (1..=index.tip().header.height).map(|height| (header(height).view, header(height).proposer_seat as usize)).collect()
}

/// Two faulty members of seven, and the others, until those have ordered what was sent and everybody has led.
async fn survives(context: Context, fault: Fault) -> Cluster {
    let mut cluster = cluster(context, Parameters { block_bytes_max: BLOCK_BYTES, ..parameters() }, ALWAYS).await;
    for seat in HONEST {
        cluster.start(seat).await;
    }
    for seat in FAULTY {
        start(&mut cluster, seat, fault).await;
    }
    let ids = cluster.send(0, 50);
    cluster.reach_all(&HONEST, 40, 120).await;
    cluster.assert_agreement();
    assert!(ids.iter().all(|id| cluster.node(0).index.locate(id).unwrap().is_some()), "something was not ordered");
    for seat in HONEST {
        assert_eq!(cluster.node(seat).status.faults(), 0);
    }
    cluster
}

/// How many honest members have cut this one off.
async fn cut_off_by(cluster: &Cluster, faulty: usize) -> usize {
    let blocked = cluster.oracle.blocked().await.unwrap();
    HONEST.iter().filter(|seat| blocked.contains(&(cluster.key(**seat), cluster.key(faulty)))).count()
}

#[test]
fn who_passes_on_what_is_under_no_root_is_cut_off() {
    run(0..2, |context| async move {
        let cluster = survives(context, Fault::Alters).await;
        for faulty in FAULTY {
            // Who is cut off by all leaders but one has nothing left to pass on, least of all to that one.
            assert!(cut_off_by(&cluster, faulty).await >= HONEST.len() - 1, "seat {faulty}");
        }
    });
}

#[test]
fn who_passes_on_the_shard_of_another_seat_is_cut_off() {
    run(0..2, |context| async move {
        let cluster = survives(context, Fault::PassesOff).await;
        for faulty in FAULTY {
            assert!(cut_off_by(&cluster, faulty).await >= HONEST.len() - 1, "seat {faulty}");
        }
    });
}

#[test]
fn who_passes_nothing_on_holds_nobody_up() {
    run(0..2, |context| async move {
        let cluster = survives(context, Fault::Withholds).await;
        assert!(cluster.oracle.blocked().await.unwrap().is_empty());
        // They lead as the others do, and their blocks are as good.
        assert!(proposers(&cluster).iter().any(|(_, seat)| FAULTY.contains(seat)));
    });
}

#[test]
fn a_leader_of_nonsense_loses_its_view_and_nobody_else_does() {
    run(0..2, |context| async move {
        let cluster = survives(context, Fault::LeadsWithNonsense).await;
        FAULTY.iter().for_each(|seat| cluster.assert_no_block_of(*seat));
        // Its shards are under the root that it sent: who passed them on did no wrong.
        let blocked = cluster.oracle.blocked().await.unwrap();
        assert!(
            blocked.iter().all(|(_, blocked)| HONEST.iter().all(|seat| cluster.key(*seat) != *blocked)),
            "{blocked:?}"
        );
    });
}

#[test]
fn a_leader_that_sends_two_things_stops_nobody() {
    run(0..3, |context| async move {
        let cluster = survives(context, Fault::LeadsWithTwo).await;
        let blocked = cluster.oracle.blocked().await.unwrap();
        assert!(
            blocked.iter().all(|(_, blocked)| HONEST.iter().all(|seat| cluster.key(*seat) != *blocked)),
            "{blocked:?}"
        );
        // Three of them had shards of a block, which is enough for everybody to have it.
        assert!(proposers(&cluster).iter().any(|(_, seat)| FAULTY.contains(seat)));
    });
}

#[test]
fn a_leader_that_sends_too_few_loses_its_view() {
    run(0..2, |context| async move {
        let cluster = survives(context, Fault::LeadsWithTooFew).await;
        FAULTY.iter().for_each(|seat| cluster.assert_no_block_of(*seat));
    });
}

#[test]
fn four_seats_go_on_without_one_and_leaders_keep_their_terms() {
    for leader_term_views in [1, 3] {
        run(0..2, |context| async move {
            let parameters = Parameters { leader_term_views, ..parameters() };
            let mut cluster = Cluster::with(context, parameters).await;
            cluster.shards = ALWAYS;
            for seat in 0..3 {
                cluster.start(seat).await;
            }
            let ids = cluster.send(1, 50);
            cluster.reach(40, 120).await;
            cluster.assert_agreement();
            assert!(ids.iter().all(|id| cluster.node(0).index.locate(id).unwrap().is_some()));
        });
    }
}

#[test]
fn a_third_that_is_away_holds_nobody_up_and_comes_back() {
    run(0..2, |context| async move {
        let mut cluster = cluster(context, parameters(), ALWAYS).await;
        for seat in HONEST {
            cluster.start(seat).await;
        }
        let ids = cluster.send(0, 50);
        cluster.reach(20, 120).await;
        cluster.kill(1).await;
        for seat in FAULTY {
            cluster.start(seat).await;
        }
        cluster.reach(40, 120).await;
        cluster.start(1).await;
        cluster.reach(60, 120).await;
        cluster.assert_agreement();
        for seat in [1, 6] {
            assert!(ids.iter().all(|id| cluster.node(seat).index.locate(id).unwrap().is_some()), "seat {seat}");
        }
    });
}

/// Fills a member's mempool with two blocks' worth, as far as there is room.
fn fill(cluster: &mut Cluster, seat: usize) -> Vec<Digest> {
    const PAYLOAD_BYTES: usize = 16 << 10;
    let count = 2 * cluster.chain.file.parameters.block_bytes_max / PAYLOAD_BYTES;
    let expiry_height = cluster.height(seat) + cluster.chain.file.parameters.expiry_blocks - 1;
    let source = Source::Client(Ipv4Addr::LOCALHOST.into());
    let mut filled = Vec::new();
    for _ in 0..count {
        let mut payload = cluster.transaction(super::cluster::NAMESPACE, expiry_height).payload.to_vec();
        payload.resize(PAYLOAD_BYTES, 0);
        let (namespace, payload) = (super::cluster::NAMESPACE, Bytes::from(payload));
        let transaction = Transaction { kind: TransactionKind::User, namespace, expiry_height, payload };
        filled.extend(cluster.node(seat).mempool.insert(transaction, source, Visibility::Private));
    }
    filled
}

#[test]
fn full_blocks_are_in_time_where_whole_ones_are_not() {
    /// A whole block to six others takes 800 ms, a third of it to each 270 ms.
    const UPLOAD_BYTES_PER_S: usize = 6 * BLOCK_BYTES * 10 / 8;
    let ordered = |shards: ShardsConfig| {
        run(0..1, move |context| async move {
            let parameters = Parameters {
                block_bytes_max: BLOCK_BYTES,
                leader_timeout_ms: 700,
                certification_timeout_ms: 750,
                ..parameters()
            };
            let mut cluster = cluster(context, parameters, shards).await;
            for seat in 0..SEATS {
                cluster.oracle.limit_bandwidth(cluster.key(seat), Some(UPLOAD_BYTES_PER_S), None).await.unwrap();
            }
            cluster.start_all().await;
            let filled: Vec<_> = (0..SEATS).flat_map(|seat| fill(&mut cluster, seat)).collect();
            assert!(filled.len() >= SEATS * BLOCK_BYTES / (16 << 10));
            cluster.sleep_ms(20_000).await;
            cluster.assert_agreement();
            let is_ordered = |id: &&Digest| cluster.node(0).index.locate(id).unwrap().is_some();
            let (ordered, sent) = (filled.iter().filter(is_ordered).count(), filled.len());
            match shards == ALWAYS {
                true => assert_eq!(ordered, sent, "blocks in shards are in time"),
                // What makes this a test: with these links, whole blocks are not.
                false => assert!(ordered < sent / 2, "{ordered} of {sent}"),
            }
        });
    };
    ordered(ALWAYS);
    ordered(NEVER);
}

#[test]
fn views_far_ahead_and_other_epochs_stop_nobody_and_strangers_are_cut_off() {
    run(0..2, |context| async move {
        let members = members(SEATS + 1);
        let (seated, stranger) = (&members[..SEATS], SEATS);
        let chain = Arc::new(test_chain(seated, parameters()));
        let mut cluster = Cluster::of(context, chain, members, Arc::new(Repeat)).await;
        cluster.shards = ALWAYS;
        for seat in HONEST {
            cluster.start(seat).await;
        }
        let (mut one, _receiver) = cluster.channel(FAULTY[0], channels::BLOCKS).await;
        let (mut other, _other_receiver) = cluster.channel(FAULTY[1], channels::BLOCKS).await;
        let keys = keys(&cluster);
        for view in (1..VIEWS_AHEAD_MAX + 20).chain([u64::MAX - 1, u64::MAX]) {
            for epoch in [0, 1, 2, u64::MAX] {
                // Both say the same, and still there is one too few.
                for (sender, seat) in [(&mut one, FAULTY[0]), (&mut other, FAULTY[1])] {
                    // Of a view that it leads, it would have to send everybody else's.
                    if usize::from(leader(&keys, view)) != seat {
                        sender.send(Recipients::All, nonsense(epoch, view, seat, &view.to_be_bytes()), false);
                    }
                }
            }
            cluster.sleep_ms(5).await;
        }
        cluster.reach_all(&HONEST, 20, 120).await;
        // An honest member of another time could have sent each of them.
        assert!(cluster.oracle.blocked().await.unwrap().is_empty());
        let (mut without_seat, _receiver) = cluster.channel(stranger, channels::BLOCKS).await;
        without_seat.send(Recipients::All, nonsense(0, 25, 0, b"of somebody else's seat"), false);
        cluster.reach_all(&HONEST, 40, 120).await;
        cluster.assert_agreement();
        let blocked = cluster.oracle.blocked().await.unwrap();
        assert!(
            HONEST.iter().all(|seat| blocked.contains(&(cluster.key(*seat), cluster.key(stranger)))),
            "{blocked:?}"
        );
    });
}

#[test]
fn no_view_is_lost_where_other_members_take_over() {
    run(0..2, |context| async move {
        let mut cluster = two_committees(context, with_epochs()).await;
        cluster.shards = ALWAYS;
        cluster.start_all().await;
        let mut ids = Vec::new();
        for epoch in 0..6 {
            ids.extend(cluster.send(0, 10));
            ids.extend(cluster.send(SEATS, 10));
            cluster.reach(epoch * EPOCH_BLOCKS + 3, 60).await;
        }
        cluster.reach(6 * EPOCH_BLOCKS + 3, 60).await;
        cluster.assert_agreement();
        assert!(ids.iter().all(|id| cluster.node(1).index.locate(id).unwrap().is_some()), "something was not ordered");
        let snapshot = cluster.node(0).index.snapshot().unwrap();
        for epoch in 1..=6 {
            assert_eq!(snapshot.header(epoch * EPOCH_BLOCKS).unwrap().unwrap().view, 1, "epoch {epoch}");
        }
    });
}

#[test]
fn whole_blocks_are_for_those_who_vote() {
    /// To six other seats a block takes 400 ms, and to the seven who have none yet as well, longer than a view.
    const UPLOAD_BYTES_PER_S: usize = 6 * BLOCK_BYTES * 10 / 4;
    run(0..1, |context| async move {
        let parameters = Parameters {
            block_bytes_max: BLOCK_BYTES,
            leader_timeout_ms: 700,
            certification_timeout_ms: 750,
            ..with_epochs()
        };
        let mut cluster = two_committees(context, parameters).await;
        for seat in 0..2 * SEATS {
            cluster.oracle.limit_bandwidth(cluster.key(seat), Some(UPLOAD_BYTES_PER_S), None).await.unwrap();
        }
        cluster.start_all().await;
        let filled: Vec<_> = (0..SEATS).flat_map(|seat| fill(&mut cluster, seat)).collect();
        // Everybody: also those whose first epoch is the second from here.
        cluster.reach(EPOCH_BLOCKS + 2, 120).await;
        cluster.assert_agreement();
        let is_ordered = |id: &Digest| cluster.node(0).index.locate(id).unwrap().is_some();
        assert!(filled.iter().all(is_ordered), "blocks were full");
        // But for the first, when not all are there, and the epoch's last block, which goes to all of them at once.
        let snapshot = cluster.node(SEATS).index.snapshot().unwrap();
        let views: Vec<u64> =
            (1..EPOCH_BLOCKS - 1).map(|height| snapshot.header(height).unwrap().unwrap().view).collect();
        assert!(views.windows(2).all(|pair| pair[1] == pair[0] + 1), "a view was lost: {views:?}");
    });
}
