//! Watching a devnet from outside, as any user could: over its interfaces.

use super::{
    l1::L1,
    network::Network,
    snapshot::{NodeView, Snapshot},
};
use crate::{
    client::{self, Follower},
    exit::Failure,
    load::Tracker,
};
use alloy::{
    primitives::{Address, keccak256},
    providers::{DynProvider, Provider},
};
use jsonrpsee::{
    core::client::{Error as ClientError, Subscription},
    http_client::HttpClient,
    ws_client::WsClient,
};
use sinter_primitives::Namespace;
use sinter_sequencer::rpc::{SinterApiClient, types::NamespaceEvent};
use sinter_settlement::light_client;
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{sync::watch, task::JoinSet};

const NODES_INTERVAL: Duration = Duration::from_millis(250);
const L1_INTERVAL: Duration = Duration::from_millis(500);
const SECOND: Duration = Duration::from_secs(1);

/// Tasks that keep the snapshot and the tracker up to date. They end when this is dropped.
#[derive(Debug)]
pub struct Observers {
    // Aborts them all when dropped.
    _tasks: JoinSet<()>,
}

/// What is observed, and where it is written.
pub struct Subjects<'a> {
    /// The network.
    pub network: &'a Network,
    /// The height after which transactions of this run can be final.
    pub height: u64,
    /// The L1, and the light client there.
    pub l1: (&'a L1, Address),
    /// Learns what is final.
    pub tracker: Arc<Tracker>,
    /// Learns everything else.
    pub snapshot: Arc<watch::Sender<Snapshot>>,
    /// Told when the load began.
    pub started: Instant,
}

impl Observers {
    /// Starts to watch.
    ///
    /// # Errors
    /// When a URL is none.
    pub fn start(subjects: Subjects<'_>) -> Result<Self, Failure> {
        let Subjects { network, height, l1: (l1, light_client), tracker, snapshot, started } = subjects;
        let mut tasks = JoinSet::new();
        let urls = network.rpc_urls();
        for (number, url) in urls.iter().enumerate() {
            tasks.spawn(poll_node(number, client::http(url)?, snapshot.clone()));
        }
        for lane in network.lanes() {
            let follower = Lane { namespace: lane.namespace, tracker: tracker.clone() };
            tasks.spawn(client::follow(urls.clone(), height + 1, follower));
        }
        tasks.spawn(poll_l1(l1.provider.clone(), light_client, snapshot.clone()));
        tasks.spawn(tick(tracker, snapshot, started));
        Ok(Self { _tasks: tasks })
    }
}

/// A node's status, over and over.
async fn poll_node(number: usize, node: HttpClient, snapshot: Arc<watch::Sender<Snapshot>>) {
    let mut ticks = tokio::time::interval(NODES_INTERVAL);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let status = node.status().await;
        snapshot.send_modify(|snapshot| {
            let Some(view) = snapshot.nodes.get_mut(number) else { return };
            match status {
                Ok(status) => {
                    *view = NodeView {
                        answers: true,
                        healthy: status.health.healthy,
                        height: status.head.height,
                        view: status.view,
                        peers: u64::from(status.peers),
                        mempool: status.mempool.transactions as u64,
                    }
                }
                // What was last known of its heights still holds.
                Err(_) => (view.answers, view.healthy) = (false, false),
            }
        });
    }
}

/// Takes a namespace's final transactions.
struct Lane {
    namespace: Namespace,
    tracker: Arc<Tracker>,
}

impl Follower for Lane {
    type Event = NamespaceEvent;

    async fn subscribe(&self, node: &WsClient, next: u64) -> Result<Subscription<NamespaceEvent>, ClientError> {
        node.subscribe_namespace(self.namespace, Some(next), Some(true)).await
    }

    async fn take(&mut self, _node: &WsClient, event: NamespaceEvent) -> Result<u64, ClientError> {
        let now = Instant::now();
        for (id, transaction) in event.ids.iter().zip(&event.transactions) {
            self.tracker.finalized(keccak256(&transaction.payload), *id, now);
        }
        Ok(event.height)
    }
}

async fn poll_l1(provider: DynProvider, light_client: Address, snapshot: Arc<watch::Sender<Snapshot>>) {
    let mut ticks = tokio::time::interval(L1_INTERVAL);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        match (provider.get_block_number().await, light_client::head(&provider, light_client).await) {
            (Ok(head), Ok(verified)) => snapshot.send_modify(|snapshot| {
                snapshot.l1.head = head;
                snapshot.l1.verified_height = verified.height;
            }),
            (Err(error), _) => tracing::warn!(%error, "the L1 does not answer"),
            (_, Err(error)) => tracing::warn!(%error, "the light client does not answer"),
        }
    }
}

/// Brings the load's numbers into the snapshot; once a second "recent" moves on.
async fn tick(tracker: Arc<Tracker>, snapshot: Arc<watch::Sender<Snapshot>>, started: Instant) {
    let mut ticks = tokio::time::interval(NODES_INTERVAL);
    let mut second = Instant::now();
    loop {
        ticks.tick().await;
        if second.elapsed() >= SECOND {
            second += SECOND;
            tracker.tick();
        }
        let numbers = tracker.numbers();
        snapshot.send_modify(|snapshot| {
            snapshot.elapsed = started.elapsed();
            snapshot.load = numbers;
        });
    }
}
