//! A small machine whose runs are proved: what a rollup writes its rules for, once.
//!
//! A rollup's rules exist once, as this machine's code. The rollup's node runs the code, its prover proves that run, and
//! a proof's verifier knows the code by the program's digest: so executor, witness generator and circuit cannot disagree
//! about what is valid.
//!
//! # The machine
//!
//! Memory is **write-once**: a function from addresses to field elements that holds for the whole run. Nothing is ever
//! overwritten, so there is no order of reads and writes to prove, and a loop's every turn has a frame of its own. There
//! are two registers: `pc`, the instruction, and `fp`, the frame: a cell is named by its distance from `fp`.
//!
//! Seven instructions, each with three operands a, b, c ([`Operand`]: a cell of the frame, a constant, or the address of
//! a cell), whose values are A, B, C. m\[x\] is the memory at address x:
//!
//! | instruction | says |
//! |---|---|
//! | add | A + B = C |
//! | mul | A · B = C |
//! | load | m\[A + b\] = C, b being a constant |
//! | range | 0 ≤ A ≤ c, c being a constant: the addresses A and c − A exist |
//! | jump | A is 0 or 1; if it is 1, go on at B in the frame C |
//! | hash | m\[C..C + 8\] = the first half of P(m\[A..A + 8\] ‖ m\[B..B + 8\]), at multiples of 8 |
//! | permute | m\[C..C + 16\] = P(m\[A..A + 8\] ‖ m\[B..B + 8\]) |
//!
//! P is Poseidon2 of width 16. An instruction *says* something about memory and does not change it: an add whose sum is
//! known subtracts, a load is a store. What the machine does when it runs is find the one cell that is not known yet.
//! Cells that no instruction fixes are **hints**: the [`Host`] fills them in, and the code has to check what it got.
//!
//! A frame's place is a hint as well, as is any pointer to memory that is to be filled. That is sound: a prover who lets two
//! frames overlap only has more equations to satisfy with fewer cells.
//!
//! The first instruction is at `pc` 1; instruction 0 jumps to itself, and a run that ends there is complete. Cells 0 to 63
//! are the [public values](PUBLIC_VALUES).
//!
//! # From code to proof
//!
//! [`Assembler`] writes [`Code`]. [`Machine::new`] turns it into a `Program` for runs of a bounded [`Capacity`];
//! [`Machine::execute`] runs it with a host, and [`Machine::traces`] makes of the run what a prover takes.
//!
//! ```
//! use sinter_machine::{Assembler, Capacity, Machine, NoHost};
//! use sinter_program::{F, ParameterSet};
//! let mut assembler = Assembler::new();
//! assembler.main(|frame| {
//!     let six = frame.add(2, 4);
//!     let product = frame.mul(six, 7);
//!     frame.expose(0, product);
//! });
//! let capacity = Capacity { log_cycles: 7, log_hashes: 4, log_words: 7 };
//! let machine = Machine::new(assembler.finish()?, capacity, ParameterSet::DEV)?;
//! let run = machine.execute(&mut NoHost)?;
//! assert_eq!(run.public_values()[0], F::new(42));
//! // machine.program(), machine.traces(&run) and run.public_values() go to a prover.
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The idea of a machine with write-once memory is Cairo's (ePrint 2021/1063); range checks by addresses that must exist are
//! leanVM's.

#![deny(missing_docs)]

mod assembler;
mod execute;
mod frame;
mod instruction;
pub mod library;
mod machine;
mod memory;
mod tables;

pub use assembler::{Assembler, AssemblyError, Code, Function, Hint};
pub use execute::{Context, ExecuteError, Execution, Host, HostError, NoHost, Usage};
pub use frame::{Cell, Frame, Value, Word};
pub use instruction::{Instruction, Op, Operand};
pub use machine::{Capacity, Machine, MachineError};
pub use memory::{Memory, MemoryError};

/// Elements that a proof exposes: the first cells of memory.
pub const PUBLIC_VALUES: usize = 64;
/// Elements of a word, the unit in which memory is hashed.
pub const WORD: usize = 8;
/// Where the first frame stands, whose cells are the constants of the code: behind the public values.
pub const FIRST_FRAME: u32 = PUBLIC_VALUES as u32;
