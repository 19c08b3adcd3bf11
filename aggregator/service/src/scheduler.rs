//! What has to happen though nobody asks for it: batches close, leases end, garbage is collected.
//!
//! Every box may run one. They do not have to agree: each step is a transaction that looks again before it changes anything.

use crate::{
    blobs::Blobs,
    metrics,
    policy::BatchPolicy,
    queue::{BatchState, Queue, QueueError},
};
use std::time::Duration;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// How the scheduler works.
#[derive(Clone, Debug)]
pub struct Options {
    /// When a batch closes.
    pub batches: BatchPolicy,
    /// What folding and sealing are believed to take until they were measured.
    pub fold_ms: i64,
    /// The same for sealing.
    pub seal_ms: i64,
    /// Between two looks.
    pub interval: Duration,
    /// Looks between two collections of garbage.
    pub collect_every: u64,
    /// How long jobs and batches are known after their end.
    pub keep_ms: i64,
    /// How long a blob has to be garbage before it is deleted. Longer than any request takes.
    pub garbage_ms: i64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            batches: BatchPolicy::default(),
            fold_ms: 5000,
            seal_ms: 120_000,
            interval: Duration::from_secs(1),
            collect_every: 60,
            keep_ms: 30 * 24 * 3_600_000,
            garbage_ms: 3_600_000,
        }
    }
}

/// Blobs that one collection looks at.
const BLOBS_MAX: usize = 1000;

/// The scheduler.
pub struct Scheduler {
    queue: Queue,
    blobs: Blobs,
    options: Options,
    gas_gwei: watch::Receiver<Option<u64>>,
}

impl Scheduler {
    /// A scheduler of this queue. `gas_gwei` is the L1's base fee, where that is known.
    #[must_use]
    pub const fn new(queue: Queue, blobs: Blobs, options: Options, gas_gwei: watch::Receiver<Option<u64>>) -> Self {
        Self { queue, blobs, options, gas_gwei }
    }

    /// Looks again and again until it is stopped.
    pub async fn run(self, stop: CancellationToken) {
        for round in 1u64.. {
            if let Err(error) = self.tick().await {
                metrics::storage_error();
                tracing::warn!(%error, "the queue cannot be looked after just now");
            }
            if round % self.options.collect_every.max(1) == 0 {
                self.collect().await;
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(self.options.interval) => {}
            }
        }
    }

    /// Ends leases, and closes the open batch if it is time.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn tick(&self) -> Result<(), QueueError> {
        let expired = self.queue.expire().await?;
        if expired.leases > 0 {
            metrics::expired(expired.leases);
            tracing::warn!(leases = expired.leases, "workers vanished with tasks, which are tried again");
        }
        self.close().await?;
        metrics::totals(&self.queue.totals().await?);
        metrics::levels(&self.queue.levels().await?);
        Ok(())
    }

    async fn close(&self) -> Result<(), QueueError> {
        let Some(open) = self.queue.batches(BatchState::Open, 1).await?.pop() else { return Ok(()) };
        let stages = self.queue.stages().await?;
        let or = |measured: Option<u64>, believed| measured.and_then(|ms| i64::try_from(ms).ok()).unwrap_or(believed);
        let seal_ms = if self.queue.options().seal { or(stages.seal_ms, self.options.seal_ms) } else { 0 };
        let folds =
            i64::from(u64::try_from(open.count).unwrap_or_default().max(2).next_power_of_two().trailing_zeros());
        let tail_ms = or(stages.fold_ms, self.options.fold_ms).saturating_mul(folds).saturating_add(seal_ms);
        let (now_ms, gas_gwei) = (self.queue.now_ms().await?, *self.gas_gwei.borrow());
        let Some(reason) = self.options.batches.close(&open, now_ms, tail_ms, gas_gwei) else { return Ok(()) };
        match self.queue.close_batch(open.batch, reason.as_str()).await {
            Ok(()) => {
                metrics::closed(reason.as_str());
                tracing::info!(batch = %open.batch, jobs = open.count, by = reason.as_str(), "a batch is closed");
                Ok(())
            }
            // Another box was quicker.
            Err(QueueError::State { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Forgets what ended long ago, and deletes blobs that nothing needs.
    pub async fn collect(&self) {
        let pruned = match self.queue.now_ms().await {
            Ok(now_ms) => self.queue.prune(now_ms.saturating_sub(self.options.keep_ms)).await,
            Err(error) => Err(error),
        };
        if let Err(error) = pruned {
            tracing::warn!(%error, "what ended long ago cannot be forgotten just now");
        }
        match self.blobs.collect(&self.queue, self.options.garbage_ms, BLOBS_MAX).await {
            Ok(deleted) => metrics::collected(deleted),
            Err(error) => tracing::warn!(%error, "garbage cannot be collected just now"),
        }
    }
}
