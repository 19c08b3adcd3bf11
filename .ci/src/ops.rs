//! What operators install: alert rules and their tests, routes, systemd's units. That the files are what the code makes, and
//! that names in them lead somewhere, `sinter-ops` tests itself; that live machines serve what is named, `devnet` checks.

use crate::{
    Outcome,
    shell::{Workspace, run, run_quiet},
};
use std::{fs, path::PathBuf};

/// The most that `systemd-analyze security` may find exposed, of 100: a unit without any protection has 96.
const EXPOSURE_MAX: &str = "20";

/// A severity, and who is told.
const ROUTES: [(&str, &str); 2] = [("severity=page", "page"), ("severity=ticket", "ticket")];

/// A part of this check.
type Part = fn(&Workspace) -> Result<(), String>;

/// The parts, and the program that each needs.
const PARTS: [(&str, Part); 3] = [("promtool", rules), ("amtool", routes), ("systemd-analyze", units)];

/// Checks all of it; what needs a program that is not here is named.
pub fn check(workspace: &Workspace) -> Outcome {
    let mut without = Vec::new();
    for (program, part) in PARTS {
        if !workspace.answers(program, &["--version"]) {
            without.push(format!("no {program}"));
        } else if let Err(reason) = part(workspace) {
            return Outcome::Failed(reason);
        }
    }
    if without.is_empty() { Outcome::Passed } else { Outcome::PassedWithout(without) }
}

fn rules(workspace: &Workspace) -> Result<(), String> {
    for arguments in [
        ["check", "rules", "ops/prometheus/sinter.rules.yml"],
        ["check", "config", "ops/prometheus/prometheus.yml"],
        ["test", "rules", "ops/prometheus/tests/sinter.yml"],
    ] {
        run(workspace.command("promtool").args(arguments))?;
    }
    Ok(())
}

fn routes(workspace: &Workspace) -> Result<(), String> {
    let file = "ops/alertmanager/alertmanager.yml";
    run(workspace.command("amtool").args(["check-config", file]))?;
    for (label, receiver) in ROUTES {
        let test = ["config", "routes", "test", "--config.file", file, "--verify.receivers", receiver, label];
        run(workspace.command("amtool").args(test))?;
    }
    Ok(())
}

fn units(workspace: &Workspace) -> Result<(), String> {
    for unit in services(workspace)? {
        let mut command = workspace.command("systemd-analyze");
        command.args(["security", "--offline=yes", "--no-pager", "--threshold", EXPOSURE_MAX]).arg(unit);
        run_quiet(&mut command)?;
    }
    Ok(())
}

/// The units, of which there has to be one.
fn services(workspace: &Workspace) -> Result<Vec<PathBuf>, String> {
    let directory = workspace.root.join("ops/systemd");
    let entries = fs::read_dir(&directory).map_err(|error| format!("{}: {error}", directory.display()))?;
    let files = entries.filter_map(|entry| entry.ok().map(|entry| entry.path()));
    let units: Vec<PathBuf> = files.filter(|path| path.extension().is_some_and(|kind| kind == "service")).collect();
    if units.is_empty() { Err(format!("{}: expected units, got none", directory.display())) } else { Ok(units) }
}
