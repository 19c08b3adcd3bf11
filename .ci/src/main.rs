//! `cargo ci`: every check and test of Sinter, in order, with what they need installed.
//!
//! ```text
//! cargo ci                  everything but what takes long
//! cargo ci --all            that, too
//! cargo ci fmt clippy       only these, and what they need
//! cargo ci --list           the names
//! cargo dist                no check: builds the release
//! ```
//!
//! A check that fails does not hide the others, unless they need what it makes. The exit code is 0 only
//! when every check passed; a check that this machine cannot run is skipped by name, with the reason.

mod ansible;
mod checks;
mod devnet;
mod dist;
mod image;
mod install;
mod notices;
mod ops;
mod package;
mod shell;

use checks::{CHECKS, Check, EXTRAS, LONG};
use shell::Workspace;
use std::{
    process::ExitCode,
    time::{Duration, Instant},
};

/// How a check ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It passed.
    Passed,
    /// It passed, but a part of it could not be done here: what, and why.
    PassedWithout(Vec<String>),
    /// It could not be done here: why.
    Skipped(String),
    /// It failed: how.
    Failed(String),
}

impl From<Result<(), String>> for Outcome {
    fn from(result: Result<(), String>) -> Self {
        match result {
            Ok(()) => Self::Passed,
            Err(reason) => Self::Failed(reason),
        }
    }
}

fn main() -> ExitCode {
    let mut wanted: Vec<String> = std::env::args().skip(1).collect();
    if wanted.iter().any(|argument| argument == "--list" || argument == "--help" || argument == "-h") {
        println!("usage: cargo ci [--all | CHECK...]\n");
        for check in known() {
            println!("  {:<10} {}", check.name, check.about);
        }
        return ExitCode::SUCCESS;
    }
    if wanted == ["--all"] {
        wanted = CHECKS.iter().chain(LONG).map(|check| check.name.to_owned()).collect();
    }
    if let Some(unknown) = wanted.iter().find(|name| known().all(|check| check.name != name.as_str())) {
        let names: Vec<&str> = known().map(|check| check.name).collect();
        eprintln!("no check is called `{unknown}`: expected one of {}", names.join(", "));
        return ExitCode::from(2);
    }
    let workspace = match Workspace::here() {
        Ok(workspace) => workspace,
        Err(reason) => {
            eprintln!("{reason}");
            return ExitCode::FAILURE;
        }
    };
    run(&workspace, &selected(&wanted))
}

/// Every check, in the table's order.
fn known() -> impl Iterator<Item = &'static Check> {
    CHECKS.iter().chain(LONG).chain(EXTRAS)
}

/// The wanted checks and everything that they need, in the table's order; those of every day when none is named.
fn selected(wanted: &[String]) -> Vec<&'static Check> {
    fn add(name: &str, chosen: &mut Vec<&'static str>) {
        if let Some(check) = known().find(|check| check.name == name)
            && !chosen.contains(&check.name)
        {
            chosen.push(check.name);
            check.needs.iter().for_each(|need| add(need, chosen));
        }
    }
    let mut chosen = Vec::new();
    wanted.iter().for_each(|name| add(name, &mut chosen));
    if wanted.is_empty() {
        return CHECKS.iter().collect();
    }
    known().filter(|check| chosen.contains(&check.name)).collect()
}

fn run(workspace: &Workspace, checks: &[&'static Check]) -> ExitCode {
    let started = Instant::now();
    let mut results: Vec<(&'static Check, Outcome, Duration)> = Vec::new();
    for (number, check) in checks.iter().enumerate() {
        println!("\n==== {}/{} {}: {}", number + 1, checks.len(), check.name, check.about);
        let check_started = Instant::now();
        let missing = check.needs.iter().find(|need| {
            results.iter().any(|(done, outcome, _)| {
                done.name == **need && matches!(outcome, Outcome::Failed(_) | Outcome::Skipped(_))
            })
        });
        let outcome = match missing {
            Some(need) => Outcome::Skipped(format!("needs `{need}`, which did not pass")),
            None => (check.run)(workspace),
        };
        let took = check_started.elapsed();
        println!("---- {} {}", check.name, describe(&outcome, took));
        results.push((check, outcome, took));
    }
    summarize(&results, started.elapsed())
}

fn summarize(results: &[(&'static Check, Outcome, Duration)], took: Duration) -> ExitCode {
    println!("\n==== checks");
    for (check, outcome, took) in results {
        println!("{:<10} {}", check.name, describe(outcome, *took));
    }
    let failed = results.iter().filter(|(_, outcome, _)| matches!(outcome, Outcome::Failed(_))).count();
    println!("{} of {} checks failed, in {}", failed, results.len(), clock(took));
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn describe(outcome: &Outcome, took: Duration) -> String {
    let took = clock(took);
    match outcome {
        Outcome::Passed => format!("ok       {took}"),
        Outcome::PassedWithout(parts) => format!("ok       {took}   SKIPPED: {}", parts.join("; ")),
        Outcome::Skipped(reason) => format!("SKIPPED  {took}   {reason}"),
        Outcome::Failed(reason) => format!("FAILED   {took}   {reason}"),
    }
}

fn clock(duration: Duration) -> String {
    let seconds = duration.as_secs();
    format!("{:>3}:{:02}", seconds / 60, seconds % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_named_check_brings_what_it_needs_in_order() {
        let names: Vec<&str> = selected(&["devnet".into()]).iter().map(|check| check.name).collect();
        assert_eq!(names, ["tools", "build", "devnet"]);
        assert_eq!(selected(&[]).len(), CHECKS.len());
        assert_eq!(selected(&["dist".into()]).len(), 1);
        let names: Vec<&str> = selected(&["ansible".into()]).iter().map(|check| check.name).collect();
        assert_eq!(names, ["tools", "build", "ansible"]);
    }

    #[test]
    fn every_need_is_a_check_that_stands_before() {
        let checks: Vec<&Check> = known().collect();
        for (index, check) in checks.iter().enumerate() {
            for need in check.needs {
                assert!(checks[..index].iter().any(|earlier| earlier.name == *need), "{}: {need}", check.name);
            }
        }
    }

    #[test]
    fn a_skipped_part_is_named_in_the_summary() {
        let outcome = Outcome::PassedWithout(vec!["advisories: no database".into()]);
        assert_eq!(describe(&outcome, Duration::from_secs(61)), "ok         1:01   SKIPPED: advisories: no database");
    }
}
