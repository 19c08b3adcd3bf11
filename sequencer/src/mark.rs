//! Which data directory a BLS key votes with.
//!
//! A node's votes are remembered in its data directory only. If its key came to another directory (an empty
//! one after a disk was lost, an old copy from a backup), it could sign a second time what it has signed
//! before, and lose its stake. So both carry a mark: the directory in `mark.toml`, the key in a file beside it,
//! one for each network that it votes in. The marks name the directory by chance, and count its starts:
//!
//! | beside the key | in the directory | |
//! |---|---|---|
//! | none | none | a new member: both are marked |
//! | none | there | the member was moved, with its directory: the key is marked again |
//! | there | none, or another's | refused: the votes are elsewhere, or lost |
//! | *n* starts | fewer | refused: this is an old copy |
//! | *n* starts | *n* or more | as it should be |
//!
//! A signer's journal is bound to its key in the same way. A node that votes through a [signer](crate::signer) is bound to no
//! directory: the signer remembers what the key signed, whichever node asked, so that a second node may stand by.
//!
//! A copy that was taken since the last start, of a node that has gone on since, cannot be told by this: never
//! restore a data directory from a backup.

use crate::file;
use serde::{Deserialize, Serialize};
use sinter_primitives::Digest;
use std::{
    fs, io,
    path::{Path, PathBuf},
};

const IN_DIRECTORY: &str = "mark.toml";
/// Hex digits of the chain's hash in the name of a key's mark.
const CHAIN_DIGITS: usize = 16;
const FILE_MODE: u32 = 0o600;

/// Why a key may not vote with a data directory.
#[derive(Debug, thiserror::Error)]
pub enum MarkError {
    /// A mark could not be read or written.
    #[error("mark {path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A mark is not as it was written.
    #[error("mark {path}: {message}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        message: String,
    },
    /// The key's votes are not in this directory.
    #[error(
        "the BLS key has voted with another data directory, last at {used}, and does not know in {data_dir} \
         what it signed there: use that directory again, or rejoin with a new key (mark: {mark})"
    )]
    OtherDirectory {
        /// Where the directory lay that the key last voted with.
        used: PathBuf,
        /// The directory that it was to vote with now.
        data_dir: PathBuf,
        /// The key's mark.
        mark: PathBuf,
    },
    /// The directory is as it was some starts ago.
    #[error(
        "{data_dir} is an old copy: the BLS key has voted with it through {expected} starts, \
         and it knows of {got}: use the directory itself, or rejoin with a new key (mark: {mark})"
    )]
    OldCopy {
        /// The directory.
        data_dir: PathBuf,
        /// Starts that the key has seen.
        expected: u64,
        /// Starts that the directory has seen.
        got: u64,
        /// The key's mark.
        mark: PathBuf,
    },
}

/// What is written on both sides.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Mark {
    /// The directory's name, drawn by chance.
    directory: String,
    /// How often a node was started on it.
    starts: u64,
    /// Where it lay then.
    path: PathBuf,
}

/// Marks that the BLS key in `bls_key_file` votes in the network with this hash, with what lies in `data_dir`, from now on. The
/// caller holds the directory's lock.
///
/// # Errors
/// [`MarkError`] when it has voted with anything else, or the marks cannot be read or written.
pub fn enter(chain: &Digest, bls_key_file: &Path, data_dir: &Path) -> Result<(), MarkError> {
    let in_directory = data_dir.join(IN_DIRECTORY);
    let beside_key = beside(bls_key_file, chain);
    let (key, directory) = (read(&beside_key)?, read(&in_directory)?);
    if let Some(key) = &key {
        let same = directory.as_ref().filter(|directory| directory.directory == key.directory);
        let Some(directory) = same else {
            let (used, data_dir) = (key.path.clone(), data_dir.into());
            return Err(MarkError::OtherDirectory { used, data_dir, mark: beside_key });
        };
        if directory.starts < key.starts {
            let (expected, got) = (key.starts, directory.starts);
            return Err(MarkError::OldCopy { data_dir: data_dir.into(), expected, got, mark: beside_key });
        }
    }
    let path = fs::canonicalize(data_dir).map_err(|source| MarkError::Io { path: data_dir.into(), source })?;
    let mark = match directory {
        Some(directory) => Mark { starts: directory.starts.saturating_add(1), path, ..directory },
        None => Mark { directory: hex::encode(rand::random::<[u8; 16]>()), starts: 1, path },
    };
    // The directory first: if the second write never comes, the directory is ahead, which is no fault.
    write(&in_directory, &mark)?;
    write(&beside_key, &mark)
}

/// Whether a key has voted with what lies, or lay, in this directory.
#[must_use]
pub fn is_marked(data_dir: &Path) -> bool {
    data_dir.join(IN_DIRECTORY).exists()
}

/// The key's mark: `bls.key.0123456789abcdef.mark`.
fn beside(bls_key_file: &Path, chain: &Digest) -> PathBuf {
    let chain = hex::encode(chain);
    let mut name = bls_key_file.as_os_str().to_os_string();
    name.push(format!(".{}.mark", &chain[..CHAIN_DIGITS]));
    name.into()
}

fn read(path: &Path) -> Result<Option<Mark>, MarkError> {
    match fs::read_to_string(path) {
        Ok(text) => match toml::from_str(&text) {
            Ok(mark) => Ok(Some(mark)),
            Err(error) => Err(MarkError::Damaged { path: path.into(), message: error.to_string() }),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(MarkError::Io { path: path.into(), source }),
    }
}

/// Whole or not at all, and on disk when it returns.
fn write(path: &Path, mark: &Mark) -> Result<(), MarkError> {
    let text =
        toml::to_string(mark).map_err(|error| MarkError::Damaged { path: path.into(), message: error.to_string() })?;
    file::replace(path, FILE_MODE, text.as_bytes()).map_err(|source| MarkError::Io { path: path.into(), source })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use tempfile::TempDir;

    const CHAIN: Digest = Digest([0xc4; 32]);

    struct Member {
        home: TempDir,
    }

    impl Member {
        fn new() -> Self {
            let home = tempfile::tempdir().unwrap();
            fs::create_dir(home.path().join("data")).unwrap();
            Self { home }
        }

        fn enter(&self, data: &str) -> Result<(), MarkError> {
            enter(&CHAIN, &self.home.path().join("bls.key"), &self.home.path().join(data))
        }

        fn copy(&self, from: &str, to: &str) {
            fs::create_dir_all(self.home.path().join(to)).unwrap();
            let name = |data: &str| self.home.path().join(data).join(IN_DIRECTORY);
            fs::copy(name(from), name(to)).unwrap();
        }
    }

    #[test]
    fn a_member_starts_again_and_again() {
        let member = Member::new();
        (0..3).for_each(|_| member.enter("data").unwrap());
        let mark = read(&member.home.path().join("data").join(IN_DIRECTORY)).unwrap().unwrap();
        assert_eq!(mark.starts, 3);
        assert_eq!(read(&beside(&member.home.path().join("bls.key"), &CHAIN)).unwrap(), Some(mark));
    }

    #[test]
    fn an_empty_directory_and_anothers_are_refused() {
        let (member, other) = (Member::new(), Member::new());
        member.enter("data").unwrap();
        other.enter("data").unwrap();
        fs::create_dir(member.home.path().join("empty")).unwrap();
        assert!(matches!(member.enter("empty"), Err(MarkError::OtherDirectory { .. })));
        let foreign = enter(&CHAIN, &member.home.path().join("bls.key"), &other.home.path().join("data"));
        assert!(matches!(foreign, Err(MarkError::OtherDirectory { .. })));
        member.enter("data").unwrap();
    }

    #[test]
    fn an_old_copy_is_refused() {
        let member = Member::new();
        member.enter("data").unwrap();
        member.copy("data", "old");
        member.enter("data").unwrap();
        assert!(matches!(member.enter("old"), Err(MarkError::OldCopy { expected: 2, got: 1, .. })));
        // The directory itself may be moved.
        member.copy("data", "moved");
        member.enter("moved").unwrap();
    }

    #[test]
    fn a_start_that_was_interrupted_between_the_marks_is_no_fault() {
        let member = Member::new();
        member.enter("data").unwrap();
        let key = beside(&member.home.path().join("bls.key"), &CHAIN);
        let before = fs::read(&key).unwrap();
        member.enter("data").unwrap();
        fs::write(&key, before).unwrap();
        member.enter("data").unwrap();
        fs::remove_file(&key).unwrap();
        member.enter("data").unwrap();
    }

    #[test]
    fn a_damaged_mark_is_named() {
        let member = Member::new();
        member.enter("data").unwrap();
        fs::write(member.home.path().join("data").join(IN_DIRECTORY), "starts = 1").unwrap();
        let message = member.enter("data").unwrap_err().to_string();
        assert!(message.contains(IN_DIRECTORY) && message.contains("directory"), "{message}");
    }
}
