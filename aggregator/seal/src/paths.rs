//! Merkle paths of several leaves at once, in the order in which one walk needs them.
//!
//! Plonky3 lists the digests that are missing level by level. The contract would have to hold a whole level; it is cheaper
//! to go leaf by leaf, from the left: climb from the leaf until the path meets that of a neighbour. If that neighbour is
//! the right one, keep the digest; if it is the left one, hash the two and go on.
//!
//! ```text
//! leaves 1, 2 and 5 of 8:   1: needs 0, climbs to (0,1)
//!                           2: needs 3, climbs to (2,3), meets (0,1), climbs to (0..4)
//!                           5: needs 4, then (6,7), meets (0..4): the root
//! ```
//!
//! Both orders follow from the leaves alone, so a proof holds digests and nothing else.

use std::collections::HashMap;

use crate::hash::Digest;

/// A node that no queried leaf is under: its level above the leaves and its index in it.
type Node = (usize, usize);

/// The missing nodes in Plonky3's order.
fn by_level(leaves: &[usize], log_height: usize) -> Vec<Node> {
    let mut missing = Vec::new();
    let mut nodes = leaves.to_vec();
    for level in 0..log_height {
        let siblings = nodes.iter().map(|node| node ^ 1).filter(|sibling| nodes.binary_search(sibling).is_err());
        missing.extend(siblings.map(|sibling| (level, sibling)));
        nodes.iter_mut().for_each(|node| *node >>= 1);
        nodes.dedup();
    }
    missing
}

/// The missing nodes in the order of the walk.
fn by_walk(leaves: &[usize], log_height: usize) -> Vec<Node> {
    let mut missing = Vec::new();
    // The levels at which the paths that were kept meet the next one to their right.
    let mut kept: Vec<usize> = Vec::new();
    for (i, &leaf) in leaves.iter().enumerate() {
        let meets_next = leaves.get(i + 1).map_or(log_height, |next| (leaf ^ next).ilog2() as usize);
        let mut level = 0;
        let climb = |missing: &mut Vec<Node>, from: &mut usize, to: usize| {
            missing.extend((*from..to).map(|level| (level, (leaf >> level) ^ 1)));
            *from = to;
        };
        while let Some(meets) = kept.pop_if(|meets| *meets < meets_next) {
            climb(&mut missing, &mut level, meets);
            level += 1;
        }
        climb(&mut missing, &mut level, meets_next);
        kept.push(meets_next);
    }
    missing
}

/// How many digests the paths of some leaves consist of; leaves are ascending and distinct.
#[must_use]
pub fn count(leaves: &[usize], log_height: usize) -> usize {
    by_walk(leaves, log_height).len()
}

/// Put digests from Plonky3's order into the walk's. `None` if there are more or fewer than the leaves need.
#[must_use]
pub fn to_walk(leaves: &[usize], log_height: usize, digests: &[Digest]) -> Option<Vec<Digest>> {
    reorder(&by_level(leaves, log_height), &by_walk(leaves, log_height), digests)
}

/// Put digests from the walk's order into Plonky3's. `None` if there are more or fewer than the leaves need.
#[must_use]
pub fn from_walk(leaves: &[usize], log_height: usize, digests: &[Digest]) -> Option<Vec<Digest>> {
    reorder(&by_walk(leaves, log_height), &by_level(leaves, log_height), digests)
}

fn reorder(from: &[Node], to: &[Node], digests: &[Digest]) -> Option<Vec<Digest>> {
    if from.len() != digests.len() {
        return None;
    }
    let known: HashMap<Node, Digest> = from.iter().copied().zip(digests.iter().copied()).collect();
    to.iter().map(|node| known.get(node).copied()).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn both_orders_hold_the_same_nodes() {
        for leaves in 1u32..256 {
            let leaves: Vec<usize> = (0..8).filter(|i| leaves >> i & 1 == 1).collect();
            let (levels, walk) = (by_level(&leaves, 3), by_walk(&leaves, 3));
            let sorted = |nodes: &[Node]| {
                let mut nodes = nodes.to_vec();
                nodes.sort_unstable();
                nodes
            };
            assert_eq!(sorted(&levels), sorted(&walk), "{leaves:?}");
            let digests: Vec<Digest> = (0..levels.len()).map(|i| [i as u8; 26]).collect();
            let there = to_walk(&leaves, 3, &digests).unwrap();
            assert_eq!(from_walk(&leaves, 3, &there).unwrap(), digests);
        }
        assert_eq!(by_walk(&[1, 2, 5], 3), [(0, 0), (0, 3), (0, 4), (1, 3)]);
        assert_eq!(to_walk(&[1], 3, &[[0; 26]]), None);
    }
}
