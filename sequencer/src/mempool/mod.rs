//! Transactions that wait for a block.
//!
//! # What it promises
//!
//! - **Bounds.** The pool is bounded by bytes and by count: in all, for each namespace, for each sender,
//!   for each client address. A bound that is reached is a [`Refusal`] that names it; nothing that was admitted is ever pushed
//!   out again, except by its own expiry. Half of the pool is reserved for the namespaces in equal parts,
//!   so that no flood takes another namespace's room; the other half goes to who comes first. What another
//!   seat sent counts against that seat, which holds at most one part of as many as there are seats.
//! - **Order and fairness.** Each namespace's transactions leave in order of arrival, and blocks are
//!   shared out fairly by bytes between the namespaces that have something pending (`select.rs`).
//! - **Nobody is dry.** What its namespace cannot pay for is refused, and so is what would wait behind more than twice what it can pay
//!   for; what it cannot pay for when its turn comes waits, those behind it with it, and expires.
//! - **No repeats, nothing expired.** A transaction that is pending, or that was ordered within the last
//!   `expiry_blocks` blocks, is a duplicate. One that can no longer be ordered is dropped when the block
//!   that closes its time is final.
//!
//! An operation costs O(log n) in the number of pending transactions, and [`Mempool::build`] O(log n) for
//! each one that it looks at. Ids are hashed once, outside of the lock.
//!
//! # Stages
//!
//! ```text
//! insert ──► pending ──notarized──► notarized ──finalized──► gone; its id is kept for expiry_blocks
//!               ▲                       │
//!               └─ another block is final at that height
//! ```
//!
//! # Deviation
//!
//! The design asks for deficit round robin between namespaces; this is fair queueing by service instead,
//! for the reason that `select.rs` gives.

mod config;
mod metrics;
mod quota;
mod refusal;
mod select;
mod state;
#[cfg(test)]
pub(crate) mod tests;
mod window;

pub use config::{MempoolConfig, MempoolConfigError};
pub use quota::Source;
pub use refusal::{Refusal, Unit};
pub use state::{Stage, Visibility};

use crate::ordering::{LaneContext, OrderingRule, Rule, rule};
use select::{Picked, Room};
use serde::{Deserialize, Serialize};
use sinter_primitives::{
    Body, Chain, Ledger, Namespace, Parameters, Transaction, TransactionId, TransactionKind,
    body::Lane,
    chain::{ChainFile, Ordering},
    fees::{ACCOUNTS, FeeSpec, OPENED_FIRST, metered_bytes},
    forced_inbox::{self, ForcedEntry},
};
use state::{Newcomer, State};
use std::{
    collections::{BTreeMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard},
    time::Instant,
};
use tokio::sync::watch;

/// What the pool holds, for status and the dashboard.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MempoolStats {
    /// Transactions that are not final.
    pub transactions: usize,
    /// Of those, how many a notarized block holds.
    pub notarized: usize,
    /// Bytes of all of them inside a lane.
    pub bytes: usize,
    /// The same by namespace, in ascending order.
    pub namespaces: Vec<NamespaceStats>,
}

/// What the pool holds of one namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamespaceStats {
    /// The namespace.
    pub namespace: Namespace,
    /// Its transactions that are not final.
    pub transactions: usize,
    /// Bytes of those inside a lane.
    pub bytes: usize,
}

/// The pool's pulse, for who waits for something to order or to pass on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Activity {
    /// Transactions admitted since the node started.
    pub admitted: u64,
    /// Transactions that are not final.
    pub pending: usize,
}

/// A transaction that this node took in from a client, on its way to other seats.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outgoing {
    /// Its place in the order of arrival at this node.
    pub sequence: u64,
    /// The transaction.
    pub transaction: Transaction,
}

/// What the chain has open, after the last block that the pool saw.
struct Open {
    ledger: Arc<Ledger>,
    base_fee_wei: u128,
    /// The place of each namespace's lane, with how it is ordered.
    lanes: BTreeMap<Namespace, (usize, Ordered)>,
}

/// How a lane is ordered: what the ledger has, the rule that it makes, and how often it has changed.
#[derive(Clone)]
struct Ordered {
    ordering: Ordering,
    rule: Arc<Rule>,
    reordered: u64,
}

impl Ordered {
    fn new(namespace: Namespace, ordering: Ordering, reordered: u64) -> Self {
        Self { ordering, rule: Arc::new(rule(namespace, ordering)), reordered }
    }
}

struct Shared {
    chain_id: u64,
    parameters: Parameters,
    fees: Option<FeeSpec>,
    open: RwLock<Open>,
    metrics: metrics::Metrics,
    activity: watch::Sender<Activity>,
    state: Mutex<State>,
}

/// The pool; clones share it. Every call is short and none waits for another task.
#[derive(Clone)]
pub struct Mempool {
    shared: Arc<Shared>,
}

impl std::fmt::Debug for Mempool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Mempool").field("pending", &self.shared.activity.borrow().pending).finish_non_exhaustive()
    }
}

impl Mempool {
    /// An empty pool for `chain`. Its metrics go to the recorder that is installed by now.
    #[must_use]
    pub fn new(chain: Arc<Chain>, config: MempoolConfig) -> Self {
        Self::for_file(&chain.file, &config)
    }

    /// The same; all that a pool needs to know of a chain is in its file.
    #[must_use]
    pub fn for_file(chain: &ChainFile, config: &MempoolConfig) -> Self {
        let ledger = Arc::new(Ledger::genesis(chain));
        let shared = Shared {
            chain_id: chain.chain_id,
            parameters: chain.parameters,
            fees: chain.fees,
            open: RwLock::new(Open { ledger: ledger.clone(), base_fee_wei: 0, lanes: BTreeMap::new() }),
            metrics: metrics::Metrics::new(),
            activity: watch::Sender::new(Activity::default()),
            state: Mutex::new(State::new(chain, config)),
        };
        let pool = Self { shared: Arc::new(shared) };
        pool.see(&ledger);
        pool
    }

    /// Sees the ledger after a final block: takes transactions of what it has open from now on, as far as that can pay. Where a lane is
    /// ordered in another way now, nothing that was to open it opens it any more.
    pub fn see(&self, ledger: &Arc<Ledger>) {
        let mut open = self.shared.open.write().unwrap_or_else(PoisonError::into_inner);
        for (namespace, entry) in ledger.entries().filter(|(namespace, _)| *namespace != ACCOUNTS) {
            match open.lanes.get_mut(&namespace) {
                None => {
                    let lane = self.state().open(namespace);
                    open.lanes.insert(namespace, (lane, Ordered::new(namespace, entry.ordering, 0)));
                }
                Some((lane, ordered)) if ordered.ordering != entry.ordering => {
                    *ordered = Ordered::new(namespace, entry.ordering, ordered.reordered + 1);
                    let mut state = self.state();
                    let forgotten = state.reorder(*lane);
                    state.lanes[*lane].metrics.expired.increment(forgotten);
                    self.announce(&state, 0);
                }
                Some(_) => {}
            }
        }
        open.ledger = ledger.clone();
        open.base_fee_wei = ledger.base_fee_wei(self.shared.fees);
    }

    /// The ledger after the last final block that the pool saw.
    #[must_use]
    pub fn ledger(&self) -> Arc<Ledger> {
        self.open().ledger.clone()
    }

    /// Taken before the state's lock, never behind it.
    fn open(&self) -> RwLockReadGuard<'_, Open> {
        self.shared.open.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// No holder of the lock can panic half-way through a change of the state: each looks before it
    /// writes. So a poisoned lock guards a sound state.
    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes in a transaction, or says why not.
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn insert(
        &self,
        transaction: Transaction,
        source: Source,
        visibility: Visibility,
    ) -> Result<TransactionId, Refusal> {
        let outcome = self.admit(transaction).and_then(|newcomer| {
            let mut state = self.state();
            let id = self.insert_admitted(&mut state, newcomer, source, visibility)?;
            self.announce(&state, 1);
            Ok(id)
        });
        if let Err(refusal) = &outcome {
            self.shared.metrics.refused(refusal);
        }
        outcome
    }

    /// Takes in many transactions of one source at once: what [`Self::insert`] would say of each, in order.
    pub fn insert_all(
        &self,
        transactions: impl IntoIterator<Item = Transaction>,
        source: Source,
        visibility: Visibility,
    ) -> Vec<Result<TransactionId, Refusal>> {
        let newcomers: Vec<_> = transactions.into_iter().map(|transaction| self.admit(transaction)).collect();
        let mut state = self.state();
        let outcomes: Vec<_> = newcomers
            .into_iter()
            .map(|newcomer| self.insert_admitted(&mut state, newcomer?, source, visibility))
            .collect();
        self.announce(&state, outcomes.iter().filter(|outcome| outcome.is_ok()).count() as u64);
        drop(state);
        for refusal in outcomes.iter().filter_map(|outcome| outcome.as_ref().err()) {
            self.shared.metrics.refused(refusal);
        }
        outcomes
    }

    /// What needs no lock: the checks that depend on the chain file alone, and the id's hash. Where they
    /// cost a signature, a look at the state comes first: who sends a bundle again gets no second check.
    fn admit(&self, transaction: Transaction) -> Result<Newcomer, Refusal> {
        let namespace = transaction.namespace;
        let (lane, Ordered { rule, reordered, .. }, account, base_fee_wei) = {
            let open = self.open();
            let Some((lane, ordered)) = open.lanes.get(&namespace) else { return Err(self.not_open(namespace)) };
            let account = open.ledger.entry(namespace).and_then(|entry| entry.account);
            (*lane, ordered.clone(), account, open.base_fee_wei)
        };
        let (got, max) = (transaction.payload.len(), self.shared.parameters.payload_bytes_max);
        if got == 0 {
            return Err(Refusal::Empty);
        }
        if got > max {
            return Err(Refusal::PayloadTooLarge { max, got });
        }
        if let Some(account) = account {
            let fee_wei = account.fee_wei(metered_bytes(&transaction), base_fee_wei);
            fee_wei.map_err(|reason| Refusal::Account { namespace, reason })?;
        }
        let id = transaction.id(self.shared.chain_id);
        if transaction.kind == TransactionKind::Express {
            self.state().check_new(&id, transaction.expiry_height)?;
        }
        let admission = rule
            .admit(&transaction, self.shared.chain_id)
            .map_err(|reason| Refusal::OrderingRule { namespace, reason })?;
        let payer = account.map(|account| (account, base_fee_wei));
        Ok(Newcomer { id, transaction, lane, admission, reordered, payer })
    }

    fn not_open(&self, got: Namespace) -> Refusal {
        if self.shared.fees.is_some() && got.0 >= OPENED_FIRST {
            Refusal::NotOpen { got }
        } else {
            Refusal::UnknownNamespace { got }
        }
    }

    fn insert_admitted(
        &self,
        state: &mut State,
        newcomer: Newcomer,
        source: Source,
        visibility: Visibility,
    ) -> Result<TransactionId, Refusal> {
        let (id, lane) = (newcomer.id, newcomer.lane);
        state.insert(newcomer, source, visibility)?;
        state.lanes[lane].metrics.admitted.increment(1);
        state.lanes[lane].publish();
        Ok(id)
    }

    fn announce(&self, state: &State, admitted: u64) {
        let pending = state.used().transactions;
        self.shared.activity.send_if_modified(|activity| {
            let before = *activity;
            *activity = Activity { admitted: before.admitted + admitted, pending };
            *activity != before
        });
    }

    /// A body for a block at `height` that holds none of `exclude`, the ids in its unfinalized ancestors, on a parent with this
    /// ledger: within the chain's bounds and what each namespace can pay for, fair between namespaces, each lane as its ordering
    /// rule builds it, behind what was `forced`. Empty when there is nothing to order.
    #[must_use]
    pub fn build(
        &self,
        ledger: &Ledger,
        height: u64,
        exclude: &HashSet<TransactionId>,
        forced: &[ForcedEntry],
    ) -> Body {
        let started = Instant::now();
        let taken = Room { bytes: forced.iter().map(ForcedEntry::bytes).sum(), transactions: forced.len() };
        let ledger = ledger.opened_by(forced);
        let base_fee_wei = ledger.base_fee_wei(self.shared.fees);
        let picked = self.state().select(height, exclude, taken, |namespace| match ledger.entry(namespace) {
            Some(entry) => entry.account.map_or(u64::MAX, |account| account.bytes_left(base_fee_wei)),
            None => 0,
        });
        let context = LaneContext { chain_id: self.shared.chain_id, height };
        let mut lanes: BTreeMap<Namespace, Vec<Transaction>> = BTreeMap::new();
        for (namespace, entries) in forced_inbox::openings(&ledger, forced) {
            lanes.insert(namespace, entries.into_iter().map(ForcedEntry::transaction).collect());
        }
        let open = self.open();
        for Picked { namespace, mut transactions } in picked {
            let Some((_, known)) = open.lanes.get(&namespace) else { continue };
            // The parent may be ahead of the last final block, and what was forced ahead of both.
            match ledger.entry(namespace) {
                Some(entry) if entry.ordering != known.ordering => {
                    rule(namespace, entry.ordering).build(&mut transactions, &context);
                }
                _ => known.rule.build(&mut transactions, &context),
            }
            if !transactions.is_empty() {
                lanes.entry(namespace).or_default().append(&mut transactions);
            }
        }
        drop(open);
        self.shared.metrics.built(started.elapsed());
        let lanes = lanes.into_iter().map(|(namespace, transactions)| Lane { namespace, transactions });
        Body { lanes: lanes.collect(), ..Body::default() }
    }

    /// A block at `height` that holds `ids` is notarized.
    pub fn notarized(&self, height: u64, ids: &[TransactionId]) {
        self.state().notarized(height, ids);
    }

    /// A block at `height` that holds `ids` is final: they leave the pool, and what expires with this
    /// height leaves with them. Blocks come in order; one that came before changes nothing.
    pub fn finalized(&self, height: u64, ids: &[TransactionId]) {
        let mut state = self.state();
        let expired = state.finalized(height, ids);
        for (lane, transactions) in expired {
            state.lanes[lane].metrics.expired.increment(transactions);
        }
        state.lanes.iter().for_each(state::Lane::publish);
        self.announce(&state, 0);
    }

    /// Takes in the ids of the last `expiry_blocks` final blocks, after a start: `(height, ids)` in
    /// ascending order.
    pub fn restore_window(&self, blocks: Vec<(u64, Vec<TransactionId>)>) {
        self.state().restore_window(blocks);
    }

    /// How far a transaction that is not final has come; `None` where the pool does not hold it.
    #[must_use]
    pub fn stage(&self, id: &TransactionId) -> Option<Stage> {
        self.state().entry(id).map(|entry| entry.stage)
    }

    /// A transaction that is not final, whoever may see it.
    #[must_use]
    pub fn get(&self, id: &TransactionId) -> Option<Transaction> {
        self.state().entry(id).map(|entry| entry.transaction.clone())
    }

    /// A transaction that is not final and that everybody may see.
    #[must_use]
    pub fn get_public(&self, id: &TransactionId) -> Option<Transaction> {
        let state = self.state();
        let entry = state.entry(id).filter(|entry| entry.visibility == Visibility::Public)?;
        Some(entry.transaction.clone())
    }

    /// What the pool holds.
    #[must_use]
    pub fn stats(&self) -> MempoolStats {
        let state = self.state();
        let of = |lane: &state::Lane| NamespaceStats {
            namespace: lane.namespace,
            transactions: lane.used.transactions,
            bytes: lane.used.bytes,
        };
        MempoolStats {
            transactions: state.used().transactions,
            notarized: state.notarized_len(),
            bytes: state.used().bytes,
            namespaces: state.lanes.iter().map(of).collect(),
        }
    }

    /// The last finalized height that the pool knows of.
    #[must_use]
    pub fn tip(&self) -> u64 {
        self.state().tip()
    }

    /// The pool's pulse: changes whenever something is admitted or leaves.
    #[must_use]
    pub fn subscribe(&self) -> watch::Receiver<Activity> {
        self.shared.activity.subscribe()
    }

    /// Numbers of up to `max` of the transactions that this node took in from clients after the one
    /// numbered `after` (0 for all), in order of arrival.
    #[must_use]
    pub fn local_after(&self, after: u64, max: usize) -> Vec<(u64, Visibility)> {
        self.state().local_after(after).take(max).map(|entry| (entry.sequence, entry.visibility)).collect()
    }

    /// Of the transactions that this node took in from clients under these numbers, those that still
    /// wait for a block, in the order of the numbers.
    #[must_use]
    pub fn local_pending(&self, sequences: &[u64]) -> Vec<Outgoing> {
        let state = self.state();
        sequences.iter().filter_map(|sequence| state.local_pending(*sequence)).map(outgoing).collect()
    }

    /// Checks that every index of the pool agrees with every other.
    #[cfg(test)]
    fn assert_consistent(&self) {
        self.state().assert_consistent();
    }
}

fn outgoing(entry: &state::Entry) -> Outgoing {
    Outgoing { sequence: entry.sequence, transaction: entry.transaction.clone() }
}
