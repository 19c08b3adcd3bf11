//! Load: signed Ethereum transactions, sent through each namespace's `eth_sendRawTransaction`.

mod histogram;
mod tracker;
mod workload;

pub use tracker::{Numbers, Tracker};
pub use workload::LaneTarget;

use crate::exit::{Exit, Failure, OrFail};
use alloy::primitives::B256;
use jsonrpsee::{
    core::{ClientError, client::ClientT},
    http_client::{HttpClient, HttpClientBuilder},
    rpc_params,
};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{
    sync::{Mutex, mpsc},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;
use workload::{Signed, Workload};

/// Connections to each node that send at the same time.
const SENDERS_PER_NODE: usize = 8;
/// Signed transactions that wait for a sender.
const SIGNED_MAX: usize = 256;
/// A load that falls further behind its schedule than this skips ahead instead of rushing.
const BEHIND_MAX: Duration = Duration::from_millis(500);
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// What load to make.
#[derive(Clone, Debug)]
pub struct LoadConfig {
    /// Transactions a second.
    pub rate: u32,
    /// Bytes of data in each.
    pub payload_bytes: usize,
    /// The nodes' RPCs, used in turn.
    pub nodes: Vec<String>,
    /// Namespaces, used in turn.
    pub lanes: Vec<LaneTarget>,
}

/// A load that is on until it is stopped.
#[derive(Debug)]
pub struct Load {
    stop: CancellationToken,
    senders: JoinSet<()>,
}

impl Load {
    /// Starts to send; `tracker` learns of everything.
    ///
    /// # Errors
    /// When a URL is none, or no key can be made.
    pub fn start(config: &LoadConfig, tracker: &Arc<Tracker>) -> Result<Self, Failure> {
        let stop = CancellationToken::new();
        let mut senders = JoinSet::new();
        if config.rate == 0 {
            return Ok(Self { stop, senders });
        }
        let workload =
            Workload::new(&config.lanes, config.payload_bytes).or_fail(Exit::Failed, "making the load's accounts")?;
        let (signed, queue) = mpsc::channel(SIGNED_MAX);
        let queue = Arc::new(Mutex::new(queue));
        for node in &config.nodes {
            let faces = Arc::new(faces(node, &config.lanes)?);
            for _ in 0..SENDERS_PER_NODE {
                senders.spawn(send_all(queue.clone(), faces.clone(), tracker.clone()));
            }
        }
        let (interval, stopped) = (Duration::from_secs(1) / config.rate, stop.clone());
        // Signing is work for a processor, not for the runtime's threads.
        std::thread::spawn(move || sign_on_schedule(workload, interval, &signed, &stopped));
        Ok(Self { stop, senders })
    }

    /// Makes no more transactions, and returns when every one that was made has its answer.
    pub async fn stop(mut self) {
        self.stop.cancel();
        while self.senders.join_next().await.is_some() {}
    }
}

/// The Ethereum face of each lane at one node.
fn faces(node: &str, lanes: &[LaneTarget]) -> Result<Vec<(LaneTarget, HttpClient)>, Failure> {
    let client = |lane: &LaneTarget| {
        let url = format!("{}/namespaces/{}", node.trim_end_matches('/'), lane.namespace);
        let client = HttpClientBuilder::default().request_timeout(REQUEST_TIMEOUT).build(&url);
        Ok((*lane, client.or_fail(Exit::Usage, url)?))
    };
    lanes.iter().map(client).collect()
}

/// Makes a transaction each `interval`, until stopped or until nobody takes them.
fn sign_on_schedule(
    mut workload: Workload,
    interval: Duration,
    signed: &mpsc::Sender<Signed>,
    stop: &CancellationToken,
) {
    let mut due = Instant::now();
    while !stop.is_cancelled() {
        let transaction = match workload.make() {
            Ok(Some(transaction)) => transaction,
            Ok(None) => return,
            Err(error) => return tracing::error!(%error, "the load cannot sign"),
        };
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        if signed.blocking_send(transaction).is_err() {
            return;
        }
        due = (due + interval).max(Instant::now() - BEHIND_MAX);
    }
}

async fn send_all(
    queue: Arc<Mutex<mpsc::Receiver<Signed>>>,
    faces: Arc<Vec<(LaneTarget, HttpClient)>>,
    tracker: Arc<Tracker>,
) {
    loop {
        let next = queue.lock().await.recv().await;
        let Some(Signed { namespace, hash, raw }) = next else { return };
        let Some((_, face)) = faces.iter().find(|(lane, _)| lane.namespace == namespace) else { continue };
        tracker.sent(hash);
        match face.request::<B256, _>("eth_sendRawTransaction", rpc_params![raw]).await {
            Ok(answer) if answer == hash => tracker.accepted(hash, Instant::now()),
            Ok(_) => tracker.refused(hash, "answered with another transaction's hash"),
            Err(error) => tracker.refused(hash, &reason(&error)),
        }
    }
}

/// A refusal without its numbers, so that refusals of one kind are counted together.
fn reason(error: &ClientError) -> String {
    let text = match error {
        ClientError::Call(object) => object.message().to_owned(),
        ClientError::RequestTimeout => "no answer in time".to_owned(),
        other => format!("connection: {other}"),
    };
    let kind: String = text.chars().filter(|c| !c.is_ascii_digit()).take(120).collect();
    kind.split_whitespace().collect::<Vec<_>>().join(" ")
}
