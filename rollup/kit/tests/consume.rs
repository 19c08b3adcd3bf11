//! What statements consume.

use crate::lanes::{DOMAIN, NAMESPACE, block, entry, genesis, prover, transaction};
use p3_field::PrimeField32;
use sinter_counter::Counter;
use sinter_primitives::{
    Accumulator,
    TransactionKind::{Express, User},
};
use sinter_prover::CpuProver;
use sinter_rollup::{Lane, to_words};

#[test]
fn a_statement_consumes_its_lane() {
    let blocks = vec![
        block(3, vec![transaction(User, [1]), transaction(User, [1, 2]), transaction(Express, [1])]),
        block(9, (0..300).map(|i| transaction(User, vec![i as u8; 1 + usize::from(i % 3 == 0) * i])).collect()),
        block(10, vec![transaction(User, vec![7; 40_000]), transaction(User, [1])]),
    ];
    let mut accumulator = Accumulator::genesis(DOMAIN.chain_id, NAMESPACE);
    for block in &blocks {
        accumulator = accumulator.advance(&block.position, &block.transactions);
    }
    let entries = vec![entry(5, b"one"), entry(6, &[9; 200])];
    let mut rolling = DOMAIN.digest();
    for entry in &entries {
        rolling = entry.roll(&rolling).unwrap();
    }
    let prover = prover();
    let mut counter = Counter::default();
    let lane = Lane { blocks, entries, previous: None };
    let statement = prover.statement(&genesis(), &lane, &mut counter).unwrap();
    let after = &statement.after;
    assert_eq!(to_words(&after.accumulator), accumulator.0);
    assert_eq!(to_words(&after.inbox), rolling);
    assert_eq!((after.height, after.offset, after.entries), (10, after.elements, 2));
    // One in the first block, two thirds and the zeroth of the second, the last.
    assert_eq!(counter, Counter(1 + 200 + 1 + 1));
    assert!(!statement.full);

    let claimed = statement.execution.public_values().map(|value| value.as_canonical_u32().to_be_bytes());
    assert_eq!(claimed.as_flattened(), statement.transition().public_values());
    let proof = prover.prove(&CpuProver, &statement).unwrap();
    prover.program().verify(&proof).unwrap();
}
