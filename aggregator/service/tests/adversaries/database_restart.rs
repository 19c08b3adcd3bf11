//! The database is killed under load and comes back: workers and callers wait for it, and nothing is lost.

use crate::kit::{Words, job, options, postgres::Server};
use bytes::Bytes;
use sinter_service::{
    Blobs, Queue,
    queue::{self, BatchState, ManualClock},
    scheduler::{self, Scheduler},
    worker::{self, Worker},
};
use std::{
    collections::BTreeSet,
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

const JOBS: usize = 24;

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_killed_and_comes_back_loses_nothing() {
    let Some(mut server) = Server::start() else { return };
    let url = server.database("restarted");
    let retries = queue::Retries { deaths_max: 1000, ..options(&ManualClock::default()).retries };
    let options = queue::Options { clock: None, lease_ms: 2000, retries, ..options(&ManualClock::default()) };
    let queue = Queue::open(&url, options).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let blobs = Blobs::local(folder.path(), 1 << 20).unwrap();
    let words = Arc::new(Words::default());
    words.delay_ms.store(20, Ordering::SeqCst);
    let stop = CancellationToken::new();
    let worker_options = worker::Options { poll: Duration::from_millis(100), ..worker::Options::new("box") };
    let worker = Worker::new(queue.clone(), blobs.clone(), words, worker_options);
    let worker = tokio::spawn(worker.run(stop.clone()));
    let (_, gas) = watch::channel(None);
    let often = scheduler::Options { interval: Duration::from_millis(100), ..scheduler::Options::default() };
    let scheduler = tokio::spawn(Scheduler::new(queue.clone(), blobs.clone(), often, gas).run(stop.clone()));

    let (submitter, submitted) = (queue.clone(), blobs.clone());
    let callers = tokio::spawn(async move {
        for number in 0..JOBS {
            let blob = submitted.put(Bytes::from(format!("p{number:02}"))).await.unwrap();
            // Whoever gets no answer asks again, and it is the same job.
            while let Err(error) = submitter.submit(&job("a", blob), |_| Ok(())).await {
                assert!(error.is_unavailable(), "{error}");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            tokio::time::sleep(Duration::from_millis(60)).await;
        }
    });
    for _ in 0..3 {
        tokio::time::sleep(Duration::from_millis(400)).await;
        server.kill();
        tokio::time::sleep(Duration::from_millis(300)).await;
        server.run();
    }
    callers.await.unwrap();
    let deadline = Instant::now() + Duration::from_secs(120);
    let sealed = loop {
        let sealed = queue.batches(BatchState::Sealed, 1000).await.unwrap();
        if sealed.len() == JOBS / 4 {
            break sealed;
        }
        assert!(Instant::now() < deadline, "{:?}", queue.totals().await.unwrap());
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    stop.cancel();
    worker.await.unwrap();
    scheduler.await.unwrap();
    let mut seen = BTreeSet::new();
    for batch in sealed {
        for (_, _, _, statement) in queue.places(batch.batch).await.unwrap() {
            assert!(seen.insert(statement), "twice");
        }
    }
    assert_eq!(seen.len(), JOBS);
    queue.close().await;
}
