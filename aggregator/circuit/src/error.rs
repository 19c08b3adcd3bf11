//! What goes wrong when a circuit is built, and when it is executed.

use crate::field::{F, LIMBS};
use crate::tables::TableKind;

/// A circuit cannot be built as it was recorded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CircuitError {
    /// A table needs more rows than its forced height has.
    #[error("table {table}: expected at most {available} rows, got {needed}")]
    Height {
        /// The table that does not fit.
        table: TableKind,
        /// Rows the recorded operations take.
        needed: usize,
        /// Rows of the forced height.
        available: usize,
    },
    /// An operation reads a word of a sibling section, which may not be computed yet.
    #[error("operation {operation} reads word {word} of a sibling section")]
    SectionLeak {
        /// The operation that reads.
        operation: &'static str,
        /// The word it reads.
        word: u32,
    },
    /// A hash operation must follow another one directly, and does not.
    #[error("{operation} must directly follow the rows it continues")]
    NotAdjacent {
        /// The operation that was asked for.
        operation: &'static str,
    },
    /// An argument is outside the range that the operation is defined for.
    #[error("{operation}: {argument} expected in {low}..={high}, got {got}")]
    Argument {
        /// The operation that was asked for.
        operation: &'static str,
        /// The argument's name.
        argument: &'static str,
        /// Smallest value that is allowed.
        low: usize,
        /// Largest value that is allowed.
        high: usize,
        /// The value given.
        got: usize,
    },
    /// The narrow table needs more rows than its height has.
    #[error("narrow table: expected at most {available} rows, got {needed}")]
    NarrowHeight {
        /// Rows the recorded operations take.
        needed: usize,
        /// Rows of the table.
        available: usize,
    },
    /// A narrow circuit has fewer public words.
    #[error("narrow table: expected {words} public words at most, got word {index} exposed")]
    NarrowPublic {
        /// Index of the public word.
        index: usize,
        /// Public words of a narrow circuit.
        words: usize,
    },
    /// A public word was exposed twice.
    #[error("public word {index} is exposed twice")]
    ExposedTwice {
        /// Index of the public word.
        index: usize,
    },
}

/// The circuit rejects its inputs: an assertion does not hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExecutionError {
    /// The input list has another length than the circuit reads.
    #[error("expected {expected} input elements, got {got}")]
    InputLength {
        /// Elements the circuit reads.
        expected: usize,
        /// Elements given.
        got: usize,
    },
    /// Two words that the circuit asserts to be equal differ.
    #[error("{label}: operation {operation} expected {expected:?}, got {got:?}")]
    Unequal {
        /// The builder's label where the assertion was recorded.
        label: &'static str,
        /// Index of the operation within its section.
        operation: usize,
        /// The right-hand word.
        expected: [F; LIMBS],
        /// The left-hand word.
        got: [F; LIMBS],
    },
    /// A relation d = a·b + c that the circuit asserts does not hold.
    #[error("{label}: operation {operation} expected a·b + c = d, and they differ")]
    Relation {
        /// The builder's label where the relation was recorded.
        label: &'static str,
        /// Index of the operation within its section.
        operation: usize,
    },
    /// A division by zero.
    #[error("{label}: operation {operation} divides by zero")]
    DivisionByZero {
        /// The builder's label where the division was recorded.
        label: &'static str,
        /// Index of the operation within its section.
        operation: usize,
    },
    /// A Merkle path ends at an index outside its cap, or at another than the one given.
    #[error("{label}: operation {operation} expected path end {expected} below {cap_len}, got {got}")]
    PathIndex {
        /// The builder's label where the path was recorded.
        label: &'static str,
        /// Index of the operation within its section.
        operation: usize,
        /// The index that was given for the end of the path.
        expected: u32,
        /// Words in the cap.
        cap_len: u32,
        /// The index that walking the path ends at.
        got: u32,
    },
    /// A Merkle path ends in a digest that is not the cap's.
    #[error("{label}: operation {operation} expected digest {expected:?}, got {got:?}")]
    Cap {
        /// The builder's label where the path was recorded.
        label: &'static str,
        /// Index of the operation within its section.
        operation: usize,
        /// The cap's digest.
        expected: [F; LIMBS],
        /// The path's digest.
        got: [F; LIMBS],
    },
}
