//! Lanes to consume.

use sinter_counter::{Counter, CounterRules};
use sinter_machine::Capacity;
use sinter_primitives::accumulator::Position;
use sinter_primitives::inbox::{Domain, EntryKind, InboxEntry};
use sinter_primitives::{Namespace, Transaction, TransactionKind};
use sinter_program::ParameterSet;
use sinter_rollup::{Application, Block, Prover, State};

pub const NAMESPACE: Namespace = Namespace(7);
pub const DOMAIN: Domain = Domain { l1_chain_id: 31_337, settlement: [0x11; 20], chain_id: 5, namespace: NAMESPACE };
/// Enough for the shared code's reserve and a few hundred transactions.
pub const CAPACITY: Capacity = Capacity { log_cycles: 16, log_hashes: 12, log_words: 15 };

pub fn prover() -> Prover {
    Prover::new(&CounterRules, CAPACITY, ParameterSet::DEV).unwrap()
}

pub fn genesis() -> State {
    State::genesis(&DOMAIN, Counter::default().word())
}

pub fn transaction(kind: TransactionKind, payload: impl Into<Vec<u8>>) -> Transaction {
    Transaction { kind, namespace: NAMESPACE, expiry_height: 1 << 30, payload: payload.into().into() }
}

pub fn block(height: u64, transactions: Vec<Transaction>) -> Block {
    let position =
        Position { chain_id: 5, namespace: NAMESPACE, height, timestamp_ms: 1_000 * height, l1_origin_number: 9 };
    Block { position, transactions }
}

pub fn entry(wei: u128, payload: &[u8]) -> InboxEntry {
    InboxEntry { kind: EntryKind::Deposit, sender: [0xaa; 20], wei, deadline: 1 << 39, payload: payload.to_vec() }
}
