//! Which programs are known.

use super::{Queue, QueueError, Tx, get, views::states};
use crate::ids::{Account, Hash};
use serde::{Deserialize, Serialize};
use sqlx::any::AnyRow;

states! {
    /// Whether proofs of a program can be wrapped.
    ProgramState: "the state of a program" {
        /// Its wrap circuit has not been built yet.
        New = "new",
        /// Its proofs are taken.
        Known = "known",
        /// Its proofs cannot be wrapped.
        Refused = "refused",
    }
}

/// How many programs there may be.
#[derive(Clone, Copy, Debug)]
pub struct ProgramsMax {
    /// Of everybody.
    pub all: i64,
    /// Of one account.
    pub account: i64,
}

/// A program.
#[derive(Clone, Debug, Serialize)]
pub struct ProgramRow {
    /// The digest of its file.
    pub digest: Hash,
    /// Who uploaded it first.
    pub account: String,
    /// Whether its proofs can be wrapped.
    pub state: ProgramState,
    /// The digest of the key under which its proofs enter the tree.
    pub program_id: Option<Hash>,
    /// Why it is refused.
    pub reason: Option<String>,
}

impl Queue {
    /// Adds a program, whose file is in a blob, and has its wrap circuit built. One that is there stays as it is, unless it was
    /// refused: then it is tried again.
    ///
    /// # Errors
    /// When there are too many, or the database fails.
    pub async fn add_program(
        &self,
        account: &Account,
        digest: &Hash,
        file: &Hash,
        most: ProgramsMax,
    ) -> Result<ProgramRow, QueueError> {
        transact!(self, tx => {
            let old = tx.program(digest).await?;
            if let Some(old) = old.filter(|old| old.state != ProgramState::Refused) {
                return Ok(old);
            }
            let count = "SELECT COUNT(*) AS programs, COUNT(CASE WHEN account = $1 THEN 1 END) AS own FROM programs
                WHERE file IS NOT NULL AND digest <> $2";
            let count = sqlx::query(count).bind(account.as_str()).bind(digest.to_string());
            let count = count.fetch_one(&mut *tx.sql).await?;
            let numbers = [(get::<i64>(&count, "programs")?, most.all), (get(&count, "own")?, most.account)];
            if let Some((got, most)) = numbers.into_iter().find(|(got, most)| got >= most) {
                let got = format!("full: {got} of at most {most}");
                return Err(QueueError::State { what: "list of programs", expected: "not full", got });
            }
            tx.keep_blob(file).await?;
            let insert = "INSERT INTO programs (digest, file, account, state, created_ms) VALUES ($1, $2, $3, 'new', $4)
                ON CONFLICT (digest) DO UPDATE SET state = 'new', reason = NULL, file = excluded.file RETURNING digest";
            let insert = sqlx::query(insert).bind(digest.to_string()).bind(file.to_string()).bind(account.as_str());
            insert.bind(tx.now_ms).execute(&mut *tx.sql).await?;
            let insert = "INSERT INTO tasks (kind, lane, program, priority, turn, ready_ms)
                VALUES ('register', 'prove', $1, 0, 0, $2)";
            sqlx::query(insert).bind(digest.to_string()).bind(tx.now_ms).execute(&mut *tx.sql).await?;
            tx.work = true;
            tx.program(digest).await?.ok_or_else(|| unknown(digest))
        })
    }

    /// A program.
    ///
    /// # Errors
    /// When there is none, or the database does not answer.
    pub async fn program(&self, digest: &Hash) -> Result<ProgramRow, QueueError> {
        transact!(self, tx => tx.program(digest).await?.ok_or_else(|| unknown(digest)))
    }

    /// All programs that have a file, oldest first.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn programs(&self) -> Result<Vec<ProgramRow>, QueueError> {
        transact!(self, tx => {
            let rows = sqlx::query("SELECT * FROM programs WHERE file IS NOT NULL ORDER BY created_ms, digest");
            rows.fetch_all(&mut *tx.sql).await?.iter().map(read).collect()
        })
    }
}

fn unknown(digest: &Hash) -> QueueError {
    QueueError::Unknown { what: "program", got: digest.to_string() }
}

fn read(row: &AnyRow) -> Result<ProgramRow, QueueError> {
    Ok(ProgramRow {
        digest: get::<String>(row, "digest")?.parse()?,
        account: get(row, "account")?,
        state: ProgramState::read(&get::<String>(row, "state")?)?,
        program_id: get::<Option<String>>(row, "program_id")?.map(|id| id.parse()).transpose()?,
        reason: get(row, "reason")?,
    })
}

impl Tx {
    async fn program(&mut self, digest: &Hash) -> Result<Option<ProgramRow>, QueueError> {
        let row = sqlx::query("SELECT * FROM programs WHERE digest = $1").bind(digest.to_string());
        row.fetch_optional(&mut *self.sql).await?.as_ref().map(read).transpose()
    }

    pub(super) async fn program_state(&mut self, digest: &Hash) -> Result<Option<ProgramState>, QueueError> {
        Ok(self.program(digest).await?.map(|program| program.state))
    }

    /// Says what became of a program.
    pub(super) async fn judge_program(&mut self, digest: &str, outcome: Result<&Hash, &str>) -> Result<(), QueueError> {
        let state = if outcome.is_ok() { ProgramState::Known } else { ProgramState::Refused };
        let update = sqlx::query("UPDATE programs SET state = $1, program_id = $2, reason = $3 WHERE digest = $4");
        let update =
            update.bind(state.as_str()).bind(outcome.ok().map(Hash::to_string)).bind(outcome.err()).bind(digest);
        update.execute(&mut *self.sql).await?;
        Ok(())
    }
}
