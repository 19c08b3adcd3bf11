//! What a function's body is written with: cells, words, arithmetic, branches, calls.

use p3_field::PrimeCharacteristicRing;
use sinter_program::F;

use crate::assembler::{Assembler, Function, Hint, constant};
use crate::{Op, Operand, PUBLIC_VALUES, WORD};

/// Cells at the start of every frame: where to return to, the caller's frame, where results go.
const RETURN_PC: u32 = 0;
const RETURN_FRAME: u32 = 1;
const RESULTS: u32 = 2;
const ARGUMENTS: u32 = 3;

/// The frame in which code is: a jump to another place of the same function.
const HERE: Value = Value(Operand::Address(0));

/// A cell of the frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cell(u32);

impl Cell {
    pub(crate) const fn offset(self) -> u32 {
        self.0
    }

    /// The cell so many behind it: see [`Frame::row`].
    #[must_use]
    pub const fn next(self, cells: u32) -> Self {
        Self(self.0 + cells)
    }
}

/// Eight cells of the frame at a multiple of eight: what can be hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Word(u32);

impl Word {
    /// One of its cells.
    ///
    /// # Panics
    /// When there is none: a word has eight.
    #[must_use]
    pub fn cell(self, limb: usize) -> Cell {
        assert!(limb < WORD, "a word has {WORD} cells");
        Cell(self.0 + limb as u32)
    }

    /// All of them.
    #[must_use]
    pub fn cells(self) -> [Cell; WORD] {
        std::array::from_fn(|limb| self.cell(limb))
    }
}

/// What an instruction takes: a cell, a constant, or an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Value(pub(crate) Operand);

impl From<Cell> for Value {
    fn from(Cell(offset): Cell) -> Self {
        Self(Operand::Cell(offset))
    }
}

impl From<F> for Value {
    fn from(value: F) -> Self {
        Self(Operand::Constant(value))
    }
}

impl From<u32> for Value {
    fn from(value: u32) -> Self {
        F::from_u32(value).into()
    }
}

impl From<i32> for Value {
    fn from(value: i32) -> Self {
        F::from_i32(value).into()
    }
}

impl From<Word> for Value {
    /// The word's address.
    fn from(Word(offset): Word) -> Self {
        Self(Operand::Address(offset))
    }
}

/// A function's frame while its body is written. Methods that return cells write the instructions that fix them.
pub struct Frame<'a> {
    assembler: &'a mut Assembler,
    function: Function,
    /// Cells so far, and the most that there ever were.
    next: u32,
    cells: u32,
    /// Cells that stand alone between words.
    gaps: Vec<u32>,
    /// Whether the code before here has left the function.
    ended: bool,
}

impl std::fmt::Debug for Frame<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Frame").field("function", &self.function).field("cells", &self.next).finish_non_exhaustive()
    }
}

impl<'a> Frame<'a> {
    pub(crate) fn new(assembler: &'a mut Assembler, function: Function) -> Self {
        let next = ARGUMENTS + function.arguments as u32;
        Self { assembler, function, next, cells: next, gaps: Vec::new(), ended: false }
    }

    /// Ends the body; the cells that a frame needs.
    pub(crate) fn finish(mut self) -> u32 {
        if !self.ended {
            self.give(&[]);
        }
        self.cells.max(self.next)
    }

    // ------------------------------------------------------------ cells

    /// An argument.
    ///
    /// # Panics
    /// When the function has not so many.
    #[must_use]
    pub fn argument(&self, index: usize) -> Cell {
        assert!(index < self.function.arguments, "expected an argument below {}, got {index}", self.function.arguments);
        Cell(ARGUMENTS + index as u32)
    }

    /// All arguments.
    ///
    /// # Panics
    /// When the function has another number of them.
    #[must_use]
    pub fn arguments<const N: usize>(&self) -> [Cell; N] {
        assert_eq!(N, self.function.arguments, "the function's arguments");
        std::array::from_fn(|index| self.argument(index))
    }

    /// A cell that nothing fixes yet.
    pub fn cell(&mut self) -> Cell {
        if let Some(gap) = self.gaps.pop() {
            return Cell(gap);
        }
        self.next += 1;
        Cell(self.next - 1)
    }

    /// Words in a row that nothing fixes yet.
    pub fn words_here(&mut self, words: usize) -> Vec<Word> {
        let first = self.word();
        let rest = (1..words).map(|_| self.word());
        std::iter::once(first).chain(rest).collect()
    }

    /// Cells in a row that nothing fixes yet; the first one.
    pub fn row(&mut self, cells: usize) -> Cell {
        self.next += cells as u32;
        Cell(self.next - cells as u32)
    }

    /// Where a cell stands.
    #[must_use]
    pub const fn address_of(&self, cell: Cell) -> Value {
        Value(Operand::Address(cell.0))
    }

    /// A word that nothing fixes yet.
    pub fn word(&mut self) -> Word {
        let start = self.next.next_multiple_of(WORD as u32);
        self.gaps.extend((self.next..start).rev());
        self.next = start + WORD as u32;
        Word(start)
    }

    /// The address of a word of constants.
    pub fn constant(&mut self, values: [F; WORD]) -> Value {
        self.assembler.constant(values)
    }

    // ------------------------------------------------------------ arithmetic

    /// a + b.
    pub fn add(&mut self, a: impl Into<Value>, b: impl Into<Value>) -> Cell {
        let sum = self.cell();
        self.assert_add(a, b, sum);
        sum
    }

    /// a − b.
    pub fn sub(&mut self, a: impl Into<Value>, b: impl Into<Value>) -> Cell {
        let difference = self.cell();
        self.assert_add(difference, b, a);
        difference
    }

    /// a · b.
    pub fn mul(&mut self, a: impl Into<Value>, b: impl Into<Value>) -> Cell {
        let product = self.cell();
        self.assert_mul(a, b, product);
        product
    }

    /// a + b = c.
    pub fn assert_add(&mut self, a: impl Into<Value>, b: impl Into<Value>, c: impl Into<Value>) {
        self.emit(Op::Add, a, b, c);
    }

    /// a · b = c.
    pub fn assert_mul(&mut self, a: impl Into<Value>, b: impl Into<Value>, c: impl Into<Value>) {
        self.emit(Op::Mul, a, b, c);
    }

    /// a = b. One of them may be unknown: then it is set.
    pub fn set(&mut self, a: impl Into<Value>, b: impl Into<Value>) {
        self.assert_add(b, 0, a);
    }

    /// a ≠ 0.
    pub fn assert_nonzero(&mut self, a: impl Into<Value>) {
        let a = a.into();
        let (inverse, is_zero) = (self.cell(), self.cell());
        self.hint(Hint::Inverse { from: a.0, inverse: inverse.0, is_zero: is_zero.0 });
        self.assert_mul(a, inverse, 1);
    }

    /// 1 if a = 0, else 0.
    pub fn is_zero(&mut self, a: impl Into<Value>) -> Cell {
        let a = a.into();
        let (inverse, is_zero) = (self.cell(), self.cell());
        self.hint(Hint::Inverse { from: a.0, inverse: inverse.0, is_zero: is_zero.0 });
        // a · inverse = 1 − is_zero, a · is_zero = 0.
        let product = self.mul(a, inverse);
        self.assert_add(product, is_zero, 1);
        self.assert_mul(a, is_zero, 0);
        is_zero
    }

    /// 1 if a = b, else 0.
    pub fn is_equal(&mut self, a: impl Into<Value>, b: impl Into<Value>) -> Cell {
        let difference = self.sub(a, b);
        self.is_zero(difference)
    }

    /// 1 − a.
    pub fn not(&mut self, a: impl Into<Value>) -> Cell {
        self.sub(1, a)
    }

    /// 0 ≤ a ≤ `max` as integers. `max` must be below the machine's memory.
    pub fn range(&mut self, a: impl Into<Value>, max: u32) {
        self.emit(Op::Range, a, Cell(0), Cell(max));
    }

    /// Quotient and remainder of a, so that a = remainder + `by` · quotient. Only the equation is written: neither is shown to
    /// be in any range.
    pub fn divide(&mut self, a: impl Into<Value>, by: u32) -> (Cell, Cell) {
        let a = a.into();
        let (quotient, remainder) = (self.cell(), self.cell());
        self.hint(Hint::Divide { from: a.0, by, quotient: quotient.0, remainder: remainder.0 });
        let scaled = self.mul(quotient, by);
        self.assert_add(remainder, scaled, a);
        (quotient, remainder)
    }

    // ------------------------------------------------------------ memory

    /// m\[pointer + offset\].
    pub fn load(&mut self, pointer: impl Into<Value>, offset: u32) -> Cell {
        let value = self.cell();
        self.store(pointer, offset, value);
        value
    }

    /// m\[pointer + offset\] = value; whichever is unknown is set.
    pub fn store(&mut self, pointer: impl Into<Value>, offset: u32, value: impl Into<Value>) {
        self.emit(Op::Load, pointer, Cell(offset), value);
    }

    /// The address of `words` new words: a hint, as nothing about new memory need be shown.
    pub fn words(&mut self, words: impl Into<Value>) -> Cell {
        let to = self.cell();
        self.hint(Hint::Words { to: to.0, words: words.into().0 });
        to
    }

    /// Makes a public value of a value.
    ///
    /// # Panics
    /// When there is no such public value.
    pub fn expose(&mut self, index: usize, value: impl Into<Value>) {
        assert!(index < PUBLIC_VALUES, "expected a public value below {PUBLIC_VALUES}, got {index}");
        self.store(index as u32, 0, value);
    }

    // ------------------------------------------------------------ hashing

    /// The word at `out` is the compression of those at `left` and `right`; each is an address. Where `out` is a cell that
    /// nothing fixes, it gets the address of a new word.
    ///
    /// A compression runs backwards: whoever may choose the whole of one input, and nothing of the other is known, finds inputs of
    /// any output. It binds where one input is a digest, or eight elements that are fixed, as the capacity of a sponge is.
    pub fn hash(&mut self, left: impl Into<Value>, right: impl Into<Value>, out: impl Into<Value>) {
        self.emit(Op::Hash, left, right, out);
    }

    /// The two words at `out` are the permutation of those at `left` and `right`; otherwise as [`Frame::hash`].
    pub fn permute(&mut self, left: impl Into<Value>, right: impl Into<Value>, out: impl Into<Value>) {
        self.emit(Op::Permute, left, right, out);
    }

    // ------------------------------------------------------------ control

    /// If `condition`, which must be 0 or 1 and is shown to be, one body, otherwise the other. Cells that were there
    /// before may be fixed in both.
    pub fn branch(
        &mut self,
        condition: impl Into<Value>,
        then: impl FnOnce(&mut Self),
        otherwise: impl FnOnce(&mut Self),
    ) {
        let to_then = self.emit(Op::Jump, condition, 0, HERE);
        let (next, gaps) = (self.next, self.gaps.clone());
        otherwise(self);
        let otherwise_ended = std::mem::take(&mut self.ended);
        let to_end = (!otherwise_ended).then(|| self.emit(Op::Jump, 1, 0, HERE));
        self.land(to_then);
        // Only one of the two runs, so they share their cells.
        self.cells = self.cells.max(self.next);
        (self.next, self.gaps) = (next, gaps);
        then(self);
        self.cells = self.cells.max(self.next);
        // What comes after must not use a cell of either, and a hint of one must not run after the other.
        (self.next, self.gaps) = (self.cells, Vec::new());
        assert!(!self.assembler.is_hinted(), "a body ends in an instruction");
        if let Some(to_end) = to_end {
            self.land(to_end);
            self.ended = false;
        }
    }

    /// A body that runs if `condition`, which is shown to be 0 or 1.
    pub fn when(&mut self, condition: impl Into<Value>, body: impl FnOnce(&mut Self)) {
        self.branch(condition, body, |_| {});
    }

    /// Goes on `steps` turns before the end of `turns` unrolled ones, each of one instruction that `turn` writes. `steps` is
    /// shown to be at most `turns`.
    ///
    /// # Panics
    /// When a turn is not one instruction.
    pub fn last_turns(&mut self, steps: impl Into<Value>, turns: usize, mut turn: impl FnMut(&mut Self, usize)) {
        let steps = steps.into();
        self.range(steps, turns as u32);
        let target = self.cell();
        let end = self.assembler.instructions.len() + 2 + turns;
        self.assert_add(target, steps, F::from_usize(end));
        self.emit(Op::Jump, 1, target, HERE);
        for index in 0..turns {
            turn(self, index);
        }
        assert_eq!(self.assembler.instructions.len(), end, "a turn is one instruction");
    }

    /// Calls a function.
    ///
    /// # Panics
    /// When it takes another number of arguments.
    pub fn call(&mut self, function: Function, arguments: &[Value]) -> Vec<Cell> {
        let first = self.row(function.results);
        let frame = self.enter(function, arguments);
        self.store(frame, RETURN_FRAME, Value(Operand::Address(0)));
        if function.results > 0 {
            self.store(frame, RESULTS, Value(Operand::Address(first.0)));
        }
        let back = self.assembler.instructions.len() + 2;
        self.store(frame, RETURN_PC, Value(constant(back)));
        self.jump_to(function, frame);
        (0..function.results as u32).map(|result| first.next(result)).collect()
    }

    /// Ends this function with another's results: a loop's next turn.
    ///
    /// # Panics
    /// When it takes another number of arguments or gives another number of results.
    pub fn tail_call(&mut self, function: Function, arguments: &[Value]) {
        assert_eq!(function.results, self.function.results, "results of a tail call");
        let frame = self.enter(function, arguments);
        self.store(frame, RETURN_PC, Cell(RETURN_PC));
        self.store(frame, RETURN_FRAME, Cell(RETURN_FRAME));
        if function.results > 0 {
            self.store(frame, RESULTS, Cell(RESULTS));
        }
        self.jump_to(function, frame);
        self.ended = true;
    }

    /// Ends this function with its results.
    ///
    /// # Panics
    /// When their number is another.
    pub fn give(&mut self, results: &[Value]) {
        assert_eq!(results.len(), self.function.results, "the function's results");
        for (result, offset) in results.iter().zip(0..) {
            self.store(Cell(RESULTS), offset, *result);
        }
        self.emit(Op::Jump, 1, Cell(RETURN_PC), Cell(RETURN_FRAME));
        self.ended = true;
    }

    /// Asks the host: `about` are its questions' values, `answers` the cells that it may set. Nothing of what it answers is
    /// proved.
    pub fn ask(&mut self, question: u32, about: &[Value], answers: &[Cell]) {
        let operands =
            about.iter().map(|value| value.0).chain(answers.iter().map(|cell| Operand::Cell(cell.0))).collect();
        self.hint(Hint::Host { question, operands });
    }

    // ------------------------------------------------------------ inside

    /// The body of what runs first: its cells are the constants, and its caller's place is instruction 0.
    pub(crate) fn start(&mut self, constants: &[F], main: Function) {
        self.next = constants.len() as u32;
        for (offset, value) in (0..).zip(constants) {
            self.set(Cell(offset), *value);
        }
        self.call(main, &[]);
        self.emit(Op::Jump, 1, 0, HERE);
        self.ended = true;
    }

    fn enter(&mut self, function: Function, arguments: &[Value]) -> Cell {
        assert_eq!(arguments.len(), function.arguments, "the called function's arguments");
        let frame = self.cell();
        self.hint(Hint::Frame { to: frame.0, function: function.index });
        for (argument, offset) in arguments.iter().zip(ARGUMENTS..) {
            self.store(frame, offset, *argument);
        }
        frame
    }

    fn jump_to(&mut self, function: Function, frame: Cell) {
        let jump = self.emit(Op::Jump, 1, 0, frame);
        self.assembler.leads_to(jump, function.index);
    }

    /// The jump at `instruction` leads here.
    fn land(&mut self, instruction: usize) {
        self.assembler.instructions[instruction].b = constant(self.assembler.instructions.len());
    }

    pub(crate) fn hint(&mut self, hint: Hint) {
        self.assembler.hint(hint);
    }

    fn emit(&mut self, op: Op, a: impl Into<Value>, b: impl Into<Value>, c: impl Into<Value>) -> usize {
        assert!(!self.ended, "code after the end of a function");
        self.assembler.emit(op, a.into().0, b.into().0, c.into().0)
    }
}
