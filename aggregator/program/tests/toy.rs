//! Two tables that share buses, with preprocessed columns, public values and every kind of interaction.

use p3_air::{Air, AirBuilder, BaseAir, WindowAccess};
use p3_batch_stark::{BatchProof, ProverData, StarkInstance, prove_batch};
use p3_field::PrimeCharacteristicRing;
use p3_lookup::{Count, InteractionBuilder};
use p3_matrix::dense::RowMajorMatrix;
use sinter_program::program::StatementLayout;
use sinter_program::{Config, DagAir, F, ParameterSet, Program, ProofFile, ProofKind};

/// log2 of the heights of the two tables.
pub const LOG_HEIGHTS: [u8; 2] = [6, 5];

/// A table of the toy program.
#[derive(Clone, Copy, Debug)]
pub enum Toy {
    /// Counts x up from a public value, looks up x² on the even rows while they are in the table, and sums what it found.
    Sums,
    /// Provides the squares of 0..32.
    Squares,
}

impl Toy {
    /// Both tables.
    pub const ALL: [Self; 2] = [Self::Sums, Self::Squares];

    const fn height(self) -> usize {
        1 << LOG_HEIGHTS[self as usize]
    }

    /// Whether a row of the first table looks a square up.
    const fn asks(row: usize) -> bool {
        row < 32 && row.is_multiple_of(2)
    }

    /// The main trace.
    pub fn trace(self) -> RowMajorMatrix<F> {
        let mut sum = 0;
        let rows = (0..self.height()).flat_map(|row| match self {
            Self::Sums => {
                let square = if Self::asks(row) { row * row } else { 7 * row };
                let cells = [row, square, sum];
                sum += if Self::asks(row) { square } else { 0 };
                cells
            }
            Self::Squares => [row, row * row, usize::from(Self::asks(row))],
        });
        RowMajorMatrix::new(rows.map(F::from_usize).collect(), 3)
    }

    /// The public values.
    pub fn public_values(self) -> Vec<F> {
        match self {
            Self::Sums => vec![F::ZERO, F::from_usize((0..16).map(|i| 4 * i * i).sum())],
            Self::Squares => vec![],
        }
    }
}

impl BaseAir<F> for Toy {
    fn width(&self) -> usize {
        3
    }

    fn num_public_values(&self) -> usize {
        self.public_values().len()
    }

    fn preprocessed_width(&self) -> usize {
        match self {
            Self::Sums => 1,
            Self::Squares => 2,
        }
    }

    fn preprocessed_trace(&self) -> Option<RowMajorMatrix<F>> {
        let rows = (0..self.height()).flat_map(|row| match self {
            Self::Sums => vec![usize::from(Self::asks(row))],
            Self::Squares => vec![row, row % 2],
        });
        Some(RowMajorMatrix::new(rows.map(F::from_usize).collect(), self.preprocessed_width()))
    }

    fn main_next_row_columns(&self) -> Vec<usize> {
        match self {
            Self::Sums => vec![0, 2],
            Self::Squares => vec![],
        }
    }

    fn preprocessed_next_row_columns(&self) -> Vec<usize> {
        match self {
            Self::Sums => vec![],
            Self::Squares => vec![0],
        }
    }
}

impl<AB: InteractionBuilder<F = F>> Air<AB> for Toy {
    fn eval(&self, builder: &mut AB) {
        let main = builder.main();
        let (local, next) = (main.current_slice(), main.next_slice());
        let preprocessed = builder.preprocessed().clone();
        let fixed = preprocessed.current_slice();
        match self {
            Self::Sums => {
                let public: [AB::Expr; 2] = [builder.public_values()[0].into(), builder.public_values()[1].into()];
                let asks: AB::Expr = fixed[0].into();
                let [first, total] = public;
                builder.when_first_row().assert_eq(local[0], first);
                builder.when_first_row().assert_zero(local[2]);
                builder.when_transition().assert_eq(next[0], local[0] + F::ONE);
                builder.when_transition().assert_eq(next[2], local[2] + asks.clone() * local[1]);
                builder.when_last_row().assert_eq(local[2], total);
                builder.assert_zero(asks.clone() * (local[1] - local[0] * local[0]));
                builder.push_interaction("squares", [local[0], local[1]], Count::bounded(asks, 1));
                let again = [(vec![local[0].into()], Count::from(1)), (vec![local[0].into()], Count::from(-1))];
                builder.push_local_interaction(again);
            }
            Self::Squares => {
                builder.assert_eq(fixed[0], local[0]);
                builder.assert_eq(local[1], local[0] * local[0]);
                let follows = preprocessed.next_slice()[0] - fixed[0] - AB::Expr::ONE;
                builder.when_transition().assert_zero(follows);
                let odd: AB::Expr = fixed[1].into();
                let square = || vec![local[0].into(), local[1].into()];
                let count = || Count::provided(-local[2].into());
                let branches = [(odd.clone(), count(), square()), (AB::Expr::ONE - odd, count(), square())];
                builder.push_exclusive_interaction("squares", branches);
                builder.push_interaction("echo", [local[0]], 1);
                builder.push_interaction("echo", [local[0]], -1);
            }
        }
    }
}

/// The toy program at the development parameters, and what is needed to prove it.
pub fn program() -> (Program, ProverData<Config>) {
    let airs = Toy::ALL.map(|air| DagAir::from_air(&air).unwrap()).to_vec();
    Program::build(airs, LOG_HEIGHTS.to_vec(), ParameterSet::DEV, StatementLayout::Raw).unwrap()
}

/// Prove tables of the toy program's traces by any AIRs.
pub fn prove<A>(config: &Config, airs: &[A], data: &ProverData<Config>) -> BatchProof<Config>
where
    A: Air<p3_lookup::InteractionSymbolicBuilder<F, sinter_program::EF>>
        + for<'a> Air<p3_air::DebugConstraintBuilder<'a, F, sinter_program::EF>>
        + for<'a> Air<p3_batch_stark::folder::ProverConstraintFolderWithLookups<'a, Config>>
        + Clone,
{
    let traces = Toy::ALL.map(Toy::trace);
    let traces: Vec<_> = traces.iter().collect();
    let public_values = Toy::ALL.map(Toy::public_values);
    let instances = StarkInstance::new_multiple(airs, &traces, &public_values);
    prove_batch(config, &instances, data).unwrap()
}

/// A proof of the toy program.
pub fn proof() -> (Program, ProofFile) {
    let (program, data) = program();
    let proof = prove(&program.config(), program.airs(), &data);
    let public_values = Toy::ALL.map(Toy::public_values).concat();
    let file = ProofFile { kind: ProofKind::Leaf, digest: *program.digest(), key: None, public_values, proof };
    (program, file)
}
