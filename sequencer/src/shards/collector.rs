//! The shards of an epoch, as they come in.

use super::{
    CANDIDATES_MAX, VIEWS_AHEAD_MAX, VIEWS_BEHIND_MAX,
    message::{Checked, Root},
};
use std::{collections::BTreeMap, ops::RangeInclusive};

/// What has come of one block, or of what is said to be one.
#[derive(Default)]
struct Candidate {
    /// Whether this node passed its own shard on.
    is_relayed: bool,
    /// Whether enough had come: what comes after that is of no use.
    is_complete: bool,
    /// By the seat that it is of.
    shards: BTreeMap<usize, Checked>,
}

/// Shards of blocks that are not rebuilt yet.
pub(super) struct Collector {
    /// Shards that make a block.
    needed: usize,
    /// By the view that they were proposed in.
    views: BTreeMap<u64, BTreeMap<Root, Candidate>>,
}

/// The views whose shards are taken when `certified` is the highest one with a certificate.
pub(super) const fn window(certified: u64) -> RangeInclusive<u64> {
    certified.saturating_sub(VIEWS_BEHIND_MAX)..=certified.saturating_add(VIEWS_AHEAD_MAX)
}

impl Collector {
    /// Nothing yet, of blocks that `needed` shards rebuild.
    pub const fn new(needed: usize) -> Self {
        Self { needed, views: BTreeMap::new() }
    }

    /// Lets go of the views that are over.
    pub fn forget_before(&mut self, certified: u64) {
        self.views = self.views.split_off(window(certified).start());
    }

    fn candidate(&self, view: u64, root: &Root) -> Option<&Candidate> {
        self.views.get(&view)?.get(root)
    }

    fn candidates(&self, view: u64) -> impl Iterator<Item = &Candidate> {
        self.views.get(&view).into_iter().flat_map(BTreeMap::values)
    }

    /// Whether the shard of a seat would be of use. A seat that has so many others in that view has no room for it.
    pub fn wants(&self, view: u64, seat: usize, root: &Root) -> bool {
        let is_new =
            self.candidate(view, root).is_none_or(|block| !block.is_complete && !block.shards.contains_key(&seat));
        is_new && self.candidates(view).filter(|other| other.shards.contains_key(&seat)).count() < CANDIDATES_MAX
    }

    /// Whether this node still has to pass on its own shard.
    pub fn relays(&self, view: u64, root: &Root) -> bool {
        let is_new = self.candidate(view, root).is_none_or(|block| !block.is_relayed);
        is_new && self.candidates(view).filter(|other| other.is_relayed).count() < CANDIDATES_MAX
    }

    /// Notes that it did.
    pub fn relayed(&mut self, view: u64, root: Root) {
        self.views.entry(view).or_default().entry(root).or_default().is_relayed = true;
    }

    /// Keeps the shard of a seat, if it is wanted. Gives those that rebuild the block, once, as soon as they are there.
    pub fn keep(&mut self, view: u64, seat: usize, root: Root, shard: Checked) -> Option<Vec<Checked>> {
        if !self.wants(view, seat, &root) {
            return None;
        }
        let block = self.views.entry(view).or_default().entry(root).or_default();
        block.shards.insert(seat, shard);
        if block.shards.len() < self.needed {
            return None;
        }
        block.is_complete = true;
        Some(std::mem::take(&mut block.shards).into_values().collect())
    }

    /// Shards that are kept.
    #[cfg(test)]
    fn len(&self) -> usize {
        self.views.values().flat_map(BTreeMap::values).map(|block| block.shards.len()).sum()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::{
        super::message::{Code, code},
        *,
    };
    use commonware_coding::Scheme as _;
    use commonware_parallel::Sequential;

    const SEATS: usize = 7;
    const NEEDED: usize = 3;

    fn shards(block: &[u8]) -> (Root, Vec<Checked>) {
        let config = code(SEATS).unwrap();
        let (root, shards) = Code::encode(&config, block, &Sequential).unwrap();
        let check = |(place, shard)| Code::check(&config, &root, place as u16, shard, &Sequential).unwrap();
        (root, shards.iter().enumerate().map(check).collect())
    }

    #[test]
    fn enough_under_one_root_rebuild_the_block_once() {
        let (root, shards) = shards(b"a block");
        let mut collector = Collector::new(NEEDED);
        assert!(collector.keep(1, 6, root, shards[6].clone()).is_none());
        // The same seat again counts for nothing.
        assert!(!collector.wants(1, 6, &root));
        assert!(collector.keep(1, 6, root, shards[6].clone()).is_none());
        assert!(collector.keep(1, 0, root, shards[0].clone()).is_none());
        let complete = collector.keep(1, 3, root, shards[3].clone()).unwrap();
        let config = code(SEATS).unwrap();
        assert_eq!(Code::decode(&config, &root, complete.iter(), &Sequential).unwrap(), b"a block");
        // What comes late is of no use, and nothing is left.
        assert!(!collector.wants(1, 5, &root));
        assert!(collector.keep(1, 5, root, shards[5].clone()).is_none());
        assert_eq!(collector.len(), 0);
        assert!(collector.wants(2, 5, &root));
    }

    #[test]
    fn a_view_may_have_several_blocks_and_their_shards_do_not_add_up() {
        let ((one, ones), (other, others)) = (shards(b"one"), shards(b"other"));
        let mut collector = Collector::new(NEEDED);
        for seat in [0, 1] {
            assert!(collector.keep(1, seat, one, ones[seat].clone()).is_none());
            assert!(collector.keep(1, seat, other, others[seat].clone()).is_none());
        }
        assert!(collector.keep(1, 4, one, ones[4].clone()).is_some());
        assert!(collector.keep(1, 5, other, others[5].clone()).is_some());
    }

    #[test]
    fn who_invents_blocks_has_room_for_few_of_them() {
        let mut collector = Collector::new(NEEDED);
        for number in 0..100u8 {
            let (root, shards) = shards(&[number]);
            for view in 1..4 {
                assert_eq!(collector.wants(view, 6, &root), usize::from(number) < CANDIDATES_MAX);
                collector.keep(view, 6, root, shards[6].clone());
            }
            assert_eq!(collector.relays(9, &root), usize::from(number) < CANDIDATES_MAX);
            if collector.relays(9, &root) {
                collector.relayed(9, root);
            }
        }
        assert_eq!(collector.len(), 3 * CANDIDATES_MAX);
        // Nobody else's room is taken.
        let (root, shards) = shards(b"a block");
        for seat in [0, 1] {
            assert!(collector.keep(1, seat, root, shards[seat].clone()).is_none());
        }
        assert!(collector.keep(1, 2, root, shards[2].clone()).is_some());
    }

    #[test]
    fn a_shard_is_passed_on_once_and_forgotten_when_its_view_is_over() {
        let (root, shards) = shards(b"a block");
        let mut collector = Collector::new(NEEDED);
        assert!(collector.relays(5, &root));
        collector.relayed(5, root);
        assert!(!collector.relays(5, &root) && collector.relays(6, &root));
        assert!(collector.keep(5, 0, root, shards[0].clone()).is_none());
        collector.forget_before(5 + VIEWS_BEHIND_MAX);
        assert_eq!(collector.len(), 1);
        collector.forget_before(6 + VIEWS_BEHIND_MAX);
        assert_eq!(collector.len(), 0);
        assert!(collector.relays(5, &root));
    }

    #[test]
    fn the_window_moves_with_what_is_certified() {
        assert_eq!(window(0), 0..=VIEWS_AHEAD_MAX);
        assert_eq!(window(100), 100 - VIEWS_BEHIND_MAX..=100 + VIEWS_AHEAD_MAX);
        assert_eq!(*window(u64::MAX).end(), u64::MAX);
    }
}
