//! A wallet: a key, and which of its leaves have signed, on disk before anybody sees the signature.
//!
//! One file, which belongs to one process at a time (it is locked):
//!
//! | bytes | |
//! |---|---|
//! | 4 | `SNTW` |
//! | 2 | version: 1, big-endian |
//! | 32 | the seed, from which the key follows: **a secret** |
//! | 8 each | a note: leaf (4), its complement (4), big-endian |
//!
//! A note is appended and synchronized before its leaf signs. A leaf is used if a note says so, or if a later one is: so a note that
//! was torn by a crash belongs to a signature that nobody got, and is cut off. A copy of the file knows only the leaves that were
//! used when it was made: **never sign with a copy**.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use sinter_rollup::Digest;
use thiserror::Error;

use crate::accounts::Account;
use crate::signature::{LEAVES, SecretKey};
use crate::transaction::{Action, Body, TransactionError};

const MAGIC: [u8; 4] = *b"SNTW";
const VERSION: u16 = 1;
const HEAD_BYTES: usize = 4 + 2 + 32;
const NOTE_BYTES: usize = 8;
/// A file with a note for every leaf, twice over: more is no wallet.
const FILE_BYTES_MAX: u64 = (HEAD_BYTES + 2 * LEAVES as usize * NOTE_BYTES) as u64;

/// Why a wallet does not open, or does not sign.
#[derive(Debug, Error)]
pub enum WalletError {
    /// The file cannot be used.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Another process has it.
    #[error("{}: another process has this wallet open", path.display())]
    Locked {
        /// The file.
        path: PathBuf,
    },
    /// It is no wallet.
    #[error("{}: expected {expected}, got {got}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What should stand there.
        expected: &'static str,
        /// What stands there.
        got: String,
    },
    /// All leaves that the account can still use have signed, but for one that can sign a rotation.
    #[error(
        "the key has {LEAVES} leaves, of which the last is for a rotation, and the next one is {next}: rotate the account's key"
    )]
    Exhausted {
        /// The next leaf.
        next: u32,
    },
    /// The account has another key.
    #[error("expected an account of this wallet's key, {expected:?}, got one of {got:?}")]
    Key {
        /// The wallet's key.
        expected: Digest,
        /// The account's.
        got: Digest,
    },
    /// The numbers do not fit a transaction.
    #[error(transparent)]
    Transaction(#[from] TransactionError),
}

/// A key with its file.
#[derive(Debug)]
pub struct Wallet {
    path: PathBuf,
    file: File,
    key: SecretKey,
    /// The lowest leaf that may sign.
    next_leaf: u32,
}

impl Wallet {
    /// A new wallet, in a file that must not be there yet. On Unix nobody else may read it.
    ///
    /// # Errors
    /// [`WalletError::File`].
    pub fn create(path: &Path, seed: &[u8; 32]) -> Result<Self, WalletError> {
        let located = |source| WalletError::File { path: path.to_owned(), source };
        let mut options = OpenOptions::new();
        options.read(true).write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(path).map_err(located)?;
        lock(&file, path)?;
        let head = [&MAGIC[..], &VERSION.to_be_bytes(), seed].concat();
        file.write_all(&head).and_then(|()| file.sync_all()).and_then(|()| sync_folder(path)).map_err(located)?;
        Ok(Self { path: path.to_owned(), file, key: SecretKey::new(seed), next_leaf: 0 })
    }

    /// Opens a wallet.
    ///
    /// # Errors
    /// [`WalletError::File`], [`WalletError::Locked`], [`WalletError::Format`].
    pub fn open(path: &Path) -> Result<Self, WalletError> {
        let located = |source| WalletError::File { path: path.to_owned(), source };
        let format = |expected, got| WalletError::Format { path: path.to_owned(), expected, got };
        let mut file = OpenOptions::new().read(true).write(true).open(path).map_err(located)?;
        lock(&file, path)?;
        let length = file.metadata().map_err(located)?.len();
        if length > FILE_BYTES_MAX {
            return Err(format("a wallet of at most 32 KiB", format!("{length} bytes")));
        }
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(located)?;
        let Some((head, notes)) = bytes.split_at_checked(HEAD_BYTES) else {
            return Err(format("a wallet", format!("{length} bytes")));
        };
        let (magic, rest) = head.split_at(MAGIC.len());
        let (version, seed) = rest.split_at(2);
        if magic != MAGIC || version != VERSION.to_be_bytes() {
            return Err(format("`SNTW` and version 1", format!("{magic:02x?} {version:02x?}")));
        }
        let (whole, torn) = notes.as_chunks::<NOTE_BYTES>();
        let mut next_leaf = 0;
        for (at, note) in whole.iter().enumerate() {
            let [l0, l1, l2, l3, complement @ ..] = *note;
            let leaf = u32::from_be_bytes([l0, l1, l2, l3]);
            if u32::from_be_bytes(complement) == !leaf && leaf < LEAVES {
                next_leaf = next_leaf.max(leaf + 1);
            } else if at + 1 < whole.len() || !torn.is_empty() {
                // Only the last one can have been torn.
                return Err(format("a note of a leaf", format!("{note:02x?} as note {at}")));
            } else {
                file.set_len((HEAD_BYTES + at * NOTE_BYTES) as u64).map_err(located)?;
            }
        }
        if !torn.is_empty() {
            file.set_len((HEAD_BYTES + size_of_val(whole)) as u64).map_err(located)?;
        }
        // The head has as many bytes.
        let seed: [u8; 32] = seed.try_into().unwrap_or_default();
        Ok(Self { path: path.to_owned(), file, key: SecretKey::new(&seed), next_leaf })
    }

    /// The public key.
    pub fn public(&self) -> Digest {
        self.key.public()
    }

    /// The lowest leaf that has not signed.
    #[must_use]
    pub const fn next_leaf(&self) -> u32 {
        self.next_leaf
    }

    /// Signs with the lowest leaf that neither this wallet has used nor the account has passed: a transaction's payload.
    ///
    /// # Errors
    /// [`WalletError`]. After an error of the file the leaf is as good as used.
    pub fn sign(
        &mut self,
        domain: &Digest,
        index: u32,
        account: &Account,
        action: Action,
    ) -> Result<Vec<u8>, WalletError> {
        if account.key != self.public() {
            return Err(WalletError::Key { expected: self.public(), got: account.key });
        }
        let leaf = self.next_leaf.max(account.nonce.saturating_sub(account.base));
        // The last one is kept for the key that comes after.
        let leaves = if matches!(action, Action::Rotate { .. }) { LEAVES } else { LEAVES - 1 };
        if leaf >= leaves {
            return Err(WalletError::Exhausted { next: leaf });
        }
        let body = Body { account: index, nonce: account.base + leaf, action };
        body.check()?;
        self.next_leaf = leaf + 1;
        self.note(leaf).map_err(|source| WalletError::File { path: self.path.clone(), source })?;
        Ok(body.sign(domain, &self.key, leaf)?)
    }

    fn note(&mut self, leaf: u32) -> std::io::Result<()> {
        self.file.seek(SeekFrom::End(0))?;
        self.file.write_all([leaf.to_be_bytes(), (!leaf).to_be_bytes()].as_flattened())?;
        self.file.sync_data()
    }
}

fn lock(file: &File, path: &Path) -> Result<(), WalletError> {
    file.try_lock().map_err(|error| match error {
        TryLockError::WouldBlock => WalletError::Locked { path: path.to_owned() },
        TryLockError::Error(source) => WalletError::File { path: path.to_owned(), source },
    })
}

/// Makes the file's name durable.
fn sync_folder(path: &Path) -> std::io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}
