//! Windows (limbs of words), packing, and canonical bit decompositions.

use p3_field::PrimeCharacteristicRing;

use super::Builder;
use crate::field::{F, LIMBS};
use crate::record::{Base, CONSTANT, Ext, Frame, Item, Lane, Len, NONE, Op, Shape, WindowRow, Word};
use crate::tables::bits::VALUE_BITS;

/// What to take from the canonical bits of a base value.
#[derive(Clone, Debug, Default)]
pub struct BitsSpec {
    /// The low bits that make up the number n = value mod 2^len; the rest is `high`. 31 takes the whole value as n.
    pub len: usize,
    /// Which single bits to expose.
    pub bits: Vec<usize>,
    /// For which k to expose n >> k. One ALU operation each when `len` < 31 (none for k = `len`, which is zero).
    pub shifts: Vec<usize>,
    /// Factors g_k of the product Π g_k^(bit k) over the low bits; empty: no product.
    pub factors: Vec<F>,
}

/// What a bit decomposition exposes, in the order of the [`BitsSpec`].
#[derive(Clone, Debug)]
pub struct BitsOut {
    /// The bits.
    pub bits: Vec<Base>,
    /// n >> k.
    pub shifted: Vec<Base>,
    /// value >> len; zero when `len` is 31.
    pub high: Base,
    /// Π g_k^(bit k), when there are factors.
    pub product: Option<Base>,
}

impl Builder {
    /// Limbs k to k + len of `a` followed by `b`, then zeros. Without `b` its limbs are zero. One window, remembered.
    pub fn window(&mut self, a: Word, b: Option<Word>, k: usize, len: Len) -> Word {
        if !self.check_range("window", "k", k, 0, LIMBS - 1) {
            return a;
        }
        let reaches = k + len.limbs() > LIMBS;
        let b = match b {
            Some(word) if reaches => word.0,
            None if reaches => self.zero().0.0,
            _ => NONE,
        };
        self.reads("window", a.0);
        if b != NONE {
            self.reads("window", b);
        }
        let key = (a.0, b, k as u8, len);
        if let Some(&out) = self.window_index.get(&key) {
            return Word(out);
        }
        let shape = match len {
            Len::One => Shape::Base,
            Len::Five => Shape::Ext,
            Len::Eight => Shape::Full,
        };
        let out = self.new_word(shape);
        let row = self.windows.len() as u32;
        self.windows.push(WindowRow { a: a.0, b, out, k: k as u8, len, block: false });
        self.push(Op::Window { row });
        self.window_index.insert(key, out);
        Word(out)
    }

    /// Limb k of a word. One window; none for limb 0 of a base element.
    pub fn pick(&mut self, word: Word, k: usize) -> Base {
        if k == 0 && self.shape(word.0) == Shape::Base {
            return Base(word);
        }
        Base(self.window(word, None, k, Len::One))
    }

    /// The extension element at limb k of `a` followed by `b`. One window; none for limb 0 of an extension element.
    pub fn ext_at(&mut self, a: Word, b: Option<Word>, k: usize) -> Ext {
        if k == 0 && self.shape(a.0) != Shape::Full {
            return Ext(a);
        }
        Ext(self.window(a, b, k, Len::Five))
    }

    pub(crate) fn shape(&self, word: u32) -> Shape {
        if word & CONSTANT == 0 {
            return self.shapes.get(word as usize).copied().unwrap_or(Shape::Full);
        }
        let limbs = self.constants.get((word ^ CONSTANT) as usize).copied().unwrap_or([F::ONE; LIMBS]);
        match limbs.iter().rposition(|limb| *limb != F::ZERO) {
            None | Some(0) => Shape::Base,
            Some(1..=4) => Shape::Ext,
            Some(_) => Shape::Full,
        }
    }

    /// A word of the given limbs: one window for each run of limbs that stand together in their source, and one for the
    /// constants at its end.
    pub fn assemble(&mut self, lanes: [Lane; LIMBS]) -> Word {
        for lane in &lanes {
            if let Lane::Limb(word, limb) = *lane {
                self.reads("assemble", word.0);
                if !self.check_range("assemble", "limb", limb, 0, LIMBS - 1) {
                    return word;
                }
            }
        }
        if let Some(constant) = constant_lanes(&lanes) {
            return self.constant_word(constant);
        }
        let word = self.new_word(Shape::Full);
        self.push(Op::Gather { word, lanes: Box::new(lanes) });
        let mut at = 0;
        while at < LIMBS {
            at += self.tie_run(Word(word), &lanes, at);
        }
        Word(word)
    }

    /// Ties the run of `word`'s limbs that starts at `at`; returns its length.
    fn tie_run(&mut self, word: Word, lanes: &[Lane; LIMBS], at: usize) -> usize {
        let rest = LIMBS - at;
        let is_zero = |lane: &Lane| *lane == Lane::Const(F::ZERO);
        if lanes[at..].iter().all(is_zero) {
            let tail = self.window(word, None, at, Len::Eight);
            self.assert_zero(tail);
            return rest;
        }
        match lanes[at] {
            Lane::Const(value) => {
                if rest >= 5 && lanes[at..at + 5].iter().all(is_zero) {
                    let zeros = self.window(word, None, at, Len::Five);
                    self.assert_zero(zeros);
                    return 5;
                }
                let (limb, constant) = (self.pick(word, at), self.constant_base(value));
                self.assert_eq(limb, constant);
                1
            }
            Lane::Limb(source, from) => {
                let run = (0..rest).take_while(|&i| lanes[at + i] == Lane::Limb(source, from + i)).count();
                let (len, count) = match run {
                    8 => (Len::Eight, 8),
                    5..8 => (Len::Five, 5),
                    _ => (Len::One, 1),
                };
                let whole = from == 0
                    && match self.shape(source.0) {
                        Shape::Full => count == 8,
                        Shape::Ext => count == 5,
                        Shape::Base => count == 1,
                    };
                let theirs = if whole { source } else { self.window(source, None, from, len) };
                let ours = self.window(word, None, at, len);
                self.assert_eq(ours, theirs);
                count
            }
        }
    }

    /// Cuts a stream of limbs into words, the last one filled with zeros. One window an item, and one for the zeros.
    pub fn pack(&mut self, items: &[Item]) -> Vec<Word> {
        let mut lanes: Vec<Lane> = Vec::new();
        let mut ties: Vec<(usize, Word, Len)> = Vec::new();
        for item in items {
            let (word, len) = match *item {
                Item::Word(word) => (word, Len::Eight),
                Item::Ext(ext) => (ext.0, Len::Five),
                Item::Base(base) => (base.0, Len::One),
                Item::Const(value) => (self.constant_base(value).0, Len::One),
            };
            self.reads("pack", word.0);
            ties.push((lanes.len(), word, len));
            lanes.extend((0..len.limbs()).map(|limb| match *item {
                Item::Const(value) => Lane::Const(value),
                _ => Lane::Limb(word, limb),
            }));
        }
        let used = lanes.len();
        lanes.resize(used.next_multiple_of(LIMBS), Lane::Const(F::ZERO));
        let words: Vec<Word> = lanes
            .as_chunks::<LIMBS>()
            .0
            .iter()
            .map(|lanes| {
                if let Some(constant) = constant_lanes(lanes) {
                    return self.constant_word(constant);
                }
                // A word that stands alone in its block is the block.
                if let Lane::Limb(word, 0) = lanes[0]
                    && self.shape(word.0) == Shape::Full
                    && (0..LIMBS).all(|i| lanes[i] == Lane::Limb(word, i))
                {
                    return word;
                }
                let word = self.new_word(Shape::Full);
                self.push(Op::Gather { word, lanes: Box::new(*lanes) });
                Word(word)
            })
            .collect();
        for (at, source, len) in ties {
            let block = words[at / LIMBS];
            if block == source || (block.0 & CONSTANT != 0 && source.0 & CONSTANT != 0) {
                continue;
            }
            let ours = self.window(block, words.get(at / LIMBS + 1).copied(), at % LIMBS, len);
            self.assert_eq(ours, source);
        }
        if let Some(last) = words.last()
            && !used.is_multiple_of(LIMBS)
            && last.0 & CONSTANT == 0
        {
            let tail = self.window(*last, None, used % LIMBS, Len::Eight);
            self.assert_zero(tail);
        }
        words
    }

    /// The canonical bits of `value`, which is thereby shown to be below p: 31 rows of the bits table.
    pub fn bits(&mut self, value: Base, spec: &BitsSpec) -> BitsOut {
        self.reads("bits", value.0.0);
        let bad = BitsOut { bits: Vec::new(), shifted: Vec::new(), high: value, product: None };
        let fits = self.check_range("bits", "len", spec.len, 0, VALUE_BITS)
            && self.check_range("bits", "factors", spec.factors.len(), 0, VALUE_BITS - 1)
            && spec.bits.iter().all(|&k| self.check_range("bits", "bit", k, 0, VALUE_BITS - 1))
            && spec.shifts.iter().all(|&k| self.check_range("bits", "shift", k, 0, spec.len));
        if !fits {
            return bad;
        }
        let frame = self.frames.len() as u32;
        let factors = spec.factors.clone();
        self.frames.push(Frame { value: value.0.0, shifts: vec![], bits: vec![], factors, product: NONE });
        let high = self.shift(frame, value, spec.len);
        let bits: Vec<Base> = spec.bits.iter().map(|&k| self.bit(frame, k)).collect();
        let raw: Vec<Base> = spec.shifts.iter().map(|&k| self.shift(frame, value, k)).collect();
        let product = (!spec.factors.is_empty()).then(|| {
            let word = self.new_word(Shape::Base);
            self.frames[frame as usize].product = word;
            Base(Word(word))
        });
        self.push(Op::Bits { frame });
        let shifted = spec
            .shifts
            .iter()
            .zip(raw)
            .map(|(&k, shifted)| {
                if spec.len == VALUE_BITS {
                    return shifted;
                }
                if k == spec.len {
                    return self.zero();
                }
                let weight = self.constant_base(F::from_u32(1 << (spec.len - k)));
                self.base_mul_sub_from(shifted, high, weight)
            })
            .collect();
        BitsOut { bits, shifted, high, product }
    }

    /// The word of value >> k in a frame.
    fn shift(&mut self, frame: u32, value: Base, k: usize) -> Base {
        if k == 0 {
            return value;
        }
        if k >= VALUE_BITS {
            return self.zero();
        }
        let known = self.frames[frame as usize].shifts.iter().find(|(at, _)| *at == k).map(|(_, word)| *word);
        let word = known.unwrap_or_else(|| {
            let word = self.new_word(Shape::Base);
            self.frames[frame as usize].shifts.push((k, word));
            word
        });
        Base(Word(word))
    }

    fn bit(&mut self, frame: u32, k: usize) -> Base {
        let known = self.frames[frame as usize].bits.iter().find(|(at, _)| *at == k).map(|(_, word)| *word);
        let word = known.unwrap_or_else(|| {
            let word = self.new_word(Shape::Base);
            self.frames[frame as usize].bits.push((k, word));
            word
        });
        Base(Word(word))
    }
}

/// The limbs of a word of constants.
fn constant_lanes(lanes: &[Lane; LIMBS]) -> Option<[F; LIMBS]> {
    let mut limbs = [F::ZERO; LIMBS];
    for (limb, lane) in limbs.iter_mut().zip(lanes) {
        match lane {
            Lane::Const(value) => *limb = *value,
            Lane::Limb(..) => return None,
        }
    }
    Some(limbs)
}
