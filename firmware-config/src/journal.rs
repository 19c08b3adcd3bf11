//! What is on disk before anything is written to a machine: what was there, and who did what.

use crate::{error::FirmwareError, plan::Change, redfish::machine::Machine};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

const AUDIT: &str = "audit.jsonl";
const VERSION: u32 = 1;
/// Longest rollback file that is read.
const ROLLBACK_BYTES_MAX: u64 = 4 << 20;

/// What was there before a change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rollback {
    /// The file's format.
    pub version: u32,
    /// When, in milliseconds since 1970.
    pub at_ms: u64,
    /// The BMC's address.
    pub bmc: String,
    /// Which machine: [`Machine::identity`].
    pub machine: String,
    /// The machine, for whoever reads.
    pub title: String,
    /// The profile that was applied.
    pub profile: String,
    /// The map by which it was applied.
    pub map: String,
    /// What was changed, with what was there.
    pub changes: Vec<Change>,
}

impl Rollback {
    /// Reads a file.
    ///
    /// # Errors
    /// When it cannot be read, or is none.
    pub fn read(file: &Path) -> Result<Self, FirmwareError> {
        let failed = |source| FirmwareError::Read { file: file.to_path_buf(), source };
        let mut text = String::new();
        File::open(file).map_err(failed)?.take(ROLLBACK_BYTES_MAX).read_to_string(&mut text).map_err(failed)?;
        let located = |reason: String| FirmwareError::invalid(file.display().to_string(), reason);
        let rollback: Self = serde_json::from_str(&text).map_err(|error| located(error.to_string()))?;
        match rollback.version {
            VERSION => Ok(rollback),
            other => Err(located(format!("version: expected {VERSION}, got {other}"))),
        }
    }

    /// That the file is a machine's own.
    ///
    /// # Errors
    /// When it is another one's.
    pub fn check(&self, machine: &Machine) -> Result<(), FirmwareError> {
        if self.machine == machine.identity() {
            return Ok(());
        }
        Err(FirmwareError::OtherMachine {
            expected: format!("{} ({})", self.title, self.machine),
            got: format!("{} ({})", machine.title(), machine.identity()),
        })
    }
}

/// The folder of rollback files and of the audit log.
#[derive(Clone, Debug)]
pub struct Journal {
    folder: PathBuf,
    bmc: String,
    machine: String,
    title: String,
    actor: String,
}

impl Journal {
    /// The journal in a folder, which is made if it is not there, for what `actor` does to a machine.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn open(folder: &Path, bmc: &str, machine: &Machine, actor: &str) -> Result<Self, FirmwareError> {
        let failed = |source| FirmwareError::Write { file: folder.to_path_buf(), source };
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed)?;
        Ok(Self {
            folder: folder.to_path_buf(),
            bmc: bmc.to_owned(),
            machine: machine.identity().to_owned(),
            title: machine.title(),
            actor: actor.to_owned(),
        })
    }

    /// Writes down what takes `changes` back. It is on the disk when this returns.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn remember(&self, profile: &str, map: &str, changes: Vec<Change>) -> Result<PathBuf, FirmwareError> {
        let at_ms = now_ms();
        let rollback = Rollback {
            version: VERSION,
            at_ms,
            bmc: self.bmc.clone(),
            machine: self.machine.clone(),
            title: self.title.clone(),
            profile: profile.to_owned(),
            map: map.to_owned(),
            changes,
        };
        let file = self.folder.join(format!("rollback-{at_ms}.json"));
        let written = serde_json::to_vec_pretty(&rollback).map_err(io::Error::from).and_then(|mut bytes| {
            bytes.push(b'\n');
            let mut opened = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&file)?;
            opened.write_all(&bytes)?;
            opened.sync_all()?;
            File::open(&self.folder)?.sync_all()
        });
        written.map_err(|source| FirmwareError::Write { file: file.clone(), source })?;
        Ok(file)
    }

    /// Adds a line to the audit log. It is on the disk when this returns.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn audit(&self, action: &str, details: serde_json::Value) -> Result<(), FirmwareError> {
        let line = json!({
            "at_ms": now_ms(), "actor": self.actor, "bmc": self.bmc, "machine": self.machine, "action": action,
            "details": details,
        });
        let file = self.folder.join(AUDIT);
        let appended = OpenOptions::new().append(true).create(true).mode(0o600).open(&file).and_then(|mut opened| {
            // One write: lines of two commands do not mix.
            opened.write_all(format!("{line}\n").as_bytes())?;
            opened.sync_data()
        });
        appended.map_err(|source| FirmwareError::Write { file, source })
    }
}

/// Now, in milliseconds since 1970.
pub(crate) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
