//! What is shown of the queue.

use super::{Queue, QueueError, Tx, get};
use crate::{
    ids::{Account, BatchId, Hash, JobId},
    tree,
};
use serde::{Deserialize, Serialize};
use sqlx::any::AnyRow;

macro_rules! states {
    ($(#[$about:meta])* $name:ident: $what:literal { $($(#[$each:meta])* $state:ident = $text:literal,)* }) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(rename_all = "lowercase")]
        pub enum $name {
            $($(#[$each])* $state,)*
        }

        impl $name {
            /// Every one of them.
            pub const ALL: &[Self] = &[$(Self::$state,)*];

            /// As it is stored and shown.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$state => $text,)*
                }
            }

            pub(super) fn read(text: &str) -> Result<Self, QueueError> {
                let found = Self::ALL.iter().find(|state| state.as_str() == text);
                found.copied().ok_or_else(|| QueueError::Corrupt { expected: $what, got: text.into() })
            }
        }
    };
}
pub(super) use states;

states! {
    /// How far a job is.
    JobState: "the state of a job" {
        /// Waits to be verified.
        Queued = "queued",
        /// Its proof holds; waits to be wrapped.
        Verified = "verified",
        /// Has its place in a batch.
        Placed = "placed",
        /// Its proof does not hold.
        Refused = "refused",
        /// Set aside: it failed too often.
        Quarantined = "quarantined",
        /// Its proof is not on the disk any more; to be handed in again.
        Lost = "lost",
        /// Taken back by its account.
        Cancelled = "cancelled",
    }
}

states! {
    /// How far a batch is.
    BatchState: "the state of a batch" {
        /// Takes jobs.
        Open = "open",
        /// Takes none, and is being folded.
        Closed = "closed",
        /// Has its root.
        Folded = "folded",
        /// Has its seal.
        Sealed = "sealed",
        /// The L1 has it.
        Settled = "settled",
        /// Cannot be sealed; somebody has to look.
        Stuck = "stuck",
        /// Could not be folded; its jobs are in another.
        Dissolved = "dissolved",
    }
}

/// What became of a job.
#[derive(Clone, Debug, Serialize)]
pub struct JobStatus {
    /// Its number.
    pub job: JobId,
    /// Who handed it in.
    pub account: Account,
    /// The digest of its program.
    pub program: Hash,
    /// The hash of its proof.
    pub proof: Hash,
    /// How far it is.
    pub state: JobState,
    /// The queue's time by which it should be settled, in milliseconds since 1970.
    pub deadline_ms: i64,
    /// Higher is wrapped sooner.
    pub priority: i64,
    /// What is paid for it.
    pub price_gwei: i64,
    /// Why it is where it is, if that needs a reason.
    pub reason: Option<String>,
    /// When it was handed in.
    pub created_ms: i64,
    /// When its proof was found to hold.
    pub verified_ms: Option<i64>,
    /// When it got its place.
    pub placed_ms: Option<i64>,
    /// The place in the batch, from 0.
    pub position: Option<i64>,
    /// The batch.
    pub batch: Option<BatchStatus>,
}

/// What became of a batch.
#[derive(Clone, Debug, Serialize)]
pub struct BatchStatus {
    /// Its number.
    pub batch: BatchId,
    /// How far it is.
    pub state: BatchState,
    /// Places taken.
    pub count: i64,
    /// Nodes of its tree that are made.
    pub nodes_made: i64,
    /// Nodes of its tree, once that is known.
    pub nodes_total: Option<i64>,
    /// The least deadline of its jobs.
    pub deadline_ms: Option<i64>,
    /// When it got its first job.
    pub started_ms: Option<i64>,
    /// Why it was closed.
    pub closed_by: Option<String>,
    /// When it was closed.
    pub closed_ms: Option<i64>,
    /// When it had its root.
    pub folded_ms: Option<i64>,
    /// When it had its seal.
    pub sealed_ms: Option<i64>,
    /// When it was settled or dissolved.
    pub finished_ms: Option<i64>,
    /// The blob that its root is in.
    pub root: Option<Hash>,
    /// The blob that its seal is in.
    pub seal: Option<Hash>,
    /// The L1's transaction.
    pub settled_by: Option<String>,
    /// Why it is stuck or dissolved.
    pub reason: Option<String>,
}

/// How much there is of everything.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Totals {
    /// Jobs without a place.
    pub jobs_queued: i64,
    /// Tasks that wait or are worked on.
    pub tasks: i64,
    /// Tasks that somebody has.
    pub leases: i64,
    /// Batches that are closed and not settled.
    pub batches_unsettled: i64,
    /// Those of them that have a job whose deadline has passed.
    pub batches_late: i64,
    /// Batches that somebody has to look at.
    pub batches_stuck: i64,
    /// Provers that were seen lately.
    pub provers: i64,
}

/// Levels that are told apart: what is higher counts as of the last.
pub const LEVELS: usize = 12;

/// How many nodes of a level the trees of batches that are not folded yet have, by what is to be done for them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Level {
    /// They are there.
    pub made: i64,
    /// Somebody proves them.
    pub proving: i64,
    /// They could be proved.
    pub ready: i64,
    /// What is below them is not there yet.
    pub later: i64,
}

/// A hash that may not be there yet.
fn hash(row: &AnyRow, column: &str) -> Result<Option<Hash>, QueueError> {
    Ok(get::<Option<String>>(row, column)?.map(|text| text.parse()).transpose()?)
}

impl Queue {
    /// What became of a job of this account.
    ///
    /// # Errors
    /// When it has no such job, or the database does not answer.
    pub async fn job(&self, account: &Account, job: JobId) -> Result<JobStatus, QueueError> {
        transact!(self, tx => {
            let row = sqlx::query("SELECT * FROM jobs WHERE id = $1 AND account = $2").bind(job.0).bind(account.as_str());
            let row = row.fetch_optional(&mut *tx.sql).await?;
            let row = row.ok_or_else(|| QueueError::Unknown { what: "job", got: job.to_string() })?;
            let batch = match get::<Option<i64>>(&row, "batch")? {
                Some(batch) => Some(tx.batch_status(BatchId(batch)).await?),
                None => None,
            };
            Ok(JobStatus {
                job,
                account: account.clone(),
                program: get::<String>(&row, "program")?.parse()?,
                proof: get::<String>(&row, "proof")?.parse()?,
                state: JobState::read(&get::<String>(&row, "state")?)?,
                deadline_ms: get(&row, "deadline_ms")?,
                priority: get(&row, "priority")?,
                price_gwei: get(&row, "price_gwei")?,
                reason: get(&row, "reason")?,
                created_ms: get(&row, "created_ms")?,
                verified_ms: get(&row, "verified_ms")?,
                placed_ms: get(&row, "placed_ms")?,
                position: get(&row, "position")?,
                batch,
            })
        })
    }

    /// What became of an account's job with this proof.
    ///
    /// # Errors
    /// As [`Queue::job`].
    pub async fn job_of_proof(&self, account: &Account, proof: &Hash) -> Result<JobStatus, QueueError> {
        let id = transact!(self, tx => {
            let row = sqlx::query("SELECT id FROM jobs WHERE account = $1 AND proof = $2");
            let row = row.bind(account.as_str()).bind(proof.to_string()).fetch_optional(&mut *tx.sql).await?;
            let row = row.ok_or_else(|| QueueError::Unknown { what: "job", got: proof.to_string() })?;
            Ok(JobId(get(&row, "id")?))
        })?;
        self.job(account, id).await
    }

    /// The trees that are being made, all of them together, from the leaves up. Wraps that have no place yet are leaves.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn levels(&self) -> Result<[Level; LEVELS], QueueError> {
        transact!(self, tx => {
            let mut levels = [Level::default(); LEVELS];
            let at = |leaves: i64| (tree::level(leaves.max(1).unsigned_abs()) as usize).min(LEVELS - 1);
            let nodes = "SELECT nodes.leaves, batches.state, COUNT(*) AS nodes, COUNT(nodes.blob) AS made FROM nodes
                JOIN batches ON batches.id = nodes.batch WHERE batches.state IN ('open', 'closed')
                GROUP BY nodes.leaves, batches.state";
            for row in sqlx::query(nodes).fetch_all(&mut *tx.sql).await? {
                let level = &mut levels[at(get(&row, "leaves")?)];
                level.made += get::<i64>(&row, "made")?;
                if get::<String>(&row, "state")? == "closed" {
                    level.later -= get::<i64>(&row, "nodes")?;
                }
            }
            // Each half by its own index: what waits to be verified is not looked at.
            let tasks = "SELECT COALESCE(leaves, 1) AS leaves, COUNT(*) AS tasks, 0 AS leased FROM tasks
                WHERE lane = 'prove' AND kind <> 'register' AND lease_until_ms IS NULL GROUP BY COALESCE(leaves, 1)
                UNION ALL SELECT COALESCE(leaves, 1), COUNT(*), COUNT(*) FROM tasks
                WHERE lane = 'prove' AND kind <> 'register' AND lease_until_ms IS NOT NULL GROUP BY COALESCE(leaves, 1)";
            for row in sqlx::query(tasks).fetch_all(&mut *tx.sql).await? {
                let level = &mut levels[at(get(&row, "leaves")?)];
                let leased: i64 = get(&row, "leased")?;
                level.proving += leased;
                level.ready += get::<i64>(&row, "tasks")? - leased;
            }
            let sizes = "SELECT size, COUNT(*) AS batches FROM batches WHERE state = 'closed' AND size > 0 GROUP BY size";
            for row in sqlx::query(sizes).fetch_all(&mut *tx.sql).await? {
                let (size, batches): (i64, i64) = (get(&row, "size")?, get(&row, "batches")?);
                let size = size.unsigned_abs();
                for level in 0..=tree::level(size) {
                    let nodes = i64::try_from(tree::nodes_at(level, size)).unwrap_or(i64::MAX);
                    levels[(level as usize).min(LEVELS - 1)].later += nodes.saturating_mul(batches);
                }
            }
            Ok(levels)
        })
    }

    /// A batch's statements by their places, without the null statement.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn statements(&self, batch: BatchId) -> Result<Vec<Vec<u8>>, QueueError> {
        transact!(self, tx => tx.statements(batch).await)
    }

    /// What became of a batch.
    ///
    /// # Errors
    /// When there is none, or the database does not answer.
    pub async fn batch(&self, batch: BatchId) -> Result<BatchStatus, QueueError> {
        transact!(self, tx => tx.batch_status(batch).await)
    }

    /// The batches in a state, oldest first, at most `max`.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn batches(&self, state: BatchState, max: u32) -> Result<Vec<BatchStatus>, QueueError> {
        transact!(self, tx => {
            let rows = sqlx::query("SELECT id FROM batches WHERE state = $1 ORDER BY id LIMIT $2");
            let rows = rows.bind(state.as_str()).bind(i64::from(max)).fetch_all(&mut *tx.sql).await?;
            let mut batches = Vec::with_capacity(rows.len());
            for row in rows {
                batches.push(tx.batch_status(BatchId(get(&row, "id")?)).await?);
            }
            Ok(batches)
        })
    }

    /// The jobs of a batch by their places: account, number, place and statement. Two jobs with one proof have one place.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn places(&self, batch: BatchId) -> Result<Vec<(Account, JobId, i64, Vec<u8>)>, QueueError> {
        transact!(self, tx => {
            let rows =
                sqlx::query("SELECT id, account, position, statement FROM jobs WHERE batch = $1 ORDER BY position, id");
            let rows = rows.bind(batch.0).fetch_all(&mut *tx.sql).await?;
            let place = |row: &AnyRow| {
                let statement = statement(&get::<Option<String>>(row, "statement")?.unwrap_or_default())?;
                let account = Account::new(&get::<String>(row, "account")?)?;
                Ok((account, JobId(get(row, "id")?), get(row, "position")?, statement))
            };
            rows.iter().map(place).collect()
        })
    }

    /// How much there is of everything.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn totals(&self) -> Result<Totals, QueueError> {
        transact!(self, tx => {
            let totals = "SELECT
                (SELECT CAST(COALESCE(SUM(jobs_queued), 0) AS BIGINT) FROM accounts) AS jobs_queued,
                (SELECT COUNT(*) FROM tasks) AS tasks,
                (SELECT COUNT(*) FROM tasks WHERE lease_until_ms IS NOT NULL) AS leases,
                (SELECT COUNT(*) FROM batches WHERE state IN ('closed', 'folded', 'sealed')) AS batches_unsettled,
                (SELECT COUNT(*) FROM batches WHERE state IN ('closed', 'folded', 'sealed') AND deadline_ms < $1) AS batches_late,
                (SELECT COUNT(*) FROM batches WHERE state = 'stuck') AS batches_stuck";
            let row = sqlx::query(totals).bind(tx.now_ms).fetch_one(&mut *tx.sql).await?;
            Ok(Totals {
                jobs_queued: get(&row, "jobs_queued")?,
                tasks: get(&row, "tasks")?,
                leases: get(&row, "leases")?,
                batches_unsettled: get(&row, "batches_unsettled")?,
                batches_late: get(&row, "batches_late")?,
                batches_stuck: get(&row, "batches_stuck")?,
                provers: tx.provers().await?,
            })
        })
    }
}

/// A statement's bytes from their hex digits.
pub(super) fn statement(text: &str) -> Result<Vec<u8>, QueueError> {
    hex::decode(text).map_err(|_| QueueError::Corrupt { expected: "a statement in hex", got: text.into() })
}

impl Tx {
    async fn batch_status(&mut self, batch: BatchId) -> Result<BatchStatus, QueueError> {
        let query = "SELECT *, (SELECT COUNT(*) FROM nodes WHERE batch = batches.id AND blob IS NOT NULL) AS nodes_made
                     FROM batches WHERE id = $1";
        let row = sqlx::query(query).bind(batch.0).fetch_optional(&mut *self.sql).await?;
        let row = row.ok_or_else(|| QueueError::Unknown { what: "batch", got: batch.to_string() })?;
        let size: Option<i64> = get(&row, "size")?;
        Ok(BatchStatus {
            batch,
            state: BatchState::read(&get::<String>(&row, "state")?)?,
            count: get(&row, "count")?,
            nodes_made: get(&row, "nodes_made")?,
            nodes_total: size.map(|size| 2 * size - 1),
            deadline_ms: get(&row, "deadline_ms")?,
            started_ms: get(&row, "started_ms")?,
            closed_by: get(&row, "closed_by")?,
            closed_ms: get(&row, "closed_ms")?,
            folded_ms: get(&row, "folded_ms")?,
            sealed_ms: get(&row, "sealed_ms")?,
            finished_ms: get(&row, "finished_ms")?,
            root: hash(&row, "root")?,
            seal: hash(&row, "seal")?,
            settled_by: get(&row, "settled_by")?,
            reason: get(&row, "reason")?,
        })
    }
}
