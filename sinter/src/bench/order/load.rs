//! Clients that send small transactions in batches, each the next one when the last is answered.

use super::http::{self, Connection};
use crate::bench::{committee::OPAQUE, profile::Snapshot};
use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::{task::JoinSet, time::Instant};
use tokio_util::sync::CancellationToken;

/// Bytes of a payload.
pub const PAYLOAD_BYTES: usize = 200;
/// Calls in a batch.
const BATCH: usize = 100;
/// Connections to each node.
const CONNECTIONS: usize = 2;
/// Wait after a refusal: the node has as much as it takes.
const REFUSED_WAIT: Duration = Duration::from_millis(5);

/// What became of what was sent.
#[derive(Debug, Default)]
pub struct Counts {
    accepted: AtomicU64,
    refused: AtomicU64,
}

impl Counts {
    /// Transactions that a node took.
    pub fn accepted(&self) -> u64 {
        self.accepted.load(Ordering::Relaxed)
    }

    /// Transactions that a node turned away.
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }
}

/// A load that is on until it is stopped.
#[derive(Debug)]
pub struct Load {
    pub counts: Arc<Counts>,
    stop: CancellationToken,
    clients: JoinSet<io::Result<()>>,
}

impl Load {
    /// Starts to send to the nodes: as fast as they answer, or `rate` transactions a second in all.
    pub fn start(nodes: &[SocketAddr], rate: Option<u32>) -> Self {
        let (counts, stop) = (Arc::new(Counts::default()), CancellationToken::new());
        let mut clients = JoinSet::new();
        let connections = nodes.len() * CONNECTIONS;
        let interval = rate.map(|rate| Duration::from_secs_f64((BATCH * connections) as f64 / f64::from(rate)));
        for (number, node) in nodes.iter().cycle().take(connections).enumerate() {
            clients.spawn(send(*node, number, interval, counts.clone(), stop.clone()));
        }
        Self { counts, stop, clients }
    }

    /// Sends no more, and returns when everything has been answered.
    ///
    /// # Errors
    /// The first client's that could not go on.
    pub async fn stop(mut self) -> io::Result<Arc<Counts>> {
        self.stop.cancel();
        while let Some(ended) = self.clients.join_next().await {
            ended.map_err(io::Error::other)??;
        }
        Ok(self.counts)
    }
}

async fn send(
    node: SocketAddr,
    client: usize,
    interval: Option<Duration>,
    counts: Arc<Counts>,
    stop: CancellationToken,
) -> io::Result<()> {
    let mut connection = Connection::open(node).await?;
    let mut batch = Batch::new(client);
    // Clients take turns.
    let mut due = Instant::now() + interval.unwrap_or_default().mul_f64(client as f64 / 8.0);
    while !stop.is_cancelled() {
        if let Some(interval) = interval {
            tokio::time::sleep_until(due).await;
            due += interval;
        }
        let accepted = count(connection.ask(batch.next()).await?, b"\"result\"");
        counts.accepted.fetch_add(accepted as u64, Ordering::Relaxed);
        counts.refused.fetch_add((BATCH - accepted.min(BATCH)) as u64, Ordering::Relaxed);
        if accepted < BATCH {
            tokio::time::sleep(REFUSED_WAIT).await;
        }
    }
    Ok(())
}

fn count(bytes: &[u8], needle: &[u8]) -> usize {
    bytes.windows(needle.len()).filter(|window| *window == needle).count()
}

/// A request that is written once, but for the number in each payload.
struct Batch {
    request: Vec<u8>,
    /// Where each payload's number stands: 16 hex digits.
    numbers: Vec<usize>,
    next: u64,
}

impl Batch {
    fn new(client: usize) -> Self {
        // A client's payloads differ from another's in their second 8 bytes.
        let rest = format!("{:016x}{}", client + 1, "5a".repeat(PAYLOAD_BYTES - 16));
        let mut body = vec![b'['];
        let mut numbers = Vec::new();
        for id in 0..BATCH {
            let separator = if id == 0 { "" } else { "," };
            let call = format!(
                "{separator}{{\"jsonrpc\":\"2.0\",\"id\":{id},\"method\":\"sinter_sendTransaction\",\
                 \"params\":[{{\"namespace\":{OPAQUE},\"payload\":\"0x"
            );
            body.extend_from_slice(call.as_bytes());
            numbers.push(body.len());
            body.extend_from_slice(format!("{:016x}{rest}\"}}]}}", 0).as_bytes());
        }
        body.push(b']');
        let mut request = http::post_head(body.len());
        numbers.iter_mut().for_each(|number| *number += request.len());
        request.extend(body);
        Self { request, numbers, next: 0 }
    }

    fn next(&mut self) -> &[u8] {
        for place in &self.numbers {
            self.request[*place..*place + 16].copy_from_slice(format!("{:016x}", self.next).as_bytes());
            self.next += 1;
        }
        &self.request
    }
}

/// What all nodes say of themselves at `/metrics`, one by one.
///
/// # Errors
/// When one does not answer.
pub async fn scrape(nodes: &[SocketAddr]) -> io::Result<Vec<Snapshot>> {
    let mut snapshots = Vec::new();
    for node in nodes {
        let mut connection = Connection::open(*node).await?;
        let text = connection.ask(&http::get("/metrics")).await?;
        snapshots.push(Snapshot::parse(&String::from_utf8_lossy(text)));
    }
    Ok(snapshots)
}

/// Waits until every node is healthy.
///
/// # Errors
/// The last reason why one is not, after `max`.
pub async fn await_healthy(nodes: &[SocketAddr], max: Duration) -> io::Result<()> {
    let deadline = Instant::now() + max;
    for node in nodes {
        loop {
            let healthy = async { Connection::open(*node).await?.ask(&http::get("/health")).await.map(drop) }.await;
            match healthy {
                Ok(()) => break,
                Err(error) if Instant::now() > deadline => return Err(error),
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_batch_is_json_whose_payloads_never_repeat() {
        let mut batch = Batch::new(3);
        let mut seen = std::collections::HashSet::new();
        for _ in 0..2 {
            let request = batch.next().to_vec();
            let body = &request[http::find(&request, b"\r\n\r\n").unwrap() + 4..];
            let calls: Vec<serde_json::Value> = serde_json::from_slice(body).unwrap();
            assert_eq!(calls.len(), BATCH);
            for call in calls {
                let payload = call["params"][0]["payload"].as_str().unwrap().to_owned();
                assert_eq!(payload.len(), 2 + 2 * PAYLOAD_BYTES);
                assert!(seen.insert(payload));
            }
        }
    }
}
