//! What a submitter must not forget: every transaction that it signed and that the L1 could still include
//! or take back. Written before a transaction is first sent, atomically and to the disk.

use super::SubmitError;
use alloy::primitives::{Address, B256, Bytes};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::{
    collections::VecDeque,
    fmt::{Debug, Display},
    fs::{self, File, OpenOptions, TryLockError},
    io::Write,
    ops::RangeBounds,
    path::{Path, PathBuf},
};

/// The journal's format.
const VERSION: u32 = 1;

/// What a submitter works for: a journal belongs to one contract and one account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// The L1's EIP-155 chain id.
    pub l1_chain_id: u64,
    /// The contract that is called.
    pub contract: Address,
    /// Who signs and pays.
    pub sender: Address,
}

/// What a post is for, as the journal writes it.
pub(crate) trait Subject: Clone + Debug + Display + PartialEq + Serialize + DeserializeOwned {
    /// What is remembered of posts that were given up.
    type Lost: Clone + Debug + Default + PartialEq + Serialize + DeserializeOwned;

    /// Remembers a post that was given up.
    fn lose(self, call: Bytes, lost: &mut Self::Lost);

    /// Forgets what this post makes good.
    fn make_good(&self, lost: &mut Self::Lost);
}

/// One signing of a post. Later attempts pay more; the L1 includes at most one, since they share a nonce.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Attempt {
    pub(crate) hash: B256,
    /// The signed bytes; none once there is a later attempt, since only the last is ever sent again.
    pub(super) raw: Bytes,
    pub(crate) fee_wei: u128,
    pub(super) tip_wei: u128,
    pub(crate) signed_at_ms: u64,
    /// Does nothing but use the nonce up: the post had become needless.
    #[serde(default)]
    pub(crate) cancels: bool,
}

/// Where a post was included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Inclusion {
    pub(crate) hash: B256,
    pub(crate) block: u64,
    #[serde(default)]
    pub(crate) gas_used: u64,
    /// What was paid per gas.
    #[serde(default)]
    pub(crate) gas_price_wei: u128,
    #[serde(default)]
    pub(crate) reverted: bool,
}

/// A call on its way to the contract.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(bound = "S: Subject")]
pub(crate) struct Post<S> {
    pub(crate) nonce: u64,
    #[serde(flatten)]
    pub(crate) subject: S,
    pub(super) gas_limit: u64,
    pub(crate) call: Bytes,
    /// At least one; the last pays most.
    pub(crate) attempts: Vec<Attempt>,
    /// `None` while it waits, and again after a reorganization.
    pub(crate) included: Option<Inclusion>,
    /// Rounds in a row in which its nonce was used and no receipt was found.
    #[serde(default)]
    pub(super) unseen_rounds: u32,
}

impl<S> Post<S> {
    /// The attempt that pays most. A journal with a post without one is refused.
    pub(crate) fn last_attempt(&self) -> &Attempt {
        &self.attempts[self.attempts.len() - 1]
    }

    /// Where the call was included and succeeded.
    pub(crate) fn delivered(&self) -> Option<&Inclusion> {
        self.included.as_ref().filter(|included| !included.reverted && !self.cancelled_by(&included.hash))
    }

    /// Whether the transaction of this hash does nothing but use the nonce up.
    pub(super) fn cancelled_by(&self, hash: &B256) -> bool {
        self.attempts.iter().any(|attempt| attempt.cancels && attempt.hash == *hash)
    }
}

/// The journal's content.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(bound = "S: Subject")]
pub(crate) struct Entries<S: Subject> {
    version: u32,
    #[serde(flatten)]
    identity: Identity,
    /// When the last post was first signed, in milliseconds since the Unix epoch.
    pub(crate) last_post_ms: u64,
    /// Ascending nonces; only the last may wait, unless the L1 took blocks back.
    pub(crate) posts: VecDeque<Post<S>>,
    /// What was signed for and is in no transaction any more.
    pub(crate) lost: S::Lost,
}

/// The journal on disk, locked against a second process.
#[derive(Debug)]
pub(super) struct Journal<S: Subject> {
    path: PathBuf,
    _lock: File,
    pub(super) entries: Entries<S>,
    /// Whether the entries on disk may be others.
    unsaved: bool,
}

impl<S: Subject> Journal<S> {
    /// Opens or starts the journal at `path`.
    pub(super) fn open(path: &Path, identity: Identity) -> Result<Self, SubmitError> {
        let failed = |source| SubmitError::Io { path: path.to_owned(), source };
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
            Err(TryLockError::WouldBlock) => return Err(SubmitError::Locked { path: path.to_owned() }),
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
        let fresh =
            Entries { version: VERSION, identity, last_post_ms: 0, posts: VecDeque::new(), lost: S::Lost::default() };
        let entries = match fs::read(path) {
            Ok(bytes) => {
                let entries: Entries<S> = serde_json::from_slice(&bytes)
                    .map_err(|error| SubmitError::Journal { path: path.to_owned(), reason: error.to_string() })?;
                entries.check(&fresh).map_err(|reason| SubmitError::Journal { path: path.to_owned(), reason })?;
                entries
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => fresh,
            Err(source) => return Err(failed(source)),
        };
        Ok(Self { path: path.to_owned(), _lock: lock, entries, unsaved: false })
    }

    /// Makes the entries durable: when this returns, they survive a crash and a power cut.
    pub(super) fn save(&mut self) -> Result<(), SubmitError> {
        self.unsaved = true;
        let path = self.path.clone();
        let failed = |source| SubmitError::Io { path: path.clone(), source };
        let bytes = serde_json::to_vec_pretty(&self.entries)
            .map_err(|error| SubmitError::Journal { path: self.path.clone(), reason: error.to_string() })?;
        let temporary = self.path.with_extension("tmp");
        let mut file = File::create(&temporary).map_err(failed)?;
        file.write_all(&bytes).and_then(|()| file.sync_all()).map_err(failed)?;
        fs::rename(&temporary, &self.path).map_err(failed)?;
        // The rename is durable once its folder is.
        let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed)?;
        self.unsaved = false;
        Ok(())
    }

    /// Makes good what a [`Self::save`] that failed has left undone.
    pub(super) fn catch_up(&mut self) -> Result<(), SubmitError> {
        if self.unsaved { self.save() } else { Ok(()) }
    }
}

impl<S: Subject> Entries<S> {
    /// Gives the posts at these positions up, and remembers what they were for.
    pub(super) fn give_up(&mut self, positions: impl RangeBounds<usize>) {
        for post in self.posts.drain(positions) {
            post.subject.lose(post.call, &mut self.lost);
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

    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    struct Page {
        height: u64,
    }

    impl Display for Page {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            write!(f, "page {}", self.height)
        }
    }

    impl Subject for Page {
        type Lost = Vec<(u64, Bytes)>;

        fn lose(self, call: Bytes, lost: &mut Self::Lost) {
            lost.push((self.height, call));
        }

        fn make_good(&self, lost: &mut Self::Lost) {
            lost.retain(|(height, _)| *height != self.height);
        }
    }

    fn open(path: &Path, identity: Identity) -> Result<Journal<Page>, SubmitError> {
        Journal::open(path, identity)
    }

    fn identity() -> Identity {
        Identity { l1_chain_id: 1, contract: Address::repeat_byte(1), sender: Address::repeat_byte(2) }
    }

    fn post(nonce: u64) -> Post<Page> {
        let attempt = Attempt {
            hash: B256::ZERO,
            raw: Bytes::from_static(b"raw"),
            fee_wei: u128::MAX,
            tip_wei: 1,
            signed_at_ms: 5,
            cancels: false,
        };
        Post {
            nonce,
            subject: Page { height: 9 },
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
        let path = folder.path().join("deeper/journal.json");
        let mut journal = open(&path, identity()).expect("a new journal");
        journal.entries.posts.push_back(post(3));
        journal.save().expect("room on the disk");
        let entries = journal.entries.clone();
        drop(journal);
        assert_eq!(open(&path, identity()).expect("the same journal").entries, entries);
    }

    #[test]
    fn a_journal_serves_one_process_of_one_contract() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("journal.json");
        let mut journal = open(&path, identity()).expect("a new journal");
        journal.save().expect("room on the disk");
        assert!(matches!(open(&path, identity()), Err(SubmitError::Locked { .. })));
        drop(journal);
        let other = Identity { l1_chain_id: 2, ..identity() };
        assert!(matches!(open(&path, other), Err(SubmitError::Journal { .. })));
    }

    #[test]
    fn a_damaged_journal_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("journal.json");
        let mut journal = open(&path, identity()).expect("a new journal");
        journal.entries.posts.extend([post(4), post(3)]);
        journal.save().expect("room on the disk");
        drop(journal);
        assert!(matches!(open(&path, identity()), Err(SubmitError::Journal { .. })));
        fs::write(&path, b"{").expect("room on the disk");
        assert!(matches!(open(&path, identity()), Err(SubmitError::Journal { .. })));
    }
}
