//! The directory of a devnet: what lies where, and that only one devnet uses it at a time.
//!
//! ```text
//! chain.toml           the network
//! devnet.json          where everything listens
//! devnet.log           what the devnet itself logged
//! relayer.journal      what was posted to L1
//! aggregator/          the appliance: aggregator.toml, l1.key, log, data/
//! ledger-a/ …          a rollup's node: rollup.toml, l1.key, log, data/
//! wallets/             keys of the rollups' users
//! node-0/ …            node.toml, node.key, bls.key, log, data/
//! ```

use crate::exit::{Exit, Failure, OrFail};
use std::{
    fs::{self, File, TryLockError},
    path::{Path, PathBuf},
};
use tempfile::TempDir;

/// The directory of a devnet. Held open, and locked, for as long as the devnet runs.
#[derive(Debug)]
pub struct Directory {
    path: PathBuf,
    // Unlocks when it is closed, however the process ends.
    _lock: File,
    temporary: Option<TempDir>,
}

impl Directory {
    /// Opens `path`, making it where it does not exist; or makes one that vanishes afterwards.
    ///
    /// # Errors
    /// When it cannot be made, or another devnet uses it.
    pub fn open(path: Option<&Path>) -> Result<Self, Failure> {
        let (path, temporary) = match path {
            Some(path) => (path.to_path_buf(), None),
            None => {
                let made = tempfile::Builder::new().prefix("sinter-devnet-").tempdir();
                let directory = made.or_fail(Exit::Failed, "making a temporary directory")?;
                (directory.path().to_path_buf(), Some(directory))
            }
        };
        let shown = path.display();
        fs::create_dir_all(&path).or_fail(Exit::Usage, format_args!("--data-dir: making {shown}"))?;
        // Children run elsewhere: what they are told must not depend on where this process runs.
        let path = path.canonicalize().or_fail(Exit::Usage, format_args!("--data-dir: {shown}"))?;
        let lock =
            File::create(path.join("lock")).or_fail(Exit::Usage, format_args!("--data-dir: {}", path.display()))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path, _lock: lock, temporary }),
            Err(TryLockError::WouldBlock) => {
                let message = format!("--data-dir: another devnet is running in {}", path.display());
                Err(Failure::new(Exit::Usage, message))
            }
            Err(TryLockError::Error(error)) => {
                Err(Failure::because(Exit::Usage, format_args!("locking {}", path.display()), &error))
            }
        }
    }

    /// The directory itself.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The network's definition.
    pub fn chain(&self) -> PathBuf {
        self.path.join("chain.toml")
    }

    /// Where everything listens.
    pub fn addresses(&self) -> PathBuf {
        self.path.join("devnet.json")
    }

    /// What the devnet itself logs.
    pub fn log(&self) -> PathBuf {
        self.path.join("devnet.log")
    }

    /// What was posted to L1.
    pub fn relayer_journal(&self) -> PathBuf {
        self.path.join("relayer.journal")
    }

    /// The wallets of the rollups' users.
    pub fn wallets(&self) -> PathBuf {
        self.path.join("wallets")
    }

    /// A node's directory.
    pub fn node(&self, number: usize) -> PathBuf {
        self.path.join(format!("node-{number}"))
    }

    /// Keeps a temporary directory after all, so that somebody can see what went wrong there.
    pub fn keep(self) -> PathBuf {
        self.temporary.map_or(self.path, TempDir::keep)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_directory_is_used_by_one_devnet_at_a_time() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("net");
        let first = Directory::open(Some(&path)).unwrap();
        let refusal = Directory::open(Some(&path)).unwrap_err().to_string();
        assert!(refusal.starts_with("--data-dir: another devnet is running in "), "{refusal}");
        drop(first);
        Directory::open(Some(&path)).unwrap();
    }

    #[test]
    fn without_a_path_nothing_is_left_behind() {
        let directory = Directory::open(None).unwrap();
        let path = directory.path().to_path_buf();
        assert!(path.exists());
        drop(directory);
        assert!(!path.exists());
    }
}
