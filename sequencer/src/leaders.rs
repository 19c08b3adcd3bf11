//! Who leads which view.

use crate::{
    committees::{Committees, Seated},
    consensus::Scheme,
    dissemination::Leaders,
    epochs::EpochStart,
    status::Status,
};
use commonware_consensus::{
    simplex::elector::{Config, Elector, RoundRobin, RoundRobinElector, Scheduled, Terms},
    types::{Epoch, Participant, Round, TermLength, View, ViewDelta},
};
use commonware_cryptography::ed25519::PublicKey;
use commonware_utils::ordered::{Quorum as _, Set};
use sinter_primitives::{Chain, Committee, Parameters, draw};
use std::{num::NonZeroU32, sync::Arc, time::Duration};
use tokio::sync::watch;

/// Views that a stable leader runs ahead of certification.
const OPTIMISTIC_VIEWS: ViewDelta = ViewDelta::new(2);

/// An epoch's leaders: by stake where the chain draws its committees, and in turn where nobody is ever drawn.
///
/// Where epochs end and a term is one view, an epoch's first leader leads its second view as well. A view whose leader has not been
/// heard in the epoch is skipped, and after one view a seat may just not have been heard yet: half of the others would skip it.
#[derive(Clone, Debug)]
pub struct Schedule {
    parameters: Parameters,
    drawn: Option<Arc<draw::Leaders>>,
}

impl Schedule {
    /// That of an epoch of a chain, with its committee.
    ///
    /// # Errors
    /// [`draw::DrawError`], which a [`Committee`] rules out.
    pub fn new(chain: &Chain, start: &EpochStart, committee: &Committee) -> Result<Self, draw::DrawError> {
        let drawn = match chain.file.l1.registry {
            Some(_) => Some(Arc::new(draw::Leaders::new(start.mix, start.epoch, committee)?)),
            None => None,
        };
        Ok(Self { parameters: chain.file.parameters, drawn })
    }

    /// The terms, and the turns that are taken where nobody is drawn.
    fn turns(&self) -> RoundRobin {
        let views = u32::try_from(self.parameters.leader_term_views).unwrap_or(u32::MAX);
        match NonZeroU32::new(views) {
            Some(views) if views.get() > 1 => {
                // A leader that notarizes but withholds finality is evicted in the time of a few failed views.
                let stall = Duration::from_millis(4 * self.parameters.certification_timeout_ms);
                RoundRobin::default().with_term(TermLength::new(views), stall, OPTIMISTIC_VIEWS)
            }
            _ => RoundRobin::default(),
        }
    }

    /// Who of a committee leads which view.
    pub(crate) fn of(self, participants: &Set<PublicKey>) -> Scheduler {
        self.build(participants)
    }

    /// The leaders of a committee from a view on, a term after the other, without repeats. Looks at as many terms as there are seats.
    fn next(&self, participants: &Set<PublicKey>, (epoch, from_view): (u64, u64), count: usize) -> Vec<PublicKey> {
        let elector = self.clone().of(participants);
        let mut leaders = Vec::new();
        for term in 0..participants.len() as u64 {
            let view = from_view.saturating_add(term.saturating_mul(self.parameters.leader_term_views));
            let leader = participants.key(elector.leader(epoch, view));
            if let Some(leader) = leader.filter(|leader| !leaders.contains(*leader)) {
                leaders.push(leader.clone());
            }
            if leaders.len() >= count {
                break;
            }
        }
        leaders
    }
}

impl Config<Scheme> for Schedule {
    type Elector = Scheduler;

    fn build(self, participants: &Set<PublicKey>) -> Scheduler {
        Scheduler { turns: self.turns().build(participants), schedule: self }
    }
}

/// [`Schedule`] of a committee.
#[derive(Clone)]
pub struct Scheduler {
    turns: RoundRobinElector<Scheme>,
    schedule: Schedule,
}

impl Scheduler {
    /// The leader of a view.
    pub(crate) fn leader(&self, epoch: u64, view: u64) -> Participant {
        self.elect(Round::new(Epoch::new(epoch), View::new(view)), ())
    }
}

impl Elector<Scheme> for Scheduler {
    type Mode = Scheduled;

    fn terms(&self) -> Terms {
        Elector::<Scheme>::terms(&self.turns)
    }

    fn elect(&self, round: Round, (): ()) -> Participant {
        let Schedule { parameters, drawn } = &self.schedule;
        let repeats_first = parameters.leader_term_views == 1 && parameters.epoch_blocks.is_some();
        let view = round.view().max(View::new(if repeats_first { 2 } else { 1 }));
        match drawn {
            Some(leaders) => Participant::from_usize(leaders.leader(parameters.term_of(view.get()))),
            None => self.turns.elect(Round::new(round.epoch(), view), ()),
        }
    }
}

/// The leaders from the current view on, without repeats: where a transaction should be soonest.
pub struct NextLeaders {
    /// The chain.
    pub chain: Arc<Chain>,
    /// Knows the epochs' members.
    pub committees: Committees,
    /// Knows the current epoch.
    pub epochs: watch::Receiver<EpochStart>,
    /// Knows the current view.
    pub status: Arc<Status>,
}

impl NextLeaders {
    fn seated(&self) -> Option<Arc<Seated>> {
        self.committees.get(self.epoch())
    }
}

impl Leaders for NextLeaders {
    fn epoch(&self) -> u64 {
        self.epochs.borrow().epoch
    }

    fn members(&self) -> Vec<PublicKey> {
        self.seated().map(|seated| seated.participants.iter().cloned().collect()).unwrap_or_default()
    }

    fn next_leaders(&self, count: usize) -> Vec<PublicKey> {
        let start = *self.epochs.borrow();
        let (epoch, view) = self.status.round();
        let view = if epoch == start.epoch { view } else { 0 };
        let Some(seated) = self.committees.get(start.epoch) else { return Vec::new() };
        // A committee always has leaders.
        let Ok(schedule) = Schedule::new(&self.chain, &start, &seated.committee) else { return Vec::new() };
        schedule.next(&seated.participants, (start.epoch, view.saturating_add(1)), count)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::consensus;
    use sinter_primitives::{Digest, chain::ChainFile, chain::RegistrySpec, reveals::Mix, testkit::Network};
    use std::{num::NonZeroU64, ops::RangeInclusive};

    /// Who leads these views of an epoch, one after the other.
    fn led(chain: &Chain, committee: &Committee, start: EpochStart, views: RangeInclusive<u64>) -> Vec<PublicKey> {
        let participants = consensus::participants(committee).unwrap().keys().clone();
        let schedule = Schedule::new(chain, &start, committee).unwrap();
        views.flat_map(|view| schedule.next(&participants, (start.epoch, view), 1)).collect()
    }

    fn start(epoch: u64, mix: u8) -> EpochStart {
        EpochStart { epoch, boundary: Digest([0; 32]), mix: Mix(Digest([mix; 32])), protocol: 1 }
    }

    fn chain(adjust: impl FnOnce(&mut ChainFile)) -> Chain {
        Network::with(4, 0, adjust).chain
    }

    /// A chain that draws its committees.
    fn drawing() -> Chain {
        chain(|file| {
            file.parameters.epoch_blocks = NonZeroU64::new(100);
            let address = format!("0x{}", "11".repeat(20));
            let prevrandao_delay_s = draw::PREVRANDAO_DELAY_S;
            file.l1.registry =
                Some(RegistrySpec { address, from_block: 0, seats: 4, seats_min: 4, prevrandao_delay_s });
        })
    }

    #[test]
    fn everybody_leads_in_turn_and_an_epochs_first_leader_twice() {
        let endless = chain(|_| ());
        let epochs = chain(|file| file.parameters.epoch_blocks = NonZeroU64::new(100));
        let terms = chain(|file| {
            file.parameters.epoch_blocks = NonZeroU64::new(100);
            file.parameters.leader_term_views = 3;
        });
        let led = |chain: &Chain, epoch, views| led(chain, &chain.committee, start(epoch, 0), views);
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
        let participants = consensus::participants(&endless.committee).unwrap().keys().clone();
        let schedule = Schedule::new(&endless, &start(0, 0), &endless.committee).unwrap();
        assert_eq!(schedule.next(&participants, (0, 1), 9), led(&endless, 0, 1..=4));
    }

    #[test]
    fn who_was_drawn_leads_as_often_as_the_stake_says() {
        const VIEWS: u64 = 4_000;
        let chain = drawing();
        let mut seats = chain.committee.seats().to_vec();
        seats.iter_mut().zip([10, 20, 30, 40]).for_each(|(seat, stake)| seat.stake_wei = stake);
        let committee = Committee::new(seats).unwrap();
        let participants = consensus::participants(&committee).unwrap().keys().clone();
        let leaders = led(&chain, &committee, start(5, 1), 1..=VIEWS);
        assert_eq!(leaders[0], leaders[1], "an epoch's first leader leads twice");
        for (seat, stake) in participants.iter().zip([10, 20, 30, 40]) {
            let times = leaders.iter().filter(|leader| *leader == seat).count() as u64;
            // More than five standard deviations on either side.
            assert!(times.abs_diff(VIEWS * stake / 100) < 160, "{times} of {VIEWS} for {stake}%");
        }
        // Other reveals, and another epoch, give others.
        assert_ne!(leaders, led(&chain, &committee, start(5, 2), 1..=VIEWS));
        assert_ne!(leaders, led(&chain, &committee, start(6, 1), 1..=VIEWS));
    }

    #[test]
    fn a_leader_that_was_drawn_keeps_its_term() {
        let mut chain = drawing();
        chain.file.parameters.leader_term_views = 3;
        let leaders = led(&chain, &chain.committee, start(2, 9), 1..=300);
        assert!(leaders.chunks(3).all(|term| term.iter().all(|leader| *leader == term[0])));
        assert!(leaders.iter().any(|leader| *leader != leaders[0]));
    }
}
