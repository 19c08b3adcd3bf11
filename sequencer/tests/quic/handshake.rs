//! Who gets in, who does not, and what is said about it.

use super::{
    adversaries::{garbage, impostor::Impostor, slow_loris},
    harness::{CHAIN, Node, SOON, config, ended, eventually, key, message, pair, run},
};
use commonware_cryptography::{Signer as _, ed25519::PrivateKey, sha256::Digest};
use commonware_stream::{Receiver as _, Sender as _};
use sinter_sequencer::{
    channels::VOTES,
    quic::{ClosedBy, HandshakeError, QuicConfig, Reason},
};
use std::time::{Duration, Instant};

fn reason(error: &HandshakeError) -> (Reason, ClosedBy) {
    match error {
        HandshakeError::Ended { reason, by, .. } => (*reason, *by),
        HandshakeError::TurnedAway(reason) => (*reason, ClosedBy::Local),
        other => panic!("{other}"),
    }
}

#[test]
fn peers_that_know_each_other_talk_both_ways() {
    run(|context| async move {
        let mut pair = pair(&context).await;
        pair.near.0.send(message(VOTES, b"there")).await.unwrap();
        pair.far.0.send(message(VOTES, b"and back")).await.unwrap();
        assert_eq!(pair.far.1.recv().await.unwrap().coalesce(), *b"\0\0there");
        assert_eq!(pair.near.1.recv().await.unwrap().coalesce(), *b"\0\0and back");
    });
}

#[test]
fn a_listener_with_another_key_is_not_dialed() {
    run(|context| async move {
        let (dialer, listener) = (Node::new(&context, config(1)), Node::new(&context, config(3)));
        let (address, mut accepting) = listener.bind().await;
        let (near, far) = tokio::join!(dialer.dial(address, key(2)), listener.accept(&mut accepting));
        assert_eq!(reason(&near.unwrap_err()), (Reason::WrongKey, ClosedBy::Local));
        assert_eq!(reason(&far.unwrap_err()), (Reason::WrongKey, ClosedBy::Peer));
        assert_eq!(ended("wrong_key"), 2);
    });
}

#[test]
fn a_peer_of_another_network_is_refused_by_both() {
    run(|context| async move {
        let stranger = QuicConfig::new(PrivateKey::from_seed(1), Digest([8; 32]));
        let (dialer, listener) = (Node::new(&context, stranger), Node::new(&context, config(2)));
        let (address, mut accepting) = listener.bind().await;
        let (near, far) = tokio::join!(dialer.dial(address, key(2)), listener.accept(&mut accepting));
        assert_eq!(reason(&near.unwrap_err()), (Reason::WrongNetwork, ClosedBy::Peer));
        assert_eq!(reason(&far.unwrap_err()), (Reason::WrongNetwork, ClosedBy::Local));
        assert_eq!(ended("wrong_network"), 2);
    });
}

#[test]
fn the_right_protocol_name_alone_does_not_open() {
    run(|context| async move {
        let listener = Node::new(&context, config(2));
        let (address, mut accepting) = listener.bind().await;
        let impostor = Impostor::new(1, CHAIN);
        let attempt = impostor.connect_with_hello(address, [9; 32]);
        let (attempt, far) = tokio::join!(attempt, listener.accept(&mut accepting));
        assert_eq!(reason(&far.unwrap_err()), (Reason::WrongNetwork, ClosedBy::Local));
        assert_eq!(attempt.closed_by_peer().await, (0x11, "wrong_network".to_owned()));
    });
}

#[test]
fn a_peer_without_a_key_is_refused() {
    run(|context| async move {
        let listener = Node::new(&context, config(2));
        let (address, mut accepting) = listener.bind().await;
        let nobody = Impostor::without_key(CHAIN);
        let (_, far) = tokio::join!(nobody.try_connect(address), listener.accept(&mut accepting));
        assert_eq!(reason(&far.unwrap_err()), (Reason::WrongKey, ClosedBy::Local));
    });
}

#[test]
fn the_bouncer_sees_the_proven_key_and_decides() {
    run(|context| async move {
        let (dialer, listener) = (Node::new(&context, config(1)), Node::new(&context, config(2)));
        let (address, mut accepting) = listener.bind().await;
        let far = listener.accept_if(&mut accepting, |peer| peer != key(1));
        let (near, far) = tokio::join!(dialer.dial(address, key(2)), far);
        assert_eq!(reason(&near.unwrap_err()), (Reason::Refused, ClosedBy::Peer));
        assert_eq!(reason(&far.unwrap_err()), (Reason::Refused, ClosedBy::Local));
    });
}

#[test]
fn garbage_is_ignored_and_peers_still_connect() {
    run(|context| async move {
        let (dialer, listener) = (Node::new(&context, config(1)), Node::new(&context, config(2)));
        let (address, mut accepting) = listener.bind().await;
        garbage::spray(address, 2_000).await;
        let attempts = async { listener.accept(&mut accepting).await };
        let (near, far) = tokio::join!(dialer.dial(address, key(2)), attempts);
        assert!(near.is_ok());
        assert_eq!(far.unwrap().0, key(1));
    });
}

#[test]
fn slow_handshakes_delay_nobody() {
    run(|context| async move {
        let listener = std::sync::Arc::new(Node::new(&context, config(2)));
        let (address, mut accepting) = listener.bind().await;
        let loris = slow_loris::start(address, 50).await;

        // As lookup does: every attempt in a task of its own.
        let (connected, mut connections) = tokio::sync::mpsc::channel(1);
        let tasks = tokio::spawn(async move {
            use commonware_runtime::{Listener as _, Supervisor as _};
            use commonware_stream::Upgrader as _;
            let mut attempts = tokio::task::JoinSet::new();
            loop {
                let (_, sink, stream) = accepting.accept().await.unwrap();
                let (upgrader, connected) = (listener.transport.upgrader(), connected.clone());
                let context = listener.context.child("listen");
                attempts.spawn(async move {
                    let yes = |_| async { true };
                    let limit = super::harness::LIMIT;
                    let attempt = upgrader.listen(context, super::harness::NAMESPACE, limit, yes, stream, sink);
                    if let Ok(connection) = attempt.await {
                        let _ = connected.send(connection).await;
                    }
                });
            }
        });
        let _hanging = loris.all_waiting().await;

        let dialer = Node::new(&context, config(1));
        let started = Instant::now();
        let near = dialer.dial(address, key(2)).await;
        assert!(near.is_ok());
        assert!(started.elapsed() < Duration::from_secs(2), "took {:?}", started.elapsed());
        assert_eq!(tokio::time::timeout(SOON, connections.recv()).await.unwrap().unwrap().0, key(1));
        tasks.abort();
    });
}

#[test]
fn an_attempt_that_is_dropped_is_counted_and_releases_its_connection() {
    run(|context| async move {
        let (dialer, listener) = (Node::new(&context, config(1)), Node::new(&context, config(2)));
        let (address, mut accepting) = listener.bind().await;
        // The listener never answers: the dialer gives up while it waits for the hello.
        let waiting = async { tokio::time::timeout(Duration::from_millis(300), dialer.dial(address, key(2))).await };
        let taken = async {
            use commonware_runtime::Listener as _;
            accepting.accept().await.unwrap()
        };
        let (near, _held) = tokio::join!(waiting, taken);
        assert!(near.is_err());
        eventually("abandoned is counted", || ended("abandoned") == 1).await;
    });
}
