//! A ledger with wallets, and lanes that it consumes.

use p3_field::PrimeField32;
use sinter_ledger::signature::SecretKey;
use sinter_ledger::transaction::{Action, Body};
use sinter_ledger::{Ledger, LedgerRules};
use sinter_machine::Capacity;
use sinter_primitives::accumulator::Position;
use sinter_primitives::inbox::{Domain, EntryKind, InboxEntry};
use sinter_primitives::{Namespace, Transaction, TransactionKind};
use sinter_program::{F, ParameterSet};
use sinter_rollup::{Application, Block, Digest, Lane, Prover, State, Statement, from_words};
use std::sync::LazyLock;

pub const NAMESPACE: Namespace = Namespace(7);
pub const DOMAIN: Domain = Domain { l1_chain_id: 31_337, settlement: [0x11; 20], chain_id: 5, namespace: NAMESPACE };
pub const ALICE: usize = 0;
pub const BOB: usize = 1;

/// Keys take a while to make: all tests share these.
pub static KEYS: LazyLock<[SecretKey; 3]> = LazyLock::new(|| [1, 2, 3].map(|seed| SecretKey::new(&[seed; 32])));

pub struct World {
    pub prover: Prover,
    pub state: State,
    pub ledger: Ledger,
    pub height: u64,
}

impl World {
    pub fn new(capacity: Capacity) -> Self {
        let ledger = Ledger::default();
        let state = State::genesis(&DOMAIN, ledger.word());
        let prover = Prover::new(&LedgerRules, capacity, ParameterSet::DEV).unwrap();
        Self { prover, state, ledger, height: 0 }
    }

    /// One with Alice's and Bob's accounts, of 1,000 wei each.
    pub fn with_accounts() -> Self {
        let mut world = Self::new(Capacity { log_cycles: 17, log_hashes: 13, log_words: 15 });
        let deposits = [ALICE, BOB].map(|who| deposit(1_000, &key_bytes(&KEYS[who].public())));
        let _ = world.statement(&Lane { entries: deposits.to_vec(), ..Lane::default() });
        assert_eq!(world.ledger.accounts.len(), 2);
        world
    }

    /// Consumes a lane.
    pub fn statement(&mut self, lane: &Lane) -> Statement {
        let statement = self.prover.statement(&self.state, lane, &mut self.ledger).unwrap();
        self.state = statement.after.clone();
        statement
    }

    /// Consumes one block of users' payloads.
    pub fn block(&mut self, payloads: &[Vec<u8>]) -> Statement {
        let lane = self.lane(payloads);
        self.statement(&lane)
    }

    pub fn lane(&mut self, payloads: &[Vec<u8>]) -> Lane {
        self.height += 1;
        let transactions = payloads.iter().cloned().map(user).collect();
        Lane { blocks: vec![block(self.height, transactions)], ..Lane::default() }
    }

    pub fn wei(&self, who: usize) -> u128 {
        self.ledger.accounts.get(who as u32).unwrap().wei
    }

    /// What an account's key, which is the one it began with, signs next.
    pub fn sign(&self, who: usize, action: Action) -> Vec<u8> {
        let account = self.ledger.accounts.get(who as u32).unwrap();
        self.body(who, account.nonce, action).sign(&self.state.domain, &KEYS[who], account.leaf().unwrap()).unwrap()
    }

    pub fn body(&self, who: usize, nonce: u32, action: Action) -> Body {
        Body { account: who as u32, nonce, action }
    }
}

pub fn domain() -> Digest {
    from_words(&DOMAIN.digest())
}

pub fn user(payload: Vec<u8>) -> Transaction {
    Transaction { kind: TransactionKind::User, namespace: NAMESPACE, expiry_height: 1 << 30, payload: payload.into() }
}

pub fn block(height: u64, transactions: Vec<Transaction>) -> Block {
    let position =
        Position { chain_id: 5, namespace: NAMESPACE, height, timestamp_ms: 1_000 * height, l1_origin_number: 9 };
    Block { position, transactions }
}

pub fn key_bytes(key: &Digest) -> Vec<u8> {
    key.iter().map(F::as_canonical_u32).flat_map(u32::to_le_bytes).collect()
}

pub fn deposit(wei: u128, payload: &[u8]) -> InboxEntry {
    InboxEntry { kind: EntryKind::Deposit, sender: [0xaa; 20], wei, deadline: 1 << 39, payload: payload.to_vec() }
}

pub fn force(payload: Vec<u8>) -> InboxEntry {
    InboxEntry { kind: EntryKind::Forced, sender: [0xbb; 20], wei: 0, deadline: 1 << 39, payload }
}
