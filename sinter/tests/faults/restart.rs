//! One of four nodes is killed and started again, over and over, while transactions come in.

use crate::{
    cluster::{Cluster, STALL_MAX},
    process::wait_until,
};
use std::time::{Duration, Instant};

const ROUNDS: usize = 6;
/// Blocks that may be voted on and not yet reported as final.
const IN_FLIGHT_MAX: u64 = 4;

#[test]
fn one_of_four_killed_in_a_loop_stalls_nobody_and_loses_nothing() {
    let mut cluster = Cluster::start_all();
    let mut accepted = Vec::new();
    for round in 0..ROUNDS {
        let victim = round % cluster.len();
        let witness = (victim + 1) % cluster.len();
        cluster.kill(victim);
        // The other three go on: never longer without a block than the timeouts of one absent leader take.
        let (mut height, mut since, until) =
            (cluster.height(witness), Instant::now(), Instant::now() + Duration::from_secs(4));
        while Instant::now() < until {
            accepted.extend(cluster.send(witness));
            let now = cluster.height(witness);
            if now > height {
                (height, since) = (now, Instant::now());
            }
            assert!(since.elapsed() < STALL_MAX, "round {round}: stalled at height {height}");
            std::thread::sleep(Duration::from_millis(50));
        }
        cluster.start(victim);
        wait_until(&format!("round {round}: node {victim} catches up"), Duration::from_secs(60), || {
            cluster.height(victim) >= height
        });
    }
    cluster.wait_healthy();
    assert!(!accepted.is_empty());
    for id in accepted {
        for node in 0..cluster.len() {
            wait_until(&format!("node {node} has the receipt of 0x{id}"), STALL_MAX, || cluster.is_final(node, id));
        }
    }
    cluster.check_agreement();
    for node in 0..cluster.len() {
        assert_eq!(cluster.stop(node), Some(0), "node {node} stops when told to");
    }
}

#[test]
fn two_of_four_down_halts_and_resumes_by_itself() {
    let mut cluster = Cluster::start_all();
    cluster.kill(2);
    cluster.kill(3);
    // What was on its way may still become final; then nothing does.
    let before = cluster.height(0);
    std::thread::sleep(Duration::from_secs(4));
    let height = cluster.height(0);
    assert!(height <= before + IN_FLIGHT_MAX, "from height {before} to {height}: two of four are no quorum");
    std::thread::sleep(Duration::from_secs(6));
    assert_eq!(cluster.height(0), height, "two of four are no quorum");
    cluster.start(2);
    cluster.wait_progress(0, 5, Duration::from_secs(60));
    cluster.start(3);
    cluster.wait_healthy();
    wait_until("node 3 catches up", Duration::from_secs(60), || cluster.height(3) + 2 >= cluster.height(0));
    cluster.check_agreement();
}
