//! What a peer that is who it says, and sends what it must not, gets to hear.

use super::{
    adversaries::babbler::{self, Babble},
    harness::{LIMIT, Node, config, ended, eventually, key, message, pair, ping, run},
};
use crate::quic::adversaries::impostor::Impostor;
use crate::quic::harness::CHAIN;
use commonware_stream::{Receiver as _, Sender as _};
use sinter_sequencer::{
    channels::VOTES,
    quic::{ClosedBy, Reason},
};

/// Lets `babble` loose on a node: it must be cut off for `reason`, and both the peer and the metrics told so.
fn cut_off(babble: Babble, reason: Reason, code: u64) {
    run(|context| async move {
        let listener = Node::new(&context, config(2));
        let (address, mut accepting) = listener.bind().await;
        let (listening, attempt) = (key(2), Impostor::new(1, CHAIN));
        let attempt = attempt.connect(address, &listening);
        let (attempt, connected) = tokio::join!(attempt, listener.accept(&mut accepting));
        let (_, (_sender, mut receiver)) = connected.unwrap();
        babbler::say(&attempt, babble).await;
        let error = loop {
            match receiver.recv().await {
                Ok(_) => {}
                Err(error) => break error,
            }
        };
        assert_eq!((error.reason, error.by), (reason, ClosedBy::Local));
        assert_eq!(attempt.closed_by_peer().await, (code, reason.name().to_owned()));
        eventually("the metric counts it", || ended(reason.name()) == 1).await;
    });
}

#[test]
fn an_oversized_frame() {
    cut_off(Babble::FrameOf(LIMIT + 1), Reason::OversizedFrame, 0x20);
}

#[test]
fn a_frame_of_four_gigabytes() {
    cut_off(Babble::FrameOf(u32::MAX), Reason::OversizedFrame, 0x20);
}

#[test]
fn an_empty_frame() {
    cut_off(Babble::FrameOf(0), Reason::MalformedFrame, 0x21);
}

#[test]
fn a_message_of_another_channel() {
    cut_off(Babble::OtherChannel, Reason::MalformedFrame, 0x21);
}

#[test]
fn a_message_of_no_kind() {
    cut_off(Babble::NoKind, Reason::MalformedFrame, 0x21);
}

#[test]
fn a_frame_cut_short() {
    cut_off(Babble::CutShort, Reason::MalformedFrame, 0x21);
}

#[test]
fn a_stream_reset() {
    cut_off(Babble::Reset, Reason::MalformedFrame, 0x21);
}

#[test]
fn a_stream_of_no_channel() {
    cut_off(Babble::UnknownChannel, Reason::UnknownChannel, 0x22);
}

#[test]
fn a_second_stream_of_a_channel() {
    cut_off(Babble::SecondStream, Reason::DuplicateStream, 0x23);
}

#[test]
fn a_large_frame_on_the_control_stream() {
    cut_off(Babble::LargeControl, Reason::OversizedFrame, 0x20);
}

#[test]
fn a_hello_cut_short() {
    run(|context| async move {
        let listener = Node::new(&context, config(2));
        let (address, mut accepting) = listener.bind().await;
        let cut = async {
            let attempt = Impostor::new(1, CHAIN).try_connect(address).await.unwrap();
            let (mut send, _receive) = attempt.connection.open_bi().await.unwrap();
            send.write_all(&[1; 31]).await.unwrap();
            send.finish().unwrap();
            attempt.closed_by_peer().await
        };
        let (closed, far) = tokio::join!(cut, listener.accept(&mut accepting));
        assert!(far.is_err());
        assert_eq!(closed, (0x13, "malformed_hello".to_owned()));
        assert_eq!(ended("malformed_hello"), 1);
    });
}

#[test]
fn pings_take_the_control_stream() {
    run(|context| async move {
        let mut pair = pair(&context).await;
        pair.near.0.send(ping()).await.unwrap();
        assert_eq!(pair.far.1.recv().await.unwrap().coalesce(), *b"\x01");
        pair.far.0.send(ping()).await.unwrap();
        assert_eq!(pair.near.1.recv().await.unwrap().coalesce(), *b"\x01");
        pair.near.0.send(message(VOTES, b"x")).await.unwrap();
        assert_eq!(pair.far.1.recv().await.unwrap().coalesce(), *b"\0\0x");
    });
}
