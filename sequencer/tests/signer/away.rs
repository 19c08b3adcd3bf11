//! A signer that is away, slow or wrong costs votes, and nothing else.

use super::harness::{Fixture, PATIENCE, notarize};
use sinter_sequencer::{
    scheme::Voter as _,
    signer::{Answer, Endpoint, RemoteVoter, SIGNATURE_BYTES},
};
use std::{
    io::{Read as _, Write as _},
    os::unix::net::UnixListener,
    time::{Duration, Instant},
};

/// Asks until it is signed.
fn until_signed(voter: &RemoteVoter, view: u64) {
    let started = Instant::now();
    while voter.sign(&notarize(view, 1)).is_none() {
        assert!(started.elapsed() < PATIENCE, "view {view} was never signed");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_node_abstains_while_its_signer_is_away_and_goes_on_when_it_is_back() {
    let fixture = Fixture::new();
    let voter = fixture.voter();
    let mut signer = None;
    for round in 1..=3 {
        drop(signer.take());
        // Nobody waits for a signer that is not there.
        let started = Instant::now();
        (0..100).for_each(|_| assert_eq!(voter.sign(&notarize(round, 1)), None));
        assert!(started.elapsed() < PATIENCE / 4, "{:?}", started.elapsed());
        signer = Some(fixture.unix());
        until_signed(&voter, round);
    }
}

/// A listener that answers every message with these bytes.
fn impostor(fixture: &Fixture, answers: &[Vec<u8>]) {
    let listener = UnixListener::bind(fixture.socket()).unwrap();
    let answers = answers.to_vec();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, answers) = (stream.unwrap(), answers.clone());
            std::thread::spawn(move || {
                let mut buffer = [0; 1024];
                for answer in answers {
                    let _ = stream.read(&mut buffer);
                    let length = u16::try_from(answer.len()).unwrap();
                    let _ = stream.write_all(&[length.to_be_bytes().as_slice(), &answer].concat());
                }
                // Silent from here on, and connected.
                std::thread::sleep(PATIENCE);
            });
        }
    });
}

#[test]
fn a_signer_that_does_not_answer_costs_its_timeout_once() {
    let fixture = Fixture::new();
    impostor(&fixture, &[Answer::Welcome.encode()]);
    let mut config = fixture.remote(&Endpoint::Unix(fixture.socket()), None);
    config.timeout = Duration::from_millis(200);
    let voter = RemoteVoter::start(config).unwrap();
    let started = Instant::now();
    assert_eq!(voter.sign(&notarize(7, 1)), None);
    assert!(started.elapsed() >= Duration::from_millis(190));
    let started = Instant::now();
    // It is taken for away now.
    assert_eq!(voter.sign(&notarize(7, 1)), None);
    assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
}

#[test]
fn a_signature_that_is_not_the_keys_is_not_cast() {
    let mut infinity = [0; SIGNATURE_BYTES];
    infinity[0] = 0xc0;
    for answer in [
        Answer::Signed([7; SIGNATURE_BYTES]).encode(),
        Answer::Signed(infinity).encode(),
        Answer::Welcome.encode(),
        vec![0xff; 50],
    ] {
        let fixture = Fixture::new();
        impostor(&fixture, &[Answer::Welcome.encode(), answer]);
        assert_eq!(fixture.voter().sign(&notarize(7, 1)), None);
    }
}
