//! The main job as a person would do it: a devnet under load for a while, its metrics read while it runs.

use crate::{
    Outcome,
    shell::{Workspace, read, run},
};
use std::{
    fs,
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

/// Nodes that are registered on the L1: with them, members look at it, and committees are drawn.
const REGISTERED: &str = "4";
/// How long the load runs.
const LOAD_SECONDS: &str = "20";
/// Between two looks at the machines' metrics.
const LOOK_INTERVAL: Duration = Duration::from_secs(5);
/// How long the whole run has to end.
const RUN_MAX: Duration = Duration::from_secs(300);

/// Runs the devnet; its exit code says whether everything accepted was finalized and posted.
pub fn check(workspace: &Workspace) -> Outcome {
    let directory = workspace.tools.join(format!("devnet-{}", std::process::id()));
    let mut command = workspace.command(workspace.sinter());
    let arguments = ["devnet", "--registered", REGISTERED, "--for", LOAD_SECONDS, "--json", "--data-dir"];
    command.args(arguments).arg(&directory);
    println!("$ sinter {} {}", arguments.join(" "), directory.display());
    let outcome = watch(workspace, &mut command, &directory);
    if let Err(error) = fs::remove_dir_all(&directory) {
        println!("left behind {}: {error}", directory.display());
    }
    outcome
}

fn watch(workspace: &Workspace, command: &mut Command, directory: &Path) -> Outcome {
    let mut child = match command.stdin(Stdio::null()).spawn() {
        Ok(child) => child,
        Err(error) => return Outcome::Failed(format!("cannot start sinter: {error}")),
    };
    let metrics = scrape(workspace, &mut child, directory);
    let ended = wait(&mut child);
    match (ended, metrics) {
        (Err(reason), _) | (Ok(()), Err(reason)) => Outcome::Failed(reason),
        (Ok(()), Ok(outcome)) => outcome,
    }
}

fn wait(child: &mut Child) -> Result<(), String> {
    let started = Instant::now();
    while started.elapsed() < RUN_MAX {
        match child.try_wait() {
            Ok(Some(status)) if status.success() => return Ok(()),
            Ok(Some(status)) => return Err(format!("sinter devnet: {status}")),
            Ok(None) => sleep(Duration::from_millis(200)),
            Err(error) => return Err(format!("sinter devnet: {error}")),
        }
    }
    child.kill().and_then(|()| child.wait()).map_err(|error| format!("sinter devnet cannot be ended: {error}"))?;
    Err(format!("sinter devnet was still running after {} s", RUN_MAX.as_secs()))
}

/// Reads every machine's metrics, and the host's, until all that operators are told of has been seen; then `promtool` checks
/// what was read.
fn scrape(workspace: &Workspace, child: &mut Child, directory: &Path) -> Result<Outcome, String> {
    for tool in ["promtool", "prometheus-node-exporter"] {
        if !workspace.answers(tool, &["--version"]) {
            return Ok(Outcome::PassedWithout(vec![format!("metrics: no {tool}")]));
        }
    }
    let host = Host::start(workspace)?;
    let started = Instant::now();
    let mut missing = "no machine was ever asked".to_owned();
    let files = loop {
        sleep(LOOK_INTERVAL);
        let addresses = metrics_urls(&fs::read_to_string(directory.join("devnet.json")).unwrap_or_default());
        let files = read_all("machine", &addresses, directory)?;
        let of_host = read_all("host", std::slice::from_ref(&host.address), directory)?;
        match read(workspace.command(workspace.sinter_ops()).arg("live").args(&files).args(&of_host)) {
            Ok(_) => break files,
            // Machines that have ended serve nothing: what they lacked while they ran is what there is to say.
            Err(_) if !matches!(child.try_wait(), Ok(None)) => return Err(missing),
            Err(reason) if started.elapsed() > RUN_MAX => return Err(reason),
            Err(reason) => missing = reason,
        }
    };
    println!("{} machines serve every metric of the list after {} s", files.len(), started.elapsed().as_secs());
    // How the host's exporter names things is not ours.
    for file in files {
        let input = fs::File::open(&file).map_err(|error| format!("{}: {error}", file.display()))?;
        run(workspace.command("promtool").args(["check", "metrics"]).stdin(input))?;
    }
    Ok(Outcome::Passed)
}

/// What the machines answer that do, a file each. One that was killed, or is not up yet, is asked again next time.
fn read_all(of: &str, addresses: &[String], directory: &Path) -> Result<Vec<PathBuf>, String> {
    let mut files = Vec::new();
    for (number, text) in addresses.iter().filter_map(|address| get(address).ok()).enumerate() {
        let file = directory.join(format!("metrics-{of}-{number}.txt"));
        fs::write(&file, &text).map_err(|error| format!("{}: {error}", file.display()))?;
        files.push(file);
    }
    Ok(files)
}

/// The host's own metrics, which Prometheus's exporter serves while this lives.
struct Host {
    address: String,
    exporter: Child,
}

impl Host {
    fn start(workspace: &Workspace) -> Result<Self, String> {
        let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        let address = free.map_err(|error| format!("no free port: {error}"))?.to_string();
        let mut command = workspace.command("prometheus-node-exporter");
        command.arg(format!("--web.listen-address={address}")).stdout(Stdio::null()).stderr(Stdio::null());
        let exporter = command.spawn().map_err(|error| format!("prometheus-node-exporter: {error}"))?;
        Ok(Self { address, exporter })
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        // One that has ended already is as good.
        let _ = self.exporter.kill().and_then(|()| self.exporter.wait());
    }
}

/// The `host:port` of every metrics endpoint in `devnet.json`, which `sinter devnet` writes one pair a line.
fn metrics_urls(json: &str) -> Vec<String> {
    let lines = json.lines().filter_map(|line| line.trim().strip_prefix("\"metrics\": \"http://"));
    lines.filter_map(|rest| rest.split_once("/metrics").map(|(address, _)| address.to_owned())).collect()
}

fn get(address: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    write!(stream, "GET /metrics HTTP/1.0\r\nHost: {address}\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    match answer.split_once("\r\n\r\n") {
        Some((head, body)) if head.contains(" 200 ") => Ok(body.to_owned()),
        _ => Err(std::io::Error::other(format!("unexpected answer: {}", answer.lines().next().unwrap_or_default()))),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn metrics_endpoints_are_read_from_the_devnets_file() {
        let json = "{\n  \"nodes\": [\n    {\n      \"metrics\": \"http://127.0.0.1:9000/metrics\"\n    }\n  ]\n}";
        assert_eq!(super::metrics_urls(json), ["127.0.0.1:9000"]);
        assert!(super::metrics_urls("").is_empty());
    }
}
