//! Who votes in which epoch.
//!
//! The committee of epoch `e + 2` is fixed in the last block of epoch `e`, whose header has its digest; epochs 0 and 1 have the
//! committee of `chain.toml`. So a node always knows the committee of its own epoch and of the next one, and a certificate of
//! either can be checked. Committees of epochs that are long over are forgotten.

use crate::{
    consensus::{self, Scheme, SeatError},
    draw::Draw,
    ledgers::State,
    scheme::Voter,
};
use commonware_codec::{Copying, DecodeExt as _};
use commonware_consensus::types::Epoch;
use commonware_cryptography::{
    certificate::{Provider, Scoped},
    ed25519::PublicKey,
};
use commonware_utils::{ordered::Set, sync::RwLock};
use futures::{FutureExt as _, future::BoxFuture};
use sinter_primitives::{
    Chain, Committee, Digest, Header,
    committee::{CommitteeError, Seat},
    header::L1Origin,
    reveals::{Mix, REVEAL_BYTES, Term},
};
use std::{collections::BTreeMap, sync::Arc};
use tokio::sync::watch;
use tracing::{error, warn};

/// Epochs behind the current one whose committees stay known: certificates of the last one may still come.
const EPOCHS_KEPT: u64 = 1;

/// How a committee follows on another: a pure function of what is final, so that every node computes the same.
pub trait Succession: Send + Sync + 'static {
    /// The committee of the draw's epoch, at least 2. `None` when nobody is drawn for it: the one before it stays. Waits for what the
    /// L1 has not told yet.
    fn committee<'a>(&'a self, draw: &'a Draw) -> BoxFuture<'a, Option<Committee>>;

    /// Gets what a draw from the registry as of an L1 block will need.
    fn prepare(&self, _registry_at: u64) -> BoxFuture<'_, ()> {
        std::future::ready(()).boxed()
    }

    /// Sees who may be drawn, as of an L1 block.
    fn look(&self, _number: u64) -> BoxFuture<'_, ()> {
        std::future::ready(()).boxed()
    }

    /// Who may be drawn, and so should be connected, with a seat or without.
    fn standby(&self) -> watch::Receiver<Arc<[Seat]>> {
        watch::channel(Arc::from([])).1
    }
}

/// Nobody is ever drawn: the committee of `chain.toml` stays.
#[derive(Clone, Copy, Debug, Default)]
pub struct Repeat;

impl Succession for Repeat {
    fn committee<'a>(&'a self, _draw: &'a Draw) -> BoxFuture<'a, Option<Committee>> {
        std::future::ready(None).boxed()
    }
}

/// Why a committee cannot follow.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommitteesError {
    /// The last block of an epoch names another committee than the one that this node computes.
    #[error("committee of epoch {epoch}: expected the one with digest {expected}, got {got} in a final header")]
    Other {
        /// The committee's epoch.
        epoch: u64,
        /// The digest that was computed.
        expected: Digest,
        /// The digest in the header.
        got: Digest,
    },
    /// A committee that this node kept is none.
    #[error("a committee of the index: {0}")]
    Kept(#[from] CommitteeError),
    /// Its keys cannot vote together.
    #[error("committee of epoch {epoch}: {source}")]
    Seat {
        /// The committee's epoch.
        epoch: u64,
        /// Why.
        source: SeatError,
    },
}

/// An epoch's committee, as this node takes part in it.
#[derive(Clone, Debug)]
pub struct Seated {
    /// The seats.
    pub committee: Committee,
    /// Their node keys, in order.
    pub participants: Set<PublicKey>,
    /// Signs for this node's seat, or verifies where it has none.
    pub scheme: Arc<Scheme>,
}

impl Seated {
    /// The seat of a node key.
    #[must_use]
    pub fn seat(&self, node_key: &PublicKey) -> Option<u32> {
        u32::try_from(self.participants.position(node_key)?).ok()
    }

    /// Whether this node votes here.
    #[must_use]
    pub fn is_voting(&self) -> bool {
        self.scheme.voter().is_some()
    }
}

/// The committees that this node knows, by epoch. Cheap to clone.
#[derive(Clone)]
pub struct Committees(Arc<Inner>);

struct Inner {
    chain: Arc<Chain>,
    node_key: PublicKey,
    voters: Arc<[Arc<dyn Voter>]>,
    succession: Arc<dyn Succession>,
    /// When this node's history was begun late (Unix milliseconds).
    begun_ms: Option<u64>,
    seated: RwLock<BTreeMap<u64, Arc<Seated>>>,
}

impl Committees {
    /// Those of a chain, of which `known` are known: of the current epoch, the next one, and the one before. A node that began late has
    /// `begun_ms`, and votes in no epoch that is older: what its key signed before, it does not know.
    ///
    /// # Errors
    /// [`CommitteesError::Seat`] when their keys are none; or when the node has a seat with another BLS key, where no registry lets keys
    /// change.
    pub fn new(
        chain: Arc<Chain>,
        (node_key, voters): (PublicKey, Arc<[Arc<dyn Voter>]>),
        succession: Arc<dyn Succession>,
        begun_ms: Option<u64>,
        known: impl IntoIterator<Item = (u64, Committee)>,
    ) -> Result<Self, CommitteesError> {
        let seated = RwLock::new(BTreeMap::new());
        let committees = Self(Arc::new(Inner { chain, node_key, voters, succession, begun_ms, seated }));
        for (epoch, committee) in known {
            committees.seat(epoch, committee)?;
        }
        Ok(committees)
    }

    /// Epochs whose committees a node knows whose next block is of this epoch.
    pub fn epochs_known(epoch: u64) -> std::ops::RangeInclusive<u64> {
        epoch.saturating_sub(EPOCHS_KEPT)..=epoch.saturating_add(1)
    }

    /// The committee of an epoch: known for the current one and the next.
    #[must_use]
    pub fn get(&self, epoch: u64) -> Option<Arc<Seated>> {
        self.0.seated.read().get(&epoch).cloned()
    }

    /// What the header of a block on `parent` must name, if `l1_origin` is its own: the committee of the epoch after the next where it
    /// is the last of its epoch, and nothing anywhere else. Waits for the L1 where it must.
    pub async fn named_after(&self, parent: &State, l1_origin: L1Origin) -> Digest {
        let parameters = &self.0.chain.file.parameters;
        let height = parent.header.height.saturating_add(1);
        if !parameters.is_last_of_epoch(height) {
            return Digest([0; 32]);
        }
        let epoch = parameters.epoch_of(height);
        self.following(epoch, parent.marks.draw(epoch, l1_origin)).await.digest()
    }

    /// Takes note of a final block. After an epoch's last one, the committee of the epoch after the next is known.
    ///
    /// # Errors
    /// [`CommitteesError`] when the header names another committee than this node's, or one that cannot vote.
    pub async fn finalized(&self, state: &State) -> Result<(), CommitteesError> {
        let header = &state.header;
        if !self.0.chain.file.parameters.is_last_of_epoch(header.height) {
            return Ok(());
        }
        let epoch = header.epoch.saturating_add(2);
        let committee = self.following(header.epoch, state.marks.draw(header.epoch, header.l1_origin)).await;
        let (expected, got) = (committee.digest(), header.next_committee);
        if expected != got {
            return Err(CommitteesError::Other { epoch, expected, got });
        }
        self.seat(epoch, committee)?;
        if self.is_from_before(header) {
            self.abstain(header.epoch.saturating_add(1))?;
        }
        let mut seated = self.0.seated.write();
        *seated = seated.split_off(&header.epoch.saturating_add(1).saturating_sub(EPOCHS_KEPT));
        Ok(())
    }

    /// What this node reveals in a term that it leads. `None` where it has no vote, or its signer does not answer.
    #[must_use]
    pub fn reveal(&self, mix: &Mix, at: Term) -> Option<[u8; REVEAL_BYTES]> {
        self.get(at.epoch)?.scheme.voter()?.reveal(mix, at)
    }

    /// Whether the epoch that stands on this block began before this node's history did.
    #[must_use]
    pub fn is_from_before(&self, boundary: &Header) -> bool {
        // The block's time may be behind the clocks by as much as it may be ahead.
        let drift_ms = self.0.chain.file.parameters.clock_drift_ms_max;
        self.0.begun_ms.is_some_and(|begun_ms| boundary.timestamp_ms <= begun_ms.saturating_add(drift_ms))
    }

    /// Votes no more in an epoch: what this node signed in it is not known here.
    ///
    /// # Errors
    /// [`CommitteesError::Seat`], which a committee that is known rules out.
    pub fn abstain(&self, epoch: u64) -> Result<(), CommitteesError> {
        let mut seated = self.0.seated.write();
        if let Some(entry) = seated.get_mut(&epoch) {
            let scheme = consensus::verifier(&self.0.chain.hash, &entry.committee);
            let scheme = Arc::new(scheme.map_err(|source| CommitteesError::Seat { epoch, source })?);
            *entry = Arc::new(Seated { scheme, ..Seated::clone(entry) });
        }
        Ok(())
    }

    /// Whether this node has a seat in an epoch.
    #[must_use]
    pub fn has_seat(&self, epoch: u64) -> bool {
        self.get(epoch).is_some_and(|seated| seated.seat(&self.0.node_key).is_some())
    }

    /// The members of an epoch and of the next one, and who may be drawn, but this node.
    #[must_use]
    pub fn peers(&self, epoch: u64) -> Vec<PublicKey> {
        let seated = [epoch, epoch.saturating_add(1)].into_iter().filter_map(|epoch| self.get(epoch));
        let mut peers: Vec<_> =
            seated.flat_map(|seated| seated.participants.iter().cloned().collect::<Vec<_>>()).collect();
        let standby = self.standby().borrow().clone();
        peers.extend(standby.iter().filter_map(|seat| PublicKey::decode(Copying(seat.node_key.as_slice())).ok()));
        peers.sort_unstable();
        peers.dedup();
        peers.retain(|peer| *peer != self.0.node_key);
        peers
    }

    /// Who may be drawn.
    #[must_use]
    pub fn standby(&self) -> watch::Receiver<Arc<[Seat]>> {
        self.0.succession.standby()
    }

    /// The committee of the epoch after the next of `epoch`.
    async fn following(&self, epoch: u64, draw: Option<Draw>) -> Committee {
        let drawn = match &draw {
            Some(draw) => self.0.succession.committee(draw).await,
            None => None,
        };
        let next = || self.get(epoch.saturating_add(1)).map(|seated| seated.committee.clone());
        drawn.or_else(next).unwrap_or_else(|| self.0.chain.committee.clone())
    }

    fn seat(&self, epoch: u64, committee: Committee) -> Result<(), CommitteesError> {
        let failed = |source| CommitteesError::Seat { epoch, source };
        let Inner { chain, node_key, voters, .. } = &*self.0;
        let participants = consensus::participants(&committee).map_err(failed)?.keys().clone();
        let verifier = || consensus::verifier(&chain.hash, &committee);
        let scheme = if participants.position(node_key).is_none() {
            warn!(epoch, "this node has no seat: it follows");
            verifier()
        } else {
            match consensus::voter(&chain.hash, &committee, node_key, voters) {
                // Who registers another key before this node has it costs himself his votes, and nobody the chain.
                Err(error @ SeatError::OtherSeat { .. }) if chain.file.l1.registry.is_some() => {
                    error!(epoch, %error, "this node cannot vote for its seat: it follows");
                    verifier()
                }
                scheme => scheme,
            }
        };
        let scheme = Arc::new(scheme.map_err(failed)?);
        let seated = Seated { committee, participants, scheme };
        self.0.seated.write().insert(epoch, Arc::new(seated));
        Ok(())
    }
}

impl Provider for Committees {
    type Scope = Epoch;
    type Scheme = Scheme;

    fn scoped(&self, epoch: Epoch) -> Option<Scoped<Scheme>> {
        self.get(epoch.get()).map(|seated| Scoped::scheme(seated.scheme.clone()))
    }
}
