//! 200-byte transactions over RPC, to four nodes that are processes of their own: what becomes final, as long
//! as clients send as fast as they are answered.

use super::{
    SHAPE,
    load::{self, Counts, Load},
};
use crate::{
    bench::{
        committee::Committee,
        measure::percentile,
        nodes::Processes,
        profile::{Snapshot, Stages},
    },
    exit::{Exit, Failure, OrFail},
};
use serde::Serialize;
use std::{
    fs, io,
    net::SocketAddr,
    path::Path,
    time::{Duration, Instant},
};

const START_MAX: Duration = Duration::from_secs(30);
const WARM_UP: Duration = Duration::from_secs(5);
/// How long what was accepted has to become final once nobody sends any more.
const DRAIN_MAX: Duration = Duration::from_secs(60);
/// Of the processor time that Linux reports: fixed for programs, whatever the kernel counts in.
const TICKS_PER_SECOND: f64 = 100.0;

/// What the network orders.
#[derive(Debug, Serialize)]
pub struct Throughput {
    /// Transactions that became final a second, at the median node.
    pub tx_per_s: f64,
    /// Transactions that nodes accepted a second, in the same time.
    pub accepted_per_s: f64,
    /// Transactions that nodes refused for want of room, in the same time.
    pub refused: u64,
    /// Transactions accepted from the first to the last.
    pub accepted: u64,
    /// Of those, how many were final in the end.
    pub finalized: u64,
    /// Where a transaction's time goes: microseconds of all nodes together. `processor` is what the operating
    /// system counts; the others are wall time inside of what they name, and overlap.
    pub tx_profile_us: Stages,
}

/// Runs a network under load.
///
/// # Errors
/// When it does not start, or a node ends.
pub fn measure(storage: &Path, duration: Duration) -> Result<Throughput, Failure> {
    let committee = Committee::create(storage, &SHAPE)?;
    let mut processes = Processes::start(&committee)?;
    let ids = processes.ids();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.or_fail(Exit::Failed, "starting the runtime")?;
    let outcome = runtime.block_on(under_load(&committee.rpc(), &ids, duration));
    // A node that ended says more than the client that lost it.
    processes.check(&committee)?;
    processes.stop();
    let throughput = outcome.or_fail(Exit::Failed, "load over RPC")?;
    eprintln!(
        "over RPC: {:.0} tx/s final, {:.0} accepted, {} of {} accepted were final in the end",
        throughput.tx_per_s, throughput.accepted_per_s, throughput.finalized, throughput.accepted
    );
    Ok(throughput)
}

/// What is read off before and after.
struct Reading {
    at: Instant,
    nodes: Vec<Snapshot>,
    processor_seconds: f64,
    accepted: u64,
    refused: u64,
}

impl Reading {
    async fn take(nodes: &[SocketAddr], ids: &[u32], counts: &Counts) -> io::Result<Self> {
        Ok(Self {
            nodes: load::scrape(nodes).await?,
            at: Instant::now(),
            processor_seconds: ids.iter().map(|id| processor_seconds(*id)).sum::<io::Result<f64>>()?,
            accepted: counts.accepted(),
            refused: counts.refused(),
        })
    }

    fn all(&self) -> Snapshot {
        let mut sum = Snapshot::default();
        self.nodes.iter().for_each(|node| sum.add(node));
        sum
    }

    /// Transactions that the median node knows to be final.
    fn finalized(&self) -> f64 {
        let mut finalized: Vec<f64> = self.nodes.iter().map(Snapshot::finalized).collect();
        percentile(&mut finalized, 0.5).unwrap_or_default()
    }
}

async fn under_load(nodes: &[SocketAddr], ids: &[u32], duration: Duration) -> io::Result<Throughput> {
    load::await_healthy(nodes, START_MAX).await?;
    let load = Load::start(nodes, None);
    tokio::time::sleep(WARM_UP).await;
    let before = Reading::take(nodes, ids, &load.counts).await?;
    tokio::time::sleep(duration).await;
    let after = Reading::take(nodes, ids, &load.counts).await?;
    let counts = load.stop().await?;
    let finalized = drain(nodes, counts.accepted()).await?;

    let seconds = (after.at - before.at).as_secs_f64();
    let ordered = after.finalized() - before.finalized();
    let processor = after.processor_seconds - before.processor_seconds;
    Ok(Throughput {
        tx_per_s: ordered / seconds,
        accepted_per_s: (after.accepted - before.accepted) as f64 / seconds,
        refused: after.refused - before.refused,
        accepted: counts.accepted(),
        finalized,
        tx_profile_us: Stages::between(&before.all(), &after.all())
            .each(ordered, 1e6)
            .with("processor", processor * 1e6 / ordered),
    })
}

/// Waits until as many transactions are final as were accepted; gives how many are.
async fn drain(nodes: &[SocketAddr], accepted: u64) -> io::Result<u64> {
    let deadline = Instant::now() + DRAIN_MAX;
    loop {
        let finalized = load::scrape(nodes).await?.iter().map(Snapshot::finalized).fold(f64::INFINITY, f64::min) as u64;
        if finalized >= accepted || Instant::now() > deadline {
            return Ok(finalized);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Processor time that a process has used, by itself and in the kernel.
fn processor_seconds(id: u32) -> io::Result<f64> {
    let stat = fs::read_to_string(format!("/proc/{id}/stat"))?;
    // The second field is a name in parentheses, which may hold spaces; `utime` and `stime` are 14th and 15th.
    let fields = stat.rsplit_once(')').map(|(_, fields)| fields).unwrap_or_default();
    let ticks: f64 = fields.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<f64>().ok()).sum();
    Ok(ticks / TICKS_PER_SECOND)
}
