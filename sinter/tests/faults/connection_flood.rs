//! Strangers flood one member's interface: with connections, with calls, with bytes, and with silence.

use crate::{
    process::wait_until,
    support::{isolation::run, load::Load, network::Network, network::on_loopback, progress::Progress, rpc},
};
use futures::{StreamExt as _, stream};
use serde_json::{Value, json};
use std::{
    net::{Ipv4Addr, SocketAddr},
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpSocket, TcpStream},
    time::timeout,
};

const TARGET: usize = 0;
const CONNECTIONS: usize = 10_000;
/// How many are being opened at a time.
const OPENING: usize = 500;
/// Addresses that they come from.
const CLIENTS: usize = 200;
const CONNECTIONS_MAX: usize = 256;
const PER_CLIENT_MAX: usize = 16;
const BATCH_MAX: usize = 64;
/// Open files: the connections, and what else a process has.
const FILES: usize = CONNECTIONS + 2_000;
/// What all of it may cost the node in memory.
const MEMORY_BYTES_MAX: u64 = 96 << 20;
/// What a busy machine adds to the longest pause that the timeouts allow.
const NOISE: u32 = 2;
const ANSWER_MAX: Duration = Duration::from_secs(20);

const RATE_LIMITED: i64 = -32050;
const TOO_MANY_CONNECTIONS: i64 = -32053;
const BATCH_TOO_BIG: i64 = -32010;
const REQUEST_TOO_BIG: i64 = -32007;

#[test]
fn floods_are_refused_by_name_and_the_network_goes_on() {
    let places = on_loopback(4);
    let metrics = SocketAddr::new(places[TARGET].rpc.ip(), 9_000);
    let mut network = Network::at(&places, |seat, _| {
        if seat != TARGET {
            return String::new();
        }
        format!(
            "metrics_listen = \"{metrics}\"\n[rpc]\nconnections_max = {CONNECTIONS_MAX}\n\
             connections_per_client_max = {PER_CLIENT_MAX}\nbatch_max = {BATCH_MAX}\ntokens_per_second = 20\n\
             tokens_max = 100\nidle_timeout_ms = 3000\n"
        )
    });
    network.start();
    network.wait_until_healthy();
    run("prlimit", &["--pid", &std::process::id().to_string(), &format!("--nofile={FILES}")]);
    let progress = Progress::watch(network.rpc_without(&[TARGET]));
    let load = Load::start(network.rpc_without(&[TARGET]), Duration::from_millis(200));
    let target = network.nodes[TARGET].rpc;
    let before_bytes = network.nodes[TARGET].resident_bytes();

    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let (held, tally) = runtime.block_on(flood(target));
    println!("connections: {tally:?}");
    assert_eq!(tally.served + tally.refused + tally.closed, CONNECTIONS);
    assert!(tally.served >= 1 && tally.served < CONNECTIONS / 2, "{tally:?}");
    assert!(tally.refused >= 1, "nobody was told why: {tally:?}");
    let during_bytes = network.nodes[TARGET].resident_bytes();
    assert!(during_bytes < before_bytes + MEMORY_BYTES_MAX, "from {before_bytes} to {during_bytes} bytes");
    // The node itself is well all the while, and says so where operators look.
    assert_eq!(rpc::get(metrics, "/health").unwrap().0, 200);
    drop(held);

    // There is room again for somebody who behaves.
    wait_until("the node serves again", network.patience(), || network.nodes[TARGET].height().is_some());
    runtime.block_on(too_many_calls(target));
    runtime.block_on(too_much_at_once(target));
    runtime.block_on(too_slow(target));

    let after_bytes = network.nodes[TARGET].resident_bytes();
    assert!(after_bytes < before_bytes + MEMORY_BYTES_MAX, "from {before_bytes} to {after_bytes} bytes");
    let pause = progress.longest_pause();
    assert!(pause < network.stall_bound() * NOISE, "nothing final for {pause:?}");
    let ids: Vec<_> = load.stop().into_iter().map(|sent| sent.id).collect();
    network.wait_until_even();
    network.assert_final_everywhere(&ids);
    network.wait_until_healthy();
}

/// What became of connections.
#[derive(Debug, Default)]
struct Tally {
    /// Got an answer.
    served: usize,
    /// Were told that there are too many.
    refused: usize,
    /// Were closed without a word.
    closed: usize,
}

/// Opens the connections, asks for something on each, and keeps all of them open.
async fn flood(target: SocketAddr) -> (Vec<TcpStream>, Tally) {
    let attempts = stream::iter(0..CONNECTIONS).map(|number| async move {
        let Ok(mut stream) = connect(client(number % CLIENTS), target).await else { return None };
        let answer = ask(&mut stream, "GET /health HTTP/1.1\r\nhost: sinter\r\n\r\n").await;
        Some((stream, answer))
    });
    let mut tally = Tally::default();
    let mut held = Vec::new();
    let mut attempts = attempts.buffer_unordered(OPENING);
    while let Some(attempt) = attempts.next().await {
        let Some((stream, answer)) = attempt else {
            tally.closed += 1;
            continue;
        };
        match answer {
            Some((200, _)) => tally.served += 1,
            Some((503, body)) => {
                assert_eq!(code(&body), TOO_MANY_CONNECTIONS, "{body}");
                tally.refused += 1;
            }
            Some(other) => panic!("{other:?}"),
            None => tally.closed += 1,
        }
        held.push(stream);
    }
    (held, tally)
}

/// One client calls far more often than it may.
async fn too_many_calls(target: SocketAddr) {
    let mut stream = connect(client(CLIENTS), target).await.unwrap();
    let mut refusals = 0;
    for _ in 0..300 {
        let (status, body) =
            ask(&mut stream, &post(&call("sinter_status", json!([])).to_string())).await.expect("an answer");
        assert_eq!(status, 200, "{body}");
        if body.get("error").is_some() {
            assert_eq!(code(&body), RATE_LIMITED, "{body}");
            assert!(body["error"]["data"]["retry_after_ms"].as_u64().is_some_and(|wait| wait > 0), "{body}");
            refusals += 1;
        }
    }
    assert!(refusals >= 50, "{refusals} refusals");
}

/// One client sends more calls, and more bytes, in one request than it may.
async fn too_much_at_once(target: SocketAddr) {
    let mut stream = connect(client(CLIENTS + 1), target).await.unwrap();
    let batch = Value::Array(vec![call("sinter_status", json!([])); BATCH_MAX + 1]);
    let (_, body) = ask(&mut stream, &post(&batch.to_string())).await.expect("an answer");
    assert_eq!(code(&body), BATCH_TOO_BIG, "{body}");

    let mut stream = connect(client(CLIENTS + 1), target).await.unwrap();
    let long = "ab".repeat(3 << 20);
    let request = post(&call("sinter_sendTransaction", json!([{ "namespace": 1, "payload": long }])).to_string());
    // The node may hang up before it has read all of it.
    match ask(&mut stream, &request).await {
        Some((_, body)) => assert_eq!(code(&body), REQUEST_TOO_BIG, "{body}"),
        None => println!("a request that is too long: hung up on"),
    }
}

/// One client says half a sentence and waits: it must not keep its place.
async fn too_slow(target: SocketAddr) {
    let mut stream = connect(client(CLIENTS + 2), target).await.unwrap();
    stream.write_all(b"POST / HTTP/1.1\r\nhost: sin").await.unwrap();
    let started = Instant::now();
    let mut rest = Vec::new();
    let closed = timeout(ANSWER_MAX, stream.read_to_end(&mut rest)).await;
    assert!(closed.is_ok(), "still open after {:?}", started.elapsed());
}

/// The address of a client: none of them is the one that the test itself calls from.
fn client(number: usize) -> Ipv4Addr {
    let number = u32::try_from(number).unwrap();
    Ipv4Addr::from_bits(Ipv4Addr::new(127, 255, 1, 1).to_bits() + number)
}

async fn connect(from: Ipv4Addr, to: SocketAddr) -> std::io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind((from, 0).into())?;
    timeout(ANSWER_MAX, socket.connect(to)).await?
}

fn call(method: &str, parameters: Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": parameters })
}

fn post(body: &str) -> String {
    format!(
        "POST / HTTP/1.1\r\nhost: sinter\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

fn code(body: &Value) -> i64 {
    body["error"]["code"].as_i64().unwrap_or_default()
}

/// Sends a request and reads the response, which must say how long it is; `None` when there is none.
async fn ask(stream: &mut TcpStream, request: &str) -> Option<(u16, Value)> {
    // Whoever is refused may see the connection closed before all is sent: the answer may be there all the same.
    let _ = stream.write_all(request.as_bytes()).await;
    let mut bytes = Vec::new();
    let response = timeout(ANSWER_MAX, async {
        loop {
            if stream.read_buf(&mut bytes).await.ok()? == 0 {
                return None;
            }
            let text = std::str::from_utf8(&bytes).ok()?;
            let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "))?.parse().ok()?;
            if body.len() < length {
                continue;
            }
            let status = head.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()?;
            return Some((status, serde_json::from_str(body).unwrap_or(Value::Null)));
        }
    });
    response.await.ok().flatten()
}
