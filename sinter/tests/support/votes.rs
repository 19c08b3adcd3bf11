//! What seats have voted over several lives of their processes.

use super::{network::Network, node::Node};
use sinter_sequencer::votes::{self, Vote};
use std::collections::{BTreeMap, BTreeSet};

/// Every vote that was ever seen in a seat's journal. Journals forget old views: look often.
#[derive(Debug, Default)]
pub struct History {
    seats: BTreeMap<usize, BTreeSet<Vote>>,
}

impl History {
    /// Adds what a node's journal holds now, whether it runs or not.
    pub fn look(&mut self, node: &Node) {
        let votes = votes::read(&node.data_dir()).unwrap();
        self.seats.entry(node.seat).or_default().extend(votes);
    }

    /// Adds what all nodes' journals hold now.
    pub fn look_at_all(&mut self, network: &Network) {
        for node in &network.nodes {
            self.look(node);
        }
    }

    /// Views in which the seat has voted, as far as was seen.
    pub fn views(&self, seat: usize) -> BTreeSet<u64> {
        self.seats.get(&seat).into_iter().flatten().map(|vote| vote.view).collect()
    }

    /// Fails if any seat ever cast two votes that exclude each other, or if there is a seat without any.
    pub fn assert_sound(&self) {
        for (seat, votes) in &self.seats {
            assert!(!votes.is_empty(), "seat {seat} never voted");
            let votes: Vec<_> = votes.iter().copied().collect();
            let conflicts = votes::conflicts(&votes);
            assert!(conflicts.is_empty(), "seat {seat} voted twice: {conflicts:#?}");
        }
    }
}
