//! `sinter doctor`: what on this machine would cost an operator money, each finding with its remedy.
//!
//! Nothing is changed, and nothing is believed that can be tried: ports are bound, keys are read, the GPU computes, the L1 is asked.

mod aggregator;
mod host;
mod l1;
mod sequencer;

use crate::exit::{Exit, Failure, OrFail, print_result};
use clap::Args;
use serde::Serialize;
use std::{fmt, path::PathBuf};

/// `sinter doctor`.
#[derive(Clone, Debug, Args)]
pub struct DoctorArguments {
    /// Configuration of the committee member that runs here
    #[arg(long, value_name = "FILE")]
    pub sequencer: Option<PathBuf>,
    /// Another member's RPC, which tells whether somebody else votes with this member's key
    #[arg(long, value_name = "URL", requires = "sequencer")]
    pub member: Option<String>,
    /// Configuration of the appliance that runs here
    #[arg(long, value_name = "FILE")]
    pub aggregator: Option<PathBuf>,
    /// Compare the GPUs and their firmware with this profile of `sinter firmware`
    #[arg(long, value_name = "NAME|FILE")]
    pub firmware: Option<String>,
    /// Print one JSON object instead of a table
    #[arg(long)]
    pub json: bool,
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Verdict {
    /// As it should be.
    Ok,
    /// It works now, and will not for ever.
    Warning,
    /// It does not work, or costs money.
    Wrong,
    /// It could not be told.
    Skipped,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Ok => "ok",
            Self::Warning => "WARNING",
            Self::Wrong => "WRONG",
            Self::Skipped => "skipped",
        })
    }
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Finding {
    check: &'static str,
    verdict: Verdict,
    /// What was found, and what was expected.
    found: String,
    /// What mends it.
    #[serde(skip_serializing_if = "Option::is_none")]
    remedy: Option<String>,
}

impl Finding {
    fn new(check: &'static str, verdict: Verdict, found: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { check, verdict, found: found.into(), remedy: Some(remedy.into()) }
    }

    fn ok(check: &'static str, found: impl Into<String>) -> Self {
        Self { check, verdict: Verdict::Ok, found: found.into(), remedy: None }
    }

    fn skipped(check: &'static str, why: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::new(check, Verdict::Skipped, why, remedy)
    }

    /// Wrong because of an error, which says what was expected and what came.
    fn wrong(check: &'static str, error: &dyn std::error::Error, remedy: impl Into<String>) -> Self {
        Self::new(check, Verdict::Wrong, sinter_rollup_node::causes(error), remedy)
    }
}

/// What is printed.
#[derive(Debug, Serialize)]
struct Report {
    findings: Vec<Finding>,
    wrong: usize,
    warnings: usize,
}

/// Looks at everything and prints it.
///
/// # Errors
/// When something is wrong, or the report cannot be written.
pub fn run(arguments: &DoctorArguments) -> Result<(), Failure> {
    let runtime = tokio::runtime::Runtime::new().or_fail(Exit::Failed, "starting the runtime")?;
    let mut findings = runtime.block_on(host::findings());
    if let Some(path) = &arguments.sequencer {
        findings.extend(runtime.block_on(sequencer::findings(path, arguments.member.as_deref())));
    }
    if let Some(path) = &arguments.aggregator {
        findings.extend(aggregator::findings(&runtime, path));
    }
    findings.push(match &arguments.firmware {
        Some(profile) => runtime.block_on(host::firmware(profile)),
        None => Finding::skipped(
            "firmware",
            "no profile was named",
            "--firmware NAME; `sinter firmware profiles` lists them",
        ),
    });
    let count = |verdict| findings.iter().filter(|finding| finding.verdict == verdict).count();
    let (wrong, warnings) = (count(Verdict::Wrong), count(Verdict::Warning));
    let report = Report { findings, wrong, warnings };
    if arguments.json {
        print_result(serde_json::to_string(&report).or_fail(Exit::Failed, "writing the report")?)?;
    } else {
        print_result(table(&report))?;
    }
    match wrong {
        0 => Ok(()),
        _ => Err(Failure::new(
            Exit::Failed,
            format!("{wrong} of {} checks found something wrong", report.findings.len()),
        )),
    }
}

fn table(report: &Report) -> String {
    let mut lines = Vec::new();
    for Finding { check, verdict, found, remedy } in &report.findings {
        lines.push(format!("{verdict:<8} {check:<18} {found}"));
        lines.extend(remedy.as_ref().map(|remedy| format!("{:<8} {:<18} → {remedy}", "", "")));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_that_is_not_well_names_its_remedy() {
        let findings = vec![
            Finding::ok("disk", "80 GB free"),
            Finding::new("clock", Verdict::Wrong, "not synchronized", "start systemd-timesyncd"),
        ];
        let printed = table(&Report { findings, wrong: 1, warnings: 0 });
        let lines: Vec<&str> = printed.lines().collect();
        assert_eq!(lines[0], "ok       disk               80 GB free");
        assert_eq!(lines[1], "WRONG    clock              not synchronized");
        assert_eq!(lines[2].trim(), "→ start systemd-timesyncd");
    }
}
