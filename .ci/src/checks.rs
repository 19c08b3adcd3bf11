//! The checks, in their order.

use crate::{
    Outcome, ansible, devnet, dist, image,
    install::{Rights, install},
    ops, package,
    shell::{Workspace, read, run},
};

/// One check.
pub struct Check {
    /// Its name on the command line.
    pub name: &'static str,
    /// What it shows.
    pub about: &'static str,
    /// Checks that have to pass before it.
    pub needs: &'static [&'static str],
    /// Does it.
    pub run: fn(&Workspace) -> Outcome,
}

/// All checks: cheap ones first.
pub const CHECKS: &[Check] = &[
    Check { name: "tools", about: "installs what the checks need", needs: &[], run: install },
    Check { name: "fmt", about: "sources are formatted", needs: &[], run: fmt },
    Check { name: "deny", about: "licences, bans, sources and advisories", needs: &["tools"], run: deny },
    Check {
        name: "ops",
        about: "alerts fire when they should, routes and units hold",
        needs: &["tools"],
        run: ops::check,
    },
    Check { name: "clippy", about: "no warning in any target", needs: &[], run: clippy },
    Check { name: "docs", about: "documentation builds, its links resolve", needs: &[], run: docs },
    Check { name: "build", about: "every target builds", needs: &["tools"], run: build },
    Check { name: "doctests", about: "examples in the documentation", needs: &["build"], run: doctests },
    Check { name: "tests", about: "every test", needs: &["build"], run: tests },
    Check { name: "fuzz", about: "each fuzz target for some seconds", needs: &["tools"], run: fuzz },
    Check { name: "devnet", about: "the main job, and its metrics", needs: &["tools", "build"], run: devnet::check },
];

/// Done only with `--all`, or when named: what takes long.
pub const LONG: &[Check] = &[
    Check {
        name: "package",
        about: "the Debian package: signed, installed, upgraded, removed, purged",
        needs: &["tools", "build"],
        run: package::check,
    },
    Check {
        name: "ansible",
        about: "playbooks against Debians that boot in containers",
        needs: &["tools", "build"],
        run: ansible::check,
    },
    Check {
        name: "image",
        about: "the appliance's image: built, started to its self-test; Secure Boot, tampering, rollback, update",
        needs: &[],
        run: image::check,
    },
];

/// Done only when named.
pub const EXTRAS: &[Check] = &[
    Check {
        name: "dist",
        about: "builds the release, for every level of processor, and packs it",
        needs: &[],
        run: dist::dist,
    },
    Check {
        name: "sushy",
        about: "firmware settings against a Redfish service that others wrote",
        needs: &[],
        run: sushy,
    },
];

/// How long each fuzz target runs.
const FUZZ_SECONDS: &str = "5";

fn fmt(workspace: &Workspace) -> Outcome {
    run(&mut workspace.cargo(&["fmt", "--all", "--check"])).into()
}

fn clippy(workspace: &Workspace) -> Outcome {
    run(&mut workspace.cargo(&["clippy", "--locked", "--workspace", "--all-targets", "--", "-D", "warnings"])).into()
}

fn deny(workspace: &Workspace) -> Outcome {
    if let Err(reason) = run(&mut workspace.cargo(&["deny", "--locked", "check", "bans", "licenses", "sources"])) {
        return Outcome::Failed(reason);
    }
    // The advisories are a git repository of their own; where it cannot be had, that is said, not failed.
    if let Err(reason) = read(&mut workspace.cargo(&["deny", "fetch", "db"])) {
        println!("{reason}");
        return Outcome::PassedWithout(vec!["advisories: their database cannot be fetched here".into()]);
    }
    run(&mut workspace.cargo(&["deny", "--locked", "check", "--disable-fetch", "advisories"])).into()
}

fn docs(workspace: &Workspace) -> Outcome {
    let mut command = workspace.cargo(&["doc", "--locked", "--workspace", "--no-deps", "--document-private-items"]);
    run(command.env("RUSTDOCFLAGS", "-D warnings")).into()
}

fn build(workspace: &Workspace) -> Outcome {
    run(&mut workspace.cargo(&["nextest", "run", "--locked", "--workspace", "--no-run"])).into()
}

fn doctests(workspace: &Workspace) -> Outcome {
    run(&mut workspace.cargo(&["test", "--locked", "--workspace", "--doc", "--quiet"])).into()
}

/// Tests that need root are marked `ignore`; they run where this process is root or `sudo` is free.
fn tests(workspace: &Workspace) -> Outcome {
    let rights = Rights::here(workspace);
    let mut command = workspace.cargo_with_many_files(&["nextest", "run", "--locked", "--workspace", "--no-fail-fast"]);
    match rights {
        Rights::Root => command.args(["--run-ignored", "all"]),
        Rights::Sudo | Rights::User => &mut command,
    };
    if let Err(reason) = run(&mut command) {
        return Outcome::Failed(reason);
    }
    match rights {
        Rights::Root => Outcome::Passed,
        Rights::Sudo => {
            let arguments = ["nextest", "run", "--locked", "--workspace", "--run-ignored", "only"];
            let mut command = workspace.cargo_with_many_files(&arguments);
            let runner = format!("CARGO_TARGET_{}_UNKNOWN_LINUX_GNU_RUNNER", std::env::consts::ARCH.to_uppercase());
            run(command.env(runner, "sudo -n -E")).into()
        }
        Rights::User => Outcome::PassedWithout(ignored(workspace)),
    }
}

/// The names of the tests that only root can run.
fn ignored(workspace: &Workspace) -> Vec<String> {
    let mut list = workspace.cargo(&["nextest", "list", "--locked", "--workspace", "--run-ignored", "only"]);
    match read(list.args(["--message-format", "oneline"])) {
        Ok(names) => names.lines().map(|name| format!("{name}: needs root")).collect(),
        Err(reason) => vec![format!("tests that need root, whose list failed: {reason}")],
    }
}

/// Installs libvirt, whose services are more than the other checks need.
fn sushy(workspace: &Workspace) -> Outcome {
    if Rights::here(workspace) != Rights::Root {
        return Outcome::PassedWithout(vec!["sushy: needs root".into()]);
    }
    run(workspace.command("bash").arg("firmware-config/tests/sushy/run.sh")).into()
}

fn fuzz(workspace: &Workspace) -> Outcome {
    run(workspace.command("bash").args(["primitives/fuzz/run.sh", FUZZ_SECONDS])).into()
}
