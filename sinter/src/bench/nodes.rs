//! The nodes of a committee: as threads of this process, like the bare engine's validators, or as processes
//! of their own.

use super::committee::{Committee, Member};
use crate::exit::{Exit, Failure, OrFail};
use sinter_sequencer::{
    handle::Handle,
    node::{self, NodeError},
};
use std::{
    fs,
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread::JoinHandle,
    time::{Duration, Instant},
};
use tokio::sync::oneshot;

/// How long nodes have to start, or a process to stop.
const START_MAX: Duration = Duration::from_secs(30);
const STOP_MAX: Duration = Duration::from_secs(20);
const POLL_INTERVAL: Duration = Duration::from_millis(20);
const LOG_BYTES_SHOWN: usize = 2000;

/// What ends a node, and the thread that it runs on.
type Running = (oneshot::Sender<()>, JoinHandle<Result<(), NodeError>>);

/// Nodes in this process.
#[derive(Debug)]
pub struct Threads {
    running: Vec<Running>,
}

impl Threads {
    /// Starts every member, and returns when each of them has a final block.
    ///
    /// # Errors
    /// When they do not start.
    pub fn start(committee: &Committee) -> Result<(Self, Vec<Handle>), Failure> {
        let mut running = Vec::new();
        let mut handles = Vec::new();
        for member in &committee.members {
            let (stop, stopped) = oneshot::channel();
            let (started, handle) = mpsc::channel();
            let config = member.config.clone();
            let thread = std::thread::spawn(move || {
                // Whoever waits for the handle may be gone, and drop the stop: both end the node.
                node::run_with(config, None, move |handle| drop(started.send(handle)), async { drop(stopped.await) })
            });
            running.push((stop, thread));
            handles.push(handle);
        }
        let threads = Self { running };
        let handles: Result<Vec<Handle>, _> =
            handles.into_iter().map(|handle| handle.recv_timeout(START_MAX)).collect();
        let Ok(handles) = handles else {
            threads.stop()?;
            return Err(Failure::new(Exit::Failed, "a node did not start"));
        };
        let deadline = Instant::now() + START_MAX;
        while handles.iter().any(|handle| handle.heads.borrow().height == 0) {
            if Instant::now() > deadline {
                return Err(Failure::new(Exit::Failed, format!("no block became final within {START_MAX:?}")));
            }
            std::thread::sleep(POLL_INTERVAL);
        }
        Ok((threads, handles))
    }

    /// Stops them all.
    ///
    /// # Errors
    /// The first error that one of them ended with.
    pub fn stop(self) -> Result<(), Failure> {
        let (stops, threads): (Vec<_>, Vec<_>) = self.running.into_iter().unzip();
        for stop in stops {
            // A node that has ended by itself says why below.
            let _ = stop.send(());
        }
        for thread in threads {
            let ended = thread.join().map_err(|_| Failure::new(Exit::Failed, "a node's thread panicked"))?;
            ended.or_fail(Exit::Failed, "a node")?;
        }
        Ok(())
    }
}

/// Nodes as processes. Dropped, they are killed.
#[derive(Debug)]
pub struct Processes {
    children: Vec<Child>,
}

impl Processes {
    /// Starts `sinter sequencer run` for every member.
    ///
    /// # Errors
    /// When a process cannot be started.
    pub fn start(committee: &Committee) -> Result<Self, Failure> {
        let mut processes = Self { children: Vec::new() };
        for member in &committee.members {
            processes.children.push(spawn(member)?);
        }
        Ok(processes)
    }

    /// Their process ids.
    pub fn ids(&self) -> Vec<u32> {
        self.children.iter().map(Child::id).collect()
    }

    /// Fails if one has ended, with the end of its log.
    ///
    /// # Errors
    /// When one has ended.
    pub fn check(&mut self, committee: &Committee) -> Result<(), Failure> {
        for (child, member) in self.children.iter_mut().zip(&committee.members) {
            if let Some(status) = child.try_wait().or_fail(Exit::Failed, "looking after a node")? {
                return Err(Failure::new(Exit::Failed, format!("a node ended: {status}\n{}", log_end(member))));
            }
        }
        Ok(())
    }

    /// Stops them all, each by the end of its input.
    pub fn stop(mut self) {
        self.children.iter_mut().for_each(|child| drop(child.stdin.take()));
        let deadline = Instant::now() + STOP_MAX;
        while Instant::now() < deadline && self.children.iter_mut().any(|child| matches!(child.try_wait(), Ok(None))) {
            std::thread::sleep(POLL_INTERVAL);
        }
    }
}

impl Drop for Processes {
    fn drop(&mut self) {
        for child in &mut self.children {
            // One that has ended cannot be killed, and need not be.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn spawn(member: &Member) -> Result<Child, Failure> {
    let what = "starting a node";
    let program = sinter_prover::variants::own_executable().or_fail(Exit::Failed, "finding this program's file")?;
    let log = fs::File::create(&member.log).or_fail(Exit::Failed, what)?;
    Command::new(program)
        .args(["sequencer", "run", "--stop-with-input", "--config"])
        .arg(&member.config_file)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .or_fail(Exit::Failed, what)
}

fn log_end(member: &Member) -> String {
    let text = fs::read(&member.log).unwrap_or_default();
    String::from_utf8_lossy(&text[text.len().saturating_sub(LOG_BYTES_SHOWN)..]).into_owned()
}
