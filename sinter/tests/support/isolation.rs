//! Tests that need the machine's network or mounts for themselves.
//!
//! Such a test starts itself again in fresh namespaces (network, mounts, processes) with `unshare`. Nothing
//! that it does there is seen outside, and the kernel takes all of it away when the process ends.

use std::process::Command;

/// Set for the inner process.
const INSIDE: &str = "ISOLATED_SINTER_TEST";
const NAMESPACES: &[&str] = &["--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"];

/// Runs `body` isolated. `test` is the test's full name, such as `faults::full_disk::a_full_disk`.
///
/// Needs iproute2, util-linux, and a user who may make namespaces: root, or where the system has them for
/// everybody, any.
pub fn isolated(test: &str, body: impl FnOnce()) {
    if std::env::var_os(INSIDE).is_some() {
        run("ip", &["link", "set", "lo", "up"]);
        return body();
    }
    let as_root: &[&str] = if is_root() { &[] } else { &["--user", "--map-root-user"] };
    let mut command = Command::new("unshare");
    command.args(as_root).args(NAMESPACES).env(INSIDE, "1").arg(std::env::current_exe().unwrap());
    // Ignored tests are those that not every user can run: this one is being run.
    command.args(["--exact", test, "--include-ignored", "--nocapture", "--test-threads=1"]);
    let status = command.status().unwrap_or_else(|error| panic!("unshare: {error}"));
    assert!(status.success(), "{test}, isolated: {status}");
}

/// Runs a command that must succeed.
pub fn run(program: &str, arguments: &[&str]) {
    let output = Command::new(program).args(arguments).output().unwrap_or_else(|error| panic!("{program}: {error}"));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {}: {errors}", arguments.join(" "));
}

fn is_root() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let uids = status.lines().find_map(|line| line.strip_prefix("Uid:"));
    uids.and_then(|uids| uids.split_whitespace().nth(1)) == Some("0")
}
