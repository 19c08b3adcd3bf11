//! What was ordered for a rollup, and what its inbox holds: the input of its statements.

use p3_field::PrimeCharacteristicRing;
use sinter_machine::WORD;
use sinter_primitives::accumulator::{self, Position, Stream};
use sinter_primitives::inbox::InboxEntry;
use sinter_primitives::{Transaction, poseidon2};
use sinter_program::F;

use crate::prover::Statement;
use crate::state::Digest;

/// Elements of a head, filled up to words.
const HEAD_CELLS: usize = 32;

/// One block's part of the lane.
#[derive(Clone, Debug)]
pub struct Block {
    /// Where it stands.
    pub position: Position,
    /// What it orders, in order.
    pub transactions: Vec<Transaction>,
}

/// What was ordered from some height on, with the inbox's entries from some place on.
#[derive(Clone, Debug, Default)]
pub struct Lane {
    /// The blocks in which the namespace is active, ascending. The first one is the block in which the state stands if that is
    /// not finished, and otherwise the next one.
    pub blocks: Vec<Block>,
    /// The entries of the inbox that may be taken.
    pub entries: Vec<InboxEntry>,
    /// The accumulator before the first block, if that is unfinished.
    pub previous: Option<Digest>,
}

/// A block as the code opens it.
pub(crate) struct Opened {
    stream: Stream,
    /// The tree over the chunks, level by level from the bottom.
    levels: Vec<Vec<poseidon2::Elements>>,
    pub head: [F; HEAD_CELLS],
    pub commitment: Digest,
    pub height: u64,
}

impl Opened {
    pub fn new(block: &Block) -> Self {
        let stream = Stream::new(&block.transactions);
        let mut levels = vec![stream.digests()];
        while let Some(level) = levels.last().filter(|level| level.len() > 1) {
            levels.push(poseidon2::compress_pairs(level));
        }
        let root = levels.last().and_then(|level| level.first()).copied().unwrap_or_default();
        let (transactions, elements) = (block.transactions.len() as u64, stream.elements() as u64);
        let elements = accumulator::head_elements(&block.position, transactions, elements, &root);
        let commitment = poseidon2::sponge(accumulator::TAG_HEAD, &elements).map(F::new);
        let mut head = [F::ZERO; HEAD_CELLS];
        for (cell, element) in head.iter_mut().zip(elements) {
            *cell = F::new(element);
        }
        Self { stream, levels, head, commitment, height: block.position.height }
    }

    /// How many elements its stream has.
    pub fn elements(&self) -> u32 {
        // A block is far below 2^32 bytes.
        self.stream.elements() as u32
    }

    /// A chunk's elements, filled up to words.
    pub fn chunk(&self, index: usize) -> Vec<F> {
        let mut elements: Vec<F> = self.stream.chunk(index).map(F::new).collect();
        elements.resize(elements.len().next_multiple_of(WORD), F::ZERO);
        elements
    }

    /// What stands beside the way from a chunk to the root, bottom up; nothing where a node moves up alone.
    pub fn siblings(&self, index: usize) -> Vec<Digest> {
        let mut index = index;
        let mut siblings = Vec::new();
        for level in &self.levels {
            siblings.extend(level.get(index ^ 1).map(|sibling| sibling.map(F::new)));
            index /= 2;
        }
        siblings
    }
}

impl Lane {
    /// Leaves out what a statement consumed: blocks that it finished, and entries of the inbox.
    pub fn advance(&mut self, statement: &Statement) {
        let (before, after) = (&statement.before, &statement.after);
        let is_left = |block: &Block| {
            let height = block.position.height;
            height > after.height || (height == after.height && !after.is_between_blocks())
        };
        let finished = self.blocks.iter().position(is_left).unwrap_or(self.blocks.len());
        self.blocks.drain(..finished);
        let taken = usize::try_from(after.entries - before.entries).unwrap_or(usize::MAX);
        self.entries.drain(..taken.min(self.entries.len()));
        self.previous = statement.previous;
    }
}
