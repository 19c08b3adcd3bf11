//! Both layouts of random circuits: on the inputs that a circuit is for both accept, and on others they agree.
//!
//! A circuit is recorded together with the value of each of its words, so that assertions can be recorded which hold: a word
//! equals a constant, a hint of its shape, a word of a block, or the same limbs taken another way. Then elements of the input
//! list are changed, the circuit is executed regardless, and each layout says what it notices.

use std::collections::HashMap;
use std::sync::Arc;

use p3_field::{BasedVectorSpace, PrimeCharacteristicRing, PrimeField32};
use p3_koala_bear::default_koalabear_poseidon2_16;
use p3_symmetric::Permutation;
use sinter_circuit::narrow::NARROW_PUBLIC_WORDS;
use sinter_circuit::{
    Base, BitsSpec, Builder, CapRef, Chain, EF, Ext, F, Heights, Inputs, Item, Lane, LeafSpec, Len, NarrowAir,
    NarrowCircuit, Word,
};

use super::blocks::one_owner_at_each_address;
use crate::support::Random;
use crate::support::checker::Checker;
use crate::support::sample::Opening;

/// log2 of the wide tables' heights.
const HEIGHTS: Heights = Heights::Forced([8, 7, 8, 8, 8]);
const CIRCUITS: u64 = 40;
const OPERATIONS: usize = 24;
const CHANGES: usize = 25;

type Value = [F; 8];

fn ext_value(value: EF) -> Value {
    let mut word = [F::ZERO; 8];
    word[..5].copy_from_slice(value.as_basis_coefficients_slice());
    word
}

fn base_value(value: F) -> Value {
    let mut word = [F::ZERO; 8];
    word[0] = value;
    word
}

fn ext_of(value: &Value) -> EF {
    EF::from_basis_coefficients_slice(&value[..5]).unwrap()
}

fn permute(mut state: [F; 16]) -> [F; 16] {
    default_koalabear_poseidon2_16().permute_mut(&mut state);
    state
}

fn low(state: &[F; 16]) -> Value {
    std::array::from_fn(|i| state[i])
}

/// A circuit that is being recorded, and what its words are.
struct Recorder {
    b: Builder,
    inputs: Inputs,
    random: Random,
    words: Vec<(Word, Value)>,
    exts: Vec<(Ext, Value)>,
    bases: Vec<(Base, Value)>,
    exposed: usize,
    /// Where the words are that the input list has, and which of them are asserted to be equal: positions and length.
    hints: HashMap<Word, usize>,
    twins: Vec<(usize, usize, usize)>,
}

impl Recorder {
    fn new(seed: u64) -> Self {
        let (b, inputs, random) = (Builder::new(), Inputs::new(), Random::new(seed));
        let (hints, twins) = (HashMap::new(), Vec::new());
        let mut new = Self { b, inputs, random, words: vec![], exts: vec![], bases: vec![], exposed: 0, hints, twins };
        for _ in 0..2 {
            new.hint();
        }
        new
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.random.next() >> 8) as usize % bound
    }

    /// Small values now and then, for equal limbs and zeros.
    fn element(&mut self) -> F {
        if self.below(4) == 0 { F::from_usize(self.below(3)) } else { self.random.base() }
    }

    fn any_value(&mut self) -> Value {
        std::array::from_fn(|_| self.element())
    }

    fn hint(&mut self) {
        let mut value = self.any_value();
        let word = self.hint_word(value);
        self.words.push((word, value));
        value[5..].fill(F::ZERO);
        let ext = self.hint_ext(value);
        self.exts.push((ext, value));
        value[1..].fill(F::ZERO);
        let base = self.hint_base(value);
        self.bases.push((base, value));
    }

    fn hint_word(&mut self, value: Value) -> Word {
        let word = self.b.input_word();
        self.hints.insert(word, self.inputs.len());
        self.inputs.push_word(value);
        word
    }

    fn hint_ext(&mut self, value: Value) -> Ext {
        let ext = self.b.input_ext();
        self.hints.insert(ext.into(), self.inputs.len());
        self.inputs.extend(value[..5].iter().copied());
        ext
    }

    fn hint_base(&mut self, value: Value) -> Base {
        let base = self.b.input_base();
        self.hints.insert(base.into(), self.inputs.len());
        self.inputs.push_base(value[0]);
        base
    }

    fn hint_len(&self, at: usize) -> usize {
        let is = |word: Word| self.hints.get(&word) == Some(&at);
        if self.bases.iter().any(|(base, _)| is((*base).into())) {
            return 1;
        }
        if self.exts.iter().any(|(ext, _)| is((*ext).into())) { 5 } else { 8 }
    }

    /// A block of words of the input list.
    fn hint_block(&mut self, values: &[Value]) -> CapRef {
        let block = self.b.block_of_words(values.len());
        for (word, value) in block.words().zip(values) {
            self.hints.insert(word, self.inputs.len());
            self.inputs.push_word(*value);
        }
        block
    }

    fn base(&mut self) -> (Base, Value) {
        let at = self.below(self.bases.len());
        self.bases[at]
    }

    fn ext(&mut self) -> (Ext, Value) {
        if self.below(3) == 0 {
            let (base, value) = self.base();
            return (base.into(), value);
        }
        let at = self.below(self.exts.len());
        self.exts[at]
    }

    fn word(&mut self) -> (Word, Value) {
        match self.below(6) {
            0 => {
                let (ext, value) = self.ext();
                (ext.into(), value)
            }
            1 => {
                let value = self.any_value();
                (self.b.constant_word(value), value)
            }
            _ => {
                let at = self.below(self.words.len());
                self.words[at]
            }
        }
    }

    fn operation(&mut self) {
        match self.below(17) {
            0 => self.hint(),
            1 | 2 => self.arithmetic(),
            3 | 4 => self.window(),
            5 => self.assemble(),
            6 => self.pack(),
            7 => self.bits(),
            8 => self.chain(),
            9 => {
                let ((left, x), (right, y)) = (self.word(), self.word());
                let out = permute(std::array::from_fn(|i| if i < 8 { x[i] } else { y[i - 8] }));
                self.words.push((self.b.compress(left, right), low(&out)));
            }
            10 => self.leaves(),
            11 => self.path(),
            12 => self.block(),
            13 => self.expose(),
            _ => self.equal(),
        }
    }

    fn arithmetic(&mut self) {
        let ((a, x), (b, y), (c, z)) = (self.ext(), self.ext(), self.ext());
        let [x, y, z] = [x, y, z].map(|value| ext_of(&value));
        let (out, value) = match self.below(7) {
            0 => (self.b.mul_add(a, b, c), x * y + z),
            1 => (self.b.mul_sub_from(c, a, b), z - x * y),
            2 => (self.b.sub(a, b), x - y),
            3 if y != EF::ZERO => (self.b.div(a, b), x / y),
            4 => {
                let e = self.b.is_zero(a);
                self.bases.push((e, base_value(F::from_bool(x == EF::ZERO))));
                return;
            }
            5 => {
                let ((a, x), (b, y)) = (self.word(), self.word());
                let e = self.b.is_equal_words(a, b);
                self.bases.push((e, base_value(F::from_bool(x == y))));
                return;
            }
            _ => {
                // All four are known: d is a hint.
                let value = ext_value(x * y + z);
                let d = self.hint_ext(value);
                self.b.assert_mul_add(a, b, c, d);
                self.exts.push((d, value));
                return;
            }
        };
        self.exts.push((out, ext_value(value)));
    }

    fn window(&mut self) {
        let ((a, x), (b, y), k) = (self.word(), self.word(), self.below(8));
        let second = self.below(3) > 0;
        let source = |at: usize| match at {
            0..8 => x[at],
            _ if second => y[at - 8],
            _ => F::ZERO,
        };
        let mut value = [F::ZERO; 8];
        let len = [Len::One, Len::Five, Len::Eight][self.below(3)];
        (0..len.limbs()).for_each(|i| value[i] = source(k + i));
        let second = second.then_some(b);
        match len {
            Len::One => self.bases.push((self.b.pick(a, k), value)),
            Len::Five => self.exts.push((self.b.ext_at(a, second, k), value)),
            Len::Eight => self.words.push((self.b.window(a, second, k, len), value)),
        }
    }

    fn assemble(&mut self) {
        let mut lanes = [Lane::Const(F::ZERO); 8];
        let mut value = [F::ZERO; 8];
        let mut at = 0;
        while at < 8 {
            let run = 1 + self.below(8 - at);
            let (word, limbs) = self.word();
            let from = self.below(9 - run);
            let kind = self.below(4);
            for i in 0..run {
                (lanes[at + i], value[at + i]) = match kind {
                    0 => (Lane::Const(F::ZERO), F::ZERO),
                    1 => (Lane::Const(F::TWO), F::TWO),
                    _ => (Lane::Limb(word, from + i), limbs[from + i]),
                };
            }
            at += run;
        }
        self.words.push((self.b.assemble(lanes), value));
    }

    fn pack(&mut self) {
        let (mut items, mut stream) = (Vec::new(), Vec::new());
        for _ in 0..1 + self.below(5) {
            let (item, value, len) = match self.below(4) {
                0 => {
                    let (word, value) = self.word();
                    (Item::Word(word), value, 8)
                }
                1 => {
                    let (ext, value) = self.ext();
                    (Item::Ext(ext), value, 5)
                }
                2 => {
                    let (base, value) = self.base();
                    (Item::Base(base), value, 1)
                }
                _ => (Item::Const(F::TWO), base_value(F::TWO), 1),
            };
            items.push(item);
            stream.extend_from_slice(&value[..len]);
        }
        stream.resize(stream.len().next_multiple_of(8), F::ZERO);
        let packed = self.b.pack(&items);
        let values = stream.as_chunks::<8>().0.iter().copied();
        self.words.extend(packed.into_iter().zip(values));
    }

    fn bits(&mut self) {
        let (value, limbs) = self.base();
        let number = limbs[0].as_canonical_u32();
        let len = [3, 17, 31][self.below(3)];
        let factors: Vec<F> = (0..self.below(6)).map(|k| F::from_usize(k + 3)).collect();
        let (bit, shift) = (self.below(31), self.below(len + 1));
        let spec = BitsSpec { len, bits: vec![bit, 0], shifts: vec![0, shift], factors: factors.clone() };
        let out = self.b.bits(value, &spec);
        let low = if len == 31 { number } else { number & ((1 << len) - 1) };
        let high = if len == 31 { 0 } else { number >> len };
        let product = factors.iter().enumerate().filter(|(k, _)| number >> k & 1 == 1).map(|(_, f)| *f).product::<F>();
        let mut push = |base: Base, value: u32| self.bases.push((base, base_value(F::from_u32(value))));
        push(out.bits[0], number >> bit & 1);
        push(out.bits[1], number & 1);
        push(out.shifted[1], if shift == 31 { 0 } else { low >> shift });
        push(out.high, high);
        if let Some(base) = out.product {
            self.bases.push((base, base_value(product)));
        }
    }

    /// A word whose limbs from `lanes` on are zero.
    fn short(&mut self, lanes: usize) -> (Word, Value) {
        match lanes {
            1 => {
                let (base, value) = self.base();
                (base.into(), value)
            }
            5 => {
                let (ext, value) = self.ext();
                (ext.into(), value)
            }
            8 => self.word(),
            _ => {
                let mut value = self.any_value();
                value[lanes..].fill(F::ZERO);
                if self.below(2) == 0 {
                    return (self.b.constant_word(value), value);
                }
                (self.hint_word(value), value)
            }
        }
    }

    fn chain(&mut self) {
        let duplex = self.below(2) == 0;
        let mut chain: Chain = if duplex { self.b.sponge() } else { self.b.hasher() };
        let mut state = [F::ZERO; 16];
        for step in 0..1 + self.below(3) {
            let squeeze = duplex && step > 0 && self.below(3) == 0;
            let out = if squeeze {
                self.b.squeeze(&mut chain)
            } else {
                let lanes = if duplex || step == 0 { [1, 2, 3, 5, 6, 7, 8][self.below(7)] } else { 8 };
                let (word, value) = self.short(lanes);
                if duplex {
                    state[..8].fill(F::ZERO);
                    state[8] += F::from_usize(lanes);
                }
                state[..lanes].copy_from_slice(&value[..lanes]);
                self.b.absorb(&mut chain, word, lanes)
            };
            state = permute(state);
            self.words.push((out, low(&state)));
        }
    }

    /// One leaf or two, whose accumulators are one, of segments that end anywhere.
    fn leaves(&mut self) {
        let (beta, at) = self.ext();
        let at = ext_of(&at);
        let beta = (self.below(4) > 0).then_some(beta);
        for _ in 0..1 + self.below(2) {
            let segments: Vec<usize> = (0..1 + self.below(3)).map(|_| 1 + self.below(12)).collect();
            let lanes: Vec<F> = (0..segments.iter().sum()).map(|_| self.element()).collect();
            self.inputs.extend(lanes.iter().copied());
            let expose = self.below(3) == 0;
            let leaf = self.b.leaf(&LeafSpec { segments: segments.clone(), beta, expose });
            let mut rest = &lanes[..];
            for (len, sum) in segments.into_iter().zip(&leaf.sums) {
                let (own, later) = rest.split_at(len);
                rest = later;
                let horner = |sum: EF, lane: F| sum * at + lane;
                let value = own.iter().copied().chain((len..sum.lanes).map(|_| F::ZERO)).fold(EF::ZERO, horner);
                self.exts.push((sum.value, ext_value(value)));
            }
            let mut state = [F::ZERO; 16];
            for block in lanes.chunks(8) {
                state[..block.len()].copy_from_slice(block);
                state = permute(state);
            }
            if self.below(3) > 0 {
                self.words.push((self.b.leaf_digest(&leaf), low(&state)));
            }
        }
    }

    /// A path from leaves at two heights, in a cap that is constant or not.
    fn path(&mut self) {
        let matrices: &[(usize, usize)] =
            [&[(3, 9)][..], &[(2, 7), (1, 3)], &[(3, 15), (3, 8), (2, 4), (1, 1)], &[(1, 6)]][self.below(4)];
        let tallest = matrices[0].0;
        let cap_height = self.below(2).min(matrices.last().unwrap().0);
        let index = self.below(1 << tallest);
        let opening = Opening { matrices, cap_height, index, beta: false };
        let opened = opening.open(&mut self.random);
        let sampled = F::from_usize(index + (self.below(50) << tallest));
        let cap: CapRef =
            if self.below(2) == 0 { self.b.constant_block(&opened.cap) } else { self.hint_block(&opened.cap) };
        self.words.extend(cap.words().zip(opened.cap));
        let (beta, at) = self.ext();
        let beta = (self.below(2) == 0).then_some(beta);
        self.inputs.push_base(sampled);
        self.inputs.extend(opened.inputs);
        let depth = tallest - cap_height;
        let sums = self.b.section(|b| {
            let value = b.input_base();
            let bits = b.bits(value, &BitsSpec { len: tallest, shifts: vec![0, depth], ..Default::default() });
            opening.record(b, bits.shifted[0], bits.shifted[1], cap, beta)
        });
        let at = ext_of(&at);
        // Words of a section are for what follows the group.
        for (sum, row) in sums.iter().zip(&opened.rows) {
            let lanes = row.iter().copied().chain((row.len()..sum.lanes).map(|_| F::ZERO));
            self.exts.push((sum.value, ext_value(lanes.fold(EF::ZERO, |sum, lane| sum * at + lane))));
        }
    }

    fn block(&mut self) {
        let known: Vec<(Word, Value)> = (0..1 + self.below(2)).map(|_| self.word()).collect();
        let words: Vec<Word> = known.iter().map(|(word, _)| *word).collect();
        let block = self.b.block_from(&words);
        self.words.extend(block.words().zip(known.iter().map(|(_, value)| *value)));
    }

    fn expose(&mut self) {
        if self.exposed == NARROW_PUBLIC_WORDS {
            return;
        }
        // The last is a base element.
        let word = if self.exposed + 1 == NARROW_PUBLIC_WORDS { self.base().0.into() } else { self.word().0 };
        self.b.expose(self.exposed, word);
        self.exposed += 1;
    }

    /// Something that is known equals another word of that value.
    fn equal(&mut self) {
        let (word, value) = match self.below(3) {
            0 => {
                let (base, value) = self.base();
                (base.into(), value)
            }
            1 => {
                let (ext, value) = self.ext();
                (ext.into(), value)
            }
            _ => self.word(),
        };
        let other = match self.below(6) {
            0 => self.b.constant_word(value),
            1 => {
                let other = self.hint_word(value);
                self.words.push((other, value));
                other
            }
            2 if value[5..] == [F::ZERO; 3] => {
                let other = self.hint_ext(value);
                self.exts.push((other, value));
                other.into()
            }
            3 if value[1..] == [F::ZERO; 7] => {
                let other = self.hint_base(value);
                self.bases.push((other, value));
                other.into()
            }
            4 => self.hint_block(&[value]).word(0).unwrap(),
            5 => self.b.constant_block(&[value]).word(0).unwrap(),
            _ => self.b.window(word, None, 0, Len::Eight),
        };
        if let (Some(one), Some(two)) = (self.hints.get(&word), self.hints.get(&other)) {
            let len = |at: usize| self.hint_len(at);
            self.twins.push((*one, *two, len(*one).min(len(*two))));
        }
        if self.below(2) == 0 {
            self.b.assert_eq(word, other);
        } else {
            self.b.assert_eq(other, word);
        }
        // A hint of which one half is read may have anything in the other, whatever it is asserted to equal.
        if self.hints.contains_key(&other) {
            self.b.window(other, None, 0, Len::Eight);
        }
        // What only the upper limbs of one of them is for.
        if self.below(3) == 0 {
            let k = 5 + self.below(3);
            let upper = self.b.pick(other, k);
            self.bases.push((upper, base_value(value[k])));
        }
    }
}

#[test]
fn both_layouts_notice_the_same() {
    let (mut agreed, mut unread, mut refused) = (0, 0, 0);
    for seed in 0..CIRCUITS {
        let mut recorder = Recorder::new(seed);
        (0..OPERATIONS).for_each(|_| recorder.operation());
        let Recorder { b, mut inputs, mut random, twins, .. } = recorder;
        let circuit = Arc::new(b.finish(HEIGHTS).unwrap());
        let rows = NarrowCircuit::new(circuit.clone(), 14).unwrap().used();
        // The last row of the table is used where it can be.
        let log_height = rows.next_power_of_two().trailing_zeros() as usize;
        let narrow = NarrowCircuit::new(circuit.clone(), log_height).unwrap();
        let witness = circuit.execute(&inputs).unwrap_or_else(|error| panic!("circuit {seed}: {error}"));
        let mut honest: Checker<NarrowAir> = Checker::narrow(&narrow, &witness);
        one_owner_at_each_address(&honest);
        honest.check().unwrap_or_else(|error| panic!("circuit {seed}: {error}"));
        let mut honest_wide = Checker::new(&circuit, circuit.traces(&witness), witness.publics());
        honest_wide.check().unwrap();
        honest.settle();
        honest_wide.settle();

        for _ in 0..CHANGES {
            let at = random.next() as usize % inputs.len();
            let old = inputs.as_mut_slice()[at];
            let new = if random.next() & 1 == 0 { old + F::ONE } else { random.base() };
            let mut changed = inputs.clone();
            changed.as_mut_slice()[at] = new;
            let execute = |inputs: &Inputs| {
                let witness = circuit.execute_regardless(inputs).unwrap();
                let mut wide = Checker::new(&circuit, circuit.traces(&witness), witness.publics());
                let mut lean = Checker::narrow(&narrow, &witness);
                wide.settle();
                lean.settle();
                (wide, lean)
            };
            let (wide, lean) = execute(&changed);
            // The same where the list has the element again, as a limb of a word asserted to be equal.
            let mut everywhere = changed.clone();
            let mut same = vec![at];
            while let Some(at) = same.pop() {
                everywhere.as_mut_slice()[at] = new;
                for &(one, two, len) in &twins {
                    for (from, to) in [(one, two), (two, one)] {
                        if (from..from + len).contains(&at) && everywhere.as_mut_slice()[at - from + to] != new {
                            same.push(at - from + to);
                        }
                    }
                }
            }
            match (wide.check().is_ok(), lean.check()) {
                (true, Ok(())) => agreed += 1,
                (false, Err(_)) => refused += 1,
                // A limb of a hint that one layout never reads, or fills in from where it belongs.
                (false, Ok(())) if lean.traces == honest.traces => unread += 1,
                // Halves that different words of one address are read of.
                (false, Ok(())) if execute(&everywhere).0.check().is_ok() => unread += 1,
                (true, Err(_)) if wide.traces == honest_wide.traces => unread += 1,
                (wide, lean) => panic!("circuit {seed}, input {at}: wide accepts: {wide}, narrow: {lean:?}"),
            }
        }
    }
    println!("accepted {agreed}, refused {refused}, not read {unread}");
    assert!(agreed > 100 && refused > 100);
}
