//! Advances a rollup's contract and pays out of it: every transaction is paid for once, and none is lost.
//!
//! The [submitter](crate::submitter) sees to that. Here is what its posts are, and when one is not wanted any more:
//!
//! 1. An *advance* is wanted while the contract stands where it begins. Once somebody else was faster it would revert, so
//!    its replacement does nothing. What to advance by next follows from where the contract is, so none is remembered.
//! 2. A *payment* is wanted until its withdrawal is paid, by whomever. Its user counts one as paid when the contract has done so for
//!    some blocks: until then the L1 may take it back, whoever sent it.
//! 3. What the contract would refuse is not sent, nor a payment that takes more gas than somebody else's is worth; and what
//!    reverted in a block again and again, though the L1 had said that it would not, is not sent again.
//!
//! Its user looks ([`Advancer::look`]), and may then send one thing.

mod status;
mod step;

pub use status::{AdvancesStatus, Refusal, Waiting};
pub use step::{Reached, Step};

use crate::{
    rollup::contract::RollupSettlement as Contract,
    seals::named,
    submitter::{Fate, Limits, Post, Posted, Reverted, Settings, SubmitError, Submitter, View},
};
use alloy::{
    eips::BlockId,
    primitives::{Address, B256, Bytes},
    signers::local::PrivateKeySigner,
    sol_types::{SolCall, SolInterface},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    time::Duration,
};
use tokio::sync::watch;

/// The most gas that is paid for somebody's withdrawal: some 100,000 are usual.
pub const PAYMENT_GAS_MAX: u64 = 300_000;
/// How often a step may fail in a block though the L1 said that it would not.
const REVERTS_MAX: u32 = 3;
/// A look or a post that takes longer has failed.
const L1_TIMEOUT: Duration = Duration::from_secs(60);

/// How to advance.
#[derive(Clone, Debug)]
pub struct AdvancerConfig {
    /// The L1's JSON-RPC.
    pub url: String,
    /// The L1's EIP-155 chain id; another L1 behind the URL is refused.
    pub l1_chain_id: u64,
    /// The `RollupSettlement`.
    pub contract: Address,
    /// Who signs and pays. Nobody else may use this key.
    pub signer: PrivateKeySigner,
    /// The journal's file.
    pub journal: PathBuf,
    /// The most that a transaction may offer per gas, in wei.
    pub fee_ceiling_wei: u128,
    /// How long a transaction waits before it is replaced by one that pays more.
    pub replace_after: Duration,
    /// L1 blocks above a payment for it to count.
    pub confirmations: u64,
}

impl AdvancerConfig {
    /// As is usual on mainnet: at most 200 gwei, replaced after three blocks.
    #[must_use]
    pub fn new(url: String, l1_chain_id: u64, contract: Address, signer: PrivateKeySigner, journal: PathBuf) -> Self {
        Self {
            url,
            l1_chain_id,
            contract,
            signer,
            journal,
            fee_ceiling_wei: 200_000_000_000,
            replace_after: Duration::from_secs(36),
            confirmations: 64,
        }
    }
}

/// Why the contract cannot be advanced, or a round failed.
#[derive(Debug, thiserror::Error)]
pub enum AdvanceError {
    /// Something on the way to the L1.
    #[error("advance: {0}")]
    Submit(#[from] SubmitError),
    /// What stands at the address answers as no rollup's contract does.
    #[error("advance: expected a rollup's contract at {address}: {reason}")]
    NotARollup {
        /// The address.
        address: Address,
        /// What it answered.
        reason: String,
    },
    /// Somebody else signs with the same key.
    #[error(
        "advance: nonce {nonce} of {sender} was used by a transaction that was not signed here, and {step} lost it"
    )]
    NonceTaken {
        /// The nonce.
        nonce: u64,
        /// The key's account.
        sender: Address,
        /// What was to have it.
        step: String,
    },
}

/// What became of the wish to send a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sent {
    /// It is journalled, and sent under this hash.
    Sent(B256),
    /// The L1 has it already, as deep as was asked for.
    Done,
    /// The L1 has it, and may still take it back.
    Lately,
    /// It has to wait: for another transaction, for cheaper gas, for an L1 that finalizes. The status says for which.
    NotNow,
    /// It will not be sent.
    Refused(Refusal),
}

/// What advances a contract and pays out of it, with its journal.
pub struct Advancer {
    config: AdvancerConfig,
    submitter: Submitter<Step>,
    /// As the L1 was when nothing waited: one thing may be sent.
    turn: Option<View>,
    /// How often steps failed in a block.
    reverts: BTreeMap<Step, u32>,
    /// Withdrawals that were found paid, and the L1's head when they first were.
    paid_lately: BTreeMap<(u64, u64), u64>,
    status: watch::Sender<AdvancesStatus>,
}

impl Advancer {
    /// Opens the journal. Does not talk to the L1 yet.
    ///
    /// # Errors
    /// [`AdvanceError::Submit`], when the URL is none, or the journal is damaged, locked or another's.
    pub fn open(config: AdvancerConfig) -> Result<Self, AdvanceError> {
        let settings = Settings {
            url: config.url.clone(),
            l1_chain_id: config.l1_chain_id,
            contract: config.contract,
            signer: config.signer.clone(),
            journal: config.journal.clone(),
            replace_after: config.replace_after,
        };
        let submitter = Submitter::open(settings, "sinter_advance")?;
        let (status, _) = watch::channel(AdvancesStatus::default());
        let advancer =
            Self { config, submitter, turn: None, reverts: BTreeMap::new(), paid_lately: BTreeMap::new(), status };
        advancer.publish(None);
        Ok(advancer)
    }

    /// What waits, and what for; now and later.
    #[must_use]
    pub fn status(&self) -> watch::Receiver<AdvancesStatus> {
        self.status.subscribe()
    }

    /// Looks at the L1, finds out what became of what was sent, and sends what waits again. `true` when nothing waits: then
    /// one thing may be sent. Dropping it at any point is safe.
    ///
    /// # Errors
    /// [`AdvanceError`]; the journal is consistent after any of them.
    pub async fn look(&mut self) -> Result<bool, AdvanceError> {
        let looked = tokio::time::timeout(L1_TIMEOUT, self.look_at_length()).await;
        let looked = looked.unwrap_or_else(|_| Err(SubmitError::Timeout { after: L1_TIMEOUT }.into()));
        self.failed_if(looked)
    }

    async fn look_at_length(&mut self) -> Result<bool, AdvanceError> {
        self.turn = None;
        let view = self.submitter.view().await?;
        // After the view: what the nonce counts is in the contract.
        let (state, reached) = self.contract_at(BlockId::latest()).await?;
        let mut paid = BTreeSet::new();
        let waiting = self.submitter.entries().posts.iter().filter(|post| post.included.is_none());
        for step in waiting.map(|post| post.subject).collect::<Vec<_>>() {
            if let Step::Pay { batch, index } = step
                && self.is_paid(batch, index, BlockId::latest()).await?
            {
                paid.insert(step);
            }
        }
        let has = |step: &Step| match step {
            Step::Advance { to, .. } => reached.is_at_least(to),
            Step::Pay { .. } => paid.contains(step),
        };
        let wanted = |step: &Step| match step {
            // A node that is behind has the contract where it was before.
            Step::Advance { before, from, .. } => state == *before || (from.is_at_least(&reached) && reached != *from),
            Step::Pay { .. } => !paid.contains(step),
        };
        let fates = self.submitter.settle(&view, has).await?;
        let taken = self.take_note(&fates, has);
        self.reverts.retain(|step, _| wanted(step));
        if let Some(taken) = taken {
            return Err(taken);
        }
        let limits = Limits::constant(self.config.fee_ceiling_wei);
        let is_free = self.submitter.push_waiting(&view, limits, wanted).await?;
        let (price_wei, ceiling_wei) = (view.base_fee_wei.saturating_add(view.tip_wei), limits.ceiling_wei);
        let too_dear = || format!("gas costs {price_wei} wei, more than the ceiling of {ceiling_wei}");
        self.publish((price_wei > ceiling_wei).then(too_dear));
        self.turn = is_free.then_some(view);
        Ok(is_free)
    }

    /// Advances the contract by the call that does this step.
    ///
    /// # Errors
    /// [`AdvanceError`]; the journal is consistent after any of them.
    pub async fn advance(&mut self, step: Step, call: Bytes) -> Result<Sent, AdvanceError> {
        let posted = tokio::time::timeout(L1_TIMEOUT, self.post(step, call, None)).await;
        let posted = posted.unwrap_or_else(|_| Err(SubmitError::Timeout { after: L1_TIMEOUT }.into()));
        self.failed_if(posted)
    }

    /// Has a withdrawal paid by the call that does it, if nobody has had that done before.
    ///
    /// # Errors
    /// [`AdvanceError`]; the journal is consistent after any of them.
    pub async fn pay(&mut self, batch: u64, index: u64, call: Bytes) -> Result<Sent, AdvanceError> {
        if self.turn.is_none() {
            return Ok(Sent::NotNow);
        }
        let paid = tokio::time::timeout(L1_TIMEOUT, self.pay_at_length(batch, index, call)).await;
        let paid = paid.unwrap_or_else(|_| Err(SubmitError::Timeout { after: L1_TIMEOUT }.into()));
        self.failed_if(paid)
    }

    async fn pay_at_length(&mut self, batch: u64, index: u64, call: Bytes) -> Result<Sent, AdvanceError> {
        let Some(head) = self.turn.as_ref().map(|view| view.head) else { return Ok(Sent::NotNow) };
        let depth = self.config.confirmations;
        // What was found paid is not asked for at every look.
        if self.paid_lately.get(&(batch, index)).is_some_and(|seen| head < seen.saturating_add(depth)) {
            return Ok(Sent::Lately);
        }
        if self.is_paid(batch, index, BlockId::latest()).await? {
            if self.is_paid(batch, index, BlockId::number(head.saturating_sub(depth))).await? {
                self.paid_lately.remove(&(batch, index));
                return Ok(Sent::Done);
            }
            self.paid_lately.insert((batch, index), head);
            return Ok(Sent::Lately);
        }
        self.paid_lately.remove(&(batch, index));
        self.post(Step::Pay { batch, index }, call, Some(PAYMENT_GAS_MAX)).await
    }

    async fn post(&mut self, step: Step, call: Bytes, gas_max: Option<u64>) -> Result<Sent, AdvanceError> {
        // Taken while it may be sent: whoever drops this has to look again.
        let Some(view) = self.turn.take() else { return Ok(Sent::NotNow) };
        let sent = self.post_in_turn(&view, step, call, gas_max).await?;
        if !matches!(sent, Sent::Sent(_)) {
            self.turn = Some(view);
        }
        Ok(sent)
    }

    async fn post_in_turn(
        &mut self,
        view: &View,
        step: Step,
        call: Bytes,
        gas_max: Option<u64>,
    ) -> Result<Sent, AdvanceError> {
        if self.is_on_its_way(&step) {
            return Ok(Sent::NotNow);
        }
        // Shorter chains from the same place are the same thing tried again.
        let times = self.reverts.iter().filter(|(failed, _)| failed.excludes(&step)).map(|(_, times)| times).sum();
        if times >= REVERTS_MAX {
            return Ok(self.refused(step, Refusal::Reverts { times }));
        }
        let limits = Limits::constant(self.config.fee_ceiling_wei);
        match self.submitter.post(view, limits, step, call, gas_max).await {
            Ok(Posted::Sent(hash)) => {
                self.publish(None);
                Ok(Sent::Sent(hash))
            }
            // Why is in the status since the look.
            Ok(Posted::TooDear) => Ok(Sent::NotNow),
            Ok(Posted::Backlog) => {
                self.publish(Some("the L1 finalizes nothing".into()));
                Ok(Sent::NotNow)
            }
            Ok(Posted::Refused(reverted)) => Ok(self.refused(step, refusal(reverted))),
            // A recipient may be a contract that does whatever it likes with others' gas.
            Ok(Posted::TooMuchGas(got)) => {
                Ok(self.refused(step, Refusal::Gas { expected: gas_max.unwrap_or(u64::MAX), got }))
            }
            Err(error @ (SubmitError::Oversized { .. } | SubmitError::GasCap { .. })) => {
                Ok(self.refused(step, Refusal::Unpostable(error.to_string())))
            }
            Err(error) => Err(error.into()),
        }
    }

    fn refused(&self, step: Step, refusal: Refusal) -> Sent {
        self.publish(Some(format!("{step}: {refusal}")));
        Sent::Refused(refusal)
    }

    /// Takes note of what became of posts; gives the error to report, if one lost its nonce.
    fn take_note(&mut self, fates: &[Fate<Step>], has: impl Fn(&Step) -> bool) -> Option<AdvanceError> {
        let mut taken = None;
        for fate in fates {
            match fate {
                Fate::Included { subject, cancelled: false, included } if included.reverted => {
                    *self.reverts.entry(*subject).or_default() += 1;
                }
                Fate::NonceTaken { subject: step, nonce } if !has(step) => {
                    let sender = self.config.signer.address();
                    taken = Some(AdvanceError::NonceTaken { nonce: *nonce, sender, step: step.to_string() });
                }
                Fate::Included { .. } | Fate::TakenBack { .. } | Fate::NonceTaken { .. } => {}
            }
        }
        taken
    }

    /// Whether a block has what does this, or what begins where this does, and a node that is behind has not got it yet.
    fn is_on_its_way(&self, step: &Step) -> bool {
        let mut posts = self.submitter.entries().posts.iter();
        posts.any(|post| post.subject.excludes(step) && post.delivered().is_some())
    }

    /// The contract's state, and how far it is.
    async fn contract_at(&self, block: BlockId) -> Result<(B256, Reached), AdvanceError> {
        let state = self.view(Contract::stateCall {}, block).await?;
        let progress = self.view(Contract::progressCall {}, block).await?;
        let (height, offset, entries) = (progress.height, progress.offset, progress.inboxEntries);
        Ok((state, Reached { height, offset, entries }))
    }

    async fn is_paid(&self, batch: u64, index: u64, block: BlockId) -> Result<bool, AdvanceError> {
        self.view(Contract::withdrawnCall { batch, index }, block).await
    }

    async fn view<C: SolCall>(&self, call: C, block: BlockId) -> Result<C::Return, AdvanceError> {
        let not_a_rollup = |reason| AdvanceError::NotARollup { address: self.config.contract, reason };
        let answer = self.submitter.l1().call(&call.abi_encode().into(), block).await?;
        let answer = answer.map_err(|reverted| not_a_rollup(reverted.words))?;
        C::abi_decode_returns(&answer).map_err(|error| not_a_rollup(error.to_string()))
    }

    fn failed_if<T>(&self, outcome: Result<T, AdvanceError>) -> Result<T, AdvanceError> {
        if let Err(error) = &outcome {
            self.submitter.metrics().l1_errors.increment(1);
            self.publish(Some(error.to_string()));
        }
        outcome
    }

    fn publish(&self, stuck: Option<String>) {
        let posts = &self.submitter.entries().posts;
        let waiting: Vec<Waiting> =
            posts.iter().filter(|post| post.included.is_none()).filter_map(Post::waiting).collect();
        self.submitter.metrics().pending.set(waiting.len() as f64);
        self.status.send_replace(AdvancesStatus { waiting, stuck });
    }
}

impl Post<Step> {
    fn waiting(&self) -> Option<Waiting> {
        let last = self.last_attempt();
        Some(Waiting {
            step: self.subject,
            since_ms: self.attempts.first()?.signed_at_ms,
            nonce: self.nonce,
            transaction: last.hash,
            attempts: self.attempts.len(),
            fee_wei: last.fee_wei,
            cancelled: last.cancels,
        })
    }
}

/// A refusal, of the contract's errors by name.
fn refusal(Reverted { data, words }: Reverted) -> Refusal {
    let Some(data) = data.filter(|data| !data.is_empty()) else { return Refusal::Contract(words) };
    match Contract::RollupSettlementErrors::abi_decode(&data) {
        Ok(error @ Contract::RollupSettlementErrors::PaymentFailed(_)) => Refusal::Recipient(named(&error)),
        Ok(error) => Refusal::Contract(named(&error)),
        Err(_) => Refusal::Contract(format!("error {data}")),
    }
}
