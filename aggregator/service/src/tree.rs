//! Which nodes the tree of a batch has.
//!
//! The shape is RFC 6962's, as in [`sinter_prover::aggregate`]: neighbours are paired, a lone right end is promoted. There a
//! batch is folded by one process, one node after another, like the carries of a binary counter. Here any node may be
//! folded by any box at any time, once both of its children are there; so this module says, for each node, which is above it.
//!
//! While a batch is open, the number of its leaves is not known, and only complete trees are sure to be in it: a node of
//! 2^k leaves that starts at a multiple of 2^k. Closing fixes the number, and the right edge with it.

/// A node: the leaves `first .. first + leaves`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Span {
    /// The first leaf below.
    pub first: u64,
    /// The leaves below.
    pub leaves: u64,
}

impl Span {
    /// A leaf.
    #[must_use]
    pub const fn leaf(first: u64) -> Self {
        Self { first, leaves: 1 }
    }

    /// The two nodes that this one is folded of; none for a leaf.
    #[must_use]
    pub const fn children(self) -> Option<(Self, Self)> {
        if self.leaves < 2 {
            return None;
        }
        // The largest power of two below the number of leaves.
        let left = self.leaves.next_power_of_two() / 2;
        Some((Self { first: self.first, leaves: left }, Self { first: self.first + left, leaves: self.leaves - left }))
    }

    /// The node above this one in a batch of `size` leaves, or in one that is still open. None for the root, and for a node
    /// of which nothing can be said yet.
    #[must_use]
    pub fn parent(self, size: Option<u64>) -> Option<Self> {
        let Some(size) = size else {
            // The complete tree above a complete tree.
            let leaves = self.leaves * 2;
            return Some(Self { first: self.first - self.first % leaves, leaves });
        };
        // From the root down, to the node whose child this is.
        let mut node = Self { first: 0, leaves: size };
        while let Some((left, right)) = node.children() {
            if left == self || right == self {
                return Some(node);
            }
            node = if self.first < right.first { left } else { right };
        }
        None
    }
}

/// How high a node with so many leaves stands: 0 for a leaf.
#[must_use]
pub const fn level(leaves: u64) -> u32 {
    leaves.next_power_of_two().trailing_zeros()
}

/// How many nodes of a level the tree of a batch with `size` leaves has: complete ones, and the right end's.
#[must_use]
pub const fn nodes_at(level: u32, size: u64) -> u64 {
    let rest = size % (1 << level);
    (size >> level) + (2 * rest > 1 << level) as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    /// Folds everything that can be folded.
    fn grow(done: &mut BTreeSet<Span>, size: Option<u64>) -> Vec<Span> {
        let mut made = Vec::new();
        while let Some(parent) = done.iter().filter_map(|node| node.parent(size)).find(|parent| {
            let both = parent.children().is_some_and(|(left, right)| done.contains(&left) && done.contains(&right));
            both && !done.contains(parent)
        }) {
            done.insert(parent);
            made.push(parent);
        }
        made
    }

    #[test]
    fn seven_leaves_fold_as_in_the_picture() {
        let mut done = (0..7).map(Span::leaf).collect();
        let span = |first, leaves| Span { first, leaves };
        let mut open = grow(&mut done, None);
        open.sort_unstable();
        assert_eq!(open, [span(0, 2), span(0, 4), span(2, 2), span(4, 2)]);
        let mut closed = grow(&mut done, Some(7));
        closed.sort_unstable();
        assert_eq!(closed, [span(0, 7), span(4, 3)]);
        assert_eq!(span(0, 7).parent(Some(7)), None);
    }

    proptest! {
        /// What was folded while the batch was open is part of the closed tree, whose root is reached by one fold fewer than leaves.
        #[test]
        fn eager_folds_are_never_in_vain(size in 1u64..200) {
            let mut done: BTreeSet<_> = (0..size).map(Span::leaf).collect();
            let made = grow(&mut done, None).len() + grow(&mut done, Some(size)).len();
            prop_assert_eq!(made as u64, size - 1);
            let root = Span { first: 0, leaves: size };
            prop_assert!(done.contains(&root));
            for node in done {
                prop_assert!(node == root || node.parent(Some(size)).is_some());
            }
        }
    }

    #[test]
    fn every_node_is_of_one_level() {
        for size in 1..200 {
            let mut counts = [0; 9];
            let mut nodes = vec![Span { first: 0, leaves: size }];
            while let Some(node) = nodes.pop() {
                counts[level(node.leaves) as usize] += 1;
                nodes.extend(node.children().into_iter().flat_map(|(left, right)| [left, right]));
            }
            for (at, count) in (0..).zip(counts) {
                assert_eq!(nodes_at(at, size), count, "level {at} of {size} leaves");
            }
        }
    }
}
