//! Waking those who wait for work.
//!
//! A signal is a hint: one that is lost costs the time until the next poll. In one process it is a channel that counts; with
//! PostgreSQL a transaction that made work says `NOTIFY`, and every box listens. Whether silence is that of a network that is cut,
//! the listener asks.

use super::database::Engine;
use sqlx::{AssertSqlSafe, postgres::PgListener};
use std::{sync::Arc, time::Duration};
use thiserror::Error;
use tokio::{sync::watch, time::timeout};
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
    pub(super) fn listening(url: &str, answer_ms: u64) -> Self {
        let signals = watch::Sender::new(0);
        let task = tokio::spawn(listen(url.to_owned(), answer_ms, signals.clone()));
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
async fn listen(url: String, answer_ms: u64, signals: watch::Sender<u64>) {
    loop {
        if let Err(error) = follow(&url, answer_ms, &signals).await {
            tracing::warn!(%error, "the queue's notifications cannot be had: polling until they can");
        }
        tokio::time::sleep(RETRY).await;
    }
}

/// Why notifications end.
#[derive(Debug, Error)]
enum Deaf {
    #[error(transparent)]
    Database(#[from] sqlx::Error),
    #[error("expected the database to answer within {0} ms, got silence")]
    Silent(u64),
}

async fn follow(url: &str, answer_ms: u64, signals: &watch::Sender<u64>) -> Result<(), Deaf> {
    let answer = Duration::from_millis(answer_ms);
    let silent = |_| Deaf::Silent(answer_ms);
    let begin = async {
        let mut listener = PgListener::connect(url).await?;
        for setting in Engine::Postgres.settings(answer_ms) {
            sqlx::query(AssertSqlSafe(setting)).execute(&mut listener).await?;
        }
        listener.listen(CHANNEL).await?;
        Ok::<_, sqlx::Error>(listener)
    };
    let mut listener = timeout(answer, begin).await.map_err(silent)??;
    // What was said before this is not known: a signal.
    let signal = || signals.send_modify(|count| *count = count.wrapping_add(1));
    signal();
    loop {
        match timeout(answer, listener.try_recv()).await {
            Ok(Ok(Some(_))) => signal(),
            // The connection was lost.
            Ok(lost) => return Ok(lost.map(|_| ())?),
            // Nobody says anything. That the database still could is seen when it answers.
            Err(_) => {
                let question = sqlx::query("SELECT 1").execute(&mut listener);
                timeout(answer, question).await.map_err(silent)??;
            }
        }
    }
}
