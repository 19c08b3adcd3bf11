//! Configuration files of commands: TOML, every key known, paths relative to the file.

use crate::{
    args::LogFormat,
    exit::{Exit, Failure, OrFail},
};
use clap::Args;
use serde::de::DeserializeOwned;
use std::{
    fs,
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};
use tracing_subscriber::EnvFilter;

/// How a machine is run: `sinter aggregator run`, `sinter rollup run`.
#[derive(Debug, Args)]
pub struct RunArguments {
    /// The machine's configuration file
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
    /// How log lines are written to standard error
    #[arg(long, value_enum, default_value_t = LogFormat::Text)]
    pub log_format: LogFormat,
    /// Stop when standard input ends: for a parent that wants no orphans
    #[arg(long, hide = true)]
    pub stop_with_input: bool,
}

/// Reads a configuration file; also the folder that its paths are relative to.
///
/// # Errors
/// When it cannot be read, or a key is missing, unknown, or of another type.
pub fn load<T: DeserializeOwned>(file: &Path) -> Result<(T, PathBuf), Failure> {
    let what = format!("configuration file {}", file.display());
    let text = fs::read_to_string(file).or_fail(Exit::Usage, &what)?;
    let config = toml::from_str(&text).or_fail(Exit::Usage, &what)?;
    Ok((config, file.parent().unwrap_or(Path::new(".")).to_path_buf()))
}

/// A file with one line that nobody else is to see: a token.
///
/// # Errors
/// When it cannot be read.
pub fn read_line(file: &Path) -> Result<String, Failure> {
    let text = fs::read_to_string(file).or_fail(Exit::Usage, file.display())?;
    Ok(text.trim().to_owned())
}

/// Writes a secret to a new file that nobody else can read.
///
/// # Errors
/// When the file exists, or cannot be written.
pub fn write_secret(file: &Path, secret: &str) -> Result<(), Failure> {
    let mut options = fs::OpenOptions::new();
    let opened = options.write(true).create_new(true).mode(0o600).open(file);
    let written = opened.and_then(|mut opened| {
        writeln!(opened, "{secret}")?;
        opened.sync_all()
    });
    written.or_fail(Exit::Usage, file.display())
}

/// Writes log lines to standard error.
///
/// # Errors
/// When the filter is none.
pub fn start_log(filter: &str, format: LogFormat) -> Result<(), Failure> {
    let filter = EnvFilter::try_new(filter).or_fail(Exit::Usage, format_args!("configuration: `log`: {filter:?}"))?;
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match format {
        LogFormat::Text => subscriber.with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr())).init(),
        LogFormat::Json => subscriber.json().flatten_event(true).init(),
    }
    Ok(())
}

/// Lowers the priority of this thread and those that it will start, so that they take what others leave. Where that is not
/// possible it stays.
pub fn lower_priority(niceness: i32) {
    if niceness > 0 && rustix::process::setpriority_process(None, niceness).is_err() {
        tracing::warn!(niceness, "the priority cannot be lowered");
    }
}
