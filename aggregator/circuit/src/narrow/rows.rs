//! The rows that a circuit's recorded operations take, and what each cell of theirs carries.

use std::collections::HashSet;

use p3_field::PrimeCharacteristicRing;

use super::NARROW_PUBLIC_WORDS;
use super::columns::SLOTS;
use crate::circuit::Circuit;
use crate::error::CircuitError;
use crate::field::{DEGREE, F, LIMBS};
use crate::record::{CONSTANT, Len, NONE, PermKind, PermRow, WindowRow};
use crate::tables::bits::VALUE_BITS;

/// The part of a word that one port carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Half {
    /// Limbs 0 to 4.
    Lower,
    /// Limbs 5 to 7, and two zeros.
    Upper,
}

/// Both halves, the lower first.
pub(super) const HALVES: [Half; 2] = [Half::Lower, Half::Upper];

/// What a cell carries.
#[derive(Clone, Copy, Debug, Default)]
pub(super) enum Value {
    /// Nothing: zero, unless the row's kind says more.
    #[default]
    None,
    /// Half a word of the circuit.
    Word(u32, Half),
    /// Half the output of a permutation, which a path's end looks up in its cap.
    Output(u32, Half),
    /// The accumulator after a permutation.
    Accumulator(u32),
    /// The index at a permutation.
    Index(u32),
    /// Whether the node before a permutation is the right child. On no bus.
    Bit(u32),
}

/// What a row is for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    /// A part of a permutation, A to D.
    Perm { perm: u32, part: usize },
    /// Bit `bit` of a decomposition.
    Bits { frame: u32, bit: usize },
    /// A window of some limbs of a, b, c.
    Window { k: usize, limbs: usize, block: bool },
    /// Half a constant.
    Constant { constant: u32, half: Half, block: bool },
    /// Half a public word.
    Public { word: usize, half: Half },
    /// The constant zero.
    Zero,
    /// Cells alone.
    Cells,
}

/// Part of a permutation: its first row.
pub(super) const A: usize = 0;
/// Part of a permutation: its second row.
pub(super) const B: usize = 1;
/// Part of a permutation: its third row.
pub(super) const C: usize = 2;
/// Part of a permutation: its last row.
pub(super) const D: usize = 3;

/// A row: what it is for, and its cells.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub kind: Kind,
    pub cells: [Value; SLOTS],
    /// Cells a and b are the left half of the input, or the output.
    pub first_half: bool,
    /// Cells c and d are the right half of the input.
    pub second_half: bool,
    /// The row has `at`, `horner_a` or `horner_b`, by its part.
    pub at: bool,
    /// See `at`.
    pub horner: bool,
    /// a · b + c = d.
    pub alu: bool,
}

impl Row {
    const fn new(kind: Kind) -> Self {
        Self {
            kind,
            cells: [Value::None; SLOTS],
            first_half: false,
            second_half: false,
            at: false,
            horner: false,
            alu: false,
        }
    }

    /// Whether d may be read dynamically.
    pub(super) const fn is_block(&self) -> bool {
        matches!(self.kind, Kind::Window { block: true, .. } | Kind::Constant { block: true, .. })
    }

    /// Whether an ALU operation can stand in the row's cells.
    fn is_free(&self) -> bool {
        let idle = !(self.first_half || self.second_half || self.at || self.horner);
        match self.kind {
            Kind::Perm { .. } => idle && matches!(self.cells[0], Value::None),
            _ => false,
        }
    }
}

/// All rows in the order of the table, and which of them own what others look up.
pub(super) fn rows(circuit: &Circuit) -> Result<Vec<Row>, CircuitError> {
    let mut rows = Vec::new();
    for &perm in circuit.order.iter().rev().filter(|perm| **perm != NONE) {
        permutation(circuit, perm, &mut rows);
    }
    for frame in 0..circuit.frames.len() {
        decomposition(circuit, frame as u32, &mut rows);
    }
    for window in &circuit.windows {
        windows(window, &mut rows);
    }
    publics(circuit, &mut rows)?;
    relations(circuit, &mut rows);
    constants(circuit, &mut rows);
    Ok(rows)
}

fn both(word: u32) -> [Value; 2] {
    HALVES.map(|half| Value::Word(word, half))
}

const fn lower(word: u32) -> Value {
    Value::Word(word, Half::Lower)
}

fn permutation(circuit: &Circuit, perm: u32, rows: &mut Vec<Row>) {
    let spec: &PermRow = &circuit.perms[perm as usize];
    let [mut a, mut b, c, mut d] = std::array::from_fn(|part| Row::new(Kind::Perm { perm, part }));
    if spec.kind == PermKind::Merkle {
        a.cells[0] = Value::Bit(perm);
    }
    if spec.beta != NONE {
        (a.horner, b.horner) = (true, true);
        let zero = circuit.zero_constant();
        a.cells[0] = if spec.acc_prev == NONE { lower(zero) } else { Value::Accumulator(spec.acc_prev) };
        a.cells[1] = lower(spec.beta);
        b.cells[3] = Value::Accumulator(perm);
    }
    if spec.left != NONE {
        b.first_half = true;
        b.cells[..2].copy_from_slice(&both(spec.left));
    }
    if spec.right != NONE {
        b.second_half = true;
        b.cells[2..].copy_from_slice(&both(spec.right));
    }
    if spec.cap.0 != NONE {
        d.first_half = true;
        d.cells[..2].copy_from_slice(&HALVES.map(|half| Value::Output(perm, half)));
    } else if spec.out != NONE {
        d.first_half = true;
        d.cells[..2].copy_from_slice(&both(spec.out));
    }
    if spec.index != NONE {
        d.at = true;
        d.cells[2] = Value::Index(perm);
    }
    rows.extend([d, c, b, a]);
}

fn decomposition(circuit: &Circuit, frame: u32, rows: &mut Vec<Row>) {
    let spec = &circuit.frames[frame as usize];
    let start = rows.len();
    rows.extend((0..VALUE_BITS).map(|bit| Row::new(Kind::Bits { frame, bit })));
    let rows = &mut rows[start..];
    rows[0].cells[0] = lower(spec.value);
    for &(bit, word) in &spec.shifts {
        rows[bit].cells[0] = lower(word);
    }
    for &(bit, word) in &spec.bits {
        rows[bit].cells[1] = lower(word);
    }
    if spec.product != NONE {
        rows[0].cells[2] = lower(spec.product);
    }
}

/// The rows of a window: one for each half that it makes.
fn windows(window: &WindowRow, rows: &mut Vec<Row>) {
    let limbs = window.len.limbs();
    let k = window.k as usize;
    let lower_limbs = limbs.min(DEGREE);
    one_window(window, k, lower_limbs, Half::Lower, rows);
    if window.len == Len::Eight {
        one_window(window, k + DEGREE, LIMBS - DEGREE, Half::Upper, rows);
    }
}

/// `limbs` limbs from limb `k` of a ‖ b, as one half of the window's word.
fn one_window(window: &WindowRow, k: usize, limbs: usize, half: Half, rows: &mut Vec<Row>) {
    // Only the second word is read: it takes the first one's place.
    let (a, b, k) = if k < LIMBS { (window.a, window.b, k) } else { (window.b, NONE, k - LIMBS) };
    let mut row = Row::new(Kind::Window { k: if window.a == NONE { 0 } else { k }, limbs, block: window.block });
    if window.a != NONE {
        let end = k + limbs;
        if k < DEGREE {
            row.cells[0] = lower(a);
        }
        if end > DEGREE {
            row.cells[1] = Value::Word(a, Half::Upper);
        }
        if end > LIMBS {
            row.cells[2] = lower(b);
        }
    }
    row.cells[3] = Value::Word(window.out, half);
    rows.push(row);
}

fn publics(circuit: &Circuit, rows: &mut Vec<Row>) -> Result<(), CircuitError> {
    for (index, &word) in circuit.publics.iter().enumerate() {
        if index >= NARROW_PUBLIC_WORDS {
            if word != NONE {
                return Err(CircuitError::NarrowPublic { index, words: NARROW_PUBLIC_WORDS });
            }
            continue;
        }
        for half in HALVES {
            let mut row = Row::new(Kind::Public { word: index, half });
            row.cells[3] = Value::Word(if word == NONE { circuit.zero_constant() } else { word }, half);
            rows.push(row);
        }
    }
    Ok(())
}

/// The ALU's relations, in cells that are free, then in rows of their own.
fn relations(circuit: &Circuit, rows: &mut Vec<Row>) {
    let mut relations = circuit.alu.iter();
    let place = |row: &mut Row, words: &[u32; SLOTS]| {
        row.alu = true;
        row.cells = words.map(lower);
    };
    for row in rows.iter_mut().filter(|row| row.is_free()) {
        let Some(words) = relations.next() else { return };
        place(row, words);
    }
    for words in relations {
        let mut row = Row::new(Kind::Cells);
        place(&mut row, words);
        rows.push(row);
    }
}

/// The halves of constants that something reads or that are not zero, and the zeros above words of at most five limbs whose
/// upper limbs are read.
fn constants(circuit: &Circuit, rows: &mut Vec<Row>) {
    let mut read: HashSet<(u32, Half)> =
        rows.iter().flat_map(|row| row.cells).filter_map(|value| address(circuit, value)).collect();
    let is_short = |limbs: &[F; LIMBS]| limbs[DEGREE..].iter().all(|limb| *limb == F::ZERO);
    // A block's word keeps the address of its own; what is asserted to equal it has that address too, and is no block.
    let is_block = |index: u32, address: u32| {
        circuit.reads.contains_key(&address) && address as usize == circuit.words + index as usize + 1
    };
    // First what the constants themselves add to what is read: another one at the same address may stand before them.
    for index in 0..circuit.constants.len() as u32 {
        let address = circuit.address(index | CONSTANT);
        if is_block(index, address) {
            read.extend(HALVES.map(|half| (address, half)));
        }
    }
    for (index, limbs) in circuit.constants.iter().enumerate() {
        let address = circuit.address(index as u32 | CONSTANT);
        if !is_short(limbs) && HALVES.iter().any(|half| read.contains(&(address, *half))) {
            read.insert((address, Half::Upper));
        }
    }
    let mut zero_above = HashSet::new();
    for (index, limbs) in circuit.constants.iter().enumerate() {
        let constant = index as u32 | CONSTANT;
        let address = circuit.address(constant);
        let block = is_block(index as u32, address);
        for half in HALVES {
            if read.contains(&(address, half)) {
                let mut row = Row::new(Kind::Constant { constant: index as u32, half, block });
                row.cells[3] = Value::Word(constant, half);
                rows.push(row);
            }
        }
        if is_short(limbs) {
            zero_above.insert(address);
        }
    }
    for word in short_words(circuit) {
        let address = circuit.address(word);
        if read.contains(&(address, Half::Upper)) && zero_above.insert(address) {
            let mut row = Row::new(Kind::Zero);
            row.cells[3] = Value::Word(word, Half::Upper);
            rows.push(row);
        }
    }
}

/// The word and half that a cell has on the bus, by its address in the wide layout. None of what is on no bus, or has an
/// address of its own: an accumulator that is no word, and a path's end, whose block is there whoever reads it.
pub(super) fn address(circuit: &Circuit, value: Value) -> Option<(u32, Half)> {
    match value {
        Value::Word(word, half) => Some((circuit.address(word), half)),
        Value::Index(perm) => Some((circuit.address(circuit.perms[perm as usize].index), Half::Lower)),
        Value::Accumulator(perm) => {
            let acc = circuit.perms[perm as usize].acc;
            (acc != NONE).then(|| (circuit.address(acc), Half::Lower))
        }
        Value::None | Value::Output(..) | Value::Bit(_) => None,
    }
}

/// Every word that a port of the wide layout shows to have at most five limbs.
fn short_words(circuit: &Circuit) -> impl Iterator<Item = u32> {
    let alu = circuit.alu.iter().flatten().copied();
    let frames = circuit.frames.iter().flat_map(|frame| {
        let exposed = frame.shifts.iter().chain(&frame.bits).map(|&(_, word)| word);
        exposed.chain([frame.value, frame.product])
    });
    let windows = circuit.windows.iter().filter(|window| window.len != Len::Eight).map(|window| window.out);
    let perms = circuit.perms.iter().flat_map(|perm| [perm.acc, perm.beta, perm.index]);
    alu.chain(frames).chain(windows).chain(perms).filter(|word| *word != NONE)
}
