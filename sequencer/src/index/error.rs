//! Why the index refused or failed, told apart so that a node can act: a full disk stops it cleanly,
//! a gap means blocks must be replayed first, and a conflict means that something is badly wrong.

use sinter_primitives::Digest;

/// Why the index refused or failed.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    /// No space is left on the device, or the quota is used up. Nothing of the failed write remains.
    #[error("index: no space left on the device while {doing}")]
    DiskFull {
        /// What was being done.
        doing: &'static str,
    },
    /// Another process holds the file.
    #[error("index: the file is held by another process")]
    Busy,
    /// The file was written with another layout.
    #[error("index: expected schema version {expected}, got {got}: {remedy}")]
    SchemaVersion {
        /// The version that this code reads.
        expected: u64,
        /// The file's.
        got: u64,
        /// What to do about it.
        remedy: &'static str,
    },
    /// The file belongs to another network.
    #[error("index: expected an index of chain {expected}, got one of chain {got}")]
    OtherChain {
        /// The hash of this node's `chain.toml`.
        expected: Digest,
        /// The hash that the file was made under.
        got: Digest,
    },
    /// A block came before its parent.
    #[error("index: expected the block at height {expected}, got height {got}")]
    Gap {
        /// The height above the tip.
        expected: u64,
        /// The block's.
        got: u64,
    },
    /// A block does not build on the indexed one.
    #[error("index: block at height {height}: expected parent {expected}, got {got}")]
    Parent {
        /// The block's height.
        height: u64,
        /// The digest of the header below.
        expected: Digest,
        /// The block's parent.
        got: Digest,
    },
    /// It cannot begin at a checkpoint, since it has begun.
    #[error("index: expected one without history, to begin with, got one that is at height {height}")]
    NotEmpty {
        /// Its tip.
        height: u64,
    },
    /// Another block is already final at this height.
    #[error("index: height {height} is final with {expected}, got {got}")]
    Conflict {
        /// The height.
        height: u64,
        /// What is indexed.
        expected: Digest,
        /// What came.
        got: Digest,
    },
    /// What came with a block is not what its header commits to.
    #[error("index: block at height {height}: {what}: expected {expected}, got {got}")]
    Mismatch {
        /// The block's height.
        height: u64,
        /// Which part.
        what: &'static str,
        /// What the block says.
        expected: String,
        /// What came with it.
        got: String,
    },
    /// A stored value does not decode.
    #[error("index: {what} at height {height} is damaged: {reason}")]
    Damaged {
        /// Which table.
        what: &'static str,
        /// The height.
        height: u64,
        /// Why.
        reason: String,
    },
    /// The file's format is of another release of the database.
    #[error("index: while {doing}: {source}")]
    Storage {
        /// What was being done.
        doing: &'static str,
        /// What the database says.
        source: Box<redb::Error>,
    },
}

impl IndexError {
    /// Whether the device is full: the node stops, and works again once space returns.
    #[must_use]
    pub const fn is_disk_full(&self) -> bool {
        matches!(self, Self::DiskFull { .. })
    }
}

/// Turns the database's many error types into ours, with what was being done.
pub(super) fn storage<E: Into<redb::Error>>(doing: &'static str) -> impl FnOnce(E) -> IndexError {
    use std::io::ErrorKind::{QuotaExceeded, StorageFull};
    move |error| match error.into() {
        redb::Error::Io(io) if matches!(io.kind(), StorageFull | QuotaExceeded) => IndexError::DiskFull { doing },
        redb::Error::DatabaseAlreadyOpen => IndexError::Busy,
        source => IndexError::Storage { doing, source: Box::new(source) },
    }
}
