//! The directory that keeps the nodes of a batch.
//!
//! ```text
//! lock                   held by the process that uses the directory
//! wrap-<64 hex>          a leaf, wrapped
//! fold-<64 hex>          a fold
//! null-<64 hex>          the null statement
//! wrap-<64 hex>.*.new    and the like: what a killed process was writing, removed when the directory is opened
//! ```
//!
//! Files are written beside their name, synchronised, renamed, and the directory synchronised: a name that is there has
//! its whole content, whatever happened to the process or the machine.

use crate::files::{self, FileError};
use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io,
    path::{Path, PathBuf},
};
use thiserror::Error;

/// How the names of nodes begin.
const PREFIXES: [&str; 3] = ["wrap-", "fold-", "null-"];

/// Why the directory cannot be used.
#[derive(Debug, Error)]
pub enum StateError {
    /// It cannot be made, locked or listed.
    #[error("{}: {source}", path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Another process uses it.
    #[error("{}: another process uses it", path.display())]
    InUse {
        /// The directory.
        path: PathBuf,
    },
    /// A file in it cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
}

impl StateError {
    /// Whether the disk is full: started again where there is space, the batch goes on.
    #[must_use]
    pub fn is_full(&self) -> bool {
        matches!(self, Self::File(error) if error.is_full())
    }

    /// Whether a file is larger than any node.
    #[must_use]
    pub const fn is_too_large(&self) -> bool {
        matches!(self, Self::File(FileError::TooLarge { .. }))
    }
}

/// The directory that keeps the nodes of a batch, held by this process alone.
#[derive(Debug)]
pub struct State {
    path: PathBuf,
    // Unlocks when it is closed, however the process ends.
    _lock: File,
}

impl State {
    /// Opens the directory, making it where it does not exist.
    ///
    /// # Errors
    /// When it cannot be made, or another process uses it.
    pub fn open(path: &Path) -> Result<Self, StateError> {
        let failed = |source| StateError::Directory { path: path.into(), source };
        fs::create_dir_all(path).map_err(failed)?;
        let lock =
            OpenOptions::new().create(true).truncate(false).write(true).open(path.join("lock")).map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(StateError::InUse { path: path.into() }),
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
        for entry in fs::read_dir(path).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let ours = entry.file_name().to_str().is_some_and(|name| PREFIXES.iter().any(|it| name.starts_with(it)));
            if ours && files::is_unfinished(&entry.path()) {
                fs::remove_file(entry.path()).map_err(failed)?;
            }
        }
        Ok(Self { path: path.into(), _lock: lock })
    }

    /// The directory.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The content of a file, if it is there.
    pub(super) fn get(&self, name: &str, max: u64) -> Result<Option<Vec<u8>>, StateError> {
        match files::read(&self.path.join(name), max) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.is_missing() => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Writes a file.
    pub(super) fn put(&self, name: &str, bytes: &[u8]) -> Result<(), StateError> {
        Ok(files::write(&self.path.join(name), bytes)?)
    }
}
