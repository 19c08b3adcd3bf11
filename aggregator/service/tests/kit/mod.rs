//! A service without proofs in it: nodes that are their own description, and queues that are empty.

pub mod line;
pub mod postgres;
pub mod words;

pub use words::Words;

use bytes::Bytes;
use sinter_service::{
    Account, Blobs, Hash, JobId, Queue,
    queue::{self, BatchState, Claim, JobState, Lane, ManualClock, NewJob, Options, Submitted},
    worker::{self, Worker},
};
use std::{sync::Arc, time::Duration};
use tokio_util::sync::CancellationToken;

/// The program of all proofs here: it needs no file.
pub const PROGRAM: Hash = sinter_service::provers::UNIVERSAL;

/// Where a queue is.
pub enum Place {
    Sqlite(tempfile::TempDir),
    Postgres(String),
}

impl Place {
    pub fn sqlite() -> Self {
        Self::Sqlite(tempfile::tempdir().unwrap())
    }

    pub fn url(&self) -> String {
        match self {
            Self::Sqlite(folder) => queue::sqlite_url(&folder.path().join("queue.sqlite")),
            Self::Postgres(url) => url.clone(),
        }
    }

    /// Another connection to the same queue, as another box has it.
    pub async fn open(&self, options: &Options) -> Queue {
        Queue::open(&self.url(), options.clone()).await.unwrap()
    }
}

/// A queue, its blobs, and a clock that is set by hand.
pub struct Kit {
    pub place: Place,
    pub queue: Queue,
    pub blobs: Blobs,
    pub clock: ManualClock,
    pub words: Arc<Words>,
}

/// Options with short waits and small batches, and a clock by hand.
pub fn options(clock: &ManualClock) -> Options {
    let retries = queue::Retries { backoff_ms: 10, backoff_ms_max: 1000, ..queue::Retries::default() };
    Options { lease_ms: 1000, places_max: 4, retries, clock: Some(clock.clone()), ..Options::default() }
}

impl Kit {
    pub async fn new(place: Place) -> Self {
        let clock = ManualClock::at(1_000_000);
        Self::with(place, options(&clock)).await
    }

    pub async fn with(place: Place, options: Options) -> Self {
        let clock = options.clock.clone().unwrap_or_default();
        let queue = place.open(&options).await;
        Self { place, queue, blobs: Blobs::memory(1 << 20), clock, words: Arc::new(Words::default()) }
    }

    pub fn worker(&self, name: &str) -> Worker<Words> {
        let options = worker::Options { poll: Duration::from_millis(20), ..worker::Options::new(name) };
        Worker::new(self.queue.clone(), self.blobs.clone(), self.words.clone(), options)
    }

    pub async fn submit(&self, account: &str, proof: &str) -> Submitted {
        self.submit_at(account, proof, 0).await
    }

    pub async fn submit_at(&self, account: &str, proof: &str, priority: i64) -> Submitted {
        let bytes = Bytes::from(proof.to_owned());
        let job = NewJob { priority, ..job(account, self.blobs.put(bytes).await.unwrap()) };
        self.queue.submit(&job, |_| Ok(())).await.unwrap()
    }

    /// Does everything that can be done now, one task after another.
    pub async fn work(&self) {
        let worker = self.worker("kit");
        let stop = CancellationToken::new();
        loop {
            let mut worked = false;
            for lane in Lane::ALL {
                worked |= worker.step(lane, &stop).await.unwrap();
            }
            if !worked {
                return;
            }
        }
    }

    /// The same, with the waits after failures passed over.
    pub async fn work_it_out(&self) {
        for _ in 0..20 {
            self.work().await;
            self.clock.advance(1001);
            self.queue.expire().await.unwrap();
        }
    }

    pub async fn claim(&self, lane: Lane) -> Claim {
        self.queue.claim(lane, "kit").await.unwrap().expect("a task")
    }

    pub async fn state(&self, account: &str, job: JobId) -> JobState {
        self.queue.job(&self::account(account), job).await.unwrap().state
    }

    /// Closes the open batch, if there is something in it.
    pub async fn close(&self) {
        for open in self.queue.batches(BatchState::Open, 2).await.unwrap() {
            if open.count > 0 {
                self.queue.close_batch(open.batch, "asked").await.unwrap();
            }
        }
    }

    /// The roots of all batches in a state, as words.
    pub async fn roots(&self, state: BatchState) -> Vec<String> {
        let mut roots = Vec::new();
        for batch in self.queue.batches(state, 1000).await.unwrap() {
            let root = self.blobs.get(&batch.root.expect("a root")).await.unwrap();
            roots.push(String::from_utf8(root.to_vec()).unwrap());
        }
        roots
    }
}

pub fn account(name: &str) -> Account {
    Account::new(name).unwrap()
}

pub fn job(name: &str, proof: Hash) -> NewJob {
    let (program, account) = (PROGRAM, account(name));
    NewJob { account, program, proof, bytes: 1, deadline_ms: 1_000_000_000, priority: 0, price_gwei: 1 }
}
