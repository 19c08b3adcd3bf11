//! A PostgreSQL of the test's own, in a folder of its own, on a socket of its own.

use std::{
    fs,
    os::unix::{fs::chown, process::CommandExt},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// A server that ends with the value.
pub struct Server {
    bin: PathBuf,
    folder: TempDir,
    process: Option<Child>,
}

/// Where `initdb` and `postgres` are: on Debian in a folder of their version, which is not on the path.
fn bin() -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").ok()?;
    let mut found: Vec<PathBuf> = versions.filter_map(|entry| Some(entry.ok()?.path().join("bin"))).collect();
    found.retain(|bin| bin.join("initdb").exists() && bin.join("postgres").exists());
    found.sort();
    found.pop()
}

fn number(flag: &str, user: &str) -> Option<u32> {
    let output = Command::new("id").args([flag, user]).output().ok()?;
    String::from_utf8(output.stdout).ok()?.trim().parse().ok()
}

/// Who the server is: root may not be, and becomes somebody else.
fn somebody() -> Option<(u32, u32)> {
    if !rustix::process::geteuid().is_root() {
        return None;
    }
    ["postgres", "nobody"].iter().find_map(|user| Some((number("-u", user)?, number("-g", user)?)))
}

impl Server {
    /// A new server, where PostgreSQL is installed. It must be in CI.
    pub fn start() -> Option<Self> {
        let Some(bin) = bin() else {
            assert!(std::env::var("CI").as_deref() != Ok("true"), "CI installs PostgreSQL: cargo ci tools");
            eprintln!("skipped: PostgreSQL is not installed (cargo ci tools, or the Debian package postgresql)");
            return None;
        };
        let folder = tempfile::tempdir().unwrap();
        if let Some((user, group)) = somebody() {
            chown(folder.path(), Some(user), Some(group)).unwrap();
        }
        let mut server = Self { bin, folder, process: None };
        let data = server.data();
        let output = server
            .command("initdb")
            .args(["--username=postgres", "--auth=trust", "--no-sync", "--locale=C", "--encoding=UTF8", "-D"])
            .arg(data)
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        server.run();
        Some(server)
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.bin.join(program));
        command.current_dir(self.folder.path()).stdin(Stdio::null());
        if let Some((user, group)) = somebody() {
            command.gid(group).uid(user);
        }
        command
    }

    /// Starts it, and waits until it answers.
    pub fn run(&mut self) {
        let log = fs::File::create(self.folder.path().join("log")).unwrap();
        let data = self.data();
        let mut command = self.command("postgres");
        // What this machine's crash would take is no part of these tests.
        let settings = ["fsync=off", "listen_addresses=", "max_connections=100", "shared_buffers=16MB"];
        settings.iter().for_each(|setting| {
            command.args(["-c", setting]);
        });
        command.arg("-k").arg(self.folder.path()).arg("-D").arg(data);
        self.process = Some(command.stdout(Stdio::null()).stderr(log).spawn().unwrap());
        let deadline = Instant::now() + Duration::from_secs(60);
        while !self.answers() {
            let log = fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
            assert!(Instant::now() < deadline, "PostgreSQL does not answer: {log}");
            thread::sleep(Duration::from_millis(50));
        }
    }

    fn answers(&self) -> bool {
        self.sql("SELECT 1").is_ok()
    }

    fn sql(&self, statement: &str) -> Result<(), String> {
        let mut command = self.command("psql");
        command.args(["--username=postgres", "--no-psqlrc", "--quiet", "--host"]).arg(self.folder.path());
        let output = command.args(["--dbname=postgres", "--command", statement]).output().unwrap();
        if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned()) }
    }

    /// A new database; its address.
    pub fn database(&self, name: &str) -> String {
        self.sql(&format!("CREATE DATABASE {name}")).unwrap();
        format!("postgres://postgres@localhost/{name}?host={}", encode(self.folder.path()))
    }

    /// The socket that it listens at.
    pub fn socket(&self) -> PathBuf {
        self.folder.path().join(".s.PGSQL.5432")
    }

    /// Ends it at once, as a crash would.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            // SIGQUIT: it ends without saying goodbye to anybody, and its children with it.
            let id = rustix::process::Pid::from_child(&process);
            rustix::process::kill_process(id, rustix::process::Signal::QUIT).unwrap();
            process.wait().unwrap();
        }
    }
}

fn encode(path: &Path) -> String {
    path.to_str().unwrap().replace('/', "%2F")
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}
