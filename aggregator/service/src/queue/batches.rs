//! Batches: places, the tree as it grows, closing, sealing, settling, dissolving.

use super::{BatchState, JobState, Lock, Queue, QueueError, Tx, get, tasks::column, tasks::span};
use crate::{
    ids::{BatchId, Hash, JobId},
    tree::Span,
};
use std::collections::{BTreeMap, BTreeSet};

/// Folding goes before wrapping: what is folded early is not left to do when the batch closes.
const PRIORITY_OPEN: i64 = 1000;
/// What a closed batch waits for goes before everything else.
const PRIORITY_CLOSED: i64 = 2000;

/// A batch that can be settled.
#[derive(Clone, Debug)]
pub struct Sealed {
    /// Its number.
    pub batch: BatchId,
    /// The blob that its root is in.
    pub root: Hash,
    /// The blob that its seal is in, if it is sealed here.
    pub seal: Option<Hash>,
    /// Its statements by their places, without the null statement.
    pub statements: Vec<Vec<u8>>,
    /// The least deadline of its jobs.
    pub deadline_ms: Option<i64>,
}

impl Queue {
    /// Closes a batch: it takes no more jobs, and is folded to its root. `by` says why.
    ///
    /// # Errors
    /// When it is not open, or has no job yet.
    pub async fn close_batch(&self, batch: BatchId, by: &str) -> Result<(), QueueError> {
        transact!(self, tx => {
            let (state, count) = tx.lock_batch(batch).await?;
            if state != BatchState::Open || count == 0 {
                let got = if count == 0 { "empty".into() } else { state.as_str().into() };
                return Err(QueueError::State { what: "batch", expected: "open, with jobs in it", got });
            }
            tx.close(batch, count, by).await
        })
    }

    /// The oldest batch that waits to be settled: one that is sealed, or folded where nothing is sealed.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn next_to_settle(&self) -> Result<Option<Sealed>, QueueError> {
        let state = if self.options().seal { BatchState::Sealed } else { BatchState::Folded };
        let Some(status) = self.batches(state, 1).await?.pop() else { return Ok(None) };
        let expected = "a folded batch with a root";
        let root = status.root.ok_or_else(|| QueueError::Corrupt { expected, got: status.batch.to_string() })?;
        let statements = self.statements(status.batch).await?;
        let (batch, seal, deadline_ms) = (status.batch, status.seal, status.deadline_ms);
        Ok(Some(Sealed { batch, root, seal, statements, deadline_ms }))
    }

    /// Says that the L1 has a batch for good, by the transaction of this name. Again is the same as once.
    ///
    /// # Errors
    /// When it is neither folded nor sealed.
    pub async fn settled(&self, batch: BatchId, by: &str) -> Result<(), QueueError> {
        transact!(self, tx => {
            let (state, _) = tx.lock_batch(batch).await?;
            match state {
                BatchState::Settled => return Ok(()),
                BatchState::Folded | BatchState::Sealed => {}
                other => {
                    let got = other.as_str().into();
                    return Err(QueueError::State { what: "batch", expected: "folded or sealed", got });
                }
            }
            let update = "UPDATE batches SET state = 'settled', settled_by = $1, finished_ms = $2 WHERE id = $3";
            sqlx::query(update).bind(by).bind(tx.now_ms).bind(batch.0).execute(&mut *tx.sql).await?;
            sqlx::query("DELETE FROM tasks WHERE batch = $1").bind(batch.0).execute(&mut *tx.sql).await?;
            let update = sqlx::query("UPDATE jobs SET finished_ms = $1 WHERE batch = $2").bind(tx.now_ms).bind(batch.0);
            update.execute(&mut *tx.sql).await?;
            Ok(())
        })
    }

    /// Says that the L1 refuses a batch's seal: somebody has to look, and the batches behind it go on.
    ///
    /// # Errors
    /// When it is not sealed.
    pub async fn refused(&self, batch: BatchId, reason: &str) -> Result<(), QueueError> {
        transact!(self, tx => {
            let (state, _) = tx.lock_batch(batch).await?;
            if state != BatchState::Sealed {
                let got = state.as_str().into();
                return Err(QueueError::State { what: "batch", expected: "sealed", got });
            }
            let update = sqlx::query("UPDATE batches SET state = 'stuck', reason = $1 WHERE id = $2");
            update.bind(reason).bind(batch.0).execute(&mut *tx.sql).await?;
            Ok(())
        })
    }

    /// Has a batch sealed again whose seal was given up, or whose blob is gone; where nothing is sealed, has its root made again.
    ///
    /// # Errors
    /// When it is not at that point, or the L1 has it already.
    pub async fn retry_batch(&self, batch: BatchId) -> Result<(), QueueError> {
        transact!(self, tx => {
            let (state, _) = tx.lock_batch(batch).await?;
            match state {
                BatchState::Folded if !tx.options.seal => tx.reopen_root(batch).await,
                BatchState::Stuck | BatchState::Sealed => {
                    let update = "UPDATE batches SET state = 'folded', reason = NULL, seal = NULL, sealed_ms = NULL WHERE id = $1";
                    sqlx::query(update).bind(batch.0).execute(&mut *tx.sql).await?;
                    tx.add_seal(batch).await
                }
                other => {
                    let got = other.as_str().into();
                    Err(QueueError::State { what: "batch", expected: "stuck, or ready to be settled", got })
                }
            }
        })
    }
}

impl Tx {
    /// A batch's state and its places, locked.
    async fn lock_batch(&mut self, batch: BatchId) -> Result<(BatchState, i64), QueueError> {
        let select = self.locking("SELECT state, count FROM batches WHERE id = $1", Lock::Wait);
        let row = sqlx::query(select).bind(batch.0).fetch_optional(&mut *self.sql).await?;
        let row = row.ok_or_else(|| QueueError::Unknown { what: "batch", got: batch.to_string() })?;
        Ok((BatchState::read(&get::<String>(&row, "state")?)?, get(&row, "count")?))
    }

    /// The open batch and its places, locked. There is one, also when two boxes look for it at once: the index says so.
    async fn open_batch(&mut self) -> Result<(BatchId, i64), QueueError> {
        loop {
            let select = self.locking("SELECT id, count FROM batches WHERE state = 'open'", Lock::Wait);
            if let Some(row) = sqlx::query(select).fetch_optional(&mut *self.sql).await? {
                return Ok((BatchId(get(&row, "id")?), get(&row, "count")?));
            }
            let insert = "INSERT INTO batches (state, created_ms) VALUES ('open', $1) ON CONFLICT DO NOTHING";
            sqlx::query(insert).bind(self.now_ms).execute(&mut *self.sql).await?;
        }
    }

    /// Gives a job that is wrapped the next place of the open batch, or the place of the same proof. Closes the batch with its
    /// last place.
    pub(super) async fn place(&mut self, job: JobId, blob: &Hash) -> Result<(), QueueError> {
        let (batch, count) = self.open_batch().await?;
        let same = "SELECT first FROM nodes WHERE batch = $1 AND proof = (SELECT proof FROM jobs WHERE id = $2)";
        let same = sqlx::query(same).bind(batch.0).bind(job.0).fetch_optional(&mut *self.sql).await?;
        let (position, places) = match same {
            Some(row) => (get(&row, "first")?, count),
            None => {
                let insert = "INSERT INTO nodes (batch, first, leaves, proof, blob)
                    SELECT $1, $2, 1, proof, $3 FROM jobs WHERE id = $4";
                let insert = sqlx::query(insert).bind(batch.0).bind(count).bind(blob.to_string()).bind(job.0);
                insert.execute(&mut *self.sql).await?;
                (count, count + 1)
            }
        };
        let update = "UPDATE batches SET count = $1, started_ms = COALESCE(started_ms, $2), deadline_ms =
                (SELECT CASE WHEN batches.deadline_ms < jobs.deadline_ms THEN batches.deadline_ms ELSE jobs.deadline_ms END
                FROM jobs WHERE jobs.id = $3) WHERE id = $4";
        let update = sqlx::query(update).bind(places).bind(self.now_ms).bind(job.0).bind(batch.0);
        update.execute(&mut *self.sql).await?;
        let update = "UPDATE accounts SET jobs_queued = jobs_queued - 1
            WHERE name = (SELECT account FROM jobs WHERE id = $1 AND state IN ('queued', 'verified'))";
        sqlx::query(update).bind(job.0).execute(&mut *self.sql).await?;
        let update = "UPDATE jobs SET state = 'placed', batch = $1, position = $2, placed_ms = $3 WHERE id = $4";
        let update = sqlx::query(update).bind(batch.0).bind(position).bind(self.now_ms).bind(job.0);
        update.execute(&mut *self.sql).await?;
        if places >= self.options.places_max {
            self.close(batch, places, "count").await
        } else {
            self.grow(batch).await
        }
    }

    async fn close(&mut self, batch: BatchId, count: i64, by: &str) -> Result<(), QueueError> {
        let update = "UPDATE batches SET state = 'closed', size = $1, closed_by = $2, closed_ms = $3 WHERE id = $4";
        let update = sqlx::query(update).bind(count.max(2)).bind(by).bind(self.now_ms).bind(batch.0);
        update.execute(&mut *self.sql).await?;
        // Not those that somebody has: whoever completes one of them waits for this batch.
        let update = sqlx::query("UPDATE tasks SET priority = $1 WHERE batch = $2 AND lease_until_ms IS NULL");
        update.bind(PRIORITY_CLOSED).bind(batch.0).execute(&mut *self.sql).await?;
        if count == 1 {
            // A single leaf is folded with the null statement, which is published and takes no place.
            self.add_node(batch, Span::leaf(1), "null").await?;
        }
        self.grow(batch).await
    }

    /// Adds every fold whose children are both there; with the root, the batch is folded.
    pub(super) async fn grow(&mut self, batch: BatchId) -> Result<(), QueueError> {
        let select = self.locking("SELECT state, size FROM batches WHERE id = $1", Lock::Wait);
        let row = sqlx::query(select).bind(batch.0).fetch_one(&mut *self.sql).await?;
        let state = BatchState::read(&get::<String>(&row, "state")?)?;
        let size = get::<Option<i64>>(&row, "size")?.and_then(|size| u64::try_from(size).ok());
        if !matches!(state, BatchState::Open | BatchState::Closed) {
            return Ok(());
        }
        let rows = sqlx::query("SELECT first, leaves, blob FROM nodes WHERE batch = $1").bind(batch.0);
        let mut nodes = BTreeMap::new();
        for row in rows.fetch_all(&mut *self.sql).await? {
            nodes.insert(span(get(&row, "first")?, get(&row, "leaves")?)?, get::<Option<String>>(&row, "blob")?);
        }
        let made = |node: &Span| nodes.get(node).is_some_and(Option::is_some);
        let parents: BTreeSet<Span> =
            nodes.keys().filter(|node| made(node)).filter_map(|node| node.parent(size)).collect();
        for parent in parents {
            let both = parent.children().is_some_and(|(left, right)| made(&left) && made(&right));
            if both && !nodes.contains_key(&parent) {
                self.add_node(batch, parent, "fold").await?;
            }
        }
        let root = size.and_then(|leaves| nodes.get(&Span { first: 0, leaves })?.as_deref());
        if let Some(root) = root {
            let update = sqlx::query("UPDATE batches SET state = 'folded', root = $1, folded_ms = $2 WHERE id = $3");
            update.bind(root).bind(self.now_ms).bind(batch.0).execute(&mut *self.sql).await?;
            if self.options.seal {
                self.add_seal(batch).await?;
            }
        }
        Ok(())
    }

    /// Adds a node that is to be made, and the task that makes it. One that is there stays.
    async fn add_node(&mut self, batch: BatchId, node: Span, kind: &str) -> Result<(), QueueError> {
        let insert = "INSERT INTO nodes (batch, first, leaves) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
        let insert = sqlx::query(insert).bind(batch.0).bind(column(node.first)).bind(column(node.leaves));
        if insert.execute(&mut *self.sql).await?.rows_affected() == 1 {
            self.add_task(batch, node, kind).await?;
        }
        Ok(())
    }

    async fn add_task(&mut self, batch: BatchId, node: Span, kind: &str) -> Result<(), QueueError> {
        let lane = if kind == "seal" { "seal" } else { "prove" };
        let insert = "INSERT INTO tasks (kind, lane, batch, first, leaves, priority, turn, ready_ms)
            SELECT $1, $2, id, $3, $4, CASE WHEN state = 'open' THEN $5 ELSE $6 END, id, $7 FROM batches WHERE id = $8";
        let insert = sqlx::query(insert)
            .bind(kind)
            .bind(lane)
            .bind(column(node.first))
            .bind(column(node.leaves))
            .bind(PRIORITY_OPEN)
            .bind(PRIORITY_CLOSED)
            .bind(self.now_ms)
            .bind(batch.0);
        insert.execute(&mut *self.sql).await?;
        self.work = true;
        Ok(())
    }

    async fn add_seal(&mut self, batch: BatchId) -> Result<(), QueueError> {
        self.add_task(batch, Span { first: 0, leaves: 0 }, "seal").await
    }

    /// Has a job wrapped: one that is verified, or one whose leaf is gone.
    pub(super) async fn add_wrap(&mut self, job: JobId, batch: Option<BatchId>) -> Result<(), QueueError> {
        let insert = "INSERT INTO tasks (kind, lane, program, job, batch, priority, turn, ready_ms)
            SELECT 'wrap', 'prove', program, id, $1, CASE WHEN state = 'placed' THEN $2 ELSE priority END, turn, $3
            FROM jobs WHERE id = $4 ON CONFLICT DO NOTHING";
        let insert = sqlx::query(insert).bind(batch.map(|batch| batch.0)).bind(PRIORITY_CLOSED).bind(self.now_ms);
        insert.bind(job.0).execute(&mut *self.sql).await?;
        self.work = true;
        Ok(())
    }

    /// The blob that a node is in, if it is made.
    pub(super) async fn node(&mut self, batch: BatchId, node: Span) -> Result<Option<Hash>, QueueError> {
        let select = sqlx::query("SELECT blob FROM nodes WHERE batch = $1 AND first = $2 AND leaves = $3");
        let select = select.bind(batch.0).bind(column(node.first)).bind(column(node.leaves));
        let Some(row) = select.fetch_optional(&mut *self.sql).await? else { return Ok(None) };
        Ok(get::<Option<String>>(&row, "blob")?.map(|blob| blob.parse()).transpose()?)
    }

    pub(super) async fn set_node(&mut self, batch: BatchId, node: Span, blob: Option<&Hash>) -> Result<(), QueueError> {
        let update = sqlx::query("UPDATE nodes SET blob = $1 WHERE batch = $2 AND first = $3 AND leaves = $4");
        let update = update.bind(blob.map(Hash::to_string)).bind(batch.0);
        update.bind(column(node.first)).bind(column(node.leaves)).execute(&mut *self.sql).await?;
        Ok(())
    }

    pub(super) async fn remove_node(&mut self, batch: BatchId, node: Span) -> Result<(), QueueError> {
        let delete = sqlx::query("DELETE FROM nodes WHERE batch = $1 AND first = $2 AND leaves = $3").bind(batch.0);
        delete.bind(column(node.first)).bind(column(node.leaves)).execute(&mut *self.sql).await?;
        Ok(())
    }

    /// Has a node made again whose blob is gone.
    pub(super) async fn make_again(&mut self, batch: BatchId, node: Span) -> Result<(), QueueError> {
        self.set_node(batch, node, None).await?;
        if node.leaves > 1 {
            return self.add_task(batch, node, "fold").await;
        }
        let job = sqlx::query("SELECT id FROM jobs WHERE batch = $1 AND position = $2 ORDER BY id LIMIT 1");
        match job.bind(batch.0).bind(column(node.first)).fetch_optional(&mut *self.sql).await? {
            Some(row) => self.add_wrap(JobId(get(&row, "id")?), Some(batch)).await,
            None => self.add_task(batch, node, "null").await,
        }
    }

    /// Takes a batch back to the making of its root, whose blob is gone.
    pub(super) async fn reopen_root(&mut self, batch: BatchId) -> Result<(), QueueError> {
        let update = "UPDATE batches SET state = 'closed', root = NULL, folded_ms = NULL WHERE id = $1 RETURNING size";
        let row = sqlx::query(update).bind(batch.0).fetch_one(&mut *self.sql).await?;
        let root = span(0, get(&row, "size")?)?;
        self.make_again(batch, root).await
    }

    /// Where a job's leaf is.
    pub(super) async fn place_of(&mut self, job: JobId) -> Result<(BatchId, Span), QueueError> {
        let row = sqlx::query("SELECT batch, position FROM jobs WHERE id = $1").bind(job.0);
        let row = row.fetch_one(&mut *self.sql).await?;
        Ok((BatchId(get(&row, "batch")?), span(get(&row, "position")?, 1)?))
    }

    pub(super) async fn sealed(&mut self, batch: BatchId, seal: &Hash) -> Result<(), QueueError> {
        let update = sqlx::query("UPDATE batches SET state = 'sealed', seal = $1, sealed_ms = $2 WHERE id = $3");
        update.bind(seal.to_string()).bind(self.now_ms).bind(batch.0).execute(&mut *self.sql).await?;
        Ok(())
    }

    /// Gives a batch up that cannot be folded. Its jobs take places in the next one, in their order; those under the node that
    /// failed carry a strike, and are set aside when they have too many.
    pub(super) async fn dissolve(&mut self, batch: BatchId, blamed: Span, reason: &str) -> Result<(), QueueError> {
        let (state, _) = self.lock_batch(batch).await?;
        if !matches!(state, BatchState::Open | BatchState::Closed) {
            return Ok(());
        }
        let update = "UPDATE batches SET state = 'dissolved', reason = $1, finished_ms = $2 WHERE id = $3";
        sqlx::query(update).bind(reason).bind(self.now_ms).bind(batch.0).execute(&mut *self.sql).await?;
        sqlx::query("DELETE FROM tasks WHERE batch = $1").bind(batch.0).execute(&mut *self.sql).await?;
        let jobs = "SELECT jobs.id, jobs.position, jobs.strikes, nodes.blob FROM jobs JOIN nodes
                ON nodes.batch = jobs.batch AND nodes.first = jobs.position AND nodes.leaves = 1
            WHERE jobs.batch = $1 ORDER BY jobs.position, jobs.id";
        let jobs = sqlx::query(jobs).bind(batch.0).fetch_all(&mut *self.sql).await?;
        // First out of the old batch, all of them: the new one has its own places.
        sqlx::query("DELETE FROM nodes WHERE batch = $1").bind(batch.0).execute(&mut *self.sql).await?;
        for row in &jobs {
            let job = JobId(get(row, "id")?);
            let position: i64 = get(row, "position")?;
            let is_blamed = (column(blamed.first)..column(blamed.first + blamed.leaves)).contains(&position);
            let strikes = get::<i64>(row, "strikes")? + i64::from(is_blamed);
            if strikes >= self.options.retries.strikes_max {
                let reason = format!("{strikes} batches with it could not be folded: {reason}");
                self.end_job(job, JobState::Quarantined, Some(&reason)).await?;
                continue;
            }
            // It waits again, and counts as waiting, until it has a place again.
            let update =
                "UPDATE jobs SET state = 'verified', batch = NULL, position = NULL, strikes = $1 WHERE id = $2";
            sqlx::query(update).bind(strikes).bind(job.0).execute(&mut *self.sql).await?;
            let count = "UPDATE accounts SET jobs_queued = jobs_queued + 1
                WHERE name = (SELECT account FROM jobs WHERE id = $1)";
            sqlx::query(count).bind(job.0).execute(&mut *self.sql).await?;
            match get::<Option<String>>(row, "blob")? {
                Some(blob) => self.place(job, &blob.parse()?).await?,
                None => self.add_wrap(job, None).await?,
            }
        }
        Ok(())
    }
}
