//! The code: an instruction a row, all of it preprocessed.
//!
//! Main (1): how often the instruction ran. Preprocessed (17): its place, the numbers of its operands, two flags for each
//! (constant, address), and seven of which one says which instruction it is. No constraints. Behind the code stands
//! instruction 0 again, at its own place.

use p3_field::{Dup, PrimeCharacteristicRing};
use p3_lookup::InteractionBuilder;
use p3_matrix::dense::RowMajorMatrix;
use sinter_program::F;

use super::{main_row, preprocessed_row, provide};
use crate::{Code, Instruction, Op};

/// Main columns.
pub(crate) const WIDTH: usize = 1;
/// Preprocessed columns.
pub(crate) const PREPROCESSED: usize = 1 + 3 + 6 + Op::ALL.len();

/// The code's rows.
pub(crate) fn rows(code: &Code) -> Vec<[F; PREPROCESSED]> {
    code.instructions.iter().enumerate().map(|(pc, instruction)| encode(pc, instruction)).collect()
}

fn encode(pc: usize, instruction: &Instruction) -> [F; PREPROCESSED] {
    let mut row = [F::ZERO; PREPROCESSED];
    row[0] = F::from_usize(pc);
    for (operand, at) in instruction.operands().into_iter().zip(0..) {
        row[1 + at] = operand.field();
        for (flag, column) in operand.flags().into_iter().zip(4 + 2 * at..) {
            row[column] = F::from_bool(flag);
        }
    }
    row[10 + instruction.op as usize] = F::ONE;
    row
}

pub(crate) fn preprocessed(code: &Code, height: usize) -> RowMajorMatrix<F> {
    let mut rows = rows(code);
    rows.resize(height, encode(0, &Instruction::HALT));
    RowMajorMatrix::new(rows.into_flattened(), PREPROCESSED)
}

pub(crate) fn eval<AB: InteractionBuilder<F = F>>(builder: &mut AB) {
    let count = main_row(builder)[0].dup();
    let instruction = preprocessed_row(builder);
    provide(builder, "code", instruction, count);
}
