//! Executables appended to an executable, and how they are found again.
//!
//! ```text
//! executable ‖ payload … ‖ entry … ‖ footer
//!
//! entry  (49 bytes)   0  level            1   3 or 4 of x86-64-v3, x86-64-v4
//!                     1  offset           8   of the payload in the file, little-endian as all numbers here
//!                     9  length           8   of the payload
//!                    17  SHA-256         32   of the payload
//! footer (60 bytes)   0  entries          4   1 to 8
//!                     4  file length      8
//!                    12  SHA-256         32   of all entries
//!                    44  magic           16
//! ```
//!
//! A loader of executables ignores what stands behind them. A file that does not end in the magic carries nothing;
//! one that does and is torn, or lies about lengths, or holds a payload with another hash, is an error that says so.

use super::Level;
use sha2::{Digest, Sha256};
use std::{
    fs::{self, File},
    io::{self, Read, Seek, SeekFrom, Write},
    path::Path,
};
use thiserror::Error;

/// The last bytes of a file with variants.
const MAGIC: [u8; 16] = *b"cpu variants v1\n";
const FOOTER_BYTES: usize = 60;
const ENTRY_BYTES: usize = 49;
/// More than one machine's architecture will ever have.
const ENTRIES_MAX: u32 = 8;
/// The longest payload that is read into memory.
const PAYLOAD_BYTES_MAX: u64 = 1 << 30;

/// Why a file's variants cannot be read or written.
#[derive(Debug, Error)]
pub enum TrailerError {
    /// The file could not be read or written.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The file was cut or something was appended to it.
    #[error("its trailer says {expected} bytes, the file has {got}")]
    FileLength {
        /// What the footer says.
        expected: u64,
        /// What the file has.
        got: u64,
    },
    /// An absurd number of entries.
    #[error("expected 1 to {ENTRIES_MAX} variants, got {got}")]
    Entries {
        /// What the footer says.
        got: u32,
    },
    /// The list of variants is not the one that was written.
    #[error("the hash of the list of variants does not match")]
    ListHash,
    /// An entry of a level that this program does not know.
    #[error("variant of level {got}: expected 3 or 4")]
    UnknownLevel {
        /// The level's number.
        got: u8,
    },
    /// An entry points out of the file, or at more than is ever read.
    #[error("variant {level}: {length} bytes at {offset} do not lie in the {available} bytes before the trailer")]
    Bounds {
        /// The variant.
        level: Level,
        /// Where it is said to begin.
        offset: u64,
        /// How long it is said to be.
        length: u64,
        /// Where payloads end.
        available: u64,
    },
    /// A payload is not the one that was written.
    #[error("variant {level}: expected SHA-256 {expected}, got {got}")]
    PayloadHash {
        /// The variant.
        level: Level,
        /// In the entry, in hex.
        expected: String,
        /// Of the payload, in hex.
        got: String,
    },
    /// What should be packed cannot be.
    #[error("cannot pack: {0}")]
    Unpackable(String),
}

/// One variant in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What the machine must have to run it.
    pub level: Level,
    offset: u64,
    length: u64,
    hash: [u8; 32],
}

impl Entry {
    fn encode(&self) -> [u8; ENTRY_BYTES] {
        let mut bytes = [0; ENTRY_BYTES];
        bytes[0] = self.level.number();
        bytes[1..9].copy_from_slice(&self.offset.to_le_bytes());
        bytes[9..17].copy_from_slice(&self.length.to_le_bytes());
        bytes[17..].copy_from_slice(&self.hash);
        bytes
    }

    fn decode(bytes: &[u8], available: u64) -> Result<Self, TrailerError> {
        let level = Level::from_number(bytes[0])
            .filter(|level| *level != Level::Baseline)
            .ok_or(TrailerError::UnknownLevel { got: bytes[0] })?;
        let (offset, length) = (number(&bytes[1..9]), number(&bytes[9..17]));
        let mut hash = [0; 32];
        hash.copy_from_slice(&bytes[17..ENTRY_BYTES]);
        let inside = offset.checked_add(length).is_some_and(|end| end <= available);
        if !inside || length == 0 || length > PAYLOAD_BYTES_MAX {
            return Err(TrailerError::Bounds { level, offset, length, available });
        }
        Ok(Self { level, offset, length, hash })
    }

    /// The variant's executable, whose hash has been checked.
    ///
    /// # Errors
    /// [`TrailerError`] when it cannot be read or is not what was packed.
    pub fn read(&self, file: &mut (impl Read + Seek)) -> Result<Vec<u8>, TrailerError> {
        file.seek(SeekFrom::Start(self.offset))?;
        let mut payload = Vec::new();
        file.take(self.length).read_to_end(&mut payload)?;
        let got: [u8; 32] = Sha256::digest(&payload).into();
        if got == self.hash {
            Ok(payload)
        } else {
            Err(TrailerError::PayloadHash { level: self.level, expected: hex(&self.hash), got: hex(&got) })
        }
    }
}

/// The variants that a file carries; none when it does not end in the magic.
///
/// # Errors
/// [`TrailerError`] when it does, and what stands before it is not whole.
pub fn read(file: &mut (impl Read + Seek)) -> Result<Vec<Entry>, TrailerError> {
    let length = file.seek(SeekFrom::End(0))?;
    let Some(footer_at) = length.checked_sub(FOOTER_BYTES as u64) else { return Ok(Vec::new()) };
    let mut footer = [0; FOOTER_BYTES];
    file.seek(SeekFrom::Start(footer_at))?;
    file.read_exact(&mut footer)?;
    if footer[44..] != MAGIC {
        return Ok(Vec::new());
    }
    let expected = number(&footer[4..12]);
    if expected != length {
        return Err(TrailerError::FileLength { expected, got: length });
    }
    let count = number(&footer[..4]) as u32;
    if !(1..=ENTRIES_MAX).contains(&count) {
        return Err(TrailerError::Entries { got: count });
    }
    let list_bytes = count as usize * ENTRY_BYTES;
    let list_at = footer_at.checked_sub(list_bytes as u64).ok_or(TrailerError::Entries { got: count })?;
    let mut list = vec![0; list_bytes];
    file.seek(SeekFrom::Start(list_at))?;
    file.read_exact(&mut list)?;
    if Sha256::digest(&list)[..] != footer[12..44] {
        return Err(TrailerError::ListHash);
    }
    list.chunks_exact(ENTRY_BYTES).map(|entry| Entry::decode(entry, list_at)).collect()
}

/// Writes `baseline` with `variants` behind it to `output`, which appears whole or not at all.
///
/// # Errors
/// [`TrailerError`] when a file cannot be read or written, is no executable, already carries variants, or when a
/// level comes twice.
pub fn pack(baseline: &Path, variants: &[(Level, &Path)], output: &Path) -> Result<(), TrailerError> {
    let mut bytes = executable(baseline)?;
    if !read(&mut io::Cursor::new(&bytes))?.is_empty() {
        return Err(TrailerError::Unpackable(format!("{} carries variants already", baseline.display())));
    }
    if variants.is_empty() || variants.len() > ENTRIES_MAX as usize {
        return Err(TrailerError::Entries { got: u32::try_from(variants.len()).unwrap_or(u32::MAX) });
    }
    let mut list = Vec::new();
    for (index, (level, path)) in variants.iter().enumerate() {
        if *level == Level::Baseline || variants[..index].iter().any(|(other, _)| other == level) {
            return Err(TrailerError::Unpackable(format!("level {level} is the baseline or comes twice")));
        }
        let payload = executable(path)?;
        let hash = Sha256::digest(&payload).into();
        let entry = Entry { level: *level, offset: bytes.len() as u64, length: payload.len() as u64, hash };
        list.extend_from_slice(&entry.encode());
        bytes.extend_from_slice(&payload);
    }
    bytes.extend_from_slice(&list);
    let length = (bytes.len() + FOOTER_BYTES) as u64;
    // At most `ENTRIES_MAX`, as was checked.
    bytes.extend_from_slice(&(variants.len() as u32).to_le_bytes());
    bytes.extend_from_slice(&length.to_le_bytes());
    bytes.extend_from_slice(&Sha256::digest(&list));
    bytes.extend_from_slice(&MAGIC);
    write(baseline, &bytes, output)
}

/// An executable's bytes.
fn executable(path: &Path) -> Result<Vec<u8>, TrailerError> {
    let bytes = fs::read(path).map_err(|error| TrailerError::Unpackable(format!("{}: {error}", path.display())))?;
    if bytes.starts_with(b"\x7fELF") && bytes.len() as u64 <= PAYLOAD_BYTES_MAX {
        Ok(bytes)
    } else {
        Err(TrailerError::Unpackable(format!("{}: expected an ELF executable of at most 1 GiB", path.display())))
    }
}

/// Writes beside `output` and renames, with the rights of `like`.
fn write(like: &Path, bytes: &[u8], output: &Path) -> Result<(), TrailerError> {
    let mut name = output.as_os_str().to_owned();
    name.push(".new");
    let mut file = File::create(&name)?;
    file.write_all(bytes)?;
    file.set_permissions(fs::metadata(like)?.permissions())?;
    file.sync_all()?;
    fs::rename(&name, output)?;
    Ok(())
}

/// A little-endian number of at most eight bytes.
fn number(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
