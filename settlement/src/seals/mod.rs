//! Posts seals to the `AggregationHub`: each is paid for once, when gas is cheap enough.
//!
//! The [submitter](crate::submitter) sees to it that no seal is lost or posted twice. Here is what there is to post, and
//! what is there already:
//!
//! 1. A seal's root is what the hub itself says that it proves, in a call that changes nothing. A seal that the hub
//!    would refuse is reported and never sent.
//! 2. A root that the hub has is done, whoever brought it. It is *settled* once the hub has it at the [`Depth`] that is
//!    asked for.
//! 3. Seals go out one after the other, each when the base fee is at or under what the [`FeePolicy`] pays at that moment.
//! 4. What the journal holds is brought to its end, too, whether its seals are given again or not.
//!
//! | module | holds |
//! |---|---|
//! | `hub` | the contract's calls and refusals |
//! | `policy` | what may be paid, and when |
//! | `status`, `tracked` | how far seals are, for others and for this |

mod error;
mod hub;
mod metrics;
mod policy;
mod status;
mod tracked;

pub use error::SealError;
pub(crate) use hub::named;
pub use hub::{HubErrors, HubRefusal};
pub use policy::{FeePolicy, Outlook};
pub use status::{Delivery, Refusal, SealState, SealStatus, SealsStatus};

use crate::submitter::{
    Fate, Limits, Pace, Post, Posted, Rounds, Settings, SubmitError, Submitter, View, now_ms, repeat,
};
use alloy::{
    eips::BlockId,
    primitives::{Address, B256, Bytes},
    signers::local::PrivateKeySigner,
};
use metrics::Metrics;
use std::{future::Future, path::PathBuf, sync::Arc, time::Duration};
use tokio::sync::watch;
use tracked::{SealPost, Tracked, has};

/// Most seals at a time.
pub const SEALS_MAX: usize = 256;
/// How often a seal may fail in a block though the L1 said that it would not.
const REVERTS_MAX: u32 = 3;

/// How deep below the L1's head a root has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// In a block that the L1 calls final.
    Finalized,
    /// With this many blocks on top of each other that have it, from 1.
    Blocks(u64),
}

/// How to settle.
#[derive(Clone, Debug)]
pub struct SealsConfig {
    /// The L1's JSON-RPC.
    pub url: String,
    /// The L1's EIP-155 chain id; another L1 behind the URL is refused.
    pub l1_chain_id: u64,
    /// The `AggregationHub`.
    pub hub: Address,
    /// Who signs and pays. Nobody else may use this key.
    pub signer: PrivateKeySigner,
    /// The journal's file.
    pub journal: PathBuf,
    /// What may be paid, and when.
    pub fees: FeePolicy,
    /// When a root counts as settled.
    pub depth: Depth,
    /// Time between looks at the L1.
    pub poll: Duration,
    /// How long a transaction waits before it is replaced by one that pays more.
    pub replace_after: Duration,
    /// The longest pause after failures.
    pub backoff_max: Duration,
}

impl SealsConfig {
    /// Usual timings for mainnet: at once, at most 200 gwei, replaced after three blocks, settled when final.
    #[must_use]
    pub fn new(url: String, l1_chain_id: u64, hub: Address, signer: PrivateKeySigner, journal: PathBuf) -> Self {
        Self {
            url,
            l1_chain_id,
            hub,
            signer,
            journal,
            fees: FeePolicy::at_once(200_000_000_000),
            depth: Depth::Finalized,
            poll: Duration::from_secs(4),
            replace_after: Duration::from_secs(36),
            backoff_max: Duration::from_secs(60),
        }
    }
}

/// Brings seals to the hub, with its journal.
pub struct SealSubmitter {
    config: SealsConfig,
    submitter: Submitter<SealPost>,
    seals: Vec<Tracked>,
    metrics: Metrics,
    status: watch::Sender<SealsStatus>,
    hub_answered: bool,
}

impl SealSubmitter {
    /// Opens the journal. Does not talk to the L1 yet. A seal is what the hub's `settle` takes.
    ///
    /// # Errors
    /// [`SealError`], when there are too many seals, the URL is none, or the journal is damaged, locked or another's.
    pub fn open(config: SealsConfig, seals: &[Bytes]) -> Result<Self, SealError> {
        if seals.len() > SEALS_MAX {
            return Err(SealError::TooMany { got: seals.len() });
        }
        let settings = Settings {
            url: config.url.clone(),
            l1_chain_id: config.l1_chain_id,
            contract: config.hub,
            signer: config.signer.clone(),
            journal: config.journal.clone(),
            replace_after: config.replace_after,
        };
        let submitter: Submitter<SealPost> = Submitter::open(settings, "sinter_settle")?;
        let mut seals: Vec<Tracked> = seals.iter().map(|seal| Tracked::new(hub::settle_call(seal), None)).collect();
        let entries = submitter.entries();
        let posted = entries.posts.iter().map(|post| (post.subject.root, &post.call));
        for (root, call) in posted.chain(entries.lost.iter().map(|lost| (lost.root, &lost.call))) {
            match seals.iter_mut().find(|seal| seal.call == *call) {
                Some(seal) => seal.root = Some(root),
                None => seals.push(Tracked::new(call.clone(), Some(root))),
            }
        }
        let (status, _) = watch::channel(SealsStatus::default());
        Ok(Self { config, submitter, seals, metrics: Metrics::new(), status, hub_answered: false })
    }

    /// How far the seals are, now and later.
    #[must_use]
    pub fn status(&self) -> watch::Receiver<SealsStatus> {
        self.status.subscribe()
    }

    /// Settles until every seal is settled or refused (`true`), or `shutdown` is ready (`false`). Dropping it at any
    /// point is safe.
    ///
    /// # Errors
    /// [`SealError`], when waiting cannot help: the journal cannot be written, the L1 is another one, there is no hub.
    pub async fn run(mut self, shutdown: impl Future<Output = ()>) -> Result<bool, SealError> {
        let pace = Pace { poll: self.config.poll, backoff_max: self.config.backoff_max };
        repeat(&mut self, pace, shutdown).await
    }

    /// One round: looks at the L1, settles what was sent, and sends what may be. `true` when every seal is settled or
    /// refused. [`SealSubmitter::run`] repeats it.
    ///
    /// # Errors
    /// [`SealError`]; the journal is consistent after any of them.
    pub async fn round(&mut self) -> Result<bool, SealError> {
        let view = self.submitter.view().await?;
        // After the view: what the nonce counts is in the hub.
        self.check_hub().await?;
        self.examine().await?;
        self.look().await?;
        let fates = {
            let seals = &self.seals;
            self.submitter.settle(&view, |post| has(seals, &post.root)).await?
        };
        let taken = self.take_note(fates);
        if let Some(taken) = taken {
            return Err(taken);
        }
        let waits_for_gas = self.send(&view).await?;
        self.look_deep(&view).await?;
        let seals = &self.seals;
        let is_open = |root: &B256| seals.iter().any(|seal| seal.root.as_ref() == Some(root) && seal.is_open());
        // What was refused has been reported: later runs need not try it again.
        self.submitter.amend_lost(|lost| lost.retain(|lost| is_open(&lost.root)))?;
        self.publish(&view, waits_for_gas);
        Ok(self.seals.iter().all(|seal| seal.settled || seal.refusal.is_some()))
    }

    async fn check_hub(&mut self) -> Result<(), SealError> {
        if !self.hub_answered && !self.submitter.l1().has_code().await? {
            return Err(SealError::NoHub { address: self.config.hub });
        }
        Ok(())
    }

    /// Asks the hub what each seal proves, once.
    async fn examine(&mut self) -> Result<(), SealError> {
        for index in 0..self.seals.len() {
            let seal = &self.seals[index];
            if seal.root.is_some() || seal.refusal.is_some() {
                continue;
            }
            let call = seal.call.clone();
            if let Err(error) = self.submitter.check_size(&call) {
                self.refuse(index, Refusal::Unpostable(Arc::new(error)));
                continue;
            }
            match self.submitter.l1().call(&call, BlockId::latest()).await? {
                Ok(answer) => {
                    let root = hub::settled_root(&answer).ok_or_else(|| self.not_a_hub(&answer))?;
                    self.seals[index].root = Some(root);
                    self.hub_answered = true;
                }
                Err(reverted) => self.refuse(index, Refusal::Contract(HubRefusal::from_revert(reverted))),
            }
        }
        Ok(())
    }

    const fn not_a_hub(&self, answer: &Bytes) -> SealError {
        SealError::NotAHub { address: self.config.hub, got_bytes: answer.0.len() }
    }

    fn refuse(&mut self, index: usize, refusal: Refusal) {
        tracing::error!(seal = index, root = ?self.seals[index].root, %refusal, "a seal is not sent");
        self.metrics.refused.increment(1);
        self.seals[index].refusal = Some(refusal);
    }

    /// Which roots the hub has at the L1's head.
    async fn look(&mut self) -> Result<(), SealError> {
        for index in 0..self.seals.len() {
            if let (Some(root), false) = (self.seals[index].root, self.seals[index].settled) {
                let answer = self.count_at(root, BlockId::latest()).await?;
                self.seals[index].count = hub::count(&answer).ok_or_else(|| self.not_a_hub(&answer))?;
                self.hub_answered = true;
            }
        }
        Ok(())
    }

    /// Which roots the hub has as deep as is asked for.
    async fn look_deep(&mut self, view: &View) -> Result<(), SealError> {
        let block = match self.config.depth {
            // A young chain has no finalized block.
            Depth::Finalized => Some(view.finalized).filter(|block| *block > 0),
            Depth::Blocks(blocks) => view.head.checked_sub(blocks.saturating_sub(1)),
        };
        let Some(block) = block else { return Ok(()) };
        for index in 0..self.seals.len() {
            let seal = &self.seals[index];
            let (Some(root), true) = (seal.root, seal.count > 0 && !seal.settled) else { continue };
            let answer = self.count_at(root, BlockId::number(block)).await?;
            // No answer: the hub is younger than the block.
            if hub::count(&answer).is_some_and(|count| count > 0) {
                tracing::info!(%root, block, "settled");
                self.seals[index].settled = true;
            }
        }
        Ok(())
    }

    async fn count_at(&self, root: B256, block: BlockId) -> Result<Bytes, SealError> {
        let answer = self.submitter.l1().call(&hub::count_call(root), block).await?;
        Ok(answer.unwrap_or_default())
    }

    /// Takes note of what became of posts; gives the error to report, if one lost its nonce.
    fn take_note(&mut self, fates: Vec<Fate<SealPost>>) -> Option<SealError> {
        let mut taken = None;
        for fate in fates {
            match fate {
                Fate::Included { subject: SealPost { root }, cancelled: false, included } if included.reverted => {
                    for index in 0..self.seals.len() {
                        let seal = &mut self.seals[index];
                        if seal.root != Some(root) || !seal.is_open() {
                            continue;
                        }
                        seal.reverts += 1;
                        if seal.reverts >= REVERTS_MAX {
                            let times = seal.reverts;
                            self.refuse(index, Refusal::Reverts { times });
                        }
                    }
                }
                Fate::NonceTaken { subject, nonce } if !has(&self.seals, &subject.root) => {
                    let sender = self.config.signer.address();
                    taken = Some(SealError::NonceTaken { nonce, sender, post: subject.to_string() });
                }
                Fate::Included { .. } | Fate::TakenBack { .. } | Fate::NonceTaken { .. } => {}
            }
        }
        for seal in &mut self.seals {
            let posts = self.submitter.entries().posts.iter();
            let mut delivered = posts.filter(|post| Some(post.subject.root) == seal.root).filter_map(Post::delivered);
            if let Some(included) = delivered.next() {
                seal.delivery = Some(Delivery {
                    transaction: included.hash,
                    block: included.block,
                    gas_used: included.gas_used,
                    gas_price_wei: included.gas_price_wei,
                });
            } else if seal.count == 0 {
                // Taken back.
                seal.delivery = None;
            }
        }
        taken
    }

    /// How many seals are still to be brought to the hub.
    fn open_seals(&self) -> usize {
        self.seals.iter().filter(|seal| seal.is_open()).count()
    }

    /// Sends what waits again, and then the next seal, if it may cost what it does. `true` when it may not.
    async fn send(&mut self, view: &View) -> Result<bool, SealError> {
        let base_fee_max_wei = self.config.fees.base_fee_max_wei(now_ms(), self.open_seals());
        let ceiling_wei = self.config.fees.ceiling_wei;
        let now_wei = base_fee_max_wei.saturating_add(view.tip_wei.max(1)).min(ceiling_wei);
        let limits = Limits { now_wei, ceiling_wei };
        let seals = &self.seals;
        if !self.submitter.push_waiting(view, limits, |post| !has(seals, &post.root)).await? {
            return Ok(false);
        }
        let on_its_way = |root: &B256| {
            let mut posts = self.submitter.entries().posts.iter();
            posts.any(|post| post.subject.root == *root && post.delivered().is_some())
        };
        let next = self.seals.iter().position(|seal| {
            // Included, but a node that is behind has not got it yet.
            seal.is_open() && seal.root.is_some_and(|root| !on_its_way(&root))
        });
        let Some(index) = next else { return Ok(false) };
        let Tracked { root: Some(root), call, .. } = &self.seals[index] else { return Ok(false) };
        let (subject, call) = (SealPost { root: *root }, call.clone());
        match self.submitter.post(view, limits, subject, call, None).await {
            Ok(Posted::TooDear) => return Ok(true),
            // Only who names a bound for gas is told that it does not suffice.
            Ok(Posted::Sent(_) | Posted::Backlog | Posted::TooMuchGas(_)) => {}
            Ok(Posted::Refused(reverted)) => {
                self.refuse(index, Refusal::Contract(HubRefusal::from_revert(reverted)));
            }
            Err(error @ (SubmitError::Oversized { .. } | SubmitError::GasCap { .. })) => {
                self.refuse(index, Refusal::Unpostable(Arc::new(error)));
            }
            Err(error) => return Err(error.into()),
        }
        Ok(false)
    }

    fn publish(&self, view: &View, waits_for_gas: bool) {
        let (now_ms, open) = (now_ms(), self.open_seals());
        let outlook = self.config.fees.outlook(now_ms, open, view.base_fee_wei.saturating_add(view.tip_wei));
        let before = self.status.borrow().outlook;
        if outlook != before {
            let (base_fee_wei, ceiling_wei) = (view.base_fee_wei, self.config.fees.ceiling_wei);
            match outlook {
                Outlook::Fine => tracing::info!(base_fee_wei, ceiling_wei, "the deadline can be met"),
                Outlook::TooDear => {
                    tracing::error!(
                        base_fee_wei,
                        ceiling_wei,
                        "the deadline cannot be met: gas costs more than the ceiling"
                    );
                }
                Outlook::Missed => tracing::error!(base_fee_wei, ceiling_wei, seals = open, "the deadline is missed"),
            }
        }
        let status = SealsStatus {
            seals: self.seals.iter().map(|seal| self.seal_status(seal)).collect(),
            base_fee_wei: view.base_fee_wei,
            base_fee_max_wei: self.config.fees.base_fee_max_wei(now_ms, open),
            waits_for_gas,
            outlook,
            failures: 0,
            last_error: None,
        };
        let unsettled = self.seals.iter().filter(|seal| !seal.settled).count();
        self.metrics.unsettled.set(unsettled as f64);
        self.metrics.base_fee_wei.set(status.base_fee_wei as f64);
        self.metrics.base_fee_max_wei.set(status.base_fee_max_wei as f64);
        self.metrics.deadline.set(f64::from(outlook as u8));
        let delivered =
            self.seals.iter().filter(|seal| seal.count > 0).filter_map(|seal| Some((seal.count, seal.delivery?)));
        if let Some((count, Delivery { gas_used, gas_price_wei, .. })) =
            delivered.max_by_key(|(_, delivery)| delivery.block)
        {
            self.metrics.batch_gas.set(gas_used as f64);
            self.metrics.proof_cost_wei.set(gas_used as f64 * gas_price_wei as f64 / f64::from(count));
        }
        self.submitter.metrics().pending.set(self.submitter.pending() as f64);
        self.status.send_replace(status);
    }

    fn seal_status(&self, seal: &Tracked) -> SealStatus {
        let mut posts = self.submitter.entries().posts.iter();
        let waiting = posts.find(|post| Some(post.subject.root) == seal.root && post.included.is_none());
        let state = match (&seal.refusal, waiting) {
            _ if seal.settled => SealState::Settled,
            (Some(refusal), _) => SealState::Refused(refusal.clone()),
            _ if seal.count > 0 || seal.delivery.is_some() => SealState::Included,
            (None, Some(post)) => SealState::Sent { transaction: post.last_attempt().hash },
            (None, None) if seal.root.is_some() => SealState::Waiting,
            (None, None) => SealState::Unknown,
        };
        let count = (seal.count > 0).then_some(seal.count);
        SealStatus { root: seal.root, count, state, delivery: seal.delivery }
    }
}

impl Rounds for SealSubmitter {
    type Error = SealError;

    async fn round(&mut self) -> Result<bool, SealError> {
        Self::round(self).await
    }

    fn is_fatal(&self, error: &SealError) -> bool {
        match error {
            SealError::Submit(error) => error.is_fatal(),
            // Nodes behind one URL are not all equally far: one that does not know the hub yet does no harm later.
            SealError::NoHub { .. } | SealError::NotAHub { .. } => !self.hub_answered,
            SealError::TooMany { .. } => true,
            SealError::NonceTaken { .. } => false,
        }
    }

    fn failed(&mut self, error: &SealError, pause: Duration) {
        self.submitter.metrics().l1_errors.increment(1);
        tracing::warn!(%error, retry_ms = pause.as_millis() as u64, "settling failed");
        let (open, now_ms) = (self.open_seals(), now_ms());
        self.status.send_modify(|status| {
            status.failures = status.failures.saturating_add(1);
            status.last_error = Some(error.to_string());
            // Nobody knows what gas costs now, but time goes on.
            if self.config.fees.outlook(now_ms, open, 0) == Outlook::Missed {
                status.outlook = Outlook::Missed;
            }
        });
    }
}
