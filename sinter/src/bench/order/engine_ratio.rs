//! Whole nodes against the bare engine: the same committee size, block size, transport, timeouts, disk and
//! process, in rounds that take turns.
//!
//! Four nodes run in this process with everything on: journals on disk, mempool, validity, namespace table,
//! accumulators, index, RPC. Their mempools are kept full with 8 KiB transactions of three namespaces, as if
//! dissemination had brought them already: what clients and dissemination cost is another case's number. A
//! block counts as final at a node when the node's index holds it, which is later than where the engine
//! counts: at marshal's delivery.

use super::{
    committee::{BLOCK_BYTES, Committee, NAMESPACES, NODES},
    nodes::Threads,
    processors,
    profile::{Snapshot, Stages},
};
use crate::{
    bench::{
        engine::Finalized,
        measure::{Measured, percentile},
        network::{self, Carrier, Round},
    },
    exit::{Exit, Failure, OrFail},
};
use bytes::Bytes;
use futures::executor::block_on;
use rand::Rng as _;
use serde::Serialize;
use sinter_primitives::{Transaction, TransactionKind};
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
/// Bytes that every mempool is kept filled with: a dozen blocks.
const STOCK_BYTES: usize = 12 << 20;
const FEED_TRANSACTIONS: usize = 96;
const FEED_INTERVAL: Duration = Duration::from_millis(2);
/// Payloads are slices of this many random bytes, each at an offset of its own.
const NOISE_BYTES: usize = 16 << 20;
/// Heights that a transaction has to be ordered in: half of what the chain admits.
const EXPIRY_HEIGHTS: u64 = 256;
const WARM_UP: Duration = Duration::from_secs(3);

/// What nodes do, as a part of what the bare engine does.
#[derive(Debug, Serialize)]
pub struct EngineRatio {
    /// Payload bytes that became final a second: the median over pairs of rounds.
    pub bytes_ratio_vs_engine: f64,
    /// Median time from a block's timestamp until it is final: the median over pairs of rounds.
    pub p50_ratio_vs_engine: f64,
    /// Every round of whole nodes.
    pub node_rounds: Vec<Measured>,
    /// Every round of the bare engine.
    pub engine_rounds: Vec<Measured>,
    /// Where a block's time goes, in the last round of nodes: milliseconds of all nodes together.
    pub block_profile_ms: Stages,
}

/// Runs pairs of rounds. Which of a pair goes first alternates.
///
/// # Errors
/// When a round gives no numbers.
pub fn measure(storage: &Path, pairs: usize, duration: Duration) -> Result<EngineRatio, Failure> {
    let round = Round {
        validators: NODES as u32,
        carrier: Carrier::Quic,
        block_bytes: BLOCK_BYTES,
        duration,
        storage: storage.to_path_buf(),
        worker_threads: processors(),
    };
    let (mut nodes, mut engines) = (Vec::new(), Vec::new());
    let mut profile = Stages::default();
    for pair in 0..pairs {
        for turn in 0..2 {
            if (pair + turn) % 2 == 0 {
                let measured = network::run(&round).or_fail(Exit::Failed, "a round of the engine")?;
                say("engine", &measured);
                engines.push(measured);
            } else {
                let (measured, stages) = node_round(storage, duration)?;
                say("nodes", &measured);
                nodes.push(measured);
                profile = stages;
            }
        }
    }
    let median = |ratio: fn(&Measured, &Measured) -> f64| {
        let mut ratios: Vec<f64> = nodes.iter().zip(&engines).map(|(node, engine)| ratio(node, engine)).collect();
        percentile(&mut ratios, 0.5).unwrap_or(f64::NAN)
    };
    Ok(EngineRatio {
        bytes_ratio_vs_engine: median(|node, engine| node.bytes_per_s / engine.bytes_per_s),
        p50_ratio_vs_engine: median(|node, engine| node.finality_ms.p50 / engine.finality_ms.p50),
        node_rounds: nodes,
        engine_rounds: engines,
        block_profile_ms: profile,
    })
}

fn say(what: &str, measured: &Measured) {
    eprintln!(
        "{what}: {:.1} MB/s, {:.1} blocks/s, finality {:.0} ms (p99 {:.0})",
        measured.bytes_per_s / 1e6,
        measured.views_per_s,
        measured.finality_ms.p50,
        measured.finality_ms.p99
    );
}

/// One round of whole nodes.
fn node_round(storage: &Path, duration: Duration) -> Result<(Measured, Stages), Failure> {
    let committee = Committee::create(storage)?;
    let (threads, handles) = Threads::start(&committee)?;
    let peers: Vec<[u8; 32]> = committee.members.iter().map(|member| member.node_key).collect();
    let (started, fed) = (Instant::now(), AtomicBool::new(true));
    let (seen, from, until, stages) = thread::scope(|scope| {
        let feeding = scope.spawn(|| feed(&handles, &peers, &fed));
        let watching: Vec<_> =
            handles.iter().map(|handle| scope.spawn(move || watch(handle, started, duration))).collect();
        thread::sleep(WARM_UP);
        let (from, before) = (started.elapsed(), Snapshot::of_this_process());
        thread::sleep(duration);
        let (until, after) = (started.elapsed(), Snapshot::of_this_process());
        fed.store(false, Ordering::Relaxed);
        drop(feeding.join());
        let seen: Vec<Vec<Finalized>> = watching.into_iter().filter_map(|one| one.join().ok()).collect();
        (seen, from, until, before.and_then(|before| Ok((before, after?))))
    });
    drop(handles);
    threads.stop()?;
    let measured = Measured::new(&seen, from, until)
        .ok_or_else(|| Failure::new(Exit::Failed, format!("no block became final within {duration:?}")))?;
    let (before, after) = stages?;
    let blocks = measured.views_per_s * (until - from).as_secs_f64();
    Ok((measured, Stages::between(&before, &after).each(blocks, 1e3)))
}

/// Notes each block of a node when its index has it, for warm-up and measurement.
fn watch(handle: &Handle, started: Instant, duration: Duration) -> Vec<Finalized> {
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
            seen.push(Finalized { at, latency, bytes });
        }
        height = head;
    }
    seen
}

/// Keeps the nodes' mempools filled with the same transactions.
fn feed(handles: &[Handle], peers: &[[u8; 32]], on: &AtomicBool) {
    let mut noise = vec![0; NOISE_BYTES];
    rand::rng().fill_bytes(&mut noise);
    let noise = Bytes::from(noise);
    let mut batches: Vec<Vec<Transaction>> = Vec::new();
    let mut next = vec![0; handles.len()];
    while on.load(Ordering::Relaxed) {
        let mut full = true;
        for (number, handle) in handles.iter().enumerate() {
            if handle.mempool.stats().bytes >= STOCK_BYTES {
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
