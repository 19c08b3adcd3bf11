//! An AIR to try seals on: everything that a seal's AIR may have, and nothing that means anything.
//!
//! | main columns | |
//! |---|---|
//! | 0..17 | the public values, on every row (reads the next row) |
//! | 17 | v, the cell that the row writes |
//! | 18, 19 | v³, and on selected rows v⁴: constraints of degree 3 and 5 |
//! | 20.. | the cells that the row reads, one for each preprocessed address |
//! | the rest | each the cube of a linear combination of the eight columns before it |
//!
//! | preprocessed columns | |
//! |---|---|
//! | 0, 1, 2 | the row's own address, how often it is read, whether it is selected |
//! | 3.. | the addresses that it reads |

use p3_air::{Air, AirBuilder, BaseAir, WindowAccess};
use p3_field::PrimeCharacteristicRing;
use p3_lookup::{Count, InteractionBuilder};
use p3_matrix::dense::RowMajorMatrix;
use sinter_program::{DagAir, F, ParameterSet};

use crate::proof::Claim;
use crate::seal::{PUBLIC_VALUES, SealProver};

/// The column of the cell that a row writes.
const CELL: usize = PUBLIC_VALUES;
/// The first column of a cell that a row reads.
const READS: usize = CELL + 3;
/// The first preprocessed column of an address that a row reads.
const ADDRESSES: usize = 3;

/// The AIR.
#[derive(Clone, Copy, Debug)]
pub struct Kit {
    /// log2 of the number of rows.
    pub log_height: u8,
    /// Cells that a row reads.
    pub reads: usize,
    /// Columns of cubes.
    pub cubes: usize,
    /// Whether a constraint reads the next preprocessed row.
    pub preprocessed_next: bool,
}

impl Kit {
    /// The smallest, for tests that prove often.
    pub const SMALL: Self = Self { log_height: 7, reads: 2, cubes: 3, preprocessed_next: true };
    /// About as wide as the narrow machine.
    pub const WIDE: Self = Self { log_height: 9, reads: 6, cubes: 106, preprocessed_next: false };
    /// Parameters under which a proof takes no time and proves nothing. FRI folds by 8, then by 4.
    pub const PARAMETERS: ParameterSet = ParameterSet {
        log_blowup: 3,
        queries: 12,
        query_pow_bits: 4,
        commit_pow_bits: 0,
        batch_pow_bits: 3,
        ood_pow_bits: 2,
        lookup_pow_bits: 1,
        max_log_arity: 3,
        log_final_poly_len: 2,
        cap_height: 0,
    };

    /// The claim that its traces are of, where none is chosen.
    pub const CLAIM: Claim = Claim { root: [0xa7; 32], count: 256 };

    /// What proves it.
    ///
    /// # Panics
    /// When the parameters are out of bounds.
    #[must_use]
    pub fn prover(self, parameters: ParameterSet) -> SealProver {
        let air = DagAir::from_air(&self).expect("an AIR within bounds");
        SealProver::new(air, self.log_height, parameters).expect("an AIR that can be sealed")
    }

    const fn height(self) -> usize {
        1 << self.log_height
    }

    /// The row that a row reads.
    const fn address(self, row: usize, read: usize) -> usize {
        (row * (2 * read + 3) + 7 * read) % self.height()
    }

    fn cell(row: usize) -> F {
        F::from_usize(row * row * 77 + 31 * row + 5)
    }

    /// The trace of a claim.
    #[must_use]
    pub fn trace(self, claim: &Claim) -> RowMajorMatrix<F> {
        let public_values = claim.elements();
        let rows = (0..self.height()).flat_map(|row| {
            let cell = Self::cell(row);
            let mut cells = public_values.clone();
            let fourth = if row % 3 == 0 { cell.exp_u64(4) } else { F::from_usize(row) };
            cells.extend([cell, cell.cube(), fourth]);
            cells.extend((0..self.reads).map(|read| Self::cell(self.address(row, read))));
            for _ in 0..self.cubes {
                let sum: F = (1..=8).map(|i| cells[cells.len() - i] * F::from_usize(3 * i + 1)).sum();
                cells.push(sum.cube());
            }
            cells
        });
        RowMajorMatrix::new(rows.collect(), self.width())
    }
}

impl BaseAir<F> for Kit {
    fn width(&self) -> usize {
        READS + self.reads + self.cubes
    }

    fn num_public_values(&self) -> usize {
        PUBLIC_VALUES
    }

    fn preprocessed_width(&self) -> usize {
        ADDRESSES + self.reads
    }

    fn preprocessed_trace(&self) -> Option<RowMajorMatrix<F>> {
        let mut times = vec![0; self.height()];
        for row in 0..self.height() {
            (0..self.reads).for_each(|read| times[self.address(row, read)] += 1);
        }
        let rows = (0..self.height()).flat_map(|row| {
            let addresses = (0..self.reads).map(move |read| self.address(row, read));
            [row, times[row], usize::from(row % 3 == 0)].into_iter().chain(addresses)
        });
        Some(RowMajorMatrix::new(rows.map(F::from_usize).collect(), self.preprocessed_width()))
    }

    fn main_next_row_columns(&self) -> Vec<usize> {
        (0..PUBLIC_VALUES).collect()
    }

    fn preprocessed_next_row_columns(&self) -> Vec<usize> {
        if self.preprocessed_next { vec![0] } else { vec![] }
    }
}

impl<AB: InteractionBuilder<F = F>> Air<AB> for Kit {
    fn eval(&self, builder: &mut AB) {
        let main = builder.main();
        let (local, next) = (main.current_slice(), main.next_slice());
        let preprocessed = builder.preprocessed().clone();
        let fixed = preprocessed.current_slice();
        for column in 0..PUBLIC_VALUES {
            let public: AB::Expr = builder.public_values()[column].into();
            builder.when_first_row().assert_eq(local[column], public);
            builder.when_transition().assert_eq(next[column], local[column]);
        }
        let cell: AB::Expr = local[CELL].into();
        builder.assert_eq(local[CELL + 1], cell.cube());
        let selected: AB::Expr = fixed[2].into();
        builder.assert_zero(selected * (cell.square().square() - local[CELL + 2]));
        for cube in 0..self.cubes {
            let column = READS + self.reads + cube;
            let sum: AB::Expr = (1..=8).map(|i| local[column - i] * F::from_usize(3 * i + 1)).sum();
            builder.assert_eq(local[column], sum.cube());
        }
        if self.preprocessed_next {
            let follows = preprocessed.next_slice()[0] - fixed[0] - AB::Expr::ONE;
            builder.when_transition().assert_zero(follows);
        }
        let own: [AB::Expr; 2] = [fixed[0].into(), cell];
        builder.push_interaction("cells", own, Count::provided(-fixed[1].into()));
        for read in 0..self.reads {
            builder.push_interaction("cells", [fixed[ADDRESSES + read].into(), local[READS + read].into()], 1);
        }
    }
}
