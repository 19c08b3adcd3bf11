//! How long a connection lasts, and what it lasts through.

use super::{
    adversaries::never_reader,
    harness::{Node, config, ended, eventually, key, message, pair, pair_with, run},
};
use commonware_stream::{Receiver as _, Sender as _};
use sinter_sequencer::{
    channels::{BLOCKS, VOTES},
    quic::{ClosedBy, QuicConfig, Reason},
};
use std::time::{Duration, Instant};

fn impatient(seed: u64) -> QuicConfig {
    let idle_timeout = Duration::from_millis(600);
    QuicConfig { idle_timeout, keep_alive: Duration::from_millis(150), ..config(seed) }
}

#[test]
fn silence_outlasts_the_idle_timeout() {
    run(|context| async move {
        let mut pair = pair_with(&context, impatient(1), impatient(2), |to| async move { to }).await;
        tokio::time::sleep(Duration::from_secs(2)).await;
        pair.near.0.send(message(VOTES, b"still here")).await.unwrap();
        assert_eq!(pair.far.1.recv().await.unwrap().coalesce(), *b"\0\0still here");
    });
}

#[test]
fn a_dialer_that_moves_to_another_address_keeps_its_connection() {
    run(|context| async move {
        let mut pair = pair(&context).await;
        pair.near.0.send(message(VOTES, b"from here")).await.unwrap();
        assert_eq!(pair.far.1.recv().await.unwrap().coalesce(), *b"\0\0from here");
        for _ in 0..3 {
            pair.dialer.transport.rebind().unwrap();
            pair.near.0.send(message(BLOCKS, &vec![3; 1 << 20])).await.unwrap();
            assert_eq!(pair.far.1.recv().await.unwrap().len(), 2 + (1 << 20));
            pair.far.0.send(message(VOTES, b"to there")).await.unwrap();
            assert_eq!(pair.near.1.recv().await.unwrap().coalesce(), *b"\0\0to there");
        }
        assert_eq!(ended("idle_timeout"), 0);
    });
}

#[test]
fn a_peer_that_vanishes_is_noticed() {
    run(|context| async move {
        let listener = Node::new(&context, impatient(2));
        let (address, mut accepting) = listener.bind().await;
        let (attempt, connected) = tokio::join!(never_reader::connect(address), listener.accept(&mut accepting));
        let (_, (_sender, mut receiver)) = connected.unwrap();
        attempt.vanish();
        let error = receiver.recv().await.unwrap_err();
        assert_eq!((error.reason, error.by), (Reason::IdleTimeout, ClosedBy::Local));
        eventually("the metric counts it", || ended("idle_timeout") == 1).await;
    });
}

#[test]
fn letting_go_of_both_halves_closes_and_says_so() {
    run(|context| async move {
        let pair = pair(&context).await;
        let (_, mut receiver) = pair.far;
        drop(pair.near);
        let error = receiver.recv().await.unwrap_err();
        assert_eq!((error.reason, error.by), (Reason::Released, ClosedBy::Peer));
        eventually("both count it", || ended("released") == 2).await;
    });
}

#[test]
fn a_listener_that_restarts_resets_what_it_has_forgotten() {
    run(|context| async move {
        // Two lives of one node, at one address and with one key. The first dies without a word: its runtime's
        // tasks are gone before a packet leaves.
        let dialer = Node::new(&context, config(1));
        let (first_life, stop) = super::harness::elsewhere(config(2));
        let address = first_life.recv().unwrap();
        let (_sender, mut receiver) = dialer.dial(address, key(2)).await.unwrap();
        stop.send(()).unwrap();
        assert!(first_life.recv().is_err(), "the first life is over");
        let second = Node::new(&context, config(2));
        let _accepting = second.bind_at(address).await;
        let started = Instant::now();
        let error = receiver.recv().await.unwrap_err();
        assert_eq!(error.reason, Reason::PeerRestarted);
        assert!(started.elapsed() < Duration::from_secs(6), "took {:?}", started.elapsed());
    });
}

#[test]
fn a_peer_that_connects_anew_replaces_its_lost_connection() {
    run(|context| async move {
        let mut pair = pair(&context).await;
        let again = Node::new(&context, config(1));
        let (near, far) = tokio::join!(again.dial(pair.address, key(2)), pair.listener.accept(&mut pair.accepting));
        let error = pair.far.1.recv().await.unwrap_err();
        assert_eq!((error.reason, error.by), (Reason::Replaced, ClosedBy::Local));
        let (mut near, (_, mut far)) = (near.unwrap(), far.unwrap());
        near.0.send(message(VOTES, b"anew")).await.unwrap();
        assert_eq!(far.1.recv().await.unwrap().coalesce(), *b"\0\0anew");
    });
}
