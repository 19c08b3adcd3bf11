//! A round of whole nodes, in this process, with everything on: journals on disk, mempool, validity, namespace table,
//! accumulators, index, RPC.
//!
//! Their mempools are kept full with 8 KiB transactions of three namespaces, as if dissemination had brought them already: what
//! clients and dissemination cost is another case's number. A block counts as final at a node when the node's index holds it, which is
//! later than where the bare engine counts: at marshal's delivery.

use super::{
    committee::{Committee, NAMESPACES, Shape},
    engine::Finalized,
    measure::Measured,
    nodes::Threads,
    profile::{Snapshot, Stages},
};
use crate::exit::{Exit, Failure};
use bytes::Bytes;
use futures::executor::block_on;
use rand::Rng as _;
use sinter_primitives::{Header, Transaction, TransactionKind};
use sinter_sequencer::{
    handle::Handle,
    mempool::{Source, Visibility},
};
use std::{
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

const PAYLOAD_BYTES: usize = 8 << 10;
/// How many blocks' bytes every mempool is kept filled with.
const STOCK_BLOCKS: usize = 12;
const FEED_TRANSACTIONS: usize = 96;
const FEED_INTERVAL: Duration = Duration::from_millis(2);
/// Payloads are slices of this many random bytes, each at an offset of its own.
const NOISE_BYTES: usize = 16 << 20;
/// Heights that a transaction has to be ordered in: half of what the chain admits.
const EXPIRY_HEIGHTS: u64 = 256;
const WARM_UP: Duration = Duration::from_secs(3);

/// What a round of whole nodes gave.
#[derive(Debug)]
pub struct NodeRound {
    /// The numbers that the bare engine's round has, too.
    pub measured: Measured,
    /// Where a block's time went: milliseconds of all nodes together.
    pub block_profile_ms: Stages,
    /// What each node saw become final in the measured time.
    pub seen: Vec<Vec<Seen>>,
}

/// A block that a node saw become final.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Its header.
    pub header: Header,
    /// When that was, and how much it brought.
    pub finalized: Finalized,
}

/// Runs a round.
///
/// # Errors
/// When the nodes do not start, one of them ends with an error, or nothing becomes final.
pub fn run(storage: &Path, shape: &Shape, duration: Duration) -> Result<NodeRound, Failure> {
    let committee = Committee::create(storage, shape)?;
    let (threads, handles) = Threads::start(&committee)?;
    let peers: Vec<[u8; 32]> = committee.members.iter().map(|member| member.node_key).collect();
    let (started, fed) = (Instant::now(), AtomicBool::new(true));
    let (seen, from, until, stages) = thread::scope(|scope| {
        let feeding = scope.spawn(|| feed(&handles, &peers, STOCK_BLOCKS * shape.block_bytes, &fed));
        let watching: Vec<_> =
            handles.iter().map(|handle| scope.spawn(move || watch(handle, started, duration))).collect();
        thread::sleep(WARM_UP);
        let (from, before) = (started.elapsed(), Snapshot::of_this_process());
        thread::sleep(duration);
        let (until, after) = (started.elapsed(), Snapshot::of_this_process());
        fed.store(false, Ordering::Relaxed);
        drop(feeding.join());
        let seen: Vec<Vec<Seen>> = watching.into_iter().filter_map(|one| one.join().ok()).collect();
        (seen, from, until, before.and_then(|before| Ok((before, after?))))
    });
    drop(handles);
    threads.stop()?;
    let finalized: Vec<Vec<Finalized>> =
        seen.iter().map(|node| node.iter().map(|one| one.finalized.clone()).collect()).collect();
    let measured = Measured::new(&finalized, from, until)
        .ok_or_else(|| Failure::new(Exit::Failed, format!("no block became final within {duration:?}")))?;
    let (before, after) = stages?;
    let blocks = measured.views_per_s * (until - from).as_secs_f64();
    let inside = |one: &Seen| one.finalized.at >= from && one.finalized.at < until;
    let seen = seen.into_iter().map(|node| node.into_iter().filter(inside).collect()).collect();
    Ok(NodeRound { measured, block_profile_ms: Stages::between(&before, &after).each(blocks, 1e3), seen })
}

/// Notes each block of a node when its index has it, for warm-up and measurement.
fn watch(handle: &Handle, started: Instant, duration: Duration) -> Vec<Seen> {
    let mut heads = handle.heads.clone();
    let mut seen = Vec::new();
    let mut height = heads.borrow_and_update().height;
    // A block each at least: idle chains make them, too.
    while started.elapsed() < WARM_UP + duration && block_on(heads.changed()).is_ok() {
        let head = heads.borrow_and_update().height;
        let (at, now) = (started.elapsed(), SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default());
        // Blocks that were indexed together became final, for whoever asks, together.
        let Ok(snapshot) = handle.index.snapshot() else { break };
        for height in height + 1..=head {
            let (Ok(Some(header)), Ok(table)) = (snapshot.header(height), snapshot.namespace_table(height)) else {
                continue;
            };
            let bytes = table.leaves().iter().map(|leaf| leaf.byte_count as usize).sum();
            let latency = now.saturating_sub(Duration::from_millis(header.timestamp_ms));
            seen.push(Seen { header, finalized: Finalized { at, latency, bytes } });
        }
        height = head;
    }
    seen
}

/// Keeps so many bytes of the same transactions in each node's mempool.
fn feed(handles: &[Handle], peers: &[[u8; 32]], stock_bytes: usize, on: &AtomicBool) {
    let mut noise = vec![0; NOISE_BYTES];
    rand::rng().fill_bytes(&mut noise);
    let noise = Bytes::from(noise);
    let mut batches: Vec<Vec<Transaction>> = Vec::new();
    let mut next = vec![0; handles.len()];
    while on.load(Ordering::Relaxed) {
        let mut full = true;
        for (number, handle) in handles.iter().enumerate() {
            if handle.mempool.stats().bytes >= stock_bytes {
                continue;
            }
            full = false;
            if next[number] == batches.len() {
                let height = handles.iter().map(|handle| handle.index.tip().header.height).max().unwrap_or_default();
                batches.push(batch(&noise, batches.len(), height + EXPIRY_HEIGHTS));
            }
            // A node that lags gets what others have ordered already, and refuses it: nothing is lost.
            let neighbour = peers[(number + 1) % peers.len()];
            handle.mempool.insert_all(
                batches[next[number]].iter().cloned(),
                Source::Peer(neighbour),
                Visibility::Public,
            );
            next[number] += 1;
        }
        if full {
            thread::sleep(FEED_INTERVAL);
        }
    }
}

fn batch(noise: &Bytes, number: usize, expiry_height: u64) -> Vec<Transaction> {
    let transaction = |place: usize| {
        let offset = (number * FEED_TRANSACTIONS + place) % (NOISE_BYTES - PAYLOAD_BYTES);
        Transaction {
            kind: TransactionKind::User,
            namespace: NAMESPACES[place % NAMESPACES.len()],
            expiry_height,
            payload: noise.slice(offset..offset + PAYLOAD_BYTES),
        }
    };
    (0..FEED_TRANSACTIONS).map(transaction).collect()
}
