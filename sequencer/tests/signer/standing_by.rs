//! Whole nodes over QUIC, one of which has its key behind a signer: it votes, it waits for its signer, and another node with a
//! directory of its own takes its place.

use super::harness::{Fixture, PATIENCE};
use sinter_sequencer::{
    config::NodeConfig,
    handle::Head,
    node::{self, NodeError},
    signer::Endpoint,
};
use std::{
    thread::JoinHandle,
    time::{Duration, Instant},
};
use tokio::sync::{oneshot, watch};

/// Longer than a committee takes to agree on a busy machine.
const LONG: Duration = Duration::from_secs(60);

struct Node {
    heads: watch::Receiver<Head>,
    stop: oneshot::Sender<()>,
    thread: JoinHandle<Result<(), NodeError>>,
}

impl Node {
    fn start(config: NodeConfig) -> Self {
        let (stop, stopped) = oneshot::channel::<()>();
        let (started, heads) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            let shutdown = async {
                let _ = stopped.await;
            };
            node::run_with(config, None, move |handle| started.send(handle.heads).unwrap(), shutdown)
        });
        Self { heads: heads.recv_timeout(PATIENCE).unwrap(), stop, thread }
    }

    fn height(&self) -> u64 {
        self.heads.borrow().height
    }

    fn reach(&self, height: u64) {
        let started = Instant::now();
        while self.height() < height {
            assert!(started.elapsed() < LONG, "at {} of {height}", self.height());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn stop(self) {
        let _ = self.stop.send(());
        self.thread.join().unwrap().unwrap();
    }
}

#[test]
fn a_seat_votes_through_its_signer_and_a_second_node_takes_over() {
    let fixture = Fixture::new();
    let signer = fixture.unix();
    let mut first = fixture.committee.configs[0].clone();
    first.bls_key_file = None;
    first.bls_signer = Some(Endpoint::Unix(fixture.socket()));
    let mut second = first.clone();
    second.data_dir = first.data_dir.with_extension("second");

    // Three of four: without the seat behind the signer nothing becomes final.
    let others: Vec<_> = fixture.committee.configs[1..3].iter().cloned().map(Node::start).collect();
    let node = Node::start(first);
    node.reach(5);

    drop(signer);
    // What is on its way arrives.
    std::thread::sleep(Duration::from_secs(2));
    let height = others[0].height();
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(others[0].height(), height, "a seat voted without its signer");
    let _signer = fixture.unix();
    node.reach(height + 5);

    // The same seat and key, and a directory that knows of no vote.
    let height = node.height();
    node.stop();
    let node = Node::start(second);
    node.reach(height + 5);
    node.stop();
    others.into_iter().for_each(Node::stop);
}
