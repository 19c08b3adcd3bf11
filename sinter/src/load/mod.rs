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
    collections::VecDeque,
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
/// Accepted transactions that nobody has looked at.
const ACCEPTED_MAX: usize = 4_096;
/// Between two looks at what does not become final.
const RESEND_INTERVAL: Duration = Duration::from_millis(500);
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
    /// When a transaction that was accepted and is not final is sent again, to another node, as a wallet does whose receipt does
    /// not come: a node that is killed forgets what it has not passed on. Without, every node must do what it said it would.
    pub resend_after: Option<Duration>,
}

/// A load that is on until it is stopped.
#[derive(Debug)]
pub struct Load {
    stop: CancellationToken,
    senders: JoinSet<()>,
    // Aborted when dropped.
    _resender: JoinSet<()>,
}

/// Where a transaction is sent to, and who learns of it.
#[derive(Clone)]
struct Sender {
    faces: Arc<Vec<(LaneTarget, HttpClient)>>,
    tracker: Arc<Tracker>,
    /// What is sent again if it does not become final.
    accepted: Option<mpsc::Sender<Signed>>,
}

impl Load {
    /// Starts to send; `tracker` learns of everything.
    ///
    /// # Errors
    /// When a URL is none, or no key can be made.
    pub fn start(config: &LoadConfig, tracker: &Arc<Tracker>) -> Result<Self, Failure> {
        let stop = CancellationToken::new();
        let mut senders = JoinSet::new();
        let mut resender = JoinSet::new();
        if config.rate == 0 {
            return Ok(Self { stop, senders, _resender: resender });
        }
        let workload =
            Workload::new(&config.lanes, config.payload_bytes).or_fail(Exit::Failed, "making the load's accounts")?;
        let (signed, queue) = mpsc::channel(SIGNED_MAX);
        let queue = Arc::new(Mutex::new(queue));
        let nodes = config.nodes.iter().map(|node| faces(node, &config.lanes).map(Arc::new));
        let nodes = nodes.collect::<Result<Vec<_>, Failure>>()?;
        let accepted = config.resend_after.map(|after| {
            let (accepted, unsettled) = mpsc::channel(ACCEPTED_MAX);
            resender.spawn(send_again(unsettled, nodes.clone(), tracker.clone(), after));
            accepted
        });
        for faces in nodes {
            let sender = Sender { faces, tracker: tracker.clone(), accepted: accepted.clone() };
            for _ in 0..SENDERS_PER_NODE {
                senders.spawn(send_all(queue.clone(), sender.clone()));
            }
        }
        let (interval, stopped) = (Duration::from_secs(1) / config.rate, stop.clone());
        // Signing is work for a processor, not for the runtime's threads.
        std::thread::spawn(move || sign_on_schedule(workload, interval, &signed, &stopped));
        Ok(Self { stop, senders, _resender: resender })
    }

    /// Makes no more transactions, and returns when every one that was made has its answer. What is not final is sent again until
    /// this is dropped.
    pub async fn stop(&mut self) {
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

async fn send_all(queue: Arc<Mutex<mpsc::Receiver<Signed>>>, sender: Sender) {
    let Sender { faces, tracker, accepted } = sender;
    loop {
        let next = queue.lock().await.recv().await;
        let Some(signed) = next else { return };
        let hash = signed.hash;
        tracker.sent(hash);
        match send(&faces, &signed).await {
            Some(Ok(answer)) if answer == hash => {
                tracker.accepted(hash, Instant::now());
                if let Some(accepted) = &accepted {
                    // An error means that nobody sends again any more.
                    let _ = accepted.send(signed).await;
                }
            }
            Some(Ok(_)) => tracker.refused(hash, "answered with another transaction's hash"),
            Some(Err(error)) => tracker.refused(hash, &reason(&error)),
            None => tracker.refused(hash, "no such lane"),
        }
    }
}

async fn send(faces: &[(LaneTarget, HttpClient)], signed: &Signed) -> Option<Result<B256, ClientError>> {
    let (_, face) = faces.iter().find(|(lane, _)| lane.namespace == signed.namespace)?;
    Some(face.request::<B256, _>("eth_sendRawTransaction", rpc_params![&signed.raw]).await)
}

/// Sends what was accepted and does not become final again, to one node after the other. What waits here is what the tracker
/// counts as accepted and not final.
async fn send_again(
    mut accepted: mpsc::Receiver<Signed>,
    nodes: Vec<Arc<Vec<(LaneTarget, HttpClient)>>>,
    tracker: Arc<Tracker>,
    after: Duration,
) {
    let mut waiting: VecDeque<(Instant, Signed)> = VecDeque::new();
    let mut nodes = nodes.iter().cycle();
    let mut ticks = tokio::time::interval(RESEND_INTERVAL);
    loop {
        ticks.tick().await;
        while let Ok(signed) = accepted.try_recv() {
            waiting.push_back((Instant::now(), signed));
        }
        waiting.retain(|(_, signed)| tracker.is_waiting(&signed.hash));
        while let Some((_, signed)) = waiting.pop_front_if(|(since, _)| since.elapsed() > after) {
            let Some(faces) = nodes.next() else { return };
            // A node that is away, or has it already: the next time comes.
            if let Some(Ok(_)) = send(faces, &signed).await {
                tracker.resent();
            }
            waiting.push_back((Instant::now(), signed));
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
