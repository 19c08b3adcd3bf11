//! A finished circuit: fixed rows, preprocessed columns, and what its executor needs.

use std::collections::HashMap;
use std::sync::Arc;

use p3_field::{PrimeCharacteristicRing, PrimeField32};
use p3_matrix::dense::RowMajorMatrix;

use crate::builder::PUBLIC_WORDS;
use crate::field::{EF, F, LIMBS, ext_of};
use crate::record::{CONSTANT, Frame, NONE, Op, PermRow, Section, WindowRow};
use crate::tables::poseidon2::{Extra, PermState};
use crate::tables::{TABLES, TableAir, TableKind, alu, bits, boundary, poseidon2, window};

/// Public values of every circuit.
pub const PUBLIC_VALUES: usize = boundary::PUBLIC_VALUES;

/// The heights of a circuit's tables, as powers of two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heights {
    /// Exactly these, in the order of [`TableKind::ALL`]: what does not fit is an error.
    Forced([usize; TABLES]),
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
    /// Address of each constant and word.
    pub(crate) addresses: Vec<u32>,
    /// Cell of `reads` of each address in a block.
    pub(crate) reads: HashMap<u32, ReadsCell>,
}

/// Where the dynamic reads of an address are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ReadsCell {
    pub table: TableKind,
    pub row: u32,
    pub column: u32,
}

impl Circuit {
    /// Rows used and available, by table.
    #[must_use]
    pub const fn rows(&self) -> &[TableRows; TABLES] {
        &self.rows
    }

    /// log2 of each table's height.
    #[must_use]
    pub fn log_heights(&self) -> [usize; TABLES] {
        self.rows.map(|rows| rows.height.trailing_zeros() as usize)
    }

    /// Elements of the input list that an execution reads.
    #[must_use]
    pub const fn input_len(&self) -> usize {
        self.inputs
    }

    /// The tables' AIRs with this circuit's preprocessed columns, in the order of proofs.
    #[must_use]
    pub fn airs(&self) -> Vec<TableAir> {
        TableKind::ALL
            .iter()
            .zip(&self.preprocessed)
            .map(|(kind, preprocessed)| TableAir::new(*kind, Arc::clone(preprocessed)))
            .collect()
    }

    /// The preprocessed columns, in the order of proofs.
    #[must_use]
    pub const fn preprocessed(&self) -> &[Arc<RowMajorMatrix<F>>; TABLES] {
        &self.preprocessed
    }

    /// Public values of each table: the 64 for the Boundary table, none for the others.
    #[must_use]
    pub fn public_values(&self, witness: &Witness) -> Vec<Vec<F>> {
        TableKind::ALL
            .iter()
            .map(|kind| if *kind == TableKind::Boundary { witness.publics.clone() } else { Vec::new() })
            .collect()
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
        let mut traces: Vec<RowMajorMatrix<F>> = self
            .rows
            .iter()
            .map(|rows| RowMajorMatrix::new(F::zero_vec(rows.height * rows.table.width()), rows.table.width()))
            .collect();
        let word = |id: u32| self.word(witness, id);
        for (kind, trace) in TableKind::ALL.iter().zip(&mut traces) {
            let values = &mut trace.values;
            match kind {
                TableKind::Poseidon2 => {
                    poseidon2::fill(values, self.order.len(), |at| self.perm_row(witness, at));
                }
                TableKind::Alu => alu::fill(values, &self.alu, word),
                TableKind::Bits => bits::fill(values, &self.frames, word),
                TableKind::Window => window::fill(values, &self.windows, word),
                TableKind::Boundary => {}
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
