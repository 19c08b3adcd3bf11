//! Which of its variants this program runs, and how a release gets them.

use crate::exit::{Exit, Failure, OrFail};
use clap::Args;
use sinter_prover::variants::{
    Level, running,
    trailer::{self, TrailerError},
};
use std::{path::PathBuf, sync::LazyLock};

/// `sinter pack-variants`.
#[derive(Debug, Args)]
pub struct PackArguments {
    /// The build that starts on every machine
    #[arg(value_name = "FILE")]
    pub baseline: PathBuf,
    /// A build for a newer level, such as x86-64-v4=FILE
    #[arg(long = "variant", value_name = "LEVEL=FILE", required = true, value_parser = variant)]
    pub variants: Vec<(Level, PathBuf)>,
    /// The file to write
    #[arg(long, value_name = "FILE")]
    pub output: PathBuf,
}

fn variant(text: &str) -> Result<(Level, PathBuf), String> {
    let (level, path) = text.split_once('=').ok_or("expected LEVEL=FILE")?;
    Ok((level.parse::<Level>().map_err(|error| error.to_string())?, path.into()))
}

/// Writes the baseline with the variants behind it.
///
/// # Errors
/// When a file is no build of this program, or cannot be read or written.
pub fn pack(arguments: &PackArguments) -> Result<(), Failure> {
    let variants: Vec<_> = arguments.variants.iter().map(|(level, path)| (*level, path.as_path())).collect();
    let what = format!("writing {}", arguments.output.display());
    match trailer::pack(&arguments.baseline, &variants, &arguments.output) {
        Err(error @ TrailerError::Unpackable(_)) => Err(Failure::because(Exit::Usage, "", &error)),
        other => other.or_fail(Exit::Failed, what),
    }
}

/// What `sinter --version` prints: the version, and what of the processor is used.
pub fn version() -> &'static str {
    static TEXT: LazyLock<String> = LazyLock::new(|| format!("{}\n{}", env!("CARGO_PKG_VERSION"), running()));
    &TEXT
}
