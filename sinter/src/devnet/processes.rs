//! The processes of a devnet: this program again, one for each machine.
//!
//! Nothing is restarted behind anybody's back: a process that ends before it was told to fails the run, with the last lines of
//! its log; unless the run is one that kills processes itself, to show that nothing is lost. Each one reads a pipe whose other
//! end only this process holds, so however this process ends, the others see it and stop.

use crate::exit::{Exit, Failure, OrFail};
use futures::future::BoxFuture;
use std::{
    ffi::OsString,
    fs::OpenOptions,
    io::Read,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::Stdio,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};
use tokio::process::{Child, ChildStdin, Command};
use tokio_util::sync::CancellationToken;

/// How long a process has to stop.
const STOP_MAX: Duration = Duration::from_secs(20);
/// Lines of its log that are shown of a process that ended.
const LOG_LINES_SHOWN: usize = 15;
const LOG_BYTES_READ: u64 = 64 * 1024;

/// One process.
#[derive(Debug)]
struct Process {
    name: String,
    arguments: Vec<OsString>,
    log: PathBuf,
    child: Child,
    /// The pipe's end that keeps it running.
    input: Option<ChildStdin>,
}

/// How processes are killed, to show that nothing is lost.
pub struct Killing<'a> {
    /// How often; never without.
    pub interval: Option<Duration>,
    /// Cancelled when it is over.
    pub over: CancellationToken,
    /// Where it is counted.
    pub kills: &'a AtomicU64,
    /// Waits until the process of this number does again what it did before.
    pub back: &'a (dyn Fn(usize) -> BoxFuture<'a, Result<(), Failure>> + Send + Sync),
}

/// Processes that are started, watched and stopped together.
#[derive(Debug, Default)]
pub struct Processes(Vec<Process>);

impl Processes {
    /// Starts this program with some words, the configuration file in `home`, and its log there.
    ///
    /// # Errors
    /// When the process cannot be started.
    pub fn start(&mut self, name: String, words: &[&str], home: &Path, config: &str) -> Result<(), Failure> {
        let mut arguments: Vec<OsString> = words.iter().map(OsString::from).collect();
        arguments.extend(["--stop-with-input".into(), "--config".into(), home.join(config).into()]);
        let log = home.join("log");
        let (child, input) = spawn(&name, &arguments, &log)?;
        self.0.push(Process { name, arguments, log, child, input });
        Ok(())
    }

    /// Each one's process id.
    pub fn ids(&self) -> Vec<Option<u32>> {
        self.0.iter().map(|process| process.child.id()).collect()
    }

    /// Returns when one ends, which none should, and says how.
    pub async fn ended(&mut self) -> Failure {
        let waits = self.0.iter_mut().map(|process| {
            let Process { name, log, child, .. } = process;
            Box::pin(async move { (name.clone(), child.wait().await, log.clone()) })
        });
        let waits: Vec<_> = waits.collect();
        if waits.is_empty() {
            return std::future::pending().await;
        }
        let ((name, status, log), _, _) = futures::future::select_all(waits).await;
        let how = status.map_or_else(|error| error.to_string(), |status| status.to_string());
        Failure::new(
            Exit::Failed,
            format!("{name} ended by itself: {how}; the end of {}:\n{}", log.display(), tail(&log)),
        )
    }

    /// As [`Processes::ended`]; and every so often one of them, in turn, is killed without warning and started again, until that is
    /// over. One at a time: the next one is killed some time after the last one is back.
    pub async fn killed_in_turn(&mut self, killing: Killing<'_>) -> Failure {
        let Killing { interval: Some(interval), over, kills, back } = killing else { return self.ended().await };
        for index in (0..self.0.len()).cycle() {
            tokio::select! {
                biased;
                failure = self.ended() => return failure,
                () = over.cancelled() => break,
                () = tokio::time::sleep(interval) => {}
            }
            if let Err(failure) = self.kill(index).await {
                return failure;
            }
            kills.fetch_add(1, Ordering::Relaxed);
            tokio::select! {
                failure = self.ended() => return failure,
                back = back(index) => {
                    if let Err(failure) = back {
                        return failure;
                    }
                }
            }
        }
        self.ended().await
    }

    /// Kills one without warning, and starts it again.
    async fn kill(&mut self, index: usize) -> Result<(), Failure> {
        let Some(process) = self.0.get_mut(index) else { return Ok(()) };
        tracing::info!(process = process.name, "killed");
        process.child.kill().await.or_fail(Exit::Failed, format_args!("killing {}", process.name))?;
        (process.child, process.input) = spawn(&process.name, &process.arguments, &process.log)?;
        Ok(())
    }

    /// Stops all, and waits until they have.
    ///
    /// # Errors
    /// When one did not end well, or not in time.
    pub async fn stop(mut self) -> Result<(), Failure> {
        // All at once: each one's pipe closes.
        self.0.iter_mut().for_each(|process| drop(process.input.take()));
        let mut result = Ok(());
        for Process { name, log, child, .. } in &mut self.0 {
            let problem = match tokio::time::timeout(STOP_MAX, child.wait()).await {
                Ok(Ok(status)) if status.success() => continue,
                Ok(Ok(status)) => format!("{status}; the end of {}:\n{}", log.display(), tail(log)),
                Ok(Err(error)) => error.to_string(),
                Err(_) => {
                    let killed = child.kill().await;
                    format!("still running after {} s, killed: {killed:?}", STOP_MAX.as_secs())
                }
            };
            result = Err(Failure::new(Exit::Failed, format!("stopping {name}: {problem}")));
        }
        result
    }
}

fn spawn(name: &str, arguments: &[OsString], log: &Path) -> Result<(Child, Option<ChildStdin>), Failure> {
    let what = format!("starting {name}");
    let program = sinter_prover::variants::own_executable().or_fail(Exit::Failed, "finding this program's file")?;
    let output = OpenOptions::new().create(true).append(true).open(log).or_fail(Exit::Failed, &what)?;
    let mut command = std::process::Command::new(program);
    command
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(output.try_clone().or_fail(Exit::Failed, &what)?)
        .stderr(output)
        // A group of its own: Ctrl-C is for this process, which stops the others in order.
        .process_group(0);
    let mut child = Command::from(command).kill_on_drop(true).spawn().or_fail(Exit::Failed, &what)?;
    let input = child.stdin.take();
    Ok((child, input))
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
