//! The tree of states above the tip: ancestors, repeats, forks, bounds.

use super::cluster::{SEATS, members, parameters, test_chain};
use sinter_primitives::{Digest, Header, Ledger, NamespaceTable};
use sinter_sequencer::{
    draw::Marks,
    ledgers::{AHEAD_MAX, Gap, Ledgers, NotKept, STATES_BYTES_MAX, State},
};
use std::sync::Arc;

const EXPIRY_BLOCKS: u64 = 8;

fn id(number: u64) -> Digest {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&number.to_be_bytes());
    Digest(bytes)
}

struct Tree {
    ledgers: Ledgers,
    ledger: Arc<Ledger>,
}

impl Tree {
    fn new() -> (Self, State) {
        let chain = test_chain(&members(SEATS), parameters());
        let ledger = Arc::new(Ledger::genesis(&chain.file));
        let genesis = state(&ledger, chain.genesis(), &[]);
        (Self { ledgers: Ledgers::new(EXPIRY_BLOCKS, genesis.clone(), Vec::new()), ledger }, genesis)
    }

    /// A child of `parent` in `view` that orders `ids`.
    fn child(&self, parent: &State, view: u64, ids: &[u64]) -> State {
        let header = Header {
            height: parent.header.height + 1,
            view,
            parent_view: parent.header.view,
            parent: parent.digest,
            ..parent.header
        };
        state(&self.ledger, header, ids)
    }

    fn insert(&self, parent: &State, view: u64, ids: &[u64]) -> State {
        let state = self.child(parent, view, ids);
        // What is too far above the tip is not kept, which some tests look for.
        let _ = self.ledgers.insert(state.clone());
        state
    }

    /// The height at which an ancestor of a child of `parent` holds `number`, within the window.
    fn repeat(&self, parent: &State, number: u64) -> Option<u64> {
        let lineage = self.ledgers.lineage(&parent.digest).unwrap();
        let height = parent.header.height + 1;
        self.ledgers.first_repeat(&lineage, height, &[id(99_999), id(number)]).map(|(found, height)| {
            assert_eq!(found, id(number));
            height
        })
    }
}

fn state(ledger: &Arc<Ledger>, header: Header, ids: &[u64]) -> State {
    State {
        header,
        digest: header.digest(),
        table: Arc::new(NamespaceTable::default()),
        ledger: ledger.clone(),
        ids: ids.iter().map(|number| id(*number)).collect(),
        marks: Marks::beginning(&header),
    }
}

#[test]
fn repeats_are_those_of_ancestors_alone() {
    let (tree, genesis) = Tree::new();
    let one = tree.insert(&genesis, 1, &[1]);
    let two = tree.insert(&one, 2, &[2]);
    let fork = tree.insert(&one, 3, &[3]);
    assert_eq!(tree.repeat(&two, 1), Some(1));
    assert_eq!(tree.repeat(&two, 2), Some(2));
    assert_eq!(tree.repeat(&two, 3), None);
    assert_eq!(tree.repeat(&fork, 3), Some(2));
    assert_eq!(tree.repeat(&fork, 2), None);
    // The same once the ancestors are final.
    tree.ledgers.finalize(one);
    tree.ledgers.finalize(two.clone());
    assert_eq!(tree.repeat(&two, 1), Some(1));
    assert_eq!(tree.repeat(&two, 2), Some(2));
}

#[test]
fn an_id_may_return_after_the_window() {
    let (tree, mut parent) = Tree::new();
    for height in 1..=EXPIRY_BLOCKS {
        parent = tree.insert(&parent, height, &[height]);
        tree.ledgers.finalize(parent.clone());
    }
    // The child has height 9; with a window of 8 it must not repeat what heights 2 to 8 hold.
    assert_eq!(tree.repeat(&parent, 1), None);
    assert_eq!(tree.repeat(&parent, 2), Some(2));
    assert_eq!(tree.repeat(&parent, 8), Some(8));
}

#[test]
fn a_lineage_taken_before_the_tip_moved_still_holds() {
    let (tree, genesis) = Tree::new();
    let one = tree.insert(&genesis, 1, &[1]);
    let before = tree.ledgers.lineage(&genesis.digest).unwrap();
    tree.ledgers.finalize(one);
    // A sibling of block 1 is no repeat of it, whatever is final by now.
    assert_eq!(tree.ledgers.first_repeat(&before, 1, &[id(1)]), None);
}

#[test]
fn nothing_stands_beside_or_below_the_tip() {
    let (tree, genesis) = Tree::new();
    let one = tree.insert(&genesis, 1, &[]);
    let beside = tree.insert(&genesis, 2, &[]);
    let above_beside = tree.insert(&beside, 3, &[]);
    assert_eq!(tree.ledgers.lineage(&id(7)).unwrap_err(), Gap::Missing(id(7)));
    tree.ledgers.finalize(one);
    assert!(tree.ledgers.get(&beside.digest).is_none());
    assert_eq!(tree.ledgers.lineage(&above_beside.digest).unwrap_err(), Gap::Missing(beside.digest));
}

#[test]
fn the_tree_is_bounded_and_forgets_old_failures_first() {
    let (tree, genesis) = Tree::new();
    // Views that fail, each with another block at the same height; then one that others stand on.
    let parent = tree.insert(&genesis, 1, &[]);
    let child = tree.insert(&parent, 2, &[]);
    for view in 3..3_000 {
        tree.insert(&genesis, view, &[]);
    }
    let kept = (3..3_000).filter(|view| tree.ledgers.get(&tree.child(&genesis, *view, &[]).digest).is_some());
    let kept: Vec<_> = kept.collect();
    assert!(kept.len() <= 1024, "{} states", kept.len());
    assert_eq!(kept.last(), Some(&2_999));
    assert!(tree.ledgers.get(&parent.digest).is_some() || tree.ledgers.get(&child.digest).is_none());

    // Nor does it grow far above the tip.
    let (tree, mut top) = Tree::new();
    for view in 1..=AHEAD_MAX + 5 {
        top = tree.insert(&top, view, &[]);
    }
    assert!(tree.ledgers.get(&top.digest).is_none());
}

#[test]
fn the_tree_is_bounded_by_bytes() {
    // Blocks with so many transactions that far fewer of them fit than the tree has places.
    let (tree, genesis) = Tree::new();
    let many: Arc<[Digest]> = (0..1 << 17).map(id).collect();
    let large = |parent: &State, view: u64| State { ids: many.clone(), ..tree.child(parent, view, &[]) };
    let fit = STATES_BYTES_MAX / large(&genesis, 1).memory();
    assert!((100..128).contains(&fit), "{fit} states of 4 MiB");

    // Failed views: the newest stay.
    for view in 1..=300 {
        tree.ledgers.insert(large(&genesis, view)).unwrap();
    }
    let kept: Vec<u64> =
        (1..=300).filter(|view| tree.ledgers.get(&tree.child(&genesis, *view, &[]).digest).is_some()).collect();
    assert_eq!(kept, (301 - fit as u64..=300).collect::<Vec<_>>());

    // A chain: nothing can go that the newest stands on, so the newest waits, and there is room once the tip moves.
    let mut chain = vec![genesis];
    let refused = loop {
        let next = large(&chain[chain.len() - 1], 300 + chain.len() as u64);
        match tree.ledgers.insert(next.clone()) {
            Ok(()) => chain.push(next),
            Err(refused) => break refused,
        }
    };
    assert_eq!(chain.len() - 1, fit, "failed views made room for the chain");
    let memory = chain[1].memory();
    assert_eq!(refused, NotKept::Full { max: STATES_BYTES_MAX, got: (fit + 1) * memory });
    assert!(tree.ledgers.lineage(&chain[fit].digest).is_ok());
    tree.ledgers.finalize(chain[1].clone());
    tree.ledgers.insert(large(&chain[fit], 1_000)).unwrap();
}

#[test]
fn only_heights_near_the_tip_are_kept() {
    let (tree, genesis) = Tree::new();
    let far = State { header: Header { height: AHEAD_MAX + 1, ..genesis.header }, ..genesis.clone() };
    for state in [genesis, far] {
        let expected = NotKept::Height { height: state.header.height, min: 1, max: AHEAD_MAX };
        assert_eq!(tree.ledgers.insert(state), Err(expected));
    }
}
