//! A circuit with every operation and every kind of row, and inputs it accepts.

use p3_commit::Mmcs as _;
use p3_field::{Field, PrimeCharacteristicRing, PrimeField32};
use p3_matrix::Matrix;
use p3_matrix::dense::RowMajorMatrix;
use sinter_circuit::{
    Base, BitsSpec, Builder, CapRef, Circuit, Ext, F, Heights, Inputs, Item, Lane, LeafSpec, Len, MerkleSpec,
    PUBLIC_WORDS, Word,
};

use super::{Random, mmcs};

/// Matrices of one commitment: (log height, width), tallest first; opened at one index.
#[derive(Clone)]
pub struct Opening<'a> {
    pub matrices: &'a [(usize, usize)],
    pub cap_height: usize,
    pub index: usize,
    pub beta: bool,
}

/// A native commitment: its cap, and the input elements of its opening (the injected rows, the tallest rows, siblings).
pub struct Opened {
    pub cap: Vec<[F; 8]>,
    pub inputs: Vec<F>,
    /// Opened rows, concatenated by height, tallest first.
    pub rows: Vec<Vec<F>>,
}

impl Opening<'_> {
    fn heights(&self) -> Vec<usize> {
        let mut heights: Vec<usize> = self.matrices.iter().map(|(height, _)| *height).collect();
        heights.sort_unstable_by(|a, b| b.cmp(a));
        heights.dedup();
        heights
    }

    fn width(&self, height: usize) -> usize {
        self.matrices.iter().filter(|(at, _)| *at == height).map(|(_, width)| width).sum()
    }

    /// Commits to random matrices with stock p3 and opens them.
    pub fn open(&self, random: &mut Random) -> Opened {
        let matrices: Vec<RowMajorMatrix<F>> =
            self.matrices.iter().map(|(height, width)| random.matrix(1 << height, *width)).collect();
        self.open_matrices(matrices)
    }

    pub fn open_matrices(&self, matrices: Vec<RowMajorMatrix<F>>) -> Opened {
        let mmcs = mmcs(self.cap_height);
        let dimensions: Vec<_> = matrices.iter().map(Matrix::dimensions).collect();
        let (commitment, data) = mmcs.commit(matrices);
        let opening = mmcs.open_batch(self.index, &data);
        mmcs.verify_batch(&commitment, &dimensions, self.index, (&opening).into()).unwrap();
        let (values, siblings) = opening.unpack();
        let mut rows = Vec::new();
        for height in self.heights() {
            let at_height = self.matrices.iter().zip(&values).filter(|((at, _), _)| *at == height);
            rows.push(at_height.flat_map(|(_, values)| values.clone()).collect::<Vec<F>>());
        }
        let mut inputs: Vec<F> = rows[1..].iter().flatten().copied().collect();
        inputs.extend(&rows[0]);
        inputs.extend(siblings.iter().flatten());
        let cap = (0..commitment.num_roots()).map(|index| commitment[index]).collect();
        Opened { cap, inputs, rows }
    }

    /// Records the check of the opening; returns each height's sum, tallest first.
    pub fn record(
        &self,
        builder: &mut Builder,
        index: Base,
        cap_index: Base,
        cap: CapRef,
        beta: Option<Ext>,
    ) -> Vec<sinter_circuit::Sum> {
        let heights = self.heights();
        let mut injected = Vec::new();
        let mut sums = Vec::new();
        for &height in &heights[1..] {
            let leaf = builder.leaf(&LeafSpec { segments: vec![self.width(height)], beta, expose: false });
            injected.push((heights[0] - height, builder.leaf_digest(&leaf)));
            sums.extend(leaf.sums);
        }
        let leaf = builder.leaf(&LeafSpec { segments: vec![self.width(heights[0])], beta, expose: beta.is_none() });
        if let Some(sum) = leaf.sums.first() {
            sums.insert(0, *sum);
        }
        let depth = heights[0] - self.cap_height;
        builder.merkle(&leaf, &MerkleSpec { depth, injected: &injected, index, cap_index, cap });
        sums
    }
}

/// The commitments of the sample: several heights and a cap; no Horner and a root; the leaf layer as the cap.
pub fn openings() -> [Opening<'static>; 3] {
    [
        Opening { matrices: &[(5, 8), (5, 5), (3, 11), (2, 3)], cap_height: 2, index: 21, beta: true },
        Opening { matrices: &[(3, 40)], cap_height: 0, index: 5, beta: false },
        Opening { matrices: &[(2, 9)], cap_height: 2, index: 3, beta: true },
    ]
}

/// The circuit and inputs that it accepts.
pub fn sample(heights: Heights) -> (Circuit, Inputs) {
    sample_with(heights, PUBLIC_WORDS)
}

/// The same, of whose public words only the first `public_words` are exposed.
pub fn sample_with(heights: Heights, public_words: usize) -> (Circuit, Inputs) {
    let (mut builder, mut inputs, mut random) = (Builder::new(), Inputs::new(), Random::new(7));
    let mut words_out = vec![arithmetic(&mut builder, &mut inputs, &mut random)];
    words_out.extend(words(&mut builder, &mut inputs, &mut random));
    words_out.extend(transcript(&mut builder, &mut inputs, &mut random));
    // A base element, as the narrow layout wants it.
    let base = words_out.remove(6);
    words_out.insert(2, base);
    for (index, word) in words_out.into_iter().enumerate().take(public_words) {
        builder.expose(index, word);
    }
    let alpha = random.ext();
    inputs.push_ext(alpha.inverse());
    let beta = builder.input_ext();
    let openings = openings();
    let opened = openings.each_ref().map(|opening| opening.open(&mut random));
    let caps = [0, 1, 2].map(|at| {
        if at == 2 {
            return builder.constant_block(&opened[at].cap);
        }
        opened[at].cap.iter().for_each(|word| inputs.push_word(*word));
        builder.block_of_words(opened[at].cap.len())
    });
    for ((opening, opened), cap) in openings.iter().zip(&opened).zip(caps) {
        for _ in 0..2 {
            let log_height = opening.matrices[0].0;
            let depth = log_height - opening.cap_height;
            let sampled = F::from_usize(opening.index + (77 << log_height));
            inputs.push_base(sampled);
            inputs.extend(opened.inputs.iter().copied());
            builder.section(|builder| {
                let value = builder.input_base();
                let factors = (0..log_height).map(|k| F::from_usize(k + 3)).collect();
                let spec = BitsSpec { len: log_height, bits: vec![0, 2], shifts: vec![0, depth], factors };
                let bits = builder.bits(value, &spec);
                let product: Ext = bits.product.unwrap().into();
                builder.mul(product, bits.bits[0]);
                let beta = opening.beta.then_some(beta);
                let sums = opening.record(builder, bits.shifted[0], bits.shifted[1], cap, beta);
                for sum in sums {
                    builder.mul(sum.value, product);
                }
            });
        }
    }
    (builder.finish(heights).unwrap(), inputs)
}

fn arithmetic(builder: &mut Builder, inputs: &mut Inputs, random: &mut Random) -> Word {
    let (x, y) = (random.ext(), random.ext());
    inputs.push_ext(x);
    inputs.push_ext(y);
    let (a, b) = (builder.input_ext(), builder.input_ext());
    let sum = builder.add(a, b);
    let difference = builder.sub(sum, b);
    builder.assert_eq(difference, a);
    let product = builder.mul(a, b);
    let quotient = builder.div(product, b);
    builder.assert_eq(quotient, a);
    let seventh = builder.power(a, 7);
    let known = builder.constant(x.exp_u64(7));
    builder.assert_eq(seventh, known);
    inputs.push_base(F::ONE);
    let bit = builder.input_base();
    builder.assert_bool(bit);
    let chosen = builder.select(bit, a, b);
    builder.assert_eq(chosen, a);
    let known = builder.constant(x * y + x);
    builder.assert_mul_add(a, b, a, known);
    chosen.into()
}

fn words(builder: &mut Builder, inputs: &mut Inputs, random: &mut Random) -> [Word; 3] {
    let (first, second) = (random.word(), random.word());
    inputs.push_word(first);
    inputs.push_word(second);
    let (first, second) = (builder.input_word(), builder.input_word());
    let across = builder.ext_at(first, Some(second), 6);
    let limb = builder.pick(first, 6);
    let all = builder.window(first, Some(second), 3, Len::Eight);
    let mixed = builder.assemble([
        Lane::Limb(first, 3),
        Lane::Limb(first, 4),
        Lane::Limb(limb.into(), 0),
        Lane::Const(F::TWO),
        Lane::Const(F::ZERO),
        Lane::Limb(second, 7),
        Lane::Const(F::ZERO),
        Lane::Const(F::ZERO),
    ]);
    let packed = builder.pack(&[Item::Base(limb), Item::Ext(across), Item::Const(F::TWO), Item::Word(all)]);
    let again = builder.window(packed[0], Some(packed[1]), 7, Len::Eight);
    builder.assert_eq(again, all);
    let same = builder.is_equal_words(first, first);
    let other = builder.is_equal_words(first, second);
    let (one, zero) = (builder.one(), builder.zero());
    builder.assert_eq(same, one);
    builder.assert_eq(other, zero);
    let copies = builder.block_from(&[first, second]);
    [all, mixed, copies.word(1).unwrap()]
}

fn transcript(builder: &mut Builder, inputs: &mut Inputs, random: &mut Random) -> [Word; 3] {
    let (left, right) = (random.word(), random.word());
    inputs.push_word(left);
    inputs.push_word(right);
    let (left, right) = (builder.input_word(), builder.input_word());
    let mut chain = builder.sponge();
    let start = builder.constant_word(std::array::from_fn(|i| F::from_bool(i < 3)));
    builder.absorb(&mut chain, start, 3);
    builder.absorb(&mut chain, left, 8);
    let short = builder.pick(right, 4);
    let sampled = builder.absorb(&mut chain, short.into(), 1);
    let more = builder.squeeze(&mut chain);
    let node = builder.compress(sampled, more);
    let hash = builder.hash(&[left, right, node]);
    let limb = builder.pick(more, 7);
    let spec = BitsSpec { len: 31, bits: vec![30], shifts: vec![0, 30], factors: vec![] };
    let bits = builder.bits(limb, &spec);
    builder.assert_eq(bits.bits[0], bits.shifted[1]);
    [hash, more, bits.shifted[0].into()]
}

/// The low bits of an element.
pub fn low_bits(value: F, bits: usize) -> usize {
    value.as_canonical_u32() as usize & ((1 << bits) - 1)
}
