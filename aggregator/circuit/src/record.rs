//! What the builder records: operations for the executor, and rows of the tables by the words they touch.

use std::ops::Range;

use crate::field::{F, LIMBS};

/// No word, or no row.
pub(crate) const NONE: u32 = u32::MAX;
/// Words with this bit are constants: the rest of the number is their index.
pub(crate) const CONSTANT: u32 = 1 << 31;

/// A write-once memory cell of eight base limbs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Word(pub(crate) u32);

/// A word whose limbs 5 to 7 are zero: an element of the extension.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ext(pub(crate) Word);

/// A word whose limbs 1 to 7 are zero: an element of the base field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Base(pub(crate) Word);

impl From<Ext> for Word {
    fn from(value: Ext) -> Self {
        value.0
    }
}

impl From<Base> for Word {
    fn from(value: Base) -> Self {
        value.0
    }
}

impl From<Base> for Ext {
    fn from(value: Base) -> Self {
        Self(value.0)
    }
}

/// How many limbs a window takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Len {
    /// One limb: a base element.
    One,
    /// Five limbs: an extension element.
    Five,
    /// All eight limbs.
    Eight,
}

impl Len {
    /// The number of limbs.
    #[must_use]
    pub const fn limbs(self) -> usize {
        match self {
            Self::One => 1,
            Self::Five => 5,
            Self::Eight => 8,
        }
    }
}

/// One limb of a word that [`assemble`](crate::Builder::assemble) puts together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// A limb of another word.
    Limb(Word, usize),
    /// A constant.
    Const(F),
}

/// One item of a stream of limbs that [`pack`](crate::Builder::pack) cuts into words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Item {
    /// Eight limbs.
    Word(Word),
    /// Five limbs.
    Ext(Ext),
    /// One limb.
    Base(Base),
    /// One constant limb.
    Const(F),
}

/// Consecutive words that a Merkle path's end may be looked up in: a commitment's cap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CapRef {
    pub(crate) first: u32,
    pub(crate) len: u32,
}

impl CapRef {
    /// Number of words, a power of two in a cap.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len as usize
    }

    /// True when there is no word.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The word at `index`; `None` past the end.
    #[must_use]
    pub const fn word(&self, index: usize) -> Option<Word> {
        if index < self.len as usize { Some(Word(self.first + index as u32)) } else { None }
    }

    /// All words in order.
    pub fn words(&self) -> impl Iterator<Item = Word> + use<> {
        (self.first..self.first + self.len).map(Word)
    }
}

/// 32 bytes as 16 limbs of 16 bits in two words, as Keccak's lanes have them: limb i is byte 2i + 2^8 · byte 2i + 1. There is
/// none whose limbs are not shown to be below 2^16.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Bytes32(pub(crate) [Word; 2]);

impl Bytes32 {
    /// The two words: limbs 0 to 7, and 8 to 15.
    #[must_use]
    pub const fn words(&self) -> [Word; 2] {
        self.0
    }
}

/// How many limbs of a word may be other than zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Shape {
    Full,
    Ext,
    Base,
}

/// Which cell of d = a·b + c the executor computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Solve {
    /// a = (d − c) / b.
    A,
    /// c = d − a·b.
    C,
    /// d = a·b + c.
    D,
    /// All four are known: check.
    Check,
}

/// One operation of the executor; operands are word numbers or rows of the recorded tables.
#[derive(Clone, Debug)]
pub(crate) enum Op {
    Input {
        word: u32,
        position: u32,
        len: u8,
    },
    Alu {
        row: u32,
        solve: Solve,
        label: &'static str,
    },
    Window {
        row: u32,
    },
    Gather {
        word: u32,
        lanes: Box<[Lane; LIMBS]>,
    },
    InverseOrZero {
        word: u32,
        of: u32,
    },
    Bits {
        frame: u32,
    },
    Perm {
        row: u32,
    },
    Bytes {
        row: u32,
    },
    Keccak {
        row: u32,
    },
    /// A path ends in this row: its index and its output are checked.
    PathEnd {
        row: u32,
        label: &'static str,
    },
    Equal {
        left: u32,
        right: u32,
        label: &'static str,
    },
    Sections(Range<usize>),
}

/// One section: operations that only read what was recorded before its group, and its own words.
#[derive(Clone, Debug)]
pub(crate) struct Section {
    pub ops: Vec<Op>,
    pub words: Range<u32>,
    pub perms: Range<usize>,
}

/// out\[i\] = (a ‖ b)\[k + i\] for i < len, else 0. `a` may be `NONE`: then out is any word of that shape.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WindowRow {
    pub a: u32,
    pub b: u32,
    pub out: u32,
    pub k: u8,
    pub len: Len,
    /// May be read dynamically.
    pub block: bool,
}

/// The 31 rows of one canonical decomposition.
#[derive(Clone, Debug)]
pub(crate) struct Frame {
    pub value: u32,
    /// (k, word of value >> k).
    pub shifts: Vec<(usize, u32)>,
    /// (k, word of bit k).
    pub bits: Vec<(usize, u32)>,
    /// Factor of bit k.
    pub factors: Vec<F>,
    pub product: u32,
}

/// What one permutation does with the state before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PermKind {
    /// Absorb into a padding-free sponge: a lane that is not absorbed keeps its value.
    Hash,
    /// Absorb into a duplex challenger: a rate lane that is not absorbed is zero, the count is added to lane 8.
    Duplex,
    /// Permute the state as it is.
    Squeeze,
    /// Compress two words.
    Compress,
    /// One step of a Merkle path.
    Merkle,
    /// Compress the node before it with a word.
    Inject,
}

/// One row of the Poseidon2 table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PermRow {
    pub kind: PermKind,
    /// The row whose output this one continues.
    pub prev: u32,
    /// The row whose accumulator this one continues.
    pub acc_prev: u32,
    /// Lanes absorbed, from lane 0.
    pub lanes: u8,
    /// Word of input lanes 0..8.
    pub left: u32,
    /// The left word is computed here, from the input list.
    pub left_is_new: bool,
    /// Word of input lanes 8..16.
    pub right: u32,
    /// Word of output lanes 0..8.
    pub out: u32,
    /// The output is looked up in a cap instead: its first word and its length.
    pub cap: (u32, u32),
    /// Word of the accumulator after this row.
    pub acc: u32,
    /// β of the accumulator.
    pub beta: u32,
    /// Word of the index at this row.
    pub index: u32,
    /// Position in the input list of the lanes absorbed, or of the sibling.
    pub input: u32,
}

impl PermRow {
    pub(crate) const fn new(kind: PermKind) -> Self {
        Self {
            kind,
            prev: NONE,
            acc_prev: NONE,
            lanes: 0,
            left: NONE,
            left_is_new: false,
            right: NONE,
            out: NONE,
            cap: (NONE, 0),
            acc: NONE,
            beta: NONE,
            index: NONE,
            input: NONE,
        }
    }

    /// What both layouts tell a permutation's row of the state before it.
    pub(crate) const fn takes(&self) -> Takes {
        let first = self.prev == NONE;
        let (sponge, keep, tag, absorbed) = match self.kind {
            PermKind::Hash => (true, !first, 0, self.lanes as usize),
            PermKind::Duplex => (true, false, self.lanes, self.lanes as usize),
            PermKind::Squeeze => (true, true, 0, 0),
            PermKind::Compress | PermKind::Merkle => (false, false, 0, LIMBS),
            PermKind::Inject => (false, true, 0, 0),
        };
        Takes { fresh: sponge && first, cont: sponge && !first, keep, tag, absorbed }
    }
}

/// The flags of a permutation's row: see the [Poseidon2 table](crate::tables).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Takes {
    /// A sponge's first permutation.
    pub fresh: bool,
    /// A sponge's other permutations.
    pub cont: bool,
    /// Lanes not absorbed keep their value.
    pub keep: bool,
    /// What is added to lane 8.
    pub tag: u8,
    /// Lanes absorbed, from lane 0.
    pub absorbed: usize,
}

/// One row of the Bytes table: a word, and the two words of its bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BytesRow {
    pub word: u32,
    pub bytes: [u32; 2],
}

/// The 24 rows of one Keccak-256. Of a message of 64 bytes the last two words are `NONE`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KeccakRow {
    pub message: [u32; 6],
    pub digest: [u32; 2],
}
