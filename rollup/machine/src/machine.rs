//! A machine: code, and how long its runs may be, as a program.

use p3_field::PrimeField32;
use p3_matrix::dense::RowMajorMatrix;
use sinter_program::dag::ExportError;
use sinter_program::{DagAir, F, ParameterSet, Program, ProgramError, StatementLayout};
use std::sync::Arc;
use thiserror::Error;

use crate::execute::{Execution, execute};
use crate::tables::{Kind, Table, code, cycles, hashes, memory, publics};
use crate::{Code, ExecuteError, Host, Op, PUBLIC_VALUES, WORD};

/// How long the runs of a machine may be: heights of its tables, so part of the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Capacity {
    /// log2 of the instructions.
    pub log_cycles: u8,
    /// log2 of the permutations.
    pub log_hashes: u8,
    /// log2 of the words of memory.
    pub log_words: u8,
}

impl Capacity {
    /// Instructions, of which the last is instruction 0.
    #[must_use]
    pub const fn cycles(&self) -> usize {
        1 << self.log_cycles
    }

    /// Permutations.
    #[must_use]
    pub const fn hashes(&self) -> usize {
        1 << self.log_hashes
    }

    /// Words of memory.
    #[must_use]
    pub const fn words(&self) -> usize {
        1 << self.log_words
    }
}

/// Why code is no machine.
#[derive(Debug, Error)]
pub enum MachineError {
    /// The capacity is beyond what the tables' soundness allows.
    #[error("{what}: expected 2^{min} to 2^{max}, got 2^{got}")]
    Capacity {
        /// Of what.
        what: &'static str,
        /// The least.
        min: u8,
        /// The most.
        max: u8,
        /// What was asked for.
        got: u8,
    },
    /// A range that is longer than memory says nothing.
    #[error("instruction {pc}: expected a range below {cells}, the cells of memory, got {got}")]
    Range {
        /// The instruction.
        pc: usize,
        /// The cells of memory.
        cells: u32,
        /// The range.
        got: u32,
    },
    /// A table cannot be written down.
    #[error(transparent)]
    Export(#[from] ExportError),
    /// The tables are no program.
    #[error(transparent)]
    Program(#[from] ProgramError),
}

/// Code with a capacity, as a program.
#[derive(Debug)]
pub struct Machine {
    code: Code,
    capacity: Capacity,
    program: Program,
}

impl Machine {
    /// The program of `code` for runs of at most `capacity`.
    ///
    /// # Errors
    /// [`MachineError`].
    pub fn new(code: Code, capacity: Capacity, parameters: ParameterSet) -> Result<Self, MachineError> {
        check(&code, &capacity)?;
        let smallest = parameters.min_log_height();
        let log_code = (code.instructions.len().next_power_of_two().ilog2() as u8).max(smallest);
        let log_publics = smallest.max(publics::LOG_WORDS);
        let log_heights = [capacity.log_cycles, capacity.log_words, capacity.log_hashes, log_code, log_publics];
        let tables = [
            (Kind::Cycles, None),
            (Kind::Memory, Some(memory::preprocessed(capacity.words()))),
            (Kind::Hashes, None),
            (Kind::Code, Some(code::preprocessed(&code, 1 << log_code))),
            (Kind::Publics, Some(publics::preprocessed(1 << log_publics))),
        ];
        let tables = tables.map(|(kind, preprocessed)| Table { kind, preprocessed: preprocessed.map(Arc::new) });
        let airs = tables.iter().map(DagAir::from_air).collect::<Result<_, _>>()?;
        let (program, _) = Program::build(airs, log_heights.to_vec(), parameters, StatementLayout::Raw)?;
        Ok(Self { code, capacity, program })
    }

    /// The code.
    #[must_use]
    pub const fn code(&self) -> &Code {
        &self.code
    }

    /// How long runs may be.
    #[must_use]
    pub const fn capacity(&self) -> &Capacity {
        &self.capacity
    }

    /// The program whose proofs say that a run was complete.
    #[must_use]
    pub const fn program(&self) -> &Program {
        &self.program
    }

    /// Runs the code.
    ///
    /// # Errors
    /// [`ExecuteError`] where the run cannot go on: what the code demands is not so, the host has no answer, or the
    /// capacity is used up.
    pub fn execute(&self, host: &mut dyn Host) -> Result<Execution, ExecuteError> {
        execute(&self.code, &self.capacity, host)
    }

    /// The traces of the program's tables for a run, which a prover takes with its public values.
    #[must_use]
    pub fn traces(&self, execution: &Execution) -> Vec<RowMajorMatrix<F>> {
        let widths = [cycles::WIDTH, memory::WIDTH, hashes::WIDTH, code::WIDTH, publics::WIDTH];
        let mut traces: Vec<RowMajorMatrix<F>> = widths
            .iter()
            .zip(self.program.log_heights())
            .map(|(&width, &log_height)| RowMajorMatrix::new(vec![F::default(); width << log_height], width))
            .collect();
        let reads = Reads::count(&self.code, &self.capacity, execution);
        cycles::fill(&mut traces[0].values, &self.code, execution);
        memory::fill(&mut traces[1].values, &execution.memory, &reads.cells, &reads.words);
        hashes::fill(&mut traces[2].values, execution);
        for (column, &runs) in traces[3].values.iter_mut().zip(&reads.code) {
            *column = F::new(runs);
        }
        publics::fill(&mut traces[4].values, &execution.public_values());
        traces
    }
}

fn check(code: &Code, capacity: &Capacity) -> Result<(), MachineError> {
    // Far below p with all that is taken from a bus, and below p / 2 for a range's two addresses.
    for (what, min, max, got) in [
        ("cycles", 1, 24, capacity.log_cycles),
        ("hashes", 0, 22, capacity.log_hashes),
        // The public values are words of memory.
        ("words of memory", publics::LOG_WORDS, 22, capacity.log_words),
    ] {
        if !(min..=max).contains(&got) {
            return Err(MachineError::Capacity { what, min, max, got });
        }
    }
    let cells = (capacity.words() * WORD) as u32;
    for (pc, instruction) in code.instructions.iter().enumerate() {
        let got = instruction.c.field().as_canonical_u32();
        if instruction.op == Op::Range && got >= cells {
            return Err(MachineError::Range { pc, cells, got });
        }
    }
    Ok(())
}

/// How often everything is taken from the buses.
struct Reads {
    cells: Vec<u32>,
    words: Vec<u32>,
    code: Vec<u32>,
}

impl Reads {
    fn count(code: &Code, capacity: &Capacity, execution: &Execution) -> Self {
        let mut reads = Self {
            cells: vec![0; capacity.words() * WORD],
            words: vec![0; capacity.words()],
            code: vec![0; code.instructions.len()],
        };
        for &[pc, fp] in &execution.steps {
            reads.code[pc as usize] += 1;
            let instruction = &code.instructions[pc as usize];
            let places = cycles::reads(instruction, fp, |address| execution.memory.finished(address));
            for (operand, (address, _)) in instruction.operands().into_iter().zip(places) {
                if operand.flags() == [false, false] {
                    reads.cells[address.as_canonical_u32() as usize] += 1;
                }
            }
        }
        reads.code[0] += (capacity.cycles() - execution.steps.len()) as u32;
        for call in &execution.hashes {
            let [left, right, out] = call.pointers.map(|pointer| pointer.as_canonical_u32() as usize / WORD);
            for word in [Some(left), Some(right), Some(out), call.permute.then_some(out + 1)].into_iter().flatten() {
                reads.words[word] += 1;
            }
        }
        for word in &mut reads.words[..PUBLIC_VALUES / WORD] {
            *word += 1;
        }
        reads
    }
}
