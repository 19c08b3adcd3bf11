//! The free space under the data directory, and the end of a node that runs out of it.
//!
//! Journals cannot go on after a failed write: commonware panics. So the node looks before it falls, and stops
//! while what it is writing can still be finished. Nothing is lost, and it starts again when there is space.

use crate::{status::Status, telemetry};
use commonware_runtime::Clock;
use std::{
    io,
    path::{Path, PathBuf},
    time::Duration,
};

/// Time between two looks. A disk of 1 GB/s writes the default reserve in a quarter of a second, but a chain of
/// 1 MB blocks does not come near that.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// Why the disk ends the node.
#[derive(Debug, thiserror::Error)]
pub enum DiskError {
    /// Too little is free.
    #[error(
        "{path}: expected at least {min_bytes} free bytes (`disk_free_bytes_min`), got {free_bytes}: \
         free some space and start the node again"
    )]
    Full {
        /// The data directory.
        path: PathBuf,
        /// What must be free.
        min_bytes: u64,
        /// What is.
        free_bytes: u64,
    },
    /// It cannot be told.
    #[error("free space of {path}: {source}")]
    Unknown {
        /// The data directory.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

/// Checks that at least `min_bytes` are free for this process under `path`.
///
/// # Errors
/// [`DiskError`].
pub fn check(path: &Path, min_bytes: u64) -> Result<(), DiskError> {
    let stat =
        rustix::fs::statvfs(path).map_err(|error| DiskError::Unknown { path: path.into(), source: error.into() })?;
    let free_bytes = stat.f_bavail.saturating_mul(stat.f_frsize);
    metrics::gauge!(telemetry::DISK_FREE_BYTES).set(free_bytes as f64);
    if free_bytes < min_bytes {
        return Err(DiskError::Full { path: path.into(), min_bytes, free_bytes });
    }
    Ok(())
}

/// Ends when less than `min_bytes` are free. Meanwhile tells `status` how many peers there are.
pub async fn watch(
    clock: &impl Clock,
    path: &Path,
    min_bytes: u64,
    status: &Status,
    peers: impl Fn() -> usize,
) -> DiskError {
    loop {
        status.set_peers(u32::try_from(peers()).unwrap_or(u32::MAX));
        if let Err(error) = check(path, min_bytes) {
            return error;
        }
        clock.sleep(LOOK_INTERVAL).await;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn too_little_space_is_said_with_numbers() {
        let dir = tempfile::tempdir().unwrap();
        check(dir.path(), 0).unwrap();
        let error = check(dir.path(), u64::MAX).unwrap_err();
        assert!(matches!(error, DiskError::Full { min_bytes: u64::MAX, .. }), "{error}");
        let error = check(Path::new("/nowhere"), 0).unwrap_err();
        assert!(error.to_string().starts_with("free space of /nowhere"), "{error}");
    }
}
