//! What the relayer must not forget: every transaction that it signed and that the L1 could still include
//! or take back. Written before a transaction is first sent, atomically and to the disk.

use super::RelayerError;
use alloy::primitives::{Address, B256, Bytes};
use serde::{Deserialize, Serialize};
use std::{
    collections::VecDeque,
    fs::{self, File, OpenOptions, TryLockError},
    io::Write,
    ops::RangeBounds,
    path::{Path, PathBuf},
};

/// The journal's format.
const VERSION: u32 = 1;

/// What the relayer works for: a journal belongs to one contract and one account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// The L1's EIP-155 chain id.
    pub l1_chain_id: u64,
    /// The `FinalityLightClient`.
    pub contract: Address,
    /// Who signs and pays.
    pub sender: Address,
}

/// One signing of a post. Later attempts pay more; the L1 includes at most one, since they share a nonce.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Attempt {
    pub(super) hash: B256,
    pub(super) raw: Bytes,
    pub(super) fee_wei: u128,
    pub(super) tip_wei: u128,
    pub(super) signed_at_ms: u64,
}

/// Where a post was included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Inclusion {
    pub(super) hash: B256,
    pub(super) block: u64,
}

/// A header on its way to the contract.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Post {
    pub(super) nonce: u64,
    pub(super) height: u64,
    pub(super) gas_limit: u64,
    pub(super) call: Bytes,
    /// At least one; the last pays most.
    pub(super) attempts: Vec<Attempt>,
    /// `None` while it waits, and again after a reorganization.
    pub(super) included: Option<Inclusion>,
    /// Rounds in a row in which its nonce was used and no receipt was found.
    #[serde(default)]
    pub(super) unseen_rounds: u32,
}

/// A header that was signed for and is in no transaction any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Lost {
    pub(super) height: u64,
    pub(super) call: Bytes,
}

/// The journal's content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Entries {
    version: u32,
    #[serde(flatten)]
    identity: Identity,
    /// When the last post was first signed, in milliseconds since the Unix epoch.
    pub(super) last_post_ms: u64,
    /// Ascending nonces; only the last may wait, unless the L1 took blocks back.
    pub(super) posts: VecDeque<Post>,
    /// To be posted at once, unless something newer is.
    pub(super) lost: Option<Lost>,
}

/// The journal on disk, locked against a second relayer.
#[derive(Debug)]
pub(super) struct Journal {
    path: PathBuf,
    _lock: File,
    pub(super) entries: Entries,
}

impl Journal {
    /// Opens or starts the journal at `path`.
    pub(super) fn open(path: &Path, identity: Identity) -> Result<Self, RelayerError> {
        let failed = |source| RelayerError::Io { path: path.to_owned(), source };
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(failed)?;
        }
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(path.with_extension("lock"))
            .map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(RelayerError::Locked { path: path.to_owned() }),
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
        let fresh = Entries { version: VERSION, identity, last_post_ms: 0, posts: VecDeque::new(), lost: None };
        let entries = match fs::read(path) {
            Ok(bytes) => {
                let entries: Entries = serde_json::from_slice(&bytes)
                    .map_err(|error| RelayerError::Journal { path: path.to_owned(), reason: error.to_string() })?;
                entries.check(&fresh).map_err(|reason| RelayerError::Journal { path: path.to_owned(), reason })?;
                entries
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => fresh,
            Err(source) => return Err(failed(source)),
        };
        Ok(Self { path: path.to_owned(), _lock: lock, entries })
    }

    /// Makes the entries durable: when this returns, they survive a crash and a power cut.
    pub(super) fn save(&self) -> Result<(), RelayerError> {
        let failed = |source| RelayerError::Io { path: self.path.clone(), source };
        let bytes = serde_json::to_vec_pretty(&self.entries)
            .map_err(|error| RelayerError::Journal { path: self.path.clone(), reason: error.to_string() })?;
        let temporary = self.path.with_extension("tmp");
        let mut file = File::create(&temporary).map_err(failed)?;
        file.write_all(&bytes).and_then(|()| file.sync_all()).map_err(failed)?;
        fs::rename(&temporary, &self.path).map_err(failed)?;
        // The rename is durable once its folder is.
        let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed)
    }
}

impl Entries {
    /// Gives the posts at these positions up, and remembers the highest of their headers.
    pub(super) fn give_up(&mut self, positions: impl RangeBounds<usize>) {
        for post in self.posts.drain(positions) {
            if self.lost.as_ref().is_none_or(|lost| lost.height < post.height) {
                self.lost = Some(Lost { height: post.height, call: post.call });
            }
        }
    }

    fn check(&self, fresh: &Self) -> Result<(), String> {
        if self.version != fresh.version {
            return Err(format!("expected version {}, got {}", fresh.version, self.version));
        }
        if self.identity != fresh.identity {
            return Err(format!("expected the journal of {:?}, got that of {:?}", fresh.identity, self.identity));
        }
        if self.posts.iter().any(|post| post.attempts.is_empty()) {
            return Err("expected an attempt at every post, got a post without".into());
        }
        if !self.posts.iter().is_sorted_by(|a, b| a.nonce < b.nonce) {
            return Err("expected ascending nonces".into());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity() -> Identity {
        Identity { l1_chain_id: 1, contract: Address::repeat_byte(1), sender: Address::repeat_byte(2) }
    }

    fn post(nonce: u64) -> Post {
        let attempt = Attempt {
            hash: B256::ZERO,
            raw: Bytes::from_static(b"raw"),
            fee_wei: u128::MAX,
            tip_wei: 1,
            signed_at_ms: 5,
        };
        Post {
            nonce,
            height: 9,
            gas_limit: 7,
            call: Bytes::new(),
            attempts: vec![attempt],
            included: None,
            unseen_rounds: 0,
        }
    }

    #[test]
    fn what_was_saved_is_there_again() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("deeper/relayer.json");
        let mut journal = Journal::open(&path, identity()).expect("a new journal");
        journal.entries.posts.push_back(post(3));
        journal.save().expect("room on the disk");
        let entries = journal.entries.clone();
        drop(journal);
        assert_eq!(Journal::open(&path, identity()).expect("the same journal").entries, entries);
    }

    #[test]
    fn a_journal_serves_one_relayer_of_one_contract() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("relayer.json");
        let journal = Journal::open(&path, identity()).expect("a new journal");
        journal.save().expect("room on the disk");
        assert!(matches!(Journal::open(&path, identity()), Err(RelayerError::Locked { .. })));
        drop(journal);
        let other = Identity { l1_chain_id: 2, ..identity() };
        assert!(matches!(Journal::open(&path, other), Err(RelayerError::Journal { .. })));
    }

    #[test]
    fn a_damaged_journal_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("relayer.json");
        let mut journal = Journal::open(&path, identity()).expect("a new journal");
        journal.entries.posts.extend([post(4), post(3)]);
        journal.save().expect("room on the disk");
        drop(journal);
        assert!(matches!(Journal::open(&path, identity()), Err(RelayerError::Journal { .. })));
        fs::write(&path, b"{").expect("room on the disk");
        assert!(matches!(Journal::open(&path, identity()), Err(RelayerError::Journal { .. })));
    }
}
