//! Evidence goes around: what one member can prove, all can; what proves nothing costs its sender the connection.

use super::cluster::{Cluster, SEATS, run};
use commonware_consensus::{
    simplex::types::{ConflictingNotarize, Notarize, Proposal},
    types::{Epoch, Round, View},
};
use commonware_p2p::{Recipients, Sender as _};
use sinter_primitives::{Digest, evidence::Evidence};
use sinter_sequencer::{
    channels,
    consensus::{self, Activity},
    evidence::EvidenceStore,
};

const LIAR: usize = 3;

/// Two votes to notarize, by the liar's key, as consensus reports them.
fn conflict(cluster: &Cluster, view: u64) -> Evidence {
    let bls_key = cluster.members[LIAR].bls_key.clone();
    let scheme = consensus::signer(&cluster.chain.hash, &cluster.chain.committee, &cluster.key(LIAR), bls_key).unwrap();
    let vote = |byte| {
        let round = Round::new(Epoch::zero(), View::new(view));
        Notarize::sign(&scheme, Proposal::new(round, View::zero(), Digest([byte; 32]))).unwrap()
    };
    let store = EvidenceStore::in_memory();
    let activity = Activity::ConflictingNotarize(ConflictingNotarize::new(vote(1), vote(2)));
    store.take(&cluster.chain.hash, &cluster.chain.committee, &activity);
    store.all().pop().unwrap()
}

#[test]
fn what_one_member_can_prove_all_can() {
    run(0..2, |context| async move {
        let mut cluster = Cluster::new(context).await;
        cluster.start_all().await;
        cluster.reach(3, 20).await;
        let evidence = conflict(&cluster, 2);
        evidence.verify(&cluster.chain.hash).unwrap();
        assert_eq!(evidence.seat(&cluster.chain.committee), Ok(LIAR));
        assert!(cluster.node(0).evidence.put(&evidence).unwrap());
        cluster.sleep_ms(500).await;
        for seat in 0..SEATS {
            assert_eq!(cluster.node(seat).evidence.all(), std::slice::from_ref(&evidence), "seat {seat}");
        }
        // Another view of the same epoch is nothing new: the stake is gone.
        assert!(!cluster.node(1).evidence.put(&conflict(&cluster, 1)).unwrap());
        assert!(cluster.oracle.blocked().await.unwrap().is_empty());
        cluster.reach(cluster.height(0) + 5, 20).await;
    });
}

#[test]
fn who_spreads_what_proves_nothing_is_cut_off() {
    run(0..1, |context| async move {
        let mut cluster = Cluster::new(context).await;
        for seat in 0..3 {
            cluster.start(seat).await;
        }
        cluster.reach(3, 60).await;
        let (mut sender, _receiver) = cluster.channel(LIAR, channels::EVIDENCE).await;
        let sound = conflict(&cluster, 2);
        // To another seat's name, without a conflict, of a committee that nobody knows yet, no JSON, and too long.
        let mut framed = sound.clone();
        framed.bls_key = cluster.chain.committee.seats()[0].bls_key;
        let mut harmless = sound.clone();
        harmless.votes[1] = harmless.votes[0];
        let unknown = Evidence { epoch: 7, ..sound };
        let text = |evidence: &Evidence| serde_json::to_vec(evidence).unwrap();
        let mut padded = text(&unknown);
        padded.resize(4_000, b' ');
        sender.send(Recipients::One(cluster.key(0)), text(&unknown), false);
        cluster.sleep_ms(100).await;
        assert!(cluster.oracle.blocked().await.unwrap().is_empty(), "nothing is known against an epoch to come");
        for (seat, message) in [(0, text(&framed)), (1, text(&harmless)), (2, padded)] {
            sender.send(Recipients::One(cluster.key(seat)), message, false);
        }
        cluster.sleep_ms(200).await;
        let blocked = cluster.oracle.blocked().await.unwrap();
        for seat in 0..3 {
            assert!(blocked.contains(&(cluster.key(seat), cluster.key(LIAR))), "seat {seat}");
            assert!(cluster.node(seat).evidence.all().is_empty());
        }
    });
}
