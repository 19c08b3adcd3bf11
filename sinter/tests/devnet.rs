//! `sinter devnet` from start to end.

use crate::process::{
    Guarded, errors, is_running, last_line, node_process_ids, output, signal, sinter, start_devnet, wait_until,
};
use serde_json::Value;
use std::{process::Stdio, time::Duration};

const MINUTES: Duration = Duration::from_secs(300);

/// What every good run's summary says.
fn check(summary: &Value) {
    let number = |value: &Value| value.as_f64().unwrap_or_else(|| panic!("not a number in {summary}"));
    assert!(number(&summary["accepted"]) > 0.0, "{summary}");
    assert_eq!(summary["accepted"], summary["finalized"], "{summary}");
    assert!(number(&summary["tx_per_s"]) > 0.0, "{summary}");
    assert!(number(&summary["finality_ms"]["p50"]) <= number(&summary["finality_ms"]["p99"]), "{summary}");
    assert!(number(&summary["height"]) > 0.0, "{summary}");
    assert_eq!(summary["l1"]["posted_height"], summary["l1"]["verified_height"], "{summary}");
    assert!(number(&summary["l1"]["verified_height"]) >= number(&summary["height"]), "{summary}");
    assert!(number(&summary["receipts_verified"]) > 0.0, "{summary}");
    assert_eq!(summary["balances_match"], true, "{summary}");
    assert!(number(&summary["settled_batches"]) > 0.0, "{summary}");
    // Each of the three rollups has at least one, and a trail of one transaction that was verified against the L1.
    assert!(number(&summary["statements_settled"]) >= 3.0, "{summary}");
    assert_eq!(summary["trails_verified"], 3, "{summary}");
    for step in ["final", "executed", "proved", "folded", "sealed", "settled", "advanced"] {
        assert!(number(&summary["step_latency_ms"][step]) >= 0.0, "{step}: {summary}");
    }
    assert!(number(&summary["gas_per_statement"]) > 21_000.0, "{summary}");
}

#[test]
fn a_run_ends_with_a_summary_in_which_everything_is_final_and_on_l1() {
    let run = output(&mut sinter(&["devnet", "--for", "8", "--json"]));
    assert!(run.status.success(), "{}", errors(&run));
    let summary = last_line(&run);
    check(&summary);
    assert_eq!(String::from_utf8_lossy(&run.stdout).lines().count(), 1, "only the summary goes to standard output");
}

/// Money is conserved, nothing is settled twice, nothing is lost, whatever is killed, the committee's members included: the run's own
/// verdict says so, and what each contract holds.
#[test]
fn machines_that_are_killed_again_and_again_lose_nothing() {
    let run = output(&mut sinter(&["devnet", "--for", "45", "--rate", "20", "--kill-every", "6", "--json"]));
    assert!(run.status.success(), "{}", errors(&run));
    let summary = last_line(&run);
    check(&summary);
    assert!(summary["kills"].as_u64() >= Some(4), "every machine was killed: {summary}");
    assert!(summary["member_kills"].as_u64() >= Some(4), "every member was killed: {summary}");
    // What was refused while a member was away was accepted by nobody; some had been accepted by whoever was killed then.
    assert!(summary["accepted"].as_u64() >= Some(300), "the load went on: {summary}");
}

#[test]
fn a_second_run_goes_on_with_the_same_chain() {
    let directory = tempfile::tempdir().unwrap();
    let run = || {
        let mut command = sinter(&["devnet", "--for", "3", "--json", "--data-dir"]);
        let run = output(command.arg(directory.path()));
        assert!(run.status.success(), "{}", errors(&run));
        let chain = std::fs::read(directory.path().join("chain.toml")).unwrap();
        (last_line(&run), chain)
    };
    let (first, first_chain) = run();
    let (second, second_chain) = run();
    check(&first);
    check(&second);
    assert_eq!(first_chain, second_chain);
    assert!(second["height"].as_u64() > first["height"].as_u64(), "{first} {second}");
}

#[test]
fn a_signal_ends_a_run_as_well_as_the_clock() {
    let directory = tempfile::tempdir().unwrap();
    let (devnet, addresses) = start_devnet(directory.path(), &["--json"]);
    let nodes = node_process_ids(&addresses);
    std::thread::sleep(Duration::from_secs(6));
    signal(u64::from(devnet.0.id()), "TERM");
    let run = devnet.finish(MINUTES);
    assert!(run.status.success(), "{}", errors(&run));
    check(&last_line(&run));
    assert!(!nodes.iter().any(|id| is_running(*id)), "nodes outlived the run");
}

#[test]
fn a_devnet_that_is_killed_leaves_no_process_behind() {
    let directory = tempfile::tempdir().unwrap();
    let (devnet, addresses) = start_devnet(directory.path(), &["--json"]);
    let nodes = node_process_ids(&addresses);
    assert!(nodes.iter().all(|id| is_running(*id)));
    signal(u64::from(devnet.0.id()), "KILL");
    wait_until("all nodes end", Duration::from_secs(30), || !nodes.iter().any(|id| is_running(*id)));
}

#[test]
fn a_node_that_dies_fails_the_run() {
    let directory = tempfile::tempdir().unwrap();
    let (devnet, addresses) = start_devnet(directory.path(), &["--json"]);
    let nodes = node_process_ids(&addresses);
    signal(nodes[2], "KILL");
    let run = devnet.finish(MINUTES);
    assert_eq!(run.status.code(), Some(1));
    assert!(errors(&run).contains("error: node 2 ended by itself: signal: 9 (SIGKILL)"), "{}", errors(&run));
    assert!(!nodes.iter().any(|id| is_running(*id)), "nodes outlived the run");
}

#[test]
fn a_reader_that_goes_away_ends_the_run() {
    let directory = tempfile::tempdir().unwrap();
    let (mut devnet, _) = start_devnet(directory.path(), &[]);
    drop(devnet.0.stdout.take());
    let run = devnet.finish(MINUTES);
    assert!(run.status.success(), "{}", errors(&run));
}

#[test]
fn two_devnets_do_not_share_a_directory() {
    let directory = tempfile::tempdir().unwrap();
    let (first, _) = start_devnet(directory.path(), &["--json"]);
    let mut command = sinter(&["devnet", "--for", "1", "--data-dir"]);
    let second = Guarded(command.arg(directory.path()).stderr(Stdio::piped()).spawn().unwrap()).finish(MINUTES);
    assert_eq!(second.status.code(), Some(2));
    assert!(errors(&second).contains("--data-dir: another devnet is running in "), "{}", errors(&second));
    drop(first);
}
