//! The main trace of a narrow circuit.

use p3_field::{BasedVectorSpace, PrimeCharacteristicRing, PrimeField32};
use p3_matrix::dense::RowMajorMatrix;
use rayon::prelude::*;

use super::columns::{INDEX, M, READS, S, SHIFT, SLOTS, WIDTH, cell};
use super::layout::{NarrowCircuit, half_of};
use super::rounds::{PARTIAL, external, full, full_constants, internal, partial_constant};
use super::rows::{A, B, D, Kind, Row, Value};
use crate::circuit::Witness;
use crate::field::{DEGREE, EF, F, ext_of};
use crate::record::NONE;
use crate::tables::bits::{HIGH_FROM, VALUE_BITS};
use crate::tables::poseidon2::{PermState, STATE};

impl NarrowCircuit {
    /// The main trace; filled in parallel.
    #[must_use]
    pub fn trace(&self, witness: &Witness) -> RowMajorMatrix<F> {
        let mut trace = RowMajorMatrix::new(F::zero_vec(WIDTH << self.log_height()), WIDTH);
        trace.values.par_chunks_exact_mut(WIDTH).zip(&self.rows).with_min_len(64).for_each(|(cells, row)| {
            self.fill_cells(witness, row, cells);
            match row.kind {
                Kind::Perm { perm, part } => self.fill_perm(witness, row, perm, part, cells),
                Kind::Bits { frame, bit } => self.fill_bits(witness, frame, bit, cells),
                // A window over nothing: whatever word it makes is what it looks at.
                Kind::Window { .. } if row.cells[..SLOTS - 1].iter().all(|value| matches!(value, Value::None)) => {
                    cells.copy_within(cell(SLOTS - 1)..cell(SLOTS), cell(0));
                }
                _ => {}
            }
        });
        for perm in self.circuit.perms.iter().zip(&witness.perms).filter(|(perm, _)| perm.cap.0 != NONE) {
            let (spec, state) = perm;
            for &row in self.reads.get(&(self.circuit.address(spec.cap.0) + state.index)).into_iter().flatten() {
                trace.values[row as usize * WIDTH + READS] += F::ONE;
            }
        }
        trace
    }

    fn fill_cells(&self, witness: &Witness, row: &Row, cells: &mut [F]) {
        for (slot, value) in row.cells.iter().enumerate() {
            let limbs = match *value {
                Value::None => continue,
                Value::Word(word, half) => half_of(&self.circuit.word(witness, word), half),
                Value::Output(perm, half) => {
                    let output = &witness.perms[perm as usize].output;
                    half_of(&std::array::from_fn(|lane| output[lane]), half)
                }
                Value::Accumulator(perm) => coefficients(witness.perms[perm as usize].acc),
                Value::Index(perm) => base(F::from_u32(witness.perms[perm as usize].index)),
                Value::Bit(perm) => base(F::from_bool(witness.perms[perm as usize].bit)),
            };
            cells[cell(slot)..][..DEGREE].copy_from_slice(&limbs);
        }
    }

    fn fill_perm(&self, witness: &Witness, row: &Row, perm: u32, part: usize, cells: &mut [F]) {
        let state = &witness.perms[perm as usize];
        fill_rounds(state, part, cells);
        cells[INDEX] = F::from_u32(state.index);
        if row.at {
            cells[SHIFT] = F::from_u32(2 * state.index);
        }
        if row.horner && part == A {
            let spec = &self.circuit.perms[perm as usize];
            let beta = ext_of(&self.circuit.word(witness, spec.beta));
            let mut sum = if spec.acc_prev == NONE { EF::ZERO } else { witness.perms[spec.acc_prev as usize].acc };
            for lane in 0..6 {
                let value = if lane < spec.lanes as usize { state.input[lane] } else { F::ZERO };
                sum = sum * beta + value;
                if lane % 3 == 2 {
                    cells[cell(2 + lane / 3)..][..DEGREE].copy_from_slice(&coefficients(sum));
                }
            }
        }
    }

    fn fill_bits(&self, witness: &Witness, frame: u32, bit: usize, cells: &mut [F]) {
        let frame = &self.circuit.frames[frame as usize];
        let value = self.circuit.word(witness, frame.value)[0].as_canonical_u32();
        let is_set = |k: usize| value >> k & 1 == 1;
        let ones = (bit.max(HIGH_FROM)..VALUE_BITS).all(is_set);
        let product: F =
            (bit..VALUE_BITS).filter(|&k| is_set(k)).filter_map(|k| frame.factors.get(k)).copied().product();
        let values = [F::from_u32(value >> bit), F::from_bool(is_set(bit)), product, F::from_bool(ones)];
        for (slot, value) in values.into_iter().enumerate() {
            cells[cell(slot)] = value;
        }
    }
}

fn coefficients(value: EF) -> [F; DEGREE] {
    std::array::from_fn(|limb| value.as_basis_coefficients_slice()[limb])
}

const fn base(value: F) -> [F; DEGREE] {
    [value, F::ZERO, F::ZERO, F::ZERO, F::ZERO]
}

/// The state and the committed values of one of a permutation's rows.
fn fill_rounds(perm: &PermState, part: usize, cells: &mut [F]) {
    let mut state = perm.input;
    external(&mut state);
    let mut round = 0;
    let mut next_full = |state: &mut [F; STATE]| {
        for (lane, constant) in state.iter_mut().zip(full_constants(round)) {
            *lane += *constant;
        }
        full(state);
        round += 1;
    };
    // Rows A and C have three full rounds, B one and the partial ones, D one.
    for before in A..part {
        for _ in 0..if before == B { 1 } else { 3 } {
            next_full(&mut state);
        }
        if before == B {
            for round in 0..PARTIAL {
                state[0] = (state[0] + partial_constant(round)).cube();
                internal(&mut state);
            }
        }
    }
    cells[S..S + STATE].copy_from_slice(&state);
    next_full(&mut state);
    cells[M..M + STATE].copy_from_slice(&state);
    if part == B {
        for round in 0..PARTIAL {
            state[0] = (state[0] + partial_constant(round)).cube();
            cells[M + STATE + round] = state[0];
            internal(&mut state);
        }
    } else if part == D {
        // No round: the constraint of the second has no constants here.
        full(&mut state);
        cells[M + STATE..M + 2 * STATE].copy_from_slice(&state);
    } else {
        next_full(&mut state);
        cells[M + STATE..M + 2 * STATE].copy_from_slice(&state);
    }
}
