//! Everything at once on one PostgreSQL: boxes race, workers vanish, accounts change their minds, batches close at odd times.

use crate::kit::{Words, account, job, options, postgres::Server};
use bytes::Bytes;
use sinter_service::{
    BatchPolicy, Blobs, Queue,
    queue::{self, BatchState, JobState, Lane, ManualClock},
    scheduler::{self, Scheduler},
    worker::{self, Worker},
};
use std::{
    collections::BTreeSet,
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};
use tokio::sync::watch;
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};

const JOBS: usize = 60;
const BOXES: usize = 3;

#[tokio::test(flavor = "multi_thread")]
async fn whatever_happens_at_once_every_job_ends_in_one_place() {
    let Some(server) = Server::start() else { return };
    let url = server.database("chaos");
    // Deaths are many here, and nobody's fault.
    let retries = queue::Retries { deaths_max: 1000, backoff_ms: 1, ..options(&ManualClock::default()).retries };
    let real = queue::Options { clock: None, lease_ms: 200, retries, ..options(&ManualClock::default()) };
    let folder = tempfile::tempdir().unwrap();
    let blobs = Blobs::local(folder.path(), 1 << 20).unwrap();
    let words = Arc::new(Words::default());
    words.delay_ms.store(5, Ordering::SeqCst);
    let stop = CancellationToken::new();
    let mut queues = Vec::new();
    for _ in 0..BOXES {
        queues.push(Queue::open(&url, real.clone()).await.unwrap());
    }
    let work = |at: usize| {
        let slots = Lane::ALL.map(|lane| (lane, 2)).into();
        let options = worker::Options { name: format!("box-{at}"), slots, poll: Duration::from_millis(20) };
        let worker = Worker::new(queues[at].clone(), blobs.clone(), words.clone(), options);
        AbortOnDropHandle::new(tokio::spawn(worker.run(stop.clone())))
    };
    let mut boxes: Vec<_> = (0..BOXES).map(work).collect();
    let mut schedulers = Vec::new();
    for queue in &queues {
        let (_, gas) = watch::channel(None);
        let batches = BatchPolicy { age_max_ms: 50, ..BatchPolicy::default() };
        let options =
            scheduler::Options { batches, interval: Duration::from_millis(15), ..scheduler::Options::default() };
        schedulers.push(tokio::spawn(Scheduler::new(queue.clone(), blobs.clone(), options, gas).run(stop.clone())));
    }
    let (mut jobs, mut cancelled) = (Vec::new(), 0);
    for number in 0..JOBS {
        let queue = &queues[number % BOXES];
        let blob = blobs.put(Bytes::from(format!("p{number:02}"))).await.unwrap();
        jobs.push(queue.submit(&job("a", blob), |_| Ok(())).await.unwrap().job);
        if number % 7 == 3 {
            // Too late is an answer as well.
            let _ = queue.cancel(&account("a"), jobs[number - 1]).await;
        }
        if number % 5 == 0 {
            // A box vanishes with whatever it does, and another takes its name.
            boxes[number % BOXES] = work(number % BOXES);
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let queue = &queues[0];
    let deadline = Instant::now() + Duration::from_secs(120);
    loop {
        let totals = queue.totals().await.unwrap();
        let open = queue.batches(BatchState::Open, 9).await.unwrap();
        if totals.jobs_queued == 0 && totals.tasks == 0 && open.iter().all(|open| open.count == 0) {
            break;
        }
        assert!(Instant::now() < deadline, "{totals:?} {open:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    stop.cancel();
    for scheduler in schedulers {
        scheduler.await.unwrap();
    }
    let mut placed = BTreeSet::new();
    for (number, id) in jobs.iter().enumerate() {
        let status = queue.job(&account("a"), *id).await.unwrap();
        match status.state {
            JobState::Cancelled => cancelled += 1,
            JobState::Placed => {
                assert_eq!(status.batch.unwrap().state, BatchState::Sealed);
                placed.insert(format!("p{number:02}").into_bytes());
            }
            other => panic!("{number} is {other:?}: {:?}", status.reason),
        }
    }
    assert!(placed.len() + cancelled == JOBS && cancelled > 0, "{cancelled}");
    let mut seen = BTreeSet::new();
    for batch in queue.batches(BatchState::Sealed, 1000).await.unwrap() {
        let statements = queue.statements(batch.batch).await.unwrap();
        assert_eq!(statements.len() as i64, batch.count);
        let root = String::from_utf8(blobs.get(&batch.root.unwrap()).await.unwrap().to_vec()).unwrap();
        let words = root.split(['(', ')', ' ']).filter(|word| !word.is_empty() && *word != "-");
        assert!(words.eq(statements.iter().map(|statement| str::from_utf8(statement).unwrap())), "{root}");
        for statement in statements {
            assert!(seen.insert(statement), "twice");
        }
    }
    assert_eq!(seen, placed);
}
