//! The signer's memory on disk: what its key has signed, written and synchronized before a signature is given away.
//!
//! ```text
//! "SINTERSJ" ‖ version (1) ‖ BLS public key (96) ‖ check (8)        then records of 113 bytes each:
//! chain hash (32) ‖ session (16) ‖ vote (57) ‖ check (8)
//! ```
//!
//! A check is the first 8 bytes of SHA-256 over the check before it and the record, so that no record can be lost, changed or
//! moved without a trace, except from the end. Every vote was on disk before the next was written, so a crash
//! can tear one record only, the last: it is short, or its check was never written and is zero. Such a tail was never
//! answered with a signature, and is cut off. Anything else that does not check is damage, and with it nothing is signed.
//!
//! A record of kind 255 is a floor instead of a vote: its epoch and view are the lowest in which anything is signed. From time to
//! time the journal is written anew with what is still remembered, and takes the old one's place.

use super::message::{Fields, KEY_BYTES, Position, Session, VOTE_BYTES, write_vote};
use crate::votes::Vote;
use sha2::{Digest as _, Sha256};
use sinter_primitives::Digest;
use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Read as _, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

/// The journal in the signer's data directory.
pub const JOURNAL: &str = "votes.journal";
const UNFINISHED: &str = "votes.journal.new";
const FILE_MODE: u32 = 0o600;
const MAGIC: [u8; 9] = *b"SINTERSJ\x01";
const CHECK_BYTES: usize = 8;
const HEADER_BYTES: usize = MAGIC.len() + KEY_BYTES + CHECK_BYTES;
const FIELDS_BYTES: usize = 32 + 16 + VOTE_BYTES;
/// Bytes of a record.
pub const RECORD_BYTES: usize = FIELDS_BYTES + CHECK_BYTES;
/// Where a vote's kind stands in a record, which tells a floor.
const KIND_AT: usize = 32 + 16 + 16;
const FLOOR: u8 = 255;
/// Longest journal that is read: many times what one grows to.
const FILE_BYTES_MAX: u64 = 256 << 20;

type Check = [u8; CHECK_BYTES];

/// Why there is no journal to sign with.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// A file or directory could not be read or written.
    #[error("signer's journal: {path}: {source}")]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Another signer has it.
    #[error("{path}: another signer runs on this directory")]
    Locked {
        /// The directory.
        path: PathBuf,
    },
    /// It is not as it was written.
    #[error(
        "signer's journal {path}: byte {at}: expected {expected}: it is damaged, and what it no longer shows could be signed twice: \
         rejoin with a new BLS key"
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where.
        at: u64,
        /// What should stand there.
        expected: &'static str,
    },
    /// It is of another key.
    #[error("signer's journal {path}: expected that of key 0x{expected}, got that of 0x{got}")]
    OtherKey {
        /// The file.
        path: PathBuf,
        /// The signer's key.
        expected: String,
        /// The journal's.
        got: String,
    },
    /// A write failed before, and what is on disk since is not known.
    #[error("signer's journal {path}: a write failed: start the signer again")]
    Failed {
        /// The file.
        path: PathBuf,
    },
}

/// What a journal holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Record {
    /// A vote that may have been signed.
    Vote { chain: Digest, session: Session, vote: Vote },
    /// Below it, nothing is signed.
    Floor { chain: Digest, floor: Position },
}

/// An open journal, and the lock on its directory.
#[derive(Debug)]
pub(super) struct Journal {
    directory: PathBuf,
    file: File,
    last: Check,
    records: usize,
    key: [u8; KEY_BYTES],
    failed: bool,
    _lock: File,
}

impl Journal {
    /// Opens the journal in `directory`, whose key this is; an empty one where there is none. Whether there should be one,
    /// [`crate::mark`] knows.
    pub(super) fn open(directory: &Path, key: [u8; KEY_BYTES]) -> Result<(Self, Vec<Record>), JournalError> {
        let lock = lock(directory)?;
        let path = directory.join(JOURNAL);
        let failed = |source| JournalError::Io { path: path.clone(), source };
        let bytes = match read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let (file, last) = replace(directory, &key, &[]).map_err(failed)?;
                let journal =
                    Self { directory: directory.into(), file, last, records: 0, key, failed: false, _lock: lock };
                return Ok((journal, Vec::new()));
            }
            bytes => bytes.map_err(failed)?,
        };
        let (records, whole, last) = parse(&path, &bytes, &key)?;
        let file = OpenOptions::new().append(true).open(&path).map_err(failed)?;
        if whole < bytes.len() {
            tracing::warn!(path = %path.display(), bytes = bytes.len() - whole, "cut off a record that was not finished");
            file.set_len(whole as u64).and_then(|()| file.sync_all()).map_err(failed)?;
        }
        let journal =
            Self { directory: directory.into(), file, last, records: records.len(), key, failed: false, _lock: lock };
        Ok((journal, records))
    }

    /// Writes a record. It is on disk when this returns.
    pub(super) fn append(&mut self, record: &Record) -> Result<(), JournalError> {
        let mut last = self.last;
        let bytes = encode(record, &mut last);
        self.write(|journal| {
            journal.file.write_all(&bytes)?;
            journal.file.sync_data()
        })?;
        (self.last, self.records) = (last, self.records + 1);
        Ok(())
    }

    /// Writes the journal anew with these records alone.
    pub(super) fn rewrite(&mut self, records: &[Record]) -> Result<(), JournalError> {
        self.write(|journal| {
            (journal.file, journal.last) = replace(&journal.directory, &journal.key, records)?;
            Ok(())
        })?;
        self.records = records.len();
        Ok(())
    }

    /// Records in the file.
    pub(super) fn records(&self) -> usize {
        self.records
    }

    /// After one failure nobody knows what is on disk, so nothing is written any more.
    fn write(&mut self, write: impl FnOnce(&mut Self) -> io::Result<()>) -> Result<(), JournalError> {
        let path = self.directory.join(JOURNAL);
        if self.failed {
            return Err(JournalError::Failed { path });
        }
        write(self).map_err(|source| {
            self.failed = true;
            JournalError::Io { path, source }
        })
    }
}

/// Locks the directory until the file is closed, by the kernel if need be.
fn lock(directory: &Path) -> Result<File, JournalError> {
    let failed = |source| JournalError::Io { path: directory.into(), source };
    let file = File::open(directory).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(JournalError::Locked { path: directory.into() }),
        Err(TryLockError::Error(error)) => Err(failed(error)),
    }
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let file = File::open(path)?;
    if file.metadata()?.len() > FILE_BYTES_MAX {
        return Err(io::Error::other(format!("expected at most {FILE_BYTES_MAX} bytes")));
    }
    let mut bytes = Vec::new();
    file.take(FILE_BYTES_MAX).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// A new journal in the place of the old one, whole or not at all, and on disk.
fn replace(directory: &Path, key: &[u8; KEY_BYTES], records: &[Record]) -> io::Result<(File, Check)> {
    let mut bytes = [MAGIC.as_slice(), key].concat();
    let mut last = check(&[0; CHECK_BYTES], &bytes);
    bytes.extend_from_slice(&last);
    for record in records {
        bytes.extend_from_slice(&encode(record, &mut last));
    }
    let unfinished = directory.join(UNFINISHED);
    // What an earlier attempt left behind would be written to the end of.
    match fs::remove_file(&unfinished) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().append(true).create_new(true).mode(FILE_MODE).open(&unfinished)?;
    file.write_all(&bytes)?;
    file.sync_all()?;
    fs::rename(&unfinished, directory.join(JOURNAL))?;
    File::open(directory)?.sync_all()?;
    Ok((file, last))
}

fn check(before: &Check, bytes: &[u8]) -> Check {
    let hash = Sha256::new().chain_update(before).chain_update(bytes).finalize();
    let mut check = [0; CHECK_BYTES];
    check.copy_from_slice(&hash[..CHECK_BYTES]);
    // Zero says that a record was not finished.
    if check == [0; CHECK_BYTES] { [0xff; CHECK_BYTES] } else { check }
}

fn encode(record: &Record, last: &mut Check) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(RECORD_BYTES);
    match record {
        Record::Vote { chain, session, vote } => {
            bytes.extend_from_slice(chain.as_ref());
            bytes.extend_from_slice(&session.0);
            write_vote(vote, &mut bytes);
        }
        Record::Floor { chain, floor } => {
            bytes.extend_from_slice(chain.as_ref());
            bytes.extend_from_slice(&[0; 16]);
            bytes.extend_from_slice(&floor.epoch.to_be_bytes());
            bytes.extend_from_slice(&floor.view.to_be_bytes());
            bytes.push(FLOOR);
            bytes.resize(FIELDS_BYTES, 0);
        }
    }
    *last = check(last, &bytes);
    bytes.extend_from_slice(last);
    bytes
}

fn decode(fields: &[u8]) -> Option<Record> {
    let floor = fields.get(KIND_AT) == Some(&FLOOR);
    let mut fields = Fields(fields);
    let (chain, session) = (Digest(fields.take()?), Session(fields.take()?));
    if floor {
        return Some(Record::Floor { chain, floor: Position { epoch: fields.number()?, view: fields.number()? } });
    }
    Some(Record::Vote { chain, session, vote: fields.vote()? })
}

/// The records, the bytes that they take with the header, and the last check.
fn parse(path: &Path, bytes: &[u8], key: &[u8; KEY_BYTES]) -> Result<(Vec<Record>, usize, Check), JournalError> {
    let damaged = |at: usize, expected| JournalError::Damaged { path: path.into(), at: at as u64, expected };
    let header = bytes.get(..HEADER_BYTES).ok_or_else(|| damaged(bytes.len(), "the rest of a header"))?;
    let (said, found) = header.split_at(HEADER_BYTES - CHECK_BYTES);
    let mut last = check(&[0; CHECK_BYTES], said);
    if said[..MAGIC.len()] != MAGIC || found != last {
        return Err(damaged(0, "the header of a journal"));
    }
    if said[MAGIC.len()..] != key[..] {
        let (expected, got) = (hex::encode(key), hex::encode(&said[MAGIC.len()..]));
        return Err(JournalError::OtherKey { path: path.into(), expected, got });
    }
    let (mut records, mut whole) = (Vec::new(), HEADER_BYTES);
    for record in bytes[HEADER_BYTES..].chunks(RECORD_BYTES) {
        let is_last = whole + record.len() == bytes.len();
        let Some((fields, found)) = record.split_at_checked(FIELDS_BYTES).filter(|_| record.len() == RECORD_BYTES)
        else {
            break;
        };
        if is_last && found == [0; CHECK_BYTES] {
            break;
        }
        last = check(&last, fields);
        if found != last {
            return Err(damaged(whole, "a record that checks"));
        }
        records.push(decode(fields).ok_or_else(|| damaged(whole, "a vote or a floor"))?);
        whole += RECORD_BYTES;
    }
    Ok((records, whole, last))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::votes::Choice;

    const KEY: [u8; KEY_BYTES] = [7; KEY_BYTES];
    const CHAIN: Digest = Digest([0xc4; 32]);

    fn record(view: u64) -> Record {
        let choice = Choice::Notarize { parent_view: view - 1, payload: Digest([view as u8; 32]) };
        Record::Vote { chain: CHAIN, session: Session([1; 16]), vote: Vote { epoch: 0, view, choice } }
    }

    /// A journal of three votes.
    fn three(directory: &Path) -> Vec<u8> {
        let (mut journal, records) = Journal::open(directory, KEY).unwrap();
        assert!(records.is_empty());
        (1..=3).for_each(|view| journal.append(&record(view)).unwrap());
        fs::read(directory.join(JOURNAL)).unwrap()
    }

    fn reopen(directory: &Path, bytes: &[u8]) -> Result<Vec<Record>, JournalError> {
        fs::write(directory.join(JOURNAL), bytes).unwrap();
        Journal::open(directory, KEY).map(|(_, records)| records)
    }

    #[test]
    fn records_come_back_in_order() {
        let dir = tempfile::tempdir().unwrap();
        three(dir.path());
        let (mut journal, records) = Journal::open(dir.path(), KEY).unwrap();
        assert_eq!(records, (1..=3).map(record).collect::<Vec<_>>());
        let floor = Record::Floor { chain: CHAIN, floor: Position { epoch: 1, view: 4 } };
        journal.rewrite(&[floor, record(9)]).unwrap();
        journal.append(&record(10)).unwrap();
        assert_eq!(journal.records(), 3);
        drop(journal);
        let (_, records) = Journal::open(dir.path(), KEY).unwrap();
        assert_eq!(records, [floor, record(9), record(10)]);
    }

    #[test]
    fn one_signer_at_a_time() {
        let dir = tempfile::tempdir().unwrap();
        let first = Journal::open(dir.path(), KEY).unwrap();
        assert!(matches!(Journal::open(dir.path(), KEY), Err(JournalError::Locked { .. })));
        drop(first);
        Journal::open(dir.path(), KEY).unwrap();
        assert!(matches!(Journal::open(dir.path(), [8; KEY_BYTES]), Err(JournalError::OtherKey { .. })));
    }

    /// Torn at every byte, in both ways that file systems tear: short, and of the right length with zeros.
    #[test]
    fn a_torn_record_is_cut_off_and_the_journal_goes_on() {
        let dir = tempfile::tempdir().unwrap();
        let whole = three(dir.path());
        let before = whole.len() - RECORD_BYTES;
        for kept in 0..RECORD_BYTES {
            let mut short = whole[..before + kept].to_vec();
            assert_eq!(reopen(dir.path(), &short).unwrap(), [record(1), record(2)], "{kept} bytes");
            assert_eq!(fs::read(dir.path().join(JOURNAL)).unwrap(), whole[..before]);
            if kept <= FIELDS_BYTES {
                short.resize(whole.len(), 0);
                assert_eq!(reopen(dir.path(), &short).unwrap(), [record(1), record(2)], "{kept} bytes, then zeros");
                assert_eq!(fs::read(dir.path().join(JOURNAL)).unwrap(), whole[..before]);
            }
        }
        let (mut journal, _) = Journal::open(dir.path(), KEY).unwrap();
        journal.append(&record(3)).unwrap();
        assert_eq!(fs::read(dir.path().join(JOURNAL)).unwrap(), whole);
    }

    #[test]
    fn every_other_damage_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let whole = three(dir.path());
        for at in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[at] ^= 0x10;
            let error = reopen(dir.path(), &bytes).unwrap_err();
            assert!(matches!(error, JournalError::Damaged { .. }), "byte {at}: {error}");
        }
        // A record that is missing, one that is twice there, two that changed places.
        let (header, records) = whole.split_at(HEADER_BYTES);
        let of = |place: usize| &records[place * RECORD_BYTES..(place + 1) * RECORD_BYTES];
        for order in [&[0, 2][..], &[0, 0, 1, 2], &[1, 0, 2], &[1]] {
            let bytes = [header.to_vec(), order.iter().flat_map(|place| of(*place).to_vec()).collect()].concat();
            assert!(matches!(reopen(dir.path(), &bytes), Err(JournalError::Damaged { .. })), "{order:?}");
        }
        for length in 0..HEADER_BYTES {
            assert!(
                matches!(reopen(dir.path(), &whole[..length]), Err(JournalError::Damaged { .. })),
                "{length} bytes"
            );
        }
    }
}
