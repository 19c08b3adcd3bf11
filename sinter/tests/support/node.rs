//! One node: a process that can be killed, stopped and started again.

use super::rpc;
use crate::process::{signal, wait_until};
use serde_json::{Value, json};
use sinter_primitives::receipt::Receipt;
use std::{
    fs::{self, OpenOptions},
    net::SocketAddr,
    path::PathBuf,
    process::{Child, Command, ExitStatus, Stdio},
    time::Duration,
};

/// Time for a process to end once it is told to, or to answer once it is started.
const PROCESS_MAX: Duration = Duration::from_secs(60);
/// Lines of a log that are shown when a test fails.
const LOG_LINES_SHOWN: usize = 40;

/// One node.
pub struct Node {
    /// Its seat.
    pub seat: usize,
    /// Its directory: keys, `node.toml`, `data`, `log`.
    pub home: PathBuf,
    /// Where its interface is reached.
    pub rpc: SocketAddr,
    /// Words before the program's name: what puts it into a network namespace.
    launcher: Vec<String>,
    process: Option<Child>,
}

impl Node {
    /// A node that is not running.
    pub fn new(seat: usize, home: PathBuf, rpc: SocketAddr, launcher: Vec<String>) -> Self {
        Self { seat, home, rpc, launcher, process: None }
    }

    /// Its data directory.
    pub fn data_dir(&self) -> PathBuf {
        self.home.join("data")
    }

    /// Starts its process.
    pub fn start(&mut self) {
        assert!(self.process.is_none(), "node {} is running", self.seat);
        let log = OpenOptions::new().create(true).append(true).open(self.home.join("log")).unwrap();
        let mut words = self.launcher.clone();
        words.push(env!("CARGO_BIN_EXE_sinter").into());
        let mut command = Command::new(&words[0]);
        command
            .args(&words[1..])
            // It ends when this process does, however that ends.
            .args(["sequencer", "run", "--stop-with-input", "--config"])
            .arg(self.home.join("node.toml"))
            .stdin(Stdio::piped())
            .stdout(log.try_clone().unwrap())
            .stderr(log);
        self.process = Some(command.spawn().unwrap());
    }

    /// Starts its process, and waits until its interface answers.
    pub fn start_and_wait(&mut self) {
        self.start();
        self.wait_until_up();
    }

    /// Waits until its interface answers.
    pub fn wait_until_up(&mut self) {
        wait_until(&format!("node {} answers", self.seat), PROCESS_MAX, || {
            let process = self.process.as_mut().expect("a process");
            let ended = process.try_wait().unwrap();
            assert!(ended.is_none(), "node {} ended: {ended:?}\n{}", self.seat, self.log_tail());
            self.height().is_some()
        });
    }

    /// SIGKILL, and waits for the end.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().unwrap();
            process.wait().unwrap();
        }
    }

    /// SIGTERM, and waits for the end, which must be a good one.
    pub fn stop(&mut self) {
        self.signal("TERM");
        let status = self.ended();
        assert!(status.success(), "node {}: {status}\n{}", self.seat, self.log_tail());
    }

    /// Sends a signal.
    pub fn signal(&self, name: &str) {
        signal(self.process_id(), name);
    }

    /// Waits until it ends by itself.
    pub fn ended(&mut self) -> ExitStatus {
        let mut status = None;
        wait_until(&format!("node {} ends", self.seat), PROCESS_MAX, || {
            status = self.process.as_mut().expect("a process").try_wait().unwrap();
            status.is_some()
        });
        self.process = None;
        status.expect("an end")
    }

    /// Its process.
    pub fn process_id(&self) -> u64 {
        self.process.as_ref().expect("a process").id().into()
    }

    /// Bytes of memory that its process holds.
    pub fn resident_bytes(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process_id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("VmRSS");
        line.split_whitespace().nth(1).and_then(|number| number.parse::<u64>().ok()).expect("a number") << 10
    }

    /// Calls a method.
    pub fn call(&self, method: &str, parameters: Value) -> Result<Value, String> {
        rpc::call(self.rpc, method, parameters)
    }

    /// The height of its head; `None` when it does not answer.
    pub fn height(&self) -> Option<u64> {
        height(self.rpc)
    }

    /// The HTTP status of `/health`; `None` when it does not answer.
    pub fn health(&self) -> Option<u16> {
        Some(rpc::get(self.rpc, "/health").ok()?.0)
    }

    /// Waits until its head is at `height` or above.
    pub fn wait_for_height(&self, height: u64, most: Duration) {
        let mut last = None;
        wait_until(&format!("node {} is at height {height}", self.seat), most, || {
            last = self.height();
            last.is_some_and(|head| head >= height)
        });
    }

    /// The receipt of a final transaction; `None` when it is not final here, or there is no answer.
    pub fn receipt(&self, id: &str) -> Option<Receipt> {
        let mut status = self.call("sinter_getReceipt", json!([id])).ok()?;
        serde_json::from_value(status.get_mut("receipt")?.take()).ok()
    }

    /// All that it logged.
    pub fn log(&self) -> String {
        fs::read_to_string(self.home.join("log")).unwrap_or_default()
    }

    fn log_tail(&self) -> String {
        let log = self.log();
        let lines: Vec<_> = log.lines().collect();
        lines[lines.len().saturating_sub(LOG_LINES_SHOWN)..].join("\n")
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            eprintln!("--- the end of node {}'s log\n{}", self.seat, self.log_tail());
        }
    }
}

/// The height of a node's head; `None` when it does not answer.
pub fn height(rpc: SocketAddr) -> Option<u64> {
    rpc::call(rpc, "sinter_status", json!([])).ok()?["head"]["height"].as_u64()
}
