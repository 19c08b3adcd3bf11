//! The disk of one member fills up: it must end with an error that says so, while the others go on, and come
//! back when there is space.

use crate::support::{
    disk::free_bytes,
    isolation::{isolated, run},
    load::Load,
    network::{DISK_FREE_BYTES_MIN, Network},
    votes::History,
};
use std::{
    fs::{self, File},
    io::{ErrorKind, Write},
    path::Path,
    time::Duration,
};

const VICTIM: usize = 3;
const DISK_BYTES: u64 = 4 * DISK_FREE_BYTES_MIN;

#[test]
#[ignore = "needs root: mounts a small file system"]
fn a_member_whose_disk_fills_up_says_so_and_recovers_when_there_is_space() {
    isolated("faults::full_disk::a_member_whose_disk_fills_up_says_so_and_recovers_when_there_is_space", || {
        let mut network = Network::new(4);
        let data_dir = network.nodes[VICTIM].data_dir();
        fs::create_dir(&data_dir).unwrap();
        let disk = data_dir.to_str().expect("a path in UTF-8");
        run("mount", &["-t", "tmpfs", "-o", &format!("size={DISK_BYTES}"), "tmpfs", disk]);
        network.start();
        let mut history = History::default();
        let load = Load::start(network.rpc_without(&[VICTIM]), Duration::from_millis(100));
        let ballast = data_dir.join("ballast");

        // First to below what the node keeps free, then to the last byte, so that its journals fail.
        for left_bytes in [DISK_FREE_BYTES_MIN / 2, 0] {
            fill(&ballast, left_bytes);
            assert_refuses(&mut network, "a disk that fills up");
            history.look(&network.nodes[VICTIM]);
            let height = network.nodes[0].height().expect("an answer");
            network.nodes[0].wait_for_height(height + 5, network.patience());

            network.nodes[VICTIM].start();
            assert_refuses(&mut network, "a disk that is full");

            fs::remove_file(&ballast).unwrap();
            network.nodes[VICTIM].start_and_wait();
            network.wait_until_even();
            history.look(&network.nodes[VICTIM]);
        }
        let ids: Vec<_> = load.stop().into_iter().map(|sent| sent.id).collect();
        network.wait_until_healthy();
        network.assert_final_everywhere(&ids);
        network.assert_agreement();
        history.look_at_all(&network);
        history.assert_sound();
        // The mount goes with the namespace, which it must outlive.
        network.nodes[VICTIM].stop();
    });
}

/// Fails unless the victim ends by itself, and its last words are of the disk.
fn assert_refuses(network: &mut Network, what: &str) {
    let victim = &mut network.nodes[VICTIM];
    let logged_before = victim.log().len();
    let status = victim.ended();
    assert!(!status.success(), "{what}: {status}");
    // What it logged before this may have come before `log` was read.
    let log = victim.log();
    let last = log.lines().rev().find(|line| line.starts_with("error: ")).unwrap_or_default();
    assert!(log.len() >= logged_before && last.contains("disk_free_bytes_min"), "{what}: {last:?}\n{log}");
}

/// Writes until no more than `left_bytes` are free.
fn fill(ballast: &Path, left_bytes: u64) {
    let mut file = File::create(ballast).unwrap();
    let chunk = vec![0; 64 << 10];
    while free_bytes(ballast).expect("free bytes") > left_bytes {
        match file.write_all(&chunk) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::StorageFull => break,
            Err(error) => panic!("{error}"),
        }
    }
}
