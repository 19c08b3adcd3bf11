//! Who votes in which epoch.
//!
//! The committee of epoch `e + 2` is fixed in the last block of epoch `e`, whose header has its digest; epochs 0 and 1 have the
//! committee of `chain.toml`. So a node always knows the committee of its own epoch and of the next one, and a certificate of
//! either can be checked. Committees of epochs that are long over are forgotten.

use crate::{
    consensus::{self, Scheme, SeatError},
    scheme::Voter,
};
use commonware_consensus::types::Epoch;
use commonware_cryptography::{
    certificate::{Provider, Scheme as _, Scoped},
    ed25519::PublicKey,
};
use commonware_utils::{ordered::Set, sync::RwLock};
use sinter_primitives::{Chain, Committee, Digest, Header};
use std::{collections::BTreeMap, sync::Arc};
use tracing::warn;

/// Epochs behind the current one whose committees stay known: certificates of the last one may still come.
const EPOCHS_KEPT: u64 = 1;

/// How a committee follows on another: a pure function of what is final, so that every node computes the same.
pub trait Succession: Send + Sync + 'static {
    /// The committee of `epoch`, at least 2. `None` when nobody was drawn for it: the one before it stays.
    fn committee(&self, epoch: u64) -> Option<Committee>;
}

/// Nobody is ever drawn: the committee of `chain.toml` stays.
#[derive(Clone, Copy, Debug, Default)]
pub struct Repeat;

impl Succession for Repeat {
    fn committee(&self, _epoch: u64) -> Option<Committee> {
        None
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
        self.scheme.me().and_then(|me| me.signer()).is_some()
    }
}

/// The committees that this node knows, by epoch. Cheap to clone.
#[derive(Clone)]
pub struct Committees(Arc<Inner>);

struct Inner {
    chain: Arc<Chain>,
    node_key: PublicKey,
    voter: Arc<dyn Voter>,
    succession: Arc<dyn Succession>,
    seated: RwLock<BTreeMap<u64, Arc<Seated>>>,
}

impl Committees {
    /// Those of a chain whose first block to come is at `height`, for a node with these keys.
    ///
    /// # Errors
    /// [`CommitteesError::Seat`] when the node has a seat in one of them with another BLS key, or their keys are none.
    pub fn new(
        chain: Arc<Chain>,
        (node_key, voter): (PublicKey, Arc<dyn Voter>),
        succession: Arc<dyn Succession>,
        height: u64,
    ) -> Result<Self, CommitteesError> {
        let seated = RwLock::new(BTreeMap::new());
        let committees = Self(Arc::new(Inner { chain, node_key, voter, succession, seated }));
        let epoch = committees.0.chain.file.parameters.epoch_of(height);
        let mut committee = committees.0.chain.committee.clone();
        for number in 0..=epoch.saturating_add(1) {
            if number >= 2 {
                committee = committees.0.succession.committee(number).unwrap_or(committee);
            }
            if number.saturating_add(EPOCHS_KEPT) >= epoch {
                committees.seat(number, committee.clone())?;
            }
        }
        Ok(committees)
    }

    /// The committee of an epoch: known for the current one and the next.
    #[must_use]
    pub fn get(&self, epoch: u64) -> Option<Arc<Seated>> {
        self.0.seated.read().get(&epoch).cloned()
    }

    /// What the header of the block at `height` must name: the committee of the epoch after the next where `height` is the last of its
    /// epoch, and nothing anywhere else.
    #[must_use]
    pub fn named_at(&self, height: u64) -> Digest {
        let parameters = &self.0.chain.file.parameters;
        if !parameters.is_last_of_epoch(height) {
            return Digest([0; 32]);
        }
        self.following(parameters.epoch_of(height)).digest()
    }

    /// Takes note of a final header. After an epoch's last one, the committee of the epoch after the next is known.
    ///
    /// # Errors
    /// [`CommitteesError`] when the header names another committee than this node's, or one that cannot vote.
    pub fn finalized(&self, header: &Header) -> Result<(), CommitteesError> {
        if !self.0.chain.file.parameters.is_last_of_epoch(header.height) {
            return Ok(());
        }
        let epoch = header.epoch.saturating_add(2);
        let committee = self.following(header.epoch);
        let (expected, got) = (committee.digest(), header.next_committee);
        if expected != got {
            return Err(CommitteesError::Other { epoch, expected, got });
        }
        self.seat(epoch, committee)?;
        let mut seated = self.0.seated.write();
        *seated = seated.split_off(&header.epoch.saturating_add(1).saturating_sub(EPOCHS_KEPT));
        Ok(())
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

    /// The members of an epoch and of the next one, but this node.
    #[must_use]
    pub fn peers(&self, epoch: u64) -> Vec<PublicKey> {
        let seated = [epoch, epoch.saturating_add(1)].into_iter().filter_map(|epoch| self.get(epoch));
        let mut peers: Vec<_> =
            seated.flat_map(|seated| seated.participants.iter().cloned().collect::<Vec<_>>()).collect();
        peers.sort_unstable();
        peers.dedup();
        peers.retain(|peer| *peer != self.0.node_key);
        peers
    }

    /// The committee of the epoch after the next of `epoch`.
    fn following(&self, epoch: u64) -> Committee {
        let next = || self.get(epoch.saturating_add(1)).map(|seated| seated.committee.clone());
        let drawn = self.0.succession.committee(epoch.saturating_add(2));
        drawn.or_else(next).unwrap_or_else(|| self.0.chain.committee.clone())
    }

    fn seat(&self, epoch: u64, committee: Committee) -> Result<(), CommitteesError> {
        let failed = |source| CommitteesError::Seat { epoch, source };
        let Inner { chain, node_key, voter, .. } = &*self.0;
        let participants = consensus::participants(&committee).map_err(failed)?.keys().clone();
        let scheme = if participants.position(node_key).is_some() {
            consensus::voter(&chain.hash, &committee, node_key, voter.clone())
        } else {
            warn!(epoch, "this node has no seat: it follows");
            consensus::verifier(&chain.hash, &committee)
        };
        let seated = Seated { committee, participants, scheme: Arc::new(scheme.map_err(failed)?) };
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
