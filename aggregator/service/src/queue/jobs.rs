//! Handing in, cancelling, priorities.

use super::{JobState, Lock, Queue, QueueError, Tx, get};
use crate::{
    admission::{Load, Refusal, Stages},
    ids::{Account, Hash, JobId},
};
use serde::Serialize;

/// A worker that was not seen for so long is not counted on.
const WORKER_SEEN_MS: i64 = 60_000;
/// The longest that an account is paused for proofs that do not hold.
const PAUSE_MS_MAX: i64 = 3_600_000;

/// A proof that is handed in. Its blob is written already.
#[derive(Clone, Debug)]
pub struct NewJob {
    /// Who hands it in.
    pub account: Account,
    /// The digest of its program's file; zeros for a proof in the universal shape.
    pub program: Hash,
    /// The blob that the proof is in.
    pub proof: Hash,
    /// Its size.
    pub bytes: u64,
    /// How long from now until it should be settled.
    pub deadline_ms: i64,
    /// Higher is wrapped sooner.
    pub priority: i64,
    /// What is paid for it.
    pub price_gwei: i64,
}

/// A job that the queue has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Submitted {
    /// Its number.
    pub job: JobId,
    /// How far it is.
    pub state: JobState,
    /// Whether it was not there before.
    pub new: bool,
}

impl Queue {
    /// Takes a job in, if `admit` admits it under the load that there is; both in one transaction, so that no quota is exceeded.
    /// A proof that the account handed in before is the same job; one that was cancelled or lost is taken up again.
    ///
    /// # Errors
    /// [`QueueError::Refused`] with what `admit` says; [`QueueError::Doomed`] when the blob must be written again; and when the
    /// database fails.
    pub async fn submit(
        &self,
        job: &NewJob,
        admit: impl Fn(&Load) -> Result<(), Refusal>,
    ) -> Result<Submitted, QueueError> {
        transact!(self, tx => tx.submit(job, &admit).await)
    }

    /// Puts jobs of a hundred accounts into an empty SQLite queue, whose proofs nobody will read: to measure a full one.
    pub(crate) async fn fill(&self, jobs: i64) -> Result<(), QueueError> {
        let numbers = "WITH RECURSIVE numbers (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM numbers WHERE n + 1 < $1)";
        let rows = [
            "INSERT INTO accounts (name, turn, jobs_queued) SELECT 'bench-' || (n % 100), MAX(n / 100), COUNT(*)
                FROM numbers GROUP BY n % 100",
            "INSERT INTO jobs (id, account, program, proof, bytes, state, priority, price_gwei, deadline_ms, turn, created_ms)
                SELECT n + 1, 'bench-' || (n % 100), printf('%064x', 0), printf('%064x', n), 0, 'queued', 0, 0,
                9007199254740992, n / 100, 0 FROM numbers",
            "INSERT INTO tasks (kind, lane, program, job, priority, turn, ready_ms)
                SELECT 'verify', 'verify', printf('%064x', 0), n + 1, 0, n / 100, 0 FROM numbers",
        ];
        // One at a time: no transaction may take as long as all of them together.
        for insert in rows {
            transact!(self, tx => {
                let insert = sqlx::query(sqlx::AssertSqlSafe(format!("{numbers} {insert}"))).bind(jobs);
                insert.execute(&mut *tx.sql).await?;
                Ok(())
            })?;
        }
        Ok(())
    }

    /// Takes a job back that has no place in a batch yet. Again is the same as once.
    ///
    /// # Errors
    /// When the account has no such job, or it is too late.
    pub async fn cancel(&self, account: &Account, job: JobId) -> Result<(), QueueError> {
        transact!(self, tx => {
            let (state, _) = tx.own_job(account, job).await?;
            match state {
                JobState::Cancelled => Ok(()),
                JobState::Queued | JobState::Verified => tx.end_job(job, JobState::Cancelled, None).await,
                other => Err(too_late(other)),
            }
        })
    }

    /// Changes the priority of a job that has no place in a batch yet, if `allow` allows that at its price.
    ///
    /// # Errors
    /// When the account has no such job, it is too late, or `allow` refuses.
    pub async fn prioritise(
        &self,
        account: &Account,
        job: JobId,
        priority: i64,
        allow: impl Fn(i64) -> Result<(), Refusal>,
    ) -> Result<(), QueueError> {
        transact!(self, tx => {
            let (state, price_gwei) = tx.own_job(account, job).await?;
            if !matches!(state, JobState::Queued | JobState::Verified) {
                return Err(too_late(state));
            }
            allow(price_gwei)?;
            let update = sqlx::query("UPDATE jobs SET priority = $1 WHERE id = $2").bind(priority).bind(job.0);
            update.execute(&mut *tx.sql).await?;
            let update = sqlx::query("UPDATE tasks SET priority = $1 WHERE job = $2 AND kind = 'wrap'");
            update.bind(priority).bind(job.0).execute(&mut *tx.sql).await?;
            Ok(())
        })
    }

    /// Takes a job up again that was set aside, from its beginning.
    ///
    /// # Errors
    /// When there is none, or it is not set aside.
    pub async fn release_job(&self, job: JobId) -> Result<(), QueueError> {
        transact!(self, tx => {
            let row = sqlx::query(tx.locking("SELECT account, state FROM jobs WHERE id = $1", Lock::Wait)).bind(job.0);
            let row = row.fetch_optional(&mut *tx.sql).await?;
            let row = row.ok_or_else(|| QueueError::Unknown { what: "job", got: job.to_string() })?;
            let state: String = get(&row, "state")?;
            if state != JobState::Quarantined.as_str() {
                return Err(QueueError::State { what: "job", expected: "quarantined", got: state });
            }
            let account: String = get(&row, "account")?;
            tx.requeue(&account, job).await
        })
    }

    /// Says that so many provers work under this name. Repeated while they do.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn announce(&self, worker: &str, provers: u32) -> Result<(), QueueError> {
        transact!(self, tx => {
            let upsert = "INSERT INTO workers (name, provers, seen_ms) VALUES ($1, $2, $3)
                ON CONFLICT (name) DO UPDATE SET provers = excluded.provers, seen_ms = excluded.seen_ms";
            let upsert = sqlx::query(upsert).bind(worker).bind(i64::from(provers)).bind(tx.now_ms);
            upsert.execute(&mut *tx.sql).await?;
            Ok(())
        })
    }

    /// What admission looks at, for an account and a program.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn load(&self, account: &Account, program: &Hash) -> Result<Load, QueueError> {
        transact!(self, tx => tx.load(account.as_str(), program).await)
    }

    /// How long each stage takes, as it was measured.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn stages(&self) -> Result<Stages, QueueError> {
        transact!(self, tx => tx.stages().await)
    }
}

fn too_late(state: JobState) -> QueueError {
    QueueError::State { what: "job", expected: "queued or verified", got: state.as_str().into() }
}

impl Tx {
    async fn submit(
        &mut self,
        job: &NewJob,
        admit: &impl Fn(&Load) -> Result<(), Refusal>,
    ) -> Result<Submitted, QueueError> {
        let account = job.account.as_str();
        self.keep_blob(&job.proof).await?;
        let insert = sqlx::query("INSERT INTO accounts (name) VALUES ($1) ON CONFLICT DO NOTHING").bind(account);
        insert.execute(&mut *self.sql).await?;
        // One at a time for an account: its quota and its turn.
        let lock = self.locking("SELECT name FROM accounts WHERE name = $1", Lock::Wait);
        sqlx::query(lock).bind(account).execute(&mut *self.sql).await?;
        // Not locked: whoever moves the job on needs the account after it. Only who has the account takes a job up again.
        let same = sqlx::query("SELECT id, state FROM jobs WHERE account = $1 AND proof = $2");
        let same = same.bind(account).bind(job.proof.to_string()).fetch_optional(&mut *self.sql).await?;
        let again = match same {
            None => None,
            Some(row) => {
                let (id, state) = (JobId(get(&row, "id")?), JobState::read(&get::<String>(&row, "state")?)?);
                if !matches!(state, JobState::Cancelled | JobState::Lost) {
                    return Ok(Submitted { job: id, state, new: false });
                }
                Some(id)
            }
        };
        admit(&self.load(account, &job.program).await?)?;
        let deadline_ms = self.now_ms.saturating_add(job.deadline_ms);
        let id = match again {
            Some(id) => {
                let update = "UPDATE jobs SET priority = $1, price_gwei = $2, deadline_ms = $3 WHERE id = $4";
                let update = sqlx::query(update).bind(job.priority).bind(job.price_gwei).bind(deadline_ms).bind(id.0);
                update.execute(&mut *self.sql).await?;
                id
            }
            None => {
                let insert = "INSERT INTO jobs
                    (account, program, proof, bytes, state, priority, price_gwei, deadline_ms, turn, created_ms)
                    VALUES ($1, $2, $3, $4, 'queued', $5, $6, $7, 0, $8) RETURNING id";
                let insert = sqlx::query(insert)
                    .bind(account)
                    .bind(job.program.to_string())
                    .bind(job.proof.to_string())
                    .bind(i64::try_from(job.bytes).unwrap_or(i64::MAX))
                    .bind(job.priority)
                    .bind(job.price_gwei)
                    .bind(deadline_ms)
                    .bind(self.now_ms);
                JobId(get(&insert.fetch_one(&mut *self.sql).await?, "id")?)
            }
        };
        self.requeue(account, id).await?;
        Ok(Submitted { job: id, state: JobState::Queued, new: again.is_none() })
    }

    /// Puts a job at the beginning of its way, with the account's next turn.
    ///
    /// Turns are start-time fair queueing: each account's jobs have rising turns, and the first of an account that had nothing
    /// to do starts at the turn that is being served. So accounts alternate, however many jobs each of them has.
    async fn requeue(&mut self, account: &str, job: JobId) -> Result<(), QueueError> {
        let turn = "UPDATE accounts SET jobs_queued = jobs_queued + 1, turn = (SELECT CASE WHEN turn + 1 > served THEN turn + 1
                ELSE served END FROM (SELECT COALESCE((SELECT MIN(turn) FROM tasks WHERE job IS NOT NULL),
                (SELECT MAX(turn) FROM accounts), 0) AS served) AS now)
            WHERE name = $1 RETURNING turn";
        let row = sqlx::query(turn).bind(account).fetch_one(&mut *self.sql).await?;
        let turn: i64 = get(&row, "turn")?;
        let update =
            "UPDATE jobs SET state = 'queued', turn = $1, strikes = 0, reason = NULL, statement = NULL, batch = NULL,
            position = NULL, verified_ms = NULL, placed_ms = NULL, finished_ms = NULL WHERE id = $2";
        sqlx::query(update).bind(turn).bind(job.0).execute(&mut *self.sql).await?;
        let insert = "INSERT INTO tasks (kind, lane, program, job, priority, turn, ready_ms)
            SELECT 'verify', 'verify', program, id, 0, turn, $1 FROM jobs WHERE id = $2";
        sqlx::query(insert).bind(self.now_ms).bind(job.0).execute(&mut *self.sql).await?;
        self.work = true;
        Ok(())
    }

    /// A job of this account, locked: its state and its price.
    async fn own_job(&mut self, account: &Account, job: JobId) -> Result<(JobState, i64), QueueError> {
        let select = "SELECT state, price_gwei FROM jobs WHERE id = $1 AND account = $2";
        let row = sqlx::query(self.locking(select, Lock::Wait)).bind(job.0).bind(account.as_str());
        let row = row.fetch_optional(&mut *self.sql).await?;
        let row = row.ok_or_else(|| QueueError::Unknown { what: "job", got: job.to_string() })?;
        Ok((JobState::read(&get::<String>(&row, "state")?)?, get(&row, "price_gwei")?))
    }

    /// Ends a job that is not settled: takes its task away, and it off its account's number if it had no place.
    pub(super) async fn end_job(
        &mut self,
        job: JobId,
        state: JobState,
        reason: Option<&str>,
    ) -> Result<(), QueueError> {
        sqlx::query("DELETE FROM tasks WHERE job = $1").bind(job.0).execute(&mut *self.sql).await?;
        let count = "UPDATE accounts SET jobs_queued = jobs_queued - 1
            WHERE name = (SELECT account FROM jobs WHERE id = $1 AND state IN ('queued', 'verified'))";
        sqlx::query(count).bind(job.0).execute(&mut *self.sql).await?;
        let update =
            "UPDATE jobs SET state = $1, reason = $2, finished_ms = $3, batch = NULL, position = NULL WHERE id = $4";
        let update = sqlx::query(update).bind(state.as_str()).bind(reason).bind(self.now_ms).bind(job.0);
        update.execute(&mut *self.sql).await?;
        Ok(())
    }

    /// Counts a proof that held, or one that did not: that pauses its account, twice as long with each.
    pub(super) async fn judge(&mut self, job: JobId, held: bool) -> Result<(), QueueError> {
        let change = if held { -1 } else { 1 };
        let update = "UPDATE accounts SET junk = CASE WHEN junk + $1 < 0 THEN 0 ELSE junk + $1 END
            WHERE name = (SELECT account FROM jobs WHERE id = $2) RETURNING name, junk";
        let row = sqlx::query(update).bind(change).bind(job.0).fetch_one(&mut *self.sql).await?;
        if !held {
            let junk: i64 = get(&row, "junk")?;
            let pause_ms = 1000i64.saturating_mul(1 << junk.clamp(0, 20)).min(PAUSE_MS_MAX);
            let update = sqlx::query("UPDATE accounts SET paused_until_ms = $1 WHERE name = $2");
            let update = update.bind(self.now_ms.saturating_add(pause_ms)).bind(get::<String>(&row, "name")?);
            update.execute(&mut *self.sql).await?;
        }
        Ok(())
    }

    pub(super) async fn provers(&mut self) -> Result<i64, QueueError> {
        let sum = "SELECT CAST(COALESCE(SUM(provers), 0) AS BIGINT) AS provers FROM workers WHERE seen_ms > $1";
        let row = sqlx::query(sum).bind(self.now_ms - WORKER_SEEN_MS).fetch_one(&mut *self.sql).await?;
        get(&row, "provers")
    }

    async fn stages(&mut self) -> Result<Stages, QueueError> {
        let mut stages = Stages::default();
        for row in sqlx::query("SELECT kind, average_ms FROM stages").fetch_all(&mut *self.sql).await? {
            stages
                .set(&get::<String>(&row, "kind")?, u64::try_from(get::<i64>(&row, "average_ms")?).unwrap_or_default());
        }
        Ok(stages)
    }

    async fn load(&mut self, account: &str, program: &Hash) -> Result<Load, QueueError> {
        let number = |number: i64| u64::try_from(number).unwrap_or_default();
        let all = "SELECT CAST(COALESCE(SUM(jobs_queued), 0) AS BIGINT) AS jobs_queued FROM accounts";
        let all = sqlx::query(all).fetch_one(&mut *self.sql).await?;
        let own = sqlx::query("SELECT jobs_queued, paused_until_ms FROM accounts WHERE name = $1").bind(account);
        let (account_jobs, paused_until_ms) = match own.fetch_optional(&mut *self.sql).await? {
            Some(row) => (get(&row, "jobs_queued")?, get(&row, "paused_until_ms")?),
            None => (0, 0),
        };
        Ok(Load {
            jobs: number(get(&all, "jobs_queued")?),
            account_jobs: number(account_jobs),
            paused_ms: number(paused_until_ms - self.now_ms),
            provers: number(self.provers().await?),
            stages: self.stages().await?,
            program: self.program_state(program).await?,
        })
    }
}
