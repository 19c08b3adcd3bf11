//! Random lanes, cut wherever a small machine is full: all of it is consumed, once, in order.

use crate::lanes::{DOMAIN, NAMESPACE, block, entry, genesis, prover, transaction};
use p3_field::PrimeField32;
use proptest::collection::vec;
use proptest::prelude::*;
use sinter_counter::Counter;
use sinter_primitives::TransactionKind::{Express, Inbox, User};
use sinter_primitives::{Accumulator, Transaction, TransactionKind};
use sinter_rollup::{Lane, Prover, to_words};
use std::sync::LazyLock;

static PROVER: LazyLock<Prover> = LazyLock::new(prover);

/// Lengths around every edge of an element, a word, a chunk; and mostly one byte.
fn transactions() -> impl Strategy<Value = Transaction> {
    let kind = prop_oneof![6 => Just(User), 1 => Just(Inbox), 1 => Just(Express)];
    let bytes = prop_oneof![
        8 => 1..3usize,
        2 => 3..40usize,
        1 => 1_500..1_560usize,
        1 => (1..4usize, 0..6usize).prop_map(|(chunks, off)| 1_536 * chunks - 15 - 3 + off),
    ];
    (kind, bytes).prop_map(|(kind, bytes): (TransactionKind, usize)| transaction(kind, vec![9; bytes]))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn nothing_is_left_out_and_nothing_taken_twice(
        bodies in vec(vec(transactions(), 1..260), 1..5),
        entries in vec((any::<u64>(), vec(any::<u8>(), 1..120)), 0..4),
    ) {
        let blocks: Vec<_> = (1..).zip(bodies).map(|(height, body)| block(3 * height, body)).collect();
        let entries: Vec<_> = entries.iter().map(|(wei, payload)| entry((*wei).into(), payload)).collect();
        let mut accumulator = Accumulator::genesis(DOMAIN.chain_id, NAMESPACE);
        for block in &blocks {
            accumulator = accumulator.advance(&block.position, &block.transactions);
        }
        let mut rolling = DOMAIN.digest();
        for entry in &entries {
            rolling = entry.roll(&rolling).unwrap();
        }
        let counted = |transaction: &&Transaction| transaction.kind != Express && transaction.payload.len() == 1;
        let expected = blocks.iter().flat_map(|block| &block.transactions).filter(counted).count();

        let (mut state, mut counter) = (genesis(), Counter::default());
        let mut lane = Lane { blocks, entries, previous: None };
        loop {
            let statement = PROVER.statement(&state, &lane, &mut counter).unwrap();
            let claimed = statement.execution.public_values().map(|value| value.as_canonical_u32().to_be_bytes());
            prop_assert_eq!(claimed.as_flattened(), statement.transition().public_values());
            lane.advance(&statement);
            state = statement.after;
            if !statement.full {
                break;
            }
        }
        prop_assert_eq!(counter, Counter(expected as u32));
        prop_assert_eq!(to_words(&state.accumulator), accumulator.0);
        prop_assert_eq!(to_words(&state.inbox), rolling);
        prop_assert!(state.is_between_blocks() && lane.blocks.is_empty());
    }
}
