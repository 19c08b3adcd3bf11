//! Posts certified headers to the `FinalityLightClient`: the newest one at every interval.
//!
//! # How nothing is posted twice or lost
//! 1. A transaction is written to the journal, with its nonce and its signed bytes, **before** it is first
//!    sent. After a crash at any point the same bytes are sent again, and the L1 knows them by their hash.
//! 2. A replacement keeps the nonce and raises both fees, so the L1 includes at most one of the attempts; it
//!    is journalled before it is sent, too, and receipts are looked for under every attempt's hash.
//! 3. A new nonce is used only when every earlier post has been included. It is the L1's count at that
//!    moment, never one that was counted here.
//! 4. Posts stay in the journal until their block is final. If the L1 takes a block back, its posts are sent
//!    again as they were, lowest nonce first; if it forgot them altogether, the newest header goes out anew.
//! 5. What the contract has decides what is left to post, not what was sent.
//!
//! An L1 that is down or talks nonsense costs a round; rounds then back off, up to
//! [`RelayerConfig::backoff_max`].

mod fees;
mod journal;
mod l1;
mod metrics;

pub use journal::Identity;

use crate::light_client::{self, LightClientError, Refusal};
use alloy::{
    consensus::{SignableTransaction, TxEip1559},
    eips::Encodable2718,
    network::TxSignerSync,
    primitives::{Address, Bytes, TxKind, U256},
    rpc::types::TransactionReceipt,
    signers::local::PrivateKeySigner,
    transports::{RpcError, TransportErrorKind},
};
use fees::Fees;
use journal::{Attempt, Inclusion, Journal, Post};
use l1::{L1, Sent, View};
use metrics::Metrics;
use sinter_primitives::{certificate::CertificateError, receipt::CertifiedHeader};
use std::{
    future::Future,
    path::PathBuf,
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use tokio::sync::watch;

/// Most posts that may await finality: beyond, no new one is signed.
const POSTS_MAX: usize = 256;
/// Most attempts at one post.
const ATTEMPTS_MAX: usize = 32;
/// Percent of gas above the estimate: state may move before the transaction runs.
const GAS_MARGIN_PERCENT: u64 = 15;
/// Rounds for which a receipt may be missing though its nonce is used.
const UNSEEN_ROUNDS_MAX: u32 = 16;
/// A round that takes longer has failed.
const ROUND_TIMEOUT: Duration = Duration::from_secs(60);

/// How to relay.
#[derive(Clone, Debug)]
pub struct RelayerConfig {
    /// The L1's JSON-RPC.
    pub url: String,
    /// The L1's EIP-155 chain id; another L1 behind the URL is refused.
    pub l1_chain_id: u64,
    /// The `FinalityLightClient`.
    pub contract: Address,
    /// Who signs and pays. Nobody else may use this key.
    pub signer: PrivateKeySigner,
    /// The journal's file.
    pub journal: PathBuf,
    /// Least time between two posts.
    pub interval: Duration,
    /// Time between looks at the L1.
    pub poll: Duration,
    /// How long a transaction waits before it is replaced by one that pays more.
    pub replace_after: Duration,
    /// The most that a transaction may offer per gas, in wei.
    pub fee_ceiling_wei: u128,
    /// The longest pause after failures.
    pub backoff_max: Duration,
}

impl RelayerConfig {
    /// Usual timings for mainnet: a post a minute, replaced after three blocks, at most 200 gwei.
    #[must_use]
    pub fn new(url: String, l1_chain_id: u64, contract: Address, signer: PrivateKeySigner, journal: PathBuf) -> Self {
        Self {
            url,
            l1_chain_id,
            contract,
            signer,
            journal,
            interval: Duration::from_secs(60),
            poll: Duration::from_secs(4),
            replace_after: Duration::from_secs(36),
            fee_ceiling_wei: 200_000_000_000,
            backoff_max: Duration::from_secs(60),
        }
    }
}

/// Why a relayer stopped, or a round failed.
#[derive(Debug, thiserror::Error)]
pub enum RelayerError {
    /// Not a URL.
    #[error("relayer: expected the URL of an L1, got {got:?}")]
    Url {
        /// What was given.
        got: String,
    },
    /// The journal's file cannot be used.
    #[error("relayer: {path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The journal is damaged, or another relayer's.
    #[error("relayer: journal {path}: {reason}")]
    Journal {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// Another relayer holds the journal.
    #[error("relayer: journal {path} is in use by another process")]
    Locked {
        /// The file.
        path: PathBuf,
    },
    /// Another L1 than configured.
    #[error("relayer: expected L1 chain id {expected}, got {got}")]
    ChainId {
        /// As configured.
        expected: u64,
        /// The L1's answer.
        got: u64,
    },
    /// The transaction could not be signed.
    #[error("relayer: {0}")]
    Signing(#[from] alloy::signers::Error),
    /// A header came with a certificate that is none.
    #[error("relayer: {0}")]
    Certificate(#[from] CertificateError),
    /// The L1 did not answer, or refused.
    #[error("relayer: {0}")]
    L1(#[from] LightClientError),
    /// The L1 did not answer in time.
    #[error("relayer: the L1 did not answer within {} s", ROUND_TIMEOUT.as_secs())]
    Timeout,
    /// The contract would refuse the header.
    #[error("relayer: the contract refuses the header of height {height}: {refusal:?}")]
    Refused {
        /// Its height.
        height: u64,
        /// Its words.
        refusal: Option<Box<Refusal>>,
    },
    /// The L1 refuses the transaction.
    #[error("relayer: the L1 refuses a transaction: {0}")]
    NotSent(String),
}

impl From<RpcError<TransportErrorKind>> for RelayerError {
    fn from(error: RpcError<TransportErrorKind>) -> Self {
        Self::L1(error.into())
    }
}

impl RelayerError {
    /// Whether waiting cannot help.
    const fn is_fatal(&self) -> bool {
        matches!(
            self,
            Self::Url { .. }
                | Self::Io { .. }
                | Self::Journal { .. }
                | Self::Locked { .. }
                | Self::ChainId { .. }
                | Self::Signing(_)
        )
    }
}

/// How far the relayer is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RelayerStatus {
    /// Height of the last header that was sent to the L1.
    pub sent_height: u64,
    /// Height of the last header that an L1 block included successfully.
    pub posted_height: u64,
    /// Height of the contract's head, as read from it.
    pub verified_height: u64,
    /// Transactions that wait for an L1 block.
    pub pending: usize,
    /// Whether the contract is frozen.
    pub frozen: bool,
    /// Rounds in a row that failed.
    pub failures: u32,
}

/// A relayer with its journal.
pub struct Relayer {
    config: RelayerConfig,
    l1: L1,
    journal: Journal,
    metrics: Metrics,
    status: watch::Sender<RelayerStatus>,
    chain_checked: bool,
}

impl Relayer {
    /// Opens the journal. Does not talk to the L1 yet.
    ///
    /// # Errors
    /// [`RelayerError`], when the URL is none, or the journal is damaged, locked or another relayer's.
    pub fn open(config: RelayerConfig) -> Result<Self, RelayerError> {
        let sender = config.signer.address();
        let identity = Identity { l1_chain_id: config.l1_chain_id, contract: config.contract, sender };
        let journal = Journal::open(&config.journal, identity)?;
        let l1 = L1::new(&config.url, config.contract, sender)?;
        let (status, _) = watch::channel(RelayerStatus::default());
        Ok(Self { config, l1, journal, metrics: Metrics::new(), status, chain_checked: false })
    }

    /// How far the relayer is, now and later.
    #[must_use]
    pub fn status(&self) -> watch::Receiver<RelayerStatus> {
        self.status.subscribe()
    }

    /// Relays until `shutdown` is ready. Dropping it at any point is safe.
    ///
    /// # Errors
    /// [`RelayerError`], when waiting cannot help: the journal cannot be written, the L1 is another one.
    pub async fn run(
        mut self,
        mut headers: watch::Receiver<Option<CertifiedHeader>>,
        shutdown: impl Future<Output = ()>,
    ) -> Result<(), RelayerError> {
        tokio::pin!(shutdown);
        let mut pause = self.config.poll;
        loop {
            let newest = headers.borrow_and_update().clone();
            let round = async {
                tokio::time::timeout(ROUND_TIMEOUT, self.round(newest.as_ref()))
                    .await
                    .unwrap_or(Err(RelayerError::Timeout))
            };
            let outcome = tokio::select! {
                outcome = round => outcome,
                () = &mut shutdown => return Ok(()),
            };
            match outcome {
                Ok(()) => pause = self.config.poll,
                Err(error) if error.is_fatal() => return Err(error),
                Err(error) => {
                    self.metrics.l1_errors.increment(1);
                    self.status.send_modify(|status| status.failures = status.failures.saturating_add(1));
                    pause = (pause * 2).min(self.config.backoff_max.max(self.config.poll));
                    tracing::warn!(%error, retry_ms = pause.as_millis() as u64, "relaying failed");
                }
            }
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = &mut shutdown => return Ok(()),
            }
        }
    }

    /// One round: looks at the L1, settles what was sent, and sends what is due. [`Relayer::run`] repeats it.
    ///
    /// # Errors
    /// [`RelayerError`]; the journal is consistent after any of them.
    pub async fn round(&mut self, newest: Option<&CertifiedHeader>) -> Result<(), RelayerError> {
        if !self.chain_checked {
            let (expected, got) = (self.config.l1_chain_id, self.l1.chain_id().await?);
            if expected != got {
                return Err(RelayerError::ChainId { expected, got });
            }
            self.chain_checked = true;
        }
        let view = self.l1.view().await?;
        self.settle(&view).await?;
        self.publish(&view);
        if view.head.frozen {
            return Ok(());
        }
        if self.push_waiting(&view).await? {
            self.post_newest(&view, newest).await?;
        }
        self.publish(&view);
        Ok(())
    }

    /// Finds out what became of every post.
    async fn settle(&mut self, view: &View) -> Result<(), RelayerError> {
        let before = self.journal.entries.clone();
        let mut entries = before.clone();
        let mut index = 0;
        while let Some(post) = entries.posts.get_mut(index) {
            index += 1;
            if post.nonce >= view.nonce {
                post.unseen_rounds = 0;
                if let Some(inclusion) = post.included.take() {
                    self.metrics.reorgs.increment(1);
                    tracing::warn!(height = post.height, block = inclusion.block, "the L1 took a post back");
                }
            } else if post.included.is_some_and(|inclusion| inclusion.block <= view.finalized) {
                index -= 1;
                entries.posts.remove(index);
            } else if let Some(receipt) = self.l1.receipt(post).await? {
                let block = receipt.block_number.unwrap_or(view.finalized.saturating_add(1));
                let included = Inclusion { hash: receipt.transaction_hash, block };
                if post.included.replace(included).is_none() {
                    self.report(post, &receipt);
                }
                post.unseen_rounds = 0;
            } else if view.head.height < post.height && post.unseen_rounds < UNSEEN_ROUNDS_MAX {
                // Nodes behind one URL are not all equally far.
                (post.included, post.unseen_rounds) = (None, post.unseen_rounds + 1);
            } else {
                tracing::error!(
                    nonce = post.nonce,
                    height = post.height,
                    "the nonce was used by a transaction that this relayer did not sign: is the key shared?"
                );
                index -= 1;
                entries.give_up(index..=index);
            }
        }
        if entries != before {
            self.journal.entries = entries;
            self.journal.save()?;
        }
        Ok(())
    }

    fn report(&self, post: &Post, receipt: &TransactionReceipt) {
        self.metrics.gas_used.increment(receipt.gas_used);
        if receipt.status() {
            self.status.send_modify(|status| status.posted_height = status.posted_height.max(post.height));
            tracing::info!(height = post.height, gas = receipt.gas_used, hash = %receipt.transaction_hash, "posted a header");
        } else {
            self.metrics.reverted.increment(1);
            tracing::warn!(height = post.height, hash = %receipt.transaction_hash, "a post reverted");
        }
    }

    /// Sends what waits again, or with higher fees when it waits too long. `true` when nothing waits.
    async fn push_waiting(&mut self, view: &View) -> Result<bool, RelayerError> {
        let first = self.journal.entries.posts.iter().position(|post| post.included.is_none());
        let Some(first) = first else { return Ok(true) };
        if self.journal.entries.posts[first].nonce > view.nonce {
            // The L1 forgot posts that this journal had let go as final, or was started anew. What waits can never
            // be included as it is: begin again at the L1's nonce.
            tracing::warn!(expected = view.nonce, got = self.journal.entries.posts[first].nonce, "the L1 lost a nonce");
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
            let waited_ms = elapsed_ms(last_attempt(post).signed_at_ms);
            if u128::from(waited_ms) >= self.config.replace_after.as_millis() {
                self.replace(view, index).await?;
            } else {
                self.metrics.resends.increment(1);
                let raw = last_attempt(post).raw.clone();
                self.send(&raw).await?;
            }
        }
        Ok(false)
    }

    async fn replace(&mut self, view: &View, index: usize) -> Result<(), RelayerError> {
        let post = &self.journal.entries.posts[index];
        let last = last_attempt(post);
        let old = Fees { fee_wei: last.fee_wei, tip_wei: last.tip_wei };
        let bumped = old.bump(view.base_fee_wei, view.tip_wei, self.config.fee_ceiling_wei);
        let Some(fees) = bumped.filter(|_| post.attempts.len() < ATTEMPTS_MAX) else {
            self.metrics.ceiling_waits.increment(1);
            let raw = last.raw.clone();
            return self.send(&raw).await;
        };
        let attempt = self.sign(post.nonce, post.gas_limit, post.call.clone(), fees)?;
        tracing::info!(height = post.height, nonce = post.nonce, fee_wei = fees.fee_wei, "replacing a post");
        let raw = attempt.raw.clone();
        self.journal.entries.posts[index].attempts.push(attempt);
        self.journal.save()?;
        self.metrics.replacements.increment(1);
        self.send(&raw).await
    }

    /// Signs and sends the newest header, if it is due.
    async fn post_newest(&mut self, view: &View, newest: Option<&CertifiedHeader>) -> Result<(), RelayerError> {
        let Some((height, call)) = self.due(view, newest)? else { return Ok(()) };
        if self.journal.entries.posts.len() >= POSTS_MAX {
            tracing::warn!(posts = POSTS_MAX, "the L1 finalizes nothing: waiting with new posts");
            return Ok(());
        }
        let Some(fees) = Fees::suggest(view.base_fee_wei, view.tip_wei, self.config.fee_ceiling_wei) else {
            self.metrics.ceiling_waits.increment(1);
            return Ok(());
        };
        let gas = match self.l1.estimate(&call).await? {
            Ok(gas) => gas,
            // Somebody else was faster: the next round sees it.
            Err(Some(Refusal::StaleHeader(_))) => return Ok(()),
            Err(refusal) => return Err(RelayerError::Refused { height, refusal: refusal.map(Box::new) }),
        };
        let gas_limit = gas.saturating_add(gas / 100 * GAS_MARGIN_PERCENT);
        let attempt = self.sign(view.nonce, gas_limit, call.clone(), fees)?;
        let raw = attempt.raw.clone();
        self.journal.entries.last_post_ms = attempt.signed_at_ms;
        self.journal.entries.posts.push_back(Post {
            nonce: view.nonce,
            height,
            gas_limit,
            call,
            attempts: vec![attempt],
            included: None,
            unseen_rounds: 0,
        });
        self.journal.entries.lost = None;
        self.journal.save()?;
        self.metrics.posts.increment(1);
        self.send(&raw).await
    }

    /// What to post now: the newest header, at every interval; at once, what the contract lost.
    fn due(&self, view: &View, newest: Option<&CertifiedHeader>) -> Result<Option<(u64, Bytes)>, RelayerError> {
        let lost = self.journal.entries.lost.as_ref().filter(|lost| lost.height > view.head.height);
        let elapsed_ms = elapsed_ms(self.journal.entries.last_post_ms);
        if lost.is_none() && u128::from(elapsed_ms) < self.config.interval.as_millis() {
            return Ok(None);
        }
        let newest = newest.filter(|newest| newest.header.height > view.head.height);
        match (newest, lost) {
            (Some(newest), lost) if lost.is_none_or(|lost| lost.height <= newest.header.height) => {
                Ok(Some((newest.header.height, light_client::post_call(&newest.header, &newest.certificate)?)))
            }
            (_, lost) => Ok(lost.map(|lost| (lost.height, lost.call.clone()))),
        }
    }

    fn sign(&self, nonce: u64, gas_limit: u64, input: Bytes, fees: Fees) -> Result<Attempt, RelayerError> {
        let mut transaction = TxEip1559 {
            chain_id: self.config.l1_chain_id,
            nonce,
            gas_limit,
            max_fee_per_gas: fees.fee_wei,
            max_priority_fee_per_gas: fees.tip_wei,
            to: TxKind::Call(self.config.contract),
            value: U256::ZERO,
            access_list: Default::default(),
            input,
        };
        let signature = self.config.signer.sign_transaction_sync(&mut transaction)?;
        let signed = transaction.into_signed(signature);
        let (hash, raw) = (*signed.hash(), signed.encoded_2718().into());
        Ok(Attempt { hash, raw, fee_wei: fees.fee_wei, tip_wei: fees.tip_wei, signed_at_ms: now_ms() })
    }

    async fn send(&self, raw: &Bytes) -> Result<(), RelayerError> {
        match self.l1.send(raw).await? {
            // The nonce's user shows in the next round's receipts; an underpriced one is replaced in time.
            Sent::Waiting | Sent::NonceUsed | Sent::Underpriced => Ok(()),
            Sent::Refused(words) => Err(RelayerError::NotSent(words)),
        }
    }

    fn publish(&self, view: &View) {
        let posts = &self.journal.entries.posts;
        let pending = posts.iter().filter(|post| post.included.is_none()).count();
        self.status.send_modify(|status| {
            status.sent_height = posts.back().map_or(status.sent_height, |post| post.height);
            status.verified_height = view.head.height;
            // What the contract has was posted, by whomever.
            status.posted_height = status.posted_height.max(view.head.height);
            status.pending = pending;
            status.frozen = view.head.frozen;
            status.failures = 0;
        });
        let status = *self.status.borrow();
        self.metrics.posted_height.set(status.posted_height as f64);
        self.metrics.verified_height.set(status.verified_height as f64);
        self.metrics.pending.set(pending as f64);
        self.metrics.frozen.set(f64::from(u8::from(view.head.frozen)));
    }
}

/// The attempt that pays most. The journal refuses posts without one.
fn last_attempt(post: &Post) -> &Attempt {
    &post.attempts[post.attempts.len() - 1]
}

fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_millis() as u64)
}

/// Time since `since_ms`. What was written by a clock that was far ahead, and has been set right, counts as long
/// ago: otherwise nothing would be posted for as long as the clock was ahead.
fn elapsed_ms(since_ms: u64) -> u64 {
    now_ms().abs_diff(since_ms)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_was_far_ahead_does_not_silence_the_relayer() {
        let day_ms = 86_400_000;
        assert!(elapsed_ms(now_ms() + 365 * day_ms) > 364 * day_ms);
        // A clock that is set back a little does not hurry it.
        assert!(elapsed_ms(now_ms() + 500) <= 500);
        assert!(elapsed_ms(now_ms().saturating_sub(day_ms)) >= day_ms);
    }
}
