//! What has to happen though nobody asks for it: leases that ended, rows that nobody needs, blobs that nobody names.
//!
//! A blob is written before the row that names it, so one that no row names may be about to be named. It is collected in two
//! steps that lie apart: first it is noted as garbage; when it still is after a while, it is **doomed**, and deleted. A
//! transaction that comes to name a blob takes it off the list; if it is doomed already, the transaction is refused, and
//! whoever wanted it writes the blob again once it is gone. So no row ever names a blob that is being deleted.

use super::{Lock, Queue, QueueError, Tx, get, tasks::Task};
use crate::ids::Hash;

/// Rows that one transaction of the upkeep looks at.
const ROWS_MAX: i64 = 100;

/// How many tables name the blob `$1`.
const NAMED: &str = "SELECT (SELECT COUNT(*) FROM (SELECT 1 FROM jobs WHERE proof = $1 LIMIT 1) AS a)
    + (SELECT COUNT(*) FROM (SELECT 1 FROM nodes WHERE blob = $1 LIMIT 1) AS b)
    + (SELECT COUNT(*) FROM (SELECT 1 FROM batches WHERE seal = $1 LIMIT 1) AS c)
    + (SELECT COUNT(*) FROM (SELECT 1 FROM programs WHERE file = $1 LIMIT 1) AS d) AS names";

/// What [`Queue::expire`] found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Expired {
    /// Leases that ended without a result.
    pub leases: u64,
}

impl Queue {
    /// Takes tasks back from workers that were not heard of for a lease.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn expire(&self) -> Result<Expired, QueueError> {
        transact!(self, tx => {
            let high = sqlx::query("UPDATE clock SET high_ms = $1 WHERE id = 1 AND high_ms < $1").bind(tx.now_ms);
            high.execute(&mut *tx.sql).await?;
            let select = format!(
                "SELECT {} FROM tasks WHERE lease_until_ms IS NOT NULL AND lease_until_ms < $1 ORDER BY id LIMIT $2",
                Task::COLUMNS
            );
            let select = sqlx::query(tx.locking(&select, Lock::Skip)).bind(tx.now_ms).bind(ROWS_MAX);
            let rows = select.fetch_all(&mut *tx.sql).await?;
            for row in &rows {
                let task = Task::read(row)?;
                // One that was given up before it may have taken this one with it, as the tasks of a batch that dissolves.
                let held = sqlx::query("SELECT id FROM tasks WHERE id = $1").bind(task.id.0);
                if held.fetch_optional(&mut *tx.sql).await?.is_some() {
                    tx.died(&task).await?;
                }
            }
            Ok(Expired { leases: rows.len() as u64 })
        })
    }

    /// Forgets jobs and batches that ended before a time of the queue's clock: settled, dissolved, refused, cancelled. Returns
    /// how many jobs.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn prune(&self, before_ms: i64) -> Result<u64, QueueError> {
        transact!(self, tx => {
            let ended = "SELECT id FROM batches WHERE finished_ms < $1 ORDER BY id LIMIT $2";
            let ended = sqlx::query(ended).bind(before_ms).bind(ROWS_MAX).fetch_all(&mut *tx.sql).await?;
            let mut jobs = 0;
            for row in ended {
                let batch: i64 = get(&row, "id")?;
                for table in ["DELETE FROM nodes WHERE batch = $1", "DELETE FROM tasks WHERE batch = $1"] {
                    sqlx::query(table).bind(batch).execute(&mut *tx.sql).await?;
                }
                let delete = sqlx::query("DELETE FROM jobs WHERE batch = $1").bind(batch);
                jobs += delete.execute(&mut *tx.sql).await?.rows_affected();
                sqlx::query("DELETE FROM batches WHERE id = $1").bind(batch).execute(&mut *tx.sql).await?;
            }
            let delete = "DELETE FROM jobs WHERE id IN (SELECT id FROM jobs WHERE finished_ms IS NOT NULL
                AND finished_ms < $1 AND batch IS NULL ORDER BY finished_ms LIMIT $2)";
            let delete = sqlx::query(delete).bind(before_ms).bind(ROWS_MAX);
            Ok(jobs + delete.execute(&mut *tx.sql).await?.rows_affected())
        })
    }

    /// Notes a blob that is in the store, if no row names it. Whether it is to be deleted: it was noted `after_ms` ago, and is
    /// still not named. From then on no row can come to name it, until [`Queue::collected`].
    ///
    /// # Errors
    /// When the database fails.
    pub async fn is_garbage(&self, blob: &Hash, after_ms: i64) -> Result<bool, QueueError> {
        transact!(self, tx => {
            let named = tx.is_named(blob).await?;
            if named {
                let delete = sqlx::query("DELETE FROM garbage WHERE blob = $1 AND doomed = 0").bind(blob.to_string());
                delete.execute(&mut *tx.sql).await?;
                return Ok(false);
            }
            let insert = "INSERT INTO garbage (blob, found_ms) VALUES ($1, $2) ON CONFLICT DO NOTHING";
            sqlx::query(insert).bind(blob.to_string()).bind(tx.now_ms).execute(&mut *tx.sql).await?;
            let doom = "UPDATE garbage SET doomed = 1 WHERE blob = $1 AND (doomed = 1 OR found_ms <= $2)";
            let doom = sqlx::query(doom).bind(blob.to_string()).bind(tx.now_ms.saturating_sub(after_ms));
            if doom.execute(&mut *tx.sql).await?.rows_affected() == 0 {
                return Ok(false);
            }
            // Whoever named it before this transaction had its row has committed by now; nobody can after.
            if tx.is_named(blob).await? {
                let delete = sqlx::query("DELETE FROM garbage WHERE blob = $1").bind(blob.to_string());
                delete.execute(&mut *tx.sql).await?;
                return Ok(false);
            }
            Ok(true)
        })
    }

    /// Says that a blob is deleted: it may be written and named again.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn collected(&self, blob: &Hash) -> Result<(), QueueError> {
        transact!(self, tx => {
            let delete = sqlx::query("DELETE FROM garbage WHERE blob = $1").bind(blob.to_string());
            delete.execute(&mut *tx.sql).await?;
            Ok(())
        })
    }
}

impl Tx {
    async fn is_named(&mut self, blob: &Hash) -> Result<bool, QueueError> {
        let row = sqlx::query(NAMED).bind(blob.to_string()).fetch_one(&mut *self.sql).await?;
        Ok(get::<i64>(&row, "names")? > 0)
    }

    /// Called by every transaction that names a blob: it stays.
    pub(super) async fn keep_blob(&mut self, blob: &Hash) -> Result<(), QueueError> {
        let insert = "INSERT INTO garbage (blob, found_ms) VALUES ($1, $2) ON CONFLICT DO NOTHING";
        sqlx::query(insert).bind(blob.to_string()).bind(self.now_ms).execute(&mut *self.sql).await?;
        // This row is now locked, or was there and is: a collector that has it goes first, one that comes later waits.
        let delete = sqlx::query("DELETE FROM garbage WHERE blob = $1 AND doomed = 0").bind(blob.to_string());
        let kept = delete.execute(&mut *self.sql).await?.rows_affected() == 1;
        if kept { Ok(()) } else { Err(QueueError::Doomed { blob: *blob }) }
    }
}
