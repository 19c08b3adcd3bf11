//! From a circuit to its narrow layout: addresses, multiplicities, preprocessed columns.

use std::collections::HashMap;
use std::sync::Arc;

use p3_field::PrimeCharacteristicRing;
use p3_matrix::dense::RowMajorMatrix;

use super::columns::{
    ALU, AT, BITS, BLOCK, CONSTANT, CONT, FRESH, GAMMA, GROUP, HIGH, HORNER_A, HORNER_B, KEEP, LAST, LEFT, MERKLE, OUT,
    PART, PORTS, PREP, RIGHT, SLOTS, TAG, THREE, WINDOW, Z,
};
use super::rows::{A, B, C, D, HALVES, Half, Kind, Row, Value, address, rows};
use super::{NARROW_PUBLIC_VALUES, NarrowAir};
use crate::circuit::{Circuit, Inputs, TableRows, Witness};
use crate::error::{CircuitError, ExecutionError};
use crate::field::{DEGREE, F, LIMBS};
use crate::record::{NONE, PermKind, Takes};
use crate::tables::bits::{HIGH_FROM, VALUE_BITS};

/// A circuit in one narrow table.
#[derive(Debug)]
pub struct NarrowCircuit {
    pub(super) circuit: Arc<Circuit>,
    pub(super) rows: Vec<Row>,
    log_height: usize,
    preprocessed: Arc<RowMajorMatrix<F>>,
    /// The rows of both halves of each word that is looked up dynamically, by its address in the wide layout.
    pub(super) reads: HashMap<u32, [u32; 2]>,
}

impl NarrowCircuit {
    /// Lays a circuit out in a table of 2^`log_height` rows. Heights that the circuit was finished at do not matter.
    ///
    /// # Errors
    /// When it does not fit, hashes with Keccak, or exposes more than [`NARROW_PUBLIC_WORDS`](super::NARROW_PUBLIC_WORDS) public
    /// words.
    pub fn new(circuit: Arc<Circuit>, log_height: usize) -> Result<Self, CircuitError> {
        // There are no rows for it, and words that no row computes are hints.
        if let Some(&[_, TableRows { table, used: needed, .. }]) = circuit.keccak_rows() {
            return Err(CircuitError::Height { table, needed, available: 0 });
        }
        let rows = rows(&circuit)?;
        let available = 1 << log_height;
        if rows.len() > available {
            return Err(CircuitError::NarrowHeight { needed: rows.len(), available });
        }
        let mut prep = F::zero_vec(available * PREP);
        for (row, cells) in rows.iter().zip(prep.chunks_exact_mut(PREP)) {
            flags(&circuit, row, cells);
        }
        ports(&circuit, &rows, &mut prep);
        let reads = reads(&circuit, &rows);
        let preprocessed = Arc::new(RowMajorMatrix::new(prep, PREP));
        Ok(Self { circuit, rows, log_height, preprocessed, reads })
    }

    /// Rows that are used.
    #[must_use]
    pub const fn used(&self) -> usize {
        self.rows.len()
    }

    /// log2 of the table's height.
    #[must_use]
    pub const fn log_height(&self) -> usize {
        self.log_height
    }

    /// The table's AIR with this circuit's preprocessed columns.
    #[must_use]
    pub fn air(&self) -> NarrowAir {
        NarrowAir::new(Arc::clone(&self.preprocessed))
    }

    /// The preprocessed columns.
    #[must_use]
    pub fn preprocessed(&self) -> &RowMajorMatrix<F> {
        &self.preprocessed
    }

    /// Computes all words and checks all assertions.
    ///
    /// # Errors
    /// As [`Circuit::execute`].
    pub fn execute(&self, inputs: &Inputs) -> Result<Witness, ExecutionError> {
        self.circuit.execute(inputs)
    }

    /// The table's public values.
    #[must_use]
    pub fn public_values(&self, witness: &Witness) -> Vec<F> {
        witness.publics()[..NARROW_PUBLIC_VALUES].to_vec()
    }
}

/// Sets a row's flags, and whatever else is preprocessed but its ports.
fn flags(circuit: &Circuit, row: &Row, cells: &mut [F]) {
    cells[ALU] = F::from_bool(row.alu);
    match row.kind {
        Kind::Perm { perm, part } => {
            cells[PART + part] = F::ONE;
            match part {
                A => perm_flags(circuit, perm, cells),
                B => {
                    cells[LEFT] = F::from_bool(row.first_half);
                    cells[RIGHT] = F::from_bool(row.second_half);
                    cells[HORNER_B] = F::from_bool(row.horner);
                    let lanes = usize::from(circuit.perms[perm as usize].lanes);
                    cells[THREE] = F::from_bool(lanes >= LIMBS - 1);
                    cells[TAG] = F::from_bool(lanes == LIMBS);
                }
                D => {
                    cells[OUT] = F::from_bool(row.first_half);
                    cells[AT] = F::from_bool(row.at);
                }
                _ => debug_assert_eq!(part, C),
            }
        }
        Kind::Bits { frame, bit } => {
            cells[BITS] = F::ONE;
            cells[LAST] = F::from_bool(bit == VALUE_BITS - 1);
            cells[HIGH] = F::from_bool((HIGH_FROM..VALUE_BITS - 1).contains(&bit));
            let factor = circuit.frames[frame as usize].factors.get(bit).copied();
            cells[GAMMA] = factor.unwrap_or(F::ONE) - F::ONE;
        }
        Kind::Window { k, limbs, block } => {
            cells[WINDOW] = F::ONE;
            cells[Z + k] = F::ONE;
            cells[THREE] = F::from_bool(limbs > 1);
            cells[TAG] = F::from_bool(limbs == DEGREE);
            cells[BLOCK] = F::from_bool(block);
        }
        Kind::Constant { constant, half, block } => {
            cells[CONSTANT] = F::ONE;
            cells[Z..Z + DEGREE].copy_from_slice(&half_of(&circuit.constants[constant as usize], half));
            cells[BLOCK] = F::from_bool(block);
        }
        Kind::Public { word, half } => {
            cells[CONSTANT] = F::ONE;
            let group = 1 + 2 * word + usize::from(half == Half::Upper);
            for bit in 0..3 {
                cells[GROUP + bit] = F::from_bool(group >> bit & 1 == 1);
            }
        }
        Kind::Zero => cells[CONSTANT] = F::ONE,
        Kind::Cells => {}
    }
}

/// Row A of a permutation: what it takes over from the one before it.
fn perm_flags(circuit: &Circuit, perm: u32, cells: &mut [F]) {
    let perm = &circuit.perms[perm as usize];
    let Takes { fresh, cont, keep, tag, absorbed } = perm.takes();
    cells[Z + absorbed..Z + LIMBS].fill(F::ONE);
    cells[HORNER_A] = F::from_bool(perm.beta != NONE);
    cells[FRESH] = F::from_bool(fresh);
    cells[CONT] = F::from_bool(cont);
    cells[KEEP] = F::from_bool(keep);
    cells[TAG] = F::from_u8(tag);
    cells[MERKLE] = F::from_bool(perm.kind == PermKind::Merkle);
}

/// Half a word, as a port carries it.
pub(super) fn half_of(word: &[F; LIMBS], half: Half) -> [F; DEGREE] {
    std::array::from_fn(|limb| match half {
        Half::Lower => word[limb],
        Half::Upper => word.get(DEGREE + limb).copied().unwrap_or(F::ZERO),
    })
}

/// The address of a cell's value; none when it is on no bus.
fn narrow_address(circuit: &Circuit, value: Value) -> Option<u32> {
    let of = |(address, half): (u32, Half)| 2 * address + u32::from(half == Half::Upper);
    match value {
        Value::Output(perm, half) => Some(of((circuit.address(circuit.perms[perm as usize].cap.0), half))),
        // Above all words' addresses, which are 1 to their number.
        Value::Accumulator(perm) if circuit.perms[perm as usize].acc == NONE => {
            Some(2 * (circuit.addresses.len() as u32 + 1) + perm)
        }
        _ => address(circuit, value).map(of),
    }
}

/// The ports in the order in which they may own their words, as row and slot: what is looked up dynamically first, as it
/// counts its readers. The other ports of its row count nothing, and come with the rest.
fn by_ownership(rows: &[Row]) -> impl Iterator<Item = (usize, usize)> {
    let pass = move |first: bool| {
        let slots = move |(at, row): (usize, &Row)| {
            let counts = row.is_block();
            (0..SLOTS).filter(move |slot| (counts && *slot == SLOTS - 1) == first).map(move |slot| (at, slot))
        };
        rows.iter().enumerate().flat_map(slots)
    };
    pass(true).chain(pass(false))
}

/// Fills addresses and multiplicities.
fn ports(circuit: &Circuit, rows: &[Row], prep: &mut [F]) {
    let of = |value| narrow_address(circuit, value);
    let is_static = |value: &Value| !matches!(value, Value::Output(..));
    let mut uses: HashMap<u32, u32> = HashMap::new();
    for address in rows.iter().flat_map(|row| row.cells).filter(is_static).filter_map(of) {
        *uses.entry(address).or_default() += 1;
    }
    for (at, slot) in by_ownership(rows) {
        let value = &rows[at].cells[slot];
        let Some(address) = of(*value) else { continue };
        let cells = &mut prep[at * PREP + PORTS + 2 * slot..][..2];
        cells[0] = F::from_u32(address);
        cells[1] = match uses.get_mut(&address) {
            // The first is the owner; a count of zero marks that there is one.
            Some(uses) if is_static(value) && *uses > 0 => F::from_u32(std::mem::take(uses) - 1),
            _ => F::NEG_ONE,
        };
    }
}

/// Where the dynamic reads of each word are counted.
fn reads(circuit: &Circuit, rows: &[Row]) -> HashMap<u32, [u32; 2]> {
    let mut reads: HashMap<u32, [u32; 2]> = HashMap::new();
    for (at, row) in rows.iter().enumerate() {
        if let (true, Value::Word(word, half)) = (row.is_block(), row.cells[SLOTS - 1]) {
            reads.entry(circuit.address(word)).or_default()[usize::from(half == HALVES[1])] = at as u32;
        }
    }
    reads
}
