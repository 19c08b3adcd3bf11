//! One of four lies with its votes: the mocks that consensus is tested with, against the real application.

use super::{
    cluster::{Cluster, run},
    epochs::{EPOCH_BLOCKS, with_epochs},
};
use commonware_consensus::{
    simplex::{elector::RoundRobin, mocks},
    types::Epoch,
};
use commonware_cryptography::Sha256;
use commonware_p2p::utils::mux::Muxer;
use commonware_runtime::Supervisor;
use sinter_sequencer::{
    channels,
    consensus::{self, Scheme},
};
use std::sync::Arc;

const LIAR: usize = 3;
const HONEST: [usize; 3] = [0, 1, 2];

async fn honest(context: super::cluster::Context) -> Cluster {
    let mut cluster = Cluster::new(context).await;
    for seat in HONEST {
        cluster.start(seat).await;
    }
    cluster
}

/// What the liar votes with.
fn scheme(cluster: &Cluster) -> Scheme {
    let bls_key = cluster.members[LIAR].bls_key.clone();
    consensus::signer(&cluster.chain.hash, &cluster.chain.committee, &cluster.key(LIAR), bls_key).unwrap()
}

/// Somebody saw the conflict, and now everybody can prove it.
fn assert_convicted(cluster: &Cluster) {
    assert!(HONEST.iter().any(|seat| cluster.node(*seat).status.faults() > 0), "nobody saw the conflict");
    for seat in HONEST {
        let pieces = cluster.node(seat).evidence.all();
        assert!(!pieces.is_empty(), "seat {seat} can prove nothing");
        for evidence in pieces {
            evidence.verify(&cluster.chain.hash).unwrap();
            assert_eq!(evidence.seat(&cluster.chain.committee), Ok(LIAR));
        }
    }
}

async fn assert_progress(mut cluster: Cluster) -> Cluster {
    let ids = cluster.send(0, 50);
    cluster.reach(40, 120).await;
    cluster.assert_agreement();
    assert!(ids.iter().all(|id| cluster.node(1).index.locate(id).unwrap().is_some()));
    cluster
}

#[test]
fn a_silent_member_costs_time_only() {
    run(0..2, |context| async move {
        assert_progress(honest(context).await).await;
    });
}

#[test]
fn a_member_that_votes_for_two_blocks_is_caught() {
    run(0..2, |context| async move {
        let cluster = honest(context).await;
        let config = mocks::conflicter::Config { scheme: scheme(&cluster) };
        let context = cluster.context.child("conflicter");
        mocks::conflicter::Conflicter::<_, _, Sha256>::new(context, config)
            .start(cluster.subchannel(LIAR, channels::VOTES, 0).await);
        let cluster = assert_progress(cluster).await;
        assert_convicted(&cluster);
    });
}

#[test]
fn a_member_that_nullifies_and_finalizes_is_caught() {
    run(0..2, |context| async move {
        let cluster = honest(context).await;
        let config = mocks::nuller::Config { scheme: scheme(&cluster) };
        let context = cluster.context.child("nuller");
        mocks::nuller::Nuller::<_, _, Sha256>::new(context, config)
            .start(cluster.subchannel(LIAR, channels::VOTES, 0).await);
        let cluster = assert_progress(cluster).await;
        assert_convicted(&cluster);
    });
}

#[test]
fn a_leader_that_proposes_two_blocks_finalizes_neither() {
    run(0..2, |context| async move {
        let cluster = honest(context).await;
        let config = mocks::equivocator::Config {
            scheme: scheme(&cluster),
            elector: RoundRobin::<Sha256>::default(),
            epoch: Epoch::zero(),
            relay: Arc::new(mocks::relay::Relay::new()),
        };
        let context = cluster.context.child("equivocator");
        mocks::equivocator::Equivocator::<_, _, _, Sha256>::new(context, config).start(
            cluster.subchannel(LIAR, channels::VOTES, 0).await,
            cluster.subchannel(LIAR, channels::CERTIFICATES, 0).await,
        );
        let cluster = assert_progress(cluster).await;
        cluster.assert_no_block_of(LIAR);
    });
}

#[test]
fn epochs_end_under_a_leader_that_proposes_two_blocks() {
    const EPOCHS: u64 = 4;
    run(0..2, |context| async move {
        let mut cluster = Cluster::with(context, with_epochs()).await;
        for seat in HONEST {
            cluster.start(seat).await;
        }
        let mut handles = Vec::new();
        for channel in [channels::VOTES, channels::CERTIFICATES] {
            let (sender, receiver) = cluster.channel(LIAR, channel).await;
            let context = cluster.context.child("mux").with_attribute("channel", channel);
            let (mux, handle) = Muxer::new(context, sender, receiver);
            mux.start();
            handles.push(handle);
        }
        for epoch in 0..=EPOCHS {
            let config = mocks::equivocator::Config {
                scheme: scheme(&cluster),
                elector: RoundRobin::<Sha256>::default(),
                epoch: Epoch::new(epoch),
                relay: Arc::new(mocks::relay::Relay::new()),
            };
            let context = cluster.context.child("equivocator").with_attribute("epoch", epoch);
            mocks::equivocator::Equivocator::<_, _, _, Sha256>::new(context, config)
                .start(handles[0].register(epoch).await.unwrap(), handles[1].register(epoch).await.unwrap());
        }
        let ids = cluster.send(0, 50);
        cluster.reach(EPOCHS * EPOCH_BLOCKS + 2, 600).await;
        cluster.assert_agreement();
        cluster.assert_no_block_of(LIAR);
        assert!(ids.iter().all(|id| cluster.node(1).index.locate(id).unwrap().is_some()));
    });
}
