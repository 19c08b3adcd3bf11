//! The interface over QUIC: the same as over TCP, and nobody there disturbs anybody else.

use crate::{
    intake::{GOOD, options},
    kit::{Kit, PROGRAM, Place},
};
use quinn::{
    ClientConfig, Connection, ConnectionError, Endpoint, RecvStream, SendStream, TransportConfig, VarInt,
    crypto::rustls::QuicClientConfig,
};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::{
    RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, pem::PemObject},
};
use serde_json::Value;
use sinter_rollup_node::aggregator::{Aggregator, AggregatorError, QuicError, Terms};
use sinter_service::{
    Hash,
    intake::{Intake, Listener, Options, Quic, Tls},
};
use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};
use tempfile::TempDir;
use tokio::{net::UdpSocket, task::JoinHandle, time::timeout};
use tokio_util::sync::CancellationToken;

const PATIENCE: Duration = Duration::from_secs(30);
const ALPN: &[u8] = b"sinter-intake/1";
const TERMS: Terms = Terms { deadline_ms: 3_600_000, price_gwei: 10, priority: 0 };

/// An interface over TCP and QUIC, with a certificate of its own.
struct Site {
    kit: Kit,
    tcp: SocketAddr,
    quic: SocketAddr,
    pem: String,
    key: String,
    stop: CancellationToken,
    serving: JoinHandle<()>,
    folder: TempDir,
}

/// What was patient enough for a busy machine, where a test is not about time.
fn patient() -> Options {
    Options { head_timeout: PATIENCE, body_timeout: PATIENCE, ..options() }
}

/// An interface with the certificate of `kit`'s folder, at these addresses.
async fn serve(kit: &Kit, folder: &TempDir, options: Options, ports: [u16; 2]) -> (Serving, [SocketAddr; 2]) {
    let [certificate, key] = ["box.pem", "box.key"].map(|name| folder.path().join(name));
    let tls = Tls::read(&certificate, &key).unwrap();
    let [tcp, quic] = ports.map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
    // A port is free a little after its last owner is gone.
    let deadline = Instant::now() + PATIENCE;
    let quic = loop {
        match Quic::bind(quic, &tls) {
            Ok(quic) => break quic,
            Err(error) => assert!(Instant::now() < deadline, "{error}"),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    let udp = quic.local_addr().unwrap();
    let listener = Listener::bind(tcp, Some(tls)).await.unwrap().and(quic);
    let (tcp, stop) = (listener.local_addr().unwrap(), CancellationToken::new());
    let intake = Intake::new(kit.queue.clone(), kit.blobs.clone(), options);
    let serving = tokio::spawn(intake.serve(listener, stop.clone()));
    ((stop, serving), [tcp, udp])
}

type Serving = (CancellationToken, JoinHandle<()>);

impl Site {
    async fn new(options: Options) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let CertifiedKey { cert, signing_key } = generate_simple_self_signed(vec!["localhost".into()]).unwrap();
        let (pem, key) = (cert.pem(), signing_key.serialize_pem());
        std::fs::write(folder.path().join("box.pem"), &pem).unwrap();
        std::fs::write(folder.path().join("box.key"), &key).unwrap();
        let kit = Kit::new(Place::sqlite()).await;
        kit.queue.announce("kit", 1).await.unwrap();
        let ((stop, serving), [tcp, quic]) = serve(&kit, &folder, options, [0, 0]).await;
        Self { kit, tcp, quic, pem, key, stop, serving, folder }
    }

    /// The same address, after a restart.
    async fn restart(&mut self, options: Options) {
        self.stop.cancel();
        (&mut self.serving).await.unwrap();
        let ports = [self.tcp.port(), self.quic.port()];
        ((self.stop, self.serving), _) = serve(&self.kit, &self.folder, options, ports).await;
    }

    fn rollup(&self, token: &str) -> Aggregator {
        let url = format!("quic://localhost:{}", self.quic.port());
        Aggregator::signed_by(&url, token, self.pem.as_bytes()).unwrap()
    }

    fn over_tcp(&self, token: &str) -> Aggregator {
        let url = format!("https://localhost:{}", self.tcp.port());
        Aggregator::signed_by(&url, token, self.pem.as_bytes()).unwrap()
    }

    /// A connection whose client takes so many bytes before it reads any.
    async fn connect_as(&self, alpn: &[u8], window: u32) -> Result<Client, ConnectionError> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.pem.as_bytes()).unwrap()).unwrap();
        let builder = rustls::ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let builder = builder.with_protocol_versions(&[&rustls::version::TLS13]).unwrap();
        let mut tls = builder.with_root_certificates(roots).with_no_client_auth();
        tls.alpn_protocols = vec![alpn.to_vec()];
        let mut config = ClientConfig::new(Arc::new(QuicClientConfig::try_from(tls).unwrap()));
        let mut transport = TransportConfig::default();
        transport.stream_receive_window(VarInt::from_u32(window)).keep_alive_interval(Some(Duration::from_millis(50)));
        config.transport_config(Arc::new(transport));
        let endpoint = Endpoint::client("127.0.0.1:0".parse().unwrap()).unwrap();
        let connection = endpoint.connect_with(config, self.quic, "localhost").unwrap().await?;
        Ok(Client { connection, _endpoint: endpoint })
    }

    async fn connect(&self) -> Client {
        self.connect_as(ALPN, 1 << 20).await.unwrap()
    }

    /// Somebody else hands a proof in, and is served.
    async fn others_are_served(&self, proof: &str) {
        let (rollup, program) = (self.rollup("b"), PROGRAM.to_string());
        timeout(PATIENCE, rollup.hand_in(&program, proof.into(), &TERMS)).await.unwrap().unwrap();
    }
}

/// A client that writes what it likes.
struct Client {
    connection: Connection,
    _endpoint: Endpoint,
}

impl Client {
    async fn begin(&self, request: &[u8]) -> (SendStream, RecvStream) {
        let (mut send, receive) = timeout(PATIENCE, self.connection.open_bi()).await.unwrap().unwrap();
        send.write_all(request).await.unwrap();
        (send, receive)
    }

    /// What is answered to a request: its status, and its JSON.
    async fn ask(&self, request: &[u8]) -> (u16, Value) {
        let (_send, receive) = self.begin(request).await;
        read(receive).await.unwrap()
    }
}

/// An answer, unless the stream is broken.
async fn read(mut receive: RecvStream) -> Option<(u16, Value)> {
    let bytes = timeout(PATIENCE, receive.read_to_end(1 << 20)).await.unwrap().ok()?;
    let text = String::from_utf8(bytes).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_default();
    Some((status, serde_json::from_str(body).unwrap_or_default()))
}

fn head(token: &str, length: usize) -> Vec<u8> {
    let path = format!("/v1/jobs?program={PROGRAM}{GOOD}");
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: box\r\nauthorization: Bearer {token}\r\ncontent-length: {length}\r\n\r\n"
    );
    head.into_bytes()
}

fn submit(token: &str, body: &[u8]) -> Vec<u8> {
    [head(token, body.len()).as_slice(), body].concat()
}

fn code(answer: &(u16, Value)) -> (u16, &str) {
    (answer.0, answer.1["code"].as_str().unwrap_or_default())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proof_handed_in_over_quic_is_the_same_job_over_tcp() {
    let site = Site::new(patient()).await;
    let client = site.connect().await;
    let taken = client.ask(&submit("a", b"a proof")).await;
    assert_eq!((taken.0, &taken.1["new"]), (201, &true.into()));
    let again = client.ask(&submit("a", b"a proof")).await;
    assert_eq!((again.0, &again.1["new"], &again.1["job"]), (200, &false.into(), &taken.1["job"]));
    // As a rollup has it, over both.
    let (quic, tcp) = (site.rollup("a"), site.over_tcp("a"));
    for aggregator in [&quic, &tcp] {
        let job = aggregator.hand_in(&PROGRAM.to_string(), b"a proof".to_vec(), &TERMS).await.unwrap().job;
        assert_eq!((job, aggregator.job(job).await.unwrap().state.as_str()), (1, "queued"));
    }
    site.kit.work().await;
    site.kit.close().await;
    site.kit.work().await;
    for aggregator in [quic, tcp] {
        let job = aggregator.job(1).await.unwrap();
        assert_eq!((job.state.as_str(), job.batch.unwrap().state.as_str()), ("placed", "sealed"));
        assert_eq!(aggregator.batches("sealed").await.unwrap().len(), 1);
    }
}

/// Every stream of a connection at once, and more than there may be: those wait.
#[tokio::test(flavor = "multi_thread")]
async fn many_requests_share_a_connection() {
    let site = Site::new(Options { bodies_max: 64, streams_max: 4, ..patient() }).await;
    let rollup = site.rollup("a");
    let rollup = &rollup;
    let handed_in = (0..40).map(|number| async move {
        let proof = vec![b'p'; 10_000 + number];
        rollup.hand_in(&PROGRAM.to_string(), proof, &TERMS).await.unwrap().job
    });
    let mut jobs = futures::future::join_all(handed_in).await;
    jobs.sort_unstable();
    assert_eq!(jobs, (1..=40).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_over_tcp_is_refused_over_quic() {
    let site = Site::new(Options { head_timeout: Duration::from_secs(2), ..options() }).await;
    let client = site.connect().await;
    for token in ["", "nobody", "A", &Hash::of(b"a").to_string()] {
        assert_eq!(code(&client.ask(&submit(token, b"one")).await), (401, "unauthorized"));
    }
    // It is refused by what it says of itself: not a byte of it is needed, and one that is sent all the same does no harm.
    assert_eq!(code(&client.ask(&head("a", 99_999_999_999)).await), (413, "body_size"));
    let large = vec![0; 2 << 20];
    let error = site.rollup("a").hand_in(&PROGRAM.to_string(), large.clone(), &TERMS).await.unwrap_err();
    assert_eq!(error.code(), Some("body_size"), "{error}");
    let error = site.rollup("nobody").hand_in(&PROGRAM.to_string(), large, &TERMS).await.unwrap_err();
    assert_eq!(error.code(), Some("unauthorized"), "{error}");
    assert_eq!(code(&client.ask(&[&head("a", 10)[..], &b"slow"[..]].concat()).await), (408, "body_timeout"));
    let long = format!("GET /health HTTP/1.1\r\nx: {}\r\n\r\n", "x".repeat(20_000));
    assert_eq!(client.ask(long.as_bytes()).await.0, 431);
    // Garbage, and silence in the middle of a head.
    let (_send, garbage) = client.begin(&[0xFF; 4096]).await;
    assert!(read(garbage).await.is_none_or(|answer| answer.0 == 400));
    let started = Instant::now();
    let (_send, slow) = client.begin(b"GET /health HTTP/1.1\r\n").await;
    assert!(read(slow).await.is_none_or(|answer| answer.0 == 408));
    assert!(started.elapsed() > Duration::from_secs(1));
    // The connection has lived through all of this, and nothing was kept.
    assert_eq!(client.ask(b"GET /health HTTP/1.1\r\nhost: box\r\n\r\n").await.0, 200);
    assert_eq!(site.kit.queue.totals().await.unwrap().tasks, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_one_exchange_is_served_on_a_stream() {
    let site = Site::new(patient()).await;
    let client = site.connect().await;
    let twice = b"GET /health HTTP/1.1\r\nhost: box\r\n\r\nGET /health HTTP/1.1\r\nhost: box\r\n\r\n";
    let (_send, mut receive) = client.begin(twice).await;
    let answer = timeout(PATIENCE, receive.read_to_end(1 << 20)).await.unwrap().unwrap();
    assert_eq!(String::from_utf8(answer).unwrap().matches("HTTP/1.1 200").count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_has_so_many_streams_and_the_others_have_theirs() {
    let slow = Options { head_timeout: Duration::from_secs(3), streams_max: 4, ..options() };
    let site = Site::new(slow).await;
    let client = site.connect().await;
    let mut open = Vec::new();
    for _ in 0..4 {
        open.push(client.begin(b"GET /health").await);
    }
    assert!(timeout(Duration::from_millis(500), client.connection.open_bi()).await.is_err());
    site.others_are_served("while its streams are full").await;
    // Their time is over, and there is room.
    for (_send, receive) in open {
        assert!(read(receive).await.is_none_or(|answer| answer.0 == 408));
    }
    assert_eq!(client.ask(b"GET /health HTTP/1.1\r\nhost: box\r\n\r\n").await.0, 200);
    // Only the client has streams to open.
    let uni = timeout(Duration::from_millis(300), client.connection.open_uni()).await;
    assert!(uni.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn one_connection_too_many_is_refused_and_an_idle_one_is_ended() {
    let few = Options { head_timeout: Duration::from_secs(5), quic_connections_max: 3, ..options() };
    let site = Site::new(few).await;
    let mut held = Vec::new();
    for _ in 0..2 {
        held.push(site.connect().await);
    }
    site.others_are_served("with the last place").await;
    // Its place is free again; all three are taken.
    loop {
        match site.connect_as(ALPN, 1 << 20).await {
            Ok(client) => break held.push(client),
            Err(ConnectionError::ConnectionClosed(_)) => tokio::time::sleep(Duration::from_millis(20)).await,
            Err(error) => panic!("{error}"),
        }
    }
    let refused = site.connect_as(ALPN, 1 << 20).await.err().unwrap();
    assert!(matches!(&refused, ConnectionError::ConnectionClosed(_)), "{refused}");
    site.over_tcp("b").batches("open").await.unwrap();
    // They say that they are alive, and ask nothing: their places are given to others.
    for client in &held {
        let ended = timeout(PATIENCE, client.connection.closed()).await.unwrap();
        assert!(matches!(ended, ConnectionError::ApplicationClosed(_)), "{ended}");
    }
    site.others_are_served("when the idle ones are gone").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_protocol_and_noise_are_not_listened_to() {
    let site = Site::new(patient()).await;
    for alpn in [&b"h3"[..], b"http/1.1", b"sinter-intake/2"] {
        let refused = site.connect_as(alpn, 1 << 20).await.err().unwrap();
        assert!(matches!(&refused, ConnectionError::ConnectionClosed(_)), "{refused}");
    }
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    for length in [1usize, 20, 1200, 1400] {
        for first in 0..=255u8 {
            let mut noise = vec![0x5A; length];
            noise[0] = first;
            socket.send_to(&noise, site.quic).await.unwrap();
        }
    }
    site.others_are_served("after all the noise").await;
}

/// A client that asks and does not take the answer loses its stream, not the service.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_stops_reading_is_not_waited_for() {
    let impatient = Options { stall_timeout: Duration::from_secs(2), bodies_max: 8, streams_max: 4, ..patient() };
    let site = Site::new(impatient).await;
    // A root of more bytes than the client takes, or the service keeps for it.
    let mut words = Vec::new();
    for number in 0..4 {
        words.push(format!("{number}{}", "w".repeat(60_000)));
        site.kit.submit("a", &words[number]).await;
    }
    site.kit.work().await;
    let path = "/v1/batches/1/root";
    let whole = site.over_tcp("a");
    assert_eq!(whole.batches("sealed").await.unwrap().len(), 1);
    let client = site.connect_as(ALPN, 1024).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: box\r\nauthorization: Bearer a\r\n\r\n");
    let mut stalled = Vec::new();
    for _ in 0..4 {
        stalled.push(client.begin(request.as_bytes()).await);
    }
    site.others_are_served("while it does not read").await;
    // Its streams are broken off one by one, and it may open others.
    for (_send, mut receive) in stalled {
        let reset = timeout(PATIENCE, receive.received_reset()).await.unwrap().unwrap();
        assert_eq!(reset, Some(VarInt::from_u32(2)));
    }
    let (status, _) = client.ask(b"GET /v1/none HTTP/1.1\r\nhost: box\r\n\r\n").await;
    assert_eq!(status, 404);
    site.others_are_served("after that").await;
}

/// Its requests are answered, and the connection says that the service is gone.
#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_is_stopped_answers_what_was_asked() {
    let site = Site::new(patient()).await;
    let client = site.connect().await;
    let (mut send, receive) = client.begin(&head("a", 7)).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    site.stop.cancel();
    tokio::time::sleep(Duration::from_millis(300)).await;
    send.write_all(b"a proof").await.unwrap();
    assert_eq!(read(receive).await.unwrap().0, 201);
    let ended = timeout(PATIENCE, client.connection.closed()).await.unwrap();
    assert!(
        matches!(&ended, ConnectionError::ApplicationClosed(close) if close.error_code == VarInt::from_u32(0)),
        "{ended}"
    );
    timeout(PATIENCE, site.serving).await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollup_comes_back_after_the_service_does() {
    let mut site = Site::new(patient()).await;
    let rollup = site.rollup("a");
    let hand_in = async |proof: &str| rollup.hand_in(&PROGRAM.to_string(), proof.into(), &TERMS).await;
    let first = hand_in("first").await.unwrap().job;
    site.restart(patient()).await;
    assert!(hand_in("second").await.unwrap().job > first);
    // One that its connection was ended for want of questions notices nothing.
    site.restart(Options { head_timeout: Duration::from_millis(700), ..patient() }).await;
    assert_eq!(hand_in("first").await.unwrap().job, first);
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert_eq!(hand_in("first").await.unwrap().job, first);
    // Nobody is there.
    site.stop.cancel();
    (&mut site.serving).await.unwrap();
    let error = hand_in("third").await.unwrap_err();
    assert!(matches!(&error, AggregatorError::Quic { source: QuicError::Connection(_), .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollup_trusts_no_certificate_but_those_it_is_told_to() {
    let site = Site::new(patient()).await;
    let other = generate_simple_self_signed(vec!["localhost".into()]).unwrap();
    let url = format!("quic://localhost:{}", site.quic.port());
    let strangers = [Aggregator::new(&url, "a"), Aggregator::signed_by(&url, "a", other.cert.pem().as_bytes())];
    for stranger in strangers {
        let error = stranger.unwrap().batches("open").await.unwrap_err();
        assert!(matches!(&error, AggregatorError::Quic { source: QuicError::Connection(_), .. }), "{error}");
    }
    let by_number = format!("quic://127.0.0.1:{}", site.quic.port());
    let misnamed = Aggregator::signed_by(&by_number, "a", site.pem.as_bytes()).unwrap();
    assert!(misnamed.batches("open").await.is_err());
    site.rollup("a").batches("open").await.unwrap();
}

/// An appliance that answers without end, and one that never does, cost a rollup a bounded number of bytes.
#[tokio::test(flavor = "multi_thread")]
async fn a_rollup_reads_no_more_than_an_answer_may_have() {
    let site = Site::new(patient()).await;
    site.stop.cancel();
    let crypto = {
        let chain = vec![CertificateDer::from_pem_slice(site.pem.as_bytes()).unwrap()];
        let key = rustls::pki_types::PrivateKeyDer::from_pem_slice(site.key.as_bytes()).unwrap();
        let builder = rustls::ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let builder = builder.with_protocol_versions(&[&rustls::version::TLS13]).unwrap().with_no_client_auth();
        let mut tls = builder.with_single_cert(chain, key).unwrap();
        tls.alpn_protocols = vec![ALPN.to_vec()];
        quinn::crypto::rustls::QuicServerConfig::try_from(tls).unwrap()
    };
    let mut config = quinn::ServerConfig::with_crypto(Arc::new(crypto));
    let mut transport = TransportConfig::default();
    transport.send_window(1 << 20);
    config.transport_config(Arc::new(transport));
    let endpoint = Endpoint::server(config, "127.0.0.1:0".parse().unwrap()).unwrap();
    let url = format!("quic://localhost:{}", endpoint.local_addr().unwrap().port());
    let (sent, mut counted) = tokio::sync::mpsc::unbounded_channel();
    tokio::spawn(async move {
        // Its port was perhaps another's, whose client still calls.
        let connection = loop {
            if let Ok(connection) = endpoint.accept().await.unwrap().await {
                break connection;
            }
        };
        for answer in ["HTTP/1.1 200 OK\r\n\r\n", "HTTP/1.1 200 OK\r\nx: "] {
            let (mut send, _receive) = connection.accept_bi().await.unwrap();
            send.write_all(answer.as_bytes()).await.unwrap();
            let mut bytes = 0usize;
            while send.write_all(&[b'['; 1 << 16]).await.is_ok() {
                bytes += 1 << 16;
            }
            sent.send(bytes).unwrap();
        }
        // An end of its own would have the rollup ask again.
        connection.closed().await;
    });
    let rollup = Aggregator::signed_by(&url, "a", site.pem.as_bytes()).unwrap();
    let error = rollup.batches("open").await.unwrap_err();
    assert!(matches!(&error, AggregatorError::Answer { got, .. } if got.contains("more bytes")), "{error}");
    assert!(counted.recv().await.unwrap() < 8 << 20);
    let error = rollup.batches("open").await.unwrap_err();
    assert!(matches!(&error, AggregatorError::Quic { source: QuicError::Http(_), .. }), "{error}");
    assert!(counted.recv().await.unwrap() < 4 << 20);
}
