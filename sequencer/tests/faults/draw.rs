//! Committees that are drawn: from what leaders reveal, and from a registry on an L1 that members see late, or not at all.

use super::{
    checkpoint::{Answers, complete, now_ms},
    cluster::{Cluster, Context, Member, SEATS, chain_with, members, parameters, run, seats},
    liar::Lie,
};
use commonware_runtime::{Clock as _, Supervisor as _};
use commonware_utils::sync::Mutex;
use futures::{FutureExt as _, future::BoxFuture};
use sinter_primitives::{
    Chain, Digest, Header, Parameters,
    certificate::uncompress_g1,
    chain::RegistrySpec,
    committee::uncompress_key,
    draw::Seed,
    forced_inbox::ForcedEntry,
    hand_over::HandOverError,
    header::L1Origin,
    registry::{Registry, sign_node_consent},
    reveals::{Mix, Term},
};
use sinter_sequencer::{
    checkpoint::CheckpointError,
    clock::unix_ms,
    l1::{L1Block, L1Step, L1View},
};
use std::{collections::BTreeSet, num::NonZeroU64, sync::Arc, time::Duration};

/// An epoch is 12 seconds, and its last quarter three: enough for the L1 block that completes a seed.
const EPOCH_BLOCKS: u64 = 64;
const CUTOFF: u64 = 47;
const L1_CHAIN: u64 = 1;
const CONTRACT: [u8; 20] = [0xcc; 20];
/// Genesis stands on it, as the cluster's chain says.
pub const ORIGIN: u64 = 5;
const MEMBERS: usize = 7;

fn drawn_parameters() -> Parameters {
    Parameters { epoch_blocks: NonZeroU64::new(EPOCH_BLOCKS), idle_interval_ms: 200, ..parameters() }
}

fn spec() -> RegistrySpec {
    RegistrySpec {
        address: format!("0x{}", hex::encode(CONTRACT)),
        from_block: 0,
        seats: SEATS,
        seats_min: SEATS,
        prevrandao_delay_s: 1,
    }
}

/// The L1 of a simulation, with a block every second and all of them final. A member sees it late by its lag.
pub struct L1 {
    clock: Mutex<Context>,
    registry: Arc<Registry>,
    forced: Vec<ForcedEntry>,
    pub lag_s: Mutex<u64>,
}

impl L1 {
    pub fn new(context: &Context, registry: &Registry, forced: Vec<ForcedEntry>) -> Arc<Self> {
        Arc::new(Self {
            clock: Mutex::new(context.child("l1")),
            registry: Arc::new(registry.clone()),
            forced,
            lag_s: Mutex::new(0),
        })
    }

    fn newest(&self) -> u64 {
        (unix_ms(&*self.clock.lock()) / 1_000).saturating_sub(*self.lag_s.lock()).max(ORIGIN)
    }

    /// Waits until a block is there, for whoever has this view.
    async fn reach(&self, number: u64) {
        while self.newest() < number {
            let clock = self.clock.lock().child("wait");
            clock.sleep(Duration::from_millis(100)).await;
        }
    }
}

fn l1_block(number: u64) -> L1Block {
    let mut hash = [0; 32];
    hash[..8].copy_from_slice(&number.to_be_bytes());
    let hash = if number == ORIGIN { Digest([5; 32]) } else { Digest(hash) };
    let mut prevrandao = [0x5e; 32];
    prevrandao[..8].copy_from_slice(&number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
    L1Block { origin: L1Origin { number, hash }, timestamp_s: number, prevrandao }
}

impl L1View for L1 {
    fn latest(&self) -> Option<L1Origin> {
        Some(l1_block(self.newest()).origin)
    }

    fn block(&self, number: u64) -> BoxFuture<'_, L1Block> {
        async move {
            self.reach(number).await;
            l1_block(number)
        }
        .boxed()
    }

    fn registry(&self, number: u64) -> BoxFuture<'_, Arc<Registry>> {
        async move {
            self.reach(number).await;
            self.registry.clone()
        }
        .boxed()
    }

    fn steps(&self, (after, first): (u64, u64)) -> Vec<L1Step> {
        let before = self.forced.iter().take_while(|entry| entry.l1_block <= after).count();
        assert_eq!(before as u64, first, "what is ordered by L1 block {after}");
        let of = |number| self.forced.iter().filter(|entry| entry.l1_block == number).cloned().collect();
        let steps = after + 1..=self.newest();
        steps.map(|number| L1Step { origin: l1_block(number).origin, forced: of(number) }).collect()
    }

    fn forced(&self, (after, first): (u64, u64), until: u64) -> BoxFuture<'_, Arc<[ForcedEntry]>> {
        async move {
            self.reach(until).await;
            let before = self.forced.iter().take_while(|entry| entry.l1_block <= after).count();
            assert_eq!(before as u64, first, "what is ordered by L1 block {after}");
            self.forced[before..].iter().take_while(|entry| entry.l1_block <= until).cloned().collect()
        }
        .boxed()
    }
}

/// All of these members are registered, with the same stake.
fn registry(members: &[Member]) -> Registry {
    let mut registry = Registry::new(L1_CHAIN, &CONTRACT);
    for (number, (member, seat)) in members.iter().zip(seats(members)).enumerate() {
        let owner = [number as u8 + 1; 20];
        let consent = sign_node_consent(&member.node_key, L1_CHAIN, &CONTRACT, &owner);
        let data = [
            &owner[..],
            &1_000_u128.to_be_bytes(),
            &uncompress_key(&seat.bls_key).unwrap(),
            &uncompress_g1(&seat.proof_of_possession).unwrap(),
            &seat.node_key,
            &consent,
            seat.address.as_bytes(),
        ];
        let record = registry.next(number as u64 + 1, 1, data.concat());
        registry.apply(&record).unwrap();
    }
    registry
}

struct Drawn {
    cluster: Cluster,
    registry: Registry,
    l1: Vec<Arc<L1>>,
}

impl Drawn {
    /// Seven members of whom the first four have epochs 0 and 1, and four who are drawn the others. So many of them are registered.
    async fn new(context: Context, registered: usize) -> Self {
        // The L1 is older than the chain.
        context.sleep(Duration::from_secs(ORIGIN + 1)).await;
        let members = members(MEMBERS);
        let chain = chain_with(&members[..SEATS], drawn_parameters(), Some(spec()), None);
        let registry = registry(&members[..registered]);
        let repeat = Arc::new(sinter_sequencer::committees::Repeat);
        let mut cluster = Cluster::of(context, Arc::new(chain), members, repeat).await;
        let l1: Vec<_> = (0..MEMBERS).map(|_| L1::new(&cluster.context, &registry, Vec::new())).collect();
        cluster.l1 = l1.iter().map(|l1| Some(l1.clone() as Arc<dyn L1View>)).collect();
        Self { cluster, registry, l1 }
    }

    fn header(&self, height: u64) -> Header {
        let node = self.cluster.nodes.iter().flatten().next().unwrap();
        node.index.snapshot().unwrap().header(height).unwrap().unwrap()
    }

    /// The digests that the epochs' ends up to a height must name, computed from headers and the L1 alone; what a second client does.
    fn expected(&self, height: u64) -> Vec<Digest> {
        let chain: &Chain = &self.cluster.chain;
        let mut committees = vec![chain.committee.digest(); 2];
        for epoch in 0..=height / EPOCH_BLOCKS {
            let last = (epoch + 1) * EPOCH_BLOCKS - 1;
            if last > height {
                break;
            }
            let frozen = self.header((epoch * EPOCH_BLOCKS).saturating_sub(1)).l1_origin.number;
            let cutoff = self.header(epoch * EPOCH_BLOCKS + CUTOFF);
            let until = self.header(last).l1_origin.number;
            let first = cutoff.timestamp_ms.div_ceil(1_000) + 1;
            let drawn = (first > frozen && first <= until && self.registry.candidates().len() >= SEATS).then(|| {
                let prevrandao = l1_block(first).prevrandao;
                let seed = Seed::new(&chain.hash, epoch + 2, &cutoff.randomness, &prevrandao);
                self.registry.draw(&seed, SEATS).unwrap().committee.digest()
            });
            let next = drawn.unwrap_or(committees[committees.len() - 1]);
            assert_eq!(self.header(last).next_committee, next, "epoch {epoch}");
            committees.push(next);
        }
        committees
    }
}

#[test]
fn committees_are_drawn_from_reveals_and_the_registry() {
    run(0..2, |context| async move {
        let mut drawn = Drawn::new(context, MEMBERS).await;
        drawn.cluster.start_all().await;
        let last = 6 * EPOCH_BLOCKS + 4;
        drawn.cluster.reach(last, 300).await;
        drawn.cluster.assert_agreement();
        let committees: BTreeSet<_> = drawn.expected(last).into_iter().map(|digest| digest.0).collect();
        assert!(committees.len() >= 4, "{} committees in six draws", committees.len());

        // Every block up to the cutoff reveals, each time over the mix so far, and none after it.
        let chain = drawn.cluster.chain.clone();
        for height in 1..=last {
            let (parent, header) = (drawn.header(height - 1), drawn.header(height));
            assert!(header.l1_origin.number >= parent.l1_origin.number);
            let reveals = height % EPOCH_BLOCKS <= CUTOFF;
            assert_eq!(header.randomness != parent.randomness, reveals, "height {height}");
            if reveals && header.epoch < 2 {
                let member = &drawn.cluster.members[header.proposer_seat as usize];
                let term = Term { epoch: header.epoch, term: header.view - 1 };
                let mix = Mix(parent.randomness);
                let reveal = member.voter(&chain).reveal(&mix, term).unwrap();
                assert_eq!(Mix(header.randomness), mix.mixed(&reveal), "height {height}");
            }
        }
        assert!(drawn.header(last).l1_origin.number > drawn.header(EPOCH_BLOCKS).l1_origin.number + 30);
        for node in drawn.cluster.nodes.iter().flatten() {
            assert_eq!(node.status.faults(), 0);
        }
    });
}

#[test]
fn where_too_few_are_registered_the_committee_stays() {
    run(0..1, |context| async move {
        let mut drawn = Drawn::new(context, SEATS - 1).await;
        drawn.cluster.start_all().await;
        let last = 4 * EPOCH_BLOCKS + 2;
        drawn.cluster.reach(last, 200).await;
        let genesis = drawn.cluster.chain.committee.digest();
        assert!(drawn.expected(last).iter().all(|digest| *digest == genesis));
    });
}

#[test]
fn an_l1_that_stands_still_draws_nobody() {
    run(0..1, |context| async move {
        let mut drawn = Drawn::new(context, MEMBERS).await;
        drawn.l1.iter().for_each(|l1| *l1.lag_s.lock() = 1 << 20);
        drawn.cluster.start_all().await;
        let last = 3 * EPOCH_BLOCKS;
        drawn.cluster.reach(last, 200).await;
        let genesis = drawn.cluster.chain.committee.digest();
        assert!(drawn.expected(last).iter().all(|digest| *digest == genesis));
        assert_eq!(drawn.header(last).l1_origin.number, ORIGIN);
        // It goes on, and so do the draws.
        drawn.l1.iter().for_each(|l1| *l1.lag_s.lock() = 0);
        let last = 7 * EPOCH_BLOCKS;
        drawn.cluster.reach(last, 300).await;
        assert!(drawn.expected(last).iter().any(|digest| *digest != genesis));
    });
}

#[test]
fn a_member_whose_l1_is_an_hour_behind_votes_late_and_never_wrongly() {
    run(0..2, |context| async move {
        let mut drawn = Drawn::new(context, MEMBERS).await;
        *drawn.l1[1].lag_s.lock() = 3_600;
        drawn.cluster.start_all().await;
        let others: Vec<_> = (0..MEMBERS).filter(|member| *member != 1).collect();
        drawn.cluster.reach_all(&others, 4 * EPOCH_BLOCKS + 4, 600).await;
        assert!(drawn.cluster.height(1) < EPOCH_BLOCKS, "it went past an end that it cannot judge");
        *drawn.l1[1].lag_s.lock() = 0;
        drawn.cluster.reach(5 * EPOCH_BLOCKS + 4, 600).await;
        drawn.cluster.assert_agreement();
        drawn.expected(5 * EPOCH_BLOCKS);
        for node in drawn.cluster.nodes.iter().flatten() {
            assert_eq!(node.status.faults(), 0);
        }
    });
}

#[test]
fn members_that_restart_draw_what_the_others_draw() {
    run(0..2, |context| async move {
        let mut drawn = Drawn::new(context, MEMBERS).await;
        drawn.cluster.start_all().await;
        // Before a cutoff, after it, on the boundary and after it.
        for height in [EPOCH_BLOCKS + 20, 2 * EPOCH_BLOCKS - 8, 3 * EPOCH_BLOCKS - 1, 4 * EPOCH_BLOCKS + 1] {
            drawn.cluster.reach(height, 200).await;
            for member in 0..MEMBERS {
                drawn.cluster.kill(member).await;
            }
            drawn.cluster.start_all().await;
        }
        let last = 6 * EPOCH_BLOCKS + 2;
        drawn.cluster.reach(last, 300).await;
        drawn.cluster.assert_agreement();
        drawn.expected(last);
    });
}

#[test]
fn a_registrant_that_was_never_there_comes_in() {
    run(0..1, |context| async move {
        let mut drawn = Drawn::new(context, MEMBERS).await;
        for member in 0..MEMBERS - 1 {
            drawn.cluster.start(member).await;
        }
        // Whoever is drawn and not there costs views, not the chain.
        drawn.cluster.reach(4 * EPOCH_BLOCKS + 4, 1_200).await;
        drawn.cluster.start(MEMBERS - 1).await;
        drawn.cluster.reach(6 * EPOCH_BLOCKS, 1_200).await;
        drawn.cluster.assert_agreement();
        drawn.expected(6 * EPOCH_BLOCKS);
    });
}

fn lie(lie: Lie) {
    run(0..1, |context| async move {
        let mut drawn = Drawn::new(context, SEATS - 1).await;
        for member in 0..SEATS - 1 {
            drawn.cluster.start(member).await;
        }
        drawn.cluster.try_start(SEATS - 1, Some(lie)).await.unwrap();
        drawn.cluster.reach_all(&[0, 1, 2], EPOCH_BLOCKS + 8, 600).await;
        drawn.cluster.assert_no_block_of(SEATS - 1);
    });
}

#[test]
fn an_l1_block_that_is_none_is_not_voted_for() {
    lie(Lie::L1Origin);
}

#[test]
fn a_reveal_that_is_not_the_leaders_is_not_voted_for() {
    lie(Lie::Reveal);
}

#[test]
fn a_mix_that_was_not_revealed_is_not_voted_for() {
    lie(Lie::Randomness);
}

#[test]
fn a_registrant_begins_late() {
    const LATE: usize = MEMBERS - 1;
    run(0..1, |context| async move {
        let mut drawn = Drawn::new(context, MEMBERS).await;
        for member in 0..LATE {
            drawn.cluster.start(member).await;
        }
        drawn.cluster.reach(4 * EPOCH_BLOCKS + 4, 600).await;
        let cluster = &drawn.cluster;
        let index = &cluster.node(0).index;

        // What is signed names members' nodes, too.
        let last = Answers::of(cluster, index).ends.len() - 1;
        let mut answers = Answers::of(cluster, index);
        answers.ends[last].seats[0].address = "127.0.0.1:9".into();
        let error = answers.checkpoint(cluster).unwrap_err();
        assert!(matches!(error, CheckpointError::HandOver(HandOverError::OtherCommittee { .. })), "{error}");

        let checkpoint = complete(cluster, index);
        assert_eq!(checkpoint.header().height, 4 * EPOCH_BLOCKS - 1);
        cluster.open_index(LATE).begin_at(&checkpoint, now_ms(cluster)).unwrap();
        drawn.cluster.start(LATE).await;
        let last = 6 * EPOCH_BLOCKS + 4;
        drawn.cluster.reach(last, 600).await;
        drawn.expected(last);
        let (late, other) = (&drawn.cluster.node(LATE).index, &drawn.cluster.node(0).index);
        for height in 4 * EPOCH_BLOCKS..=last {
            let header = |index: &sinter_sequencer::index::Index| index.snapshot().unwrap().header(height).unwrap();
            assert_eq!(header(late), header(other), "height {height}");
        }
        for node in drawn.cluster.nodes.iter().flatten() {
            assert_eq!(node.status.faults(), 0);
        }
        // After a restart it draws as before.
        drawn.cluster.kill(LATE).await;
        drawn.cluster.start(LATE).await;
        drawn.cluster.reach(7 * EPOCH_BLOCKS + 4, 300).await;
    });
}
