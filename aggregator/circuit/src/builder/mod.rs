//! The builder: records a circuit's operations, and the table rows that they take.

mod hash;
mod keccak;
mod words;

pub use hash::{Chain, LeafOut, LeafSpec, MerkleSpec, Sum};
pub use words::{BitsOut, BitsSpec};

use std::collections::HashMap;

use p3_field::PrimeCharacteristicRing;

use crate::circuit::{Circuit, Heights};
use crate::error::CircuitError;
use crate::field::{EF, F, LIMBS, base_word, word_of};
use crate::record::{
    Base, BytesRow, CONSTANT, CapRef, Ext, Frame, KeccakRow, Len, NONE, Op, PermRow, Section, Shape, Solve, WindowRow,
    Word,
};

/// Public values of a circuit, as words of eight.
pub const PUBLIC_WORDS: usize = 8;
/// Words set aside before a group of sections for what the sections compute from words before it.
const HOISTED_WORDS: u32 = 256;

/// Records a circuit. Operations are executed in the order they are recorded; [`section`](Self::section)s that follow one
/// another run in parallel.
///
/// A misuse that the types do not rule out (an argument out of range, a section that reads a sibling's word) does not
/// panic: the first one is returned by [`finish`](Self::finish).
#[derive(Debug)]
pub struct Builder {
    pub(crate) shapes: Vec<Shape>,
    pub(crate) constants: Vec<[F; LIMBS]>,
    constant_index: HashMap<[F; LIMBS], u32>,
    /// First word and length of each block that is read dynamically.
    pub(crate) blocks: Vec<CapRef>,
    pub(crate) inputs: u32,
    pub(crate) input_words: Vec<u32>,
    pub(crate) alu: Vec<[u32; 4]>,
    pub(crate) windows: Vec<WindowRow>,
    pub(crate) frames: Vec<Frame>,
    pub(crate) perms: Vec<PermRow>,
    pub(crate) bytes: Vec<BytesRow>,
    pub(crate) keccaks: Vec<KeccakRow>,
    pub(crate) root: Vec<Op>,
    pub(crate) sections: Vec<Section>,
    pub(crate) equal: Vec<(u32, u32)>,
    pub(crate) publics: [u32; PUBLIC_WORDS],
    window_index: HashMap<(u32, u32, u8, Len), u32>,
    powers: HashMap<(u32, usize), Ext>,
    /// Last row of a leaf that no path continues yet, with β and the accumulator's word.
    pending: Option<hash::Pending>,
    group: Option<Group>,
    label: &'static str,
    error: Option<CircuitError>,
}

/// An open group of sections.
#[derive(Debug)]
struct Group {
    /// Position of its `Sections` operation at the root.
    position: usize,
    /// Words before the group, with those set aside.
    first_word: u32,
    /// Words set aside and not yet used.
    hoisted: std::ops::Range<u32>,
    /// The section that is being recorded.
    open: bool,
}

impl Default for Builder {
    fn default() -> Self {
        Self::new()
    }
}

impl Builder {
    /// An empty circuit.
    #[must_use]
    pub fn new() -> Self {
        Self {
            shapes: Vec::new(),
            constants: Vec::new(),
            constant_index: HashMap::new(),
            blocks: Vec::new(),
            inputs: 0,
            input_words: Vec::new(),
            alu: Vec::new(),
            windows: Vec::new(),
            frames: Vec::new(),
            perms: Vec::new(),
            bytes: Vec::new(),
            keccaks: Vec::new(),
            root: Vec::new(),
            sections: Vec::new(),
            equal: Vec::new(),
            publics: [NONE; PUBLIC_WORDS],
            window_index: HashMap::new(),
            powers: HashMap::new(),
            pending: None,
            group: None,
            label: "circuit",
            error: None,
        }
    }

    /// Names what is recorded from here on, in the errors of the executor.
    pub const fn set_label(&mut self, label: &'static str) {
        self.label = label;
    }

    pub(crate) fn fail(&mut self, error: CircuitError) {
        self.error.get_or_insert(error);
    }

    pub(crate) fn check_range(
        &mut self,
        operation: &'static str,
        argument: &'static str,
        got: usize,
        low: usize,
        high: usize,
    ) -> bool {
        let fits = (low..=high).contains(&got);
        if !fits {
            self.fail(CircuitError::Argument { operation, argument, low, high, got });
        }
        fits
    }

    /// Checks that the operation being recorded may read `word`.
    pub(crate) fn reads(&mut self, operation: &'static str, word: u32) {
        if word & CONSTANT != 0 {
            return;
        }
        // After a group everything in it is computed.
        let Some(group) = self.group.as_ref().filter(|group| group.open) else { return };
        let own = self.sections.last().map_or(group.first_word, |section| section.words.start);
        if word >= group.first_word && word < own {
            self.fail(CircuitError::SectionLeak { operation, word });
        }
    }

    pub(crate) fn new_word(&mut self, shape: Shape) -> u32 {
        let word = self.shapes.len() as u32;
        self.shapes.push(shape);
        word
    }

    pub(crate) fn push(&mut self, op: Op) {
        if self.group.as_ref().is_some_and(|group| group.open)
            && let Some(section) = self.sections.last_mut()
        {
            section.ops.push(op);
            return;
        }
        self.close_group();
        self.root.push(op);
    }

    fn close_group(&mut self) {
        if self.group.take().is_some() {
            self.window_index.clear();
            self.pending = None;
        }
    }

    /// Records a section: operations that read only words from before the group of sections it stands in, and their own.
    /// Sections that follow one another directly run in parallel. A section within a section is recorded in place.
    pub fn section<R>(&mut self, record: impl FnOnce(&mut Self) -> R) -> R {
        if self.group.as_ref().is_some_and(|group| group.open) {
            return record(self);
        }
        if self.group.is_none() {
            let start = self.shapes.len() as u32;
            for _ in 0..HOISTED_WORDS {
                self.new_word(Shape::Ext);
            }
            let first_word = self.shapes.len() as u32;
            let first = self.sections.len();
            self.group = Some(Group { position: self.root.len(), first_word, hoisted: start..first_word, open: false });
            self.root.push(Op::Sections(first..first));
        }
        self.pending = None;
        self.window_index.clear();
        let words = self.shapes.len() as u32;
        self.sections.push(Section { ops: Vec::new(), words: words..words, perms: self.perms.len()..self.perms.len() });
        if let Some(group) = &mut self.group {
            group.open = true;
        }
        let result = record(self);
        let (words, perms, count) = (self.shapes.len() as u32, self.perms.len(), self.sections.len());
        if let Some(section) = self.sections.last_mut() {
            section.words.end = words;
            section.perms.end = perms;
        }
        if let Some(group) = &mut self.group {
            group.open = false;
            if let Some(Op::Sections(range)) = self.root.get_mut(group.position) {
                range.end = count;
            }
        }
        self.pending = None;
        self.window_index.clear();
        result
    }

    // ---- constants and inputs ----

    fn constant_id(&mut self, value: [F; LIMBS]) -> u32 {
        let next = self.constants.len() as u32;
        let id = *self.constant_index.entry(value).or_insert(next);
        if id == next {
            self.constants.push(value);
        }
        id | CONSTANT
    }

    /// A constant of the extension. Equal constants are one word.
    pub fn constant(&mut self, value: EF) -> Ext {
        Ext(Word(self.constant_id(word_of(value))))
    }

    /// A constant of the base field.
    pub fn constant_base(&mut self, value: F) -> Base {
        Base(Word(self.constant_id(base_word(value))))
    }

    /// A constant word.
    pub fn constant_word(&mut self, value: [F; LIMBS]) -> Word {
        Word(self.constant_id(value))
    }

    /// The zero of every shape.
    pub fn zero(&mut self) -> Base {
        self.constant_base(F::ZERO)
    }

    /// The one of every shape.
    pub fn one(&mut self) -> Base {
        self.constant_base(F::ONE)
    }

    /// Constants at consecutive addresses, for a cap that the circuit knows.
    pub fn constant_block(&mut self, values: &[[F; LIMBS]]) -> CapRef {
        let first = self.constants.len() as u32 | CONSTANT;
        self.constants.extend_from_slice(values);
        let block = CapRef { first, len: values.len() as u32 };
        self.blocks.push(block);
        block
    }

    fn input(&mut self, shape: Shape, len: usize) -> u32 {
        let word = self.new_word(shape);
        let position = self.take_inputs(len);
        self.input_words.push(word);
        self.push(Op::Input { word, position, len: len as u8 });
        word
    }

    pub(crate) const fn take_inputs(&mut self, len: usize) -> u32 {
        let position = self.inputs;
        self.inputs += len as u32;
        position
    }

    /// The next five input elements: an extension element, otherwise unconstrained until it is used.
    pub fn input_ext(&mut self) -> Ext {
        Ext(Word(self.input(Shape::Ext, 5)))
    }

    /// The next eight input elements: a word, unconstrained until it is used.
    pub fn input_word(&mut self) -> Word {
        Word(self.input(Shape::Full, LIMBS))
    }

    /// The next input element: a base element, otherwise unconstrained until it is used.
    pub fn input_base(&mut self) -> Base {
        Base(Word(self.input(Shape::Base, 1)))
    }

    /// The next `len` words of the input list at consecutive addresses: a cap. Takes a window each.
    pub fn block_of_words(&mut self, len: usize) -> CapRef {
        let first = self.shapes.len() as u32;
        for _ in 0..len {
            let word = self.input(Shape::Full, LIMBS);
            self.windows.push(WindowRow { a: NONE, b: NONE, out: word, k: 0, len: Len::Eight, block: true });
        }
        let block = CapRef { first, len: len as u32 };
        self.blocks.push(block);
        block
    }

    /// Copies of `words` at consecutive addresses. Takes a window each.
    pub fn block_from(&mut self, words: &[Word]) -> CapRef {
        let first = self.shapes.len() as u32;
        for &Word(a) in words {
            self.reads("block_from", a);
            let out = self.new_word(Shape::Full);
            let row = self.windows.len() as u32;
            self.windows.push(WindowRow { a, b: NONE, out, k: 0, len: Len::Eight, block: true });
            self.push(Op::Window { row });
        }
        let block = CapRef { first, len: words.len() as u32 };
        self.blocks.push(block);
        block
    }

    // ---- arithmetic ----

    fn alu_row(&mut self, operation: &'static str, cells: [u32; 4], solve: Solve) {
        for cell in cells {
            if cell != NONE {
                self.reads(operation, cell);
            }
        }
        let row = self.alu.len() as u32;
        self.alu.push(cells);
        let label = self.label;
        self.push(Op::Alu { row, solve, label });
    }

    fn solved(&mut self, operation: &'static str, mut cells: [u32; 4], solve: Solve, shape: Shape) -> u32 {
        let word = self.new_word(shape);
        let cell = match solve {
            Solve::A => 0,
            Solve::C => 2,
            Solve::D | Solve::Check => 3,
        };
        cells[cell] = word;
        self.alu_row(operation, cells, solve);
        word
    }

    /// a + b.
    pub fn add(&mut self, a: impl Into<Ext>, b: impl Into<Ext>) -> Ext {
        let one = self.one();
        self.mul_add(a, one, b)
    }

    /// a − b.
    pub fn sub(&mut self, a: impl Into<Ext>, b: impl Into<Ext>) -> Ext {
        let (a, b, one) = (a.into().0.0, b.into().0.0, self.one().0.0);
        Ext(Word(self.solved("sub", [b, one, NONE, a], Solve::C, Shape::Ext)))
    }

    /// a · b.
    pub fn mul(&mut self, a: impl Into<Ext>, b: impl Into<Ext>) -> Ext {
        let zero = self.zero();
        self.mul_add(a, b, zero)
    }

    /// a · b + c, one operation.
    pub fn mul_add(&mut self, a: impl Into<Ext>, b: impl Into<Ext>, c: impl Into<Ext>) -> Ext {
        let cells = [a.into().0.0, b.into().0.0, c.into().0.0, NONE];
        Ext(Word(self.solved("mul_add", cells, Solve::D, Shape::Ext)))
    }

    /// c − a · b, one operation.
    pub fn mul_sub_from(&mut self, c: impl Into<Ext>, a: impl Into<Ext>, b: impl Into<Ext>) -> Ext {
        let cells = [a.into().0.0, b.into().0.0, NONE, c.into().0.0];
        Ext(Word(self.solved("mul_sub_from", cells, Solve::C, Shape::Ext)))
    }

    /// a / b. Execution fails when b is zero; a proof of 0 / 0 leaves the quotient free, so a caller whose numerator may
    /// be zero must know that b is not.
    pub fn div(&mut self, a: impl Into<Ext>, b: impl Into<Ext>) -> Ext {
        let (a, b, zero) = (a.into().0.0, b.into().0.0, self.zero().0.0);
        Ext(Word(self.solved("div", [NONE, b, zero, a], Solve::A, Shape::Ext)))
    }

    /// a · b + c of base elements, one operation.
    pub fn base_mul_add(&mut self, a: Base, b: Base, c: Base) -> Base {
        Base(Word(self.solved("base_mul_add", [a.0.0, b.0.0, c.0.0, NONE], Solve::D, Shape::Base)))
    }

    /// c − a · b of base elements, one operation.
    pub fn base_mul_sub_from(&mut self, c: Base, a: Base, b: Base) -> Base {
        Base(Word(self.solved("base_mul_sub_from", [a.0.0, b.0.0, NONE, c.0.0], Solve::C, Shape::Base)))
    }

    /// Asserts a · b + c = d, one operation.
    pub fn assert_mul_add(&mut self, a: impl Into<Ext>, b: impl Into<Ext>, c: impl Into<Ext>, d: impl Into<Ext>) {
        let cells = [a.into().0.0, b.into().0.0, c.into().0.0, d.into().0.0];
        self.alu_row("assert_mul_add", cells, Solve::Check);
    }

    /// Asserts that two words are equal. Takes no row: they get one address.
    pub fn assert_eq(&mut self, left: impl Into<Word>, right: impl Into<Word>) {
        let (Word(left), Word(right)) = (left.into(), right.into());
        self.reads("assert_eq", left);
        self.reads("assert_eq", right);
        self.equal.push((left, right));
        let label = self.label;
        self.push(Op::Equal { left, right, label });
    }

    /// Asserts that a word is zero. Takes no row.
    pub fn assert_zero(&mut self, word: impl Into<Word>) {
        let zero = self.zero();
        self.assert_eq(word, zero);
    }

    /// Asserts that a value is 0 or 1.
    pub fn assert_bool(&mut self, bit: Base) {
        let zero = self.zero();
        self.assert_mul_add(bit, bit, zero, bit);
    }

    /// `if_one` when `bit` is 1, `if_zero` when it is 0; `bit` must be known to be a bit. Two operations.
    pub fn select(&mut self, bit: Base, if_one: impl Into<Ext>, if_zero: impl Into<Ext>) -> Ext {
        let (if_one, if_zero) = (if_one.into(), if_zero.into());
        let difference = self.sub(if_one, if_zero);
        self.mul_add(bit, difference, if_zero)
    }

    /// 1 when `value` is zero, else 0. Two operations.
    pub fn is_zero(&mut self, value: Ext) -> Base {
        let (of, one, zero) = (value.0.0, self.one(), self.zero());
        self.reads("is_zero", of);
        let word = self.new_word(Shape::Ext);
        self.push(Op::InverseOrZero { word, of });
        // e = 1 − x·i and x·e = 0: x ≠ 0 forces e = 0, x = 0 forces e = 1.
        let e = Base(Word(self.mul_sub_from(one, value, Ext(Word(word))).0.0));
        self.assert_mul_add(value, e, zero, zero);
        e
    }

    /// 1 when all eight limbs agree, else 0.
    pub fn is_equal_words(&mut self, left: Word, right: Word) -> Base {
        let mut equal = self.one();
        let zero = self.zero();
        for k in [0, 5] {
            let (l, r) = (self.ext_at(left, None, k), self.ext_at(right, None, k));
            let difference = self.sub(l, r);
            let same = self.is_zero(difference);
            equal = self.base_mul_add(equal, same, zero);
        }
        equal
    }

    /// value^exponent by squaring, remembered. Within a section a power of a word from before it is computed once, before
    /// the group.
    pub fn power(&mut self, value: Ext, exponent: usize) -> Ext {
        if exponent == 0 {
            return self.one().into();
        }
        if exponent == 1 {
            return value;
        }
        if let Some(&known) = self.powers.get(&(value.0.0, exponent)) {
            return known;
        }
        let (left, right) = if exponent.is_multiple_of(2) {
            let half = self.power(value, exponent / 2);
            (half, half)
        } else {
            (self.power(value, exponent - 1), value)
        };
        let result = self.hoisted_mul(value.0.0, left, right);
        self.powers.insert((value.0.0, exponent), result);
        result
    }

    /// left · right, recorded before the group of sections when `source` is from before it.
    fn hoisted_mul(&mut self, source: u32, left: Ext, right: Ext) -> Ext {
        let zero = self.zero().0.0;
        let label = self.label;
        if let Some(group) = &mut self.group {
            let before = |word: u32| word & CONSTANT != 0 || word < group.first_word;
            if before(source)
                && before(left.0.0)
                && before(right.0.0)
                && let Some(word) = group.hoisted.next()
            {
                let row = self.alu.len() as u32;
                self.alu.push([left.0.0, right.0.0, zero, word]);
                self.root.insert(group.position, Op::Alu { row, solve: Solve::D, label });
                group.position += 1;
                return Ext(Word(word));
            }
        }
        self.mul(left, right)
    }

    /// Exposes a word as public word `index` (public values 8·index to 8·index + 7). A public word that is not exposed is
    /// zero.
    pub fn expose(&mut self, index: usize, word: impl Into<Word>) {
        if !self.check_range("expose", "index", index, 0, PUBLIC_WORDS - 1) {
            return;
        }
        if self.publics[index] != NONE {
            self.fail(CircuitError::ExposedTwice { index });
        }
        self.publics[index] = word.into().0;
    }

    /// Lays the recorded operations out in tables of the given heights.
    ///
    /// # Errors
    /// The first misuse while recording; [`CircuitError::Height`] when a table does not fit.
    pub fn finish(mut self, heights: Heights) -> Result<Circuit, CircuitError> {
        match self.error.take() {
            Some(error) => Err(error),
            None => crate::finish::finish(self, heights),
        }
    }
}
