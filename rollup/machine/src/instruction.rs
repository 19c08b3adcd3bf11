//! The instructions, and how they stand in the code table.

use std::fmt;

use p3_field::{PrimeCharacteristicRing, PrimeField32};
use sinter_program::F;

/// What an instruction says of its operands' values; see the crate's first lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Op {
    /// A + B = C.
    Add,
    /// A · B = C.
    Mul,
    /// m\[A + b\] = C.
    Load,
    /// 0 ≤ A ≤ c.
    Range,
    /// If A = 1, go on at B in the frame C.
    Jump,
    /// m\[C..\] = the first half of P(m\[A..\] ‖ m\[B..\]).
    Hash,
    /// m\[C..\] = P(m\[A..\] ‖ m\[B..\]).
    Permute,
}

impl Op {
    /// All of them, in the order of their flags in the code table.
    pub const ALL: [Self; 7] = [Self::Add, Self::Mul, Self::Load, Self::Range, Self::Jump, Self::Hash, Self::Permute];

    const fn name(self) -> &'static str {
        match self {
            Self::Add => "add",
            Self::Mul => "mul",
            Self::Load => "load",
            Self::Range => "range",
            Self::Jump => "jump",
            Self::Hash => "hash",
            Self::Permute => "permute",
        }
    }
}

/// Where an operand's value comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operand {
    /// m\[fp + offset\].
    Cell(u32),
    /// The constant itself.
    Constant(F),
    /// fp + offset.
    Address(u32),
}

impl Operand {
    /// The number that stands in the code.
    pub(crate) fn field(self) -> F {
        match self {
            Self::Cell(offset) | Self::Address(offset) => F::from_u32(offset),
            Self::Constant(value) => value,
        }
    }

    /// Its two flags: whether the value is the number itself, or the number and fp.
    pub(crate) const fn flags(self) -> [bool; 2] {
        [matches!(self, Self::Constant(_)), matches!(self, Self::Address(_))]
    }
}

impl fmt::Display for Operand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cell(offset) => write!(f, "[{offset}]"),
            Self::Constant(value) => write!(f, "{}", value.as_canonical_u32()),
            Self::Address(offset) => write!(f, "&{offset}"),
        }
    }
}

/// One instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Instruction {
    /// What it says.
    pub op: Op,
    /// The first operand.
    pub a: Operand,
    /// The second.
    pub b: Operand,
    /// The third.
    pub c: Operand,
}

impl Instruction {
    /// Instruction 0: a complete run stays there.
    pub(crate) const HALT: Self =
        Self { op: Op::Jump, a: Operand::Constant(F::ONE), b: Operand::Constant(F::ZERO), c: Operand::Address(0) };

    /// The operands.
    pub(crate) const fn operands(&self) -> [Operand; 3] {
        [self.a, self.b, self.c]
    }
}

impl fmt::Display for Instruction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {} {}", self.op.name(), self.a, self.b, self.c)
    }
}
