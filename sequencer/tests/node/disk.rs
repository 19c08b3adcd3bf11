//! A disk that fills up under a running node.

use super::committee::{Committee, Running};
use rustix::fs::{FallocateFlags, fallocate, statvfs};
use sinter_sequencer::{disk::DiskError, node::NodeError};
use std::{
    fs::File,
    time::{Duration, Instant},
};

/// Room that the node may use before it must stop, and what other processes may take meanwhile.
const MARGIN_BYTES: u64 = 1 << 30;

#[test]
fn a_node_on_a_full_disk_stops_with_a_clear_error_and_starts_again() {
    // A committee of one finalizes by itself.
    let mut committee = Committee::new(1);
    let directory = committee.configs[0].data_dir.parent().unwrap().to_path_buf();
    let stat = statvfs(&directory).unwrap();
    committee.configs[0].disk_free_bytes_min = stat.f_bavail * stat.f_frsize - MARGIN_BYTES;
    let config = || committee.configs[0].clone();

    let node = Running::start(config());
    std::thread::sleep(Duration::from_secs(3));
    assert!(!node.is_finished());
    let filler = directory.join("filler");
    fallocate(File::create(&filler).unwrap(), FallocateFlags::empty(), 0, 2 * MARGIN_BYTES).unwrap();
    let started = Instant::now();
    while !node.is_finished() {
        assert!(started.elapsed() < Duration::from_secs(20), "the node goes on without space");
        std::thread::sleep(Duration::from_millis(50));
    }
    let error = node.stop().unwrap_err();
    assert!(matches!(error, NodeError::Disk(DiskError::Full { .. })), "{error}");
    assert!(error.to_string().contains("disk_free_bytes_min"), "{error}");
    let height = committee.index(0).tip().header.height;
    assert!(height > 5, "height {height} in three seconds");

    // As long as the disk is full, it says so before it starts anything.
    let error = Running::start(config()).stop().unwrap_err();
    assert!(matches!(error, NodeError::Disk(DiskError::Full { .. })), "{error}");

    std::fs::remove_file(filler).unwrap();
    let node = Running::start(config());
    std::thread::sleep(Duration::from_secs(3));
    node.stop().unwrap();
    assert!(committee.index(0).tip().header.height > height);
}
