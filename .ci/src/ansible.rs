//! The playbooks: linted, and run against machines that boot in containers (`ansible/tests/run.sh`).

use crate::{
    Outcome,
    install::Rights,
    shell::{Workspace, read, run, run_quiet},
};
use std::{ffi::OsString, path::PathBuf};

/// Lints them, and runs them where containers can be booted.
pub fn check(workspace: &Workspace) -> Outcome {
    if !workspace.answers("python3", &["-c", "import sys; sys.exit(sys.version_info < (3, 11))"]) {
        return Outcome::Skipped("ansible-core needs Python 3.11".into());
    }
    if let Err(reason) = tools(workspace).and_then(|()| lint(workspace)) {
        return Outcome::Failed(reason);
    }
    if let Some(reason) = containers_missing(workspace) {
        return Outcome::PassedWithout(vec![format!("playbooks against containers: {reason}")]);
    }
    let mut command = workspace.command("ansible/tests/run.sh");
    command.arg(workspace.sinter()).arg(workspace.tools.join("containers"));
    match path(workspace) {
        Ok(path) => run(command.env("PATH", path)).into(),
        Err(reason) => Outcome::Failed(reason),
    }
}

/// Why no container can be booted here, if that is so.
pub fn containers_missing(workspace: &Workspace) -> Option<&'static str> {
    if Rights::here(workspace) != Rights::Root {
        Some("only root can boot containers")
    } else if !workspace.answers("mmdebstrap", &["--version"]) {
        Some("no mmdebstrap")
    } else if !workspace.answers("systemd-nspawn", &["--version"]) {
        Some("no systemd-nspawn")
    } else {
        None
    }
}

fn lint(workspace: &Workspace) -> Result<(), String> {
    for (program, arguments) in [("yamllint", &["--strict", "."][..]), ("ansible-lint", &["--offline"])] {
        let mut command = workspace.command(bin(workspace).join(program));
        let command = command.args(arguments).current_dir(workspace.root.join("ansible"));
        run_quiet(command.env("PATH", path(workspace)?))?;
    }
    Ok(())
}

/// Ansible and its linters, as `ansible/requirements.txt` pins them.
fn tools(workspace: &Workspace) -> Result<(), String> {
    let stamp = workspace.root.join("ansible/requirements.txt");
    let wanted = std::fs::read(&stamp).map_err(|error| format!("{}: {error}", stamp.display()))?;
    let installed = home(workspace).join("requirements.txt");
    if std::fs::read(&installed).is_ok_and(|found| found == wanted) {
        return Ok(());
    }
    run_quiet(workspace.command("python3").args(["-m", "venv", "--clear"]).arg(home(workspace)))?;
    let mut pip = workspace.command(bin(workspace).join("pip"));
    pip.args(["install", "--disable-pip-version-check", "--no-deps", "--require-hashes", "--only-binary", ":all:"]);
    run_quiet(pip.args(["--requirement", "ansible/requirements.txt"]))?;
    read(workspace.command(bin(workspace).join("ansible-playbook")).arg("--version"))?;
    std::fs::write(&installed, wanted).map_err(|error| format!("{}: {error}", installed.display()))
}

fn home(workspace: &Workspace) -> PathBuf {
    workspace.tools.join("ansible")
}

fn bin(workspace: &Workspace) -> PathBuf {
    home(workspace).join("bin")
}

/// `PATH` with Ansible first: its programs start each other.
fn path(workspace: &Workspace) -> Result<OsString, String> {
    let rest = std::env::var_os("PATH").unwrap_or_default();
    let directories = std::iter::once(bin(workspace)).chain(std::env::split_paths(&rest));
    std::env::join_paths(directories).map_err(|error| format!("PATH: {error}"))
}
