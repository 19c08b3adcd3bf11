//! The loop: follow, prove, hand in, settle, pay out; whatever fails is tried again, and what is done is on the disk.

mod settle;

use crate::{
    aggregator::{Aggregator, AggregatorError, Terms},
    checkpoint::{Checkpoint, CheckpointError, Folder, Pending, Record},
    contract::{ContractError, Progress, RollupViews},
    sequencer::{SequencerError, Sequencers},
    status::{self, Status},
    told,
};
use alloy::{
    eips::BlockId,
    primitives::{Address, B256},
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use sinter_primitives::{
    Accumulator, Namespace, Transition,
    receipt::TrustedNetwork,
    statements::{STATEMENT_BYTES, StatementTree},
};
use sinter_program::{field::digest_bytes, file};
use sinter_prover::CpuProver;
use sinter_rollup::{
    Application, Lane, Prover, State, Statement, StatementError, follow::Follower, from_words, to_words,
};
use sinter_settlement::{
    advances::{AdvanceError, Advancer, AdvancerConfig, Refusal},
    hub::Place,
};
use std::{
    collections::{BTreeMap, btree_map::Entry},
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};
use thiserror::Error;
use tokio::{sync::watch, task::JoinError};
use tokio_util::sync::CancellationToken;

/// Most statements that wait for the L1. No more are made until some are settled.
const PENDING_MAX: usize = 256;
/// Most blocks that wait to be proved: more are followed when these are.
const LANE_BLOCKS_MAX: usize = 1_024;
/// Bytes of a statement before its public values.
const PROGRAM_ID_BYTES: usize = 32;
/// The longest pause after failures.
const BACKOFF_MAX: Duration = Duration::from_secs(30);

/// Why a node cannot go on, now or at all.
#[derive(Debug, Error)]
pub enum NodeError {
    /// The committee's members.
    #[error(transparent)]
    Sequencer(#[from] SequencerError),
    /// The L1.
    #[error(transparent)]
    Contract(#[from] ContractError),
    /// The aggregator.
    #[error(transparent)]
    Aggregator(#[from] AggregatorError),
    /// What is sent to the L1.
    #[error(transparent)]
    Advance(#[from] AdvanceError),
    /// Not even a chain of one statement advances the contract.
    #[error("the contract at {address}, by statement {number}: {refusal}")]
    Refused {
        /// The contract.
        address: Address,
        /// The statement that is next.
        number: u64,
        /// Why.
        refusal: Refusal,
    },
    /// A withdrawal is not paid for now.
    #[error("withdrawal {index} of batch {batch}: {refusal}")]
    Payment {
        /// The contract's batch.
        batch: u64,
        /// Which withdrawal of it.
        index: usize,
        /// Why.
        refusal: Refusal,
    },
    /// The disk.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The rules, or the prover.
    #[error(transparent)]
    Statement(#[from] StatementError),
    /// A proof that was just made cannot be written down.
    #[error("the proof of statement {number}: {reason}")]
    Proof {
        /// The statement.
        number: u64,
        /// Why.
        reason: String,
    },
    /// The thread that proves ended.
    #[error("the proving thread: {0}")]
    Thread(#[from] JoinError),
    /// The aggregator refuses the program.
    #[error("the aggregator refuses program {digest}: {reason}")]
    Program {
        /// The digest of its file.
        digest: String,
        /// Its reason.
        reason: String,
    },
    /// The contract takes statements of another program: other rules, or another capacity.
    #[error("expected the program {expected}, which the contract takes, got {got}")]
    ProgramId {
        /// The contract's.
        expected: B256,
        /// This node's, as the aggregator knows it.
        got: String,
    },
    /// A statement has no room for a single transaction.
    #[error("statement {number}: expected a machine with room for a transaction, got one of too little capacity")]
    Capacity {
        /// The statement.
        number: u64,
    },
    /// The L1 does not give all entries of the inbox.
    #[error("the inbox: expected {expected} entries, got {got}")]
    Inbox {
        /// How many there are.
        expected: u64,
        /// How many came.
        got: u64,
    },
    /// The aggregator does not take a statement any further.
    #[error("the aggregator has statement {number} as job {job}, which is {state}: {reason}")]
    Job {
        /// The statement.
        number: u64,
        /// Its job.
        job: i64,
        /// How far that is.
        state: String,
        /// Its reason.
        reason: String,
    },
    /// The aggregator says that a batch holds a statement, and it does not.
    #[error("batch {batch} of the aggregator: expected statement {number} at place {position}, got another")]
    Batch {
        /// The batch.
        batch: i64,
        /// The statement.
        number: u64,
        /// The place.
        position: u32,
    },
    /// The contract is in a state that none of this node's statements begins or ends in: somebody else settles this rollup, by
    /// statements that end elsewhere.
    #[error("the contract's state: expected one of this node's {expected} pending statements, got {got}")]
    State {
        /// How many there are.
        expected: usize,
        /// The contract's.
        got: B256,
    },
}

/// What a node works with.
#[derive(Clone, Debug)]
pub struct Config {
    /// What its team calls it.
    pub name: String,
    /// Its lane.
    pub namespace: Namespace,
    /// Who orders it.
    pub network: TrustedNetwork,
    /// Where that is learned.
    pub sequencers: Sequencers,
    /// Where it settles.
    pub contract: RollupViews,
    /// The hub that knows its statements.
    pub hub: Address,
    /// What advances the contract, and pays out of it. Its journal belongs into the directory.
    pub advances: AdvancerConfig,
    /// The light client of who orders it.
    pub light_client: Address,
    /// The L1 block from which that has stood.
    pub l1_origin: u64,
    /// L1 blocks above one for it to count.
    pub confirmations: u64,
    /// Who folds its proofs.
    pub aggregator: Aggregator,
    /// On which terms.
    pub terms: Terms,
    /// Where it keeps what it has to.
    pub directory: PathBuf,
    /// The longest that what was ordered waits for company in a statement.
    pub statement_wait: Duration,
    /// The number of transactions that do not wait.
    pub statement_transactions: u64,
    /// Whether withdrawals are paid out by this node's account; otherwise whoever has them does that.
    pub pays_out: bool,
    /// Time between rounds.
    pub poll: Duration,
}

/// A rollup's node.
pub struct RollupNode<A> {
    config: Config,
    folder: Folder,
    prover: Arc<Prover>,
    describe: fn(&A) -> Value,
    at: Checkpoint<A>,
    /// What is ordered and not proved.
    lane: Lane,
    /// Since when there is some.
    waiting: Option<Instant>,
    follower: Follower,
    /// The L1 block up to which the inbox is known, and one.
    next_l1_block: u64,
    /// Where the hub has statements: by their numbers.
    places: BTreeMap<u64, Place>,
    /// What sends to the L1.
    advancer: Advancer,
    /// Whether the aggregator knows the program.
    is_program_known: bool,
    settled: Progress,
    problems: Vec<String>,
    status: watch::Sender<Status>,
}

/// What came of proving.
struct Made<A> {
    statement: Statement,
    application: A,
    lane: Lane,
    proof: Vec<u8>,
    executing_ms: u64,
    proving_ms: u64,
}

impl<A> RollupNode<A>
where
    A: Application + Clone + Serialize + DeserializeOwned + Send + 'static,
{
    /// The node of a rollup that begins in `genesis` with `application`; it goes on where it was stopped. `describe` is what it
    /// tells of its own state.
    ///
    /// # Errors
    /// [`NodeError::Checkpoint`], [`NodeError::Advance`].
    pub fn open(
        config: Config,
        prover: Arc<Prover>,
        genesis: &State,
        application: A,
        describe: fn(&A) -> Value,
    ) -> Result<Self, NodeError> {
        let folder = Folder::open(&config.directory)?;
        let advancer = Advancer::open(config.advances.clone())?;
        let at = match folder.read::<A>()? {
            Some(at) if at.state.domain == genesis.domain => at,
            Some(at) => {
                let [expected, got] = [genesis.domain, at.state.domain].map(|domain| B256::from(to_words(&domain)));
                return Err(CheckpointError::Domain { path: config.directory, expected, got }.into());
            }
            None => {
                let begun = Checkpoint::genesis(genesis.clone(), application);
                folder.write(&begun)?;
                begun
            }
        };
        let follower = Follower::resume(config.network.clone(), config.namespace, at.place());
        let settled = Progress { state: to_words(&genesis.digest()), ..Progress::default() };
        let status = watch::channel(Status::new(config.name.clone(), config.namespace)).0;
        let mut node = Self {
            config,
            folder,
            prover,
            describe,
            at,
            lane: Lane::default(),
            waiting: None,
            follower,
            next_l1_block: 0,
            places: BTreeMap::new(),
            advancer,
            is_program_known: false,
            settled,
            problems: Vec::new(),
            status,
        };
        node.rewind();
        node.publish();
        Ok(node)
    }

    /// What it tells, now and later.
    #[must_use]
    pub fn status(&self) -> watch::Receiver<Status> {
        self.status.subscribe()
    }

    /// Works until it is stopped. What cannot be done is told and tried again, with growing pauses.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut pause = self.config.poll;
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.round() => {}
            }
            pause = if self.problems.is_empty() { self.config.poll } else { (pause * 2).min(BACKOFF_MAX) };
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// One round. Each step does what it can, whatever becomes of the others.
    pub async fn round(&mut self) {
        self.problems.clear();
        let followed = self.follow().await;
        self.note("follow", followed);
        let proved = self.prove().await;
        if proved.is_err() {
            // What is in memory may be ahead of the disk, or half a lane.
            let reread = self.reread();
            self.note("checkpoint", reread);
        }
        self.note("prove", proved);
        let handed_in = self.hand_in().await;
        self.note("hand in", handed_in);
        let placed = self.watch().await;
        self.note("watch", placed);
        let settled = self.settle().await;
        self.note("settle", settled);
        let paid = self.pay_out().await;
        self.note("pay out", paid);
        self.publish();
    }

    fn note(&mut self, step: &'static str, outcome: Result<(), NodeError>) {
        if let Err(error) = outcome {
            let text = told(&error);
            tracing::warn!(step, error = text, "cannot be done just now");
            status::problem(step);
            self.problems.push(format!("{step}: {text}"));
        }
    }

    /// What was ordered, and what stands in the inbox: each whatever becomes of the other.
    async fn follow(&mut self) -> Result<(), NodeError> {
        let room = LANE_BLOCKS_MAX.saturating_sub(self.lane.blocks.len());
        let Config { sequencers, namespace, .. } = &self.config;
        let mut blocks = Vec::new();
        let followed = sequencers.follow(&mut self.follower, *namespace, room, &mut blocks).await;
        self.lane.blocks.extend(blocks);
        let read = self.read_inbox().await;
        if self.waiting.is_none() && !(self.lane.blocks.is_empty() && self.lane.entries.is_empty()) {
            self.waiting = Some(Instant::now());
        }
        self.publish();
        followed?;
        read
    }

    async fn read_inbox(&mut self) -> Result<(), NodeError> {
        let views = self.config.contract.clone();
        let confirmed = views.l1_head().await?.saturating_sub(self.config.confirmations);
        let known = self.at.state.entries + self.lane.entries.len() as u64;
        let expected = views.inbox_count(BlockId::number(confirmed)).await?;
        if expected <= known {
            self.next_l1_block = self.next_l1_block.max(confirmed + 1);
            return Ok(());
        }
        match views.entries(known, self.next_l1_block..=confirmed).await {
            Ok(entries) if known + entries.len() as u64 >= expected => {
                self.lane.entries.extend(entries);
                self.next_l1_block = self.next_l1_block.max(confirmed + 1);
                Ok(())
            }
            // An L1 that has not all of its own logs yet: they are looked for again, from the beginning.
            Ok(entries) => {
                self.next_l1_block = self.config.l1_origin;
                Err(NodeError::Inbox { expected, got: known + entries.len() as u64 })
            }
            Err(error) => {
                self.next_l1_block = self.config.l1_origin;
                Err(error.into())
            }
        }
    }

    /// Forgets what was followed and is not proved.
    fn rewind(&mut self) {
        let previous = self.at.previous.map(|previous| from_words(&previous.0));
        self.lane = Lane { previous, ..Lane::default() };
        self.waiting = None;
        self.next_l1_block = self.config.l1_origin;
        // From its beginning: what it trusts by now may be too far ahead of the place.
        let Config { network, namespace, .. } = &self.config;
        self.follower = Follower::resume(network.clone(), *namespace, self.at.place());
    }

    fn reread(&mut self) -> Result<(), NodeError> {
        let read = self.folder.read();
        if let Ok(Some(at)) = read {
            self.at = at;
            self.rewind();
            return Ok(());
        }
        // What was taken from the lane is followed again, whatever is on the disk.
        self.rewind();
        read?;
        Ok(())
    }

    /// Makes a statement of what has waited long enough; what is left is for the next round.
    async fn prove(&mut self) -> Result<(), NodeError> {
        let waiting = self.waiting.is_some_and(|since| since.elapsed() >= self.config.statement_wait);
        let transactions: usize = self.lane.blocks.iter().map(|block| block.transactions.len()).sum();
        let enough = transactions as u64 >= self.config.statement_transactions;
        if !(waiting || enough) || self.at.pending.len() >= PENDING_MAX || self.waiting.is_none() {
            return Ok(());
        }
        let (prover, state) = (self.prover.clone(), self.at.state.clone());
        let (lane, application) = (std::mem::take(&mut self.lane), self.at.application.clone());
        let number = self.at.statements;
        let made = tokio::task::spawn_blocking(move || make(&prover, number, &state, lane, application)).await??;
        let Made { statement, application, mut lane, proof, executing_ms, proving_ms } = made;
        let touched = lane.blocks.iter().filter(|block| block.position.height <= statement.after.height);
        let record = Record {
            namespace: self.config.namespace,
            number,
            from_height: statement.before.height,
            from_offset: statement.before.offset.into(),
            transition: statement.transition(),
            transactions: touched.map(|block| block.transactions.len() as u64).sum(),
            executing_ms,
            proving_ms,
            proved_ms: now_ms(),
            job: None,
            batch: None,
            settled_ms: None,
        };
        status::proved(&record);
        tracing::info!(number, height = record.transition.height, proving_ms, "a statement is proved");
        lane.advance(&statement);
        self.folder.write_proof(number, &proof)?;
        self.at.previous = statement.previous.map(|previous| Accumulator(to_words(&previous)));
        self.at.application = application;
        self.at.statements += 1;
        self.at.pending.push_back(Pending { record, withdrawals: statement.withdrawals });
        self.at.state = statement.after;
        self.folder.write(&self.at)?;
        self.lane = lane;
        // What did not fit has waited already.
        if self.lane.blocks.is_empty() && self.lane.entries.is_empty() {
            self.waiting = None;
        }
        self.publish();
        Ok(())
    }

    /// Hands statements in that the aggregator does not have.
    async fn hand_in(&mut self) -> Result<(), NodeError> {
        if self.at.pending.iter().all(|pending| pending.record.job.is_some()) {
            return Ok(());
        }
        let program = self.prover.program();
        let digest = hex::encode(digest_bytes(program.digest()));
        if !self.is_program_known {
            let view = self.config.aggregator.upload(file::encode(program)).await?;
            match view.state.as_str() {
                "known" => {
                    let expected = self.config.contract.program_id().await?;
                    let got = view.program_id.unwrap_or_default();
                    if hex::encode(expected) != got {
                        return Err(NodeError::ProgramId { expected, got });
                    }
                    self.is_program_known = true;
                }
                "refused" => {
                    let reason = view.reason.unwrap_or_default();
                    return Err(NodeError::Program { digest, reason });
                }
                // Its circuit is being built.
                _ => return Ok(()),
            }
        }
        for index in 0..self.at.pending.len() {
            let record = &self.at.pending[index].record;
            if record.job.is_some() {
                continue;
            }
            let proof = self.folder.proof(record.number)?;
            match self.config.aggregator.hand_in(&digest, proof, &self.config.terms).await {
                Ok(submitted) => self.at.pending[index].record.job = Some(submitted.job),
                Err(error) => {
                    self.is_program_known = error.code() != Some("program_unknown");
                    return Err(error.into());
                }
            }
            self.folder.write(&self.at)?;
        }
        Ok(())
    }

    /// Learns where the hub has statements.
    async fn watch(&mut self) -> Result<(), NodeError> {
        let aggregator = self.config.aggregator.clone();
        let mut lists = BTreeMap::new();
        for Pending { record, .. } in &mut self.at.pending {
            let (number, Some(job)) = (record.number, record.job) else { continue };
            if self.places.contains_key(&number) {
                continue;
            }
            let view = match aggregator.job(job).await {
                Ok(view) => view,
                // It has forgotten it: another appliance may have taken its place.
                Err(error) if error.code() == Some("unknown") => {
                    record.job = None;
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            match (view.state.as_str(), view.batch, view.position) {
                ("placed", Some(batch), Some(position)) if batch.state == "settled" => {
                    let batch = batch.batch;
                    if let Entry::Vacant(list) = lists.entry(batch) {
                        list.insert(aggregator.statements(batch).await?);
                    }
                    let place = place(&lists[&batch], &record.transition, position);
                    self.places.insert(number, place.ok_or(NodeError::Batch { batch, number, position })?);
                    record.batch = Some(batch);
                }
                // To be handed in again: it is the same job.
                ("lost" | "cancelled", _, _) => record.job = None,
                (state @ ("refused" | "quarantined"), _, _) => {
                    let (state, reason) = (state.into(), view.reason.unwrap_or_default());
                    return Err(NodeError::Job { number, job, state, reason });
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn publish(&self) {
        let Config { name, namespace, .. } = &self.config;
        let records = self.at.history.iter().chain(self.at.pending.iter().map(|pending| &pending.record));
        let due = self.at.due.iter().map(|due| (due.withdrawals.len() - due.next) as u64);
        let status = Status {
            name: name.clone(),
            namespace: *namespace,
            followed_height: self.follower.place().next_height.saturating_sub(1),
            proved_height: self.at.state.height,
            statements: self.at.statements,
            settled: self.settled,
            withdrawals_due: due.sum(),
            l1: self.advancer.status().borrow().clone(),
            application: (self.describe)(&self.at.application),
            problems: self.problems.clone(),
            records: records.cloned().collect(),
        };
        status.measure(self.at.pending.len());
        self.status.send_replace(status);
    }
}

/// Where a batch has a statement, if it stands there.
fn place(statements: &[[u8; STATEMENT_BYTES]], transition: &Transition, position: u32) -> Option<Place> {
    let index = position as usize;
    if statements.get(index)?[PROGRAM_ID_BYTES..] != transition.public_values() {
        return None;
    }
    let tree = StatementTree::new(statements);
    let path = tree.path(index)?.into_iter().map(B256::from).collect();
    Some(Place { root: tree.root()?.into(), index: position, path })
}

/// Runs the rules over a lane, and proves that.
fn make<A: Application>(
    prover: &Prover,
    number: u64,
    state: &State,
    lane: Lane,
    mut application: A,
) -> Result<Made<A>, NodeError> {
    let started = Instant::now();
    let statement = prover.statement(state, &lane, &mut application)?;
    application.completed();
    if statement.before == statement.after {
        return Err(NodeError::Capacity { number });
    }
    let executing_ms = milliseconds(started.elapsed());
    let started = Instant::now();
    let proof = prover.prove(&CpuProver, &statement)?;
    let proof = proof.encode(prover.program().shape());
    let proof = proof.map_err(|error| NodeError::Proof { number, reason: told(&error) })?;
    let proving_ms = milliseconds(started.elapsed());
    Ok(Made { statement, application, lane, proof, executing_ms, proving_ms })
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn now_ms() -> u64 {
    milliseconds(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default())
}
