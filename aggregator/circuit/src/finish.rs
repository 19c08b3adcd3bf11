//! From recorded operations to a circuit: addresses, owners of words, rows, preprocessed columns.

use std::collections::HashMap;
use std::sync::Arc;

use p3_field::PrimeCharacteristicRing;
use p3_matrix::dense::RowMajorMatrix;

use crate::builder::{Builder, PUBLIC_WORDS};
use crate::circuit::{Circuit, Heights, KeccakTables, ReadsCell, TableRows};
use crate::error::CircuitError;
use crate::field::{F, LIMBS};
use crate::record::{CONSTANT, Len, NONE, PermKind, Shape, Takes, WindowRow};
use crate::tables::{TABLES, TableKind, alu, bits, boundary, bytes, keccak, poseidon2, window};

/// Smallest height that is chosen freely, as a power of two; the next ones are 8 times higher each.
const LOG_HEIGHT_MIN: usize = 9;
const LOG_HEIGHT_STEP: usize = 3;

/// One port of one row.
#[derive(Clone, Copy, Debug)]
struct Port {
    table: TableKind,
    row: usize,
    /// Preprocessed column of its address.
    address: usize,
    /// Preprocessed column of its multiplicity; `None`: −1 by a flag, so this port cannot own its word.
    multiplicity: Option<usize>,
    word: u32,
    /// What the row's constraints show about the word.
    shows: Shape,
}

/// Disjoint sets of words that share an address.
struct Sets {
    parent: Vec<u32>,
    pinned: Vec<bool>,
    words: usize,
}

impl Sets {
    const fn node(&self, word: u32) -> usize {
        if word & CONSTANT == 0 { word as usize } else { self.words + (word ^ CONSTANT) as usize }
    }

    fn find(&mut self, mut node: usize) -> usize {
        while self.parent[node] as usize != node {
            let above = self.parent[self.parent[node] as usize];
            self.parent[node] = above;
            node = above as usize;
        }
        node
    }

    /// Gives two words one address; false when both addresses are fixed.
    fn union(&mut self, left: u32, right: u32) -> bool {
        let (left, right) = (self.node(left), self.node(right));
        let (left, right) = (self.find(left), self.find(right));
        if left == right {
            return true;
        }
        if self.pinned[left] && self.pinned[right] {
            return false;
        }
        let (root, child) = if self.pinned[left] { (left, right) } else { (right, left) };
        self.parent[child] = root as u32;
        true
    }
}

pub(crate) fn finish(mut builder: Builder, heights: Heights) -> Result<Circuit, CircuitError> {
    let zero = builder.zero();
    let order = order(&builder);
    let mut sets = sets(&mut builder);
    let constants = own_every_word(&mut builder, &mut sets, &order, zero.into());

    let rows = row_counts(&builder, order.len(), constants.len(), heights)?;
    let mut prep: Vec<Vec<F>> =
        rows.iter().map(|rows| F::zero_vec(rows.height * rows.table.preprocessed_width())).collect();
    let addresses: Vec<u32> = (0..sets.parent.len()).map(|node| sets.find(node) as u32 + 1).collect();
    let address = |word: u32| addresses[sets.node(word)];

    fill_flags(&builder, &order, &constants, &rows, &address, &mut prep);
    let ports = ports(&builder, &order, &constants, zero.into());
    let mut uses = vec![0u32; addresses.len() + 1];
    for port in &ports {
        uses[address(port.word) as usize] += 1;
    }
    let mut owned = vec![false; addresses.len() + 1];
    for port in &ports {
        let at = address(port.word);
        let start = port.row * port.table.preprocessed_width();
        let cells = &mut prep[port.table as usize][start..];
        cells[port.address] = F::from_u32(at);
        if let Some(multiplicity) = port.multiplicity {
            cells[multiplicity] = if owned[at as usize] { F::NEG_ONE } else { F::from_u32(uses[at as usize] - 1) };
            owned[at as usize] = true;
        }
    }

    let reads = reads(&builder, &constants, &address);
    let mut tables = rows.into_iter().zip(prep).map(|(rows, values)| {
        let columns = RowMajorMatrix::new(values, rows.table.preprocessed_width());
        (rows, Arc::new(columns))
    });
    let mut next = || tables.next().unwrap_or_else(|| (UNUSED, Arc::new(RowMajorMatrix::new(Vec::new(), 1))));
    let five: [_; TABLES] = std::array::from_fn(|_| next());
    let keccak = uses_keccak(&builder).then(|| {
        let two: [_; 2] = std::array::from_fn(|_| next());
        KeccakTables { rows: two.each_ref().map(|(rows, _)| *rows), preprocessed: two.map(|(_, columns)| columns) }
    });
    Ok(Circuit {
        words: builder.shapes.len(),
        inputs: builder.inputs as usize,
        constants: builder.constants,
        alu: builder.alu,
        windows: builder.windows,
        frames: builder.frames,
        perms: builder.perms,
        order,
        root: builder.root,
        sections: builder.sections,
        publics: builder.publics,
        rows: five.each_ref().map(|(rows, _)| *rows),
        preprocessed: five.map(|(_, columns)| columns),
        bytes: builder.bytes,
        keccaks: builder.keccaks,
        keccak,
        addresses,
        reads,
    })
}

/// The order of permutations: chains together, leaves that share an accumulator one after the other, and a separator
/// where an accumulator that starts would follow one that ended.
fn order(builder: &Builder) -> Vec<u32> {
    let perms = &builder.perms;
    let mut next = vec![NONE; perms.len()];
    let mut is_head = vec![true; perms.len()];
    for (row, perm) in perms.iter().enumerate() {
        let before = if perm.prev == NONE { perm.acc_prev } else { perm.prev };
        if before != NONE {
            next[before as usize] = row as u32;
            is_head[row] = false;
        }
    }
    let mut order = Vec::with_capacity(perms.len() + perms.len() / 64);
    let mut accumulates = true;
    for head in (0..perms.len()).filter(|row| is_head[*row]) {
        if accumulates && perms[head].beta != NONE {
            order.push(NONE);
        }
        let mut row = head as u32;
        while row != NONE {
            order.push(row);
            accumulates = perms[row as usize].beta != NONE;
            row = next[row as usize];
        }
    }
    order
}

/// Unites the words asserted to be equal; two that both have fixed addresses are tied by a window instead.
fn sets(builder: &mut Builder) -> Sets {
    let words = builder.shapes.len();
    let nodes = words + builder.constants.len();
    let mut sets = Sets { parent: (0..nodes as u32).collect(), pinned: vec![false; nodes], words };
    for block in &builder.blocks {
        for word in block.words() {
            let node = sets.node(word.0);
            sets.pinned[node] = true;
        }
    }
    for (left, right) in std::mem::take(&mut builder.equal) {
        if !sets.union(left, right) {
            builder.windows.push(WindowRow { a: left, b: NONE, out: right, k: 0, len: Len::Eight, block: false });
        }
    }
    sets
}

/// Adds windows for words that nothing could own, and for inputs whose shape nothing would show; returns the constants
/// that need a row.
fn own_every_word(builder: &mut Builder, sets: &mut Sets, order: &[u32], zero: crate::record::Word) -> Vec<u32> {
    let nodes = sets.parent.len();
    let mut used = vec![false; nodes];
    let mut owned = vec![false; nodes];
    let mut shown = vec![Shape::Full; nodes];
    for port in ports(builder, order, &[], zero) {
        let node = sets.node(port.word);
        let node = sets.find(node);
        used[node] = true;
        owned[node] |= port.multiplicity.is_some();
        shown[node] = shown[node].max(port.shows);
    }
    let in_block = |constant: u32| builder.blocks.iter().any(|block| block.words().any(|word| word.0 == constant));
    let mut constants = Vec::new();
    for id in (0..builder.constants.len() as u32).map(|id| id | CONSTANT) {
        let node = sets.node(id);
        let root = sets.find(node);
        if used[root] || in_block(id) {
            owned[root] = true;
            shown[root] = shown[root].max(builder.shape(id));
            constants.push(id);
        }
    }
    for word in std::mem::take(&mut builder.input_words) {
        let node = sets.node(word);
        let root = sets.find(node);
        let shape = builder.shape(word);
        if used[root] && shown[root] < shape {
            let len = if shape == Shape::Base { Len::One } else { Len::Five };
            builder.windows.push(WindowRow { a: NONE, b: NONE, out: word, k: 0, len, block: false });
            (owned[root], shown[root]) = (true, shape);
        }
    }
    for word in 0..builder.shapes.len() as u32 {
        let node = sets.node(word);
        let root = sets.find(node);
        if used[root] && !owned[root] {
            builder.windows.push(WindowRow { a: NONE, b: NONE, out: word, k: 0, len: Len::Eight, block: false });
            owned[root] = true;
        }
    }
    constants
}

/// What stands for a table that a circuit does not have.
const UNUSED: TableRows = TableRows { table: TableKind::Poseidon2, used: 0, height: 0 };

/// Whether the circuit has the tables that hashing with Keccak takes.
const fn uses_keccak(builder: &Builder) -> bool {
    !builder.bytes.is_empty() || !builder.keccaks.is_empty()
}

/// Rows used and available of each of the circuit's tables, in the order of proofs.
fn row_counts(
    builder: &Builder,
    permutations: usize,
    constants: usize,
    heights: Heights,
) -> Result<Vec<TableRows>, CircuitError> {
    let more = TableKind::KECCAK.into_iter().filter(|_| uses_keccak(builder));
    let tables = TableKind::ALL.into_iter().chain(more);
    let rows = tables.map(|table| {
        let needed = match table {
            TableKind::Poseidon2 => permutations,
            TableKind::Alu => builder.alu.len().div_ceil(alu::SLOTS),
            TableKind::Bits => builder.frames.len().div_ceil(bits::LANES) * bits::VALUE_BITS,
            TableKind::Window => builder.windows.len().div_ceil(window::SLOTS),
            TableKind::Boundary => PUBLIC_WORDS + constants,
            TableKind::Bytes => builder.bytes.len(),
            TableKind::Keccak => builder.keccaks.len() * keccak::ROUNDS,
        };
        let log_height = match heights {
            Heights::Forced(heights) => heights.get(table as usize).copied(),
            Heights::Keccak { keccak, others } => Some(if table == TableKind::Keccak { keccak } else { others }),
            Heights::Smallest => (LOG_HEIGHT_MIN..usize::BITS as usize)
                .step_by(LOG_HEIGHT_STEP)
                .find(|log| needed <= 1 << log)
                .or(Some(LOG_HEIGHT_MIN)),
        };
        let available = log_height.map_or(0, |log| 1 << log);
        if needed > available || available == 0 {
            return Err(CircuitError::Height { table, needed, available });
        }
        Ok(TableRows { table, used: needed, height: available })
    });
    rows.collect()
}

/// Every port that carries a word. The first that can own a word does: rows that may be read dynamically come first.
fn ports(builder: &Builder, order: &[u32], constants: &[u32], zero: crate::record::Word) -> Vec<Port> {
    let mut ports = Vec::new();
    let in_block =
        |word: u32| builder.blocks.iter().any(|block| (block.first..block.first + block.len).contains(&word));
    for targets in [true, false] {
        for (index, &constant) in constants.iter().enumerate() {
            if in_block(constant) == targets {
                ports.push(boundary_port(PUBLIC_WORDS + index, constant));
            }
        }
        for (index, row) in builder.windows.iter().enumerate() {
            window_ports(&mut ports, index, row, targets);
        }
    }
    for (index, cells) in builder.alu.iter().enumerate() {
        for (cell, &word) in cells.iter().enumerate() {
            let address = ((index % alu::SLOTS) * 4 + cell) * 2;
            let (table, row) = (TableKind::Alu, index / alu::SLOTS);
            ports.push(Port { table, row, address, multiplicity: Some(address + 1), word, shows: Shape::Ext });
        }
    }
    for (index, frame) in builder.frames.iter().enumerate() {
        let mut push = |k: usize, port: usize, word: u32| {
            let address = (index % bits::LANES) * bits::LANE_PREP + 2 * port;
            let (table, row) = (TableKind::Bits, (index / bits::LANES) * bits::VALUE_BITS + k);
            ports.push(Port { table, row, address, multiplicity: Some(address + 1), word, shows: Shape::Base });
        };
        push(0, 0, frame.value);
        frame.shifts.iter().for_each(|&(k, word)| push(k, 0, word));
        frame.bits.iter().for_each(|&(k, word)| push(k, 1, word));
        if frame.product != NONE {
            push(0, 2, frame.product);
        }
    }
    keccak_ports(&mut ports, builder);
    for (at, &id) in order.iter().enumerate() {
        if id != NONE {
            perm_ports(&mut ports, order.len() - 1 - at, &builder.perms[id as usize]);
        }
    }
    for (index, &word) in builder.publics.iter().enumerate() {
        ports.push(boundary_port(index, if word == NONE { zero.0 } else { word }));
    }
    ports
}

const fn boundary_port(row: usize, word: u32) -> Port {
    let (address, multiplicity) = (boundary::PORT, Some(boundary::PORT + 1));
    Port { table: TableKind::Boundary, row, address, multiplicity, word, shows: Shape::Full }
}

/// The ports of a window: in the first pass those of dynamic reads' targets, in the second the others.
fn window_ports(ports: &mut Vec<Port>, index: usize, row: &WindowRow, targets: bool) {
    let first = (index % window::SLOTS) * window::SLOT_PREP + window::PORTS;
    let shows = match row.len {
        Len::One => Shape::Base,
        Len::Five => Shape::Ext,
        Len::Eight => Shape::Full,
    };
    for (port, word, shows) in [(0, row.a, Shape::Full), (1, row.b, Shape::Full), (2, row.out, shows)] {
        if word != NONE && (port == 2 && row.block) == targets {
            let address = first + 2 * port;
            let (table, row) = (TableKind::Window, index / window::SLOTS);
            ports.push(Port { table, row, address, multiplicity: Some(address + 1), word, shows });
        }
    }
}

/// The ports of the Bytes and the Keccak table.
fn keccak_ports(ports: &mut Vec<Port>, builder: &Builder) {
    let mut push = |table, row, address, word| {
        if word != NONE {
            ports.push(Port { table, row, address, multiplicity: Some(address + 1), word, shows: Shape::Full });
        }
    };
    for (row, cells) in builder.bytes.iter().enumerate() {
        let [first, second] = cells.bytes;
        for (port, word) in [cells.word, first, second].into_iter().enumerate() {
            push(TableKind::Bytes, row, bytes::PORTS + 2 * port, word);
        }
    }
    for (index, cells) in builder.keccaks.iter().enumerate() {
        let first = index * keccak::ROUNDS;
        for (port, word) in cells.message.into_iter().enumerate() {
            push(TableKind::Keccak, first, keccak::INPUT + 2 * port, word);
        }
        for (port, word) in cells.digest.into_iter().enumerate() {
            push(TableKind::Keccak, first + keccak::ROUNDS - 1, keccak::OUTPUT + 2 * port, word);
        }
    }
}

fn perm_ports(ports: &mut Vec<Port>, row: usize, perm: &crate::record::PermRow) {
    let table = TableKind::Poseidon2;
    let out = if perm.cap.0 == NONE { perm.out } else { NONE };
    let owners = [
        (poseidon2::LEFT, perm.left, Shape::Full),
        (poseidon2::RIGHT, perm.right, Shape::Full),
        (poseidon2::OUT_PORT, out, Shape::Full),
        (poseidon2::ACC_PORT, perm.acc, Shape::Ext),
    ];
    for (address, word, shows) in owners {
        if word != NONE {
            ports.push(Port { table, row, address, multiplicity: Some(address + 1), word, shows });
        }
    }
    for (address, word, shows) in
        [(poseidon2::RIGHT, perm.beta, Shape::Ext), (poseidon2::INDEX_PORT, perm.index, Shape::Base)]
    {
        if word != NONE {
            ports.push(Port { table, row, address, multiplicity: None, word, shows });
        }
    }
}

/// Fills all preprocessed cells but the ports'.
fn fill_flags(
    builder: &Builder,
    order: &[u32],
    constants: &[u32],
    rows: &[TableRows],
    address: &impl Fn(u32) -> u32,
    prep: &mut [Vec<F>],
) {
    for (at, &id) in order.iter().enumerate() {
        if id != NONE {
            let start = (order.len() - 1 - at) * poseidon2::PREP;
            let cells = &mut prep[TableKind::Poseidon2 as usize][start..][..poseidon2::PREP];
            perm_flags(&builder.perms[id as usize], cells, address);
        }
    }
    let cells = &mut prep[TableKind::Bits as usize];
    for row in 0..rows[TableKind::Bits as usize].height {
        let bit = row % bits::VALUE_BITS;
        let unused = row >= rows[TableKind::Bits as usize].used;
        cells[row * bits::PREP + bits::LAST] = F::from_bool(unused || bit == bits::VALUE_BITS - 1);
        let high = (bits::HIGH_FROM..bits::VALUE_BITS - 1).contains(&bit);
        cells[row * bits::PREP + bits::HIGH] = F::from_bool(!unused && high);
    }
    for (index, frame) in builder.frames.iter().enumerate() {
        for (k, factor) in frame.factors.iter().enumerate() {
            let row = (index / bits::LANES) * bits::VALUE_BITS + k;
            let column = (index % bits::LANES) * bits::LANE_PREP + bits::GAMMA;
            cells[row * bits::PREP + column] = *factor - F::ONE;
        }
    }
    for (index, row) in builder.windows.iter().enumerate() {
        let start = (index / window::SLOTS) * window::PREP + (index % window::SLOTS) * window::SLOT_PREP;
        let cells = &mut prep[TableKind::Window as usize][start..][..window::SLOT_PREP];
        cells[row.k as usize] = F::ONE;
        cells[window::FIVE] = F::from_bool(row.len != Len::One);
        cells[window::EIGHT] = F::from_bool(row.len == Len::Eight);
        cells[window::BLOCK] = F::from_bool(row.block);
    }
    let cells = &mut prep[TableKind::Boundary as usize];
    for word in 0..PUBLIC_WORDS {
        cells[word * boundary::PREP + boundary::FLAGS + word] = F::ONE;
    }
    for (index, &constant) in constants.iter().enumerate() {
        let cells = &mut cells[(PUBLIC_WORDS + index) * boundary::PREP..][..boundary::PREP];
        cells[..LIMBS].copy_from_slice(&builder.constants[(constant ^ CONSTANT) as usize]);
        let block = builder.blocks.iter().any(|block| block.words().any(|word| word.0 == constant));
        cells[boundary::BLOCK] = F::from_bool(block);
    }
    for (index, row) in builder.keccaks.iter().enumerate() {
        let long = row.message[keccak::INPUT_WORDS - 1] != NONE;
        let cells = &mut prep[TableKind::Keccak as usize][index * keccak::ROUNDS * keccak::PREP..];
        cells[if long { keccak::LONG } else { keccak::SHORT }] = F::ONE;
    }
}

fn perm_flags(perm: &crate::record::PermRow, cells: &mut [F], address: &impl Fn(u32) -> u32) {
    let Takes { fresh, cont, keep, tag, absorbed } = perm.takes();
    cells[poseidon2::Z + absorbed..poseidon2::Z + LIMBS].fill(F::ONE);
    cells[poseidon2::HORNER] = F::from_bool(perm.beta != NONE);
    cells[poseidon2::FRESH] = F::from_bool(fresh);
    cells[poseidon2::CONT] = F::from_bool(cont);
    cells[poseidon2::KEEP] = F::from_bool(keep);
    cells[poseidon2::TAG] = F::from_u8(tag);
    cells[poseidon2::MERKLE] = F::from_bool(perm.kind == PermKind::Merkle);
    cells[poseidon2::AT] = F::from_bool(perm.index != NONE);
    if perm.cap.0 != NONE {
        cells[poseidon2::OUT_PORT] = F::from_u32(address(perm.cap.0));
        cells[poseidon2::OUT_PORT + 1] = F::NEG_ONE;
    }
}

/// Where the dynamic reads of each address in a block are counted.
fn reads(builder: &Builder, constants: &[u32], address: &impl Fn(u32) -> u32) -> HashMap<u32, ReadsCell> {
    let mut reads = HashMap::new();
    for (index, row) in builder.windows.iter().enumerate().filter(|(_, row)| row.block) {
        let column = window::reads_column(index % window::SLOTS) as u32;
        let cell = ReadsCell { table: TableKind::Window, row: (index / window::SLOTS) as u32, column };
        reads.insert(address(row.out), cell);
    }
    for block in builder.blocks.iter().filter(|block| block.first & CONSTANT != 0) {
        for word in block.words() {
            if let Some(index) = constants.iter().position(|constant| *constant == word.0) {
                let row = (PUBLIC_WORDS + index) as u32;
                reads.insert(address(word.0), ReadsCell { table: TableKind::Boundary, row, column: 0 });
            }
        }
    }
    reads
}
