//! One query: a section of the circuit that depends on its sibling queries in nothing.

use sinter_circuit::{Base, BitsSpec, Builder, CapRef, Ext, LeafSpec, MerkleSpec};

use super::fri;
use super::openings::{HeightContext, Reduction, point_factors, square};
use crate::layout::{CommitmentShape, FriRound, Layout};

/// What every query reads.
pub struct QueryContext<'a> {
    /// The proof's layout.
    pub layout: &'a Layout,
    /// Batches openings.
    pub alpha: Ext,
    /// 1/α.
    pub beta: Ext,
    /// Claimed halves, tallest height first.
    pub heights: Vec<HeightContext>,
    /// Caps of the commitments.
    pub caps: Vec<CapRef>,
    /// Caps of the FRI rounds.
    pub fri_caps: Vec<CapRef>,
    /// Folding challenges.
    pub folds: Vec<Ext>,
    /// Coefficients of the final polynomial.
    pub final_poly: Vec<Ext>,
}

/// The index, as shifted values and bits.
struct Index {
    len: usize,
    shifts: Vec<(usize, Base)>,
    bits: Vec<Base>,
    point: Base,
}

impl Index {
    /// Takes the canonical low bits of a sample.
    fn new(b: &mut Builder, layout: &Layout, sample: Base) -> Self {
        let len = layout.index_bits();
        let mut shifts: Vec<usize> = Vec::new();
        for commitment in &layout.commitments {
            shifts.extend([len - commitment.log_height(), len - commitment.log_cap]);
        }
        for round in &layout.rounds {
            shifts.extend([len - round.log_folded(), len - round.log_cap]);
        }
        shifts.sort_unstable();
        shifts.dedup();
        let bits = (0..len - layout.log_final_height()).collect();
        let spec = BitsSpec { len, bits, shifts: shifts.clone(), factors: point_factors(len) };
        let out = b.bits(sample, &spec);
        let point = out.product.unwrap_or_else(|| b.one());
        Self { len, shifts: shifts.into_iter().zip(out.shifted).collect(), bits: out.bits, point }
    }

    /// The index in a tree of that log height, or in its cap.
    fn at(&self, b: &mut Builder, log_height: usize) -> Base {
        let shift = self.len - log_height;
        let known = self.shifts.iter().find(|(k, _)| *k == shift).map(|(_, value)| *value);
        // Every shift that is asked for was listed in `new`.
        known.unwrap_or_else(|| b.zero())
    }
}

/// Checks one query whose index is drawn as `sample`.
pub fn check(b: &mut Builder, context: &QueryContext<'_>, sample: Base) {
    let layout = context.layout;
    b.set_label("query index");
    let index = Index::new(b, layout, sample);

    let mut reductions: Vec<Reduction> = context.heights.iter().map(Reduction::new).collect();
    for (commitment, &cap) in layout.commitments.iter().zip(&context.caps) {
        open(b, context, commitment, cap, &index, &mut reductions);
    }

    b.set_label("reduced openings");
    let mut x = index.point;
    let mut at = layout.log_heights[0];
    let mut reduced = Vec::with_capacity(reductions.len());
    for (reduction, height) in reductions.iter().zip(&context.heights) {
        // Squaring an element of the taller group gives the element of the lower one at the shifted index.
        x = square(b, x, at - height.log_height);
        at = height.log_height;
        reduced.push((height.log_height, reduction.finish(b, height, x)));
    }

    let mut folded = reduced[0].1;
    let mut x = index.point;
    for (r, round) in layout.rounds.iter().enumerate() {
        b.set_label("FRI rows");
        let group = open_group(b, round, context.fri_caps[r], &index);
        b.set_label("FRI folds");
        let offset = index.len - round.log_height;
        let bits = &index.bits[offset..offset + round.log_arity];
        (folded, x) = fri::fold(b, &group, bits, x, context.folds[r], folded);
        if let Some(&(_, joining)) = reduced[1..].iter().find(|(h, _)| *h == round.log_folded()) {
            let power = b.power(context.folds[r], 1 << round.log_arity);
            folded = b.mul_add(power, joining, folded);
        }
    }
    b.set_label("final polynomial");
    let expected = fri::final_value(b, &context.final_poly, x);
    b.assert_eq(folded, expected);
}

/// Opens one commitment's rows, authenticates them, and subtracts them from the reductions.
fn open(
    b: &mut Builder,
    context: &QueryContext<'_>,
    commitment: &CommitmentShape,
    cap: CapRef,
    index: &Index,
    reductions: &mut [Reduction],
) {
    let layout = context.layout;
    let mut injected = Vec::new();
    // The path continues the tallest leaf's last row, so that leaf comes last.
    for leaf in commitment.leaves.iter().rev() {
        b.set_label("leaves");
        let segments = leaf.segments.iter().map(|s| s.len).collect();
        let spec = LeafSpec { segments, beta: Some(context.beta), expose: false };
        let out = b.leaf(&spec);
        let height = layout.log_heights.iter().position(|&h| h == leaf.log_height).unwrap_or(0);
        if leaf.log_height == commitment.log_height() {
            injected.sort_unstable_by_key(|&(level, _)| level);
            let tree = commitment.log_height();
            let (index, cap_index) = (index.at(b, tree), index.at(b, commitment.log_cap));
            b.set_label("paths");
            let depth = tree - commitment.log_cap;
            b.merkle(&out, &MerkleSpec { depth, injected: &injected, index, cap_index, cap });
        } else {
            injected.push((commitment.log_height() - leaf.log_height, b.leaf_digest(&out)));
        }
        b.set_label("opened rows");
        for (segment, sum) in leaf.segments.iter().zip(out.sums) {
            reductions[height].subtract(b, context.alpha, &segment.uses, sum);
        }
    }
}

/// Opens one FRI group and authenticates it.
fn open_group(b: &mut Builder, round: &FriRound, cap: CapRef, index: &Index) -> Vec<Ext> {
    use sinter_program::field::{EXTENSION_DEGREE, RATE};
    let lanes = EXTENSION_DEGREE << round.log_arity;
    let leaf = b.leaf(&LeafSpec { segments: vec![lanes], beta: None, expose: true });
    let tree = round.log_folded();
    let (index, cap_index) = (index.at(b, tree), index.at(b, round.log_cap));
    b.merkle(&leaf, &MerkleSpec { depth: tree - round.log_cap, injected: &[], index, cap_index, cap });
    (0..1usize << round.log_arity)
        .map(|i| {
            let lane = i * EXTENSION_DEGREE;
            b.ext_at(leaf.blocks[lane / RATE], leaf.blocks.get(lane / RATE + 1).copied(), lane % RATE)
        })
        .collect()
}
