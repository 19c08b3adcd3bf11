//! Brings sealed batches to the hub on the L1, and tells the queue what became of them.
//!
//! One box of a fleet does that: the account that pays is shared with nobody. What was sent is in a journal of its own, so
//! that a crash between "sent" and "told" costs nothing: the next run finds the root in the hub.

use crate::{
    blobs::{BlobError, Blobs},
    ids::{BatchId, Hash},
    metrics,
    queue::{BatchState, BatchStatus, Queue, QueueError},
};
use alloy::{
    eips::BlockNumberOrTag,
    primitives::Bytes,
    providers::{Provider, ProviderBuilder},
};
use sinter_settlement::seals::{SEALS_MAX, SealError, SealState, SealSubmitter, SealsConfig, SealsStatus};
use std::time::Duration;
use thiserror::Error;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// The longest pause after failures.
const PAUSE_MAX: Duration = Duration::from_secs(60);
/// Between two looks at what gas costs: a block of mainnet.
const GAS_INTERVAL: Duration = Duration::from_secs(12);
/// What a batch is settled by when somebody else brought it.
const BY_OTHERS: &str = "others";

/// Why a round of settling ended.
#[derive(Debug, Error)]
pub enum SettleError {
    /// The queue.
    #[error(transparent)]
    Queue(#[from] QueueError),
    /// A seal cannot be read.
    #[error(transparent)]
    Blob(#[from] BlobError),
    /// The journal, or the L1.
    #[error(transparent)]
    Seal(#[from] SealError),
}

/// What settles.
pub struct Submitter {
    queue: Queue,
    blobs: Blobs,
    config: SealsConfig,
}

impl Submitter {
    /// What settles the sealed batches of a queue.
    #[must_use]
    pub const fn new(queue: Queue, blobs: Blobs, config: SealsConfig) -> Self {
        Self { queue, blobs, config }
    }

    /// Works until it is stopped.
    pub async fn run(self, stop: CancellationToken) {
        let mut pause = self.config.poll;
        while !stop.is_cancelled() {
            match self.settle(&stop).await {
                Ok(()) => pause = self.config.poll,
                Err(error) => {
                    metrics::storage_error();
                    tracing::error!(%error, "batches cannot be settled just now");
                    pause = (pause * 2).min(PAUSE_MAX);
                }
            }
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// Settles what is sealed, until one is through or there is more.
    async fn settle(&self, stop: &CancellationToken) -> Result<(), SettleError> {
        let sealed = self.sealed().await?;
        if sealed.is_empty() {
            return Ok(());
        }
        let mut seals = Vec::with_capacity(sealed.len());
        for (batch, seal) in &sealed {
            match self.blobs.get(seal).await {
                Ok(bytes) => seals.push(Bytes::from(bytes)),
                // It is made again from the root.
                Err(error) if error.is_gone() => {
                    tracing::error!(%batch, %error, "a seal is gone, and made again");
                    return Ok(self.queue.retry_batch(*batch).await?);
                }
                Err(error) => return Err(error.into()),
            }
        }
        let submitter = SealSubmitter::open(self.config.clone(), &seals)?;
        let status = submitter.status();
        submitter.run(self.news(&sealed, status.clone(), stop)).await?;
        let status = status.borrow().clone();
        for ((batch, _), seal) in sealed.iter().zip(&status.seals) {
            match &seal.state {
                SealState::Settled => {
                    let by = seal.delivery.map_or_else(|| BY_OTHERS.into(), |it| it.transaction.to_string());
                    self.queue.settled(*batch, &by).await?;
                    let gas = seal.delivery.map(|delivery| delivery.gas_used);
                    tracing::info!(%batch, by, gas, "a batch is settled");
                }
                SealState::Refused(refusal) => {
                    tracing::error!(%batch, %refusal, "the L1 refuses a seal: somebody has to look");
                    self.queue.refused(*batch, &refusal.to_string()).await?;
                }
                SealState::Unknown | SealState::Waiting | SealState::Sent { .. } | SealState::Included => {}
            }
        }
        Ok(())
    }

    async fn sealed(&self) -> Result<Vec<(BatchId, Hash)>, QueueError> {
        let batches = self.queue.batches(BatchState::Sealed, SEALS_MAX as u32).await?;
        Ok(batches.into_iter().filter_map(|BatchStatus { batch, seal, .. }| Some((batch, seal?))).collect())
    }

    /// Returns when there is something to tell the queue, or something more to settle.
    async fn news(
        &self,
        sealed: &[(BatchId, Hash)],
        mut status: watch::Receiver<SealsStatus>,
        stop: &CancellationToken,
    ) {
        let through = |status: &SealsStatus| {
            let mut ours = status.seals.iter().take(sealed.len());
            ours.any(|seal| matches!(seal.state, SealState::Settled | SealState::Refused(_)))
        };
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                // Its sender outlives this.
                _ = status.wait_for(through) => return,
                () = tokio::time::sleep(self.config.poll) => {}
            }
            // A queue that does not answer has nothing new.
            if self.sealed().await.is_ok_and(|now| now.len() != sealed.len()) {
                return;
            }
        }
    }
}

/// Asks the L1 what gas costs, again and again, until it is stopped or nobody wants to know.
pub async fn watch_gas(url: String, gas_gwei: watch::Sender<Option<u64>>, stop: CancellationToken) {
    let Ok(address) = url.parse() else { return };
    let provider = ProviderBuilder::new().connect_http(address);
    while !gas_gwei.is_closed() {
        let block = provider.get_block_by_number(BlockNumberOrTag::Latest).await;
        let known = block.ok().flatten().and_then(|block| block.header.base_fee_per_gas);
        // What is not known is not guessed: policies that look at gas wait.
        gas_gwei.send_replace(known.map(|wei| wei.div_ceil(1_000_000_000)));
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(GAS_INTERVAL) => {}
        }
    }
}
