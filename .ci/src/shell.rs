//! Running commands: what is run is printed, and its failure is one line.

use std::{
    env,
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// Where the checks run.
#[derive(Debug)]
pub struct Workspace {
    /// The repository's root.
    pub root: PathBuf,
    /// Cargo's target directory.
    pub target: PathBuf,
    /// Where tools that this program fetched lie: inside the target directory, so that nothing else changes.
    pub tools: PathBuf,
}

impl Workspace {
    /// The workspace that this program was built in.
    ///
    /// # Errors
    /// When the directory for tools cannot be made.
    pub fn here() -> Result<Self, String> {
        // Cargo sets this for `cargo run`; the compiled-in path is for the program run by hand.
        let manifest =
            env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| env!("CARGO_MANIFEST_DIR").into(), PathBuf::from);
        let root = manifest.parent().unwrap_or(Path::new(".")).to_path_buf();
        let target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), |path| root.join(path));
        let tools = target.join("ci-tools");
        fs::create_dir_all(&tools).map_err(|error| format!("cannot make {}: {error}", tools.display()))?;
        Ok(Self { root, target, tools })
    }

    /// A command in the repository's root, with no input, and with fetched tools after the machine's own on `PATH`.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        let path = env::var_os("PATH").unwrap_or_default();
        let fetched = [self.python_bin(), self.cargo_tools().join("bin"), self.unpacked().join("usr/bin")];
        let directories = env::split_paths(&path).chain(fetched);
        if let Ok(joined) = env::join_paths(directories) {
            command.env("PATH", joined);
        }
        // What `cargo run` told this program of itself is not for the builds that it starts: build scripts that look at it would run
        // again, and half of the workspace would be compiled once under `cargo ci` and once without.
        for (name, _) in env::vars_os() {
            if ["CARGO_PKG_", "CARGO_MANIFEST_"].iter().any(|prefix| name.to_string_lossy().starts_with(prefix)) {
                command.env_remove(name);
            }
        }
        command.current_dir(&self.root).stdin(Stdio::null());
        command
    }

    /// The Cargo that runs this program, with `arguments`.
    pub fn cargo(&self, arguments: &[&str]) -> Command {
        let mut command = self.command(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        command.args(arguments);
        command
    }

    /// As [`Workspace::cargo`], with as many open files as the system lets this process have: some tests
    /// make thousands of connections.
    pub fn cargo_with_many_files(&self, arguments: &[&str]) -> Command {
        let mut command = self.command("sh");
        command.args(["-c", "ulimit -n \"$(ulimit -H -n)\" || ulimit -n 20000; exec \"$@\"", "sh"]);
        command.arg(env::var_os("CARGO").unwrap_or_else(|| "cargo".into())).args(arguments);
        command
    }

    /// Where the fetched Python packages put their programs.
    pub fn python_bin(&self) -> PathBuf {
        self.tools.join("python/bin")
    }

    /// Where `cargo install` puts tools.
    pub fn cargo_tools(&self) -> PathBuf {
        self.tools.join("cargo")
    }

    /// Where Debian packages are unpacked of which only a program is wanted.
    pub fn unpacked(&self) -> PathBuf {
        self.tools.join("unpacked")
    }

    /// The binary that `build` makes.
    pub fn sinter(&self) -> PathBuf {
        self.target.join("debug/sinter")
    }

    /// Compares the list of metrics with live ones: `sinter-ops`.
    pub fn sinter_ops(&self) -> PathBuf {
        self.target.join("debug/sinter-ops")
    }

    /// Whether `program` can be started with `arguments`, and exits well.
    pub fn answers(&self, program: &str, arguments: &[&str]) -> bool {
        let status = self.command(program).args(arguments).stdout(Stdio::null()).stderr(Stdio::null()).status();
        status.is_ok_and(|status| status.success())
    }
}

/// Runs a command in the open, so that its output is the check's.
///
/// # Errors
/// One line that names the command and how it ended.
pub fn run(command: &mut Command) -> Result<(), String> {
    println!("$ {}", show(command));
    let status = command.status().map_err(|error| format!("cannot start `{}`: {error}", show(command)))?;
    if status.success() { Ok(()) } else { Err(format!("`{}`: {status}", show(command))) }
}

/// Runs a command whose output matters only when it fails.
///
/// # Errors
/// One line that names the command and how it ended; its output has been printed by then.
pub fn run_quiet(command: &mut Command) -> Result<(), String> {
    println!("$ {}", show(command));
    let output = command.output().map_err(|error| format!("cannot start `{}`: {error}", show(command)))?;
    if output.status.success() {
        return Ok(());
    }
    print!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    Err(format!("`{}`: {}", show(command), output.status))
}

/// What a command prints to its standard output.
///
/// # Errors
/// One line that names the command and how it ended.
pub fn read(command: &mut Command) -> Result<String, String> {
    let output = command.output().map_err(|error| format!("cannot start `{}`: {error}", show(command)))?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        Err(format!("`{}`: {}: {}", show(command), output.status, String::from_utf8_lossy(&output.stderr).trim()))
    }
}

fn show(command: &Command) -> String {
    let name = Path::new(command.get_program()).file_name().unwrap_or_default();
    let words = std::iter::once(name).chain(command.get_args()).map(OsStr::to_string_lossy);
    words.collect::<Vec<_>>().join(" ")
}
