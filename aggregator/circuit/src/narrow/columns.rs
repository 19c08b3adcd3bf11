//! The columns of the narrow table, by name.

use crate::field::DEGREE;
use crate::tables::poseidon2::STATE;

/// Main columns: the permutation's state where the row begins.
pub(crate) const S: usize = 0;
/// Main columns: states, or lane 0 after S-boxes, inside the row.
pub(crate) const M: usize = S + STATE;
/// Committed values inside a row.
pub(crate) const MIDS: usize = 36;
/// Main columns: the four cells a, b, c, d.
pub(crate) const CELLS: usize = M + MIDS;
/// Cells of a row.
pub(crate) const SLOTS: usize = 4;
/// Main column: index of the Merkle node that the permutation computes.
pub(crate) const INDEX: usize = CELLS + SLOTS * DEGREE;
/// Main column: what is added to the addresses of a and b.
pub(crate) const SHIFT: usize = INDEX + 1;
/// Main columns.
pub(crate) const WIDTH: usize = SHIFT + 1;
/// Main column of a row that may be read dynamically: how often it is.
pub(crate) const READS: usize = M + 2 * STATE;

/// First main column of a cell.
pub(crate) const fn cell(slot: usize) -> usize {
    CELLS + slot * DEGREE
}

/// Preprocessed columns: the first four of a permutation's rows, A to D.
pub(crate) const PART: usize = 0;
/// Rows of a permutation.
pub(crate) const PARTS: usize = 4;
/// Preprocessed column of row A: a sponge's first permutation.
pub(crate) const FRESH: usize = PART + PARTS;
/// Preprocessed column of row A: a sponge's other permutations.
pub(crate) const CONT: usize = FRESH + 1;
/// Preprocessed column of row A: lanes not absorbed keep their value.
pub(crate) const KEEP: usize = CONT + 1;
/// Preprocessed column. Row A: what is added to lane 8; row B: lane 7 is absorbed; window: five limbs.
pub(crate) const TAG: usize = KEEP + 1;
/// Preprocessed column of row A: a Merkle step.
pub(crate) const MERKLE: usize = TAG + 1;
/// Preprocessed columns z_0 … z_7. Row A: lane is not absorbed; window: one flag, of k; constant: five limbs, then the
/// number of the public group; bits: `last`, `high`, γ.
pub(crate) const Z: usize = MERKLE + 1;
/// Preprocessed column of row A: c and d are Horner sums.
pub(crate) const HORNER_A: usize = Z + 8;
/// Preprocessed column of row B: d is the next row's Horner sum.
pub(crate) const HORNER_B: usize = HORNER_A + 1;
/// Preprocessed column: a·b + c = d.
pub(crate) const ALU: usize = HORNER_B + 1;
/// Preprocessed column of row B: a, b are the left half of the permutation's input.
pub(crate) const LEFT: usize = ALU + 1;
/// Preprocessed column of row B: c, d are the right half.
pub(crate) const RIGHT: usize = LEFT + 1;
/// Preprocessed column of row D: a, b are the output.
pub(crate) const OUT: usize = RIGHT + 1;
/// Preprocessed column of row D: c is the index, and twice the index is added to the addresses of a and b.
pub(crate) const AT: usize = OUT + 1;
/// Preprocessed column: one bit of a decomposition.
pub(crate) const BITS: usize = AT + 1;
/// Preprocessed column: d is a window over a, b, c.
pub(crate) const WINDOW: usize = BITS + 1;
/// Preprocessed column. Row B: lane 6 is absorbed; window: at least three limbs.
pub(crate) const THREE: usize = WINDOW + 1;
/// Preprocessed column: d is constant, or public.
pub(crate) const CONSTANT: usize = THREE + 1;
/// Preprocessed column: d may be read dynamically.
pub(crate) const BLOCK: usize = CONSTANT + 1;
/// Preprocessed columns: address and multiplicity of a, b, c, d.
pub(crate) const PORTS: usize = BLOCK + 1;
/// Preprocessed columns.
pub(crate) const PREP: usize = PORTS + 2 * SLOTS;

/// Preprocessed columns z of a row of the bits: bit 30, bits 24 to 29, γ.
pub(crate) const LAST: usize = Z;
/// See [`LAST`].
pub(crate) const HIGH: usize = Z + 1;
/// See [`LAST`].
pub(crate) const GAMMA: usize = Z + 2;
/// Preprocessed columns of a constant's row: three bits, the number of the public group.
pub(crate) const GROUP: usize = Z + DEGREE;
