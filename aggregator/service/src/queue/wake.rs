//! Waking those who wait for work.
//!
//! A signal is a hint: one that is lost costs the time until the next poll. In one process it is a channel that counts; with
//! PostgreSQL a transaction that made work says `NOTIFY`, and every box listens.

use sqlx::postgres::PgListener;
use std::{sync::Arc, time::Duration};
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;

/// The channel of PostgreSQL's notifications.
pub(super) const CHANNEL: &str = "sinter_queue";
/// Between two attempts to listen.
const RETRY: Duration = Duration::from_secs(1);

/// Says that there is work.
#[derive(Clone, Debug)]
pub(super) struct Wake {
    signals: watch::Sender<u64>,
    _listener: Option<Arc<AbortOnDropHandle<()>>>,
}

impl Wake {
    /// Wakes within this process.
    pub(super) fn here() -> Self {
        Self { signals: watch::Sender::new(0), _listener: None }
    }

    /// Wakes with PostgreSQL's notifications too.
    pub(super) fn listening(url: &str) -> Self {
        let signals = watch::Sender::new(0);
        let task = tokio::spawn(listen(url.to_owned(), signals.clone()));
        Self { signals, _listener: Some(Arc::new(AbortOnDropHandle::new(task))) }
    }

    /// Wakes everybody who waits in this process.
    pub(super) fn wake(&self) {
        self.signals.send_modify(|count| *count = count.wrapping_add(1));
    }

    pub(super) fn waiter(&self) -> Waiter {
        Waiter(self.signals.subscribe())
    }
}

/// Waits for work.
#[derive(Clone, Debug)]
pub struct Waiter(watch::Receiver<u64>);

impl Waiter {
    /// Forgets the signals so far. Called before one looks for work, so that a signal in between is not lost.
    pub fn forget(&mut self) {
        self.0.borrow_and_update();
    }

    /// Returns when there may be work since [`Waiter::forget`], at the latest after `poll`.
    pub async fn wait(&mut self, poll: Duration) {
        // To look for work is right however this ends.
        let _ = tokio::time::timeout(poll, self.0.changed()).await;
    }
}

/// Passes notifications on, for as long as the queue is open; polling goes on while the database does not answer.
async fn listen(url: String, signals: watch::Sender<u64>) {
    loop {
        if let Err(error) = follow(&url, &signals).await {
            tracing::warn!(%error, "the queue's notifications cannot be had: polling until they can");
        }
        tokio::time::sleep(RETRY).await;
    }
}

async fn follow(url: &str, signals: &watch::Sender<u64>) -> Result<(), sqlx::Error> {
    let mut listener = PgListener::connect(url).await?;
    listener.listen(CHANNEL).await?;
    // None is a connection that was lost: what was said meanwhile is not known, so that is a signal, too.
    while listener.try_recv().await?.is_some() {
        signals.send_modify(|count| *count = count.wrapping_add(1));
    }
    signals.send_modify(|count| *count = count.wrapping_add(1));
    Ok(())
}
