//! What most code needs besides the instructions.

use p3_field::PrimeCharacteristicRing;
use sinter_program::F;

use crate::WORD;
use crate::assembler::{Assembler, Function, Hint};
use crate::frame::{Cell, Frame, Value};

/// Bits of the integers that [`Frame::at_most`] compares: those of three bytes.
const BITS: u32 = 24;

impl Frame<'_> {
    /// 0 ≤ a < 2^24.
    pub fn range24(&mut self, a: impl Into<Value>) {
        let (high, low) = self.divide(a, 1 << (BITS / 2));
        self.range(low, (1 << (BITS / 2)) - 1);
        self.range(high, (1 << (BITS / 2)) - 1);
    }

    /// 1 if a ≤ b, else 0. Both must be known to be below 2^24.
    pub fn at_most(&mut self, a: impl Into<Value>, b: impl Into<Value>) -> Cell {
        let (a, b) = (a.into(), b.into());
        let answer = self.guess_at_most(a, b);
        // b − a, or a − b − 1: whichever is claimed not to be negative.
        let difference = self.sub(b, a);
        let shown = self.cell();
        self.branch(
            answer,
            |f| f.set(shown, difference),
            |f| {
                let sum = f.add(difference, 1);
                f.assert_add(sum, shown, 0);
            },
        );
        self.range24(shown);
        answer
    }

    /// Probably 1 if a ≤ b, else 0: what the machine says, of which nothing is shown.
    pub fn guess_at_most(&mut self, a: impl Into<Value>, b: impl Into<Value>) -> Cell {
        let to = self.cell();
        self.hint(Hint::AtMost { a: a.into().0, b: b.into().0, to: to.offset() });
        to
    }

    /// The lowest bit of a, shown to be 0 or 1, and the rest, which is not shown to be anything.
    pub fn halve(&mut self, a: impl Into<Value>) -> (Cell, Cell) {
        let (rest, bit) = self.divide(a, 2);
        self.assert_mul(bit, bit, bit);
        (bit, rest)
    }

    /// a of three bytes, or less: the bytes, each shown to be one.
    pub fn bytes(&mut self, a: impl Into<Value>) -> [Cell; 3] {
        let (rest, low) = self.divide(a, 1 << 8);
        let (high, middle) = self.divide(rest, 1 << 8);
        for byte in [low, middle, high] {
            self.range(byte, 255);
        }
        [low, middle, high]
    }

    /// Σ value_i · base^i.
    pub fn sum(&mut self, values: &[Cell], base: F) -> Cell {
        let mut values = values.iter().rev();
        let mut sum = self.cell();
        match values.next() {
            Some(&highest) => self.set(sum, highest),
            None => self.set(sum, 0),
        }
        for &value in values {
            let scaled = self.mul(sum, base);
            sum = self.add(scaled, value);
        }
        sum
    }

    /// The eight cells of the word at `pointer`.
    pub fn load_word(&mut self, pointer: impl Into<Value>) -> [Cell; WORD] {
        let pointer = pointer.into();
        std::array::from_fn(|limb| self.load(pointer, limb as u32))
    }

    /// 1 if the words at two addresses are equal, else 0.
    pub fn words_equal(&mut self, a: impl Into<Value>, b: impl Into<Value>) -> Cell {
        let (a, b) = (self.load_word(a), self.load_word(b));
        let mut all = self.cell();
        self.set(all, 1);
        for (a, b) in a.into_iter().zip(b) {
            let equal = self.is_equal(a, b);
            all = self.mul(all, equal);
        }
        all
    }

    /// One step of the overwrite sponge: absorbs the word at `word`; the address of the capacity after it.
    pub fn absorb(&mut self, word: impl Into<Value>, capacity: impl Into<Value>) -> Value {
        let permuted = self.words_here(2);
        self.permute(word, capacity, permuted[0]);
        permuted[1].into()
    }

    /// The word at `to` is the word at `from`.
    pub fn copy_word(&mut self, from: impl Into<Value>, to: impl Into<Value>) {
        let to = to.into();
        for (offset, limb) in (0..).zip(self.load_word(from)) {
            self.store(to, offset, limb);
        }
    }

    /// The address of a word whose first elements are these, and the others zero.
    pub fn word_of(&mut self, values: &[Value]) -> crate::Word {
        assert!(values.len() <= WORD, "a word has {WORD} elements");
        let word = self.word();
        for (limb, cell) in word.cells().into_iter().enumerate() {
            self.set(cell, values.get(limb).copied().unwrap_or_else(|| 0.into()));
        }
        word
    }
}

/// Words that one turn of [`sponge`]'s loop takes.
const TURN_WORDS: u32 = 8;

/// The overwrite sponge: (address of the first word, how many words, address of the capacity) → address of the digest. There is
/// at least one word.
pub fn sponge(assembler: &mut Assembler) -> Function {
    let sponge = assembler.declare("sponge", 3, 1);
    assembler.define(sponge, |f| {
        let [input, words, capacity] = f.arguments();
        // Whoever takes too many words never gets to the last one.
        let many = f.guess_at_most(TURN_WORDS + 1, words);
        f.branch(
            many,
            |f| {
                let end = turns(f, input.into(), TURN_WORDS, capacity.into());
                let (input, words) = (f.add(input, TURN_WORDS * WORD as u32), f.sub(words, TURN_WORDS));
                f.tail_call(sponge, &[input.into(), words.into(), end]);
            },
            |f| {
                let last = f.is_equal(words, 1);
                f.branch(
                    last,
                    |f| {
                        let digest = f.cell();
                        f.hash(input, capacity, digest);
                        f.give(&[digest.into()]);
                    },
                    |f| {
                        let end = turns(f, input.into(), 1, capacity.into());
                        let (input, words) = (f.add(input, WORD as u32), f.sub(words, 1));
                        f.tail_call(sponge, &[input.into(), words.into(), end]);
                    },
                );
            },
        );
    });
    sponge
}

/// Absorbs words in a row; the address of the capacity after them.
fn turns(f: &mut Frame<'_>, input: Value, words: u32, capacity: Value) -> Value {
    let mut capacity = capacity;
    for word in 0..words {
        let at = if word == 0 { input } else { f.add(input, word * WORD as u32).into() };
        capacity = f.absorb(at, capacity);
    }
    capacity
}

/// The capacity with which [`sponge`] starts.
pub fn capacity(tag: u32, length: u32) -> [F; WORD] {
    let mut word = [F::ZERO; WORD];
    word[0] = F::from_u32(tag);
    word[1] = F::from_u32(length);
    word
}
