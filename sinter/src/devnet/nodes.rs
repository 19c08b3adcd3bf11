//! The sequencers of a devnet: this program again, as a process each.
//!
//! Nothing is restarted behind anybody's back: a node that ends before it was told to fails the run, with
//! the last lines of its log. Each node reads a pipe whose other end only this process holds, so however
//! this process ends, the nodes see it and stop.

use super::directory::Directory;
use crate::exit::{Exit, Failure, OrFail};
use std::{fs::OpenOptions, io::Read, os::unix::process::CommandExt, path::PathBuf, process::Stdio, time::Duration};
use tokio::process::{Child, ChildStdin, Command};

/// How long a node has to stop.
const STOP_MAX: Duration = Duration::from_secs(20);
/// Lines of its log that are shown of a node that ended.
const LOG_LINES_SHOWN: usize = 15;
const LOG_BYTES_READ: u64 = 64 * 1024;

/// One node's process.
#[derive(Debug)]
struct Node {
    process: Child,
    /// The pipe's end that keeps it running.
    input: Option<ChildStdin>,
    log: PathBuf,
}

/// All nodes' processes.
#[derive(Debug)]
pub struct Nodes(Vec<Node>);

impl Nodes {
    /// Starts `count` nodes.
    ///
    /// # Errors
    /// When a process cannot be started.
    pub fn start(directory: &Directory, count: usize) -> Result<Self, Failure> {
        let program = sinter_prover::variants::own_executable().or_fail(Exit::Failed, "finding this program's file")?;
        let nodes = (0..count).map(|number| {
            let home = directory.node(number);
            let log = home.join("log");
            let what = format!("starting node {number}");
            let output = OpenOptions::new().create(true).append(true).open(&log).or_fail(Exit::Failed, &what)?;
            let mut command = std::process::Command::new(&program);
            command
                .args(["sequencer", "run", "--stop-with-input", "--config"])
                .arg(home.join("node.toml"))
                .stdin(Stdio::piped())
                .stdout(output.try_clone().or_fail(Exit::Failed, &what)?)
                .stderr(output)
                // A group of its own: Ctrl-C is for this process, which stops the nodes in order.
                .process_group(0);
            let mut process = Command::from(command).kill_on_drop(true).spawn().or_fail(Exit::Failed, &what)?;
            let input = process.stdin.take();
            Ok(Node { process, input, log })
        });
        Ok(Self(nodes.collect::<Result<_, _>>()?))
    }

    /// Each node's process id.
    pub fn process_ids(&self) -> Vec<Option<u32>> {
        self.0.iter().map(|node| node.process.id()).collect()
    }

    /// Returns when a node ends, which none should, and says how.
    pub async fn ended(&mut self) -> Failure {
        let waits = self
            .0
            .iter_mut()
            .enumerate()
            .map(|(number, node)| Box::pin(async move { (number, node.process.wait().await, node.log.clone()) }));
        let ((number, status, log), _, _) = futures::future::select_all(waits).await;
        let how = status.map_or_else(|error| error.to_string(), |status| status.to_string());
        Failure::new(
            Exit::Failed,
            format!("node {number} ended by itself: {how}; the end of {}:\n{}", log.display(), tail(&log)),
        )
    }

    /// Stops all nodes, and waits until they have.
    ///
    /// # Errors
    /// When one did not end well, or not in time.
    pub async fn stop(mut self) -> Result<(), Failure> {
        // All at once: each one's pipe closes.
        self.0.iter_mut().for_each(|node| drop(node.input.take()));
        let mut result = Ok(());
        for (number, node) in self.0.iter_mut().enumerate() {
            let problem = match tokio::time::timeout(STOP_MAX, node.process.wait()).await {
                Ok(Ok(status)) if status.success() => continue,
                Ok(Ok(status)) => format!("{status}; the end of {}:\n{}", node.log.display(), tail(&node.log)),
                Ok(Err(error)) => error.to_string(),
                Err(_) => {
                    let killed = node.process.kill().await;
                    format!("still running after {} s, killed: {killed:?}", STOP_MAX.as_secs())
                }
            };
            result = Err(Failure::new(Exit::Failed, format!("stopping node {number}: {problem}")));
        }
        result
    }
}

/// The last lines of a log.
fn tail(log: &PathBuf) -> String {
    let read = || {
        let mut file = std::fs::File::open(log)?;
        let length = file.metadata()?.len();
        std::io::Seek::seek(&mut file, std::io::SeekFrom::Start(length.saturating_sub(LOG_BYTES_READ)))?;
        let mut bytes = Vec::new();
        file.take(LOG_BYTES_READ).read_to_end(&mut bytes)?;
        Ok::<_, std::io::Error>(String::from_utf8_lossy(&bytes).into_owned())
    };
    match read() {
        Ok(text) => {
            let lines: Vec<&str> = text.lines().collect();
            lines[lines.len().saturating_sub(LOG_LINES_SHOWN)..].join("\n")
        }
        Err(error) => format!("(cannot be read: {error})"),
    }
}
