//! What all L1 nodes together say: polled, compared, remembered.

use super::{
    AskError, Endpoint, L1FollowerError,
    endpoint::{RegistryAnswer, RegistryQuestion},
    forced::Window,
};
use alloy::primitives::Address;
use futures::{
    FutureExt as _,
    future::{BoxFuture, join_all},
};
use metrics::{Unit, counter, describe_counter, describe_gauge, gauge};
use sinter_primitives::{Digest, chain::L1Spec, forced_inbox::ForcedEntry, header::L1Origin, registry::Registry};
use sinter_sequencer::l1::{L1Block, L1Step};
use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex as SyncMutex, PoisonError},
    time::{Duration, Instant, SystemTime},
};
use tokio::{
    sync::{Mutex, Semaphore, watch},
    time::sleep,
};
use tracing::{error, info, warn};

/// L1 nodes that told different things.
const DISAGREEMENTS: &str = "sinter_l1_disagreements_total";
/// L1 nodes that agreed in the last poll.
const ENDPOINTS: &str = "sinter_l1_endpoints";
/// Number of the newest final L1 block.
const FINALIZED_HEIGHT: &str = "sinter_l1_finalized_height";
/// Seconds since that block's time.
const FINALIZED_AGE: &str = "sinter_l1_finalized_age_seconds";

/// Polls after which a final block is named to others.
const SETTLED_POLLS: u64 = 3;
/// Polls for which an L1 node may be down or behind before we say so: its finality comes seconds later than another's.
const PATIENCE_POLLS: u32 = 10;
/// Time between log lines that say the same.
const REPEAT: Duration = Duration::from_secs(60);
/// Blocks that are remembered.
const BLOCKS_MAX: usize = 256;
/// Registries that are remembered.
const REGISTRIES_MAX: usize = 4;
/// Blocks that are asked for at once.
const ASKING_MAX: usize = 16;
/// Pause after a failure, doubled with each that follows.
const BACKOFF_MIN: Duration = Duration::from_millis(100);
const BACKOFF_MAX: Duration = Duration::from_secs(5);

/// Why the L1 nodes together gave no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refusal {
    #[error("no L1 node answers: {reasons}")]
    Silence { reasons: String },
    #[error(
        "L1 nodes disagree about {what}: {first} says {told}, {second} says {other}: nothing new is believed until they agree"
    )]
    Disagreement { what: String, first: String, told: String, second: String, other: String },
    #[error("L1: expected final block {number} to be 0x{expected} as before, got 0x{got}: nothing new is believed")]
    Changed { number: u64, expected: Digest, got: Digest },
    #[error("L1: expected block {number} to be the chain file's origin 0x{expected}, got 0x{got}: this is another L1")]
    Origin { number: u64, expected: Digest, got: Digest },
}

/// An answer, in words that are the same only if the answers are.
pub(super) trait Told {
    fn told(&self) -> String;
}

impl Told for L1Block {
    fn told(&self) -> String {
        // The hash covers the rest.
        format!("0x{}", self.origin.hash)
    }
}

impl Told for RegistryAnswer {
    fn told(&self) -> String {
        format!("{} records with head 0x{}", self.records, self.head)
    }
}

pub(super) type Answers<'a, T> = Vec<(&'a Endpoint, Result<T, AskError>)>;

/// Says when it is time to log again what has been logged before.
#[derive(Default)]
pub(super) struct Reminder(Option<Instant>);

impl Reminder {
    pub(super) fn due(&mut self) -> bool {
        let due = self.0.is_none_or(|last| last.elapsed() >= REPEAT);
        if due {
            self.0 = Some(Instant::now());
        }
        due
    }
}

/// What one poll leaves to the next.
#[derive(Default)]
struct Polls {
    done: u64,
    final_block: Option<L1Block>,
    origin_seen: bool,
    /// Final blocks that are not yet named to others, with the poll that found them: one a poll, for three polls.
    fresh: VecDeque<(L1Origin, u64)>,
    reminder: Reminder,
    /// By L1 node: polls for which it has been down or behind.
    missed: Vec<(u32, Reminder)>,
}

/// All L1 nodes, and what is known from them.
pub(super) struct Follower {
    endpoints: Vec<Endpoint>,
    origin: L1Origin,
    contract: Address,
    /// The registry before its first block, and that block, which never comes where there is none.
    empty: Arc<Registry>,
    from_block: u64,
    /// Where things are forced.
    pub(super) forced_inbox: Option<Address>,
    pub(super) window: Window,
    pub(super) final_height: watch::Sender<Option<u64>>,
    latest: watch::Sender<Option<L1Origin>>,
    blocks: SyncMutex<BTreeMap<u64, L1Block>>,
    /// The last ones that were asked for, each at the end of a block. Locked while one is followed, so that whoever asks for
    /// the same meanwhile finds it here.
    registries: Mutex<VecDeque<(u64, Arc<Registry>)>>,
    asking: Semaphore,
}

impl Follower {
    pub(super) fn new(endpoints: Vec<Endpoint>, l1: &L1Spec) -> Self {
        describe_counter!(DISAGREEMENTS, Unit::Count, "L1 nodes that told different things");
        describe_gauge!(ENDPOINTS, Unit::Count, "L1 nodes that agreed in the last poll");
        describe_gauge!(FINALIZED_HEIGHT, Unit::Count, "Number of the newest final L1 block");
        describe_gauge!(FINALIZED_AGE, Unit::Seconds, "Time since the newest final L1 block");
        let registry = l1.registry.as_ref();
        let contract = registry.map(|registry| registry.address()).unwrap_or_default();
        Self {
            endpoints,
            origin: l1.origin,
            contract: contract.into(),
            empty: Arc::new(Registry::new(l1.chain_id, &contract)),
            from_block: registry.map_or(u64::MAX, |registry| registry.from_block),
            forced_inbox: l1.forced_inbox.as_ref().map(|inbox| inbox.address().into()),
            window: Window::default(),
            final_height: watch::Sender::new(None),
            latest: watch::Sender::new(None),
            blocks: SyncMutex::default(),
            registries: Mutex::default(),
            asking: Semaphore::new(ASKING_MAX),
        }
    }

    /// Refuses L1 nodes of another chain. The others have agreed or not answered, and will be asked again.
    pub(super) async fn check_chain_ids(&self) -> Result<(), L1FollowerError> {
        for (endpoint, answer) in self.ask_all(|endpoint| endpoint.check_chain_id().boxed()).await {
            if let Err(AskError::ChainId { expected, got }) = answer {
                return Err(L1FollowerError::ChainId { host: endpoint.host().into(), expected, got });
            }
        }
        Ok(())
    }

    // ------------------------------------------------------------ what is final

    /// Polls for ever.
    pub(super) async fn run(&self, poll_interval: Duration) {
        counter!(DISAGREEMENTS).increment(0);
        let mut polls = Polls::default();
        polls.missed.resize_with(self.endpoints.len(), Default::default);
        let poll = async {
            loop {
                self.poll(&mut polls).await;
                sleep(poll_interval).await;
            }
        };
        tokio::join!(poll, self.read_ahead());
    }

    async fn poll(&self, polls: &mut Polls) {
        polls.done += 1;
        let agreeing = match self.newest_final(polls).await {
            Ok(agreeing) => agreeing,
            Err(refusal) => {
                if polls.reminder.due() {
                    error!(%refusal, "the L1 is not followed");
                }
                0
            }
        };
        gauge!(ENDPOINTS).set(agreeing as f64);
        if let Some(block) = polls.final_block {
            let now = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
            let age = now.saturating_sub(Duration::from_secs(block.timestamp_s));
            gauge!(FINALIZED_HEIGHT).set(block.origin.number as f64);
            gauge!(FINALIZED_AGE).set(age.as_secs_f64());
        }
        while let Some((origin, _)) = polls.fresh.pop_front_if(|(_, found)| *found + SETTLED_POLLS <= polls.done) {
            self.latest.send_replace(Some(origin));
        }
    }

    /// Looks for a newer final block; gives how many L1 nodes agree.
    async fn newest_final(&self, polls: &mut Polls) -> Result<usize, Refusal> {
        let answers = self.ask_all(|endpoint| endpoint.finalized().boxed()).await;
        note_missing(&answers, &mut polls.missed);
        let told = answered(answers)?;
        let lowest = told.iter().map(|(_, block)| block.origin.number).min().unwrap_or_default();
        if let Some(known) = polls.final_block {
            for (_, block) in told.iter().filter(|(_, block)| block.origin.number == known.origin.number) {
                unchanged(&known, block)?;
            }
            if lowest <= known.origin.number {
                return Ok(told.len());
            }
            let (before, _) = self.agreed_block(known.origin.number).await?;
            unchanged(&known, &before)?;
        }
        let (block, agreeing) = self.agreed_block(lowest).await?;
        if !polls.origin_seen && !self.has_origin(lowest).await? {
            return Ok(agreeing);
        }
        polls.origin_seen = true;
        polls.final_block = Some(block);
        polls.fresh.push_back((block.origin, polls.done));
        self.remember(block);
        self.final_height.send_replace(Some(lowest));
        Ok(agreeing)
    }

    /// Whether the chain's origin is final; refuses an L1 that has another block in its place.
    async fn has_origin(&self, final_height: u64) -> Result<bool, Refusal> {
        let L1Origin { number, hash: expected } = self.origin;
        if final_height < number {
            return Ok(false);
        }
        let (block, _) = self.agreed_block(number).await?;
        let got = block.origin.hash;
        if got == expected { Ok(true) } else { Err(Refusal::Origin { number, expected, got }) }
    }

    /// See [`L1View::latest`](sinter_sequencer::l1::L1View::latest).
    pub(super) fn latest(&self) -> Option<L1Origin> {
        *self.latest.borrow()
    }

    async fn until_final(&self, number: u64) {
        // Fails without a sender, which `self` has.
        let _ = self.final_height.subscribe().wait_for(|height| *height >= Some(number)).await;
    }

    // ------------------------------------------------------------ questions

    /// See [`L1View::block`](sinter_sequencer::l1::L1View::block).
    pub(super) async fn block(&self, number: u64) -> L1Block {
        self.until_final(number).await;
        match self.window.block(number) {
            Some(known) => known,
            None => retried("block", number, || self.try_block(number)).await,
        }
    }

    pub(super) async fn try_block(&self, number: u64) -> Result<L1Block, Refusal> {
        // It is never closed.
        let _asking = self.asking.acquire().await;
        if let Some(known) = self.blocks.lock().unwrap_or_else(PoisonError::into_inner).get(&number) {
            return Ok(*known);
        }
        let (block, _) = self.agreed_block(number).await?;
        self.remember(block);
        Ok(block)
    }

    fn remember(&self, block: L1Block) {
        let mut blocks = self.blocks.lock().unwrap_or_else(PoisonError::into_inner);
        blocks.insert(block.origin.number, block);
        if blocks.len() > BLOCKS_MAX {
            blocks.pop_first();
        }
    }

    /// See [`L1View::steps`](sinter_sequencer::l1::L1View::steps).
    pub(super) fn steps(&self, after: (u64, u64)) -> Vec<L1Step> {
        self.window.steps(after)
    }

    /// See [`L1View::forced`](sinter_sequencer::l1::L1View::forced).
    pub(super) async fn forced(&self, after: (u64, u64), until: u64) -> Arc<[ForcedEntry]> {
        self.until_final(until).await;
        self.window.get(after, until).await
    }

    /// See [`L1View::registry`](sinter_sequencer::l1::L1View::registry).
    pub(super) async fn registry(&self, number: u64) -> Arc<Registry> {
        self.until_final(number).await;
        retried("the registry at block", number, || self.try_registry(number)).await
    }

    async fn try_registry(&self, number: u64) -> Result<Arc<Registry>, Refusal> {
        if number < self.from_block {
            return Ok(self.empty.clone());
        }
        let mut registries = self.registries.lock().await;
        let newest = registries.iter().filter(|(block, _)| *block <= number).max_by_key(|(block, _)| *block);
        let (from_block, before) = match newest {
            Some((block, registry)) if *block == number => return Ok(registry.clone()),
            Some((block, registry)) => (block + 1, registry.clone()),
            None => (self.from_block, self.empty.clone()),
        };
        let final_block = self.final_height.borrow().unwrap_or(number);
        let question =
            RegistryQuestion { contract: self.contract, before: &before, from_block, to_block: number, final_block };
        let answers = self.ask_all(|endpoint| endpoint.registry(question).boxed()).await;
        let agreed = agreed(format!("the registry at block {number}"), answered(answers)?)?;
        let whole = agreed.into_iter().find_map(|answer| answer.registry);
        let registry = Arc::new(whole.ok_or_else(|| Refusal::Silence {
            reasons: format!("all leave records of the registry out, at block {number}"),
        })?);
        registries.push_back((number, registry.clone()));
        if registries.len() > REGISTRIES_MAX {
            registries.pop_front();
        }
        Ok(registry)
    }

    // ------------------------------------------------------------ all together

    pub(super) async fn ask_all<'a, T>(
        &'a self,
        ask: impl Fn(&'a Endpoint) -> BoxFuture<'a, Result<T, AskError>>,
    ) -> Answers<'a, T> {
        let answers = join_all(self.endpoints.iter().map(ask)).await;
        self.endpoints.iter().zip(answers).collect()
    }

    /// The block of a number, and how many L1 nodes say so.
    async fn agreed_block(&self, number: u64) -> Result<(L1Block, usize), Refusal> {
        let told = answered(self.ask_all(|endpoint| endpoint.block(number).boxed()).await)?;
        let agreed = agreed(format!("block {number}"), told)?;
        // Somebody has answered.
        Ok((agreed[0], agreed.len()))
    }
}

/// Those who answered: somebody, or it is an error that says why nobody did.
pub(super) fn answered<T>(answers: Answers<'_, T>) -> Result<Vec<(&Endpoint, T)>, Refusal> {
    let mut told = Vec::new();
    let mut reasons = Vec::new();
    for (endpoint, answer) in answers {
        match answer {
            Ok(answer) => told.push((endpoint, answer)),
            Err(error) => reasons.push(format!("{}: {}", endpoint.host(), endpoint.text(&error))),
        }
    }
    if told.is_empty() { Err(Refusal::Silence { reasons: reasons.join("; ") }) } else { Ok(told) }
}

/// The answers, which are all the same. As many as came.
pub(super) fn agreed<T: Told>(what: String, told: Vec<(&Endpoint, T)>) -> Result<Vec<T>, Refusal> {
    for pair in told.windows(2) {
        let [(first, answer), (second, other)] = pair else { continue };
        let (answer, other) = (answer.told(), other.told());
        if answer != other {
            counter!(DISAGREEMENTS).increment(1);
            let (first, second) = (first.host().into(), second.host().into());
            return Err(Refusal::Disagreement { what, first, told: answer, second, other });
        }
    }
    Ok(told.into_iter().map(|(_, answer)| answer).collect())
}

fn unchanged(known: &L1Block, block: &L1Block) -> Result<(), Refusal> {
    let L1Origin { number, hash: expected } = known.origin;
    let got = block.origin.hash;
    if got == expected { Ok(()) } else { Err(Refusal::Changed { number, expected, got }) }
}

/// Counts the polls for which each L1 node has been down or behind the first, and says so now and then.
fn note_missing(answers: &Answers<'_, L1Block>, missed: &mut [(u32, Reminder)]) {
    let height = |block: &L1Block| block.origin.number;
    let highest = answers.iter().filter_map(|(_, answer)| answer.as_ref().ok()).map(height).max();
    for ((endpoint, answer), (polls, reminder)) in answers.iter().zip(missed) {
        let reason = match answer {
            Ok(block) if Some(height(block)) == highest => None,
            Ok(block) => {
                Some(format!("its final block is {}, another's {}", height(block), highest.unwrap_or_default()))
            }
            Err(error) => Some(endpoint.text(error)),
        };
        let host = endpoint.host();
        match reason {
            None if *polls > PATIENCE_POLLS => {
                info!(host, "an L1 node is back");
                *polls = 0;
            }
            None => *polls = 0,
            Some(reason) => {
                *polls = polls.saturating_add(1);
                if *polls > PATIENCE_POLLS && reminder.due() {
                    warn!(host, polls = *polls, reason, "an L1 node is down or behind");
                }
            }
        }
    }
}

/// Tries until there is an answer: who asks can do nothing but wait.
async fn retried<T, Attempt: Future<Output = Result<T, Refusal>>>(
    what: &str,
    number: u64,
    attempt: impl Fn() -> Attempt,
) -> T {
    let mut backoff = BACKOFF_MIN;
    let mut reminder = Reminder::default();
    loop {
        match attempt().await {
            Ok(answer) => return answer,
            Err(refusal) => {
                if reminder.due() {
                    error!(what, number, %refusal, "the L1 does not tell");
                }
            }
        }
        sleep(backoff).await;
        backoff = (backoff * 2).min(BACKOFF_MAX);
    }
}
