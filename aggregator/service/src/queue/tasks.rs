//! Claims, leases, results.

use super::{Done, Failed, Lock, Queue, QueueError, Tx, get, views};
use crate::{
    ids::{BatchId, Hash, JobId, TaskId},
    tree::Span,
};
use sqlx::any::AnyRow;

/// What can be done side by side: each lane has its own workers, so that junk to verify does not keep provers from proving.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Lane {
    /// Verifying, which takes milliseconds.
    Verify,
    /// Wrapping and folding.
    Prove,
    /// Sealing, which takes most memory.
    Seal,
}

impl Lane {
    /// Every lane.
    pub const ALL: [Self; 3] = [Self::Verify, Self::Prove, Self::Seal];

    /// As it is stored and shown.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Verify => "verify",
            Self::Prove => "prove",
            Self::Seal => "seal",
        }
    }
}

/// A program as a task needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProgramInput {
    /// The digest of its file; zeros for a proof in the universal shape.
    pub digest: Hash,
    /// The blob that the file is in.
    pub file: Option<Hash>,
    /// The digest of the key under which its proofs enter the tree, once that is known.
    pub program_id: Option<Hash>,
}

/// What is to be done. Inputs are blobs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Work {
    /// Build a program's wrap circuit.
    Register {
        /// The program.
        program: ProgramInput,
    },
    /// Verify a leaf proof natively.
    Verify {
        /// The job.
        job: JobId,
        /// Its program.
        program: ProgramInput,
        /// Its proof.
        proof: Hash,
    },
    /// Wrap a leaf proof.
    Wrap {
        /// The job.
        job: JobId,
        /// Its program.
        program: ProgramInput,
        /// Its proof.
        proof: Hash,
    },
    /// Prove the null statement, which joins a batch of one.
    Null {
        /// The batch.
        batch: BatchId,
    },
    /// Fold two nodes.
    Fold {
        /// The batch.
        batch: BatchId,
        /// The node that is made.
        span: Span,
        /// Its left child.
        left: Hash,
        /// Its right child.
        right: Hash,
    },
    /// Seal a root.
    Seal {
        /// The batch.
        batch: BatchId,
        /// Its root.
        root: Hash,
        /// Its statements by their places, without the null statement.
        statements: Vec<Vec<u8>>,
    },
}

impl Work {
    /// As it is stored and shown.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Register { .. } => "register",
            Self::Verify { .. } => "verify",
            Self::Wrap { .. } => "wrap",
            Self::Null { .. } => "null",
            Self::Fold { .. } => "fold",
            Self::Seal { .. } => "seal",
        }
    }
}

/// The right to complete a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    /// The task.
    pub task: TaskId,
    /// The number of the claim.
    pub fence: i64,
}

/// A task that a worker has.
#[derive(Clone, Debug)]
#[must_use]
pub struct Claim {
    /// The right to complete it.
    pub lease: Lease,
    /// What is to be done.
    pub work: Work,
}

/// A task's row.
#[derive(Clone)]
pub(super) struct Task {
    pub(super) id: TaskId,
    pub(super) kind: String,
    pub(super) program: Option<String>,
    pub(super) job: Option<JobId>,
    pub(super) batch: Option<BatchId>,
    pub(super) span: Option<Span>,
    pub(super) failures: i64,
    pub(super) deaths: i64,
}

impl Task {
    /// The columns that make one.
    pub(super) const COLUMNS: &'static str = "id, kind, program, job, batch, first, leaves, failures, deaths";

    pub(super) fn read(row: &AnyRow) -> Result<Self, QueueError> {
        let span = match (get::<Option<i64>>(row, "first")?, get::<Option<i64>>(row, "leaves")?) {
            (Some(first), Some(leaves)) => Some(span(first, leaves)?),
            _ => None,
        };
        Ok(Self {
            id: TaskId(get(row, "id")?),
            kind: get(row, "kind")?,
            program: get(row, "program")?,
            job: get::<Option<i64>>(row, "job")?.map(JobId),
            batch: get::<Option<i64>>(row, "batch")?.map(BatchId),
            span,
            failures: get(row, "failures")?,
            deaths: get(row, "deaths")?,
        })
    }

    fn corrupt(&self) -> QueueError {
        QueueError::Corrupt { expected: "a task with all its inputs", got: format!("{} {}", self.kind, self.id) }
    }

    pub(super) fn program(&self) -> Result<&str, QueueError> {
        self.program.as_deref().ok_or_else(|| self.corrupt())
    }

    pub(super) fn job(&self) -> Result<JobId, QueueError> {
        self.job.ok_or_else(|| self.corrupt())
    }

    pub(super) fn batch(&self) -> Result<BatchId, QueueError> {
        self.batch.ok_or_else(|| self.corrupt())
    }

    pub(super) fn span(&self) -> Result<Span, QueueError> {
        self.span.ok_or_else(|| self.corrupt())
    }
}

/// A node from its columns.
pub(super) fn span(first: i64, leaves: i64) -> Result<Span, QueueError> {
    match (u64::try_from(first), u64::try_from(leaves)) {
        (Ok(first), Ok(leaves)) => Ok(Span { first, leaves }),
        _ => Err(QueueError::Corrupt { expected: "a node of a tree", got: format!("{first}, {leaves}") }),
    }
}

/// A number of leaves as its column.
pub(super) fn column(leaves: u64) -> i64 {
    i64::try_from(leaves).unwrap_or(i64::MAX)
}

impl Queue {
    /// Gives a worker the next task of a lane, for as long as a lease.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn claim(&self, lane: Lane, worker: &str) -> Result<Option<Claim>, QueueError> {
        transact!(self, tx => tx.claim(lane, worker).await)
    }

    /// Prolongs a lease.
    ///
    /// # Errors
    /// [`QueueError::Fenced`] when the worker does not have the task any more: it may stop.
    pub async fn heartbeat(&self, lease: &Lease) -> Result<(), QueueError> {
        transact!(self, tx => {
            let until_ms = tx.now_ms.saturating_add(tx.options.lease_ms);
            let update = "UPDATE tasks SET lease_until_ms = $1 WHERE id = $2 AND fence = $3 AND lease_until_ms IS NOT NULL";
            let update = sqlx::query(update).bind(until_ms).bind(lease.task.0).bind(lease.fence);
            let held = update.execute(&mut *tx.sql).await?.rows_affected() == 1;
            if held { Ok(()) } else { Err(QueueError::Fenced { task: lease.task }) }
        })
    }

    /// Says that a task is done, which took so long, and what came of it.
    ///
    /// # Errors
    /// [`QueueError::Fenced`] when the worker does not have the task any more: nothing is counted. [`QueueError::Doomed`] when
    /// the blob must be written again. After any other error the same may be said again: it is counted once.
    pub async fn complete(&self, lease: &Lease, done: &Done, took_ms: u64) -> Result<(), QueueError> {
        transact!(self, tx => {
            let task = tx.held(lease).await?;
            sqlx::query("DELETE FROM tasks WHERE id = $1").bind(task.id.0).execute(&mut *tx.sql).await?;
            tx.follow(&task, done).await?;
            // Last: everybody who completes a task of this kind waits for this row.
            tx.measure(&task.kind, took_ms).await
        })
    }

    /// Says that a task failed: it is tried again, or given up.
    ///
    /// # Errors
    /// As [`Queue::complete`].
    pub async fn fail(&self, lease: &Lease, failed: &Failed) -> Result<(), QueueError> {
        transact!(self, tx => {
            let task = tx.held(lease).await?;
            tx.failed(&task, failed).await
        })
    }

    /// Gives a task back that was not begun, or not finished for no fault of its own.
    ///
    /// # Errors
    /// As [`Queue::complete`].
    pub async fn give_back(&self, lease: &Lease) -> Result<(), QueueError> {
        transact!(self, tx => {
            let task = tx.held(lease).await?;
            tx.wait_until(&task, tx.now_ms, None).await
        })
    }
}

impl Tx {
    async fn claim(&mut self, lane: Lane, worker: &str) -> Result<Option<Claim>, QueueError> {
        let next = "SELECT id FROM tasks WHERE lane = $1 AND lease_until_ms IS NULL AND ready_ms <= $2
            ORDER BY priority DESC, turn, id LIMIT 1";
        let next = sqlx::query(self.locking(next, Lock::Skip)).bind(lane.as_str()).bind(self.now_ms);
        let Some(next) = next.fetch_optional(&mut *self.sql).await? else { return Ok(None) };
        let lease = "UPDATE tasks SET fence = fence + 1, worker = $1, lease_until_ms = $2 WHERE id = $3
            RETURNING id, kind, program, job, batch, first, leaves, failures, deaths, fence";
        let until_ms = self.now_ms.saturating_add(self.options.lease_ms);
        let lease = sqlx::query(lease).bind(worker).bind(until_ms).bind(get::<i64>(&next, "id")?);
        let row = lease.fetch_one(&mut *self.sql).await?;
        let task = Task::read(&row)?;
        let lease = Lease { task: task.id, fence: get(&row, "fence")? };
        match self.work(&task).await {
            Ok(work) => Ok(Some(Claim { lease, work })),
            // It would be the first of its lane for ever.
            Err(error @ QueueError::Corrupt { .. }) => {
                self.give_up(&task, &error.to_string(), false).await?;
                self.work = true;
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// What a task's inputs are.
    async fn work(&mut self, task: &Task) -> Result<Work, QueueError> {
        Ok(match task.kind.as_str() {
            "register" => Work::Register { program: self.program_input(task.program()?).await? },
            "verify" => {
                let (program, proof) = self.proof(task).await?;
                Work::Verify { job: task.job()?, program, proof }
            }
            "wrap" => {
                let (program, proof) = self.proof(task).await?;
                Work::Wrap { job: task.job()?, program, proof }
            }
            "null" => Work::Null { batch: task.batch()? },
            "fold" => {
                let (batch, span) = (task.batch()?, task.span()?);
                let (left, right) = span.children().ok_or_else(|| task.corrupt())?;
                let left = self.node(batch, left).await?.ok_or_else(|| task.corrupt())?;
                let right = self.node(batch, right).await?.ok_or_else(|| task.corrupt())?;
                Work::Fold { batch, span, left, right }
            }
            "seal" => {
                let batch = task.batch()?;
                let row = sqlx::query("SELECT root FROM batches WHERE id = $1").bind(batch.0);
                let row = row.fetch_one(&mut *self.sql).await?;
                let root = get::<Option<String>>(&row, "root")?.ok_or_else(|| task.corrupt())?.parse()?;
                Work::Seal { batch, root, statements: self.statements(batch).await? }
            }
            _ => return Err(task.corrupt()),
        })
    }

    /// The program and the proof of a task's job.
    async fn proof(&mut self, task: &Task) -> Result<(ProgramInput, Hash), QueueError> {
        let row = sqlx::query("SELECT program, proof FROM jobs WHERE id = $1").bind(task.job()?.0);
        let row = row.fetch_one(&mut *self.sql).await?;
        let program = self.program_input(&get::<String>(&row, "program")?).await?;
        Ok((program, get::<String>(&row, "proof")?.parse()?))
    }

    async fn program_input(&mut self, digest: &str) -> Result<ProgramInput, QueueError> {
        let row = sqlx::query("SELECT file, program_id FROM programs WHERE digest = $1").bind(digest);
        let row = row.fetch_one(&mut *self.sql).await?;
        let hash = |column| get::<Option<String>>(&row, column)?.map(|text| Ok(text.parse()?)).transpose();
        let (file, program_id): (_, Result<_, QueueError>) = (hash("file")?, hash("program_id"));
        Ok(ProgramInput { digest: digest.parse()?, file, program_id: program_id? })
    }

    /// A batch's statements by their places.
    pub(super) async fn statements(&mut self, batch: BatchId) -> Result<Vec<Vec<u8>>, QueueError> {
        let rows = sqlx::query("SELECT DISTINCT position, statement FROM jobs WHERE batch = $1 ORDER BY position");
        let rows = rows.bind(batch.0).fetch_all(&mut *self.sql).await?;
        rows.iter().map(|row| views::statement(&get::<Option<String>>(row, "statement")?.unwrap_or_default())).collect()
    }

    /// A task that a worker has, locked.
    async fn held(&mut self, lease: &Lease) -> Result<Task, QueueError> {
        let select =
            format!("SELECT {} FROM tasks WHERE id = $1 AND fence = $2 AND lease_until_ms IS NOT NULL", Task::COLUMNS);
        let row = sqlx::query(self.locking(&select, Lock::Wait)).bind(lease.task.0).bind(lease.fence);
        match row.fetch_optional(&mut *self.sql).await? {
            Some(row) => Task::read(&row),
            None => Err(QueueError::Fenced { task: lease.task }),
        }
    }

    /// Ends a task's lease; it can be claimed again from a time on.
    pub(super) async fn wait_until(
        &mut self,
        task: &Task,
        ready_ms: i64,
        reason: Option<&str>,
    ) -> Result<(), QueueError> {
        let update = "UPDATE tasks SET worker = NULL, lease_until_ms = NULL, ready_ms = $1, failures = $2, deaths = $3,
            reason = COALESCE($4, reason) WHERE id = $5";
        let update =
            sqlx::query(update).bind(ready_ms).bind(task.failures).bind(task.deaths).bind(reason).bind(task.id.0);
        update.execute(&mut *self.sql).await?;
        self.work = true;
        Ok(())
    }

    /// Counts how long a task took: an average in which the last one weighs an eighth.
    async fn measure(&mut self, kind: &str, took_ms: u64) -> Result<(), QueueError> {
        let upsert =
            "INSERT INTO stages (kind, average_ms, samples) VALUES ($1, $2, 1) ON CONFLICT (kind) DO UPDATE SET
            average_ms = (stages.average_ms * 7 + excluded.average_ms) / 8, samples = stages.samples + 1";
        let upsert = sqlx::query(upsert).bind(kind).bind(column(took_ms));
        upsert.execute(&mut *self.sql).await?;
        Ok(())
    }
}
