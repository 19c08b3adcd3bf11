//! How long taking a proof in lasts while many wait: over HTTP, with a proof's bytes, a blob on the disk and a commit in SQLite,
//! beside a scheduler that looks after the queue.

use crate::{
    admission::Policy,
    blobs::{BlobError, Blobs},
    ids::Account,
    intake::{self, Client, Intake},
    provers::UNIVERSAL,
    queue::{self, Queue, QueueError},
    scheduler::{self, Scheduler},
};
use serde::Serialize;
use std::{
    io,
    path::Path,
    time::{Duration, Instant},
};
use thiserror::Error;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
};
use tokio_util::sync::CancellationToken;

/// What is measured.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Jobs that wait already.
    pub jobs: u64,
    /// Proofs that are handed in, one after another, and timed.
    pub samples: u64,
    /// The size of each.
    pub proof_bytes: usize,
}

impl Default for Options {
    fn default() -> Self {
        // A proof with the parameters of a fold is 330 KiB.
        Self { jobs: 100_000, samples: 1000, proof_bytes: 330 << 10 }
    }
}

/// What was measured.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Report {
    /// Jobs that waited.
    pub queue_jobs: u64,
    /// Proofs handed in.
    pub samples: u64,
    /// The size of each.
    pub proof_bytes: usize,
    /// From the first byte sent to the answer: half take no longer.
    pub intake_ms_p50: f64,
    /// One in a hundred takes longer.
    pub intake_ms_p99: f64,
    /// The longest.
    pub intake_ms_max: f64,
    /// How long filling the queue took.
    pub fill_s: f64,
}

/// Why nothing was measured.
#[derive(Debug, Error)]
pub enum BenchError {
    /// The queue.
    #[error(transparent)]
    Queue(#[from] QueueError),
    /// The blobs.
    #[error(transparent)]
    Blobs(#[from] BlobError),
    /// The connection.
    #[error("the interface: {0}")]
    Connection(#[from] io::Error),
    /// A proof was not taken in.
    #[error("expected `201 Created`, got `{got}`")]
    Refused {
        /// The first line of the answer.
        got: String,
    },
}

/// Fills a queue in an empty folder, and times the intake.
///
/// # Errors
/// [`BenchError`].
pub async fn intake(folder: &Path, options: Options) -> Result<Report, BenchError> {
    let queue = Queue::open(&queue::sqlite_url(&folder.join("queue.sqlite")), queue::Options::default()).await?;
    let blobs = Blobs::local(folder, options.proof_bytes as u64)?;
    let started = Instant::now();
    queue.fill(i64::try_from(options.jobs).unwrap_or(i64::MAX)).await?;
    let fill_s = started.elapsed().as_secs_f64();
    queue.announce("bench", 1).await?;

    let (token, token_sha256) = intake::new_token();
    let account = Account::new("measured").map_err(QueueError::from)?;
    let client = Client { account, token_sha256, bytes_per_second: u64::MAX };
    let policy =
        Policy { jobs_max: u64::MAX, account_jobs_max: u64::MAX, deadline_max_ms: u64::MAX, ..Policy::default() };
    let intake_options = intake::Options { clients: vec![client], policy, ..intake::Options::default() };
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let stop = CancellationToken::new();
    let served = tokio::spawn(Intake::new(queue.clone(), blobs.clone(), intake_options).serve(listener, stop.clone()));
    let (_gas, gas_gwei) = watch::channel(None);
    let scheduler = Scheduler::new(queue.clone(), blobs, scheduler::Options::default(), gas_gwei);
    let scheduled = tokio::spawn(scheduler.run(stop.clone()));
    let mut socket = TcpStream::connect(address).await?;
    socket.set_nodelay(true)?;
    let mut took = Vec::new();
    let mut proof = vec![0; options.proof_bytes.max(8)];
    for sample in 0..options.samples {
        proof[..8].copy_from_slice(&sample.to_le_bytes());
        took.push(post(&mut socket, &token, &proof).await?);
    }
    stop.cancel();
    // They only stop: what was served is measured.
    let _ = tokio::join!(served, scheduled);
    queue.close().await;
    took.sort_unstable();
    let at = |share: usize| {
        let index = (took.len() * share).div_ceil(100).saturating_sub(1);
        took.get(index).map_or(0.0, |took| took.as_secs_f64() * 1000.0)
    };
    Ok(Report {
        queue_jobs: options.jobs,
        samples: options.samples,
        proof_bytes: proof.len(),
        intake_ms_p50: at(50),
        intake_ms_p99: at(99),
        intake_ms_max: at(100),
        fill_s,
    })
}

/// Hands a proof in; returns how long that took.
async fn post(socket: &mut TcpStream, token: &str, proof: &[u8]) -> Result<Duration, BenchError> {
    let head = format!(
        "POST /v1/jobs?program={UNIVERSAL}&deadline_ms={} HTTP/1.1\r\nhost: bench\r\nauthorization: Bearer {token}\r\n\
         content-length: {}\r\n\r\n",
        u64::MAX / 4,
        proof.len()
    );
    let started = Instant::now();
    socket.write_all(head.as_bytes()).await?;
    socket.write_all(proof).await?;
    let mut answer = Vec::new();
    let mut part = [0; 4096];
    // The answer is one small JSON object.
    while !answer.ends_with(b"}") {
        let read = socket.read(&mut part).await?;
        if read == 0 {
            break;
        }
        answer.extend_from_slice(&part[..read]);
    }
    let took = started.elapsed();
    if answer.starts_with(b"HTTP/1.1 201") {
        return Ok(took);
    }
    Err(BenchError::Refused { got: String::from_utf8_lossy(&answer).into_owned() })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn a_few_jobs_can_be_measured() {
        let folder = tempfile::tempdir().unwrap();
        let options = Options { jobs: 250, samples: 5, proof_bytes: 1000 };
        let report = intake(folder.path(), options).await.unwrap();
        assert!(report.intake_ms_p50 > 0.0 && report.intake_ms_p50 <= report.intake_ms_p99, "{report:?}");
        let queue =
            Queue::open(&queue::sqlite_url(&folder.path().join("queue.sqlite")), queue::Options::default()).await;
        assert_eq!(queue.unwrap().totals().await.unwrap().jobs_queued, 255);
    }
}
