//! Running the program and its processes.

use serde_json::Value;
use std::{
    fs,
    path::Path,
    process::{Child, Command, Output, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

/// The program, with these arguments and no input.
pub fn sinter(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sinter"));
    command.args(arguments).stdin(Stdio::null());
    command
}

/// Runs to the end.
pub fn output(command: &mut Command) -> Output {
    command.output().unwrap()
}

/// Standard error as text.
pub fn errors(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The last line of standard output, as JSON.
pub fn last_line(output: &Output) -> Value {
    let text = String::from_utf8_lossy(&output.stdout);
    let line = text.lines().last().unwrap_or_else(|| panic!("no output; standard error: {}", errors(output)));
    serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))
}

/// Sends a signal by its name.
pub fn signal(process_id: u64, name: &str) {
    let status = Command::new("kill").args([&format!("-{name}"), &process_id.to_string()]).status().unwrap();
    assert!(status.success(), "kill -{name} {process_id}");
}

/// Whether a process is there and not a zombie.
pub fn is_running(process_id: u64) -> bool {
    let status = fs::read_to_string(format!("/proc/{process_id}/status")).unwrap_or_default();
    status.lines().any(|line| line.starts_with("State:") && !line.contains('Z'))
}

/// Asks until the answer is yes, or fails.
pub fn wait_until(what: &str, most: Duration, mut question: impl FnMut() -> bool) {
    let started = Instant::now();
    while !question() {
        assert!(started.elapsed() < most, "not within {most:?}: {what}");
        sleep(Duration::from_millis(50));
    }
}

/// A process that is killed when the test ends, however it ends.
pub struct Guarded(pub Child);

impl Drop for Guarded {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Guarded {
    /// Waits for the end, and gives the output.
    pub fn finish(mut self, most: Duration) -> Output {
        wait_until("the process ends", most, || self.0.try_wait().unwrap().is_some());
        let status = self.0.wait().unwrap();
        let read = |pipe: Option<&mut dyn std::io::Read>| {
            let mut bytes = Vec::new();
            pipe.map(|pipe| pipe.read_to_end(&mut bytes)).transpose().unwrap();
            bytes
        };
        let stdout = read(self.0.stdout.as_mut().map(|pipe| pipe as _));
        let stderr = read(self.0.stderr.as_mut().map(|pipe| pipe as _));
        Output { status, stdout, stderr }
    }
}

/// A devnet in `directory` that has written where it listens.
pub fn start_devnet(directory: &Path, arguments: &[&str]) -> (Guarded, Value) {
    let mut command = sinter(&["devnet", "--data-dir"]);
    command.arg(directory).args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped());
    // What an earlier run wrote is not this run's.
    let file = directory.join("devnet.json");
    let _ = fs::remove_file(&file);
    let mut devnet = Guarded(command.spawn().unwrap());
    wait_until("the devnet starts", Duration::from_secs(60), || {
        assert!(devnet.0.try_wait().unwrap().is_none(), "the devnet ended");
        file.exists()
    });
    let addresses = serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap();
    (devnet, addresses)
}

/// The process ids of a devnet's nodes.
pub fn node_process_ids(addresses: &Value) -> Vec<u64> {
    addresses["nodes"].as_array().unwrap().iter().map(|node| node["process_id"].as_u64().unwrap()).collect()
}
