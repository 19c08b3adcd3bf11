//! Committees that follow on each other: without a pause, with all of their members exchanged, with some who never come, and past
//! nodes that were away meanwhile.

use super::{
    cluster::{Cluster, Context, Member, SEATS, chain_with, members, parameters, run, seats, test_chain},
    journal,
    liar::Lie,
};
use commonware_cryptography::{Signer as _, bls12381::primitives::group::Private};
use commonware_math::algebra::Random as _;
use commonware_runtime::Storage as _;
use commonware_utils::TestRng;
use futures::{FutureExt as _, future::BoxFuture};
use sinter_primitives::{
    Chain, Committee, Digest, Header, Parameters,
    chain::RegistrySpec,
    network::TrustedNetwork,
    reveals::{Mix, Term},
};
use sinter_sequencer::{
    committees::{Committees, CommitteesError, Repeat, Succession},
    draw::{Cutoff, Draw, Marks},
    engine::{EngineError, votes_partition},
    keys,
    ledgers::State,
    scheme::Voter,
};
use std::{future::ready, num::NonZeroU64, sync::Arc};

pub const EPOCH_BLOCKS: u64 = 16;

pub fn with_epochs() -> Parameters {
    Parameters { epoch_blocks: NonZeroU64::new(EPOCH_BLOCKS), ..parameters() }
}

/// From epoch 2 on, committees take turns.
pub struct Turns(pub Vec<Committee>);

impl Succession for Turns {
    fn committee<'a>(&'a self, draw: &'a Draw) -> BoxFuture<'a, Option<Committee>> {
        ready(self.0.get((draw.epoch % self.0.len() as u64) as usize).cloned()).boxed()
    }
}

pub fn committee(members: &[Member], of: std::ops::Range<usize>) -> Committee {
    Committee::new(seats(&members[of])).unwrap()
}

/// Eight members. The first four have epochs 0 and 1, and then every other one; the rest have those between.
pub async fn two_committees(context: Context) -> Cluster {
    let members = members(2 * SEATS);
    let chain = test_chain(&members[..SEATS], with_epochs());
    let turns = Turns(vec![committee(&members, SEATS..2 * SEATS), committee(&members, 0..SEATS)]);
    Cluster::of(context, Arc::new(chain), members, Arc::new(turns)).await
}

/// Checks that every running node has the end of each epoch up to this one, and that they lead from genesis to its committee.
fn assert_hand_overs(cluster: &Cluster, epoch: u64) {
    for (seat, node) in cluster.nodes.iter().enumerate().filter_map(|(seat, node)| Some((seat, node.as_ref()?))) {
        let mut trusted = TrustedNetwork::from(&*cluster.chain);
        while !trusted.is_ahead_of(epoch) {
            let ends = node.index.hand_overs(trusted.epoch, 3).unwrap();
            assert!(!ends.is_empty() && ends.len() <= 3, "seat {seat} lacks the end of epoch {}", trusted.epoch);
            trusted.follow(&ends, epoch).unwrap();
        }
        assert!(trusted.committee_of(epoch).is_some());
        assert!(node.index.hand_overs(1_000, 3).unwrap().is_empty());
    }
}

fn header(cluster: &Cluster, height: u64) -> Header {
    let node = cluster.nodes.iter().flatten().next().unwrap();
    node.index.snapshot().unwrap().header(height).unwrap().unwrap()
}

/// Checks every header up to `height` against what the chain says of epochs.
fn assert_epochs(cluster: &Cluster, height: u64, named: impl Fn(u64) -> Digest) {
    for at in 1..=height {
        let (parent, header) = (header(cluster, at - 1), header(cluster, at));
        let epoch = at / EPOCH_BLOCKS;
        assert_eq!(header.epoch, epoch, "height {at}");
        let expected = if at % EPOCH_BLOCKS == EPOCH_BLOCKS - 1 { named(epoch + 2) } else { Digest([0; 32]) };
        assert_eq!(header.next_committee, expected, "height {at}");
        if header.epoch == parent.epoch {
            assert!(header.view > parent.view, "height {at}");
        } else {
            assert_eq!(header.parent_view, 0, "height {at}: an epoch stands on its boundary block");
        }
    }
}

#[test]
fn one_committee_goes_from_epoch_to_epoch_without_a_pause() {
    run(0..2, |context| async move {
        let members = members(SEATS);
        let chain = Arc::new(test_chain(&members, with_epochs()));
        let mut cluster = Cluster::of(context, chain.clone(), members, Arc::new(Repeat)).await;
        cluster.start_all().await;
        let last = 5 * EPOCH_BLOCKS + 3;
        let ids = cluster.send(0, 50);
        cluster.reach(last, 60).await;
        cluster.assert_agreement();
        assert_epochs(&cluster, last, |_| chain.committee.digest());
        assert!(ids.iter().all(|id| cluster.node(1).index.locate(id).unwrap().is_some()));

        // No view is lost at a boundary: an epoch's first block is of its first view, and comes as soon as any other.
        let gap_ms = |at: u64| header(&cluster, at).timestamp_ms - header(&cluster, at - 1).timestamp_ms;
        let slowest_ms = (2..last).filter(|at| at % EPOCH_BLOCKS > 1).map(gap_ms).max().unwrap();
        for epoch in 1..=5 {
            let first = epoch * EPOCH_BLOCKS;
            assert_eq!(header(&cluster, first).view, 1, "epoch {epoch}");
            let boundary_ms = gap_ms(first).max(gap_ms(first + 1));
            assert!(boundary_ms <= 2 * slowest_ms, "epoch {epoch}: {boundary_ms} ms, elsewhere {slowest_ms} ms");
        }
        for seat in 0..SEATS {
            assert_eq!(cluster.node(seat).status.faults(), 0);
            assert_eq!(cluster.node(seat).status.round().0, 5);
        }
    });
}

#[test]
fn disjoint_committees_hand_over_to_each_other() {
    run(0..2, |context| async move {
        let mut cluster = two_committees(context).await;
        cluster.start_all().await;
        let last = 6 * EPOCH_BLOCKS + 3;
        let mut ids = Vec::new();
        for epoch in 0..=6 {
            // To somebody who leads now, and to somebody who does not.
            ids.extend(cluster.send(0, 10));
            ids.extend(cluster.send(SEATS, 10));
            cluster.reach(epoch * EPOCH_BLOCKS + 3, 60).await;
        }
        cluster.reach(last, 60).await;
        cluster.assert_agreement();
        let (ones, others) = (committee(&cluster.members, 0..SEATS), committee(&cluster.members, SEATS..2 * SEATS));
        assert_epochs(&cluster, last, |epoch| if epoch % 2 == 0 { others.digest() } else { ones.digest() });
        assert_hand_overs(&cluster, 6);
        assert!(ids.iter().all(|id| cluster.node(1).index.locate(id).unwrap().is_some()), "something was not ordered");
        for node in cluster.nodes.iter().flatten() {
            assert_eq!(node.status.faults(), 0);
        }
    });
}

#[test]
fn an_outgoing_committee_may_leave_at_once() {
    run(0..2, |context| async move {
        let mut cluster = two_committees(context).await;
        cluster.start_all().await;
        let incoming: Vec<_> = (SEATS..2 * SEATS).collect();
        // Every member of the incoming committee has the boundary block; the others are gone from there on.
        cluster.reach_all(&incoming, 2 * EPOCH_BLOCKS, 60).await;
        for seat in 0..SEATS {
            cluster.kill(seat).await;
        }
        cluster.reach_all(&incoming, 3 * EPOCH_BLOCKS - 1, 60).await;
        // Epoch 3 is theirs again: nothing becomes final until they are back.
        cluster.sleep_ms(2_000).await;
        assert_eq!(cluster.height(SEATS), 3 * EPOCH_BLOCKS - 1);
        for seat in 0..SEATS {
            cluster.start(seat).await;
        }
        cluster.reach(3 * EPOCH_BLOCKS + 4, 60).await;
        cluster.assert_agreement();
    });
}

#[test]
fn an_incoming_committee_rides_out_members_that_never_come() {
    run(0..2, |context| async move {
        let mut cluster = two_committees(context).await;
        // One of the four of every other epoch is never there.
        for seat in 0..2 * SEATS - 1 {
            cluster.start(seat).await;
        }
        cluster.reach(5 * EPOCH_BLOCKS + 2, 240).await;
        cluster.assert_agreement();
    });
}

#[test]
fn a_node_that_was_away_for_ten_epochs_returns_by_itself() {
    run(0..1, |context| async move {
        let mut cluster = two_committees(context).await;
        cluster.start_all().await;
        cluster.reach(EPOCH_BLOCKS / 2, 30).await;
        let away = [2, SEATS + 1];
        for seat in away {
            cluster.kill(seat).await;
        }
        cluster.reach(10 * EPOCH_BLOCKS + 4, 600).await;
        for seat in away {
            cluster.start(seat).await;
        }
        cluster.reach_all(&away, 10 * EPOCH_BLOCKS + 4, 60).await;
        // They vote again: without both, an epoch's committee has lost one, and with a third member gone it needs them.
        cluster.kill(0).await;
        cluster.kill(SEATS).await;
        cluster.reach_all(&away, 13 * EPOCH_BLOCKS, 240).await;
        cluster.assert_agreement();
        assert_hand_overs(&cluster, 13);
    });
}

#[test]
fn a_member_that_crashes_around_boundaries_votes_once_a_view() {
    const VICTIM: usize = 3;
    run(0..2, |context| async move {
        let members = members(SEATS);
        let chain = Arc::new(test_chain(&members, with_epochs()));
        let mut cluster = Cluster::of(context, chain, members, Arc::new(Repeat)).await;
        cluster.start_all().await;
        for epoch in 1..=6u64 {
            // Just before, at, and just after the boundary.
            cluster.reach_all(&[VICTIM], epoch * EPOCH_BLOCKS + epoch % 3 - 1, 60).await;
            cluster.kill(VICTIM).await;
            cluster.start(VICTIM).await;
        }
        cluster.reach(7 * EPOCH_BLOCKS + 2, 60).await;
        assert_hand_overs(&cluster, 7);
        cluster.kill(VICTIM).await;
        journal::votes(&cluster, VICTIM, 7).await.assert_one_vote_a_view();
        // The journal before the last is still there, for who has to answer an accusation; older ones are gone.
        journal::votes(&cluster, VICTIM, 6).await.assert_one_vote_a_view();
        let gone = cluster.context.scan(&votes_partition(&Cluster::prefix(VICTIM), 4)).await;
        assert!(matches!(gone, Err(commonware_runtime::Error::PartitionMissing(_))), "{gone:?}");
        cluster.assert_agreement();
        for node in cluster.nodes.iter().flatten() {
            assert_eq!(node.status.faults(), 0);
        }
    });
}

/// Where keys can be rotated, a seat may be another key's.
fn registry() -> RegistrySpec {
    RegistrySpec {
        address: format!("0x{}", "c0".repeat(20)),
        from_block: 0,
        seats: SEATS,
        seats_min: SEATS,
        prevrandao_delay_s: 1,
    }
}

/// As it goes for a member that tries its other node key in the middle of an epoch, and comes back.
#[test]
fn a_member_that_has_no_vote_for_a_while_watches_and_votes_on_once_a_view() {
    const VICTIM: usize = 2;
    run(0..2, |context| async move {
        let members = members(SEATS);
        let chain = Arc::new(chain_with(&members, with_epochs(), Some(registry()), None));
        let mut cluster = Cluster::of(context, chain, members, Arc::new(Repeat)).await;
        cluster.start_all().await;
        cluster.reach(EPOCH_BLOCKS + 2, 60).await;
        cluster.kill(VICTIM).await;
        let voted = journal::votes(&cluster, VICTIM, 1).await;
        assert!(!voted.is_empty());
        let key = std::mem::replace(&mut cluster.members[VICTIM].bls_key, Private::random(TestRng::new(99)));
        // Twice: the second time it reads back what it watched.
        for _ in 0..2 {
            cluster.start(VICTIM).await;
            cluster.reach_all(&[VICTIM], cluster.height(0) + 2, 60).await;
            cluster.kill(VICTIM).await;
        }
        assert_eq!(journal::votes(&cluster, VICTIM, 1).await, voted, "it voted");
        cluster.members[VICTIM].bls_key = key;
        cluster.start(VICTIM).await;
        // Its vote is needed.
        cluster.kill(0).await;
        cluster.reach_all(&[VICTIM], 3 * EPOCH_BLOCKS + 2, 240).await;
        cluster.kill(VICTIM).await;
        for epoch in 2..=3 {
            let votes = journal::votes(&cluster, VICTIM, epoch).await;
            assert!(!votes.is_empty());
            votes.assert_one_vote_a_view();
        }
        cluster.assert_agreement();
    });
}

#[test]
fn a_member_that_lost_an_epochs_votes_abstains_until_it_ends() {
    const VICTIM: usize = 2;
    run(0..1, |context| async move {
        let members = members(SEATS);
        let chain = Arc::new(test_chain(&members, with_epochs()));
        let mut cluster = Cluster::of(context, chain, members, Arc::new(Repeat)).await;
        cluster.start_all().await;
        cluster.reach(EPOCH_BLOCKS + 2, 60).await;
        cluster.kill(VICTIM).await;
        cluster.context.remove(&votes_partition(&Cluster::prefix(VICTIM), 1), None).await.unwrap();
        // Twice: the second time there is a journal again, of what it verified meanwhile.
        for _ in 0..2 {
            cluster.start(VICTIM).await;
            cluster.reach(cluster.height(0) + 2, 60).await;
            cluster.kill(VICTIM).await;
            assert!(journal::votes(&cluster, VICTIM, 1).await.is_empty(), "it voted");
        }
        cluster.start(VICTIM).await;
        cluster.reach(2 * EPOCH_BLOCKS + 4, 60).await;
        cluster.kill(VICTIM).await;
        journal::votes(&cluster, VICTIM, 2).await.assert_one_vote_a_view();
        cluster.assert_agreement();
    });
}

#[test]
fn a_boundary_block_that_names_another_committee_is_not_voted_for() {
    const LIAR: usize = 1;
    run(0..2, |context| async move {
        let members = members(SEATS);
        let chain = Arc::new(test_chain(&members, with_epochs()));
        let mut cluster = Cluster::of(context, chain.clone(), members, Arc::new(Repeat)).await;
        for seat in 0..SEATS {
            cluster.try_start(seat, (seat == LIAR).then_some(Lie::NextCommittee)).await.unwrap();
        }
        let last = 4 * EPOCH_BLOCKS;
        cluster.reach(last, 240).await;
        cluster.assert_agreement();
        cluster.assert_no_block_of(LIAR);
        assert_epochs(&cluster, last, |_| chain.committee.digest());
    });
}

#[test]
fn a_node_that_computes_another_committee_stops_before_it_follows() {
    run(0..1, |context| async move {
        let mut cluster = two_committees(context).await;
        for seat in 1..2 * SEATS {
            cluster.start(seat).await;
        }
        // This one was configured as if nobody were ever drawn.
        cluster.succession = Arc::new(Repeat);
        cluster.start(0).await;
        let others: Vec<_> = (1..2 * SEATS).collect();
        cluster.reach_all(&others, 2 * EPOCH_BLOCKS + 4, 120).await;
        let error = cluster.stopped(0).await;
        let EngineError::Finalizer(error) = error else { panic!("{error}") };
        assert!(error.to_string().contains("committee of epoch 2: expected"), "{error}");
    });
}

#[test]
fn committees_are_known_for_this_epoch_and_the_next_and_no_longer_than_needed() {
    let members = members(2 * SEATS);
    let chain: Arc<Chain> = Arc::new(test_chain(&members[..SEATS], with_epochs()));
    let others = committee(&members, SEATS..2 * SEATS);
    let turns = Arc::new(Turns(vec![others.clone(), chain.committee.clone()]));
    let keys = (members[0].node_key.public_key(), [members[0].voter(&chain)].into());
    let known = [0, 1].map(|epoch| (epoch, chain.committee.clone()));
    let committees = Committees::new(chain.clone(), keys, turns, None, known).unwrap();
    assert!(committees.get(1).unwrap().is_voting() && committees.get(2).is_none());
    // The block before the last of its epoch: the cutoff has passed.
    let genesis = State::genesis(&chain);
    let cutoff = Some(Cutoff { mix: Mix(Digest([0; 32])), timestamp_ms: 0 });
    let at = |height: u64, next_committee: Digest| State {
        header: Header { height, epoch: height / EPOCH_BLOCKS, next_committee, ..genesis.header },
        marks: Marks { cutoff, ..genesis.marks },
        ..genesis.clone()
    };
    let named = |height: u64| {
        committees.named_after(&at(height - 1, Digest([0; 32])), genesis.header.l1_origin).now_or_never().unwrap()
    };
    assert_eq!(named(EPOCH_BLOCKS - 2), Digest([0; 32]));
    assert_eq!(named(EPOCH_BLOCKS - 1), others.digest());
    let finalized = |state: &State| committees.finalized(state).now_or_never().unwrap();
    let error = finalized(&at(EPOCH_BLOCKS - 1, Digest([9; 32]))).unwrap_err();
    assert_eq!(error, CommitteesError::Other { epoch: 2, expected: others.digest(), got: Digest([9; 32]) });
    for epoch in 0..50 {
        let last = (epoch + 1) * EPOCH_BLOCKS - 1;
        finalized(&at(last, named(last))).unwrap();
        assert_eq!(committees.get(epoch + 2).unwrap().is_voting(), epoch % 2 == 1, "epoch {}", epoch + 2);
        assert!(epoch == 0 || committees.get(epoch - 1).is_none());
    }
}

/// A key that was rotated: the committees that were drawn before have the old one, and the node votes and reveals in each epoch with
/// the key that its seat has there.
#[test]
fn a_node_with_its_old_key_and_its_new_one_votes_in_every_epoch() {
    let members = members(SEATS);
    let chain: Arc<Chain> = Arc::new(chain_with(&members, with_epochs(), Some(registry()), None));
    let new = Member { node_key: members[0].node_key.clone(), bls_key: Private::random(TestRng::new(99)) };
    let mut seats = chain.committee.seats().to_vec();
    seats[0] = keys::seat(&new.node_key, &new.bls_key, &seats[0].address).unwrap();
    let rotated = Committee::new(seats).unwrap();
    let known = || [(0, chain.committee.clone()), (1, rotated.clone())];
    let node = members[0].node_key.public_key();
    let votes = |voters: Vec<Arc<dyn Voter>>| {
        let committees = Committees::new(chain.clone(), (node.clone(), voters.into()), Arc::new(Repeat), None, known());
        let committees = committees.unwrap();
        let reveals = |epoch| committees.reveal(&Mix(Digest([3; 32])), Term { epoch, term: 0 });
        [0, 1].map(|epoch| (committees.get(epoch).unwrap().is_voting(), reveals(epoch)))
    };
    let (old_voter, new_voter) = (members[0].voter(&chain), new.voter(&chain));
    let of = |voter: &Arc<dyn Voter>, epoch| (true, voter.reveal(&Mix(Digest([3; 32])), Term { epoch, term: 0 }));
    assert_eq!(votes(vec![new_voter.clone(), old_voter.clone()]), [of(&old_voter, 0), of(&new_voter, 1)]);
    // With one of them, it follows where its seat has the other.
    assert_eq!(votes(vec![new_voter.clone()]), [(false, None), of(&new_voter, 1)]);
    assert_eq!(votes(vec![old_voter.clone()]), [of(&old_voter, 0), (false, None)]);
}
