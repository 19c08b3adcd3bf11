//! The cycles: an instruction that ran a row.
//!
//! # Columns
//!
//! | columns | what |
//! |---|---|
//! | 0, 1 | pc, fp |
//! | 2, 3, 4 | a, b, c: the operands' numbers |
//! | 5..11 | for each operand two flags: constant, address; none is a cell |
//! | 11..18 | which instruction: add, mul, load, range, jump, hash, permute |
//! | 18, 19, 20 | A, B, C: the operands' values |
//! | 21, 22 | where B and C are read |
//!
//! # Constraints
//!
//! For each operand X with number x and flags k (constant), r (address): (k + r) · (X − x) = r · fp.
//!
//! - address of B = fp + b + (load + range) · (A − fp): a load reads at A + b, a range (whose b is 0) at A
//! - address of C = fp + c − range · (A + fp): a range reads at c − A
//! - add · (A + B − C) = 0; mul · (A · B − C) = 0; load · (B − C) = 0; jump · A · (A − 1) = 0
//! - pc′ = pc + 1 + jump · A · (B − pc − 1); fp′ = fp + jump · A · (C − fp)
//! - first row: pc = 1, fp = 64; last row: pc = 0
//!
//! All are of degree 3 at most. Each operand that is neither constant nor address takes (its address, its value) from `cell`.

use p3_air::{AirBuilder, WindowAccess};
use p3_field::{Dup, PrimeCharacteristicRing, PrimeField32};
use p3_lookup::InteractionBuilder;
use rayon::prelude::*;
use sinter_program::F;

use super::{code, main_row, take};
use crate::execute::Execution;
use crate::{Code, FIRST_FRAME, Instruction, Op, Operand};

const PC: usize = 0;
const FP: usize = 1;
const NUMBERS: usize = 2;
const MODES: usize = NUMBERS + 3;
const OPS: usize = MODES + 6;
const VALUES: usize = OPS + Op::ALL.len();
const ADDRESSES: usize = VALUES + 3;
/// Columns.
pub(crate) const WIDTH: usize = ADDRESSES + 2;

pub(crate) fn eval<AB: InteractionBuilder<F = F>>(builder: &mut AB) {
    let row = main_row(builder);
    let (next_pc, next_fp): (AB::Expr, AB::Expr) = {
        let main = builder.main();
        (main.next_slice()[PC].into(), main.next_slice()[FP].into())
    };
    let one = AB::Expr::ONE;
    let (pc, fp) = (row[PC].dup(), row[FP].dup());
    let [a, b, c] = std::array::from_fn(|operand| row[VALUES + operand].dup());
    let [address_b, address_c] = std::array::from_fn(|operand| row[ADDRESSES + operand].dup());
    let op = |op: Op| row[OPS + op as usize].dup();

    for operand in 0..3 {
        let (constant, address) = (row[MODES + 2 * operand].dup(), row[MODES + 2 * operand + 1].dup());
        let difference = row[VALUES + operand].dup() - row[NUMBERS + operand].dup();
        builder.assert_zero((constant + address.dup()) * difference - address * fp.dup());
    }
    let indirect = op(Op::Load) + op(Op::Range);
    builder.assert_zero(address_b.dup() - fp.dup() - row[NUMBERS + 1].dup() - indirect * (a.dup() - fp.dup()));
    builder.assert_zero(address_c.dup() - fp.dup() - row[NUMBERS + 2].dup() + op(Op::Range) * (a.dup() + fp.dup()));

    builder.assert_zero(op(Op::Add) * (a.dup() + b.dup() - c.dup()));
    builder.assert_zero(op(Op::Mul) * (a.dup() * b.dup() - c.dup()));
    builder.assert_zero(op(Op::Load) * (b.dup() - c.dup()));
    let taken = op(Op::Jump) * a.dup();
    builder.assert_zero(taken.dup() * (a.dup() - one.dup()));

    let following = pc.dup() + one;
    builder.when_transition().assert_zero(next_pc - following.dup() - taken.dup() * (b.dup() - following));
    builder.when_transition().assert_zero(next_fp - fp.dup() - taken * (c.dup() - fp.dup()));
    builder.when_first_row().assert_eq(pc.dup(), AB::Expr::ONE);
    builder.when_first_row().assert_eq(fp.dup(), AB::Expr::from_u32(FIRST_FRAME));
    builder.when_last_row().assert_zero(pc.dup());

    let mut instruction = vec![pc];
    instruction.extend(row[NUMBERS..VALUES].iter().map(Dup::dup));
    take(builder, "code", instruction, AB::Expr::ONE);
    let address_a = fp + row[NUMBERS].dup();
    for (operand, (address, value)) in
        [(address_a, a.dup()), (address_b, b.dup()), (address_c, c.dup())].into_iter().enumerate()
    {
        let is_cell = AB::Expr::ONE - row[MODES + 2 * operand].dup() - row[MODES + 2 * operand + 1].dup();
        take(builder, "cell", vec![address, value], is_cell);
    }
    take(builder, "hash", vec![a, b, c, op(Op::Permute)], op(Op::Hash) + op(Op::Permute));
}

/// The trace of a run, filled up with instruction 0.
pub(crate) fn fill(trace: &mut [F], code: &Code, execution: &Execution) {
    let rest = execution.steps.last().map_or(FIRST_FRAME, |&[pc, fp]| frame_after(code, execution, pc, fp));
    let numbers = code::rows(code);
    trace.par_chunks_exact_mut(WIDTH).enumerate().with_min_len(1024).for_each(|(at, row)| {
        let [pc, fp] = execution.steps.get(at).copied().unwrap_or([0, rest]);
        row[PC] = F::from_u32(pc);
        row[FP] = F::from_u32(fp);
        row[NUMBERS..VALUES].copy_from_slice(&numbers[pc as usize][1..]);
        let reads = reads(&code.instructions[pc as usize], fp, |address| execution.memory.finished(address));
        for (operand, (address, value)) in reads.into_iter().enumerate() {
            row[VALUES + operand] = value;
            if operand > 0 {
                row[ADDRESSES + operand - 1] = address;
            }
        }
    });
}

/// Where each operand of an instruction would be read, and its value.
pub(crate) fn reads(instruction: &Instruction, fp: u32, memory: impl Fn(F) -> F) -> [(F, F); 3] {
    let fp = F::from_u32(fp);
    let value = |operand: Operand, address: F| match operand {
        Operand::Cell(_) => memory(address),
        Operand::Constant(value) => value,
        Operand::Address(_) => fp + operand.field(),
    };
    let Instruction { op, a, b, c } = *instruction;
    let address_a = fp + a.field();
    let value_a = value(a, address_a);
    let address_b = if matches!(op, Op::Load | Op::Range) { value_a } else { fp } + b.field();
    let address_c = if op == Op::Range { c.field() - value_a } else { fp + c.field() };
    [(address_a, value_a), (address_b, value(b, address_b)), (address_c, value(c, address_c))]
}

/// The frame in which a run ends.
fn frame_after(code: &Code, execution: &Execution, pc: u32, fp: u32) -> u32 {
    let instruction = &code.instructions[pc as usize];
    let [_, _, (_, frame)] = reads(instruction, fp, |address| execution.memory.finished(address));
    if instruction.op == Op::Jump { frame.as_canonical_u32() } else { fp }
}
