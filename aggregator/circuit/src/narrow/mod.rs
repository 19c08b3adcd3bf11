//! The narrow layout: a circuit in one table of few columns, for proofs that are dear by the byte.
//!
//! A proof of a high blow-up is opened at few positions, but each of its columns is paid at each of them, and each
//! commitment's path too. The five tables have some 600 columns, at five heights. Here the same recorded operations stand in
//! one table of one height; a permutation takes four rows, and everything else stands in four **cells** of one extension
//! element that every row has.
//!
//! # Memory
//!
//! As in [the wide layout](crate::tables), ports on one LogUp bus, `memory`; but a port carries five limbs. A word at address
//! x of the wide layout has its limbs 0 to 4 at address 2x, and 5 to 7 (then two zeros) at 2x + 1, if a port reads them at
//! all. Where a port shows that a word has at most five limbs and another reads its upper limbs, a row with the constant zero
//! stands at 2x + 1. That ports of one address carry one tuple is shown as there.
//!
//! # Columns
//!
//! Main (74):
//!
//! | columns | what |
//! |---|---|
//! | 0..16 | s: the permutation's state |
//! | 16..52 | m: what is committed inside the row |
//! | 52..72 | the cells a, b, c, d, each a port |
//! | 72 | index of the Merkle node that the permutation computes |
//! | 73 | shift: what is added to the addresses of a and b |
//!
//! Preprocessed (37): `columns` names them. At most one of the kinds A, B, C, D, `bits`, `window`, `constant` is set on a row;
//! a row of none, and rows A to D whose cells are not taken, may have `alu`.
//!
//! # Rows of a permutation
//!
//! They stand in **reverse**: D, C, B, A from the top, so primed columns, which are the next row's, are those of the step
//! before, and of the permutation before on row A.
//!
//! | row | s | m_0 … m_15 | m_16 … m_31 | m_16 … m_35 |
//! |---|---|---|---|---|
//! | A | external layer of the input | after full round 0 | after full round 1 | |
//! | B | after full round 2 | after full round 3 | | lane 0 after the S-box of each partial round |
//! | C | after the partial rounds | after full round 4 | after full round 5 | |
//! | D | after full round 6 | output | | |
//!
//! With in = the inverse of the external layer of s, out = m_0 … m_15, and R(x, c) a full round: add constants, cube, external
//! layer:
//!
//! - **Rounds**: m_{0..16} = R(s, Σ kind · constants) (degree 3, on every row); (1 − B) · (m_{16..32} − R(m_{0..16}, …)) = 0 (4);
//!   B · (the 20 partial rounds from m_{0..16}) = 0 (4); (B + D) · (s − R(m′_{16..32}, …)) = 0 (4);
//!   C · (s − what the partial rounds leave of m′) = 0 (2)
//! - **Rate** (3), i in 0..8: z_i · (in_i − keep · out′_i) = 0
//! - **Capacity** (2), i in 0..8: (fresh + cont) · (in_{8+i} − \[i = 0\] tag) = cont · out′_{8+i}
//! - **Merkle** (3), with bit = a_0: merkle · (in_i + bit · (in_{8+i} − in_i) − out′_i) = 0; merkle · bit · (bit − 1) = 0;
//!   merkle · (index′ − 2 · index − bit) = 0
//! - **Index** (3): (B + C + D) · (index − index′) = 0; **inject**: keep · (1 − fresh − cont) · (index − index′) = 0;
//!   shift = at · 2 · index
//! - **Horner** (5): with v_i = (1 − z_i) · in_i, on row A: c = a · b³ + v_0 · b² + v_1 · b + v_2 and
//!   d = c · b³ + v_3 · b² + v_4 · b + v_5; on row B: d = d′ · b′² + three · in′_6 · b′ + tag · in′_7. a is the accumulator
//!   before, b is β, d of row B the accumulator after
//! - **Wires** (2): row B, `left`: a ‖ b = in′_{0..8}; `right`: c ‖ d = in′_{8..16}; row D, `out`: a ‖ b = out_{0..8}; `at`: c is
//!   (index, 0, 0, 0, 0). The limbs of b and d that have nothing to carry are zero
//!
//! What a permutation's flags mean together is the [Poseidon2 table's](crate::tables) table.
//!
//! # Other rows
//!
//! On these s is zero and keep is not set, so that z may serve them:
//!
//! - **alu** (3): a · b + c = d
//! - **bits** (4): a_0, b_0, c_0, d_0 are v, bit, x and ones of the wide layout's Bits table, z_0, z_1, z_2 its `last`, `high`
//!   and γ, with its constraints; the other limbs of a, b, c are zero
//! - **window** (4): d_i = μ_i · Σ_k z_k · AB\[k + i\], where AB is the limbs of a, then three of b, then those of c, μ_0 = 1,
//!   μ_1 = μ_2 = three, μ_3 = μ_4 = tag. A window of eight limbs is two rows
//! - **constant** (4): d_i = z_i + Σ_{g = 1..6} \[z_5 + 2 z_6 + 4 z_7 = g\] · P_{g,i}, where P_g is the lower, then the upper limbs
//!   of each of the three public words, the last of which is a base element
//! - **block**: the multiplicity of d is preprocessed + block · m_32: `reads` of the wide layout
//!
//! A row of nothing is zero. All constraints have degree at most 5, the bus's included, which puts four ports on one column:
//! four quotient chunks. No constraint knows first or last rows: what the table's last row would read of the first is read
//! under flags that it does not have.

mod columns;
mod eval;
mod layout;
mod rounds;
mod rows;
mod trace;

use std::sync::Arc;

use p3_air::{Air, BaseAir};
use p3_lookup::InteractionBuilder;
use p3_matrix::dense::RowMajorMatrix;

use crate::field::{F, LIMBS};

pub use layout::NarrowCircuit;

/// Public words of a narrow circuit: two of eight limbs, and a base element.
pub const NARROW_PUBLIC_WORDS: usize = 3;
/// Public values of a narrow circuit.
pub const NARROW_PUBLIC_VALUES: usize = 2 * LIMBS + 1;

/// The narrow table's AIR: its constraints, and its preprocessed columns when a circuit gave them.
#[derive(Clone, Debug)]
pub struct NarrowAir {
    preprocessed: Option<Arc<RowMajorMatrix<F>>>,
}

impl NarrowAir {
    /// The constraints with a circuit's preprocessed columns.
    #[must_use]
    pub const fn new(preprocessed: Arc<RowMajorMatrix<F>>) -> Self {
        Self { preprocessed: Some(preprocessed) }
    }

    /// The constraints alone: what all narrow circuits have in common.
    #[must_use]
    pub const fn shape() -> Self {
        Self { preprocessed: None }
    }
}

impl BaseAir<F> for NarrowAir {
    fn width(&self) -> usize {
        columns::WIDTH
    }

    fn preprocessed_trace(&self) -> Option<RowMajorMatrix<F>> {
        self.preprocessed.as_deref().cloned()
    }

    fn preprocessed_width(&self) -> usize {
        columns::PREP
    }

    fn preprocessed_next_row_columns(&self) -> Vec<usize> {
        Vec::new()
    }

    fn num_public_values(&self) -> usize {
        NARROW_PUBLIC_VALUES
    }
}

impl<AB: InteractionBuilder<F = F>> Air<AB> for NarrowAir {
    fn eval(&self, builder: &mut AB) {
        eval::eval(builder);
    }
}
