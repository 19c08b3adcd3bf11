//! Who leads which view.

use crate::{
    committees::{Committees, Seated},
    consensus::Scheme,
    dissemination::Leaders,
    status::Status,
};
use commonware_consensus::{
    simplex::elector::{Config as _, Elector as _, RoundRobin, RoundRobinElector},
    types::{Epoch, Round, TermLength, View, ViewDelta},
};
use commonware_cryptography::ed25519::PublicKey;
use commonware_utils::ordered::{Quorum as _, Set};
use sinter_primitives::Parameters;
use std::{num::NonZeroU32, sync::Arc, time::Duration};

/// Views that a stable leader runs ahead of certification.
const OPTIMISTIC_VIEWS: ViewDelta = ViewDelta::new(2);

/// The seats in turn, each for a term.
pub fn elector(parameters: &Parameters) -> RoundRobin {
    let views = u32::try_from(parameters.leader_term_views).unwrap_or(u32::MAX);
    match NonZeroU32::new(views) {
        Some(views) if views.get() > 1 => {
            // A leader that notarizes but withholds finality is evicted in the time of a few failed views.
            let stall = Duration::from_millis(4 * parameters.certification_timeout_ms);
            RoundRobin::default().with_term(TermLength::new(views), stall, OPTIMISTIC_VIEWS)
        }
        _ => RoundRobin::default(),
    }
}

/// The leaders from the current view on, without repeats: where a transaction should be soonest.
pub struct NextLeaders {
    /// The chain's.
    pub parameters: Parameters,
    /// Knows the epochs' members.
    pub committees: Committees,
    /// Knows the current view.
    pub status: Arc<Status>,
}

impl NextLeaders {
    fn seated(&self) -> Option<Arc<Seated>> {
        self.committees.get(self.status.round().0)
    }
}

impl Leaders for NextLeaders {
    fn epoch(&self) -> u64 {
        self.status.round().0
    }

    fn members(&self) -> Vec<PublicKey> {
        self.seated().map(|seated| seated.participants.iter().cloned().collect()).unwrap_or_default()
    }

    fn next_leaders(&self, count: usize) -> Vec<PublicKey> {
        let (epoch, view) = self.status.round();
        let Some(seated) = self.seated() else { return Vec::new() };
        leaders(&self.parameters, &seated.participants, epoch, view.saturating_add(1), count)
    }
}

fn leaders(
    parameters: &Parameters,
    participants: &Set<PublicKey>,
    epoch: u64,
    from_view: u64,
    count: usize,
) -> Vec<PublicKey> {
    let elector: RoundRobinElector<Scheme> = elector(parameters).build(participants);
    let views = (0..participants.len() as u64)
        .map(|term| from_view.saturating_add(term.saturating_mul(parameters.leader_term_views)));
    views
        .filter_map(|view| participants.key(elector.elect(Round::new(Epoch::new(epoch), View::new(view)), ())).cloned())
        .take(count)
        .collect()
}
