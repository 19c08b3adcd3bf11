//! Who leads which view.

use crate::{
    committees::{Committees, Seated},
    consensus::Scheme,
    dissemination::Leaders,
    status::Status,
};
use commonware_consensus::{
    simplex::elector::{Config, Elector, RoundRobin, RoundRobinElector, Scheduled, Terms},
    types::{Epoch, Participant, Round, TermLength, View, ViewDelta},
};
use commonware_cryptography::ed25519::PublicKey;
use commonware_utils::ordered::{Quorum as _, Set};
use sinter_primitives::Parameters;
use std::{num::NonZeroU32, sync::Arc, time::Duration};

/// Views that a stable leader runs ahead of certification.
const OPTIMISTIC_VIEWS: ViewDelta = ViewDelta::new(2);

/// The seats in turn, each for a term.
///
/// Where epochs end and a term is one view, an epoch's first leader leads its second view as well. A view whose leader has not been
/// heard in the epoch is skipped, and after one view a seat may just not have been heard yet: half of the others would skip it.
#[derive(Clone, Debug)]
pub struct Turns {
    turns: RoundRobin,
    repeats_first: bool,
}

impl Turns {
    /// Those of a chain.
    #[must_use]
    pub fn new(parameters: &Parameters) -> Self {
        let views = u32::try_from(parameters.leader_term_views).unwrap_or(u32::MAX);
        match NonZeroU32::new(views) {
            Some(views) if views.get() > 1 => {
                // A leader that notarizes but withholds finality is evicted in the time of a few failed views.
                let stall = Duration::from_millis(4 * parameters.certification_timeout_ms);
                let turns = RoundRobin::default().with_term(TermLength::new(views), stall, OPTIMISTIC_VIEWS);
                Self { turns, repeats_first: false }
            }
            _ => Self { turns: RoundRobin::default(), repeats_first: parameters.epoch_blocks.is_some() },
        }
    }
}

impl Config<Scheme> for Turns {
    type Elector = InTurn;

    fn build(self, participants: &Set<PublicKey>) -> InTurn {
        InTurn { turns: self.turns.build(participants), repeats_first: self.repeats_first }
    }
}

/// [`Turns`] of a committee.
#[derive(Clone)]
pub struct InTurn {
    turns: RoundRobinElector<Scheme>,
    repeats_first: bool,
}

impl Elector<Scheme> for InTurn {
    type Mode = Scheduled;

    fn terms(&self) -> Terms {
        Elector::<Scheme>::terms(&self.turns)
    }

    fn elect(&self, round: Round, (): ()) -> Participant {
        let first = if self.repeats_first { View::new(2) } else { View::new(1) };
        self.turns.elect(Round::new(round.epoch(), round.view().max(first)), ())
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
    let elector = Turns::new(parameters).build(participants);
    let views = (0..participants.len() as u64)
        .map(|term| from_view.saturating_add(term.saturating_mul(parameters.leader_term_views)));
    views
        .filter_map(|view| participants.key(elector.elect(Round::new(Epoch::new(epoch), View::new(view)), ())).cloned())
        .take(count)
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::consensus;
    use sinter_primitives::testkit::Network;
    use std::num::NonZeroU64;

    #[test]
    fn everybody_leads_in_turn_and_an_epochs_first_leader_twice() {
        let committee = Network::new(4).chain.committee;
        let participants = consensus::participants(&committee).unwrap().keys().clone();
        let led = |parameters: &Parameters, epoch, views: std::ops::RangeInclusive<u64>| -> Vec<PublicKey> {
            views.flat_map(|view| leaders(parameters, &participants, epoch, view, 1)).collect()
        };
        let endless = Parameters::default();
        let epochs = Parameters { epoch_blocks: NonZeroU64::new(100), ..endless };
        let terms = Parameters { leader_term_views: 3, ..epochs };
        for epoch in 0..5 {
            let plain = led(&endless, epoch, 1..=5);
            assert!(plain[..4].iter().all(|leader| plain[..4].iter().filter(|other| *other == leader).count() == 1));
            assert_eq!(plain[4], plain[0]);
            let with_end = led(&epochs, epoch, 1..=5);
            assert_eq!((&with_end[0], &with_end[1..]), (&plain[1], &plain[1..]));
            let in_terms = led(&terms, epoch, 1..=3);
            assert!(in_terms.iter().all(|leader| *leader == in_terms[0]));
        }
        // The next leaders are told without repeats.
        assert_eq!(leaders(&endless, &participants, 0, 1, 9), led(&endless, 0, 1..=4));
    }
}
