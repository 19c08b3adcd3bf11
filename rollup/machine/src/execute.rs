//! Running code: each instruction finds the one cell that it says something new about.

use p3_field::{Field, PrimeCharacteristicRing, PrimeField32};
use p3_symmetric::Permutation;
use sinter_program::F;
use sinter_program::field::{Perm, permutation};
use thiserror::Error;

use crate::assembler::Hint;
use crate::memory::{Memory, MemoryError};
use crate::{Capacity, Code, FIRST_FRAME, Instruction, Op, Operand, PUBLIC_VALUES, WORD};

/// Why a host has no answer.
pub type HostError = Box<dyn std::error::Error + Send + Sync>;

/// What answers the questions of code: everything that a run depends on and no instruction computes.
pub trait Host {
    /// Answers a question by writing cells. The code does not trust what it gets.
    ///
    /// # Errors
    /// When there is no answer; the run ends.
    fn answer(&mut self, question: u32, context: &mut Context<'_>) -> Result<(), HostError>;

    /// Sees what the machine is about to write for a hint of its own, and may write something else: nothing of it is believed
    /// either. That is for adversaries; an honest host leaves it as it is.
    fn amend(&mut self, hint: &Hint, values: &mut [F]) {
        let _ = (hint, values);
    }
}

/// A host for code that asks nothing.
#[derive(Clone, Copy, Debug)]
pub struct NoHost;

impl Host for NoHost {
    fn answer(&mut self, question: u32, _: &mut Context<'_>) -> Result<(), HostError> {
        Err(format!("question {question}: there is no host").into())
    }
}

/// How much of a machine a run takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Instructions.
    pub cycles: usize,
    /// Permutations.
    pub hashes: usize,
    /// Words of memory.
    pub words: usize,
}

impl Usage {
    /// What is left of a capacity.
    #[must_use]
    pub fn left(&self, capacity: &Capacity) -> Self {
        Self {
            cycles: capacity.cycles().saturating_sub(self.cycles),
            hashes: capacity.hashes().saturating_sub(self.hashes),
            words: capacity.words().saturating_sub(self.words),
        }
    }
}

/// What a host sees of a run when it is asked.
#[derive(Debug)]
pub struct Context<'a> {
    /// Memory.
    pub memory: &'a mut Memory,
    /// What the run may still take.
    pub left: Usage,
    operands: &'a [Operand],
    frame: u32,
}

impl Context<'_> {
    /// The value of what is asked about.
    ///
    /// # Errors
    /// [`MemoryError::Empty`] when it is not known.
    ///
    /// # Panics
    /// When the question has no such operand.
    pub fn value(&self, operand: usize) -> Result<F, MemoryError> {
        match self.operands[operand] {
            Operand::Cell(offset) => self.memory.read(self.frame + offset),
            Operand::Constant(value) => Ok(value),
            Operand::Address(offset) => Ok(F::from_u32(self.frame + offset)),
        }
    }

    /// The same as an address.
    ///
    /// # Errors
    /// [`MemoryError::Empty`], [`MemoryError::Range`].
    ///
    /// # Panics
    /// When the question has no such operand.
    pub fn address(&self, operand: usize) -> Result<u32, MemoryError> {
        self.memory.address(self.value(operand)?)
    }

    /// Writes elements to new words; their address.
    ///
    /// # Errors
    /// [`MemoryError::Full`].
    pub fn place(&mut self, elements: &[F]) -> Result<F, MemoryError> {
        // More than there can be is refused.
        let words = u32::try_from(elements.len().div_ceil(WORD)).unwrap_or(u32::MAX);
        let address = self.memory.allocate(words)?;
        self.memory.write_all(address, elements)?;
        Ok(F::from_u32(address))
    }

    /// Sets a cell of the answer.
    ///
    /// # Errors
    /// [`MemoryError::Taken`] when it holds something else.
    ///
    /// # Panics
    /// When the operand is not a cell.
    pub fn set(&mut self, operand: usize, value: F) -> Result<(), MemoryError> {
        let Operand::Cell(offset) = self.operands[operand] else { panic!("operand {operand} is not a cell") };
        self.memory.write(self.frame + offset, value)
    }
}

/// Why a run ends before it is complete.
#[derive(Debug, Error)]
pub enum ExecuteError {
    /// What an instruction says is not so.
    #[error("{function}, instruction {pc} ({instruction}): expected {expected}, got {got}")]
    Violated {
        /// The function.
        function: String,
        /// The instruction's place.
        pc: u32,
        /// The instruction.
        instruction: Box<Instruction>,
        /// What it says.
        expected: F,
        /// What is so.
        got: F,
    },
    /// An instruction has more than one unknown.
    #[error("{function}, instruction {pc} ({instruction}): more than one value is unknown")]
    Undetermined {
        /// The function.
        function: String,
        /// The instruction's place.
        pc: u32,
        /// The instruction.
        instruction: Box<Instruction>,
    },
    /// Memory cannot be used as an instruction or hint wants.
    #[error("{function}, instruction {pc} ({instruction}): {source}")]
    Memory {
        /// The function.
        function: String,
        /// The instruction's place.
        pc: u32,
        /// The instruction.
        instruction: Box<Instruction>,
        /// Why.
        source: MemoryError,
    },
    /// There is no such instruction.
    #[error("expected a place below {instructions}, got a jump to {pc}")]
    Jump {
        /// The instructions.
        instructions: usize,
        /// Where the run would go.
        pc: F,
    },
    /// The host has no answer.
    #[error("{function}, question {question}: {source}")]
    Host {
        /// The function.
        function: String,
        /// The question.
        question: u32,
        /// Its reason.
        source: HostError,
    },
    /// The run takes more than the machine has.
    #[error("{what}: expected at most {max}")]
    Capacity {
        /// What runs out.
        what: &'static str,
        /// How much there is.
        max: usize,
    },
}

/// A permutation that was asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HashCall {
    pub pointers: [F; 3],
    pub permute: bool,
}

/// A complete run: all that its traces follow from.
#[derive(Debug)]
#[must_use]
pub struct Execution {
    pub(crate) memory: Memory,
    /// `pc` and `fp` of each instruction that ran.
    pub(crate) steps: Vec<[u32; 2]>,
    pub(crate) hashes: Vec<HashCall>,
}

impl Execution {
    /// What the run exposes.
    pub fn public_values(&self) -> [F; PUBLIC_VALUES] {
        std::array::from_fn(|index| self.memory.get(index as u32).unwrap_or_default())
    }

    /// What the run took.
    #[must_use]
    pub fn usage(&self) -> Usage {
        usage(&self.memory, self.steps.len(), self.hashes.len())
    }
}

fn usage(memory: &Memory, cycles: usize, hashes: usize) -> Usage {
    Usage { cycles, hashes, words: (memory.used() as usize).div_ceil(WORD) }
}

/// Why one step is not possible; the run knows where.
enum Fault {
    Memory(MemoryError),
    Violated { expected: F, got: F },
    Undetermined,
    Jump(F),
    Host { question: u32, source: HostError },
    Capacity { what: &'static str, max: usize },
}

impl From<MemoryError> for Fault {
    fn from(error: MemoryError) -> Self {
        Self::Memory(error)
    }
}

pub(crate) fn execute(code: &Code, capacity: &Capacity, host: &mut dyn Host) -> Result<Execution, ExecuteError> {
    let cells_max = (capacity.words() * WORD) as u32;
    let mut run = Run {
        code,
        capacity,
        permutation: permutation(),
        memory: Memory::new(cells_max, code.first_cells),
        steps: Vec::new(),
        hashes: Vec::new(),
        pc: 1,
        fp: FIRST_FRAME,
    };
    while run.pc != 0 {
        run.step(host).map_err(|fault| run.locate(fault))?;
    }
    Ok(Execution { memory: run.memory, steps: run.steps, hashes: run.hashes })
}

struct Run<'a> {
    code: &'a Code,
    capacity: &'a Capacity,
    permutation: Perm,
    memory: Memory,
    steps: Vec<[u32; 2]>,
    hashes: Vec<HashCall>,
    pc: u32,
    fp: u32,
}

impl Run<'_> {
    fn step(&mut self, host: &mut dyn Host) -> Result<(), Fault> {
        let (code, pc) = (self.code, self.pc as usize);
        // The last row of the table is the end of the run.
        if self.steps.len() + 1 >= self.capacity.cycles() {
            return Err(Fault::Capacity { what: "cycles", max: self.capacity.cycles() });
        }
        self.steps.push([self.pc, self.fp]);
        for hint in &code.hints[pc] {
            self.take(hint, host)?;
        }
        let Instruction { op, a, b, c } = code.instructions[pc];
        self.pc += 1;
        match op {
            Op::Add => self.solve(a, b, c, |a, b| a + b, |c, a| Some(c - a)),
            Op::Mul => self.solve(a, b, c, |a, b| a * b, |c, a| a.try_inverse().map(|inverse| c * inverse)),
            Op::Load => {
                let target = self.memory.address(self.known(a)? + b.field())?;
                match (self.memory.get(target), self.value(c)?) {
                    (Some(value), _) => self.fix(c, value),
                    (None, Some(value)) => Ok(self.memory.write(target, value)?),
                    (None, None) => Err(Fault::Undetermined),
                }
            }
            Op::Range => {
                let value = self.known(a)?;
                let (got, max) = (value.as_canonical_u32(), c.field().as_canonical_u32());
                if got > max { Err(Fault::Violated { expected: c.field(), got: value }) } else { Ok(()) }
            }
            Op::Jump => {
                let condition = self.known(a)?;
                if condition.is_zero() {
                    return Ok(());
                }
                if !condition.is_one() {
                    return Err(Fault::Violated { expected: F::ONE, got: condition });
                }
                let (target, frame) = (self.known(b)?, self.known(c)?);
                if target.as_canonical_u32() as usize >= code.instructions.len() {
                    return Err(Fault::Jump(target));
                }
                self.pc = target.as_canonical_u32();
                self.fp = self.memory.address(frame)?;
                Ok(())
            }
            Op::Hash => self.hash(a, b, c, false),
            Op::Permute => self.hash(a, b, c, true),
        }
    }

    /// One of three values from the others.
    fn solve(
        &mut self,
        a: Operand,
        b: Operand,
        c: Operand,
        forward: impl Fn(F, F) -> F,
        back: impl Fn(F, F) -> Option<F>,
    ) -> Result<(), Fault> {
        match (self.value(a)?, self.value(b)?, self.value(c)?) {
            (Some(left), Some(right), _) => self.fix(c, forward(left, right)),
            (Some(known), None, Some(result)) => {
                let value = back(result, known).ok_or(Fault::Undetermined)?;
                self.fix(b, value)
            }
            (None, Some(known), Some(result)) => {
                let value = back(result, known).ok_or(Fault::Undetermined)?;
                self.fix(a, value)
            }
            _ => Err(Fault::Undetermined),
        }
    }

    fn hash(&mut self, a: Operand, b: Operand, c: Operand, permute: bool) -> Result<(), Fault> {
        if self.hashes.len() >= self.capacity.hashes() {
            return Err(Fault::Capacity { what: "hashes", max: self.capacity.hashes() });
        }
        let (left, right) = (self.known(a)?, self.known(b)?);
        let out = if let Some(out) = self.value(c)? {
            out
        } else {
            let out = F::from_u32(self.memory.allocate(if permute { 2 } else { 1 })?);
            self.fix(c, out)?;
            out
        };
        let mut state = [F::ZERO; 2 * WORD];
        state[..WORD].copy_from_slice(&self.memory.read_word(self.memory.address(left)?)?);
        state[WORD..].copy_from_slice(&self.memory.read_word(self.memory.address(right)?)?);
        self.permutation.permute_mut(&mut state);
        let address = self.memory.address(out)?;
        if !address.is_multiple_of(WORD as u32) {
            return Err(MemoryError::Unaligned { address }.into());
        }
        self.memory.write_all(address, if permute { &state } else { &state[..WORD] })?;
        self.hashes.push(HashCall { pointers: [left, right, out], permute });
        Ok(())
    }

    fn take(&mut self, hint: &Hint, host: &mut dyn Host) -> Result<(), Fault> {
        let integer = |run: &Self, operand: Operand| Ok::<_, Fault>(run.known(operand)?.as_canonical_u32());
        match hint {
            Hint::Frame { to, function } => {
                let words = self.code.functions[*function].frame_cells.div_ceil(WORD as u32);
                let address = self.memory.allocate(words)?;
                self.note(hint, host, [*to], [F::from_u32(address)])
            }
            Hint::Words { to, words } => {
                let words = integer(self, *words)?;
                let address = self.memory.allocate(words)?;
                self.note(hint, host, [*to], [F::from_u32(address)])
            }
            Hint::Divide { from, by, quotient, remainder } => {
                let value = integer(self, *from)?;
                self.note(hint, host, [*quotient, *remainder], [value / by, value % by].map(F::from_u32))
            }
            Hint::Inverse { from, inverse, is_zero } => {
                let value = self.known(*from)?;
                let values = [value.try_inverse().unwrap_or_default(), F::from_bool(value.is_zero())];
                self.note(hint, host, [*inverse, *is_zero], values)
            }
            Hint::AtMost { a, b, to } => {
                let at_most = integer(self, *a)? <= integer(self, *b)?;
                self.note(hint, host, [*to], [F::from_bool(at_most)])
            }
            Hint::Host { question, operands } => {
                let left = usage(&self.memory, self.steps.len(), self.hashes.len()).left(self.capacity);
                let mut context = Context { memory: &mut self.memory, left, operands, frame: self.fp };
                host.answer(*question, &mut context).map_err(|source| Fault::Host { question: *question, source })
            }
        }
    }

    /// Writes the machine's own answer to a hint, or what the host makes of it.
    fn note<const N: usize>(
        &mut self,
        hint: &Hint,
        host: &mut dyn Host,
        cells: [u32; N],
        mut values: [F; N],
    ) -> Result<(), Fault> {
        host.amend(hint, &mut values);
        cells.iter().zip(values).try_for_each(|(cell, value)| Ok(self.memory.write(self.fp + cell, value)?))
    }

    /// An operand's value, if it is known.
    fn value(&self, operand: Operand) -> Result<Option<F>, Fault> {
        Ok(match operand {
            Operand::Cell(offset) => self.memory.get(self.fp + offset),
            Operand::Constant(value) => Some(value),
            Operand::Address(offset) => Some(F::from_u32(self.fp + offset)),
        })
    }

    fn known(&self, operand: Operand) -> Result<F, Fault> {
        match operand {
            Operand::Cell(offset) => Ok(self.memory.read(self.fp + offset)?),
            _ => self.value(operand)?.ok_or(Fault::Undetermined),
        }
    }

    /// Sets an operand that is a cell, or finds that it has this value.
    fn fix(&mut self, operand: Operand, got: F) -> Result<(), Fault> {
        if let Some(expected) = self.value(operand)? {
            return if expected == got { Ok(()) } else { Err(Fault::Violated { expected, got }) };
        }
        match operand {
            Operand::Cell(offset) => Ok(self.memory.write(self.fp + offset, got)?),
            _ => Ok(()),
        }
    }

    fn locate(&self, fault: Fault) -> ExecuteError {
        let pc = self.steps.last().map_or(self.pc, |[pc, _]| *pc);
        let function = self.code.function_at(pc as usize).to_owned();
        let instruction = Box::new(self.code.instructions[pc as usize]);
        match fault {
            Fault::Memory(source) => ExecuteError::Memory { function, pc, instruction, source },
            Fault::Violated { expected, got } => ExecuteError::Violated { function, pc, instruction, expected, got },
            Fault::Undetermined => ExecuteError::Undetermined { function, pc, instruction },
            Fault::Jump(pc) => ExecuteError::Jump { instructions: self.code.instructions.len(), pc },
            Fault::Host { question, source } => ExecuteError::Host { function, question, source },
            Fault::Capacity { what, max } => ExecuteError::Capacity { what, max },
        }
    }
}
