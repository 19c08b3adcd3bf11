//! Disks for tests.

use std::{path::Path, process::Command};
use tempfile::TempDir;

/// Memory, as a directory.
const MEMORY: &str = "/dev/shm";
/// What the largest test takes, and room to spare.
const BYTES_MIN: u64 = 1 << 30;

/// A directory in memory where there is room. What a process has written survives its death there as it does on
/// a disk, and no other program's writing makes a node wait for its journal.
pub fn quick_directory() -> TempDir {
    if free_bytes(Path::new(MEMORY)).is_some_and(|free| free >= BYTES_MIN) {
        return tempfile::tempdir_in(MEMORY).unwrap();
    }
    tempfile::tempdir().unwrap()
}

/// Free bytes of the file system that holds `path`; `None` where it cannot be told.
pub fn free_bytes(path: &Path) -> Option<u64> {
    let output = Command::new("stat").args(["-f", "-c", "%a %S"]).arg(path).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let (blocks, block_bytes) = text.trim().split_once(' ')?;
    Some(blocks.parse::<u64>().ok()? * block_bytes.parse::<u64>().ok()?)
}
