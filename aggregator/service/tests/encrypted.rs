//! The interface over TLS.

use crate::{
    intake::{GOOD, options},
    kit::{Kit, PROGRAM, Place},
};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use reqwest::Certificate;
use sinter_service::intake::{Intake, Listener, Options, Tls, TlsError};
use std::{net::SocketAddr, time::Duration};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_util::sync::CancellationToken;

const PATIENCE: Duration = Duration::from_secs(30);

/// An interface with a certificate of its own.
struct Encrypted {
    _kit: Kit,
    address: SocketAddr,
    pem: String,
    stop: CancellationToken,
    _folder: TempDir,
}

impl Encrypted {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let CertifiedKey { cert, signing_key } = generate_simple_self_signed(vec!["localhost".into()]).unwrap();
        let [certificate, key] = ["box.pem", "box.key"].map(|name| folder.path().join(name));
        std::fs::write(&certificate, cert.pem()).unwrap();
        std::fs::write(&key, signing_key.serialize_pem()).unwrap();
        let kit = Kit::new(Place::sqlite()).await;
        kit.queue.announce("kit", 1).await.unwrap();
        let tls = Tls::read(&certificate, &key).unwrap();
        let listener = Listener::bind("127.0.0.1:0".parse().unwrap(), Some(tls)).await.unwrap();
        let (address, stop) = (listener.local_addr().unwrap(), CancellationToken::new());
        // A connection that is kept must live for longer than a busy machine needs for the next request.
        let patient = Options { head_timeout: PATIENCE, body_timeout: PATIENCE, ..options() };
        let intake = Intake::new(kit.queue.clone(), kit.blobs.clone(), patient);
        tokio::spawn(intake.serve(listener, stop.clone()));
        Self { _kit: kit, address, pem: cert.pem(), stop, _folder: folder }
    }

    fn url(&self, path: &str) -> String {
        format!("https://localhost:{}{path}", self.address.port())
    }
}

fn submit() -> String {
    format!("/v1/jobs?program={PROGRAM}{GOOD}")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proof_is_taken_by_who_knows_the_certificate() {
    let site = Encrypted::new().await;
    let root = Certificate::from_pem(site.pem.as_bytes()).unwrap();
    let client = reqwest::Client::builder().tls_certs_merge([root]).build().unwrap();
    let hand_in = async |token: &str| {
        let asked = client.post(site.url(&submit())).bearer_auth(token).body("a proof").send().await.unwrap();
        (asked.status().as_u16(), asked.text().await.unwrap())
    };
    assert_eq!(hand_in("a").await, (201, r#"{"job":1,"state":"queued","new":true}"#.to_owned()));
    let (status, answer) = hand_in("nobody").await;
    assert!(status == 401 && answer.contains("unauthorized"), "{status} {answer}");
    site.stop.cancel();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_to_the_certificate_and_one_in_the_clear_are_refused() {
    let site = Encrypted::new().await;
    assert!(reqwest::Client::new().get(site.url("/health")).send().await.is_err());
    let mut socket = TcpStream::connect(site.address).await.unwrap();
    socket.write_all(b"GET /health HTTP/1.1\r\nhost: box\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    let read = tokio::time::timeout(Duration::from_secs(5), socket.read_to_end(&mut answer)).await;
    assert!(read.is_ok() && !answer.starts_with(b"HTTP"), "{answer:?}");
}

#[test]
fn files_that_hold_no_certificate_or_key_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let [certificate, key, other] = ["box.pem", "box.key", "other.key"].map(|name| folder.path().join(name));
    let pair = || generate_simple_self_signed(vec!["localhost".into()]).unwrap();
    let (made, foreign) = (pair(), pair());
    std::fs::write(&certificate, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    std::fs::write(&other, foreign.signing_key.serialize_pem()).unwrap();
    assert!(Tls::read(&certificate, &key).is_ok());
    assert!(matches!(Tls::read(&certificate, &other), Err(TlsError::Pair { .. })));
    for (certificate, key, expected) in
        [(&certificate, &certificate, "a private key"), (&folder.path().join("none"), &key, "none")]
    {
        let error = Tls::read(certificate, key).err().unwrap().to_string();
        assert!(error.contains(expected), "{error}");
    }
}
