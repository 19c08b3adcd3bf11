//! The five tables as AIRs, two more for circuits that hash with Keccak, and the memory bus that joins them.
//!
//! # The bus
//!
//! One LogUp bus, `memory`, with tuples (limb 0, …, limb 7, address). A **port** of a table is a tuple of main columns at
//! a preprocessed address, with a preprocessed multiplicity. At each address the circuit gives one port, the owner, the
//! multiplicity +(number of other ports there), and each of those −1; an unused port has 0. Let ports at address x carry
//! the words w_1 (the owner's), w_2, …, w_n. The bus balances at (w, x) for every word w only if each w_i = w_1: a
//! w ≠ w_1 carried by k ports sums to −k, and 0 < k < p. So the ports of an address carry one word: there is no
//! difference between reading and writing, and a hint is a word that no table computes.
//!
//! A **dynamic read** is a port with multiplicity −1 whose address is a preprocessed one plus the index column of its
//! row. Its target must be a row with a `reads` column (Window or Boundary), whose owner has the multiplicity
//! preprocessed + `reads`; `reads` is forced to zero where the row is not part of a block that the circuit declared. With
//! R = `reads` of any value, the sum at (w_1, x) is n − 1 + R − (ports and dynamic reads of w_1), and at w ≠ w_1 it is
//! −(ports and dynamic reads of w), which as before must be none.
//!
//! Every port of every row is counted with weight 1 in p3's multiplicity bound, so Σ weight · height < p holds with room
//! to spare: 6 · 2^15 + 8 · 2^15 + … < 2^20 at the universal heights.
//!
//! All constraints, the bus included, have degree at most 3: two quotient chunks a table (one for the Boundary table, whose
//! degree is 2). Two ports share one auxiliary column.

pub(crate) mod alu;
pub(crate) mod bits;
pub(crate) mod boundary;
pub(crate) mod bytes;
pub(crate) mod keccak;
pub(crate) mod poseidon2;
pub(crate) mod window;

use std::fmt;
use std::sync::Arc;

use p3_air::{Air, AirBuilder, BaseAir};
use p3_field::PrimeCharacteristicRing;
use p3_lookup::{Count, InteractionBuilder};
use p3_matrix::dense::RowMajorMatrix;

use crate::field::{F, LIMBS};

/// Name of the memory bus.
pub const BUS: &str = "memory";
/// Number of tables of every circuit.
pub const TABLES: usize = 5;

/// A table, in the order of proofs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TableKind {
    /// One permutation a row.
    Poseidon2,
    /// Two relations d = a·b + c a row.
    Alu,
    /// Canonical bits: two values, 31 rows.
    Bits,
    /// Three windows a row.
    Window,
    /// Constants and public values.
    Boundary,
    /// The bytes of a word a row.
    Bytes,
    /// One Keccak permutation in 24 rows.
    Keccak,
}

impl TableKind {
    /// The tables of every circuit, in the order of proofs.
    pub const ALL: [Self; TABLES] = [Self::Poseidon2, Self::Alu, Self::Bits, Self::Window, Self::Boundary];
    /// The tables that follow in a circuit that hashes with Keccak, and in no other.
    pub const KECCAK: [Self; 2] = [Self::Bytes, Self::Keccak];

    /// The table's name in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Poseidon2 => "poseidon2",
            Self::Alu => "alu",
            Self::Bits => "bits",
            Self::Window => "window",
            Self::Boundary => "boundary",
            Self::Bytes => "bytes",
            Self::Keccak => "keccak",
        }
    }

    /// Main columns.
    #[must_use]
    pub const fn width(self) -> usize {
        match self {
            Self::Poseidon2 => poseidon2::WIDTH,
            Self::Alu => alu::WIDTH,
            Self::Bits => bits::WIDTH,
            Self::Window => window::WIDTH,
            Self::Boundary => boundary::WIDTH,
            Self::Bytes => bytes::WIDTH,
            Self::Keccak => keccak::WIDTH,
        }
    }

    /// Preprocessed columns.
    #[must_use]
    pub const fn preprocessed_width(self) -> usize {
        match self {
            Self::Poseidon2 => poseidon2::PREP,
            Self::Alu => alu::PREP,
            Self::Bits => bits::PREP,
            Self::Window => window::PREP,
            Self::Boundary => boundary::PREP,
            Self::Bytes => bytes::PREP,
            Self::Keccak => keccak::PREP,
        }
    }

    /// Whether a constraint reads the next row's main columns.
    #[must_use]
    pub const fn reads_next_row(self) -> bool {
        matches!(self, Self::Poseidon2 | Self::Bits | Self::Keccak)
    }
}

impl fmt::Display for TableKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A table's AIR: its constraints, and its preprocessed columns when a circuit gave them.
#[derive(Clone, Debug)]
pub struct TableAir {
    kind: TableKind,
    preprocessed: Option<Arc<RowMajorMatrix<F>>>,
}

impl TableAir {
    /// The constraints of a table with a circuit's preprocessed columns.
    #[must_use]
    pub const fn new(kind: TableKind, preprocessed: Arc<RowMajorMatrix<F>>) -> Self {
        Self { kind, preprocessed: Some(preprocessed) }
    }

    /// The constraints alone: what every circuit's table has in common.
    #[must_use]
    pub const fn shape(kind: TableKind) -> Self {
        Self { kind, preprocessed: None }
    }

    /// Which table this is.
    #[must_use]
    pub const fn kind(&self) -> TableKind {
        self.kind
    }
}

impl BaseAir<F> for TableAir {
    fn width(&self) -> usize {
        self.kind.width()
    }

    fn preprocessed_trace(&self) -> Option<RowMajorMatrix<F>> {
        self.preprocessed.as_deref().cloned()
    }

    fn preprocessed_width(&self) -> usize {
        self.kind.preprocessed_width()
    }

    fn main_next_row_columns(&self) -> Vec<usize> {
        if self.kind.reads_next_row() { (0..self.width()).collect() } else { Vec::new() }
    }

    fn preprocessed_next_row_columns(&self) -> Vec<usize> {
        Vec::new()
    }

    fn num_public_values(&self) -> usize {
        match self.kind {
            TableKind::Boundary => boundary::PUBLIC_VALUES,
            _ => 0,
        }
    }
}

impl<AB: InteractionBuilder<F = F>> Air<AB> for TableAir {
    fn eval(&self, builder: &mut AB) {
        match self.kind {
            TableKind::Poseidon2 => poseidon2::eval(builder),
            TableKind::Alu => alu::eval(builder),
            TableKind::Bits => bits::eval(builder),
            TableKind::Window => window::eval(builder),
            TableKind::Boundary => boundary::eval(builder),
            TableKind::Bytes => bytes::eval(builder),
            TableKind::Keccak => keccak::eval(builder),
        }
    }
}

/// A port on the memory bus. Limbs that are not given are zero.
pub(crate) fn port<AB: InteractionBuilder>(
    builder: &mut AB,
    limbs: &[AB::Expr],
    address: impl Into<AB::Expr>,
    multiplicity: impl Into<AB::Expr>,
) {
    let mut tuple: Vec<AB::Expr> = limbs.to_vec();
    tuple.resize(LIMBS, AB::Expr::ZERO);
    tuple.push(address.into());
    builder.push_interaction(BUS, tuple, Count::bounded(multiplicity.into(), 1));
}

/// Variables as expressions.
pub(crate) fn exprs<AB: AirBuilder>(variables: &[AB::Var]) -> Vec<AB::Expr> {
    variables.iter().map(|variable| (*variable).into()).collect()
}
