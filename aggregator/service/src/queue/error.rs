//! What the queue refuses, and what makes it fail.

use crate::{
    admission::Refusal,
    ids::{Hash, NameError, TaskId},
};
use thiserror::Error;

/// Why the queue did not do what it was asked. Nothing of it was done, unless it broke off or
/// was silent at the very end: that may be asked again.
#[derive(Debug, Error)]
pub enum QueueError {
    /// The address is of no engine that is known.
    #[error("expected a queue at sqlite:… or postgres:…, got `{got}`")]
    Engine {
        /// The start of the address.
        got: String,
    },
    /// The database fails, or cannot be reached.
    #[error("queue: {0}")]
    Database(#[from] sqlx::Error),
    /// The database says nothing: the network between is cut, or it is overwhelmed. Unlike with other failures, what was asked
    /// may have been done.
    #[error("expected the queue's database to answer within {within_ms} ms, got silence")]
    Silent {
        /// How long it was waited for.
        within_ms: u64,
    },
    /// The tables cannot be made, or are of a later version.
    #[error("the queue's tables: {0}")]
    Migrate(#[from] sqlx::migrate::MigrateError),
    /// The worker does not have the task any more. What it did is not needed.
    #[error("expected the lease of task {task} to hold, got one that ended")]
    Fenced {
        /// The task.
        task: TaskId,
    },
    /// There is no such row.
    #[error("expected a {what} that is here, got {got}")]
    Unknown {
        /// What it should be.
        what: &'static str,
        /// Which was asked for.
        got: String,
    },
    /// The state does not allow it any more.
    #[error("expected a {what} that is {expected}, got one that is {got}")]
    State {
        /// Of what.
        what: &'static str,
        /// What it had to be.
        expected: &'static str,
        /// What it is.
        got: String,
    },
    /// The blob is being collected: write it again.
    #[error("expected blob {blob} to stay, got one that is being deleted")]
    Doomed {
        /// The blob.
        blob: Hash,
    },
    /// The job was not admitted.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// A row holds what nothing here writes.
    #[error("expected {expected} in the queue, got `{got}`")]
    Corrupt {
        /// What should be there.
        expected: &'static str,
        /// What is.
        got: String,
    },
}

impl From<NameError> for QueueError {
    fn from(error: NameError) -> Self {
        Self::Corrupt { expected: "a name", got: error.to_string() }
    }
}

impl QueueError {
    /// Whether the same transaction may succeed if it is simply run again: two of them stood in each other's way.
    pub(super) fn is_conflict(&self) -> bool {
        let Self::Database(error) = self else { return false };
        // PostgreSQL: serialization_failure, deadlock_detected. SQLite: SQLITE_BUSY, SQLITE_BUSY_SNAPSHOT.
        let code = error.as_database_error().and_then(|error| error.code());
        code.is_some_and(|code| ["40001", "40P01", "5", "517"].contains(&code.as_ref()))
    }

    /// Whether the database has no space left: there is nothing wrong that space would not cure.
    #[must_use]
    pub fn is_full(&self) -> bool {
        let Self::Database(error) = self else { return false };
        // SQLite: SQLITE_FULL. PostgreSQL: disk_full.
        let code = error.as_database_error().and_then(|error| error.code());
        code.is_some_and(|code| ["13", "53100"].contains(&code.as_ref()))
    }

    /// Whether the database cannot be had at the moment: the same may succeed later.
    #[must_use]
    pub fn is_unavailable(&self) -> bool {
        matches!(self, Self::Database(_) | Self::Silent { .. })
    }
}
