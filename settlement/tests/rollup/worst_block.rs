//! A block that costs its rollup as much as a block can: nobody can order what the rollup could not settle.
//!
//! The reference ledger's program, with the room that it usually has, goes through that block by execution; its contract takes all
//! the statements that this gives. One of them, which begins and ends inside the block, is proved. Proving all of them would take
//! minutes, and show nothing more: what is proved of each is the same code.
//!
//! **Which block is the worst** is counted here, not believed. A block is bounded in bytes and in transactions, and a transaction's
//! cost in statements depends on its kind alone: the shortest there is takes the most for its bytes and few for a transaction, and a
//! signature that has to be checked takes the most for a transaction. So the worst block holds one kind or the other, or as
//! many of both as fill both bounds; first the ones and then the others, because a statement is full when one of cycles, hashes
//! and memory is, and those of one kind leave the other's room empty.

use super::fixture::{NAMESPACE, Rollup, block_with, domain_of};
use crate::{
    suite::{Suite, both},
    support::CHAIN_ID,
};
use alloy::primitives::{B256, U256};
use commonware_codec::{Decode, Encode};
use p3_field::PrimeField32;
use sinter_ledger::{
    CAPACITY, Ledger, LedgerRules,
    signature::SecretKey,
    transaction::{Action, Body as Signed, TRANSACTION_BYTES},
};
use sinter_primitives::{
    Accumulator, Body, Parameters, Transaction, TransactionKind,
    accumulator::{HEAD_ELEMENTS, Position, elements_of},
    body::{Lane as BodyLane, encoded_bytes_in_lane},
    inbox::{EntryKind, InboxEntry},
};
use sinter_program::{ParameterSet, field::digest_bytes};
use sinter_prover::CpuProver;
use sinter_rollup::{Application, Block, Digest, Lane, Prover, State, to_words};
use sinter_settlement::rollup::{self, Ordered, Transition, contract::RollupSettlement as Contract};
use std::{sync::OnceLock, time::Instant};

/// The block's height.
const HEIGHT: u64 = 3;
/// Statements of one settlement: a node takes 16. With fewer, settlements end inside the block as well.
const CHAIN: usize = 4;
/// What both accounts begin with.
const WEI: u128 = 1_000;

/// Transactions that one block may be full of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// A byte that is no transaction.
    Garbage,
    /// What takes the longest to refuse: all of its signature leads to another key.
    Forged,
    /// What is valid and changes two accounts.
    Transfer,
    /// What is valid and opens an account.
    Open,
}

impl Kind {
    const ALL: [Self; 4] = [Self::Garbage, Self::Forged, Self::Transfer, Self::Open];

    const fn payload_bytes(self) -> usize {
        match self {
            Self::Garbage => 1,
            Self::Forged | Self::Transfer | Self::Open => TRANSACTION_BYTES,
        }
    }

    /// The transaction of this number: no two are the same, as a block must not repeat one.
    fn transaction(self, at: usize, key: &SecretKey, domain: &Digest) -> Transaction {
        let signed = |nonce: usize, action: Action| {
            let nonce = nonce as u32;
            Signed { account: 0, nonce, action }.sign(domain, key, nonce).unwrap()
        };
        let transfer = Action::Transfer { to: 1, wei: 0 };
        let payload = match self {
            Self::Garbage => vec![at as u8],
            Self::Forged => {
                let mut payload = signed(0, transfer);
                for (byte, mask) in payload.iter_mut().rev().zip((at as u16 + 1).to_le_bytes()) {
                    *byte ^= mask;
                }
                payload
            }
            Self::Transfer => signed(at, transfer),
            Self::Open => signed(at, Action::Open { key: key.public(), wei: 0 }),
        };
        assert_eq!(payload.len(), self.payload_bytes());
        // As late as is allowed, and earlier.
        let expiry_height = HEIGHT + (at as u64 >> 8) % Parameters::default().expiry_blocks;
        Transaction { kind: TransactionKind::User, namespace: NAMESPACE, expiry_height, payload: payload.into() }
    }

    fn bytes_in_block(self) -> usize {
        let payload = vec![0; self.payload_bytes()].into();
        encoded_bytes_in_lane(&Transaction {
            kind: TransactionKind::User,
            namespace: NAMESPACE,
            expiry_height: HEIGHT,
            payload,
        })
    }

    const fn elements(self) -> usize {
        HEAD_ELEMENTS + elements_of(self.payload_bytes())
    }
}

/// How many garbage transactions, and how many of another kind behind them, are in a block.
type Mix = (usize, usize, Kind);

/// The blocks one of which is the worst.
fn mixes() -> Vec<Mix> {
    let parameters = Parameters::default();
    // Of the lanes' and transactions' counts, and the namespace.
    let head = 1 + 8 + 3;
    let (room, most) = (parameters.block_bytes_max - head, parameters.block_transactions_max);
    let tiny = Kind::Garbage.bytes_in_block();
    let mut mixes = vec![(most.min(room / tiny), 0, Kind::Garbage)];
    for kind in [Kind::Forged, Kind::Transfer, Kind::Open] {
        let bytes = kind.bytes_in_block();
        // As many as fit, or as few as leave room for the greatest number.
        let as_many = room / bytes;
        let as_few = (room - tiny * most) / (bytes - tiny);
        for others in [as_many, as_few] {
            mixes.push((((room - others * bytes) / tiny).min(most - others), others, kind));
        }
    }
    mixes
}

fn position() -> Position {
    Position {
        chain_id: CHAIN_ID,
        namespace: NAMESPACE,
        height: HEIGHT,
        timestamp_ms: 1_700_000_000_000 + HEIGHT,
        l1_origin_number: 3,
    }
}

/// The ledger's code in a machine of its usual room.
fn machine() -> Prover {
    Prover::new(&LedgerRules, CAPACITY, ParameterSet::FOLD).unwrap()
}

/// Somewhere on the way.
#[derive(Clone)]
struct Point {
    state: State,
    ledger: Ledger,
    lane: Lane,
}

/// The worst block, cut into statements.
struct Made {
    transactions: usize,
    accumulator: Accumulator,
    transitions: Vec<Transition>,
    /// The number of the statement in the middle, and where it begins.
    middle: (usize, Point),
    end: State,
}

struct Maker<'a> {
    prover: &'a Prover,
    key: &'a SecretKey,
    genesis: State,
    entries: &'a [InboxEntry],
}

impl Maker<'_> {
    fn transactions(&self, kind: Kind, count: usize) -> Vec<Transaction> {
        (0..count).map(|at| kind.transaction(at, self.key, &self.genesis.domain)).collect()
    }

    /// The beginning, before the deposits and a block.
    fn start(&self, transactions: Vec<Transaction>) -> Point {
        let blocks = vec![Block { position: position(), transactions }];
        let lane = Lane { blocks, entries: self.entries.to_vec(), previous: None };
        Point { state: self.genesis.clone(), ledger: Ledger::default(), lane }
    }

    /// How many transactions of a kind one statement has room for.
    fn fit(&self, kind: Kind) -> usize {
        let most = if kind == Kind::Garbage { 16_384 } else { 100 };
        let Point { state, mut ledger, lane } = self.start(self.transactions(kind, most));
        let statement = self.prover.statement(&state, &lane, &mut ledger).unwrap();
        assert!(statement.full, "{kind:?}: {most} are too few to fill it");
        statement.after.offset as usize / kind.elements()
    }

    fn make(&self) -> Made {
        let fits = Kind::ALL.map(|kind| (kind, self.fit(kind)));
        let fit = |wanted: Kind| fits.iter().find(|(kind, _)| *kind == wanted).unwrap().1;
        for (kind, fit) in fits {
            println!("{kind:?}: {} bytes in a block, {fit} in a statement", kind.bytes_in_block());
        }
        let cost =
            |(tiny, others, kind): Mix| tiny as f64 / fit(Kind::Garbage) as f64 + others as f64 / fit(kind) as f64;
        for mix in mixes() {
            println!("a block of {} x Garbage, {} x {:?}: {:.1} statements", mix.0, mix.1, mix.2, cost(mix));
        }
        let (tiny, others, kind) = mixes().into_iter().max_by(|a, b| cost(*a).total_cmp(&cost(*b))).unwrap();
        let transactions = [self.transactions(Kind::Garbage, tiny), self.transactions(kind, others)].concat();
        check_bounds(&transactions);

        let accumulator = Accumulator::genesis(CHAIN_ID, NAMESPACE).advance(&position(), &transactions);
        let count = transactions.len();
        let mut points = vec![self.start(transactions)];
        let mut transitions = Vec::new();
        loop {
            let mut point = points.last().unwrap().clone();
            let statement = self.prover.statement(&point.state, &point.lane, &mut point.ledger).unwrap();
            transitions.push(statement.transition());
            point.lane.advance(&statement);
            point.state = statement.after;
            points.push(point);
            if !statement.full {
                break;
            }
        }
        let end = points.last().unwrap().state.clone();
        let number = transitions.len() / 2;
        let middle = (number, points.swap_remove(number));
        Made { transactions: count, accumulator, transitions, middle, end }
    }
}

/// A block with these transactions is one that the committee may order.
fn check_bounds(transactions: &[Transaction]) {
    let parameters = Parameters::default();
    let lane = BodyLane { namespace: NAMESPACE, transactions: transactions.to_vec() };
    let body = Body { lanes: vec![lane], ..Body::default() };
    assert_eq!(Body::decode_cfg(body.encode(), &parameters.body_bounds()).unwrap(), body);
    let one_more = Kind::Garbage.bytes_in_block();
    let is_full = transactions.len() == parameters.block_transactions_max
        || body.lanes_bytes() + one_more > parameters.block_bytes_max;
    assert!(is_full, "{} transactions, {} bytes", transactions.len(), body.lanes_bytes());
    let mut ids = body.ids(CHAIN_ID);
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), transactions.len(), "none repeats");
}

async fn settles(suite: &mut Suite, prover: &Prover, made: &OnceLock<Made>) {
    let hub = suite.hub().await;
    let id = B256::from(digest_bytes(prover.program().digest()));
    let genesis = |domain: &_| State::genesis(domain, Ledger::default().word());
    let mut rollup = Rollup::begun(suite, hub, id, |domain| to_words(&genesis(domain).digest())).await;
    let key = SecretKey::new(&[1; 32]);
    let first: Vec<u8> = key.public().iter().flat_map(|limb| limb.as_canonical_u32().to_le_bytes()).collect();
    for payload in [first, vec![5; 32]] {
        rollup.appends(suite, "deposit", EntryKind::Deposit, &payload, WEI).await;
    }
    let genesis = genesis(&domain_of(rollup.address));
    let maker = Maker { prover, key: &key, genesis, entries: &rollup.entries };
    let made = made.get_or_init(|| maker.make());
    assert_eq!(maker.genesis.domain, made.end.domain, "the same on both chains");

    let (header, leaf) = block_with(HEIGHT, made.accumulator);
    let post = rollup.posts(suite, &header).await;
    let mut gas = 0;
    let chains = made.transitions.chunks(CHAIN);
    for (number, chain) in chains.clone().enumerate() {
        let proven = rollup.proves(suite, chain).await;
        // The first of them shows what was ordered; the others stay in that block.
        let ordered = Ordered { headers: &[header], post, leaf: &leaf };
        let call = rollup::settle_call(hub.address, &proven, (number == 0).then_some(&ordered));
        let receipt = suite.accepts_raw(&format!("settle part {number}"), rollup.address, call, U256::ZERO).await;
        gas += receipt.gas_used;
        let last = chain.last().unwrap();
        assert_eq!(suite.reads(rollup.address, &Contract::stateCall {}).await, B256::from(last.state_after));
    }

    // The contract is where the executor is.
    let end = &made.end;
    assert!(end.is_between_blocks());
    assert_eq!(suite.reads(rollup.address, &Contract::stateCall {}).await, B256::from(to_words(&end.digest())));
    let accumulator = suite.reads(rollup.address, &Contract::accumulatorCall {}).await;
    assert_eq!((accumulator.0, to_words(&end.accumulator)), (made.accumulator.0, made.accumulator.0));
    let reached = suite.reads(rollup.address, &Contract::progressCall {}).await;
    assert_eq!((reached.height, reached.offset), (HEIGHT, u64::from(end.elements)));
    assert_eq!((reached.inboxEntries, end.entries), (rollup.entries.len() as u64, rollup.entries.len() as u64));
    let inbox = suite.reads(rollup.address, &Contract::inboxHashCall { entries: reached.inboxEntries }).await;
    assert_eq!((inbox.0, to_words(&end.inbox)), (*rollup.inbox.last().unwrap(), *rollup.inbox.last().unwrap()));

    println!(
        "the worst block: {} transactions, {} statements, settled by {} transactions on L1 for {gas} gas",
        made.transactions,
        made.transitions.len(),
        chains.len()
    );
}

/// The statement in the middle, which begins and ends inside the block, is proved.
fn prove_in_the_middle(prover: &Prover, made: Made) {
    let (number, Point { state, mut ledger, lane }) = made.middle;
    let statement = prover.statement(&state, &lane, &mut ledger).unwrap();
    assert_eq!(statement.transition(), made.transitions[number], "it is the one that was settled");
    let after = &statement.after;
    assert!(state.height == HEIGHT && !state.is_between_blocks(), "it begins inside the block");
    assert!(after.height == HEIGHT && !after.is_between_blocks() && after.offset > state.offset, "it ends inside it");
    let started = Instant::now();
    let proof = prover.prove(&CpuProver, &statement).unwrap();
    println!("statement {number} proved in {:.1} s", started.elapsed().as_secs_f64());
    prover.program().verify(&proof).unwrap();
    let values = proof.public_values.iter().map(|value| value.as_canonical_u32().to_be_bytes()).collect::<Vec<_>>();
    assert_eq!(values.as_flattened(), statement.transition().public_values());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_block_that_costs_the_most_settles() {
    let (prover, made) = (machine(), OnceLock::new());
    both(async |suite: &mut Suite| settles(suite, &prover, &made).await).await;
    let made = made.into_inner().unwrap();
    assert!(made.transitions.len() > 2 * CHAIN, "settlements begin and end inside it");
    prove_in_the_middle(&prover, made);
}
