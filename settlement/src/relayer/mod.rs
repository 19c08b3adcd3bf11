//! Posts certified headers to the `FinalityLightClient`: the newest one at every interval, and every epoch's last one. Registers
//! the keys of the committees that those name.
//!
//! The contract goes from committee to committee by the last headers of their epochs, and takes nothing of an epoch before it has
//! the last header of the one before. So those are posted in order, and at once. A committee that stays needs nothing else. Another
//! one is *opened*: its keys are registered, a page a transaction.
//!
//! The [submitter](crate::submitter) sees to it that no post is lost or made twice. Here is what there is to post, in this order:
//! 1. at once, the next end of an epoch, or the highest header that the L1 forgot, unless something newer is there; at every
//!    interval, the newest header;
//! 2. the first page that the contract lacks of a committee that was named to it. So while nothing else is to be done, which leaves
//!    an epoch for it; and before a header that the contract refuses for want of those keys.
//!
//! Which pages are missing is asked of the contract, so it does not matter who brings them, and nothing about them has to be
//! remembered but the transactions on their way. A page that the contract refuses keeps no header back that does not need it. One that
//! is on its way does, as every transaction does: they have nonces.

mod ends;
mod metrics;
mod post;

pub use ends::{Ends, EpochEnd};

use crate::{
    light_client::{self, Head, LightClientError, Refusal},
    submitter::{
        Fate, Limits, Pace, Posted, Reverted, Rounds, Settings, SubmitError, Submitter, View, elapsed_ms, repeat,
    },
};
use alloy::{
    primitives::{Address, Bytes},
    signers::local::PrivateKeySigner,
};
use metrics::Metrics;
use post::Brings;
use sinter_primitives::{
    Committee, Digest, certificate::CertificateError, committee::PAGE_SEATS, receipt::CertifiedHeader,
};
use std::{collections::BTreeSet, future::Future, path::PathBuf, sync::Arc, time::Duration};
use tokio::sync::watch;

/// Heights above the last post from which the newest header does not wait for the interval.
const HEIGHTS_MAX: u64 = 192;
/// Committees that were named to the contract and that it has not come to: of the epoch after its newest one, and of the one after that.
const NAMED_MAX: usize = 2;

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
    /// Something on the way to the L1.
    #[error("relayer: {0}")]
    Submit(#[from] SubmitError),
    /// A header came with a certificate that is none.
    #[error("relayer: {0}")]
    Certificate(#[from] CertificateError),
    /// The contract could not be read.
    #[error("relayer: {0}")]
    L1(#[from] LightClientError),
    /// The contract would refuse the header.
    #[error("relayer: the contract refuses the header of height {height}: {refusal:?}")]
    Refused {
        /// Its height.
        height: u64,
        /// Its words.
        refusal: Option<Box<Refusal>>,
    },
    /// The contract would refuse a committee's keys.
    #[error("relayer: the contract refuses page {page} of the committee of epoch {epoch}: {refusal:?}")]
    PageRefused {
        /// The committee's epoch.
        epoch: u64,
        /// The page's number.
        page: u32,
        /// The contract's words.
        refusal: Option<Box<Refusal>>,
    },
}

/// What there is to post.
#[derive(Clone, Debug)]
pub struct Certified {
    /// The newest header.
    pub newest: CertifiedHeader,
    /// The ends of consecutive epochs, ascending: all that the contract lacks up to the newest header, and at least the two before, since
    /// their committees may not be open.
    pub ends: Vec<Arc<EpochEnd>>,
}

impl Certified {
    /// What a contract takes next whose head is at `height`.
    #[must_use]
    pub fn after(&self, height: u64) -> &CertifiedHeader {
        self.ends.iter().map(|end| &end.last).find(|last| last.header.height > height).unwrap_or(&self.newest)
    }

    /// The committees that may not be open in a contract whose head is at `height`, though it knows their digests; and their epochs.
    fn named(&self, height: u64) -> impl Iterator<Item = (u64, &Committee)> {
        let ended = self.ends.iter().filter(move |end| end.last.header.height <= height).count();
        let named = self.ends.iter().take(ended).skip(ended.saturating_sub(NAMED_MAX));
        named.filter_map(|end| Some((end.last.header.epoch.saturating_add(2), end.opens.as_ref()?)))
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
    submitter: Submitter<Brings>,
    metrics: Metrics,
    status: watch::Sender<RelayerStatus>,
}

impl Relayer {
    /// Opens the journal. Does not talk to the L1 yet.
    ///
    /// # Errors
    /// [`RelayerError`], when the URL is none, or the journal is damaged, locked or another relayer's.
    pub fn open(config: RelayerConfig) -> Result<Self, RelayerError> {
        let settings = Settings {
            url: config.url.clone(),
            l1_chain_id: config.l1_chain_id,
            contract: config.contract,
            signer: config.signer.clone(),
            journal: config.journal.clone(),
            replace_after: config.replace_after,
        };
        let submitter = Submitter::open(settings, "sinter_relayer")?;
        let (status, _) = watch::channel(RelayerStatus::default());
        Ok(Self { config, submitter, metrics: Metrics::new(), status })
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
        self,
        headers: watch::Receiver<Option<Certified>>,
        shutdown: impl Future<Output = ()>,
    ) -> Result<(), RelayerError> {
        let pace = Pace { poll: self.config.poll, backoff_max: self.config.backoff_max };
        repeat(&mut Following { relayer: self, headers }, pace, shutdown).await.map(|_| ())
    }

    /// One round: looks at the L1, settles what was sent, and sends what is due. [`Relayer::run`] repeats it.
    ///
    /// # Errors
    /// [`RelayerError`]; the journal is consistent after any of them.
    pub async fn round(&mut self, certified: Option<&Certified>) -> Result<(), RelayerError> {
        let view = self.submitter.view().await?;
        // After the view: a post that the nonce counts is in the head, and in what is registered.
        let head = light_client::head(&self.submitter.l1().provider, self.config.contract).await?;
        let registered = self.registered().await?;
        let on_l1 = |brings: &Brings| match brings {
            Brings::Header { height } => *height <= head.height,
            page @ Brings::Page { .. } => registered.contains(page),
        };
        let fates = self.submitter.settle(&view, on_l1).await?;
        let posted = fates.iter().filter_map(|fate| match fate {
            Fate::Included { subject, included, .. } if !included.reverted => subject.height(),
            _ => None,
        });
        if let Some(height) = posted.max() {
            self.status.send_modify(|status| status.posted_height = status.posted_height.max(height));
        }
        self.publish(&head);
        if head.frozen {
            return Ok(());
        }
        let limits = Limits::constant(self.config.fee_ceiling_wei);
        if self.submitter.push_waiting(&view, limits, |brings| !registered.contains(brings)).await? {
            self.post_next(&view, &head, limits, certified).await?;
        }
        self.publish(&head);
        Ok(())
    }

    /// The pages on their way that the contract has already.
    async fn registered(&self) -> Result<BTreeSet<Brings>, RelayerError> {
        let mut registered = BTreeSet::new();
        let posts = &self.submitter.entries().posts;
        for post in posts.iter().filter(|post| post.included.is_none()) {
            if let Brings::Page { epoch, page } = post.subject
                && self.pages(epoch).await?.checked_shr(page).is_some_and(|pages| pages & 1 == 1)
            {
                registered.insert(post.subject);
            }
        }
        Ok(registered)
    }

    /// Which pages of a committee's keys the contract has: a bit each.
    async fn pages(&self, epoch: u64) -> Result<u8, LightClientError> {
        light_client::registered_pages(&self.submitter.l1().provider, self.config.contract, epoch).await
    }

    /// Signs and sends what is next: the header that is due, if there is one and the contract can check it, or a page of keys.
    async fn post_next(
        &mut self,
        view: &View,
        head: &Head,
        limits: Limits,
        certified: Option<&Certified>,
    ) -> Result<(), RelayerError> {
        let Some((height, call)) = self.due(head, certified.map(|certified| certified.after(head.height)))? else {
            return self.open_next(view, head, limits, certified).await.map(|_| ());
        };
        let posted = self.submitter.post(view, limits, Brings::Header { height }, call, None).await?;
        let Posted::Refused(Reverted { data, .. }) = posted else { return Ok(()) };
        let refusal = data.and_then(|data| light_client::refusal(&data));
        let answered = match &refusal {
            // Somebody else was faster: the next round sees it.
            Some(Refusal::StaleHeader(_)) => true,
            Some(Refusal::CommitteeNotOpened(_) | Refusal::CommitteeIncomplete(_)) => {
                self.open_next(view, head, limits, certified).await?
            }
            _ => false,
        };
        if answered { Ok(()) } else { Err(RelayerError::Refused { height, refusal: refusal.map(Box::new) }) }
    }

    /// Signs and sends the first page that the contract lacks of the committees that were named to it; `false` if it lacks none.
    async fn open_next(
        &mut self,
        view: &View,
        head: &Head,
        limits: Limits,
        certified: Option<&Certified>,
    ) -> Result<bool, RelayerError> {
        for (epoch, committee) in certified.into_iter().flat_map(|certified| certified.named(head.height)) {
            let page = self.pages(epoch).await?.trailing_ones();
            if page as usize >= committee.seats().len().div_ceil(PAGE_SEATS) {
                continue;
            }
            let brings = Brings::Page { epoch, page };
            let mut posts = self.submitter.entries().posts.iter();
            // A block has it, and this node is behind.
            if posts.any(|post| post.subject == brings && post.delivered().is_some()) {
                return Ok(true);
            }
            let call = light_client::register_calls(epoch, committee)?.swap_remove(page as usize);
            let posted = self.submitter.post(view, limits, brings, call, None).await?;
            let Posted::Refused(Reverted { data, .. }) = posted else { return Ok(true) };
            return match data.and_then(|data| light_client::refusal(&data)) {
                // Somebody else was faster: the next round sees it.
                Some(Refusal::PageAlreadyRegistered(_)) => Ok(true),
                refusal => Err(RelayerError::PageRefused { epoch, page, refusal: refusal.map(Box::new) }),
            };
        }
        Ok(false)
    }

    /// What to post now: the newest header, at every interval, and before it is too far above the last one; at once, an epoch's last
    /// one, and what the contract lost.
    fn due(&self, head: &Head, newest: Option<&CertifiedHeader>) -> Result<Option<(u64, Bytes)>, RelayerError> {
        let entries = self.submitter.entries();
        let lost = entries.lost.as_ref().filter(|lost| lost.height > head.height);
        // A rollup shows its contract a block by at most 256 headers up to one that was posted.
        let is_far = newest.is_some_and(|newest| newest.header.height >= head.height.saturating_add(HEIGHTS_MAX));
        let is_end = newest.is_some_and(|newest| newest.header.next_committee != Digest([0; 32]));
        if lost.is_none()
            && !is_far
            && !is_end
            && u128::from(elapsed_ms(entries.last_post_ms)) < self.config.interval.as_millis()
        {
            return Ok(None);
        }
        let newest = newest.filter(|newest| newest.header.height > head.height);
        match (newest, lost) {
            // Nothing above an epoch's end is taken before it is.
            (Some(newest), lost) if is_end || lost.is_none_or(|lost| lost.height <= newest.header.height) => {
                Ok(Some((newest.header.height, light_client::post_call(&newest.header, &newest.certificate)?)))
            }
            (_, lost) => Ok(lost.map(|lost| (lost.height, lost.call.clone()))),
        }
    }

    fn publish(&self, head: &Head) {
        let pending = self.submitter.pending();
        self.status.send_modify(|status| {
            let last = self.submitter.entries().posts.iter().rev().find_map(|post| post.subject.height());
            status.sent_height = last.unwrap_or(status.sent_height);
            status.verified_height = head.height;
            // What the contract has was posted, by whomever.
            status.posted_height = status.posted_height.max(head.height);
            status.pending = pending;
            status.frozen = head.frozen;
            status.failures = 0;
        });
        let status = *self.status.borrow();
        self.metrics.posted_height.set(status.posted_height as f64);
        self.metrics.verified_height.set(status.verified_height as f64);
        self.metrics.frozen.set(f64::from(u8::from(head.frozen)));
        self.submitter.metrics().pending.set(pending as f64);
    }
}

/// A relayer and where its headers come from.
struct Following {
    relayer: Relayer,
    headers: watch::Receiver<Option<Certified>>,
}

impl Rounds for Following {
    type Error = RelayerError;

    async fn round(&mut self) -> Result<bool, RelayerError> {
        let headers = self.headers.borrow_and_update().clone();
        self.relayer.round(headers.as_ref()).await.map(|()| false)
    }

    fn is_fatal(&self, error: &RelayerError) -> bool {
        matches!(error, RelayerError::Submit(error) if error.is_fatal())
    }

    fn failed(&mut self, error: &RelayerError, pause: Duration) {
        self.relayer.submitter.metrics().l1_errors.increment(1);
        self.relayer.status.send_modify(|status| status.failures = status.failures.saturating_add(1));
        tracing::warn!(%error, retry_ms = pause.as_millis() as u64, "relaying failed");
    }
}
