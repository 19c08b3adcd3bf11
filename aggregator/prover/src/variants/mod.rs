//! One file for every machine: a program compiled for what all x86-64 machines have, that carries itself compiled
//! for newer ones.
//!
//! Plonky3 chooses its packed fields when it is compiled. A program built for AVX-512 proves several times faster
//! than one built for the baseline, and does not start where AVX-512 is missing. So a release is the baseline with
//! the others appended ([`trailer`]), and [`switch`], called before anything else, replaces the process by the best
//! variant that the machine can run:
//!
//! 1. What this program was compiled for is below what the machine has, and its own file carries something better.
//! 2. The variant's hash is checked, it is written to a file in memory and executed with the same arguments and the
//!    same environment, and one more variable that names this process, so that a variant that is not what it
//!    says cannot do so again. Children do not inherit the effect: they are other processes.
//! 3. Whatever goes wrong is said on standard error, and the baseline goes on.
//!
//! [`running`] tells what came of it: `sinter --version` and the benchmarks print it. On Arm there is nothing to
//! choose: NEON is in its baseline.

pub mod trailer;

use std::{
    env,
    ffi::{OsStr, OsString},
    fmt, io,
    path::PathBuf,
    str::FromStr,
    sync::OnceLock,
};
use thiserror::Error;
use trailer::TrailerError;

/// Names the process that already switched, the level it wanted, and the file it was started from.
const GUARD: &str = "CPU_VARIANT_GUARD";
/// The highest level that may be used, for tests and for a machine that lies about itself.
const MAX: &str = "CPU_VARIANT_MAX";
/// In a build for tests: the level that a process believes it was compiled for until it has switched. Such a build is
/// made for the machine at hand, which leaves nothing to switch to.
#[cfg(debug_assertions)]
const PRETENDED: &str = "CPU_VARIANT_PRETENDED";

/// What a processor of the x86-64 family must have, as the psABI names it. On others there is only the baseline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// What every machine of the architecture has.
    Baseline,
    /// AVX2 and its like.
    V3,
    /// AVX-512 F, BW, CD, DQ and VL.
    V4,
}

impl Level {
    /// All, lowest first.
    pub const ALL: [Self; 3] = [Self::Baseline, Self::V3, Self::V4];

    /// What this program was compiled for.
    #[must_use]
    pub const fn compiled() -> Self {
        let v3 = cfg!(all(target_arch = "x86_64", target_feature = "avx2", target_feature = "bmi2"));
        let v4 = cfg!(all(target_feature = "avx512f", target_feature = "avx512vl", target_feature = "avx512dq"));
        match (v3, v4) {
            (true, true) => Self::V4,
            (true, false) => Self::V3,
            (false, _) => Self::Baseline,
        }
    }

    /// What this machine has, and its system lets programs use.
    #[must_use]
    #[cfg(target_arch = "x86_64")]
    pub fn machine() -> Self {
        macro_rules! has {
            ($($feature:tt)*) => { true $(&& std::is_x86_feature_detected!($feature))* };
        }
        let v3 = has!("sse4.2" "popcnt" "cmpxchg16b" "avx" "avx2" "bmi1" "bmi2" "f16c" "fma" "lzcnt" "movbe" "xsave");
        let v4 = has!("avx512f" "avx512bw" "avx512cd" "avx512dq" "avx512vl");
        match (v3, v4) {
            (true, true) => Self::V4,
            (true, false) => Self::V3,
            (false, _) => Self::Baseline,
        }
    }

    /// What this machine has: the baseline, which holds what the provers use.
    #[must_use]
    #[cfg(not(target_arch = "x86_64"))]
    pub fn machine() -> Self {
        Self::Baseline
    }

    /// The number in the trailer.
    const fn number(self) -> u8 {
        match self {
            Self::Baseline => 1,
            Self::V3 => 3,
            Self::V4 => 4,
        }
    }

    fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|level| level.number() == number)
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let architecture = if cfg!(target_arch = "x86_64") { "x86-64" } else { env::consts::ARCH };
        f.write_str(architecture)?;
        match self {
            Self::Baseline => Ok(()),
            Self::V3 => f.write_str("-v3"),
            Self::V4 => f.write_str("-v4"),
        }
    }
}

/// A name that is no level's.
#[derive(Debug, Error)]
#[error("expected {}, got `{got}`", Level::ALL.map(|level| level.to_string()).join(", "))]
pub struct UnknownLevel {
    got: String,
}

impl FromStr for Level {
    type Err = UnknownLevel;

    fn from_str(name: &str) -> Result<Self, UnknownLevel> {
        let named = Self::ALL.into_iter().find(|level| level.to_string() == name);
        named.ok_or_else(|| UnknownLevel { got: name.to_owned() })
    }
}

/// What this process runs, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Running {
    /// What it was compiled for.
    pub compiled: Level,
    /// What the machine has.
    pub machine: Level,
    /// How that came.
    pub choice: Choice,
}

/// How it came that this process runs what it runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Choice {
    /// Compiled for what the machine has, or nothing better is carried by the file.
    AsBuilt,
    /// Taken out of this file.
    From(PathBuf),
    /// The environment wants no more than this.
    Capped(Level),
    /// Something better is there, but could not be used.
    Failed(String),
}

impl fmt::Display for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { compiled, machine, choice } = self;
        write!(f, "compiled for {compiled}, the machine has {machine}")?;
        match choice {
            Choice::AsBuilt if compiled < machine => f.write_str("; this file carries no better variant"),
            Choice::AsBuilt => Ok(()),
            Choice::From(path) => write!(f, "; a variant out of {}", path.display()),
            Choice::Capped(level) => write!(f, "; {MAX} allows no more than {level}"),
            Choice::Failed(reason) => write!(f, "; a better variant could not be used: {reason}"),
        }
    }
}

static RUNNING: OnceLock<Running> = OnceLock::new();

/// What this process runs.
pub fn running() -> &'static Running {
    RUNNING.get_or_init(|| Running { compiled: Level::compiled(), machine: Level::machine(), choice: Choice::AsBuilt })
}

/// The file that this program was started from: what a child of the same program has to be started from.
///
/// # Errors
/// When the system does not say.
pub fn own_executable() -> io::Result<PathBuf> {
    match &running().choice {
        Choice::From(path) => Ok(path.clone()),
        _ => env::current_exe(),
    }
}

/// Replaces this process by the best variant in its own file, or returns: call it before anything else.
///
/// What goes wrong is said on standard error, and told by [`running`].
pub fn switch() -> &'static Running {
    let choice = choose();
    if let Choice::Failed(reason) = &choice {
        let (compiled, machine) = (Level::compiled(), Level::machine());
        eprintln!("warning: running the slower {compiled} on a machine that has {machine}: {reason}");
    }
    RUNNING.get_or_init(|| Running { compiled: Level::compiled(), machine: Level::machine(), choice })
}

fn choose() -> Choice {
    let compiled = Level::compiled();
    if let Some((wanted, path)) = env::var_os(GUARD).and_then(|value| read_guard(&value)) {
        if wanted == compiled {
            return Choice::From(path);
        }
        return Choice::Failed(format!("{} holds a variant {wanted} that is compiled for {compiled}", path.display()));
    }
    let compiled = pretended().unwrap_or(compiled);
    let mut allowed = Level::machine();
    if let Some(max) = env::var_os(MAX) {
        match max.to_string_lossy().parse::<Level>() {
            Ok(max) if max < allowed => allowed = max,
            Ok(_) => {}
            Err(error) => eprintln!("warning: {MAX} is ignored: {error}"),
        }
    }
    if compiled >= allowed {
        let capped = compiled < Level::machine();
        return if capped { Choice::Capped(allowed) } else { Choice::AsBuilt };
    }
    match replace(compiled, allowed) {
        Ok(None) => Choice::AsBuilt,
        // Replacing does not return.
        Ok(Some(never)) => match never {},
        Err(error) => Choice::Failed(error.to_string()),
    }
}

/// The level that a test wants this process to have been compiled for.
#[cfg(debug_assertions)]
fn pretended() -> Option<Level> {
    env::var_os(PRETENDED)?.to_str()?.parse().ok()
}

/// Nothing is pretended in a release.
#[cfg(not(debug_assertions))]
const fn pretended() -> Option<Level> {
    None
}

/// Of this very process: its wanted level and the file it came from.
fn read_guard(value: &OsStr) -> Option<(Level, PathBuf)> {
    use std::os::unix::ffi::OsStrExt;
    let mut words = value.as_bytes().splitn(3, |byte| *byte == b' ');
    let pid = std::str::from_utf8(words.next()?).ok()?;
    let level = std::str::from_utf8(words.next()?).ok()?.parse().ok()?;
    let path = OsStr::from_bytes(words.next()?);
    (pid == std::process::id().to_string()).then(|| (level, path.into()))
}

fn write_guard(level: Level, path: PathBuf) -> OsString {
    let mut value = OsString::from(format!("{} {level} ", std::process::id()));
    value.push(path);
    value
}

/// Executes the best variant between the two levels; none when the file carries none.
#[cfg(target_os = "linux")]
fn replace(compiled: Level, allowed: Level) -> Result<Option<std::convert::Infallible>, TrailerError> {
    use rustix::fs::{MemfdFlags, memfd_create};
    use std::{
        fs::File,
        io::Write,
        os::{fd::AsRawFd, unix::process::CommandExt},
        process::Command,
    };

    let mut own = File::open("/proc/self/exe")?;
    let entries = trailer::read(&mut own)?;
    let usable = entries.iter().filter(|entry| entry.level > compiled && entry.level <= allowed);
    let Some(best) = usable.max_by_key(|entry| entry.level) else { return Ok(None) };
    let payload = best.read(&mut own)?;

    let name = format!("variant-{}", best.level);
    // Kernels before 6.3 do not know the flag, and allow execution without it.
    let memory = memfd_create(&name, MemfdFlags::CLOEXEC | MemfdFlags::EXEC)
        .or_else(|_| memfd_create(&name, MemfdFlags::CLOEXEC))
        .map_err(io::Error::from)?;
    let mut writer = File::from(memory);
    writer.write_all(&payload)?;
    // A file that is open for writing cannot be executed.
    let reader = File::open(format!("/proc/self/fd/{}", writer.as_raw_fd()))?;
    drop(writer);

    let mut arguments = env::args_os();
    let mut command = Command::new(format!("/proc/self/fd/{}", reader.as_raw_fd()));
    if let Some(name) = arguments.next() {
        command.arg0(name);
    }
    let guard = write_guard(best.level, env::current_exe()?);
    Err(command.args(arguments).env(GUARD, guard).exec().into())
}

/// Files in memory are Linux's.
#[cfg(not(target_os = "linux"))]
fn replace(_: Level, _: Level) -> Result<Option<std::convert::Infallible>, TrailerError> {
    Ok(None)
}
