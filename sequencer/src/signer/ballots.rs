//! What one key has voted in one network, and what it may still vote.
//!
//! | refused | because |
//! |---|---|
//! | two notarizes of different proposals in a view, two finalizes likewise, a nullify and a finalize | the votes prove misconduct, and the L1 slashes for them |
//! | a nullify below a finalize of the same leader's term | a nullification covers the rest of its term: both together could fork the chain |
//! | a finalize above another session's nullify of the same term | likewise; a node knows when its own nullify no longer counts, but not another's |
//! | anything below the floor | what was voted there is forgotten |
//!
//! Nothing is ever refused to a single honest node that these rules do not refuse it already, but for one case: after a restart it
//! is another session, and leaves the finalizes of the running term to others if it had voted to nullify a view of it.

use super::message::{Position, Refusal, Session};
use crate::votes::{Choice, Vote};
use std::collections::BTreeMap;

/// Views that are remembered. A term has at most 1,000, and votes of a later epoch do not wait for those of an earlier one.
const VIEWS_MAX: usize = 8_192;
/// Views that stay when the oldest are forgotten, less the rest of a term.
const VIEWS_KEPT: usize = 4_096;

/// A vote, and whose it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cast {
    pub(super) session: Session,
    pub(super) choice: Choice,
}

/// Whether a vote that may be signed was signed before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    New,
    Repeated,
}

/// The votes of one key in one network.
#[derive(Clone, Debug)]
pub(super) struct Ballots {
    term_views: u64,
    floor: Position,
    cast: BTreeMap<Position, Vec<Cast>>,
}

impl Ballots {
    /// Nothing voted yet, where leaders stay for `term_views` views.
    pub(super) fn new(term_views: u64) -> Self {
        Self { term_views: term_views.max(1), floor: Position::default(), cast: BTreeMap::new() }
    }

    /// First and last view of a view's term, as simplex counts them: view 0 is genesis, the first term begins with 1. Views
    /// are what somebody asks for, so nothing here may overflow.
    fn term(&self, view: u64) -> (u64, u64) {
        let Some(before) = view.checked_sub(1) else { return (0, 0) };
        let start = before - before % self.term_views + 1;
        (start, start.saturating_add(self.term_views - 1))
    }

    /// Below this, nothing is signed.
    pub(super) fn floor(&self) -> Position {
        self.floor
    }

    /// Raises the floor, to where a term begins: what is left of a term would not show what was nullified in it.
    pub(super) fn raise(&mut self, floor: Position) {
        let (start, end) = self.term(floor.view);
        let view = if floor.view == start { start } else { end.saturating_add(1) };
        self.floor = self.floor.max(Position { view, ..floor });
        self.cast = self.cast.split_off(&self.floor);
    }

    /// Whether `session` may have this vote signed.
    pub(super) fn check(&self, session: Session, vote: &Vote) -> Result<Standing, Refusal> {
        let position = Position::of(vote);
        if position < self.floor {
            return Err(Refusal::BelowFloor { floor: self.floor });
        }
        let here = self.cast.get(&position).map_or(&[][..], Vec::as_slice);
        // First, so that an answer that was lost on its way can be asked for again, by whichever node.
        if here.iter().any(|cast| cast.choice == vote.choice) {
            return Ok(Standing::Repeated);
        }
        if let Some(cast) = here.iter().find(|cast| cast.choice.excludes(&vote.choice)) {
            return Err(Refusal::Excluded { earlier: Vote { choice: cast.choice, ..*vote } });
        }
        match self.other_of_term(session, vote) {
            Some(earlier) => Err(Refusal::Term { earlier }),
            None => Ok(Standing::New),
        }
    }

    /// A vote of another view of the same term that this one must not follow.
    fn other_of_term(&self, session: Session, vote: &Vote) -> Option<Vote> {
        let Position { epoch, view } = Position::of(vote);
        let at = |view| Position { epoch, view };
        let (start, end) = self.term(view);
        let (views, excludes): (_, fn(&Cast, Session) -> bool) = match vote.choice {
            Choice::Notarize { .. } => return None,
            Choice::Nullify => (at(view)..=at(end), |cast, _| matches!(cast.choice, Choice::Finalize { .. })),
            Choice::Finalize { .. } => {
                (at(start)..=at(view), |cast, session| cast.choice == Choice::Nullify && cast.session != session)
            }
        };
        let mut others = self.cast.range(views).flat_map(|(at, cast)| cast.iter().map(move |cast| (at, cast)));
        let (at, cast) = others.find(|(_, cast)| excludes(cast, session))?;
        Some(Vote { epoch: at.epoch, view: at.view, choice: cast.choice })
    }

    /// Remembers a vote, whoever checked it. Returns whether old ones were forgotten for it.
    pub(super) fn insert(&mut self, session: Session, vote: &Vote) -> bool {
        if Position::of(vote) < self.floor {
            return false;
        }
        let here = self.cast.entry(Position::of(vote)).or_default();
        if !here.iter().any(|cast| cast.choice == vote.choice) {
            here.push(Cast { session, choice: vote.choice });
        }
        if self.cast.len() <= VIEWS_MAX {
            return false;
        }
        let last_forgotten = self.cast.keys().rev().nth(VIEWS_KEPT).copied();
        if let Some(Position { epoch, view }) = last_forgotten {
            self.raise(Position { epoch, view: view.saturating_add(1) });
        }
        true
    }

    /// All that is remembered, in the order of views.
    pub(super) fn votes(&self) -> impl Iterator<Item = (Session, Vote)> {
        self.cast.iter().flat_map(|(at, cast)| {
            cast.iter().map(|cast| (cast.session, Vote { epoch: at.epoch, view: at.view, choice: cast.choice }))
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use sinter_primitives::Digest;

    const A: Session = Session([1; 16]);
    const B: Session = Session([2; 16]);

    fn notarize(payload: u8) -> Choice {
        Choice::Notarize { parent_view: 6, payload: Digest([payload; 32]) }
    }

    fn finalize(payload: u8) -> Choice {
        Choice::Finalize { parent_view: 6, payload: Digest([payload; 32]) }
    }

    fn vote(view: u64, choice: Choice) -> Vote {
        Vote { epoch: 3, view, choice }
    }

    /// Votes if it may.
    fn cast(ballots: &mut Ballots, session: Session, vote: Vote) -> Result<Standing, Refusal> {
        let standing = ballots.check(session, &vote)?;
        ballots.insert(session, &vote);
        Ok(standing)
    }

    #[test]
    fn votes_that_exclude_each_other_are_never_both_signed() {
        for (first, second) in [
            (notarize(1), notarize(2)),
            (notarize(1), Choice::Notarize { parent_view: 5, payload: Digest([1; 32]) }),
            (finalize(1), finalize(2)),
            (finalize(1), Choice::Nullify),
            (Choice::Nullify, finalize(1)),
        ] {
            for other in [A, B] {
                let mut ballots = Ballots::new(1);
                assert_eq!(cast(&mut ballots, A, vote(7, first)), Ok(Standing::New));
                let earlier = vote(7, first);
                assert_eq!(cast(&mut ballots, other, vote(7, second)), Err(Refusal::Excluded { earlier }));
                // Another view, another epoch.
                assert_eq!(cast(&mut ballots, other, vote(8, second)), Ok(Standing::New));
                let elsewhere = Vote { epoch: 4, ..vote(7, second) };
                assert_eq!(cast(&mut ballots, other, elsewhere), Ok(Standing::New));
                assert_eq!(cast(&mut ballots, other, vote(7, first)), Ok(Standing::Repeated));
            }
        }
    }

    #[test]
    fn an_honest_view_is_signed() {
        for choices in [[notarize(1), finalize(1)], [notarize(1), Choice::Nullify]] {
            let mut ballots = Ballots::new(1);
            for choice in choices {
                assert_eq!(cast(&mut ballots, A, vote(7, choice)), Ok(Standing::New));
            }
        }
    }

    #[test]
    fn a_term_is_not_nullified_by_one_node_and_finalized_by_another() {
        // Views 6 to 10 are a term.
        let mut ballots = Ballots::new(5);
        cast(&mut ballots, A, vote(7, Choice::Nullify)).unwrap();
        let earlier = vote(7, Choice::Nullify);
        assert_eq!(cast(&mut ballots, B, vote(9, finalize(1))), Err(Refusal::Term { earlier }));
        // Its own nullify may have been outrun by a finalization that it saw; and a new term is a new start.
        assert_eq!(cast(&mut ballots, A, vote(9, finalize(1))), Ok(Standing::New));
        assert_eq!(cast(&mut ballots, B, vote(11, finalize(1))), Ok(Standing::New));
        let earlier = vote(9, finalize(1));
        for session in [A, B] {
            assert_eq!(cast(&mut ballots, session, vote(8, Choice::Nullify)), Err(Refusal::Term { earlier }));
        }
        assert_eq!(cast(&mut ballots, B, vote(10, Choice::Nullify)), Ok(Standing::New));
    }

    #[test]
    fn memory_is_bounded_and_what_is_forgotten_is_not_signed_again() {
        let mut ballots = Ballots::new(1_000);
        for view in 1..=30_000 {
            cast(&mut ballots, A, vote(view, notarize(1))).unwrap();
            assert!(ballots.cast.len() <= VIEWS_MAX);
        }
        let Position { epoch, view } = ballots.floor();
        assert!(epoch == 3 && view % 1_000 == 1 && view > 30_000 - VIEWS_MAX as u64, "{epoch} {view}");
        let refusal = ballots.check(A, &vote(view - 1, notarize(2))).unwrap_err();
        assert_eq!(refusal, Refusal::BelowFloor { floor: ballots.floor() });
        assert!(matches!(ballots.check(A, &vote(view, notarize(2))), Err(Refusal::Excluded { .. })));
        // One wild vote takes one place, and locks nobody out.
        cast(&mut ballots, A, Vote { epoch: u64::MAX, view: u64::MAX, choice: Choice::Nullify }).unwrap();
        assert_eq!(cast(&mut ballots, A, vote(30_001, notarize(1))), Ok(Standing::New));
    }
}
