//! The link circuit computes both roots of any list up to its capacity.

use p3_field::PrimeCharacteristicRing;
use sinter_circuit::CircuitError;
use sinter_primitives::statements::StatementTree;
use sinter_program::F;
use sinter_recursion::link::{LOG_CAPACITY_MAX, LinkInputError};
use sinter_recursion::statement::{PUBLIC_VALUES, root};
use sinter_recursion::{Link, Statement};

/// Statements that differ, with the extremes of the field among their elements.
pub fn statements(count: usize) -> Vec<Statement> {
    let element = |at: usize, index: usize| match (at * 72 + index) % 11 {
        0 => F::NEG_ONE,
        1 => F::ZERO,
        2 => F::from_u32(127 << 24),
        _ => F::from_usize(1 + at * 72 + index) * F::from_u32(30_011_111),
    };
    let statement = |at| Statement {
        program_id: std::array::from_fn(|index| element(at, index)),
        public_values: std::array::from_fn::<F, PUBLIC_VALUES, _>(|index| element(at, 8 + index)),
    };
    (0..count).map(statement).collect()
}

/// The 64 public values for a list, computed natively.
pub fn expected(statements: &[Statement]) -> Vec<F> {
    let leaves: Vec<_> = statements.iter().map(Statement::leaf).collect();
    let bytes: Vec<_> = statements.iter().map(Statement::to_bytes).collect();
    let keccak = StatementTree::new(&bytes).root().unwrap();
    let mut values = root(&leaves).unwrap().to_vec();
    values.push(F::from_usize(statements.len()));
    values.extend(keccak.chunks(2).map(|pair| F::from_u16(u16::from_be_bytes([pair[0], pair[1]]))));
    values.resize(64, F::ZERO);
    values
}

#[test]
fn both_roots_of_every_count() {
    for (log_capacity, counts) in
        [(1, vec![1, 2]), (2, (1..=4).collect()), (4, (1..=16).collect()), (6, vec![1, 33, 63, 64])]
    {
        let link = Link::new(log_capacity).unwrap();
        assert_eq!(link.capacity(), 1 << log_capacity);
        for count in counts {
            let statements = statements(count);
            let witness = link.circuit().execute(&link.inputs(&statements).unwrap()).unwrap();
            assert_eq!(witness.publics(), expected(&statements), "{count} of {}", link.capacity());
        }
    }
}

#[test]
fn other_counts_are_refused() {
    let link = Link::new(2).unwrap();
    assert_eq!(link.inputs(&[]).unwrap_err(), LinkInputError { capacity: 4, got: 0 });
    assert_eq!(link.inputs(&statements(5)).unwrap_err(), LinkInputError { capacity: 4, got: 5 });
    for log_capacity in [0, LOG_CAPACITY_MAX + 1] {
        assert!(matches!(Link::new(log_capacity), Err(CircuitError::Argument { operation: "link", .. })));
    }
}

/// A change here is a change in the cost of every batch.
#[test]
fn rows_and_heights() {
    for log_capacity in [4, 6, 8, 10] {
        let link = Link::new(log_capacity).unwrap();
        let rows: Vec<_> = link.circuit().rows().iter().chain(link.circuit().keccak_rows().unwrap()).collect();
        println!("{:?}", rows.iter().map(|rows| (rows.table.name(), rows.used, rows.height)).collect::<Vec<_>>());
        assert_eq!(rows[6].used, 24 * (5 * link.capacity() - 1));
        assert!(rows[..6].iter().all(|rows| rows.height == link.capacity() << 4));
        assert_eq!(rows[6].height, link.capacity() << 7);
    }
}
