//! What a peer can make a node hold.

use super::{
    adversaries::never_reader,
    harness::{Node, config, ended, eventually, message, metric, run},
};
use commonware_stream::Sender as _;
use sinter_sequencer::{
    channels::{BLOCKS, VOTES},
    quic::{QuicConfig, Reason, SendError},
};
use std::time::{Duration, Instant};

/// Bytes of this process in memory.
fn resident_bytes() -> usize {
    let status = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: usize = status.split(' ').nth(1).unwrap().parse().unwrap();
    pages * 4096
}

#[test]
fn a_peer_that_never_reads_costs_a_bounded_amount() {
    run(|context| async move {
        let listener = Node::new(&context, QuicConfig { queue_bytes: 8 << 20, ..config(2) });
        let (address, mut accepting) = listener.bind().await;
        let (attempt, connected) = tokio::join!(never_reader::connect(address), listener.accept(&mut accepting));
        let (_, (mut sender, _receiver)) = connected.unwrap();
        let before = resident_bytes();
        for index in 0..2_000_u32 {
            // Every block in memory of its own: 2 GB in all.
            let block = message(BLOCKS, &vec![index as u8; 1 << 20]);
            sender.send(block).await.unwrap();
            if index % 64 == 0 {
                tokio::task::yield_now().await;
            }
        }
        let grown = resident_bytes().saturating_sub(before);
        assert!(grown < 128 << 20, "grew by {} MiB", grown >> 20);
        assert!(metric("sinter_quic_messages_dropped_total", "blocks") > 1_900.0);
        drop(attempt);
    });
}

#[test]
fn votes_that_a_peer_does_not_read_end_its_connection() {
    run(|context| async move {
        let listener = Node::new(&context, QuicConfig { queue_bytes: 1 << 20, ..config(2) });
        let (address, mut accepting) = listener.bind().await;
        let (attempt, connected) = tokio::join!(never_reader::connect(address), listener.accept(&mut accepting));
        let (_, (mut sender, _receiver)) = connected.unwrap();
        let vote = message(VOTES, &[0; 1000]);
        let mut sent = 0;
        let error = loop {
            if let Err(error) = sender.send(vote.clone()).await {
                break error;
            }
            sent += 1;
            assert!(sent < 100_000, "never ends");
            tokio::task::yield_now().await;
        };
        assert!(matches!(error, SendError::Closed { reason: Reason::QueueOverflow, .. }), "{error}");
        assert_eq!(attempt.closed_by_peer().await, (0x31, "queue_overflow".to_owned()));
        eventually("the metric counts it", || ended("queue_overflow") == 1).await;
    });
}

#[test]
fn a_queue_that_does_not_move_ends_its_connection() {
    run(|context| async move {
        let stall_timeout = Duration::from_millis(500);
        let listener = Node::new(&context, QuicConfig { stall_timeout, ..config(2) });
        let (address, mut accepting) = listener.bind().await;
        let (attempt, connected) = tokio::join!(never_reader::connect(address), listener.accept(&mut accepting));
        let (_, (mut sender, _receiver)) = connected.unwrap();
        let started = Instant::now();
        sender.send(message(BLOCKS, &vec![1; 4 << 20])).await.unwrap();
        assert_eq!(attempt.closed_by_peer().await, (0x30, "stalled".to_owned()));
        assert!(started.elapsed() >= stall_timeout);
        eventually("the metric counts it", || ended("stalled") == 1).await;
    });
}
