//! The executor: computes every word of a circuit from its inputs, sections in parallel, and checks every assertion.

use std::sync::LazyLock;

use p3_field::{Field, PrimeCharacteristicRing};
use p3_koala_bear::{Poseidon2KoalaBear, default_koalabear_poseidon2_16};
use p3_symmetric::Permutation;
use rayon::prelude::*;

use crate::circuit::{Circuit, Inputs, Witness, canonical};
use crate::error::ExecutionError;
use crate::field::{EF, F, LIMBS, base_word, ext_of, word_of};
use crate::record::{CONSTANT, Lane, NONE, Op, PermKind, Section, Solve};
use crate::tables::bits::VALUE_BITS;
use crate::tables::poseidon2::{PermState, STATE, horner};
use crate::tables::{bytes, keccak};

static PERMUTATION: LazyLock<Poseidon2KoalaBear<16>> = LazyLock::new(default_koalabear_poseidon2_16);

/// The memory that a list of operations sees: all words from before its group, and its own, which it writes.
struct View<'a> {
    before: &'a [[F; LIMBS]],
    own: &'a mut [[F; LIMBS]],
    /// Number of the first of its own words.
    first_word: usize,
    /// Its own permutations.
    perms: &'a mut [PermState],
    /// Number of the first of them.
    first_perm: usize,
    inputs: &'a [F],
    /// Go on where an assertion does not hold.
    regardless: bool,
}

impl View<'_> {
    fn write(&mut self, word: u32, value: [F; LIMBS]) {
        self.own[word as usize - self.first_word] = value;
    }

    const fn perm(&mut self, row: u32) -> &mut PermState {
        &mut self.perms[row as usize - self.first_perm]
    }

    fn inputs<const N: usize>(&self, position: u32, len: usize) -> [F; N] {
        let mut values = [F::ZERO; N];
        values[..len].copy_from_slice(&self.inputs[position as usize..][..len]);
        values
    }
}

impl Circuit {
    /// Computes all words and checks all assertions.
    ///
    /// # Errors
    /// [`ExecutionError`]: the input list has the wrong length, or an assertion does not hold: the circuit rejects.
    pub fn execute(&self, inputs: &Inputs) -> Result<Witness, ExecutionError> {
        self.execute_with(inputs, false)
    }

    /// Computes all words whatever the assertions say: the witness of a prover who goes on regardless. Its traces are false
    /// wherever [`execute`](Self::execute) fails, which is for a test of the constraints to show.
    ///
    /// # Errors
    /// [`ExecutionError::InputLength`].
    pub fn execute_regardless(&self, inputs: &Inputs) -> Result<Witness, ExecutionError> {
        self.execute_with(inputs, true)
    }

    fn execute_with(&self, inputs: &Inputs, regardless: bool) -> Result<Witness, ExecutionError> {
        if inputs.values.len() != self.inputs {
            return Err(ExecutionError::InputLength { expected: self.inputs, got: inputs.values.len() });
        }
        let mut memory = vec![[F::ZERO; LIMBS]; self.words];
        let mut perms = vec![PermState::default(); self.perms.len()];
        let mut view = View {
            before: &[],
            own: &mut memory,
            first_word: 0,
            perms: &mut perms,
            first_perm: 0,
            inputs: &inputs.values,
            regardless,
        };
        self.run(&self.root, &mut view)?;
        let publics = self
            .publics
            .iter()
            .flat_map(|&word| match word {
                NONE => [F::ZERO; LIMBS],
                word if word & CONSTANT != 0 => self.constants[(word ^ CONSTANT) as usize],
                word => memory[word as usize],
            })
            .collect();
        Ok(Witness { memory, perms, publics })
    }

    fn read(&self, view: &View<'_>, word: u32) -> [F; LIMBS] {
        if word & CONSTANT != 0 {
            return self.constants[(word ^ CONSTANT) as usize];
        }
        let word = word as usize;
        if word < view.before.len() { view.before[word] } else { view.own[word - view.first_word] }
    }

    fn run(&self, ops: &[Op], view: &mut View<'_>) -> Result<(), ExecutionError> {
        for (operation, op) in ops.iter().enumerate() {
            let result = self.step(operation, op, view);
            if !view.regardless {
                result?;
            }
        }
        Ok(())
    }

    fn step(&self, operation: usize, op: &Op, view: &mut View<'_>) -> Result<(), ExecutionError> {
        match *op {
            Op::Input { word, position, len } => {
                let value = view.inputs(position, len as usize);
                view.write(word, value);
            }
            Op::Alu { row, solve, label } => self.run_alu(row, solve, label, operation, view)?,
            Op::Window { row } => self.run_window(row, view),
            Op::Gather { word, ref lanes } => {
                let value = lanes.map(|lane| match lane {
                    Lane::Limb(word, limb) => self.read(view, word.0)[limb],
                    Lane::Const(value) => value,
                });
                view.write(word, value);
            }
            Op::InverseOrZero { word, of } => {
                let value = ext_of(&self.read(view, of)).try_inverse().unwrap_or(EF::ZERO);
                view.write(word, word_of(value));
            }
            Op::Bits { frame } => self.run_bits(frame, view),
            Op::Perm { row } => self.run_perm(row, view),
            Op::Bytes { row } => {
                let row = self.bytes[row as usize];
                let halves = bytes::split(&self.read(view, row.word));
                row.bytes.into_iter().zip(halves).for_each(|(word, value)| view.write(word, value));
            }
            Op::Keccak { row } => {
                let row = self.keccaks[row as usize];
                let message = row.message.into_iter().filter(|&word| word != NONE);
                let message: Vec<_> = message.map(|word| self.read(view, word)).collect();
                row.digest.into_iter().zip(keccak::hash(&message)).for_each(|(word, value)| view.write(word, value));
            }
            Op::PathEnd { row, label } => self.run_path_end(row, label, operation, view)?,
            Op::Equal { left, right, label } => {
                let (got, expected) = (self.read(view, left), self.read(view, right));
                if got != expected {
                    return Err(ExecutionError::Unequal { label, operation, expected, got });
                }
            }
            Op::Sections(ref range) => self.run_sections(&self.sections[range.clone()], view)?,
        }
        Ok(())
    }

    /// Runs a group of sections in parallel. Groups stand at the root only, whose own words are all words.
    fn run_sections(&self, sections: &[Section], view: &mut View<'_>) -> Result<(), ExecutionError> {
        let Some(first) = sections.first() else { return Ok(()) };
        let (before, mut words) = view.own.split_at_mut(first.words.start as usize);
        let (_, mut perms) = view.perms.split_at_mut(first.perms.start);
        let before = &*before;
        let mut views = Vec::with_capacity(sections.len());
        for section in sections {
            let (own, later) = words.split_at_mut(section.words.len());
            words = later;
            let (own_perms, later) = perms.split_at_mut(section.perms.len());
            perms = later;
            views.push(View {
                before,
                own,
                first_word: section.words.start as usize,
                perms: own_perms,
                first_perm: section.perms.start,
                inputs: view.inputs,
                regardless: view.regardless,
            });
        }
        let run = |(section, mut view): (&Section, View<'_>)| self.run(&section.ops, &mut view);
        let results: Vec<_> = sections.par_iter().zip(views).map(run).collect();
        results.into_iter().collect()
    }

    fn run_alu(
        &self,
        row: u32,
        solve: Solve,
        label: &'static str,
        operation: usize,
        view: &mut View<'_>,
    ) -> Result<(), ExecutionError> {
        let cells = self.alu[row as usize];
        let value = |cell: usize| ext_of(&self.read(view, cells[cell]));
        let (cell, result) = match solve {
            Solve::A => {
                let inverse = value(1).try_inverse().ok_or(ExecutionError::DivisionByZero { label, operation })?;
                (0, (value(3) - value(2)) * inverse)
            }
            Solve::C => (2, value(3) - value(0) * value(1)),
            Solve::D => (3, value(0) * value(1) + value(2)),
            Solve::Check => {
                // A word with more than five limbs fits no cell.
                let full = cells.iter().any(|cell| self.read(view, *cell)[5..] != [F::ZERO; 3]);
                if full || value(0) * value(1) + value(2) != value(3) {
                    return Err(ExecutionError::Relation { label, operation });
                }
                return Ok(());
            }
        };
        view.write(cells[cell], word_of(result));
        Ok(())
    }

    fn run_window(&self, row: u32, view: &mut View<'_>) {
        let window = self.windows[row as usize];
        let mut source = [F::ZERO; 2 * LIMBS];
        source[..LIMBS].copy_from_slice(&self.read(view, window.a));
        if window.b != NONE {
            source[LIMBS..].copy_from_slice(&self.read(view, window.b));
        }
        let mut value = [F::ZERO; LIMBS];
        let len = window.len.limbs();
        value[..len].copy_from_slice(&source[window.k as usize..][..len]);
        view.write(window.out, value);
    }

    fn run_bits(&self, frame: u32, view: &mut View<'_>) {
        let frame = &self.frames[frame as usize];
        let value = canonical(self.read(view, frame.value)[0]);
        for &(k, word) in &frame.shifts {
            view.write(word, base_word(F::from_u32(value >> k)));
        }
        for &(k, word) in &frame.bits {
            view.write(word, base_word(F::from_u32((value >> k) & 1)));
        }
        if frame.product != NONE {
            let set = |(k, _): &(usize, &F)| *k < VALUE_BITS && (value >> *k) & 1 == 1;
            let product: F = frame.factors.iter().enumerate().filter(set).map(|(_, factor)| *factor).product();
            view.write(frame.product, base_word(product));
        }
    }

    fn run_perm(&self, row: u32, view: &mut View<'_>) {
        let spec = &self.perms[row as usize];
        let mut state = PermState::default();
        let before = if spec.prev == NONE { state } else { *view.perm(spec.prev) };
        let lanes = spec.lanes as usize;
        match spec.kind {
            PermKind::Hash | PermKind::Duplex => {
                state.input = before.output;
                if spec.kind == PermKind::Duplex {
                    state.input[..LIMBS].fill(F::ZERO);
                    state.input[LIMBS] += F::from_usize(lanes);
                }
                let absorbed =
                    if spec.input == NONE { self.read(view, spec.left) } else { view.inputs(spec.input, lanes) };
                state.input[..lanes].copy_from_slice(&absorbed[..lanes]);
            }
            PermKind::Squeeze => state.input = before.output,
            PermKind::Compress => {
                state.input[..LIMBS].copy_from_slice(&self.read(view, spec.left));
                state.input[LIMBS..].copy_from_slice(&self.read(view, spec.right));
            }
            PermKind::Merkle => {
                let index = self.index_of(view, spec.prev);
                (state.index, state.bit) = (index >> 1, index & 1 == 1);
                let sibling: [F; LIMBS] = view.inputs(spec.input, LIMBS);
                let (left, right) = state.input.split_at_mut(LIMBS);
                let (node, other) = if state.bit { (right, left) } else { (left, right) };
                node.copy_from_slice(&before.output[..LIMBS]);
                other.copy_from_slice(&sibling);
            }
            PermKind::Inject => {
                state.index = self.index_of(view, spec.prev);
                state.input[..LIMBS].copy_from_slice(&before.output[..LIMBS]);
                state.input[LIMBS..].copy_from_slice(&self.read(view, spec.right));
            }
        }
        state.output = PERMUTATION.permute(state.input);
        if spec.beta != NONE {
            let acc = if spec.acc_prev == NONE { EF::ZERO } else { view.perm(spec.acc_prev).acc };
            let beta = ext_of(&self.read(view, spec.beta));
            state.acc = horner(acc, beta, &state.input, lanes)[LIMBS / 2 - 1];
            if spec.acc != NONE {
                view.write(spec.acc, word_of(state.acc));
            }
        }
        if spec.left_is_new {
            view.write(spec.left, low(&state.input));
        }
        if spec.out != NONE {
            view.write(spec.out, low(&state.output));
        }
        *view.perm(row) = state;
    }

    /// The index at a row; that of a path's leaf is its word's, and is noted.
    fn index_of(&self, view: &mut View<'_>, row: u32) -> u32 {
        let spec = &self.perms[row as usize];
        if !matches!(spec.kind, PermKind::Merkle | PermKind::Inject) {
            let index = canonical(self.read(view, spec.index)[0]);
            view.perm(row).index = index;
        }
        view.perm(row).index
    }

    fn run_path_end(
        &self,
        row: u32,
        label: &'static str,
        operation: usize,
        view: &mut View<'_>,
    ) -> Result<(), ExecutionError> {
        let spec = &self.perms[row as usize];
        let got = self.index_of(view, row);
        let expected = canonical(self.read(view, spec.index)[0]);
        let (first, cap_len) = spec.cap;
        if got != expected || got >= cap_len {
            return Err(ExecutionError::PathIndex { label, operation, expected, cap_len, got });
        }
        let expected = self.read(view, first + got);
        let got = low(&view.perm(row).output);
        if got != expected {
            return Err(ExecutionError::Cap { label, operation, expected, got });
        }
        Ok(())
    }
}

/// The first eight lanes of a state.
fn low(state: &[F; STATE]) -> [F; LIMBS] {
    std::array::from_fn(|lane| state[lane])
}
