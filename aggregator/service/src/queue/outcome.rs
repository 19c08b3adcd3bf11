//! What follows from a task's result.

use super::{BatchState, JobState, Lock, QueueError, Tx, get, tasks::Task};
use crate::{
    ids::{Hash, JobId},
    tree::Span,
};

/// What a task came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Done {
    /// The program's wrap circuit is built.
    Registered {
        /// The digest of the key under which its proofs enter the tree.
        program_id: Hash,
    },
    /// The proof holds.
    Verified {
        /// What it claims.
        statement: Vec<u8>,
    },
    /// A node or a seal was made.
    Made {
        /// The blob that it is in.
        blob: Hash,
    },
}

/// Why a task came to nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failed {
    /// What was handed in is at fault, and will be at every attempt.
    Invalid(String),
    /// It may succeed another time.
    Error(String),
    /// It was not tried for want of something that has nothing to do with it, and is not counted as tried.
    Later(String),
    /// A blob is not there, or is not what it was.
    Missing {
        /// Which.
        blob: Hash,
        /// What is wrong with it.
        reason: String,
    },
}

impl Tx {
    /// Writes what follows from a task that is done. The task's row is gone.
    pub(super) async fn follow(&mut self, task: &Task, done: &Done) -> Result<(), QueueError> {
        match (task.kind.as_str(), done) {
            ("register", Done::Registered { program_id }) => self.judge_program(task.program()?, Ok(program_id)).await,
            ("verify", Done::Verified { statement }) => self.verified(task.job()?, statement).await,
            ("wrap", Done::Made { blob }) => self.wrapped(task.job()?, blob).await,
            ("null" | "fold", Done::Made { blob }) => {
                self.keep_blob(blob).await?;
                let (batch, span) = (task.batch()?, task.span()?);
                self.set_node(batch, span, Some(blob)).await?;
                self.grow(batch).await
            }
            ("seal", Done::Made { blob }) => {
                self.keep_blob(blob).await?;
                self.sealed(task.batch()?, blob).await
            }
            (kind, done) => {
                Err(QueueError::Corrupt { expected: "a task's own kind of result", got: format!("{kind}: {done:?}") })
            }
        }
    }

    async fn verified(&mut self, job: JobId, statement: &[u8]) -> Result<(), QueueError> {
        let update = "UPDATE jobs SET state = 'verified', statement = $1, verified_ms = $2 WHERE id = $3";
        let update = sqlx::query(update).bind(hex::encode(statement)).bind(self.now_ms).bind(job.0);
        update.execute(&mut *self.sql).await?;
        self.judge(job, true).await?;
        self.add_wrap(job, None).await
    }

    /// A job's wrap is done: it takes its place, or its node is there again.
    async fn wrapped(&mut self, job: JobId, blob: &Hash) -> Result<(), QueueError> {
        self.keep_blob(blob).await?;
        let select = self.locking("SELECT state, batch, position FROM jobs WHERE id = $1", Lock::Wait);
        let row = sqlx::query(select).bind(job.0).fetch_one(&mut *self.sql).await?;
        match JobState::read(&get::<String>(&row, "state")?)? {
            JobState::Placed => {
                let (batch, span) = self.place_of(job).await?;
                self.set_node(batch, span, Some(blob)).await?;
                self.grow(batch).await
            }
            _ => self.place(job, blob).await,
        }
    }

    /// Writes what follows from a task that failed.
    pub(super) async fn failed(&mut self, task: &Task, failed: &Failed) -> Result<(), QueueError> {
        match failed {
            Failed::Invalid(reason) => self.give_up(task, reason, true).await,
            Failed::Error(reason) => {
                let failures = task.failures + 1;
                if failures >= self.options.retries.failures_max {
                    return self.give_up(task, &format!("failed {failures} times: {reason}"), false).await;
                }
                let ready_ms = self.now_ms.saturating_add(self.options.retries.wait_ms(failures));
                self.wait_until(&Task { failures, ..task.clone() }, ready_ms, Some(reason)).await
            }
            Failed::Later(reason) => {
                let ready_ms = self.now_ms.saturating_add(self.options.retries.backoff_ms_max);
                self.wait_until(task, ready_ms, Some(reason)).await
            }
            Failed::Missing { blob, reason } => self.missing(task, blob, reason).await,
        }
    }

    /// A worker vanished with a task.
    pub(super) async fn died(&mut self, task: &Task) -> Result<(), QueueError> {
        let deaths = task.deaths + 1;
        if deaths >= self.options.retries.deaths_max {
            return self.give_up(task, &format!("{deaths} workers vanished while they worked on it"), false).await;
        }
        let ready_ms = self.now_ms.saturating_add(self.options.retries.wait_ms(deaths));
        self.wait_until(&Task { deaths, ..task.clone() }, ready_ms, Some("its worker vanished")).await
    }

    /// A task is not tried again. What it was for is set aside, so that nothing else waits for it.
    pub(super) async fn give_up(&mut self, task: &Task, reason: &str, invalid: bool) -> Result<(), QueueError> {
        sqlx::query("DELETE FROM tasks WHERE id = $1").bind(task.id.0).execute(&mut *self.sql).await?;
        tracing::warn!(task = %task.id, kind = task.kind, reason, "a task is given up");
        match task.kind.as_str() {
            "register" => self.judge_program(task.program()?, Err(reason)).await,
            "verify" if invalid => {
                self.judge(task.job()?, false).await?;
                self.end_job(task.job()?, JobState::Refused, Some(reason)).await
            }
            "verify" => self.end_job(task.job()?, JobState::Quarantined, Some(reason)).await,
            "wrap" => self.end_leaf(task.job()?, JobState::Quarantined, reason).await,
            "seal" => {
                let update = sqlx::query("UPDATE batches SET state = $1, reason = $2 WHERE id = $3");
                let update = update.bind(BatchState::Stuck.as_str()).bind(reason).bind(task.batch()?.0);
                update.execute(&mut *self.sql).await?;
                Ok(())
            }
            _ => {
                // The null statement stands for the whole of its batch.
                let span = if task.kind == "null" { Span::leaf(0) } else { task.span()? };
                self.dissolve(task.batch()?, span, reason).await
            }
        }
    }

    /// Ends a job that may have a place: without its leaf its batch cannot be folded.
    async fn end_leaf(&mut self, job: JobId, state: JobState, reason: &str) -> Result<(), QueueError> {
        let row = sqlx::query("SELECT state FROM jobs WHERE id = $1").bind(job.0).fetch_one(&mut *self.sql).await?;
        if get::<String>(&row, "state")? != JobState::Placed.as_str() {
            return self.end_job(job, state, Some(reason)).await;
        }
        let (batch, span) = self.place_of(job).await?;
        let shared = sqlx::query("SELECT id FROM jobs WHERE batch = $1 AND position = $2");
        let shared = shared.bind(batch.0).bind(super::tasks::column(span.first)).fetch_all(&mut *self.sql).await?;
        for row in shared {
            self.end_job(JobId(get(&row, "id")?), state, Some(reason)).await?;
        }
        self.dissolve(batch, Span { leaves: 0, ..span }, reason).await
    }

    /// An input of a task is gone. What can be made again is; a proof that was handed in cannot.
    async fn missing(&mut self, task: &Task, blob: &Hash, reason: &str) -> Result<(), QueueError> {
        tracing::warn!(task = %task.id, kind = task.kind, %blob, reason, "a blob is gone");
        let reason = format!("blob {blob}: {reason}");
        match task.kind.as_str() {
            "register" => self.give_up(task, &reason, true).await,
            "verify" | "wrap" => {
                sqlx::query("DELETE FROM tasks WHERE id = $1").bind(task.id.0).execute(&mut *self.sql).await?;
                self.end_leaf(task.job()?, JobState::Lost, &reason).await
            }
            "fold" => {
                let (batch, span) = (task.batch()?, task.span()?);
                sqlx::query("DELETE FROM tasks WHERE id = $1").bind(task.id.0).execute(&mut *self.sql).await?;
                self.remove_node(batch, span).await?;
                let (left, right) = span.children().unwrap_or((span, span));
                for child in [left, right] {
                    if self.node(batch, child).await? == Some(*blob) {
                        self.make_again(batch, child).await?;
                    }
                }
                Ok(())
            }
            "seal" => {
                sqlx::query("DELETE FROM tasks WHERE id = $1").bind(task.id.0).execute(&mut *self.sql).await?;
                self.reopen_root(task.batch()?).await
            }
            // The null statement has no inputs.
            _ => self.give_up(task, &reason, false).await,
        }
    }
}
