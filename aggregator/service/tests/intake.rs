//! The interface, over real connections.

use crate::kit::{Kit, PROGRAM, Place, account};
use serde_json::Value;
use sinter_service::{
    AdmissionPolicy, BatchPolicy, Blobs, Hash, Service,
    admission::Assumed,
    intake::{Client, Intake, Options},
    queue::{self, ManualClock},
    scheduler, worker,
};
use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
};
use tokio_util::sync::CancellationToken;

struct Site {
    kit: Kit,
    address: SocketAddr,
    stop: CancellationToken,
}

/// An answer: its status, its head, and its JSON.
struct Answer {
    status: u16,
    head: String,
    body: String,
    json: Value,
}

impl Answer {
    fn code(&self) -> (u16, &str) {
        (self.status, self.json["code"].as_str().unwrap_or_default())
    }
}

fn client(name: &str) -> Client {
    // The token is the name.
    Client { account: account(name), token_sha256: Hash::of(name.as_bytes()), bytes_per_second: 1 << 20 }
}

pub fn options() -> Options {
    let assumed = Assumed { verify_ms: 10, wrap_ms: 100, fold_ms: 100, seal_ms: 1000 };
    let policy = AdmissionPolicy { price_floor_gwei: 10, settle_ms: 1000, assumed, ..AdmissionPolicy::default() };
    Options {
        clients: vec![client("a"), client("b")],
        policy,
        body_bytes_max: 64 << 10,
        bodies_max: 2,
        head_timeout: Duration::from_millis(300),
        body_timeout: Duration::from_millis(300),
        ..Options::default()
    }
}

impl Site {
    async fn new(options: Options) -> Self {
        let kit = Kit::new(Place::sqlite()).await;
        kit.queue.announce("kit", 1).await.unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, stop) = (listener.local_addr().unwrap(), CancellationToken::new());
        let intake = Intake::new(kit.queue.clone(), kit.blobs.clone(), options);
        tokio::spawn(intake.serve(listener, stop.clone()));
        Self { kit, address, stop }
    }

    /// Sends bytes, and reads until the server closes or has answered.
    async fn raw(&self, request: &[u8]) -> Answer {
        let mut socket = TcpStream::connect(self.address).await.unwrap();
        socket.write_all(request).await.unwrap();
        read(&mut socket).await
    }

    async fn send(&self, method: &str, path: &str, token: &str, body: &[u8]) -> Answer {
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: test\r\nauthorization: Bearer {token}\r\nconnection: close\r\n\
             content-length: {}\r\n\r\n",
            body.len()
        );
        self.raw(&[head.as_bytes(), body].concat()).await
    }

    async fn submit(&self, token: &str, body: &[u8], more: &str) -> Answer {
        let path = format!("/v1/jobs?program={PROGRAM}{more}");
        self.send("POST", &path, token, body).await
    }
}

async fn read(socket: &mut TcpStream) -> Answer {
    let mut bytes = Vec::new();
    let _ = tokio::time::timeout(Duration::from_secs(20), socket.read_to_end(&mut bytes)).await.unwrap();
    let text = String::from_utf8(bytes).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_default();
    let (head, body) = (head.to_lowercase(), body.to_owned());
    Answer { status, head, json: serde_json::from_str(&body).unwrap_or_default(), body }
}

/// Terms that are good.
pub const GOOD: &str = "&deadline_ms=3600000&price_gwei=10";

#[tokio::test(flavor = "multi_thread")]
async fn a_proof_goes_its_way_and_its_account_can_watch() {
    let site = Site::new(options()).await;
    let taken = site.submit("a", b"one", GOOD).await;
    assert_eq!((taken.status, &taken.json["new"], &taken.json["state"]), (201, &true.into(), &"queued".into()));
    let again = site.submit("a", b"one", GOOD).await;
    assert_eq!((again.status, &again.json["new"], &again.json["job"]), (200, &false.into(), &taken.json["job"]));
    let path = format!("/v1/jobs/{}", taken.json["job"]);
    assert_eq!(site.send("GET", &path, "b", b"").await.code(), (404, "unknown"));
    let raised = site.send("PUT", &format!("{path}/priority?priority=1"), "a", b"").await;
    assert_eq!(raised.code(), (402, "price_below_floor"));
    assert_eq!(raised.json["expected"], "at least 20 gwei at priority 1");
    site.kit.work().await;
    site.kit.close().await;
    site.kit.work().await;
    let status = site.send("GET", &path, "a", b"").await;
    assert_eq!((status.status, &status.json["state"]), (200, &"placed".into()));
    assert_eq!((&status.json["batch"]["state"], &status.json["batch"]["nodes_made"]), (&"sealed".into(), &3.into()));
    assert_eq!(site.send("DELETE", &path, "a", b"").await.code(), (409, "wrong_state"));
    let batch = site.send("GET", &format!("/v1/batches/{}", status.json["batch"]["batch"]), "b", b"").await;
    assert_eq!((batch.status, &batch.json["count"]), (200, &1.into()));
    let path = format!("/v1/batches/{}", status.json["batch"]["batch"]);
    let statements = site.send("GET", &format!("{path}/statements"), "b", b"").await;
    assert_eq!(statements.json, serde_json::json!([format!("0x{}", hex::encode("one"))]));
    let root = site.send("GET", &format!("{path}/root"), "b", b"").await;
    assert_eq!((root.status, root.body.as_str()), (200, "(one -)"));
    let seal = site.send("GET", &format!("{path}/seal"), "b", b"").await;
    assert_eq!((seal.status, seal.body.as_str()), (200, "(one -): one"));
    let found = site.send("GET", &format!("/v1/jobs?proof={}", Hash::of(b"one")), "a", b"").await;
    assert_eq!((found.status, &found.json["job"]), (200, &taken.json["job"]));
    let foreign = site.send("GET", &format!("/v1/jobs?proof={}", Hash::of(b"one")), "b", b"").await;
    assert_eq!(foreign.code(), (404, "unknown"));
    let sealed = site.send("GET", "/v1/batches?state=sealed", "b", b"").await;
    assert_eq!(sealed.json.as_array().map(Vec::len), Some(1));
}

/// A box as it runs: nobody claims, closes or looks after anything by hand.
#[tokio::test(flavor = "multi_thread")]
async fn a_box_takes_proofs_to_their_seal_by_itself() {
    let folder = tempfile::tempdir().unwrap();
    let real = queue::Options { clock: None, ..crate::kit::options(&ManualClock::default()) };
    let kit = Kit::with(Place::sqlite(), real).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, stop) = (listener.local_addr().unwrap(), CancellationToken::new());
    let (gas, gas_gwei) = watch::channel(Some(100));
    let batches = BatchPolicy { cheap_gas_gwei: 10, cheap_places_min: 2, ..BatchPolicy::default() };
    let service = Service {
        queue: kit.queue.clone(),
        blobs: Blobs::local(folder.path(), 1 << 20).unwrap(),
        prove: kit.words.clone(),
        worker: worker::Options::new("box"),
        scheduler: scheduler::Options { batches, interval: Duration::from_millis(20), ..scheduler::Options::default() },
        intake: options(),
        gas_gwei,
        settle: None,
    };
    let running = tokio::spawn(service.run(listener, stop.clone()));
    let site = Site { kit, address, stop };
    while site.send("GET", "/health", "", b"").await.status != 200 {}
    for proof in ["one", "two", "three"] {
        assert_eq!(site.submit("a", proof.as_bytes(), GOOD).await.status, 201);
    }
    let state = async |state: &str, count: usize| {
        let deadline = Instant::now() + Duration::from_secs(30);
        let path = format!("/v1/batches?state={state}");
        loop {
            let batches = site.send("GET", &path, "a", b"").await.json;
            if batches[0]["count"] == count {
                return batches[0].clone();
            }
            assert!(Instant::now() < deadline, "{batches}");
        }
    };
    state("open", 3).await;
    assert_eq!(site.send("GET", "/v1/batches/1/seal", "a", b"").await.code(), (409, "wrong_state"));
    // Dear gas kept it open.
    gas.send(Some(5)).unwrap();
    assert_eq!(state("sealed", 3).await["closed_by"], "gas");
    site.stop.cancel();
    running.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_can_be_taken_back_and_moved_ahead() {
    let site = Site::new(options()).await;
    let taken = site.submit("a", b"one", "&deadline_ms=3600000&price_gwei=80&priority=1").await;
    let path = format!("/v1/jobs/{}", taken.json["job"]);
    let raised = site.send("PUT", &format!("{path}/priority?priority=3"), "a", b"").await;
    assert_eq!((raised.status, &raised.json["priority"]), (200, &3.into()));
    assert_eq!(site.send("DELETE", &path, "b", b"").await.status, 404);
    let cancelled = site.send("DELETE", &path, "a", b"").await;
    assert_eq!((cancelled.status, &cancelled.json["state"]), (200, &"cancelled".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_refusal_says_what_would_have_been_taken() {
    let site = Site::new(options()).await;
    let code = async |more: &str| {
        let answer = site.submit("a", b"one", more).await;
        for field in ["message", "expected", "got", "remedy"] {
            assert!(answer.json[field].as_str().is_some_and(|text| !text.is_empty()), "{field}: {}", answer.json);
        }
        (answer.status, answer.json["code"].as_str().unwrap().to_owned())
    };
    let is = |status: u16, code: &str| (status, code.to_owned());
    assert_eq!(code("&deadline_ms=1&price_gwei=10").await, is(422, "deadline_too_soon"));
    assert_eq!(code("&deadline_ms=99999999999&price_gwei=10").await, is(422, "deadline_too_far"));
    assert_eq!(code("&deadline_ms=3600000&price_gwei=9").await, is(402, "price_below_floor"));
    assert_eq!(code("&deadline_ms=3600000&price_gwei=900&priority=4").await, is(400, "priority_unknown"));
    assert_eq!(code("&price_gwei=9").await, is(400, "query_invalid"));
    assert_eq!(code("&deadline_ms=-1").await, is(400, "query_invalid"));
    assert_eq!(code(&format!("{GOOD}&extra=1")).await, is(400, "query_invalid"));
    let other = format!("/v1/jobs?program={}{GOOD}", Hash([7; 32]));
    assert_eq!(site.send("POST", &other, "a", b"one").await.code(), (409, "program_unknown"));
    assert_eq!(site.send("POST", &other.replace("07", "0X"), "a", b"one").await.code(), (400, "query_invalid"));
    assert_eq!(site.send("GET", "/v1/jobs/x", "a", b"").await.code(), (400, "query_invalid"));
    assert_eq!(site.send("GET", "/v1/nothing", "a", b"").await.code(), (404, "path_unknown"));
    // Nothing of all this was kept.
    assert_eq!(site.kit.queue.totals().await.unwrap().tasks, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_served_without_a_token() {
    let site = Site::new(options()).await;
    for (method, path) in
        [("POST", "/v1/jobs"), ("GET", "/v1/jobs/1"), ("GET", "/v1/batches/1"), ("GET", "/v1/programs")]
    {
        for token in ["", "c", "A", &Hash::of(b"a").to_string()] {
            assert_eq!(site.send(method, path, token, b"").await.code(), (401, "unauthorized"), "{method} {path}");
        }
    }
    let basic = site.raw(b"GET /v1/programs HTTP/1.1\r\nauthorization: Basic a\r\nconnection: close\r\n\r\n").await;
    assert_eq!(basic.status, 401);
    assert_eq!(site.send("GET", "/health", "", b"").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_and_heads_have_bounds() {
    let site = Site::new(options()).await;
    let path =
        format!("POST /v1/jobs?program={PROGRAM}{GOOD} HTTP/1.1\r\nauthorization: Bearer a\r\nconnection: close\r\n");
    let refused = async |more: &str| {
        let answer = site.raw(format!("{path}{more}").as_bytes()).await;
        (answer.status, answer.json["code"].as_str().unwrap_or_default().to_owned())
    };
    let is = |status: u16, code: &str| (status, code.to_owned());
    // It is refused by what it says of itself: not a byte of it is read.
    assert_eq!(refused("content-length: 99999999999\r\n\r\n").await, is(413, "body_size"));
    assert_eq!(refused("content-length: 0\r\n\r\n").await, is(413, "body_size"));
    assert_eq!(refused("transfer-encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n").await, is(411, "length_missing"));
    assert_eq!(refused("content-length: 10\r\n\r\nslow").await, is(408, "body_timeout"));
    // A head that does not end, and one that is too long.
    assert!([0, 408].contains(&site.raw(b"GET /health HTTP/1.1\r\n").await.status));
    let long = format!("GET /health HTTP/1.1\r\nx: {}\r\n\r\n", "x".repeat(20_000));
    assert_eq!(site.raw(long.as_bytes()).await.status, 431);
    assert_eq!(site.send("GET", "/health", "", b"").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_bodies_are_read_at_a_time_than_there_is_memory_for() {
    let patient = Options { body_timeout: Duration::from_secs(20), ..options() };
    let site = Site::new(patient).await;
    let head = format!(
        "POST /v1/jobs?program={PROGRAM}{GOOD} HTTP/1.1\r\nauthorization: Bearer a\r\nconnection: close\r\ncontent-length: 3\r\n\r\n"
    );
    let mut slow = Vec::new();
    for _ in 0..2 {
        let mut socket = TcpStream::connect(site.address).await.unwrap();
        socket.write_all(head.as_bytes()).await.unwrap();
        slow.push(socket);
    }
    tokio::time::sleep(Duration::from_millis(200)).await;
    let refused = site.submit("b", b"one", GOOD).await;
    assert_eq!(refused.code(), (503, "busy"));
    assert!(refused.head.contains("retry-after: 1"), "{}", refused.head);
    for socket in &mut slow {
        socket.write_all(b"two").await.unwrap();
        let answer = read(socket).await;
        assert!([200, 201].contains(&answer.status));
    }
    assert_eq!(site.submit("b", b"one", GOOD).await.status, 201);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_cannot_send_faster_than_its_quota() {
    let mut slow = options();
    slow.clients[0].bytes_per_second = 1024;
    let site = Site::new(slow).await;
    // A burst is one largest body.
    assert_eq!(site.submit("a", &[b'x'; 64 << 10], GOOD).await.status, 201);
    let refused = site.submit("a", b"one", GOOD).await;
    assert_eq!(refused.code(), (429, "rate_exceeded"));
    assert!(refused.head.contains("retry-after: 1"), "{}", refused.head);
    assert_eq!(site.submit("b", b"one", GOOD).await.status, 201);
}

#[tokio::test(flavor = "multi_thread")]
async fn programs_are_uploaded_and_listed() {
    let site = Site::new(options()).await;
    assert_eq!(site.send("POST", "/v1/programs", "a", b"something").await.code(), (400, "not_a_program"));
    let uploaded = site.send("POST", "/v1/programs", "a", b"SNTP strong").await;
    assert_eq!((uploaded.status, &uploaded.json["state"]), (202, &"new".into()));
    let digest = uploaded.json["digest"].as_str().unwrap().to_owned();
    let early = site.send("POST", &format!("/v1/jobs?program={digest}{GOOD}"), "a", b"one").await;
    assert_eq!(early.code(), (409, "program_new"));
    site.kit.work().await;
    let known = site.send("GET", &format!("/v1/programs/{digest}"), "b", b"").await;
    assert_eq!((known.status, &known.json["state"]), (200, &"known".into()));
    assert_eq!(site.send("GET", "/v1/programs", "b", b"").await.json.as_array().map(Vec::len), Some(1));
    assert_eq!(site.send("POST", &format!("/v1/jobs?program={digest}{GOOD}"), "a", b"one").await.status, 201);
}

#[tokio::test(flavor = "multi_thread")]
async fn health_says_whether_proofs_will_be_proved() {
    let site = Site::new(options()).await;
    let well = site.send("GET", "/health", "", b"").await;
    assert_eq!((well.status, &well.json["status"], &well.json["provers"]), (200, &"ok".into(), &1.into()));
    assert_eq!(site.submit("a", b"taken", GOOD).await.status, 201);
    site.kit.clock.advance(60_001);
    let alone = site.send("GET", "/health", "", b"").await;
    assert_eq!((alone.status, &alone.json["status"]), (503, &"no_prover".into()));
    // Who asks again for what was taken gets the same answer.
    assert_eq!(site.submit("a", b"taken", GOOD).await.code(), (200, ""));
    assert_eq!(site.submit("a", b"one", GOOD).await.code(), (503, "no_prover"));
    site.kit.queue.close().await;
    let gone = site.send("GET", "/health", "", b"").await;
    assert_eq!(gone.code(), (503, "storage_unavailable"));
    site.stop.cancel();
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(TcpStream::connect(site.address).await.is_err());
}
