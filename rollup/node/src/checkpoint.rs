//! What a node has on the disk, so that it goes on where it was stopped, however it was stopped.
//!
//! ```text
//! lock             held while a node runs
//! checkpoint       one line with a SHA-256 and the format's number, then JSON; replaced whole
//! proof-N          the proof of statement N, until the L1 has it
//! l1.json          what was signed for the L1, until its block is final ([`sinter_settlement::advances`])
//! ```
//!
//! A proof is on the disk before the checkpoint that names it, and the checkpoint before anybody is told: a crash loses work and
//! nothing else. What was followed and not yet proved is not kept: the committee's members have it.

use alloy::primitives::B256;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use sha2::{Digest as _, Sha256};
use sinter_primitives::{Accumulator, Namespace, Transition, inbox::Withdrawal};
use sinter_rollup::{State, follow::Place, to_words};
use std::{
    collections::VecDeque,
    fs::{self, File, TryLockError},
    io::{self, Write},
    path::{Path, PathBuf},
};
use thiserror::Error;

/// The format, and its number.
const MAGIC: &str = "sinter-rollup-checkpoint-1";
/// Statements that are remembered after they are settled.
const HISTORY_MAX: usize = 256;

/// Why what is on the disk cannot be used.
#[derive(Debug, Error)]
pub enum CheckpointError {
    /// The file system says no.
    #[error("{path}: {source}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Another node has the folder.
    #[error("{path}: another node is running here")]
    Locked {
        /// The lock's file.
        path: PathBuf,
    },
    /// It is not what was written.
    #[error("{path}: expected {expected}, got {got}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What was written.
        expected: &'static str,
        /// What there is.
        got: String,
    },
    /// It is of another rollup, or of another contract.
    #[error("{path}: expected a checkpoint of domain {expected}, got one of {got}")]
    Domain {
        /// The file.
        path: PathBuf,
        /// The rollup's domain.
        expected: B256,
        /// The checkpoint's.
        got: B256,
    },
}

/// A statement that is made, and what became of it. Times are in milliseconds since 1970.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// The rollup's lane.
    pub namespace: Namespace,
    /// Its number, from 0.
    pub number: u64,
    /// The height of the block in which it begins.
    pub from_height: u64,
    /// The elements of that block that were consumed before.
    pub from_offset: u64,
    /// What it claims.
    pub transition: Transition,
    /// Transactions in the blocks that it touches: those that it consumed, and the rest of a block that it ends in.
    pub transactions: u64,
    /// What running the rules took.
    pub executing_ms: u64,
    /// What proving took.
    pub proving_ms: u64,
    /// When it was proved.
    pub proved_ms: u64,
    /// The aggregator's number for it.
    pub job: Option<i64>,
    /// The aggregator's batch that holds it, once the hub has that.
    pub batch: Option<i64>,
    /// When the rollup's contract had it for good.
    pub settled_ms: Option<u64>,
}

/// A statement that the L1 does not have for good.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pending {
    /// What it is.
    pub record: Record,
    /// Ether that leaves the rollup by it.
    pub withdrawals: Vec<Withdrawal>,
}

/// Withdrawals that are due: those of one statement.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Due {
    /// The contract's number for them.
    pub batch: u64,
    /// All of them.
    pub withdrawals: Vec<Withdrawal>,
    /// The next one to be paid.
    pub next: usize,
}

/// All that a node has to remember.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Checkpoint<A> {
    /// Where the last statement ended.
    pub state: State,
    /// The accumulator before the block in which it ended, if it ended inside one.
    pub previous: Option<Accumulator>,
    /// The rollup's own state there.
    pub application: A,
    /// Statements made so far.
    pub statements: u64,
    /// Those that the L1 does not have for good, oldest first.
    pub pending: VecDeque<Pending>,
    /// Statements with withdrawals that the L1 has.
    pub batches: u64,
    /// Withdrawals that are not paid.
    pub due: VecDeque<Due>,
    /// The last statements that the L1 has.
    pub history: VecDeque<Record>,
}

impl<A> Checkpoint<A> {
    /// That of a rollup that begins.
    pub const fn genesis(state: State, application: A) -> Self {
        Self {
            state,
            previous: None,
            application,
            statements: 0,
            pending: VecDeque::new(),
            batches: 0,
            due: VecDeque::new(),
            history: VecDeque::new(),
        }
    }

    /// Where to follow the lane from: the block in which the state stands if it is unfinished, otherwise the next one.
    #[must_use]
    pub fn place(&self) -> Place {
        match self.previous {
            Some(accumulator) => Place { next_height: self.state.height, accumulator },
            None => {
                let accumulator = Accumulator(to_words(&self.state.accumulator));
                Place { next_height: self.state.height + 1, accumulator }
            }
        }
    }

    /// The oldest statement is on the L1 for good.
    pub fn settled(&mut self, now_ms: u64) -> Option<Record> {
        let Pending { mut record, withdrawals } = self.pending.pop_front()?;
        record.settled_ms = Some(now_ms);
        if !withdrawals.is_empty() {
            self.due.push_back(Due { batch: self.batches, withdrawals, next: 0 });
            self.batches += 1;
        }
        if self.history.len() >= HISTORY_MAX {
            self.history.pop_front();
        }
        self.history.push_back(record.clone());
        Some(record)
    }
}

/// A node's folder, which no other node uses meanwhile.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    // Unlocked when it is closed, however the process ends.
    _lock: File,
}

impl Folder {
    /// Opens a folder, making it where there is none.
    ///
    /// # Errors
    /// [`CheckpointError::Io`], [`CheckpointError::Locked`].
    pub fn open(path: &Path) -> Result<Self, CheckpointError> {
        let at = |path: &Path| {
            let path = path.to_path_buf();
            move |source| CheckpointError::Io { path, source }
        };
        fs::create_dir_all(path).map_err(at(path))?;
        let lock_path = path.join("lock");
        let lock = File::create(&lock_path).map_err(at(&lock_path))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path: path.to_path_buf(), _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(CheckpointError::Locked { path: lock_path }),
            Err(TryLockError::Error(source)) => Err(at(&lock_path)(source)),
        }
    }

    /// The checkpoint, if there is one; proofs that it does not name are removed.
    ///
    /// # Errors
    /// [`CheckpointError`].
    pub fn read<A: DeserializeOwned>(&self) -> Result<Option<Checkpoint<A>>, CheckpointError> {
        let path = self.path.join("checkpoint");
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(CheckpointError::Io { path, source }),
        };
        let damaged = |expected, got| CheckpointError::Damaged { path: path.clone(), expected, got };
        let line_end = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len());
        let (line, rest) = bytes.split_at(line_end);
        let rest = rest.get(1..).unwrap_or_default();
        let (line, expected) = (String::from_utf8_lossy(line), head(rest));
        if line != expected {
            let got: String = line.chars().take(120).collect();
            return Err(damaged("a checkpoint of this format, whole", format!("`{got}` before {} bytes", rest.len())));
        }
        let checkpoint: Checkpoint<A> =
            serde_json::from_slice(rest).map_err(|error| damaged("a checkpoint of this rollup", error.to_string()))?;
        self.remove_proofs(|number| checkpoint.pending.iter().any(|pending| pending.record.number == number))?;
        Ok(Some(checkpoint))
    }

    /// Replaces the checkpoint; it is on the disk when this returns.
    ///
    /// # Errors
    /// [`CheckpointError::Io`]: the old one is still there.
    pub fn write<A: Serialize>(&self, checkpoint: &Checkpoint<A>) -> Result<(), CheckpointError> {
        let json = serde_json::to_vec(checkpoint);
        let json = json.map_err(|error| self.io("checkpoint")(io::Error::other(error)))?;
        self.replace("checkpoint", &[head(&json).as_bytes(), b"\n", &json])
    }

    /// Writes a statement's proof; it is on the disk when this returns.
    ///
    /// # Errors
    /// [`CheckpointError::Io`].
    pub fn write_proof(&self, number: u64, proof: &[u8]) -> Result<(), CheckpointError> {
        self.replace(&proof_name(number), &[proof])
    }

    /// A statement's proof.
    ///
    /// # Errors
    /// [`CheckpointError::Io`].
    pub fn proof(&self, number: u64) -> Result<Vec<u8>, CheckpointError> {
        let name = proof_name(number);
        fs::read(self.path.join(&name)).map_err(self.io(&name))
    }

    /// Removes the proofs of statements before one.
    ///
    /// # Errors
    /// [`CheckpointError::Io`].
    pub fn remove_proofs_below(&self, number: u64) -> Result<(), CheckpointError> {
        self.remove_proofs(|it| it >= number)
    }

    fn remove_proofs(&self, is_needed: impl Fn(u64) -> bool) -> Result<(), CheckpointError> {
        for entry in fs::read_dir(&self.path).map_err(self.io(""))? {
            let name = entry.map_err(self.io(""))?.file_name();
            let number = name.to_str().and_then(|name| name.strip_prefix("proof-")?.parse().ok());
            if let Some(number) = number.filter(|number| !is_needed(*number)) {
                let name = proof_name(number);
                fs::remove_file(self.path.join(&name)).map_err(self.io(&name))?;
            }
        }
        Ok(())
    }

    fn replace(&self, name: &str, parts: &[&[u8]]) -> Result<(), CheckpointError> {
        let unfinished = self.path.join(format!("{name}.new"));
        let write = || {
            let mut file = File::create(&unfinished)?;
            parts.iter().try_for_each(|part| file.write_all(part))?;
            file.sync_all()?;
            fs::rename(&unfinished, self.path.join(name))?;
            // The name, too.
            File::open(&self.path)?.sync_all()
        };
        write().map_err(self.io(name))
    }

    fn io(&self, name: &str) -> impl Fn(io::Error) -> CheckpointError {
        let path = self.path.join(name);
        move |source| CheckpointError::Io { path: path.clone(), source }
    }
}

fn proof_name(number: u64) -> String {
    format!("proof-{number}")
}

fn head(json: &[u8]) -> String {
    format!("{MAGIC} {}", hex::encode(Sha256::digest(json)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use sinter_primitives::inbox::Domain;

    fn genesis() -> Checkpoint<u32> {
        let domain = Domain { l1_chain_id: 1, settlement: [2; 20], chain_id: 3, namespace: Namespace(4) };
        Checkpoint::genesis(State::genesis(&domain, Default::default()), 5)
    }

    #[test]
    fn a_checkpoint_is_read_back_as_it_was_written() {
        let parent = tempfile::tempdir().unwrap();
        let folder = Folder::open(parent.path()).unwrap();
        assert!(folder.read::<u32>().unwrap().is_none());
        folder.write(&genesis()).unwrap();
        let read = folder.read::<u32>().unwrap().unwrap();
        assert_eq!((read.application, read.state, read.statements), (5, genesis().state, 0));
    }

    #[test]
    fn a_second_node_is_refused() {
        let parent = tempfile::tempdir().unwrap();
        let first = Folder::open(parent.path()).unwrap();
        let refused = Folder::open(parent.path()).unwrap_err().to_string();
        assert!(refused.ends_with("lock: another node is running here"), "{refused}");
        drop(first);
        Folder::open(parent.path()).unwrap();
    }

    #[test]
    fn a_checkpoint_that_is_torn_or_altered_is_refused_at_every_byte() {
        let parent = tempfile::tempdir().unwrap();
        let folder = Folder::open(parent.path()).unwrap();
        folder.write(&genesis()).unwrap();
        let file = parent.path().join("checkpoint");
        let whole = fs::read(&file).unwrap();
        for length in 0..whole.len() {
            fs::write(&file, &whole[..length]).unwrap();
            assert!(matches!(folder.read::<u32>(), Err(CheckpointError::Damaged { .. })), "{length} bytes");
        }
        for at in 0..whole.len() {
            let mut altered = whole.clone();
            altered[at] ^= 1;
            fs::write(&file, &altered).unwrap();
            assert!(matches!(folder.read::<u32>(), Err(CheckpointError::Damaged { .. })), "byte {at}");
        }
    }

    #[test]
    fn proofs_that_no_checkpoint_names_are_removed() {
        let parent = tempfile::tempdir().unwrap();
        let folder = Folder::open(parent.path()).unwrap();
        folder.write(&genesis()).unwrap();
        folder.write_proof(7, b"proof").unwrap();
        assert_eq!(folder.proof(7).unwrap(), b"proof");
        folder.read::<u32>().unwrap();
        assert!(folder.proof(7).unwrap_err().to_string().contains("proof-7"));
    }
}
