//! Everything static about a proof of a program.
//!
//! A [`Layout`] is computed from the program alone: no number in it is read from a proof, so no proof can
//! choose it. It fixes, in this order:
//!
//! ```text
//! tables        widths, heights, next-row use, fraction columns, quotient chunks
//! commitments   main, quotient, preprocessed (if any), permutation (if any): the order of p3's opening argument
//! leaves        per commitment and height: the rows hashed together, tallest first
//! openings      per (commitment, matrix, point): the claimed values, in transcript order
//! ladder        per height: the power of alpha at which an opening begins
//! schedule      how many bits each FRI round folds
//! ```
//!
//! A matrix whose extended height is lower than its tree's cap would hang above the cap, where no
//! authentication path passes; such a program is refused.

use p3_fri::fold_schedule;
use sinter_program::ParameterSet;
use sinter_program::field::EXTENSION_DEGREE;
use thiserror::Error;

/// Two-adicity of KoalaBear: the tallest evaluation domain is `2^24`.
const TWO_ADICITY: usize = 24;

/// Bits of a query index must leave its decomposition canonical, and tables of one proof are few.
const TABLES_MAX: usize = 64;

/// Numbers of the opening argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FriNumbers {
    /// Log of the blow-up.
    pub log_blowup: usize,
    /// Log of the final polynomial's length.
    pub log_final_poly_len: usize,
    /// Most bits folded in one round.
    pub max_log_arity: usize,
    /// Queries.
    pub num_queries: usize,
    /// Log of the number of digests in a Merkle cap (fewer where the tree is lower).
    pub cap_height: usize,
    /// Grinding before the batching challenge, in bits.
    pub batch_pow_bits: usize,
    /// Grinding before each folding challenge, in bits.
    pub commit_pow_bits: usize,
    /// Grinding before the query indices, in bits.
    pub query_pow_bits: usize,
    /// Grinding before the lookup challenges, in bits.
    pub lookup_pow_bits: usize,
    /// Grinding before the out-of-domain point, in bits.
    pub ood_pow_bits: usize,
}

impl From<ParameterSet> for FriNumbers {
    fn from(set: ParameterSet) -> Self {
        Self {
            log_blowup: set.log_blowup.into(),
            log_final_poly_len: set.log_final_poly_len.into(),
            max_log_arity: set.max_log_arity.into(),
            num_queries: set.queries.into(),
            cap_height: set.cap_height.into(),
            batch_pow_bits: set.batch_pow_bits.into(),
            commit_pow_bits: set.commit_pow_bits.into(),
            query_pow_bits: set.query_pow_bits.into(),
            lookup_pow_bits: set.lookup_pow_bits.into(),
            ood_pow_bits: set.ood_pow_bits.into(),
        }
    }
}

/// What one table contributes to a proof's shape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableShape {
    /// Main columns.
    pub width: usize,
    /// Preprocessed columns.
    pub prep_width: usize,
    /// Public values.
    pub num_publics: usize,
    /// Whether any constraint reads the next main row.
    pub main_next: bool,
    /// Whether any constraint reads the next preprocessed row.
    pub prep_next: bool,
    /// Log of the height.
    pub log_height: usize,
    /// LogUp fraction columns; none means that the table is on no bus.
    pub num_lookups: usize,
    /// Log of the number of quotient chunks.
    pub log_chunks: usize,
}

impl TableShape {
    /// Number of quotient chunks.
    #[must_use]
    pub const fn chunks(&self) -> usize {
        1 << self.log_chunks
    }

    /// Width of the flattened permutation trace: the accumulator and the fractions.
    #[must_use]
    pub const fn permutation_width(&self) -> usize {
        if self.num_lookups == 0 { 0 } else { (self.num_lookups + 1) * EXTENSION_DEGREE }
    }
}

/// What a commitment commits to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Round {
    /// The main traces.
    Main,
    /// The quotient chunks of every table.
    Quotient,
    /// The preprocessed traces: part of the key, never of the proof.
    Preprocessed,
    /// The LogUp traces.
    Permutation,
}

/// Where a matrix is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Point {
    /// The out-of-domain point.
    Zeta,
    /// The out-of-domain point times the generator of the table's trace domain.
    Next,
}

/// One committed matrix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MatrixShape {
    /// Table that it belongs to.
    pub table: usize,
    /// Quotient chunk, zero for other rounds.
    pub chunk: usize,
    /// Base-field columns.
    pub width: usize,
    /// Log of the extended (blown-up) height.
    pub log_height: usize,
    /// Openings of this matrix: indices into [`Layout::openings`], at zeta and, where present, at the next point.
    pub openings: Vec<usize>,
}

/// The claimed values of one matrix at one point.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opening {
    /// Commitment.
    pub commitment: usize,
    /// Matrix in the commitment.
    pub matrix: usize,
    /// Point.
    pub point: Point,
    /// Number of values.
    pub width: usize,
    /// Log of the matrix's extended height.
    pub log_height: usize,
    /// Power of the batching challenge that multiplies the first value.
    pub ladder: usize,
}

/// A run of columns of a leaf whose random combination is one Horner sum.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// First lane in the leaf.
    pub start: usize,
    /// Number of lanes.
    pub len: usize,
    /// Openings that begin at the segment's first lane: point and ladder position.
    pub uses: Vec<(Point, usize)>,
}

/// The rows of one commitment that are hashed together: all matrices of one height.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leaf {
    /// Log of the extended height.
    pub log_height: usize,
    /// Matrices, in commitment order.
    pub matrices: Vec<usize>,
    /// Total lanes.
    pub lanes: usize,
    /// Horner segments covering the lanes in order.
    pub segments: Vec<Segment>,
}

/// One commitment and its tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommitmentShape {
    /// What it commits to.
    pub round: Round,
    /// Matrices in commitment order.
    pub matrices: Vec<MatrixShape>,
    /// Leaves, tallest first.
    pub leaves: Vec<Leaf>,
    /// Log of the number of digests in the cap.
    pub log_cap: usize,
}

impl CommitmentShape {
    /// Log of the tallest extended height.
    #[must_use]
    pub fn log_height(&self) -> usize {
        self.leaves.first().map_or(0, |leaf| leaf.log_height)
    }
}

/// One FRI commit round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FriRound {
    /// Bits folded.
    pub log_arity: usize,
    /// Log height before folding.
    pub log_height: usize,
    /// Log of the number of digests in the cap of the round's tree.
    pub log_cap: usize,
    /// Whether openings of the folded height are rolled in after the fold.
    pub rolls_in: bool,
}

impl FriRound {
    /// Log height after folding, which is the log of the number of leaves.
    #[must_use]
    pub const fn log_folded(&self) -> usize {
        self.log_height - self.log_arity
    }
}

/// The static shape of every proof of one program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Numbers of the opening argument.
    pub fri: FriNumbers,
    /// Tables in batch order.
    pub tables: Vec<TableShape>,
    /// Commitments in opening order.
    pub commitments: Vec<CommitmentShape>,
    /// Openings in transcript order.
    pub openings: Vec<Opening>,
    /// Distinct extended heights, tallest first, as logs.
    pub log_heights: Vec<usize>,
    /// FRI rounds.
    pub rounds: Vec<FriRound>,
}

/// Why a program has no shape that this verifier can check.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum LayoutError {
    /// No tables, or more than the bound.
    #[error("a program has 1 to {max} tables, got {got}")]
    Tables {
        /// Most tables.
        max: usize,
        /// Tables of the program.
        got: usize,
    },
    /// A table's height is outside what folding and the field allow.
    #[error("table {table}: extended height 2^{got} is outside 2^{min}..=2^{max}")]
    Height {
        /// Table.
        table: usize,
        /// Least log height.
        min: usize,
        /// Greatest log height.
        max: usize,
        /// Log height of the table.
        got: usize,
    },
    /// A matrix would hang above its tree's cap.
    #[error("table {table}: extended height 2^{got} is below the cap of 2^{cap} digests")]
    AboveCap {
        /// Table.
        table: usize,
        /// Log of the cap.
        cap: usize,
        /// Log height of the matrix.
        got: usize,
    },
    /// A table with no column.
    #[error("table {table} has no main column")]
    Empty {
        /// Table.
        table: usize,
    },
    /// More quotient chunks than the blow-up can hold.
    #[error("table {table}: 2^{got} quotient chunks exceed the blow-up 2^{max}")]
    Degree {
        /// Table.
        table: usize,
        /// Log of the blow-up.
        max: usize,
        /// Log of the chunks.
        got: usize,
    },
    /// Parameters with which nothing would be proven.
    #[error("parameters prove nothing: {0} must be positive")]
    Vacuous(&'static str),
}

impl Layout {
    /// The layout of a program's proofs.
    ///
    /// # Errors
    /// As [`Layout::new`].
    pub fn of(shape: &sinter_program::Shape) -> Result<Self, LayoutError> {
        Self::new(shape.parameters.into(), shape.tables.iter().map(TableShape::from).collect())
    }

    /// Computes the shape.
    ///
    /// # Errors
    /// When the parameters are vacuous or a table cannot be committed, folded or authenticated.
    pub fn new(fri: FriNumbers, tables: Vec<TableShape>) -> Result<Self, LayoutError> {
        for (name, value) in
            [("log_blowup", fri.log_blowup), ("num_queries", fri.num_queries), ("max_log_arity", fri.max_log_arity)]
        {
            if value == 0 {
                return Err(LayoutError::Vacuous(name));
            }
        }
        if tables.is_empty() || tables.len() > TABLES_MAX {
            return Err(LayoutError::Tables { max: TABLES_MAX, got: tables.len() });
        }
        let min = (fri.log_blowup + fri.log_final_poly_len).max(fri.log_blowup + 1);
        for (table, shape) in tables.iter().enumerate() {
            let got = shape.log_height + fri.log_blowup;
            if got < min || got > TWO_ADICITY {
                return Err(LayoutError::Height { table, min, max: TWO_ADICITY, got });
            }
            if shape.width == 0 {
                return Err(LayoutError::Empty { table });
            }
            if shape.log_chunks > fri.log_blowup {
                return Err(LayoutError::Degree { table, max: fri.log_blowup, got: shape.log_chunks });
            }
        }
        let mut log_heights: Vec<usize> = tables.iter().map(|t| t.log_height + fri.log_blowup).collect();
        log_heights.sort_unstable_by(|a, b| b.cmp(a));
        log_heights.dedup();
        let final_height = fri.log_blowup + fri.log_final_poly_len;
        if log_heights[0] <= final_height {
            let got = log_heights[0];
            return Err(LayoutError::Height { table: 0, min: final_height + 1, max: TWO_ADICITY, got });
        }

        let (commitments, openings) = commitments(&fri, &tables)?;
        let mut rounds = Vec::new();
        let mut log_height = log_heights[0];
        for log_arity in fold_schedule(&log_heights, final_height, fri.max_log_arity) {
            let log_folded = log_height - log_arity;
            let log_cap = fri.cap_height.min(log_folded);
            let rolls_in = log_heights.contains(&log_folded);
            rounds.push(FriRound { log_arity, log_height, log_cap, rolls_in });
            log_height = log_folded;
        }
        Ok(Self { fri, tables, commitments, openings, log_heights, rounds })
    }

    /// Log of the tallest extended height: the bits of a query index.
    #[must_use]
    pub fn index_bits(&self) -> usize {
        self.log_heights[0]
    }

    /// Log of the domain on which the final polynomial is evaluated.
    #[must_use]
    pub const fn log_final_height(&self) -> usize {
        self.fri.log_blowup + self.fri.log_final_poly_len
    }

    /// Number of tables on a bus.
    #[must_use]
    pub fn num_lookup_tables(&self) -> usize {
        self.tables.iter().filter(|t| t.num_lookups > 0).count()
    }

    /// Whether a commitment of this kind exists, and its position in opening order.
    #[must_use]
    pub fn commitment(&self, round: Round) -> Option<usize> {
        self.commitments.iter().position(|c| c.round == round)
    }

    /// The opening of `table` in `round` (and `chunk`) at `point`.
    #[must_use]
    pub fn opening(&self, round: Round, table: usize, chunk: usize, point: Point) -> Option<usize> {
        let commitment = self.commitments.iter().find(|c| c.round == round)?;
        let matrix = commitment.matrices.iter().find(|m| m.table == table && m.chunk == chunk)?;
        matrix.openings.iter().copied().find(|&o| self.openings[o].point == point)
    }
}

/// Lays out commitments, leaves and openings in p3's order.
fn commitments(fri: &FriNumbers, tables: &[TableShape]) -> Result<(Vec<CommitmentShape>, Vec<Opening>), LayoutError> {
    let mut rounds: Vec<(Round, Vec<(MatrixShape, bool)>)> = Vec::new();
    let matrix = |table: usize, chunk: usize, width: usize| MatrixShape {
        table,
        chunk,
        width,
        log_height: tables[table].log_height + fri.log_blowup,
        openings: Vec::new(),
    };
    let all = || tables.iter().enumerate();
    rounds.push((Round::Main, all().map(|(t, s)| (matrix(t, 0, s.width), s.main_next)).collect()));
    let chunks = all().flat_map(|(t, s)| (0..s.chunks()).map(move |c| (t, c)));
    rounds.push((Round::Quotient, chunks.map(|(t, c)| (matrix(t, c, EXTENSION_DEGREE), false)).collect()));
    let prep = all().filter(|(_, s)| s.prep_width > 0);
    rounds.push((Round::Preprocessed, prep.map(|(t, s)| (matrix(t, 0, s.prep_width), s.prep_next)).collect()));
    let perm = all().filter(|(_, s)| s.num_lookups > 0);
    rounds.push((Round::Permutation, perm.map(|(t, s)| (matrix(t, 0, s.permutation_width()), true)).collect()));

    let mut ladders = std::collections::BTreeMap::<usize, usize>::new();
    let mut openings = Vec::new();
    let mut commitments = Vec::new();
    for (round, matrices) in rounds.into_iter().filter(|(_, m)| !m.is_empty()) {
        let commitment = commitments.len();
        let mut laid = Vec::with_capacity(matrices.len());
        for (matrix, (mut shape, next)) in matrices.into_iter().enumerate() {
            for point in [Point::Zeta, Point::Next].into_iter().take(1 + usize::from(next)) {
                let ladder = ladders.entry(shape.log_height).or_insert(0);
                shape.openings.push(openings.len());
                openings.push(Opening {
                    commitment,
                    matrix,
                    point,
                    width: shape.width,
                    log_height: shape.log_height,
                    ladder: *ladder,
                });
                *ladder += shape.width;
            }
            laid.push(shape);
        }
        commitments.push(lay_out_tree(fri, round, laid, &openings)?);
    }
    Ok((commitments, openings))
}

/// Groups a commitment's matrices into leaves and its leaves' lanes into Horner segments.
fn lay_out_tree(
    fri: &FriNumbers,
    round: Round,
    matrices: Vec<MatrixShape>,
    openings: &[Opening],
) -> Result<CommitmentShape, LayoutError> {
    let mut heights: Vec<usize> = matrices.iter().map(|m| m.log_height).collect();
    heights.sort_unstable_by(|a, b| b.cmp(a));
    heights.dedup();
    let log_cap = fri.cap_height.min(heights[0]);
    if let Some(low) = matrices.iter().find(|m| m.log_height < log_cap) {
        return Err(LayoutError::AboveCap { table: low.table, cap: log_cap, got: low.log_height });
    }
    let mut leaves = Vec::with_capacity(heights.len());
    for log_height in heights {
        let members: Vec<usize> = (0..matrices.len()).filter(|&m| matrices[m].log_height == log_height).collect();
        let mut segments: Vec<Segment> = Vec::new();
        let mut lanes = 0;
        for &member in &members {
            let shape = &matrices[member];
            let uses: Vec<(Point, usize)> =
                shape.openings.iter().map(|&o| (openings[o].point, openings[o].ladder)).collect();
            // One-point matrices that follow each other stand on one stretch of the ladder.
            let joins = segments
                .last()
                .is_some_and(|last| last.uses.len() == 1 && uses.len() == 1 && last.uses[0].1 + last.len == uses[0].1);
            match segments.last_mut() {
                Some(last) if joins => last.len += shape.width,
                _ => segments.push(Segment { start: lanes, len: shape.width, uses }),
            }
            lanes += shape.width;
        }
        leaves.push(Leaf { log_height, matrices: members, lanes, segments });
    }
    Ok(CommitmentShape { round, matrices, leaves, log_cap })
}

impl From<&sinter_program::shape::TableShape> for TableShape {
    fn from(table: &sinter_program::shape::TableShape) -> Self {
        Self {
            width: table.main_width,
            prep_width: table.preprocessed_width,
            num_publics: table.public_values,
            main_next: table.main_next,
            prep_next: table.preprocessed_next,
            log_height: table.log_height,
            num_lookups: table.buses.len(),
            log_chunks: table.log_quotient_chunks,
        }
    }
}
