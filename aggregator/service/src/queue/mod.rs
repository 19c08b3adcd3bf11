//! The durable queue: jobs, the tasks that they need, and the batches that they end in.
//!
//! Everything that changes is changed here, in one transaction a step, and every statement runs on SQLite and on PostgreSQL
//! alike. What the rules rest on:
//!
//! 1. **A task is a row while it is to be done.** What finishes it deletes it and writes what follows from it in the same
//!    transaction: there is no moment at which work is neither waiting nor done.
//! 2. **The fence decides.** Claiming a task raises its fence. Whoever completes it shows the fence it was given and deletes
//!    the row with exactly that; a worker that was believed dead finds no such row, and what it did is not counted.
//! 3. **A job takes its place when its wrap is done**, in the same transaction. A proof that does not hold, or that kills
//!    whoever wraps it, was never in a batch and does not have to be taken out of one. A place is never changed.
//! 4. **A proof has one leaf in a batch**, by a unique index: a second job with the same proof shares the place of the first.
//! 5. **A batch that cannot be folded is dissolved**: its jobs move to the next, and those under the node that failed carry
//!    a strike; after a few they are set aside, so that the others get through.
//!
//! Transactions lock in one order, so that they wait for each other and never in a circle: garbage, task, job, batch, account.
//! Where that cannot be kept, PostgreSQL ends one of them, and it is run again.
//!
//! | module | holds |
//! |---|---|
//! | `jobs` | handing in, cancelling, priorities, what became of a job |
//! | `programs` | which programs are known |
//! | `tasks` | claims, leases, results |
//! | `outcome` | what follows from a result |
//! | `batches` | places, the tree as it grows, closing, sealing, settling, dissolving |
//! | `upkeep` | leases that ended, blobs that nobody names, rows that nobody needs |
//! | `views` | what is shown of it |
//! | `database` | connections, and how long the database is waited for |
//! | `clock`, `wake` | time, and signals |

/// Runs a transaction, and again if another stood in its way. What fails is taken back. There is no other way to the database,
/// and none on which it is waited for for ever: each attempt has [`Options::answer_ms`].
///
/// A macro, since the futures of a function that takes asynchronous closures are not known to be [`Send`].
macro_rules! transact {
    ($queue:expr, $tx:ident => $body:expr) => {{
        let inner = &$queue.0;
        let mut conflicts = 0;
        let mut renewed = false;
        loop {
            let pool = inner.database.pool();
            let attempt = inner.database.answered(&pool, async {
                let mut begun = inner.begin(&pool).await?;
                let $tx = &mut begun;
                let value: Result<_, QueueError> = async { $body }.await;
                let value = value?;
                begun.commit(&inner.wake).await?;
                Ok(value)
            });
            match attempt.await {
                Err(error) if error.is_conflict() && conflicts < crate::queue::CONFLICTS_MAX => conflicts += 1,
                Err(QueueError::Database(sqlx::Error::PoolClosed)) if inner.database.is_renewed(&pool) => {
                    if renewed {
                        break Err(inner.database.silent());
                    }
                    renewed = true;
                }
                outcome => break outcome,
            }
        }
    }};
}

mod batches;
mod clock;
mod database;
mod error;
mod jobs;
mod outcome;
mod programs;
mod tasks;
mod upkeep;
mod views;
mod wake;

pub use batches::Sealed;
pub use clock::ManualClock;
pub use error::QueueError;
pub use jobs::{NewJob, Submitted};
pub use outcome::{Done, Failed};
pub use programs::{ProgramRow, ProgramState, ProgramsMax};
pub use tasks::{Claim, Lane, Lease, ProgramInput, Work};
pub use upkeep::Expired;
pub use views::{BatchState, BatchStatus, JobState, JobStatus, LEVELS, Level, Totals};
pub use wake::Waiter;

use clock::Clock;
use database::{Database, Engine, Pool};
use sqlx::{
    Any, AssertSqlSafe, Row, SqlSafeStr, Transaction,
    any::AnyRow,
    migrate::{Migration, MigrationType, Migrator},
};
use std::{path::Path, sync::Arc};
use wake::Wake;

/// Times that a transaction is run again when another stood in its way.
const CONFLICTS_MAX: u32 = 16;

/// How often something is tried, and how long is waited in between.
#[derive(Clone, Copy, Debug)]
pub struct Retries {
    /// Times that a task may fail.
    pub failures_max: i64,
    /// Times that a task's worker may vanish.
    pub deaths_max: i64,
    /// Batches that a job may bring down, perhaps innocently.
    pub strikes_max: i64,
    /// Wait after the first failure; doubled with each.
    pub backoff_ms: i64,
    /// The longest wait.
    pub backoff_ms_max: i64,
}

impl Default for Retries {
    fn default() -> Self {
        Self { failures_max: 3, deaths_max: 3, strikes_max: 3, backoff_ms: 1000, backoff_ms_max: 60_000 }
    }
}

impl Retries {
    /// How long is waited after so many failures.
    fn wait_ms(&self, times: i64) -> i64 {
        let doubled = u32::try_from(times.saturating_sub(1)).ok().and_then(|shift| 1i64.checked_shl(shift.min(32)));
        self.backoff_ms.saturating_mul(doubled.unwrap_or(i64::MAX)).clamp(0, self.backoff_ms_max)
    }
}

/// How a queue works.
#[derive(Clone, Debug)]
pub struct Options {
    /// How long a claim holds without a heartbeat.
    pub lease_ms: i64,
    /// Places in a batch: it closes with the last.
    pub places_max: i64,
    /// How often things are tried.
    pub retries: Retries,
    /// Whether a folded batch is sealed here.
    pub seal: bool,
    /// Connections to PostgreSQL. SQLite has one writer and gets one.
    pub connections: u32,
    /// How long the database has to answer, from the wait for a connection to the end of a transaction. Less than a lease, or
    /// a worker loses its task with the first question that is not answered.
    pub answer_ms: u64,
    /// Time by hand, for tests.
    pub clock: Option<ManualClock>,
}

impl Default for Options {
    fn default() -> Self {
        let retries = Retries::default();
        Self { lease_ms: 30_000, places_max: 256, retries, seal: true, connections: 8, answer_ms: 10_000, clock: None }
    }
}

/// The queue. Clones are the same queue.
#[derive(Clone, Debug)]
pub struct Queue(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    database: Database,
    clock: Clock,
    wake: Wake,
    options: Options,
}

/// The address of a queue in a SQLite file.
#[must_use]
pub fn sqlite_url(file: &Path) -> String {
    format!("sqlite://{}?mode=rwc", file.display())
}

impl Queue {
    /// Opens the queue at `sqlite:…` or `postgres:…`, and makes its tables where there are none.
    ///
    /// # Errors
    /// When it cannot be reached, or holds tables of a later version.
    pub async fn open(url: &str, options: Options) -> Result<Self, QueueError> {
        let database = Database::open(url, options.connections, options.answer_ms).await?;
        let engine = database.engine;
        let clock = match (&options.clock, engine) {
            (Some(clock), _) => Clock::Manual(clock.clone()),
            (None, Engine::Postgres) => Clock::Database,
            (None, Engine::Sqlite) => {
                let high =
                    sqlx::query("SELECT high_ms FROM clock WHERE id = 1").fetch_one(&database.pool().sql).await?;
                Clock::monotonic(high.try_get(0)?)
            }
        };
        let wake = match engine {
            Engine::Sqlite => Wake::here(),
            Engine::Postgres => Wake::listening(url, options.answer_ms),
        };
        Ok(Self(Arc::new(Inner { database, clock, wake, options })))
    }

    /// How it works.
    #[must_use]
    pub fn options(&self) -> &Options {
        &self.0.options
    }

    /// Waits for work.
    #[must_use]
    pub fn waiter(&self) -> Waiter {
        self.0.wake.waiter()
    }

    /// The queue's time.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn now_ms(&self) -> Result<i64, QueueError> {
        transact!(self, tx => Ok(tx.now_ms))
    }

    /// Ends every connection.
    pub async fn close(&self) {
        self.0.database.close().await;
    }
}

impl Inner {
    async fn begin(&self, pool: &Pool) -> Result<Tx, QueueError> {
        let engine = self.database.engine;
        let begin = match engine {
            // A transaction that reads first and writes later could find that somebody else wrote in between.
            Engine::Sqlite => "BEGIN IMMEDIATE",
            Engine::Postgres => "BEGIN",
        };
        let mut sql = pool.sql.begin_with(begin).await?;
        let now_ms = match self.clock.now_ms() {
            Some(now_ms) => now_ms,
            None => {
                let now = "SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT)";
                sqlx::query(now).fetch_one(&mut *sql).await?.try_get(0)?
            }
        };
        Ok(Tx { sql, engine, now_ms, options: self.options.clone(), work: false })
    }
}

/// The tables of the queue, by their versions.
fn migrations(engine: Engine) -> Migrator {
    let tables = Migration::new(1, "queue".into(), MigrationType::Simple, engine.tables().into_sql_str(), false);
    Migrator::with_migrations(vec![tables])
}

/// A transaction.
struct Tx {
    sql: Transaction<'static, Any>,
    engine: Engine,
    now_ms: i64,
    options: Options,
    /// Whether it makes work that somebody may wait for.
    work: bool,
}

/// What a row that is read for writing is locked with. SQLite's transactions lock everything.
#[derive(Clone, Copy)]
enum Lock {
    /// Waits for whoever has it.
    Wait,
    /// Passes over rows that somebody has.
    Skip,
}

impl Tx {
    async fn commit(mut self, wake: &Wake) -> Result<(), QueueError> {
        if self.work && self.engine == Engine::Postgres {
            sqlx::query("SELECT pg_notify($1, '')").bind(wake::CHANNEL).execute(&mut *self.sql).await?;
        }
        self.sql.commit().await?;
        if self.work {
            wake.wake();
        }
        Ok(())
    }

    /// `select`, with its rows locked.
    fn locking(&self, select: &str, lock: Lock) -> AssertSqlSafe<String> {
        let suffix = match (self.engine, lock) {
            (Engine::Sqlite, _) => "",
            // Rows that refer to these may still be added by others.
            (Engine::Postgres, Lock::Wait) => " FOR NO KEY UPDATE",
            (Engine::Postgres, Lock::Skip) => " FOR UPDATE SKIP LOCKED",
        };
        AssertSqlSafe(format!("{select}{suffix}"))
    }
}

/// A column's value.
fn get<'r, T>(row: &'r AnyRow, column: &str) -> Result<T, QueueError>
where
    T: sqlx::Decode<'r, Any> + sqlx::Type<Any>,
{
    Ok(row.try_get(column)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_engines_have_the_same_tables() {
        let number = |text: &str| text.replace("INTEGER PRIMARY KEY AUTOINCREMENT", "#");
        let identity = |text: &str| text.replace("BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY", "#");
        assert_eq!(number(Engine::Sqlite.tables()), identity(Engine::Postgres.tables()));
    }

    #[test]
    fn waits_double_up_to_their_bound() {
        let retries = Retries { backoff_ms: 100, backoff_ms_max: 1000, ..Retries::default() };
        assert_eq!([1, 2, 3, 4, 5, 100].map(|times| retries.wait_ms(times)), [100, 200, 400, 800, 1000, 1000]);
    }
}
