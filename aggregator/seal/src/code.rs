//! The constraints as code of the EVM: what `SealVerifier` calls.
//!
//! A value is evaluated where it is needed, on the stack; one that is needed more than once is kept in memory. Everything is
//! straight-line code but for four subroutines: `mul` and `reduce` of `Lanes.sol`, one after the other too, and a · X + b, reduced.
//!
//! EIP-170 gives a contract 24,576 bytes, so the code is cut into **parts**, between two groups of constraints. Calldata of a
//! part is the inputs, then the words that the part before returned; it returns what the parts after it need of what there
//! is. The last returns what the constraints fold to, and what they must fold to.

use p3_field::{PrimeCharacteristicRing, PrimeField32};
use sinter_program::F;

use crate::evm::CODE_BYTES_MAX;
use crate::lower::{BIAS, Id, Lowered, P, Value};
use crate::seal::SealError;

const ADD: u8 = 0x01;
const MUL: u8 = 0x02;
const SUB: u8 = 0x03;
const MOD: u8 = 0x06;
const MULMOD: u8 = 0x09;
const AND: u8 = 0x16;
const SHR: u8 = 0x1c;
const CALLDATALOAD: u8 = 0x35;
const MLOAD: u8 = 0x51;
const MSTORE: u8 = 0x52;
const JUMP: u8 = 0x56;
const JUMPDEST: u8 = 0x5b;
const PUSH0: u8 = 0x5f;
const DUP1: u8 = 0x80;
const DUP3: u8 = 0x82;
const DUP4: u8 = 0x83;
const SWAP1: u8 = 0x90;
const SWAP2: u8 = 0x91;
const RETURN: u8 = 0xf3;

/// The stack has 1,024 words, and a subroutine uses eight.
const STACK_MAX: usize = 1_000;

/// A number of at most 32 bytes, big-endian.
#[derive(Clone, Copy)]
struct Word([u8; 32]);

impl Word {
    /// A number in each of the five lanes of 51 bits, the lowest first.
    fn lanes(lanes: [u64; 5]) -> Self {
        let mut word = [0; 32];
        for (i, lane) in lanes.into_iter().enumerate() {
            for bit in (0..51).filter(|bit| lane >> bit & 1 == 1) {
                let at = 51 * i + bit;
                word[31 - at / 8] |= 1 << (at % 8);
            }
        }
        Self(word)
    }

    /// B^5 + B^2 − 1 with B = 2^51.
    fn modulus() -> Self {
        let ones = (1 << 51) - 1;
        let Self(mut word) = Self::lanes([ones, ones, 0, 0, 0]);
        word[0] |= 1 << 7;
        Self(word)
    }
}

impl From<u64> for Word {
    fn from(number: u64) -> Self {
        let mut word = [0; 32];
        word[24..].copy_from_slice(&number.to_be_bytes());
        Self(word)
    }
}

/// The number in every lane.
fn every(number: u64) -> Word {
    Word::lanes([number; 5])
}

/// Where the subroutines start.
#[derive(Clone, Copy)]
struct Subroutines {
    mul_reduced: u64,
    mul: u64,
    horner: u64,
    reduce: u64,
}

/// Code under construction.
#[derive(Clone, Default)]
struct Code(Vec<u8>);

impl Code {
    fn push(&mut self, word: impl Into<Word>) {
        let Word(bytes) = word.into();
        let significant = &bytes[bytes.iter().take_while(|&&byte| byte == 0).count()..];
        self.0.push(PUSH0 + significant.len() as u8);
        self.0.extend_from_slice(significant);
    }

    /// Pushes an address that is not known yet; returns where it is to be written.
    fn push_later(&mut self) -> usize {
        self.0.extend([PUSH0 + 2, 0, 0]);
        self.0.len() - 2
    }

    /// Makes this the place that an address leads to.
    fn land(&mut self, later: usize) {
        let [high, low] = (self.here() as u16).to_be_bytes();
        self.0[later..later + 2].copy_from_slice(&[high, low]);
    }

    fn run(&mut self, operations: &[u8]) {
        self.0.extend_from_slice(operations);
    }

    /// Makes this a place to jump to.
    fn here(&mut self) -> u64 {
        self.0.push(JUMPDEST);
        self.0.len() as u64 - 1
    }

    /// In every lane, x becomes (x >> bits) + bias − factor · (x modulo 2^bits): Montgomery's reduction.
    fn divide(&mut self, bits: u32, quotient_bits: u32, bias: u64, factor: u64) {
        self.run(&[DUP1]);
        self.push(every((1 << bits) - 1));
        self.run(&[AND]);
        self.push(factor);
        self.run(&[MUL, SWAP1]);
        self.push(u64::from(bits));
        self.run(&[SHR]);
        self.push(every((1 << quotient_bits) - 1));
        self.run(&[AND]);
        self.push(every(bias));
        self.run(&[ADD, SUB]);
    }

    /// `[x]` becomes `[x reduced]`.
    fn reduce(&mut self) {
        self.run(&[DUP1]);
        self.push(every((1 << 31) - 1));
        self.run(&[AND, SWAP1]);
        self.push(31);
        self.run(&[SHR]);
        self.push(every((1 << 20) - 1));
        self.run(&[AND]);
        self.push(0xff_ffff);
        self.run(&[MUL, ADD]);
    }

    /// `[x]` becomes `[x modulo B^5 + B^2 − 1]`.
    fn modulo(&mut self) {
        self.push(Word::modulus());
        self.run(&[SWAP1, MOD]);
    }

    /// The subroutines. Each finds its operands on the stack, the first on top, and below them where it goes on.
    fn subroutines(&mut self) -> Subroutines {
        // [b, a, return], and on as [a, reduced b, return]
        let mul_reduced = self.here();
        self.reduce();
        self.run(&[SWAP1]);
        // [a, b, return]
        let mul = self.here();
        self.push(Word::modulus());
        self.push(every((1 << 16) - 1));
        self.run(&[DUP4, AND, DUP3, MULMOD]);
        self.push(every(BIAS));
        self.run(&[ADD]);
        self.modulo();
        self.divide(16, 35, BIAS, 127 << 8);
        // [c, a, b, return]
        self.run(&[SWAP2]);
        self.push(16);
        self.run(&[SHR]);
        self.push(every((1 << 35) - 1));
        self.run(&[AND]);
        self.push(Word::modulus());
        self.run(&[SWAP2, MULMOD, ADD]);
        self.modulo();
        self.divide(24, 27, P, 127);
        self.run(&[SWAP1, JUMP]);
        // [a, b, return]
        let horner = self.here();
        self.push(Word::modulus());
        self.run(&[SWAP1]);
        self.push(1 << 51);
        self.run(&[MULMOD]);
        // X^4 becomes 1 − X^2: 2p in that lane.
        self.push(Word::lanes([0, 0, 2 * P, 0, 0]));
        self.run(&[ADD, ADD]);
        self.modulo();
        self.reduce();
        self.run(&[SWAP1, JUMP]);
        // [a, return]
        let reduce = self.here();
        self.reduce();
        self.run(&[SWAP1, JUMP]);
        Subroutines { mul_reduced, mul, horner, reduce }
    }
}

/// Where a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// Nowhere: it is made where it is needed.
    Unmade,
    /// A word of calldata.
    Calldata(usize),
    /// A word of memory.
    Memory(usize),
}

/// The first word of memory holds 2p in every lane, for subtractions.
const TWICE_P: usize = 0;

/// A part under construction.
#[derive(Clone)]
struct Part<'a> {
    values: &'a [Value],
    code: Code,
    subroutines: Subroutines,
    places: Vec<Place>,
    /// How often each value is needed yet.
    left: Vec<usize>,
    /// Words of memory: how many there are, and which of them are free.
    words: usize,
    free: Vec<usize>,
    depth: usize,
    deepest: usize,
}

impl<'a> Part<'a> {
    /// A part that finds the values `carried` behind the inputs.
    fn new(lowered: &'a Lowered, left: Vec<usize>, carried: &[Id]) -> Self {
        let mut places = vec![Place::Unmade; lowered.values.len()];
        for (id, value) in lowered.values.iter().enumerate() {
            if let Value::Input(input) = value {
                places[id] = Place::Calldata(*input);
            }
        }
        for (i, &id) in carried.iter().enumerate() {
            places[id] = Place::Calldata(lowered.inputs + i);
        }
        let mut code = Code::default();
        let start = code.push_later();
        code.run(&[JUMP]);
        let subroutines = code.subroutines();
        code.land(start);
        code.push(every(2 * P));
        code.push(32 * TWICE_P as u64);
        code.run(&[MSTORE]);
        let values = &lowered.values;
        Self { values, code, subroutines, places, left, words: 1, free: Vec::new(), depth: 0, deepest: 0 }
    }

    fn deeper(&mut self) {
        self.depth += 1;
        self.deepest = self.deepest.max(self.depth);
    }

    fn load(&mut self, word: usize, operation: u8) {
        self.code.push(32 * word as u64);
        self.code.run(&[operation]);
        self.deeper();
    }

    /// Puts a value on the stack that is somewhere.
    fn fetch(&mut self, id: Id) {
        match self.places[id] {
            Place::Calldata(word) => self.load(word, CALLDATALOAD),
            Place::Memory(word) => self.load(word, MLOAD),
            Place::Unmade => self.make(id),
        }
    }

    /// Puts a value on the stack, which is one need less for it, and keeps it in memory if there is more.
    fn take(&mut self, id: Id) {
        self.left[id] -= 1;
        let needed = self.left[id] > 0;
        self.fetch(id);
        match self.places[id] {
            Place::Memory(word) if !needed => self.free.push(word),
            Place::Unmade if needed && !matches!(self.values[id], Value::Constant(_)) => {
                self.code.run(&[DUP1]);
                self.deeper();
                self.keep(id);
            }
            _ => {}
        }
    }

    /// Sees to it that a value is somewhere.
    fn settle(&mut self, id: Id) {
        if self.places[id] == Place::Unmade {
            self.make(id);
            self.keep(id);
        }
    }

    /// Moves a value from the stack to memory.
    fn keep(&mut self, id: Id) {
        let word = self.free.pop().unwrap_or_else(|| {
            self.words += 1;
            self.words - 1
        });
        self.places[id] = Place::Memory(word);
        self.store(32 * word);
    }

    fn store(&mut self, address: usize) {
        self.code.push(address as u64);
        self.code.run(&[MSTORE]);
        self.depth -= 1;
    }

    /// Evaluates a value on the stack.
    fn make(&mut self, id: Id) {
        let Subroutines { mul_reduced, mul, horner, reduce } = self.subroutines;
        match self.values[id] {
            // An input is in calldata.
            Value::Input(_) => {}
            Value::Constant(constant) => {
                let montgomery = constant * F::TWO.exp_u64(40);
                self.code.push(u64::from(montgomery.as_canonical_u32()));
                self.deeper();
            }
            Value::Add(a, b) => {
                self.take(a);
                self.take(b);
                self.code.run(&[ADD]);
                self.depth -= 1;
            }
            Value::Sub(a, b) => {
                self.take(b);
                self.take(a);
                self.load(TWICE_P, MLOAD);
                self.code.run(&[ADD, SUB]);
                self.depth -= 2;
            }
            Value::Times(a, number) => {
                self.take(a);
                self.code.push(u64::from(number));
                self.code.run(&[MUL]);
            }
            Value::Mul(a, b) => self.call(mul, &[b, a]),
            Value::MulReduced(a, b) => self.call(mul_reduced, &[a, b]),
            Value::Horner(a, b) => self.call(horner, &[b, a]),
            Value::Reduce(a) => self.call(reduce, &[a]),
        }
    }

    /// Runs a subroutine on values, the last of which it finds on top.
    fn call(&mut self, subroutine: u64, operands: &[Id]) {
        let back = self.code.push_later();
        self.deeper();
        operands.iter().for_each(|&operand| self.take(operand));
        self.code.push(subroutine);
        self.code.run(&[JUMP]);
        self.code.land(back);
        self.depth -= operands.len();
    }

    /// What there is and will be needed by the parts after this one.
    fn needed(&self) -> Vec<Id> {
        let needed = |&id: &Id| {
            let given = matches!(self.values[id], Value::Input(_));
            self.left[id] > 0 && self.places[id] != Place::Unmade && !given
        };
        (0..self.values.len()).filter(needed).collect()
    }

    /// The code, which ends in returning these values.
    fn finish(mut self, returned: &[Id]) -> Result<Vec<u8>, SealError> {
        returned.iter().for_each(|&id| self.settle(id));
        let out = 32 * self.words;
        for (i, &id) in returned.iter().enumerate() {
            self.fetch(id);
            self.store(out + 32 * i);
        }
        self.code.push(32 * returned.len() as u64);
        self.code.push(out as u64);
        self.code.run(&[RETURN]);
        let size = |what, max, got| if got > max { Err(SealError::Size { what, max, got }) } else { Ok(()) };
        size("words on the stack", STACK_MAX, self.deepest)?;
        size("bytes of a part's code", CODE_BYTES_MAX, self.code.0.len())?;
        Ok(self.code.0)
    }
}

/// The parts' code.
///
/// # Errors
/// When one group of constraints does not fit a contract, or needs too much of the stack.
pub(crate) fn parts(lowered: &Lowered) -> Result<Vec<Vec<u8>>, SealError> {
    let &Lowered { ref values, ref folds, expected, .. } = lowered;
    let folded = folds.last().copied().unwrap_or(expected);
    let mut left = vec![0; values.len()];
    left[folded] += 1;
    left[expected] += 1;
    for (id, value) in values.iter().enumerate().rev() {
        if left[id] > 0 {
            value.operands().for_each(|operand| left[operand] += 1);
        }
    }
    let mut parts = Vec::new();
    let mut part = Part::new(lowered, left, &[]);
    for &target in folds.iter().chain([&expected]) {
        let mut longer = part.clone();
        longer.settle(target);
        if longer.clone().finish(&longer.needed()).is_err() {
            let carried = part.needed();
            longer = Part::new(lowered, part.left.clone(), &carried);
            longer.settle(target);
            parts.push(part.finish(&carried)?);
        }
        part = longer;
    }
    parts.push(part.finish(&[folded, expected])?);
    Ok(parts)
}
