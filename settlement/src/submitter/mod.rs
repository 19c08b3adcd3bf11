//! Gets calls to a contract on the L1 included: each at most once, and none lost. The [relayer](crate::relayer), the
//! [seal submitter](crate::seals) and what [advances rollups](crate::advances) are its users; each decides what is to be
//! posted now, and asks its contract what is there already.
//!
//! # How nothing is posted twice or lost
//! 1. A transaction is written to the journal, with its nonce and its signed bytes, **before** it is first
//!    sent. After a crash at any point the same bytes are sent again, and the L1 knows them by their hash.
//! 2. A replacement keeps the nonce and raises both fees, so the L1 includes at most one of the attempts; it
//!    is journalled before it is sent, too, and receipts are looked for under every attempt's hash.
//! 3. A new nonce is used only when every earlier post has been included. It is the L1's count at that
//!    moment, never one that was counted here.
//! 4. Posts stay in the journal until their block is final. If the L1 takes a block back, its posts are sent
//!    again as they were, lowest nonce first; if it forgot them altogether, the user posts anew. Only an L1 that takes
//!    final blocks back can make somebody pay twice.
//! 5. What the contract has decides what is left to post, not what was sent.
//! 6. A post that waits though the contract came to have what it brings, by somebody else's transaction, is not
//!    taken back: it may be included yet. Its replacement does nothing, cheaply, and uses the nonce up.
//!
//! | module | holds |
//! |---|---|
//! | `journal` | what must not be forgotten, on disk |
//! | `fees` | what a post offers, and its replacement |
//! | `l1` | what is asked of the L1 |
//! | `transaction` | size, gas and signature |
//! | `rounds` | looking again and again, and backing off |
//! | `metrics` | the numbers |

mod error;
mod fees;
mod journal;
mod l1;
mod metrics;
mod rounds;
mod transaction;

pub use error::SubmitError;
pub(crate) use fees::Limits;
pub use journal::Identity;
pub(crate) use journal::{Entries, Inclusion, Post, Subject};
pub(crate) use l1::{L1, Reverted, View};
pub(crate) use metrics::Metrics;
pub(crate) use rounds::{Pace, Rounds, repeat};

use alloy::{
    primitives::{Address, B256, Bytes},
    signers::local::PrivateKeySigner,
};
use fees::Fees;
use journal::Journal;
use l1::Sent;
use std::{
    path::PathBuf,
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use transaction::{Act, GAS_LEAST};

/// Most posts that may await finality: beyond, no new one is signed.
const POSTS_MAX: usize = 256;
/// Most attempts at one post: as many bumps multiply a fee by a million, so that the limits bind first.
const ATTEMPTS_MAX: usize = 128;
/// Rounds for which a receipt may be missing though its nonce is used.
const UNSEEN_ROUNDS_MAX: u32 = 16;

/// How to submit.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// The L1's JSON-RPC.
    pub(crate) url: String,
    /// The L1's EIP-155 chain id.
    pub(crate) l1_chain_id: u64,
    /// The contract that is called.
    pub(crate) contract: Address,
    /// Who signs and pays.
    pub(crate) signer: PrivateKeySigner,
    /// The journal's file.
    pub(crate) journal: PathBuf,
    /// How long a transaction waits before it is replaced by one that pays more.
    pub(crate) replace_after: Duration,
}

/// What became of a post.
#[derive(Clone, Debug)]
pub(crate) enum Fate<S> {
    /// A block has it, for the first time since it was sent or taken back.
    Included { subject: S, cancelled: bool, included: Inclusion },
    /// The L1 took its block back; it waits again.
    TakenBack { subject: S },
    /// Its nonce was used by a transaction that was not signed here. It was given up.
    NonceTaken { subject: S, nonce: u64 },
}

/// What became of the wish to post.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Posted {
    /// It is journalled, and sent under this hash.
    Sent(B256),
    /// Gas costs more than may be paid now.
    TooDear,
    /// Too many posts await finality.
    Backlog,
    /// The contract would refuse it.
    Refused(Reverted),
    /// It takes this much gas, which is more than may be given.
    TooMuchGas(u64),
}

/// A journal, an L1, and the steps of a round between them.
pub(crate) struct Submitter<S: Subject> {
    settings: Settings,
    l1: L1,
    journal: Journal<S>,
    metrics: Metrics,
    chain_checked: bool,
}

impl<S: Subject> Submitter<S> {
    /// Opens the journal. Does not talk to the L1 yet. The metrics' names start with `prefix`.
    pub(crate) fn open(settings: Settings, prefix: &str) -> Result<Self, SubmitError> {
        let sender = settings.signer.address();
        let identity = Identity { l1_chain_id: settings.l1_chain_id, contract: settings.contract, sender };
        let journal = Journal::open(&settings.journal, identity)?;
        let l1 = L1::new(&settings.url, settings.contract, sender)?;
        Ok(Self { settings, l1, journal, metrics: Metrics::new(prefix), chain_checked: false })
    }

    pub(crate) const fn l1(&self) -> &L1 {
        &self.l1
    }

    pub(crate) const fn entries(&self) -> &Entries<S> {
        &self.journal.entries
    }

    pub(crate) const fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Posts that no block has.
    pub(crate) fn pending(&self) -> usize {
        self.journal.entries.posts.iter().filter(|post| post.included.is_none()).count()
    }

    /// Looks at the L1; the first time, whether it is the right one. What is read after this is no older.
    pub(crate) async fn view(&mut self) -> Result<View, SubmitError> {
        self.journal.catch_up()?;
        if !self.chain_checked {
            let (expected, got) = (self.settings.l1_chain_id, self.l1.chain_id().await?);
            if expected != got {
                return Err(SubmitError::ChainId { expected, got });
            }
            self.chain_checked = true;
        }
        self.l1.view().await
    }

    /// Finds out what became of every post. `on_l1`: whether the contract has what a post brings.
    pub(crate) async fn settle(
        &mut self,
        view: &View,
        on_l1: impl Fn(&S) -> bool,
    ) -> Result<Vec<Fate<S>>, SubmitError> {
        let before = self.journal.entries.clone();
        let mut entries = before.clone();
        let mut fates = Vec::new();
        let mut index = 0;
        while let Some(post) = entries.posts.get_mut(index) {
            index += 1;
            if post.nonce >= view.nonce {
                post.unseen_rounds = 0;
                if post.included.take().is_some() {
                    fates.push(Fate::TakenBack { subject: post.subject.clone() });
                }
            } else if post.included.is_some_and(|inclusion| inclusion.block <= view.finalized) {
                index -= 1;
                entries.posts.remove(index);
            } else if let Some(receipt) = self.l1.receipt(post).await? {
                let block = receipt.block_number.unwrap_or(view.finalized.saturating_add(1));
                let included = Inclusion {
                    hash: receipt.transaction_hash,
                    block,
                    gas_used: receipt.gas_used,
                    gas_price_wei: receipt.effective_gas_price,
                    reverted: !receipt.status(),
                };
                if post.included.replace(included).is_none() {
                    let (subject, cancelled) = (post.subject.clone(), post.cancelled_by(&included.hash));
                    fates.push(Fate::Included { subject, cancelled, included });
                }
                post.unseen_rounds = 0;
            } else if !on_l1(&post.subject) && post.unseen_rounds < UNSEEN_ROUNDS_MAX {
                // Nodes behind one URL are not all equally far.
                (post.included, post.unseen_rounds) = (None, post.unseen_rounds + 1);
            } else {
                fates.push(Fate::NonceTaken { subject: post.subject.clone(), nonce: post.nonce });
                index -= 1;
                entries.give_up(index..=index);
            }
        }
        if entries != before {
            self.journal.entries = entries;
            self.journal.save()?;
        }
        fates.iter().for_each(|fate| self.report(fate));
        Ok(fates)
    }

    fn report(&self, fate: &Fate<S>) {
        match fate {
            Fate::Included { subject, cancelled, included: Inclusion { hash, gas_used: gas, reverted, .. } } => {
                self.metrics.gas_used.increment(*gas);
                if *cancelled {
                    tracing::info!(%subject, gas, %hash, "cancelled a post that had become needless");
                } else if *reverted {
                    self.metrics.reverted.increment(1);
                    tracing::warn!(%subject, gas, %hash, "a post reverted");
                } else {
                    tracing::info!(%subject, gas, %hash, "posted");
                }
            }
            Fate::TakenBack { subject } => {
                self.metrics.reorgs.increment(1);
                tracing::warn!(%subject, "the L1 took a post back");
            }
            Fate::NonceTaken { subject, nonce } => {
                self.metrics.nonces_taken.increment(1);
                tracing::error!(
                    nonce,
                    %subject,
                    "the nonce was used by a transaction that was not signed here: is the key shared?"
                );
            }
        }
    }

    /// Sends what waits again, or with higher fees when it waits too long, or in place of what is not `wanted` any
    /// more a transaction that does nothing. `true` when nothing waits.
    pub(crate) async fn push_waiting(
        &mut self,
        view: &View,
        limits: Limits,
        wanted: impl Fn(&S) -> bool,
    ) -> Result<bool, SubmitError> {
        let posts = &self.journal.entries.posts;
        let Some(first) = posts.iter().position(|post| post.included.is_none()) else { return Ok(true) };
        if posts[first].nonce > view.nonce {
            // The L1 forgot posts that this journal had let go as final, or was started anew. What waits can never
            // be included as it is: begin again at the L1's nonce.
            tracing::warn!(expected = view.nonce, got = posts[first].nonce, "the L1 lost a nonce");
            self.journal.entries.give_up(first..);
            self.journal.save()?;
            return Ok(true);
        }
        for index in first..self.journal.entries.posts.len() {
            let post = &self.journal.entries.posts[index];
            if post.nonce < view.nonce {
                // Included, but where? The next rounds look again.
                continue;
            }
            let last = post.last_attempt();
            let waited_ms = elapsed_ms(last.signed_at_ms);
            if !last.cancels && !wanted(&post.subject) {
                self.cancel(view, limits, index).await?;
            } else if u128::from(waited_ms) >= self.settings.replace_after.as_millis() {
                self.replace(view, limits, index).await?;
            } else {
                self.metrics.resends.increment(1);
                let raw = last.raw.clone();
                self.send(&raw).await?;
            }
        }
        Ok(false)
    }

    async fn replace(&mut self, view: &View, limits: Limits, index: usize) -> Result<(), SubmitError> {
        let post = &self.journal.entries.posts[index];
        let last = post.last_attempt();
        let old = Fees { fee_wei: last.fee_wei, tip_wei: last.tip_wei };
        let bumped = old.bump(view.base_fee_wei, view.tip_wei, limits);
        let Some(fees) = bumped.filter(|_| post.attempts.len() < ATTEMPTS_MAX) else {
            self.metrics.ceiling_waits.increment(1);
            let raw = last.raw.clone();
            return self.send(&raw).await;
        };
        let act = if last.cancels { self.nothing(post.nonce) } else { self.act(post) };
        tracing::info!(subject = %post.subject, nonce = post.nonce, fee_wei = fees.fee_wei, "replacing a post");
        self.metrics.replacements.increment(1);
        self.attempt_again(index, act, fees).await
    }

    async fn cancel(&mut self, view: &View, limits: Limits, index: usize) -> Result<(), SubmitError> {
        if self.l1.nonce().await? != view.nonce {
            // It is being included while we look.
            return Ok(());
        }
        let post = &self.journal.entries.posts[index];
        let last = post.last_attempt();
        let old = Fees { fee_wei: last.fee_wei, tip_wei: last.tip_wei };
        // Without a higher offer it still frees the nonce where the L1's pools have dropped the post.
        let fees = old.bump(view.base_fee_wei, view.tip_wei, limits).unwrap_or(old);
        tracing::info!(subject = %post.subject, nonce = post.nonce, "cancelling a post that has become needless");
        self.metrics.cancels.increment(1);
        self.attempt_again(index, self.nothing(post.nonce), fees).await
    }

    async fn attempt_again(&mut self, index: usize, act: Act, fees: Fees) -> Result<(), SubmitError> {
        let attempt = act.sign(&self.settings, fees)?;
        let raw = attempt.raw.clone();
        let attempts = &mut self.journal.entries.posts[index].attempts;
        attempts.iter_mut().for_each(|earlier| earlier.raw = Bytes::new());
        attempts.push(attempt);
        self.journal.save()?;
        self.send(&raw).await
    }

    /// Signs, journals and sends a call under the L1's next nonce, with `gas_max` at most. Only after [`Self::push_waiting`] found nothing.
    pub(crate) async fn post(
        &mut self,
        view: &View,
        limits: Limits,
        subject: S,
        call: Bytes,
        gas_max: Option<u64>,
    ) -> Result<Posted, SubmitError> {
        if self.journal.entries.posts.len() >= POSTS_MAX {
            tracing::warn!(posts = POSTS_MAX, "the L1 finalizes nothing: waiting with new posts");
            return Ok(Posted::Backlog);
        }
        let Some(fees) = Fees::suggest(view.base_fee_wei, view.tip_wei, limits) else {
            self.metrics.ceiling_waits.increment(1);
            return Ok(Posted::TooDear);
        };
        let gas = match self.l1.estimate(&call).await? {
            Ok(gas) => gas,
            Err(reverted) => return Ok(Posted::Refused(reverted)),
        };
        let gas_max = gas_max.unwrap_or(u64::MAX);
        if gas > gas_max {
            return Ok(Posted::TooMuchGas(gas));
        }
        let mut post = Post {
            nonce: view.nonce,
            subject,
            gas_limit: transaction::gas_limit(gas, &call)?.min(gas_max),
            call,
            attempts: Vec::new(),
            included: None,
            unseen_rounds: 0,
        };
        let attempt = self.act(&post).sign(&self.settings, fees)?;
        let (hash, raw) = (attempt.hash, attempt.raw.clone());
        let entries = &mut self.journal.entries;
        entries.last_post_ms = attempt.signed_at_ms;
        post.subject.make_good(&mut entries.lost);
        post.attempts.push(attempt);
        entries.posts.push_back(post);
        self.journal.save()?;
        self.metrics.posts.increment(1);
        self.send(&raw).await?;
        Ok(Posted::Sent(hash))
    }

    /// Changes what is remembered of posts that were given up.
    pub(crate) fn amend_lost(&mut self, change: impl FnOnce(&mut S::Lost)) -> Result<(), SubmitError> {
        let mut lost = self.journal.entries.lost.clone();
        change(&mut lost);
        if lost == self.journal.entries.lost {
            return Ok(());
        }
        self.journal.entries.lost = lost;
        self.journal.save()
    }

    /// Whether a call fits a transaction, whatever its nonce, gas and fees.
    pub(crate) fn check_size(&self, call: &Bytes) -> Result<(), SubmitError> {
        let most = Fees { fee_wei: u128::MAX, tip_wei: u128::MAX };
        let (to, gas_limit) = (self.settings.contract, u64::MAX);
        let act = Act { nonce: u64::MAX, to, gas_limit, input: call.clone(), cancels: false };
        act.sign(&self.settings, most).map(|_| ())
    }

    fn act(&self, post: &Post<S>) -> Act {
        let (to, input) = (self.settings.contract, post.call.clone());
        Act { nonce: post.nonce, to, gas_limit: post.gas_limit, input, cancels: false }
    }

    /// Uses a nonce up.
    fn nothing(&self, nonce: u64) -> Act {
        let to = self.settings.signer.address();
        Act { nonce, to, gas_limit: GAS_LEAST, input: Bytes::new(), cancels: true }
    }

    async fn send(&self, raw: &Bytes) -> Result<(), SubmitError> {
        match self.l1.send(raw).await? {
            // The nonce's user shows in the next round's receipts; an underpriced one is replaced in time.
            Sent::Waiting | Sent::NonceUsed | Sent::Underpriced => Ok(()),
            Sent::Refused(words) => Err(SubmitError::NotSent(words)),
        }
    }
}

/// The time, in milliseconds since the Unix epoch.
pub(crate) fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_millis() as u64)
}

/// Time since `since_ms`. What was written by a clock that was far ahead, and has been set right, counts as long
/// ago: otherwise nothing would be posted for as long as the clock was ahead.
pub(crate) fn elapsed_ms(since_ms: u64) -> u64 {
    now_ms().abs_diff(since_ms)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_was_far_ahead_does_not_silence_a_submitter() {
        let day_ms = 86_400_000;
        assert!(elapsed_ms(now_ms() + 365 * day_ms) > 364 * day_ms);
        // A clock that is set back a little does not hurry it.
        assert!(elapsed_ms(now_ms() + 500) <= 500);
        assert!(elapsed_ms(now_ms().saturating_sub(day_ms)) >= day_ms);
    }
}
