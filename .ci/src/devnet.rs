//! The main job as a person would do it: a devnet under load for a while, its metrics read while it runs.

use crate::{
    Outcome,
    shell::{Workspace, run},
};
use std::{
    fs,
    io::{Read, Write},
    net::TcpStream,
    path::Path,
    process::{Child, Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

/// How long the load runs.
const LOAD_SECONDS: &str = "20";
/// How long the nodes have to be up, and the whole run to end.
const START_MAX: Duration = Duration::from_secs(90);
/// How long what was started needs until it answers.
const UP: Duration = Duration::from_secs(5);
const RUN_MAX: Duration = Duration::from_secs(300);

/// Runs the devnet; its exit code says whether everything accepted was finalized and posted.
pub fn check(workspace: &Workspace) -> Outcome {
    let directory = workspace.tools.join(format!("devnet-{}", std::process::id()));
    let mut command = workspace.command(workspace.sinter());
    command.args(["devnet", "--for", LOAD_SECONDS, "--json", "--data-dir"]).arg(&directory);
    println!("$ sinter devnet --for {LOAD_SECONDS} --json --data-dir {}", directory.display());
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

/// Reads every node's metrics once load is on, and every machine's once it is up, and has `promtool` check them.
fn scrape(workspace: &Workspace, child: &mut Child, directory: &Path) -> Result<Outcome, String> {
    if !workspace.answers("promtool", &["--version"]) {
        return Ok(Outcome::PassedWithout(vec!["promtool check metrics: no promtool".into()]));
    }
    // First the nodes are told of, and then the machines beside them, too.
    let mut checked: Vec<String> = Vec::new();
    for _ in 0..2 {
        let mut addresses = more_than(checked.len(), child, directory)?;
        addresses.retain(|address| !checked.contains(address));
        sleep(UP);
        for address in &addresses {
            let text = answer(address).map_err(|error| format!("{address}: {error}"))?;
            let file = directory.join("metrics.txt");
            fs::write(&file, &text).map_err(|error| error.to_string())?;
            println!("{address}: {} lines of metrics", text.lines().count());
            let input = fs::File::open(&file).map_err(|error| error.to_string())?;
            run(workspace.command("promtool").args(["check", "metrics"]).stdin(input))?;
        }
        checked.extend(addresses);
    }
    Ok(Outcome::Passed)
}

/// The addresses of metrics that the devnet tells of, once there are more than so many.
fn more_than(count: usize, child: &mut Child, directory: &Path) -> Result<Vec<String>, String> {
    let started = Instant::now();
    loop {
        let urls = metrics_urls(&fs::read_to_string(directory.join("devnet.json")).unwrap_or_default());
        if urls.len() > count {
            return Ok(urls);
        }
        if started.elapsed() > START_MAX || !matches!(child.try_wait(), Ok(None)) {
            return Err(format!("the devnet tells of {} addresses of metrics: expected more than {count}", urls.len()));
        }
        sleep(Duration::from_millis(200));
    }
}

/// The `host:port` of every metrics endpoint in `devnet.json`, which `sinter devnet` writes one pair a line.
fn metrics_urls(json: &str) -> Vec<String> {
    let lines = json.lines().filter_map(|line| line.trim().strip_prefix("\"metrics\": \"http://"));
    lines.filter_map(|rest| rest.split_once("/metrics").map(|(address, _)| address.to_owned())).collect()
}

/// As [`get`], where what was just started may need a moment.
fn answer(address: &str) -> std::io::Result<String> {
    let started = Instant::now();
    loop {
        match get(address) {
            Err(_) if started.elapsed() < START_MAX => sleep(Duration::from_millis(500)),
            answer => return answer,
        }
    }
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
