//! Who may ask, and what comes of those who may not, or do not speak the protocol.

use super::harness::{Fixture, PATIENCE, Raw, notarize};
use commonware_cryptography::{Signer as _, bls12381::primitives::group::Private, ed25519::PrivateKey};
use commonware_math::algebra::Random as _;
use commonware_utils::TestRng;
use sinter_primitives::Digest;
use sinter_sequencer::{
    keys::bls_public,
    scheme::Voter as _,
    signer::{Answer, Listener, MESSAGE_BYTES_MAX, Refusal, RemoteError, RemoteVoter, Request, SignerError},
};
use std::{
    fs,
    io::Write as _,
    os::unix::{fs::PermissionsExt as _, net::UnixStream},
    time::Instant,
};

#[test]
fn over_tls_only_the_listed_nodes_and_the_named_signer_agree() {
    let fixture = Fixture::new();
    let (signer_key, stranger) = (PrivateKey::from_seed(1), PrivateKey::from_seed(2));
    let signer = fixture.tls(signer_key.clone(), vec![fixture.node_key().public_key()]);
    let config = fixture.remote(&signer.endpoint, Some(signer_key.public_key()));
    let mut wrong_node = config.clone();
    wrong_node.node_key = stranger.clone();
    let mut wrong_signer = config.clone();
    wrong_signer.signer_key = Some(stranger.public_key());
    for wrong in [wrong_node, wrong_signer] {
        assert_eq!(RemoteVoter::start(wrong).unwrap().sign(&notarize(7, 1)), None);
    }
    assert!(RemoteVoter::start(config).unwrap().sign(&notarize(7, 1)).is_some());
}

#[test]
fn another_key_and_another_network_are_told_at_the_start() {
    let fixture = Fixture::new();
    let _signer = fixture.unix();
    let refused = fixture.refused(|config| config.bls_key = bls_public(&Private::random(TestRng::new(9))));
    assert!(matches!(refused, RemoteError::Refused { refusal: Refusal::OtherKey, .. }), "{refused}");
    let refused = fixture.refused(|config| config.chain = Digest([9; 32]));
    assert!(matches!(refused, RemoteError::Refused { refusal: Refusal::OtherChain, .. }), "{refused}");
}

#[test]
fn a_socket_is_its_owners() {
    let fixture = Fixture::new();
    let signer = fixture.unix();
    let mode = fs::metadata(fixture.socket()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let _context = runtime.enter();
    assert!(matches!(Listener::unix(&fixture.socket()), Err(SignerError::Listen { .. })), "somebody listens there");
    drop(signer);
    // What a signer that was killed leaves behind.
    drop(std::os::unix::net::UnixListener::bind(fixture.socket()).unwrap());
    drop(Listener::unix(&fixture.socket()).unwrap());
    fs::write(fixture.socket(), "a file of somebody else").unwrap();
    assert!(matches!(Listener::unix(&fixture.socket()), Err(SignerError::Listen { .. })));
    assert_eq!(fs::read(fixture.socket()).unwrap(), b"a file of somebody else");
}

/// Each of these ends its own connection, and no other.
#[test]
fn whoever_does_not_speak_the_protocol_is_hung_up_on() {
    let fixture = Fixture::new();
    let _signer = fixture.unix();
    let mut honest = fixture.connect();
    let sign = Request::Sign(notarize(7, 1)).encode();
    let hello = fixture.hello().encode();
    let mut of_version_2 = hello.clone();
    of_version_2[0] = 2;
    let mut of_no_kind = sign.clone();
    of_no_kind[1] = 99;
    for (what, said) in [
        ("nothing in it", vec![]),
        ("one byte", vec![1]),
        ("a vote before a hello", sign.clone()),
        ("another version", of_version_2),
        ("garbage", vec![0xa5; 60]),
        ("too long", vec![1; MESSAGE_BYTES_MAX + 1]),
        ("an answer", Answer::Welcome.encode()),
        ("a hello cut short", hello[..hello.len() - 1].to_vec()),
    ] {
        let mut stranger = Raw(UnixStream::connect(fixture.socket()).unwrap());
        assert_eq!(stranger.ask(&said), None, "{what}");
    }
    for (what, said) in [
        ("a second hello", hello),
        ("another kind", of_no_kind),
        ("more than a vote", [sign.clone(), vec![0]].concat()),
    ] {
        assert_eq!(fixture.connect().ask(&said), None, "{what}");
    }
    assert!(matches!(honest.ask(&sign), Some(Answer::Signed(_))));
}

#[test]
fn half_a_message_holds_nobody_up_and_is_hung_up_on() {
    let fixture = Fixture::new();
    let _signer = fixture.unix();
    let mut half = fixture.connect();
    let sign = Request::Sign(notarize(7, 1)).encode();
    half.0.write_all(&[0, sign.len() as u8, sign[0], sign[1]]).unwrap();
    assert!(fixture.voter().sign(&notarize(7, 2)).is_some());
    let started = Instant::now();
    assert_eq!(half.hear(), None);
    assert!(started.elapsed() < PATIENCE);
}

#[test]
fn connections_are_bounded() {
    let fixture = Fixture::new();
    let _signer = fixture.unix();
    let held: Vec<_> = (0..16).map(|_| fixture.connect()).collect();
    let mut one_too_many = Raw(UnixStream::connect(fixture.socket()).unwrap());
    assert_eq!(one_too_many.ask(&fixture.hello().encode()), None);
    drop(held);
    let started = Instant::now();
    loop {
        let mut next = Raw(UnixStream::connect(fixture.socket()).unwrap());
        if next.ask(&fixture.hello().encode()).is_some() {
            break;
        }
        assert!(started.elapsed() < PATIENCE, "no place became free");
    }
}
