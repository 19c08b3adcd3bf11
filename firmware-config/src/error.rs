//! What can go wrong, with what was expected, what came, and what to do.

use std::{io, path::PathBuf};

/// Why something could not be read, planned or done.
#[derive(Debug, thiserror::Error)]
pub enum FirmwareError {
    /// A file cannot be read.
    #[error("{}: cannot be read: {source}", file.display())]
    Read {
        /// Which.
        file: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A file cannot be written.
    #[error("{}: cannot be written: {source}", file.display())]
    Write {
        /// Which.
        file: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A file is not what it should be.
    #[error("{what}: {reason}")]
    Invalid {
        /// The file, and the place in it.
        what: String,
        /// What was expected, and what came.
        reason: String,
    },
    /// No such profile.
    #[error("no profile {name:?}: expected one of {}, or the path of a .toml file", known.join(", "))]
    UnknownProfile {
        /// What was asked for.
        name: String,
        /// What there is.
        known: Vec<String>,
    },
    /// The BMC's address cannot be used.
    #[error("--bmc {url:?}: {reason}")]
    Address {
        /// What was given.
        url: String,
        /// What is wrong with it, and what to do.
        reason: String,
    },
    /// The connection could not be made, or broke.
    #[error(
        "{what}: no answer: {reason}; check that the address is the BMC's, and give the certificate that signed its own with --ca"
    )]
    Unreachable {
        /// What was asked for.
        what: String,
        /// What the connection says.
        reason: String,
    },
    /// The BMC did not answer in time.
    #[error("{what}: no answer within {timeout_s} s; BMCs are slow after a reset: wait, or raise --timeout-s")]
    TimedOut {
        /// What was asked for.
        what: String,
        /// How long was waited.
        timeout_s: u64,
    },
    /// An answer is larger than any honest one.
    #[error("{what}: the answer is longer than {bytes_max} bytes: this is no Redfish service, or a broken one")]
    TooLarge {
        /// What was asked for.
        what: String,
        /// What is taken.
        bytes_max: usize,
    },
    /// An answer is not what Redfish says.
    #[error("{what}: expected {expected}, got {got}")]
    Malformed {
        /// What was asked for.
        what: String,
        /// What Redfish has there.
        expected: String,
        /// What came.
        got: String,
    },
    /// A redirect, which is never followed: it could lead the password elsewhere.
    #[error(
        "{what}: the BMC redirects to {to:?}, which is not followed; give that address as --bmc if it is the BMC's own"
    )]
    Redirected {
        /// What was asked for.
        what: String,
        /// Where to.
        to: String,
    },
    /// The user or the password is not taken.
    #[error("the BMC does not let {user:?} in; check the user and the password, and that the account is not locked")]
    NotAllowedIn {
        /// The user.
        user: String,
    },
    /// The user may not do this.
    #[error("{what}: {user:?} may not do this; it takes a role with ConfigureComponents, such as Administrator")]
    Forbidden {
        /// What was asked for.
        what: String,
        /// The user.
        user: String,
    },
    /// The BMC refused a request.
    #[error("{what}: the BMC answers {status}: {message}")]
    Refused {
        /// What was asked for.
        what: String,
        /// The HTTP status.
        status: u16,
        /// What the BMC says about it.
        message: String,
    },
    /// Something changed between reading and writing.
    #[error(
        "{what} changed since it was read: somebody else configures this machine; nothing was written there, plan again"
    )]
    Changed {
        /// The resource.
        what: String,
    },
    /// The BMC has no system.
    #[error("the BMC lists no system: expected at least one under /redfish/v1/Systems")]
    NoSystem,
    /// It must be said which system is meant.
    #[error("the BMC has {} systems, {}: say which with --system", ids.len(), ids.join(", "))]
    SeveralSystems {
        /// Their ids.
        ids: Vec<String>,
    },
    /// The BMC has no such system.
    #[error("the BMC has no system {id:?}: expected one of {}", ids.join(", "))]
    UnknownSystem {
        /// What was asked for.
        id: String,
        /// What there is.
        ids: Vec<String>,
    },
    /// A profile for another vendor's machines.
    #[error(
        "profile {profile:?} is for {expected} machines, and this one is made by {got:?}: use the profile of its vendor, or generic"
    )]
    WrongVendor {
        /// The profile.
        profile: String,
        /// Its vendor.
        expected: String,
        /// The machine's manufacturer.
        got: String,
    },
    /// The service root and the system name different vendors.
    #[error(
        "the BMC says it is {service:?} and its system is made by {manufacturer:?}, which are two vendors: nothing is done on a \
         machine that contradicts itself; check the address"
    )]
    VendorsDisagree {
        /// What the service root says.
        service: String,
        /// What the system says.
        manufacturer: String,
    },
    /// What the profile requires cannot be done here.
    #[error("nothing was written: {}; fix that, or apply the rest with --partial", reasons.join("; "))]
    Impossible {
        /// A reason for each.
        reasons: Vec<String>,
    },
    /// The BMC said yes and did not do it.
    #[error(
        "the BMC took the settings and does not show them: {}; what was there before is in {}",
        missing.join(", "), rollback.display()
    )]
    NotTaken {
        /// What is not there, with what is.
        missing: Vec<String>,
        /// The rollback file.
        rollback: PathBuf,
    },
    /// Something failed after writing began.
    #[error("{source}; what was there before is in {}: take it back with `sinter firmware rollback`", rollback.display())]
    Interrupted {
        /// What failed.
        source: Box<FirmwareError>,
        /// The rollback file.
        rollback: PathBuf,
    },
    /// The rollback file is another machine's.
    #[error("the rollback file is of {expected}, and this is {got}: nothing was written")]
    OtherMachine {
        /// Whose the file is.
        expected: String,
        /// What answers.
        got: String,
    },
    /// The machine was reset, and the settings did not come into force.
    #[error("{waited_s} s after the reset these still do not hold: {}; look at the machine's console", keys.join(", "))]
    NotInForce {
        /// How long was waited.
        waited_s: u64,
        /// What does not hold.
        keys: Vec<String>,
    },
    /// A program of this machine could not be used.
    #[error("{program}: {reason}")]
    Program {
        /// Which.
        program: String,
        /// What is wrong, and what to do.
        reason: String,
    },
}

impl FirmwareError {
    /// That `what` is not what it should be.
    pub(crate) fn invalid(what: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Invalid { what: what.into(), reason: reason.into() }
    }

    /// That an answer is not what Redfish says.
    pub(crate) fn malformed(what: impl Into<String>, expected: impl Into<String>, got: impl Into<String>) -> Self {
        Self::Malformed { what: what.into(), expected: expected.into(), got: got.into() }
    }
}
