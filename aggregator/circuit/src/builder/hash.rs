//! Hashing: sponges, compressions, Merkle leaves with their Horner sums, Merkle paths.

use super::Builder;
use crate::error::CircuitError;
use crate::field::LIMBS;
use crate::record::{Base, CONSTANT, CapRef, Ext, NONE, Op, PermKind, PermRow, Shape, Word};

/// A sponge whose permutations stand in adjacent rows.
#[derive(Clone, Debug)]
pub struct Chain {
    last: u32,
    kind: PermKind,
}

/// The rows of a Merkle leaf. Its values come from the input list, in order, and touch nothing but the hash and the sums.
#[derive(Clone, Debug)]
pub struct LeafSpec {
    /// Lengths of the segments, in lanes. Their concatenation is what is hashed.
    pub segments: Vec<usize>,
    /// β = α⁻¹ when each segment's Horner sum is wanted.
    pub beta: Option<Ext>,
    /// Whether the absorbed words are exposed.
    pub expose: bool,
}

/// The sum of one segment v_0, v_1, …: Σ α^j v_j = α^(lanes − 1) · value.
#[derive(Clone, Copy, Debug)]
pub struct Sum {
    /// Σ β^(lanes − 1 − j) v_j.
    pub value: Ext,
    /// Lanes that were summed: the segment's, and what fills its last block.
    pub lanes: usize,
}

/// A hashed leaf.
#[derive(Clone, Debug)]
pub struct LeafOut {
    /// One sum a segment, when β was given.
    pub sums: Vec<Sum>,
    /// The absorbed words, when they are exposed. In the last one only the lanes absorbed mean anything.
    pub blocks: Vec<Word>,
    last: u32,
}

/// One Merkle path, from the leaf recorded just before it.
#[derive(Clone, Debug)]
pub struct MerkleSpec<'a> {
    /// Steps up to the cap. One sibling (eight elements) each from the input list.
    pub depth: usize,
    /// (level, digest): injected after `level` ≥ 1 steps, as compress(node, digest). In ascending order.
    pub injected: &'a [(usize, Word)],
    /// Index of the leaf; must be known to be below 2^depth · cap length.
    pub index: Base,
    /// index >> depth, known to be so from the canonical bits of `index`.
    pub cap_index: Base,
    /// Where the path ends.
    pub cap: CapRef,
}

/// A leaf whose accumulator the next row continues.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pending {
    row: u32,
    acc: Ext,
}

impl Builder {
    fn perm(&mut self, row: PermRow) -> u32 {
        for word in [row.left, row.right, row.beta, row.index] {
            if word != NONE && !(row.left_is_new && word == row.left) {
                self.reads("hash", word);
            }
        }
        let id = self.perms.len() as u32;
        self.perms.push(row);
        self.push(Op::Perm { row: id });
        id
    }

    /// The output word of a row.
    fn out_word(&mut self, row: u32) -> Word {
        let known = self.perms[row as usize].out;
        if known != NONE {
            return Word(known);
        }
        let word = self.new_word(Shape::Full);
        self.perms[row as usize].out = word;
        Word(word)
    }

    /// A duplex challenger's sponge, from the all-zero state.
    #[must_use]
    pub const fn sponge(&self) -> Chain {
        Chain { last: NONE, kind: PermKind::Duplex }
    }

    /// A padding-free hash, from the all-zero state.
    #[must_use]
    pub const fn hasher(&self) -> Chain {
        Chain { last: NONE, kind: PermKind::Hash }
    }

    /// Absorbs the first `lanes` (1 to 8) limbs of a word and permutes; returns the eight lanes of the rate.
    ///
    /// In a [`sponge`](Self::sponge) the other limbs of the word must be zero (they are constrained to be); a
    /// [`hasher`](Self::hasher) takes fewer than eight lanes only in its first block, where the same holds.
    pub fn absorb(&mut self, chain: &mut Chain, block: Word, lanes: usize) -> Word {
        let least = if chain.kind == PermKind::Hash && chain.last != NONE { LIMBS } else { 1 };
        if !self.check_range("absorb", "lanes", lanes, least, LIMBS) {
            return block;
        }
        let mut row = PermRow::new(chain.kind);
        row.prev = chain.last;
        row.lanes = lanes as u8;
        row.left = block.0;
        chain.last = self.perm(row);
        self.out_word(chain.last)
    }

    /// Permutes a challenger's state without absorbing; returns the eight lanes of the rate.
    pub fn squeeze(&mut self, chain: &mut Chain) -> Word {
        if chain.last == NONE {
            self.fail(CircuitError::NotAdjacent { operation: "squeeze" });
            return self.zero().0;
        }
        let mut row = PermRow::new(PermKind::Squeeze);
        row.prev = chain.last;
        chain.last = self.perm(row);
        self.out_word(chain.last)
    }

    /// The padding-free hash of whole words (at least one).
    pub fn hash(&mut self, words: &[Word]) -> Word {
        let mut chain = self.hasher();
        let mut out = self.zero().0;
        for &word in words {
            out = self.absorb(&mut chain, word, LIMBS);
        }
        out
    }

    /// compress(left, right) of a Merkle tree.
    pub fn compress(&mut self, left: impl Into<Word>, right: impl Into<Word>) -> Word {
        let mut row = PermRow::new(PermKind::Compress);
        row.left = left.into().0;
        row.right = right.into().0;
        let row = self.perm(row);
        self.out_word(row)
    }

    /// Hashes a leaf. A segment that does not end where a block does costs windows and ALU operations for the lanes of
    /// the next segment in that block.
    pub fn leaf(&mut self, spec: &LeafSpec) -> LeafOut {
        let total: usize = spec.segments.iter().sum();
        if total == 0 {
            self.check_range("leaf", "lanes", total, 1, u32::MAX as usize);
            return LeafOut { sums: Vec::new(), blocks: Vec::new(), last: NONE };
        }
        let count = total.div_ceil(LIMBS);
        let input = self.take_inputs(total);
        let glued = self.pending.take_if(|_| spec.beta.is_some());
        let first = self.perms.len() as u32;
        for block in 0..count {
            let mut row = PermRow::new(PermKind::Hash);
            row.prev = if block == 0 { NONE } else { first + block as u32 - 1 };
            row.acc_prev = if block == 0 { glued.map_or(NONE, |pending| pending.row) } else { row.prev };
            row.lanes = (total - block * LIMBS).min(LIMBS) as u8;
            row.input = input + (block * LIMBS) as u32;
            row.beta = spec.beta.map_or(NONE, |beta| beta.0.0);
            if spec.expose {
                row.left = self.new_word(Shape::Full);
                row.left_is_new = true;
            }
            self.perm(row);
        }
        let last = self.perms.len() as u32 - 1;
        let sums = spec.beta.map(|beta| self.sums(beta, &spec.segments, first, glued)).unwrap_or_default();
        let blocks = (first..=last).map(|row| Word(self.perms[row as usize].left)).filter(|_| spec.expose).collect();
        LeafOut { sums, blocks, last }
    }

    /// The sums of a leaf's segments out of one running accumulator, which starts at zero or at a glued leaf's last value.
    fn sums(&mut self, beta: Ext, segments: &[usize], first: u32, glued: Option<Pending>) -> Vec<Sum> {
        // The accumulator before the block that comes next, with the blocks since.
        let mut before = glued.map(|pending| pending.acc);
        let mut at = 0;
        let mut sums = Vec::with_capacity(segments.len());
        let mut next_block = 0;
        for &len in segments {
            let end = at + len;
            // Lanes of a block that an earlier segment started.
            let head = (next_block * LIMBS).saturating_sub(at).min(len);
            let head_sum = self.head_sum(beta, first, at, head);
            let blocks = end.div_ceil(LIMBS).saturating_sub(next_block);
            let mut sum = Sum { value: head_sum, lanes: head };
            if blocks > 0 && end > next_block * LIMBS {
                let row = first + (next_block + blocks) as u32 - 1;
                let acc = Ext(Word(self.acc_word(row)));
                let shift = self.power(beta, blocks * LIMBS);
                let mut value = acc;
                if let Some(before) = before {
                    value = self.mul_sub_from(value, shift, before);
                }
                // Lanes of the last block that belong to later segments.
                let foreign = ((next_block + blocks) * LIMBS).saturating_sub(end);
                value = self.remove_tail(beta, value, row, foreign, segments.iter().sum::<usize>(), end);
                if head > 0 {
                    value = self.mul_add(head_sum, shift, value);
                }
                sum = Sum { value, lanes: head + blocks * LIMBS };
                before = Some(acc);
                next_block += blocks;
            }
            sums.push(sum);
            at = end;
        }
        if let Some(acc) = before {
            self.pending = Some(Pending { row: self.perms.len() as u32 - 1, acc });
        }
        sums
    }

    fn acc_word(&mut self, row: u32) -> u32 {
        let known = self.perms[row as usize].acc;
        if known != NONE {
            return known;
        }
        let word = self.new_word(Shape::Ext);
        self.perms[row as usize].acc = word;
        word
    }

    /// Σ β^(count − 1 − j) of the `count` lanes from lane `at` of a leaf, all in one block.
    fn head_sum(&mut self, beta: Ext, first: u32, at: usize, count: usize) -> Ext {
        let mut sum: Ext = self.zero().into();
        for lane in at..at + count {
            let value = self.leaf_lane(first, lane);
            sum = self.mul_add(sum, beta, value);
        }
        sum
    }

    /// A lane of a leaf, out of its block's word, which is exposed for it.
    fn leaf_lane(&mut self, first: u32, lane: usize) -> Base {
        let row = (first as usize) + lane / LIMBS;
        if self.perms[row].left == NONE {
            let word = self.new_word(Shape::Full);
            self.perms[row].left = word;
            self.perms[row].left_is_new = true;
        }
        let word = Word(self.perms[row].left);
        self.pick(word, lane % LIMBS)
    }

    /// Takes the lanes that later segments have in the block of `row` out of the accumulator.
    fn remove_tail(&mut self, beta: Ext, value: Ext, row: u32, foreign: usize, total: usize, end: usize) -> Ext {
        let present = foreign.min(total - end);
        let mut value = value;
        for lane in 0..present {
            // Lane i of a block of eight has weight β^(7 − i).
            let position = LIMBS - foreign + lane;
            if self.perms[row as usize].left == NONE {
                let word = self.new_word(Shape::Full);
                self.perms[row as usize].left = word;
                self.perms[row as usize].left_is_new = true;
            }
            let block = Word(self.perms[row as usize].left);
            let limb = self.pick(block, position);
            let weight = self.power(beta, LIMBS - 1 - position);
            value = self.mul_sub_from(value, weight, limb);
        }
        value
    }

    /// The digest of a leaf that is to be injected into a path (a leaf that starts a path has none).
    pub fn leaf_digest(&mut self, leaf: &LeafOut) -> Word {
        if leaf.last == NONE {
            return self.zero().0;
        }
        self.out_word(leaf.last)
    }

    /// Walks a Merkle path from `leaf`, which must have been recorded just before (no hash operation in between), and
    /// asserts that it ends in the cap's word number `cap_index`. The digest of `leaf` must not be asked for.
    pub fn merkle(&mut self, leaf: &LeafOut, spec: &MerkleSpec<'_>) {
        let adjacent = leaf.last != NONE && leaf.last as usize + 1 == self.perms.len();
        let levels = spec.injected.iter().map(|(level, _)| *level);
        if !adjacent || self.perms[leaf.last as usize].out != NONE {
            self.fail(CircuitError::NotAdjacent { operation: "merkle" });
            return;
        }
        if !self.check_range("merkle", "cap", spec.cap.len(), 1, 1 << 20)
            || !levels.clone().all(|level| self.check_range("merkle", "level", level, 1, spec.depth))
        {
            return;
        }
        self.reads("merkle", spec.cap_index.0.0);
        if spec.cap.first & CONSTANT == 0 {
            self.reads("merkle", spec.cap.first);
        }
        self.reads("merkle", spec.index.0.0);
        // The leaf's row was executed before: its index is its word's value, looked up when the path walks on.
        self.perms[leaf.last as usize].index = spec.index.0.0;
        let mut last = leaf.last;
        for level in 1..=spec.depth {
            let mut row = PermRow::new(PermKind::Merkle);
            row.prev = last;
            row.input = self.take_inputs(LIMBS);
            last = self.perm(row);
            for &(_, digest) in spec.injected.iter().filter(|(at, _)| *at == level) {
                let mut row = PermRow::new(PermKind::Inject);
                row.prev = last;
                row.right = digest.0;
                last = self.perm(row);
            }
        }
        let label = self.label;
        if last == leaf.last {
            self.assert_eq(spec.index, spec.cap_index);
        } else {
            self.perms[last as usize].index = spec.cap_index.0.0;
            self.pending.take_if(|pending| pending.row == leaf.last);
        }
        self.perms[last as usize].cap = (spec.cap.first, spec.cap.len);
        self.push(Op::PathEnd { row: last, label });
    }
}
