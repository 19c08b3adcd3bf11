//! Proof bytes, named by their SHA-256, on the local disk or in S3.
//!
//! A blob is written whole, and is on the disk, before a row names it. It is checked whenever it is read: one that is torn or
//! altered is as good as gone, and said to be. Writing one that is there writes it again, which mends it.

use crate::{
    ids::Hash,
    queue::{Queue, QueueError},
};
use bytes::Bytes;
use futures::TryStreamExt;
use object_store::{
    ObjectStore, ObjectStoreExt, aws::AmazonS3Builder, local::LocalFileSystem, memory::InMemory, path::Path as Key,
};
use std::{io, path::Path, sync::Arc};
use thiserror::Error;

/// The folder, or the prefix in a bucket, that blobs are in.
const FOLDER: &str = "blobs";

/// Why a blob cannot be had or kept.
#[derive(Debug, Error)]
pub enum BlobError {
    /// There is none of this name.
    #[error("blob {blob}: expected it to be there, got none")]
    Missing {
        /// Its name.
        blob: Hash,
    },
    /// It is not what it was.
    #[error("blob {blob}: expected its own bytes, got {bytes} bytes that hash to {got}")]
    Altered {
        /// Its name.
        blob: Hash,
        /// The hash of what is there.
        got: Hash,
        /// The size of what is there.
        bytes: u64,
    },
    /// It is larger than any proof.
    #[error("blob {blob}: expected at most {max} bytes, got {got}")]
    TooLarge {
        /// Its name.
        blob: Hash,
        /// The most that is read.
        max: u64,
        /// Its size.
        got: u64,
    },
    /// The folder cannot be made.
    #[error("blobs: {0}")]
    Folder(#[from] io::Error),
    /// The store fails.
    #[error("blobs: {0}")]
    Store(#[from] object_store::Error),
}

impl BlobError {
    /// Whether the blob is gone: trying again does not bring it back.
    #[must_use]
    pub const fn is_gone(&self) -> bool {
        matches!(self, Self::Missing { .. } | Self::Altered { .. } | Self::TooLarge { .. })
    }

    /// Whether the disk is full: there is nothing wrong that space would not cure.
    #[must_use]
    pub fn is_full(&self) -> bool {
        let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(self);
        while let Some(error) = cause {
            if let Some(error) = error.downcast_ref::<io::Error>() {
                return matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded);
            }
            cause = error.source();
        }
        false
    }
}

/// The store. Clones are the same store.
#[derive(Clone, Debug)]
pub struct Blobs {
    store: Arc<dyn ObjectStore>,
    bytes_max: u64,
}

impl Blobs {
    /// Blobs in a folder, which is made where it does not exist. None of more than `bytes_max` is read.
    ///
    /// # Errors
    /// When the folder cannot be made.
    pub fn local(folder: &Path, bytes_max: u64) -> Result<Self, BlobError> {
        std::fs::create_dir_all(folder)?;
        let store = LocalFileSystem::new_with_prefix(folder)?.with_fsync(true);
        Ok(Self { store: Arc::new(store), bytes_max })
    }

    /// Blobs in a bucket of S3, or of anything that speaks its protocol. Region, endpoint and credentials come from the
    /// environment, as `AWS_…`.
    ///
    /// # Errors
    /// When the environment is incomplete.
    pub fn s3(bucket: &str, bytes_max: u64) -> Result<Self, BlobError> {
        let store = AmazonS3Builder::from_env().with_bucket_name(bucket).build()?;
        Ok(Self { store: Arc::new(store), bytes_max })
    }

    /// Blobs in memory, for tests.
    #[must_use]
    pub fn memory(bytes_max: u64) -> Self {
        Self { store: Arc::new(InMemory::new()), bytes_max }
    }

    /// The most bytes of a blob.
    #[must_use]
    pub const fn bytes_max(&self) -> u64 {
        self.bytes_max
    }

    /// Writes a blob, also where it is already. When this returns, it is durable.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn put(&self, bytes: Bytes) -> Result<Hash, BlobError> {
        let blob = Hash::of(&bytes);
        self.store.put(&key(&blob), bytes.into()).await?;
        Ok(blob)
    }

    /// Reads a blob, and checks it.
    ///
    /// # Errors
    /// When it is not there, is not what it was, or the store fails.
    pub async fn get(&self, blob: &Hash) -> Result<Bytes, BlobError> {
        let found = match self.store.get(&key(blob)).await {
            Ok(found) => found,
            Err(object_store::Error::NotFound { .. }) => return Err(BlobError::Missing { blob: *blob }),
            Err(error) => return Err(error.into()),
        };
        let size = found.meta.size;
        if size > self.bytes_max {
            return Err(BlobError::TooLarge { blob: *blob, max: self.bytes_max, got: size });
        }
        let bytes = found.bytes().await?;
        let got = Hash::of(&bytes);
        if got == *blob { Ok(bytes) } else { Err(BlobError::Altered { blob: *blob, got, bytes: bytes.len() as u64 }) }
    }

    /// Blobs that are there, at most `max`: all of them, if there are no more; otherwise from a random one on, so that who calls
    /// often sees them all.
    async fn some(&self, max: usize) -> Result<Vec<Hash>, BlobError> {
        // Names are hashes: a random one is a fair place to start.
        let start = key(&Hash(rand::random()));
        let folder = Key::from(FOLDER);
        let mut found = Vec::new();
        for names in [self.store.list_with_offset(Some(&folder), &start), self.store.list(Some(&folder))] {
            let mut names = names;
            while found.len() < max
                && let Some(meta) = names.try_next().await?
            {
                // What is not a blob is not ours to delete.
                found.extend(meta.location.filename().and_then(|name| name.parse::<Hash>().ok()));
            }
        }
        found.sort_unstable();
        found.dedup();
        Ok(found)
    }

    /// Deletes blobs that no row of the queue names, and that none named `after_ms` ago. Looks at no more than `max`. Returns how
    /// many were deleted.
    ///
    /// # Errors
    /// When the store or the database fails.
    pub async fn collect(&self, queue: &Queue, after_ms: i64, max: usize) -> Result<u64, CollectError> {
        let mut deleted = 0;
        for blob in self.some(max).await? {
            if queue.is_garbage(&blob, after_ms).await? {
                match self.store.delete(&key(&blob)).await {
                    Ok(()) | Err(object_store::Error::NotFound { .. }) => {}
                    Err(error) => return Err(BlobError::from(error).into()),
                }
                queue.collected(&blob).await?;
                deleted += 1;
            }
        }
        Ok(deleted)
    }
}

/// Why garbage was not collected. Nothing that is needed was deleted.
#[derive(Debug, Error)]
pub enum CollectError {
    /// The store.
    #[error(transparent)]
    Blobs(#[from] BlobError),
    /// The queue.
    #[error(transparent)]
    Queue(#[from] QueueError),
}

/// Two digits a folder: no folder has more than a 256th of the blobs.
fn key(blob: &Hash) -> Key {
    let name = blob.to_string();
    Key::from_iter([FOLDER, &name[..2], &name])
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[tokio::test]
    async fn a_blob_is_checked_when_it_is_read_and_mended_when_it_is_written_again() {
        let folder = tempfile::tempdir().unwrap();
        let blobs = Blobs::local(folder.path(), 100).unwrap();
        let bytes = Bytes::from_static(b"a proof");
        let blob = blobs.put(bytes.clone()).await.unwrap();
        assert_eq!(blobs.get(&blob).await.unwrap(), bytes);
        let name = blob.to_string();
        let file = folder.path().join(FOLDER).join(&name[..2]).join(&name);
        std::fs::write(&file, b"a pr").unwrap();
        assert!(matches!(blobs.get(&blob).await, Err(BlobError::Altered { bytes: 4, .. })));
        std::fs::write(&file, [0; 101]).unwrap();
        assert!(matches!(blobs.get(&blob).await, Err(BlobError::TooLarge { got: 101, .. })));
        blobs.put(bytes.clone()).await.unwrap();
        assert_eq!(blobs.get(&blob).await.unwrap(), bytes);
        std::fs::remove_file(&file).unwrap();
        assert!(blobs.get(&blob).await.unwrap_err().is_gone());
    }

    #[test]
    fn a_full_disk_is_known_through_every_layer() {
        let full = |kind| {
            let source = Box::new(io::Error::from(kind));
            BlobError::Store(object_store::Error::Generic { store: "LocalFileSystem", source }).is_full()
        };
        assert!(full(io::ErrorKind::StorageFull) && !full(io::ErrorKind::PermissionDenied));
    }
}
