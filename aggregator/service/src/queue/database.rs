//! The connections to the database, and how long it is waited for.
//!
//! A network that is cut says nothing: whoever has asked waits until TCP gives up, which takes a quarter of an hour. So the
//! database has a time to answer in, from the wait for a connection to the commit. **After silence the whole pool is given up**,
//! not the one connection: those that are idle, or on their way back into the pool, go through the same network. What was
//! asked may have been done or not; everything here may be asked again.
//!
//! PostgreSQL is told the same from the other side. It gives a statement half of that time, so that what is merely slow ends with
//! an error of its own; and it takes back the transaction of a client that is not heard of for that long, so that nobody
//! waits for its locks for longer.

use super::QueueError;
use sqlx::{
    Any, AnyPool, AssertSqlSafe, Connection,
    any::{AnyConnectOptions, AnyPoolOptions},
};
use std::{
    future::Future,
    pin::pin,
    sync::{Mutex, PoisonError},
    time::Duration,
};

/// How long the tables may take to be made.
const OPEN_TIMEOUT: Duration = Duration::from_secs(60);

/// Which database it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Engine {
    Sqlite,
    Postgres,
}

impl Engine {
    fn of(url: &str) -> Result<Self, QueueError> {
        match url.split(':').next() {
            Some("sqlite") => Ok(Self::Sqlite),
            Some("postgres" | "postgresql") => Ok(Self::Postgres),
            _ => Err(QueueError::Engine { got: url.chars().take(16).collect() }),
        }
    }

    /// The statements that make its tables.
    pub(super) const fn tables(self) -> &'static str {
        match self {
            Self::Sqlite => include_str!("../../migrations/sqlite.sql"),
            Self::Postgres => include_str!("../../migrations/postgres.sql"),
        }
    }

    /// What every connection is told, where the database has `answer_ms` to answer.
    pub(super) fn settings(self, answer_ms: u64) -> Vec<String> {
        match self {
            Self::Sqlite => vec![
                // Readers do not wait for the writer.
                "PRAGMA journal_mode = WAL".into(),
                // What was committed is on disk.
                "PRAGMA synchronous = FULL".into(),
                "PRAGMA foreign_keys = ON".into(),
                format!("PRAGMA busy_timeout = {}", answer_ms / 2),
            ],
            Self::Postgres => vec![
                format!("SET lock_timeout = {}", answer_ms / 2),
                format!("SET statement_timeout = {}", answer_ms / 2),
                format!("SET idle_in_transaction_session_timeout = {answer_ms}"),
                // The same for a client that is sent something, and for one that is only listened to.
                format!("SET tcp_user_timeout = {answer_ms}"),
                format!("SET tcp_keepalives_idle = {}", answer_ms.div_ceil(1000)),
                format!("SET tcp_keepalives_interval = {}", answer_ms.div_ceil(1000)),
                "SET tcp_keepalives_count = 3".into(),
            ],
        }
    }
}

/// The connections. There is one pool at a time.
#[derive(Debug)]
pub(super) struct Database {
    pub(super) engine: Engine,
    address: AnyConnectOptions,
    connections: u32,
    answer_ms: u64,
    pool: Mutex<Pool>,
}

/// A pool, and how many were given up before it.
#[derive(Clone, Debug)]
pub(super) struct Pool {
    pub(super) sql: AnyPool,
    number: u64,
}

impl Database {
    /// Connects, and makes the tables where there are none.
    pub(super) async fn open(url: &str, connections: u32, answer_ms: u64) -> Result<Self, QueueError> {
        let engine = Engine::of(url)?;
        sqlx::any::install_default_drivers();
        let connections = match engine {
            // One writer at a time is all that there is. In line they wait for each other in order; at the file they would
            // have to try again and again.
            Engine::Sqlite => 1,
            Engine::Postgres => connections,
        };
        let address: AnyConnectOptions = url.parse()?;
        let pool = Mutex::new(Pool { sql: make(engine, &address, connections, answer_ms), number: 0 });
        let database = Self { engine, address, connections, answer_ms, pool };
        let tables = super::migrations(engine);
        let pool = database.pool().sql;
        let made = tokio::time::timeout(OPEN_TIMEOUT, tables.run(&pool)).await;
        made.map_err(|_| QueueError::Silent { within_ms: millis(OPEN_TIMEOUT) })??;
        Ok(database)
    }

    /// The pool of this moment.
    pub(super) fn pool(&self) -> Pool {
        self.pool.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What `work` on a pool comes to, if it does in time.
    pub(super) async fn answered<T>(
        &self,
        pool: &Pool,
        work: impl Future<Output = Result<T, QueueError>>,
    ) -> Result<T, QueueError> {
        // Its connection is dropped after the pool is given up, and not put back into it.
        let mut work = pin!(work);
        match tokio::time::timeout(Duration::from_millis(self.answer_ms), work.as_mut()).await {
            Err(_) | Ok(Err(QueueError::Database(sqlx::Error::PoolTimedOut))) => self.give_up(pool),
            Ok(outcome) => return outcome,
        }
        Err(self.silent())
    }

    /// The error of who waited too long.
    pub(super) const fn silent(&self) -> QueueError {
        QueueError::Silent { within_ms: self.answer_ms }
    }

    /// Whether another one gave this pool up: who only waited for a connection asks the new one.
    pub(super) fn is_renewed(&self, pool: &Pool) -> bool {
        self.pool().number != pool.number
    }

    /// Begins a new pool in place of one that does not answer, unless somebody did so already.
    fn give_up(&self, silent: &Pool) {
        // A file on this machine is not reached over another connection if it is not over this one.
        if self.engine == Engine::Sqlite {
            return;
        }
        let mut pool = self.pool.lock().unwrap_or_else(PoisonError::into_inner);
        if pool.number == silent.number {
            tracing::warn!(within_ms = self.answer_ms, "the queue's database does not answer: connecting anew");
            let sql = make(self.engine, &self.address, self.connections, self.answer_ms);
            *pool = Pool { sql, number: silent.number + 1 };
            // From this call on its connections are not reused. That all of them are closed is not waited for.
            drop(silent.sql.close());
        }
    }

    /// Ends every connection, or leaves those to TCP that cannot be ended.
    pub(super) async fn close(&self) {
        let _ = tokio::time::timeout(Duration::from_millis(self.answer_ms), self.pool().sql.close()).await;
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// A pool without connections yet.
fn make(engine: Engine, address: &AnyConnectOptions, connections: u32, answer_ms: u64) -> sqlx::Pool<Any> {
    let pool = AnyPoolOptions::new().max_connections(connections).acquire_timeout(Duration::from_millis(answer_ms));
    let pool = pool.after_connect(move |connection, _| Box::pin(prepare(connection, engine, answer_ms)));
    let pool = pool.after_release(move |connection, _| Box::pin(is_usable(connection, engine)));
    pool.connect_lazy_with(address.clone())
}

async fn prepare(connection: &mut sqlx::AnyConnection, engine: Engine, answer_ms: u64) -> Result<(), sqlx::Error> {
    connection.ping().await?;
    for setting in engine.settings(answer_ms) {
        sqlx::query(AssertSqlSafe(setting)).execute(&mut *connection).await?;
    }
    Ok(())
}

/// Whether a connection can be used again.
///
/// A full disk makes SQLite take a transaction back by itself. That it cannot be taken back again leaves the driver believing
/// that it goes on, and every later one would fail.
async fn is_usable(connection: &mut sqlx::AnyConnection, engine: Engine) -> Result<bool, sqlx::Error> {
    if engine == Engine::Postgres {
        return Ok(true);
    }
    // Comes after a transaction's own end, which may still be under way.
    connection.ping().await?;
    Ok(!connection.is_in_transaction())
}
