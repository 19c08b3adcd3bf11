//! Sees what consensus reports before marshal does: notarized transactions, the view, and faults.

use crate::{
    committees::Seated, consensus::Activity, evidence::EvidenceStore, leaders::Scheduler, ledgers::Ledgers,
    mempool::Mempool, status::Status, telemetry,
};
use commonware_actor::Feedback;
use commonware_consensus::{Epochable, Reporter, Viewable};
use commonware_parallel::Strategy;
use commonware_utils::sync::Mutex;
use metrics::Counter;
use rand_core::CryptoRng;
use sinter_primitives::Digest;
use std::sync::Arc;
use tracing::error;

/// Passes every activity on to `inner` after a look at it.
pub struct Observer<R, G, T> {
    inner: R,
    chain_hash: Digest,
    seated: Arc<Seated>,
    leaders: Scheduler,
    evidence: EvidenceStore,
    ledgers: Arc<Ledgers>,
    mempool: Mempool,
    status: Arc<Status>,
    rng: Arc<Mutex<G>>,
    strategy: T,
}

impl<R: Clone, G, T: Clone> Clone for Observer<R, G, T> {
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
            chain_hash: self.chain_hash,
            seated: self.seated.clone(),
            leaders: self.leaders.clone(),
            evidence: self.evidence.clone(),
            ledgers: self.ledgers.clone(),
            mempool: self.mempool.clone(),
            status: self.status.clone(),
            rng: self.rng.clone(),
            strategy: self.strategy.clone(),
        }
    }
}

impl<R, G: CryptoRng, T: Strategy> Observer<R, G, T> {
    /// An observer in front of `inner`, of an epoch in the network with a hash. Evidence goes to the store, and `rng` serves its batch
    /// verification.
    #[must_use]
    pub(crate) fn new(
        inner: R,
        (seated, leaders): (Arc<Seated>, Scheduler),
        (chain_hash, evidence): (Digest, EvidenceStore),
        (ledgers, mempool): (Arc<Ledgers>, Mempool),
        status: Arc<Status>,
        rng: G,
        strategy: T,
    ) -> Self {
        // Prometheus sees a counter grow from what it was at first.
        seated.committee.seats().iter().for_each(|seat| nullified(&seat.node_key).increment(0));
        let rng = Arc::new(Mutex::new(rng));
        Self { inner, chain_hash, seated, leaders, evidence, ledgers, mempool, status, rng, strategy }
    }

    fn notarized(&self, payload: &Digest) {
        // A block that this node has not verified yet is no news to its own mempool.
        if let Some(state) = self.ledgers.get(payload) {
            self.status.timeline.notarized(state.header.height);
            self.mempool.notarized(state.header.height, &state.ids);
        }
    }

    /// Counts and keeps evidence of a fault, once it verifies: votes are reported before their signatures are checked.
    fn fault(&self, kind: &'static str, signer: u32, activity: &Activity) {
        if !activity.verify(&mut *self.rng.lock(), &self.seated.scheme, &self.strategy) {
            return;
        }
        metrics::counter!(telemetry::FAULTS, "kind" => kind).increment(1);
        self.status.observe_fault();
        let (epoch, view) = (activity.epoch().get(), activity.view().get());
        error!(seat = signer, epoch, view, kind, "a seat signed two votes that exclude each other");
        self.evidence.take(&self.chain_hash, &self.seated.committee, activity);
    }
}

impl<R, G, T> Reporter for Observer<R, G, T>
where
    R: Reporter<Activity = Activity>,
    G: CryptoRng + Send + 'static,
    T: Strategy,
{
    type Activity = Activity;

    fn report(&mut self, activity: Activity) -> Feedback {
        use commonware_consensus::simplex::types::Attributable;
        match &activity {
            Activity::Notarization(notarization) => {
                self.status.observe_round(notarization.epoch().get(), notarization.view().get());
                self.notarized(&notarization.proposal.payload);
            }
            Activity::Nullification(nullification) => {
                self.status.observe_round(nullification.epoch().get(), nullification.view().get());
                let leader = self.leaders.leader(nullification.epoch().get(), nullification.view().get());
                if let Some(seat) = self.seated.committee.seats().get(leader.get() as usize) {
                    nullified(&seat.node_key).increment(1);
                }
            }
            Activity::Finalization(finalization) => {
                self.status.observe_round(finalization.epoch().get(), finalization.view().get())
            }
            Activity::ConflictingNotarize(evidence) => {
                self.fault(telemetry::CONFLICTING_NOTARIZE, evidence.signer().get(), &activity);
            }
            Activity::ConflictingFinalize(evidence) => {
                self.fault(telemetry::CONFLICTING_FINALIZE, evidence.signer().get(), &activity);
            }
            Activity::NullifyFinalize(evidence) => {
                self.fault(telemetry::NULLIFY_FINALIZE, evidence.signer().get(), &activity)
            }
            Activity::Notarize(_) | Activity::Certification(_) | Activity::Nullify(_) | Activity::Finalize(_) => {}
        }
        self.inner.report(activity)
    }
}

/// Views without a block that were a member's to lead.
fn nullified(node_key: &[u8; 32]) -> Counter {
    metrics::counter!(telemetry::VIEWS_NULLIFIED, "peer" => hex::encode(node_key))
}
