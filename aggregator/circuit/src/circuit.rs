//! A finished circuit: fixed rows, preprocessed columns, and what its executor needs.

use std::collections::HashMap;
use std::sync::Arc;

use p3_field::{PrimeCharacteristicRing, PrimeField32};
use p3_matrix::dense::RowMajorMatrix;

use crate::builder::PUBLIC_WORDS;
use crate::field::{EF, F, LIMBS, ext_of};
use crate::record::{BytesRow, CONSTANT, Frame, KeccakRow, NONE, Op, PermRow, Section, WindowRow};
use crate::tables::poseidon2::{Extra, PermState};
use crate::tables::{TABLES, TableAir, TableKind, alu, bits, boundary, bytes, keccak, poseidon2, window};

/// Public values of every circuit.
pub const PUBLIC_VALUES: usize = boundary::PUBLIC_VALUES;

/// The heights of a circuit's tables, as powers of two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heights {
    /// Exactly these, in the order of [`TableKind::ALL`]: what does not fit is an error. So is hashing with Keccak: there
    /// are no tables for it.
    Forced([usize; TABLES]),
    /// The Keccak table of one height, all the others of another: for a circuit that hashes with Keccak.
    Keccak {
        /// log2 of the Keccak table's rows.
        keccak: usize,
        /// log2 of the rows of every other table.
        others: usize,
    },
    /// For each table the smallest of 2^9, 2^12, 2^15, … that fits: FRI folds by 8 and must stop at every height.
    Smallest,
}

impl Heights {
    /// The universal shape.
    pub const UNIVERSAL: Self = Self::Forced([15, 15, 12, 12, 9]);
}

/// Rows that a circuit uses, and has, in one table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TableRows {
    /// The table.
    pub table: TableKind,
    /// Rows that are used.
    pub used: usize,
    /// Rows of the table.
    pub height: usize,
}

/// The list of input elements, in the order in which the builder's operations take them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inputs {
    pub(crate) values: Vec<F>,
}

impl Inputs {
    /// An empty list.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// For `input_base`, or one lane of a leaf.
    pub fn push_base(&mut self, value: F) {
        self.values.push(value);
    }

    /// For `input_ext`.
    pub fn push_ext(&mut self, value: EF) {
        self.values.extend_from_slice(p3_field::BasedVectorSpace::as_basis_coefficients_slice(&value));
    }

    /// For `input_word`, one word of a block, or one sibling of a path.
    pub fn push_word(&mut self, value: [F; LIMBS]) {
        self.values.extend_from_slice(&value);
    }

    /// Any elements, such as all lanes of a leaf.
    pub fn extend(&mut self, values: impl IntoIterator<Item = F>) {
        self.values.extend(values);
    }

    /// Elements so far.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.values.len()
    }

    /// True when there is no element.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// The elements, to change one in a test of a circuit.
    pub fn as_mut_slice(&mut self) -> &mut [F] {
        &mut self.values
    }
}

/// What executing a circuit computes: enough to fill the traces.
#[derive(Clone, Debug)]
pub struct Witness {
    pub(crate) memory: Vec<[F; LIMBS]>,
    pub(crate) perms: Vec<PermState>,
    pub(crate) publics: Vec<F>,
}

impl Witness {
    /// The 64 public values.
    pub fn publics(&self) -> &[F] {
        &self.publics
    }
}

/// A finished circuit.
#[derive(Debug)]
pub struct Circuit {
    pub(crate) constants: Vec<[F; LIMBS]>,
    pub(crate) words: usize,
    pub(crate) inputs: usize,
    pub(crate) alu: Vec<[u32; 4]>,
    pub(crate) windows: Vec<WindowRow>,
    pub(crate) frames: Vec<Frame>,
    pub(crate) perms: Vec<PermRow>,
    /// Rows of the Poseidon2 table: recorded rows, or `NONE` for a separator.
    pub(crate) order: Vec<u32>,
    pub(crate) root: Vec<Op>,
    pub(crate) sections: Vec<Section>,
    pub(crate) publics: [u32; PUBLIC_WORDS],
    pub(crate) rows: [TableRows; TABLES],
    pub(crate) preprocessed: [Arc<RowMajorMatrix<F>>; TABLES],
    pub(crate) bytes: Vec<BytesRow>,
    pub(crate) keccaks: Vec<KeccakRow>,
    pub(crate) keccak: Option<KeccakTables>,
    /// Address of each constant and word.
    pub(crate) addresses: Vec<u32>,
    /// Cell of `reads` of each address in a block.
    pub(crate) reads: HashMap<u32, ReadsCell>,
}

/// The two tables of a circuit that hashes with Keccak, in the order of [`TableKind::KECCAK`].
#[derive(Debug)]
pub(crate) struct KeccakTables {
    pub rows: [TableRows; 2],
    pub preprocessed: [Arc<RowMajorMatrix<F>>; 2],
}

/// Where the dynamic reads of an address are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ReadsCell {
    pub table: TableKind,
    pub row: u32,
    pub column: u32,
}

impl Circuit {
    /// Rows used and available, by table, of the tables that every circuit has.
    #[must_use]
    pub const fn rows(&self) -> &[TableRows; TABLES] {
        &self.rows
    }

    /// Rows used and available of the Bytes and the Keccak table, in a circuit that has them.
    #[must_use]
    pub fn keccak_rows(&self) -> Option<&[TableRows; 2]> {
        self.keccak.as_ref().map(|tables| &tables.rows)
    }

    fn all_rows(&self) -> impl Iterator<Item = &TableRows> {
        self.rows.iter().chain(self.keccak_rows().into_iter().flatten())
    }

    /// log2 of each table's height, in the order of proofs.
    #[must_use]
    pub fn log_heights(&self) -> Vec<usize> {
        self.all_rows().map(|rows| rows.height.trailing_zeros() as usize).collect()
    }

    /// Elements of the input list that an execution reads.
    #[must_use]
    pub const fn input_len(&self) -> usize {
        self.inputs
    }

    /// The tables' AIRs with this circuit's preprocessed columns, in the order of proofs.
    #[must_use]
    pub fn airs(&self) -> Vec<TableAir> {
        let more = self.keccak.as_ref().into_iter().flat_map(|tables| &tables.preprocessed);
        let columns = self.preprocessed.iter().chain(more);
        self.all_rows().zip(columns).map(|(rows, columns)| TableAir::new(rows.table, Arc::clone(columns))).collect()
    }

    /// The preprocessed columns of the tables that every circuit has, in the order of proofs.
    #[must_use]
    pub const fn preprocessed(&self) -> &[Arc<RowMajorMatrix<F>>; TABLES] {
        &self.preprocessed
    }

    /// Public values of each table: the 64 for the Boundary table, none for the others.
    #[must_use]
    pub fn public_values(&self, witness: &Witness) -> Vec<Vec<F>> {
        let of = |kind| if kind == TableKind::Boundary { witness.publics.clone() } else { Vec::new() };
        self.all_rows().map(|rows| of(rows.table)).collect()
    }

    pub(crate) fn address(&self, word: u32) -> u32 {
        let node = if word & CONSTANT == 0 { word as usize } else { self.words + (word ^ CONSTANT) as usize };
        self.addresses.get(node).copied().unwrap_or(0)
    }

    /// The constant zero, which every finished circuit has.
    pub(crate) fn zero_constant(&self) -> u32 {
        let zero = self.constants.iter().position(|limbs| *limbs == [F::ZERO; LIMBS]);
        zero.map_or(NONE, |index| index as u32 | CONSTANT)
    }

    pub(crate) fn word(&self, witness: &Witness, word: u32) -> [F; LIMBS] {
        if word & CONSTANT == 0 { witness.memory[word as usize] } else { self.constants[(word ^ CONSTANT) as usize] }
    }

    /// The main traces, in the order of proofs; filled in parallel.
    #[must_use]
    pub fn traces(&self, witness: &Witness) -> Vec<RowMajorMatrix<F>> {
        let word = |id: u32| self.word(witness, id);
        let mut traces: Vec<RowMajorMatrix<F>> = self
            .all_rows()
            .map(|rows| {
                let zeros = || RowMajorMatrix::new(F::zero_vec(rows.height * rows.table.width()), rows.table.width());
                if rows.table == TableKind::Keccak { keccak::trace(rows.height, &self.keccaks, word) } else { zeros() }
            })
            .collect();
        for (rows, trace) in self.all_rows().zip(&mut traces) {
            let values = &mut trace.values;
            match rows.table {
                TableKind::Poseidon2 => {
                    poseidon2::fill(values, self.order.len(), |at| self.perm_row(witness, at));
                }
                TableKind::Alu => alu::fill(values, &self.alu, word),
                TableKind::Bits => bits::fill(values, &self.frames, word),
                TableKind::Window => window::fill(values, &self.windows, word),
                TableKind::Bytes => bytes::fill(values, &self.bytes, word),
                TableKind::Boundary | TableKind::Keccak => {}
            }
        }
        for (row, state) in self.perms.iter().zip(&witness.perms) {
            if row.cap.0 != NONE {
                let address = self.address(row.cap.0) + state.index;
                if let Some(cell) = self.reads.get(&address) {
                    let at = cell.row as usize * cell.table.width() + cell.column as usize;
                    traces[cell.table as usize].values[at] += F::ONE;
                }
            }
        }
        traces
    }

    /// A row of the Poseidon2 table, counted from the table's top: the permutations in reverse.
    fn perm_row<'a>(&self, witness: &'a Witness, at: usize) -> Option<(&'a PermState, Extra)> {
        let id = self.order[self.order.len() - 1 - at];
        if id == NONE {
            return None;
        }
        let row = &self.perms[id as usize];
        let state = &witness.perms[id as usize];
        let beta = (row.beta != NONE).then(|| ext_of(&self.word(witness, row.beta)));
        let acc_before = if row.acc_prev == NONE { EF::ZERO } else { witness.perms[row.acc_prev as usize].acc };
        let out = if row.cap.0 == NONE { row.out } else { row.cap.0 };
        let mut out_address = if out == NONE { 0 } else { self.address(out) };
        if row.index != NONE {
            out_address += state.index;
        }
        Some((state, Extra { beta, lanes: row.lanes as usize, acc_before, out_address }))
    }
}

/// The canonical representative of a base element.
pub(crate) fn canonical(value: F) -> u32 {
    value.as_canonical_u32()
}
