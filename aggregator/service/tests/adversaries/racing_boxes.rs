//! Boxes that race on one PostgreSQL: each task is one box's, each proof is in one place.

use crate::kit::{Kit, Place, Words, job, options, postgres::Server};
use bytes::Bytes;
use sinter_service::{
    Blobs,
    queue::{self, BatchState, ManualClock},
    scheduler::{self, Scheduler},
    worker::{self, Worker},
};
use std::{
    collections::BTreeSet,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

const JOBS: usize = 64;

#[tokio::test(flavor = "multi_thread")]
async fn boxes_that_race_do_each_task_once() {
    let Some(server) = Server::start() else { return };
    let url = server.database("racing");
    let real = queue::Options { clock: None, lease_ms: 60_000, ..options(&ManualClock::default()) };
    let kit = Kit::with(Place::Postgres(url), real.clone()).await;
    let stop = CancellationToken::new();
    let mut boxes = Vec::new();
    let folder = tempfile::tempdir().unwrap();
    let blobs = Blobs::local(folder.path(), 1 << 20).unwrap();
    let words = Arc::new(Words::default());
    for name in ["first", "second", "third"] {
        let queue = kit.place.open(&real).await;
        // Polling alone would take an hour: what wakes them is the database.
        let slots = queue::Lane::ALL.map(|lane| (lane, 3)).into();
        let options = worker::Options { name: name.into(), slots, poll: Duration::from_secs(3600) };
        let worker = Worker::new(queue.clone(), blobs.clone(), words.clone(), options);
        boxes.push(tokio::spawn(worker.run(stop.clone())));
        let (_, gas) = watch::channel(None);
        let often = scheduler::Options { interval: Duration::from_millis(20), ..scheduler::Options::default() };
        boxes.push(tokio::spawn(Scheduler::new(queue, blobs.clone(), often, gas).run(stop.clone())));
    }
    // Handed in from all sides, each proof twice.
    let mut submitted = Vec::new();
    for number in 0..2 * JOBS {
        let (queue, blobs) = (kit.queue.clone(), blobs.clone());
        submitted.push(tokio::spawn(async move {
            let blob = blobs.put(Bytes::from(format!("p{:03}", number % JOBS))).await.unwrap();
            queue.submit(&job(["a", "b"][number % 2], blob), |_| Ok(())).await.unwrap().job
        }));
    }
    let mut jobs = BTreeSet::new();
    for submitted in submitted {
        jobs.insert(submitted.await.unwrap());
    }
    assert_eq!(jobs.len(), JOBS);
    let deadline = Instant::now() + Duration::from_secs(120);
    while kit.queue.batches(BatchState::Sealed, 1000).await.unwrap().len() < JOBS / 4 {
        let totals = kit.queue.totals().await.unwrap();
        assert!(Instant::now() < deadline, "{totals:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    stop.cancel();
    for one in boxes {
        one.await.unwrap();
    }
    for kind in ["verify", "wrap"] {
        assert_eq!(kit.words.calls(kind) + words.calls(kind), JOBS, "{kind}");
    }
    assert_eq!((words.calls("fold"), words.calls("seal")), (JOBS / 4 * 3, JOBS / 4));
    let mut seen = BTreeSet::new();
    for batch in kit.queue.batches(BatchState::Sealed, 1000).await.unwrap() {
        let places = kit.queue.places(batch.batch).await.unwrap();
        assert_eq!(places.len(), 4);
        for (_, _, _, statement) in places {
            assert!(seen.insert(statement), "twice");
        }
    }
    assert_eq!(seen.len(), JOBS);
}
