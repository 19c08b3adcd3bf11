//! Files that are read within bounds, and written whole or not at all.

use std::{
    ffi::OsString,
    fs::{self, File},
    io::{self, Read, Write},
    path::{Path, PathBuf},
};
use thiserror::Error;

/// A file that could not be read or written.
#[derive(Debug, Error)]
pub enum FileError {
    /// Reading failed.
    #[error("reading {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// There is more in it than it can hold if it is what it should be.
    #[error("{}: expected at most {max} bytes, got more", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The most that is read.
        max: u64,
    },
    /// Writing failed: nothing of the new content is left behind, and the old file is as it was.
    #[error("writing {}: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

impl FileError {
    /// Whether the disk is full: there is nothing wrong that space would not cure.
    #[must_use]
    pub fn is_full(&self) -> bool {
        use io::ErrorKind::{QuotaExceeded, StorageFull};
        matches!(self, Self::Write { source, .. } if matches!(source.kind(), StorageFull | QuotaExceeded))
    }

    /// Whether there is no such file.
    #[must_use]
    pub fn is_missing(&self) -> bool {
        matches!(self, Self::Read { source, .. } if source.kind() == io::ErrorKind::NotFound)
    }
}

/// Reads a file of at most `max` bytes. A larger one is refused before it is read.
///
/// # Errors
/// [`FileError::Read`] and [`FileError::TooLarge`].
pub fn read(path: &Path, max: u64) -> Result<Vec<u8>, FileError> {
    let bytes = read_start(path, max.saturating_add(1))?;
    if bytes.len() as u64 > max { Err(FileError::TooLarge { path: path.into(), max }) } else { Ok(bytes) }
}

/// Reads the first bytes of a file, at most `count`.
///
/// # Errors
/// [`FileError::Read`].
pub fn read_start(path: &Path, count: u64) -> Result<Vec<u8>, FileError> {
    let read = || {
        let file = File::open(path)?;
        let mut bytes = Vec::new();
        // A file that is known to be too large fills no memory: the excess is one byte.
        file.take(count).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    read().map_err(|source| FileError::Read { path: path.into(), source })
}

/// Writes a file so that whoever reads it finds the old content or the new one, whole, after a crash of this program
/// or of the machine too: beside it, synchronised, and renamed.
///
/// # Errors
/// [`FileError::Write`].
pub fn write(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    let unfinished = unfinished(path);
    let written = write_beside(&unfinished, bytes).and_then(|()| fs::rename(&unfinished, path));
    if written.is_err() {
        // What could not be written whole must not fill the disk.
        let _ = fs::remove_file(&unfinished);
    }
    let synced = written.and_then(|()| {
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        File::open(parent.unwrap_or_else(|| Path::new(".")))?.sync_all()
    });
    synced.map_err(|source| FileError::Write { path: path.into(), source })
}

fn write_beside(unfinished: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create(unfinished)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// The name under which a file is written before it is whole. Two processes that write one file do not share it.
fn unfinished(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(OsString::from(format!(".{}.new", std::process::id())));
    name.into()
}

/// Whether a file of that name is what a process left behind that was killed while it wrote.
#[must_use]
pub fn is_unfinished(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "new")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_file_is_read_within_its_bound() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        write(&path, b"four").unwrap();
        assert_eq!(read(&path, 4).unwrap(), b"four");
        assert!(matches!(read(&path, 3), Err(FileError::TooLarge { max: 3, .. })));
        assert_eq!(read_start(&path, 2).unwrap(), b"fo");
        assert!(read(&directory.path().join("none"), 4).unwrap_err().is_missing());
        // What has no end is not read to it.
        assert!(matches!(read(Path::new("/dev/zero"), 1000), Err(FileError::TooLarge { .. })));
    }

    #[test]
    fn what_cannot_be_written_leaves_the_old_file_and_nothing_else() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        write(&path, b"old").unwrap();
        write(&path, b"new").unwrap();
        assert_eq!(read(&path, 10).unwrap(), b"new");
        let names: Vec<_> = fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, ["file"]);
        assert!(is_unfinished(&unfinished(&path)) && !is_unfinished(&path));
        let full = write(Path::new("/dev/full/x"), b"new").unwrap_err();
        assert!(matches!(full, FileError::Write { .. }));
        let source = io::Error::from(io::ErrorKind::StorageFull);
        assert!(FileError::Write { path, source }.is_full());
    }
}
