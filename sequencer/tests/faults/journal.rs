//! Reads a stopped seat's voting journal.

use super::cluster::Cluster;
use commonware_consensus::{Viewable, simplex::types::Artifact};
use commonware_cryptography::certificate::Verifier as _;
use commonware_runtime::{
    ReadOptions, Supervisor,
    buffer::paged::{CacheRef, page_size},
};
use commonware_storage::journal::segmented::variable::{Config, Journal};
use commonware_utils::NZUsize;
use sinter_primitives::Digest;
use sinter_sequencer::{consensus::Scheme, engine::votes_partition};
use std::collections::BTreeMap;

/// What one seat signed, by view.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Votes {
    notarized: BTreeMap<u64, Digest>,
    finalized: BTreeMap<u64, Digest>,
    nullified: BTreeMap<u64, ()>,
    double: Vec<String>,
}

impl Votes {
    fn notarize(&mut self, view: u64, payload: Digest) {
        if self.notarized.insert(view, payload).is_some_and(|before| before != payload) {
            self.double.push(format!("two notarize votes in view {view}"));
        }
    }

    fn finalize(&mut self, view: u64, payload: Digest) {
        if self.finalized.insert(view, payload).is_some_and(|before| before != payload) {
            self.double.push(format!("two finalize votes in view {view}"));
        }
    }

    /// Joins what an earlier reading of the same journal showed: records that were pruned since count too.
    pub fn extend(&mut self, other: Self) {
        for (view, payload) in other.notarized {
            self.notarize(view, payload);
        }
        for (view, payload) in other.finalized {
            self.finalize(view, payload);
        }
        self.nullified.extend(other.nullified);
        self.double.extend(other.double);
    }

    pub fn is_empty(&self) -> bool {
        self.notarized.is_empty() && self.finalized.is_empty() && self.nullified.is_empty()
    }

    pub fn assert_one_vote_a_view(&self) {
        assert!(!self.notarized.is_empty(), "the journal holds no votes");
        assert!(self.double.is_empty(), "{:?}", self.double);
        for view in self.finalized.keys() {
            assert!(!self.nullified.contains_key(view), "view {view}: both finalize and nullify");
        }
    }
}

/// Everything that `seat`'s journal of an epoch holds. Its node must be down.
pub async fn votes(cluster: &Cluster, seat: usize, epoch: u64) -> Votes {
    let journal = Journal::<_, Artifact<Scheme, Digest>>::init(
        cluster.context.child("audit"),
        Config {
            partition: votes_partition(&Cluster::prefix(seat), epoch),
            compression: None,
            codec_config: Scheme::certificate_codec_config_unbounded(),
            page_cache: CacheRef::new(page_size(4096), NZUsize!(64)),
            write_buffer: NZUsize!(4096),
        },
    )
    .await
    .unwrap();
    let mut replay = journal.replay(0, 0, NZUsize!(1 << 16), ReadOptions::DONT_CACHE).await.unwrap();
    let mut votes = Votes::default();
    while let Some(artifact) = replay.next().await {
        let (_, _, _, artifact) = artifact.unwrap();
        match artifact {
            Artifact::Notarize(vote) => votes.notarize(vote.view().get(), vote.proposal.payload),
            Artifact::Finalize(vote) => votes.finalize(vote.view().get(), vote.proposal.payload),
            Artifact::Nullify(vote) => {
                votes.nullified.insert(vote.view().get(), ());
            }
            _ => {}
        }
    }
    votes
}
