//! The shape of a program's proofs: every count and length in a proof, computed from the program alone.
//!
//! Decoding a proof, verifying it in a circuit and computing its soundness all follow the shape, so that no length in a
//! proof is the prover's to choose, but for the pruned Merkle paths.

use p3_fri::fold_schedule;

use crate::field::EXTENSION_DEGREE;
use crate::parameters::ParameterSet;

/// The shape of one table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableShape {
    /// log2 of the number of rows.
    pub log_height: usize,
    /// Columns of the main trace.
    pub main_width: usize,
    /// Whether the main trace is opened at the next point too.
    pub main_next: bool,
    /// Columns of the preprocessed trace.
    pub preprocessed_width: usize,
    /// Whether the preprocessed trace is opened at the next point too.
    pub preprocessed_next: bool,
    /// Public values.
    pub public_values: usize,
    /// log2 of the number of quotient chunks.
    pub log_quotient_chunks: usize,
    /// The bus of each packed lookup, numbered across the program as stock numbers them.
    pub buses: Vec<u32>,
    /// Messages of each row, on all buses.
    pub messages: usize,
    /// Constraints, the table's own and LogUp's.
    pub constraints: usize,
    /// The greatest degree of a constraint, LogUp's included.
    pub constraint_degree: usize,
}

impl TableShape {
    /// Whether the table touches a bus, and so has a permutation trace and a terminal.
    #[must_use]
    pub fn has_lookups(&self) -> bool {
        !self.buses.is_empty()
    }

    /// Columns of the permutation trace over the extension field: an accumulator and a fraction for each lookup.
    #[must_use]
    pub fn permutation_width(&self) -> usize {
        if self.has_lookups() { self.buses.len() + 1 } else { 0 }
    }
}

/// One matrix of a commitment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MatrixShape {
    /// The table it belongs to.
    pub table: usize,
    /// Columns over the base field.
    pub width: usize,
    /// log2 of its height after extension: the table's plus the blow-up's.
    pub log_height: usize,
    /// The points it is opened at: 1 (the out-of-domain point) or 2 (and the next).
    pub points: usize,
}

/// What a commitment is to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RoundKind {
    /// The main traces of all tables.
    Main,
    /// The quotient chunks of all tables.
    Quotient,
    /// The preprocessed traces of the tables that have one.
    Preprocessed,
    /// The permutation traces of the tables that touch a bus.
    Permutation,
}

/// One commitment and its matrices, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoundShape {
    /// What is committed.
    pub kind: RoundKind,
    /// The matrices.
    pub matrices: Vec<MatrixShape>,
}

impl RoundShape {
    /// log2 of the number of leaves of the Merkle tree.
    #[must_use]
    pub fn log_height(&self) -> usize {
        self.matrices.iter().map(|matrix| matrix.log_height).max().unwrap_or(0)
    }
}

/// One round of FRI's folding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FoldShape {
    /// log2 of the arity.
    pub log_arity: usize,
    /// log2 of the number of leaves of the Merkle tree: each leaf is one group that folds into one value.
    pub log_height: usize,
}

/// The shape of a program's proofs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shape {
    /// The parameter set.
    pub parameters: ParameterSet,
    /// The tables.
    pub tables: Vec<TableShape>,
    /// The commitments in the order in which they are opened: main, quotient, preprocessed, permutation.
    pub rounds: Vec<RoundShape>,
    /// FRI's folding rounds.
    pub folds: Vec<FoldShape>,
    /// How many buses there are, each local lookup counting as one.
    pub buses: usize,
    /// The fields of the widest message, at least 1: the power of β that separates buses.
    pub message_width: usize,
}

impl Shape {
    /// The shape of a list of tables.
    #[must_use]
    pub fn new(parameters: ParameterSet, tables: Vec<TableShape>, buses: usize, message_width: usize) -> Self {
        let log_blowup = usize::from(parameters.log_blowup);
        let round = |kind: RoundKind, matrices: &dyn Fn(&TableShape) -> (usize, usize, usize)| {
            let matrices = tables.iter().enumerate().flat_map(|(index, table)| {
                let (count, width, points) = matrices(table);
                let matrix = MatrixShape { table: index, width, log_height: table.log_height + log_blowup, points };
                core::iter::repeat_n(matrix, count)
            });
            RoundShape { kind, matrices: matrices.collect() }
        };
        let mut rounds = vec![
            round(RoundKind::Main, &|t| (1, t.main_width, 1 + usize::from(t.main_next))),
            round(RoundKind::Quotient, &|t| (1 << t.log_quotient_chunks, EXTENSION_DEGREE, 1)),
            round(RoundKind::Preprocessed, &|t| {
                (usize::from(t.preprocessed_width > 0), t.preprocessed_width, 1 + usize::from(t.preprocessed_next))
            }),
            round(RoundKind::Permutation, &|t| {
                (usize::from(t.has_lookups()), t.permutation_width() * EXTENSION_DEGREE, 2)
            }),
        ];
        rounds.retain(|round| !round.matrices.is_empty());

        let mut heights: Vec<usize> = tables.iter().map(|table| table.log_height + log_blowup).collect();
        heights.sort_unstable_by(|a, b| b.cmp(a));
        heights.dedup();
        let last = log_blowup + usize::from(parameters.log_final_poly_len);
        let arities = fold_schedule(&heights, last, parameters.max_log_arity.into());
        let mut log_height = heights.first().copied().unwrap_or(0);
        let folds = arities.into_iter().map(|log_arity| {
            log_height -= log_arity;
            FoldShape { log_arity, log_height }
        });
        let folds = folds.collect();
        Self { parameters, tables, rounds, folds, buses, message_width }
    }

    /// The round of a kind and its position among the openings, if the program has it.
    #[must_use]
    pub fn round(&self, kind: RoundKind) -> Option<(usize, &RoundShape)> {
        self.rounds.iter().enumerate().find(|(_, round)| round.kind == kind)
    }

    /// log2 of the tallest extended height: the number of bits of a query index.
    #[must_use]
    pub fn log_max_height(&self) -> usize {
        self.rounds.iter().map(RoundShape::log_height).max().unwrap_or(0)
    }

    /// Digests in the commitment to a tree of 2^`log_height` leaves: a full layer, or the leaves of a small tree.
    #[must_use]
    pub fn cap_len(&self, log_height: usize) -> usize {
        1 << usize::from(self.parameters.cap_height).min(log_height)
    }

    /// Digests on a path from a leaf of a tree of 2^`log_height` leaves to the commitment.
    #[must_use]
    pub fn path_len(&self, log_height: usize) -> usize {
        log_height.saturating_sub(self.parameters.cap_height.into())
    }

    /// The length of FRI's final polynomial.
    #[must_use]
    pub const fn final_poly_len(&self) -> usize {
        1 << self.parameters.log_final_poly_len
    }

    /// The public values of all tables together.
    #[must_use]
    pub fn public_values(&self) -> usize {
        self.tables.iter().map(|table| table.public_values).sum()
    }

    /// How many (column, point) pairs are opened and batched.
    #[must_use]
    pub fn openings(&self) -> usize {
        self.rounds.iter().flat_map(|round| &round.matrices).map(|matrix| matrix.width * matrix.points).sum()
    }
}
