//! Compiled pipelines on disk, so that a restarted appliance proves at once: drivers take minutes to compile what they see first.

#![allow(unsafe_code)] // `create_pipeline_cache` trusts its data: see `PipelineFile::open`.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use sha2::{Digest, Sha256};

/// Bytes of the digest in front of the data.
const DIGEST_BYTES: usize = 32;
/// The most that is read: kernels of a few hundred programs.
const BYTES_MAX: u64 = 1 << 30;

/// A driver's compiled pipelines and the file that keeps them.
#[derive(Debug)]
pub(crate) struct PipelineFile {
    cache: wgpu::PipelineCache,
    path: PathBuf,
}

impl PipelineFile {
    /// The pipelines of an adapter in `folder`. What is not whole, or of another driver, is ignored: it is compiled again.
    pub(crate) fn open(device: &wgpu::Device, info: &wgpu::AdapterInfo, folder: &Path) -> Option<Self> {
        let name = wgpu::util::pipeline_cache_key(info)?;
        let path = folder.join(format!("{name}_{}", hex_of(&info.driver_info)));
        let data = match read(&path) {
            Ok(data) => data,
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "compiled pipelines cannot be read: they are compiled again");
                None
            }
        };
        let descriptor = wgpu::PipelineCacheDescriptor { label: Some("sinter"), data: data.as_deref(), fallback: true };
        // SAFETY: the data must be what `get_data` returned. The file is written by `save` alone, into a folder that belongs to this
        // process, and its digest shows that it is as it was written; wgpu checks the adapter and the driver's version in its head.
        let cache = unsafe { device.create_pipeline_cache(&descriptor) };
        Some(Self { cache, path })
    }

    pub(crate) const fn cache(&self) -> &wgpu::PipelineCache {
        &self.cache
    }

    /// Writes what was compiled until now: whole or not at all.
    pub(crate) fn save(&self) {
        let Some(data) = self.cache.get_data().filter(|data| data.len() as u64 + (DIGEST_BYTES as u64) < BYTES_MAX)
        else {
            return;
        };
        let written = || {
            // Two cards of one model have one file, and the last to write it is right.
            static WRITES: AtomicU64 = AtomicU64::new(0);
            let number = WRITES.fetch_add(1, Ordering::Relaxed);
            let beside = self.path.with_extension(format!("{}.{number}.new", std::process::id()));
            fs::write(&beside, [&Sha256::digest(&data)[..], &data].concat())?;
            fs::rename(&beside, &self.path)
        };
        if let Err(error) = written() {
            tracing::warn!(path = %self.path.display(), %error, "compiled pipelines cannot be kept: the next start compiles them again");
        }
    }
}

/// The data of a file, none if it is not what its digest says.
fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let bytes = fs::metadata(path)?.len();
    if bytes > BYTES_MAX {
        return Ok(None);
    }
    let bytes = fs::read(path)?;
    let Some((digest, data)) = bytes.split_at_checked(DIGEST_BYTES) else { return Ok(None) };
    Ok((Sha256::digest(data)[..] == *digest).then(|| data.to_vec()))
}

/// A driver's version as a name of a file.
fn hex_of(text: &str) -> String {
    Sha256::digest(text.as_bytes())[..4].iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn what_is_torn_is_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pipelines");
        let whole = [&Sha256::digest(b"compiled")[..], b"compiled"].concat();
        fs::write(&path, &whole).unwrap();
        assert_eq!(read(&path).unwrap().as_deref(), Some(&b"compiled"[..]));
        for length in 0..whole.len() {
            fs::write(&path, &whole[..length]).unwrap();
            assert_eq!(read(&path).unwrap(), None, "{length} bytes");
        }
        let mut flipped = whole.clone();
        flipped[DIGEST_BYTES + 3] ^= 1;
        fs::write(&path, &flipped).unwrap();
        assert_eq!(read(&path).unwrap(), None);
        assert_eq!(read(&folder.path().join("missing")).unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
