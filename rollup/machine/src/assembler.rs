//! Code, and what writes it: functions of instructions with hints between them.

use std::collections::BTreeMap;
use std::fmt;

use p3_field::PrimeCharacteristicRing;
use sinter_program::F;
use thiserror::Error;

use crate::frame::{Frame, Value};
use crate::{FIRST_FRAME, Instruction, Op, Operand, WORD};

/// Most instructions of one code.
pub const INSTRUCTIONS_MAX: usize = 1 << 20;

/// What the machine or its host writes before an instruction runs. Nothing of it is proved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hint {
    /// The address of a new frame for a function.
    Frame {
        /// The cell that gets it.
        to: u32,
        /// The function.
        function: usize,
    },
    /// The address of new words.
    Words {
        /// The cell that gets it.
        to: u32,
        /// How many words.
        words: Operand,
    },
    /// A value divided as an integer below p.
    Divide {
        /// The value.
        from: Operand,
        /// By what.
        by: u32,
        /// The cell that gets the quotient.
        quotient: u32,
        /// The cell that gets the remainder.
        remainder: u32,
    },
    /// The inverse of a value, or zero of zero; and whether the value is zero.
    Inverse {
        /// The value.
        from: Operand,
        /// The cell that gets the inverse.
        inverse: u32,
        /// The cell that gets 1 if the value is zero, else 0.
        is_zero: u32,
    },
    /// 1 if one value is at most another, both as integers below p, else 0.
    AtMost {
        /// The value that is to be smaller.
        a: Operand,
        /// The other.
        b: Operand,
        /// The cell that gets the answer.
        to: u32,
    },
    /// What the host says.
    Host {
        /// Which question.
        question: u32,
        /// What is asked about, then the cells for the answer.
        operands: Vec<Operand>,
    },
}

/// A function's name in the code that calls it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Function {
    pub(crate) index: usize,
    pub(crate) arguments: usize,
    pub(crate) results: usize,
}

/// Why there is no code.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum AssemblyError {
    /// A function was declared and never written.
    #[error("function {name}: expected a body, got none")]
    NoBody {
        /// Its name.
        name: String,
    },
    /// There is no `main`.
    #[error("expected a main function, got none")]
    NoMain,
    /// Too much of it.
    #[error("expected at most {INSTRUCTIONS_MAX} instructions, got {got}")]
    TooLong {
        /// The instructions.
        got: usize,
    },
}

pub(crate) struct Body {
    name: String,
    entry: Option<usize>,
    frame_cells: u32,
}

/// Writes code, function by function.
#[derive(Default)]
pub struct Assembler {
    pub(crate) instructions: Vec<Instruction>,
    pub(crate) hints: BTreeMap<usize, Vec<Hint>>,
    functions: Vec<Body>,
    /// Jumps whose target is a function that may not be written yet.
    calls: Vec<(usize, usize)>,
    main: Option<Function>,
    /// Constants in the first frame, which all code can name.
    constants: Vec<[F; WORD]>,
}

impl fmt::Debug for Assembler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Assembler").field("instructions", &self.instructions.len()).finish_non_exhaustive()
    }
}

impl Assembler {
    /// No code yet: instruction 0, at which a run ends, and 1, which will lead to what sets the constants and calls `main`.
    #[must_use]
    pub fn new() -> Self {
        Self { instructions: vec![Instruction::HALT, Instruction::HALT], ..Self::default() }
    }

    /// Names a function, so that others, and itself, can call it.
    #[must_use]
    pub fn declare(&mut self, name: &str, arguments: usize, results: usize) -> Function {
        self.functions.push(Body { name: name.to_owned(), entry: None, frame_cells: 0 });
        Function { index: self.functions.len() - 1, arguments, results }
    }

    /// Writes a function's body. Where the body does not end in a return or a tail call, it returns nothing.
    ///
    /// # Panics
    /// When a function with results does not give them on every way through it.
    pub fn define(&mut self, function: Function, body: impl FnOnce(&mut Frame<'_>)) {
        self.functions[function.index].entry = Some(self.instructions.len());
        let mut frame = Frame::new(self, function);
        body(&mut frame);
        let cells = frame.finish();
        self.functions[function.index].frame_cells = cells;
    }

    /// Declares and writes a function in one.
    pub fn function(
        &mut self,
        name: &str,
        arguments: usize,
        results: usize,
        body: impl FnOnce(&mut Frame<'_>),
    ) -> Function {
        let function = self.declare(name, arguments, results);
        self.define(function, body);
        function
    }

    /// Writes the function at which a run begins; when it returns, the run is complete.
    pub fn main(&mut self, body: impl FnOnce(&mut Frame<'_>)) {
        self.main = Some(self.function("main", 0, 0, body));
    }

    /// The address of a word of constants, the same in all code.
    pub fn constant(&mut self, values: [F; WORD]) -> Value {
        let index = self.constants.iter().position(|known| *known == values).unwrap_or_else(|| {
            self.constants.push(values);
            self.constants.len() - 1
        });
        (FIRST_FRAME + (index * WORD) as u32).into()
    }

    /// What runs first, in the first frame, whose cells are the constants.
    fn start(&mut self, main: Function) {
        let function = self.declare("start", 0, 0);
        let constants = std::mem::take(&mut self.constants);
        self.define(function, |frame| frame.start(constants.as_flattened(), main));
        self.calls.push((1, function.index));
    }

    /// The code.
    ///
    /// # Errors
    /// [`AssemblyError`] when a function is missing, or there is too much code.
    pub fn finish(mut self) -> Result<Code, AssemblyError> {
        let main = self.main.ok_or(AssemblyError::NoMain)?;
        let first_cells = FIRST_FRAME + (self.constants.len() * WORD) as u32 + 1;
        self.start(main);
        if self.instructions.len() > INSTRUCTIONS_MAX {
            return Err(AssemblyError::TooLong { got: self.instructions.len() });
        }
        let mut entries = Vec::with_capacity(self.functions.len());
        for Body { name, entry, .. } in &self.functions {
            entries.push(entry.ok_or_else(|| AssemblyError::NoBody { name: name.clone() })?);
        }
        for &(instruction, function) in &self.calls {
            self.instructions[instruction].b = constant(entries[function]);
        }
        let functions = self.functions.into_iter().zip(entries);
        let functions =
            functions.map(|(body, entry)| Symbol { name: body.name, entry, frame_cells: body.frame_cells }).collect();
        let hints = (0..self.instructions.len()).map(|pc| self.hints.remove(&pc).unwrap_or_default()).collect();
        Ok(Code { instructions: self.instructions, hints, functions, first_cells })
    }

    pub(crate) fn emit(&mut self, op: Op, a: Operand, b: Operand, c: Operand) -> usize {
        self.instructions.push(Instruction { op, a, b, c });
        self.instructions.len() - 1
    }

    pub(crate) fn hint(&mut self, hint: Hint) {
        self.hints.entry(self.instructions.len()).or_default().push(hint);
    }

    /// Whether a hint waits for the next instruction.
    pub(crate) fn is_hinted(&self) -> bool {
        self.hints.contains_key(&self.instructions.len())
    }

    /// The jump at `instruction` leads to a function.
    pub(crate) fn leads_to(&mut self, instruction: usize, function: usize) {
        self.calls.push((instruction, function));
    }
}

pub(crate) fn constant(value: usize) -> Operand {
    // Positions in the code are below INSTRUCTIONS_MAX.
    Operand::Constant(F::from_usize(value))
}

/// A function of finished code.
#[derive(Clone, Debug)]
pub(crate) struct Symbol {
    name: String,
    entry: usize,
    pub(crate) frame_cells: u32,
}

/// Finished code: instructions, which are proved, and hints, which are not.
#[derive(Clone, Debug)]
pub struct Code {
    pub(crate) instructions: Vec<Instruction>,
    /// Those before each instruction.
    pub(crate) hints: Vec<Vec<Hint>>,
    pub(crate) functions: Vec<Symbol>,
    /// Cells up to the end of the first frame.
    pub(crate) first_cells: u32,
}

impl Code {
    /// The instructions, from 0.
    #[must_use]
    pub fn instructions(&self) -> &[Instruction] {
        &self.instructions
    }

    /// The function that an instruction is of.
    #[must_use]
    pub fn function_at(&self, pc: usize) -> &str {
        let before = self.functions.iter().filter(|symbol| symbol.entry <= pc);
        before.max_by_key(|symbol| symbol.entry).map_or("start", |symbol| &symbol.name)
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (pc, instruction) in self.instructions.iter().enumerate() {
            if let Some(symbol) = self.functions.iter().find(|symbol| symbol.entry == pc) {
                writeln!(f, "{}:", symbol.name)?;
            }
            writeln!(f, "{pc:6}  {instruction}")?;
        }
        Ok(())
    }
}
