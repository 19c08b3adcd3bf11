//! A member's data directory is gone, or old, while its keys are not: it must not vote, for it does not know
//! what it has voted.

use crate::support::network::Network;
use std::{fs, path::Path, process::Command};

const VICTIM: usize = 1;

#[test]
fn a_key_does_not_vote_with_another_data_directory_than_before() {
    let mut network = Network::new(4);
    network.start();
    network.nodes[VICTIM].stop();
    let (data, kept) = (network.nodes[VICTIM].data_dir(), network.nodes[VICTIM].home.join("kept"));

    // Empty.
    fs::rename(&data, &kept).unwrap();
    assert_refused(&mut network, "has voted with another data directory");

    // An old copy: the node has run since.
    let _ = fs::remove_dir_all(&data);
    copy(&kept, &data);
    network.nodes[VICTIM].start_and_wait();
    network.wait_until_even();
    network.nodes[VICTIM].stop();
    fs::remove_dir_all(&data).unwrap();
    copy(&kept, &data);
    assert_refused(&mut network, "is an old copy");

    // Only the journal is gone.
    fs::remove_dir_all(&data).unwrap();
    fs::rename(&kept, &data).unwrap();
    let height = network.nodes[0].height().expect("an answer");
    network.nodes[0].wait_for_height(height + 3, network.patience());
}

/// Fails unless the victim ends at once, with an error that says this.
fn assert_refused(network: &mut Network, expected: &str) {
    let victim = &mut network.nodes[VICTIM];
    victim.start();
    let status = victim.ended();
    let log = victim.log();
    let last = log.lines().last().unwrap_or_default();
    assert!(!status.success() && last.starts_with("error: ") && last.contains(expected), "{status}: {last:?}\n{log}");
}

fn copy(from: &Path, to: &Path) {
    assert!(Command::new("cp").arg("-a").args([from, to]).status().unwrap().success());
}
