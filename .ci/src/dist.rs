//! `cargo dist`: the release as one file that runs on every machine of its architecture, and fast on new ones.
//!
//! Provers choose their vector instructions when they are compiled. On x86-64 the program is built three times, and
//! the two better builds are appended to the baseline, which starts them where the machine can run them
//! (`sinter_prover::variants`). On Arm the baseline has NEON, and one build is all. What is handed on with it, `package` makes.

use crate::{
    Outcome, package,
    shell::{Workspace, read, run},
};
use std::{fs, path::PathBuf};

/// The baseline, and what is packed behind it.
const LEVELS: [&str; 3] = ["x86-64", "x86-64-v3", "x86-64-v4"];

/// Builds the release and prints what it runs on this machine.
pub fn dist(workspace: &Workspace) -> Outcome {
    make(workspace).into()
}

fn make(workspace: &Workspace) -> Result<(), String> {
    let directory = workspace.target.join("dist");
    let output = directory.join("sinter");
    fs::create_dir_all(&directory).map_err(|error| format!("cannot make {}: {error}", directory.display()))?;
    if std::env::consts::ARCH == "x86_64" {
        let built: Vec<PathBuf> = LEVELS.iter().map(|level| build(workspace, Some(level))).collect::<Result<_, _>>()?;
        let mut pack = workspace.command(&built[0]);
        pack.args(["pack-variants", "--output"]).arg(&output);
        for (level, path) in LEVELS.iter().zip(&built).skip(1) {
            pack.arg("--variant").arg(format!("{level}={}", path.display()));
        }
        run(pack.arg(&built[0]))?;
    } else {
        let built = build(workspace, None)?;
        fs::copy(&built, &output).map_err(|error| format!("cannot write {}: {error}", output.display()))?;
    }
    let bytes = fs::metadata(&output).map_err(|error| format!("{}: {error}", output.display()))?.len();
    println!("{}: {:.1} MB", output.display(), bytes as f64 / 1e6);
    for max in LEVELS {
        let version = read(workspace.command(&output).arg("--version").env("CPU_VARIANT_MAX", max))?;
        println!("{}", version.trim_end());
        check(max, &version)?;
    }
    package::release(workspace)
}

/// Whether a packed program that may use `max` runs what it should: that, or what the machine has if that is less.
fn check(max: &str, version: &str) -> Result<(), String> {
    let after = |words: &str| Some(version.split_once(words)?.1.split([',', ';', '\n']).next()?.trim());
    let rank = |level: &str| LEVELS.iter().position(|known| *known == level);
    let (compiled, machine) = (after("compiled for "), after("the machine has "));
    match (compiled.and_then(rank), machine.and_then(rank), rank(max)) {
        (Some(compiled), Some(machine), Some(max)) if compiled == machine.min(max) => Ok(()),
        // On Arm there is one build.
        (None, None, _) if compiled.is_some() && compiled == machine => Ok(()),
        _ => Err(format!("expected a program that runs as {max}, or as what the machine has, got\n{version}")),
    }
}

/// Builds for a level of x86-64, or for what the architecture always has; each in a directory of its own, or they
/// would throw each other's work away.
fn build(workspace: &Workspace, level: Option<&str>) -> Result<PathBuf, String> {
    let target = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let directory = workspace.target.join("dist").join(level.unwrap_or("baseline"));
    // With `--target`, build scripts and macros are not built for the level: this machine may not have it.
    let mut command = workspace.cargo(&["build", "--locked", "--profile", "dist", "--package", "sinter"]);
    command.args(["--target", &target, "--target-dir"]).arg(&directory).env_remove("CARGO_ENCODED_RUSTFLAGS");
    // Set in any case: the configuration's flags are for the machine that builds.
    let mut flags = std::env::var("RUSTFLAGS").unwrap_or_default();
    if let Some(level) = level {
        println!("for {level}:");
        flags.push_str(&format!(" -C target-cpu={level}"));
    }
    command.env("RUSTFLAGS", flags.trim());
    run(&mut command)?;
    Ok(directory.join(target).join("dist/sinter"))
}

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn a_packed_program_must_run_the_best_that_it_may() {
        let version = |compiled, machine| format!("sinter 0.1.0\ncompiled for {compiled}, the machine has {machine}\n");
        let held = |max, compiled, machine| check(max, &version(compiled, machine)).is_ok();
        assert!(held("x86-64-v4", "x86-64-v4", "x86-64-v4; a variant out of /sinter"));
        assert!(held("x86-64-v4", "x86-64-v3", "x86-64-v3; a variant out of /sinter"));
        assert!(held("x86-64", "x86-64", "x86-64-v4; CPU_VARIANT_MAX allows no more than x86-64"));
        assert!(!held("x86-64-v4", "x86-64", "x86-64-v4; this file carries no better variant"));
        assert!(!held("x86-64-v3", "x86-64-v4", "x86-64-v4"));
        assert!(held("x86-64", "aarch64", "aarch64"));
        assert!(check("x86-64", "sinter 0.1.0").is_err());
    }
}
