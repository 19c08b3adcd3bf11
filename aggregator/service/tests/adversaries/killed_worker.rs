//! Workers that are killed: at every step of a task, by dropping what they do; and as processes, by SIGKILL.

use crate::kit::{Kit, Place, Words, options};
use bytes::Bytes;
use sinter_service::{
    Blobs, Queue,
    queue::{self, BatchState, Lane, ManualClock},
    worker::{self, Worker},
};
use std::{
    future::Future,
    path::Path,
    pin::Pin,
    process::{Command, Stdio},
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, Instant},
};
use tokio_util::sync::CancellationToken;

/// A future that is dropped when it was polled so often: a worker that stops there, wherever that is.
struct Mortal<F> {
    life: Pin<Box<F>>,
    polls: u32,
}

impl<F: Future> Future for Mortal<F> {
    type Output = Option<F::Output>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if self.polls == 0 {
            return Poll::Ready(None);
        }
        self.polls -= 1;
        self.life.as_mut().poll(context).map(Some)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_dies_at_any_step_loses_nothing() {
    let clock = ManualClock::at(1_000_000);
    // As often as it is killed here is nobody's fault.
    let retries = queue::Retries { deaths_max: 1000, ..options(&clock).retries };
    let kit = Kit::with(Place::sqlite(), queue::Options { retries, ..options(&clock) }).await;
    for proof in ["one", "two", "three", "four"] {
        kit.submit("a", proof).await;
    }
    let stop = CancellationToken::new();
    // Each life is longer by one poll than the last, until one is long enough for every task.
    for polls in 1..400 {
        for lane in Lane::ALL {
            let worker = kit.worker("mortal");
            let life = Box::pin(worker.step(lane, &stop));
            let _ = Mortal { life, polls }.await;
            kit.clock.advance(2001);
            kit.queue.expire().await.unwrap();
        }
        if !kit.roots(BatchState::Sealed).await.is_empty() {
            break;
        }
    }
    assert_eq!(kit.roots(BatchState::Sealed).await, ["((one two) (three four))"]);
    let sealed = kit.queue.next_to_settle().await.unwrap().unwrap();
    assert_eq!(sealed.statements.len(), 4);
    assert_eq!(kit.queue.totals().await.unwrap().tasks, 0);
}

const FOLDER: &str = "SINTER_SERVICE_KILLED_WORKER";

fn real_options() -> queue::Options {
    // Leases end soon, and no number of deaths is held against a task.
    let retries = queue::Retries { deaths_max: 1000, backoff_ms: 1, ..queue::Retries::default() };
    queue::Options { lease_ms: 300, places_max: 4, retries, ..queue::Options::default() }
}

async fn open(folder: &Path) -> (Queue, Blobs) {
    let queue = Queue::open(&queue::sqlite_url(&folder.join("queue.sqlite")), real_options()).await.unwrap();
    (queue, Blobs::local(folder, 1 << 20).unwrap())
}

/// The process that the next test kills. By itself it does nothing.
#[test]
fn worker_process() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let (queue, blobs) = open(folder.as_ref()).await;
        let words = Arc::new(Words::default());
        words.delay_ms.store(15, std::sync::atomic::Ordering::SeqCst);
        let options = worker::Options { poll: Duration::from_millis(10), ..worker::Options::new("process") };
        Worker::new(queue, blobs, words, options).run(CancellationToken::new()).await;
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_is_killed_again_and_again_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (queue, blobs) = open(folder.path()).await;
    let mut expected = Vec::new();
    for number in 0..12 {
        let word = format!("p{number:02}");
        let blob = blobs.put(Bytes::from(word.clone())).await.unwrap();
        queue.submit(&crate::kit::job("a", blob), |_| Ok(())).await.unwrap();
        expected.push(word);
    }
    let deadline = Instant::now() + Duration::from_secs(120);
    let mut kills = 0;
    while queue.batches(BatchState::Sealed, 9).await.unwrap().len() < 3 {
        assert!(Instant::now() < deadline, "{:?}", queue.totals().await.unwrap());
        let mut process = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "adversaries::killed_worker::worker_process", "--nocapture"])
            .env(FOLDER, folder.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // A little longer each time, from before it opens the queue to after some tasks.
        tokio::time::sleep(Duration::from_millis(60 + 20 * (kills % 20))).await;
        process.kill().unwrap();
        process.wait().unwrap();
        kills += 1;
        queue.expire().await.unwrap();
    }
    assert!(kills > 2, "{kills} kills prove nothing");
    let mut words = Vec::new();
    for batch in queue.batches(BatchState::Sealed, 9).await.unwrap() {
        let root = String::from_utf8(blobs.get(&batch.root.unwrap()).await.unwrap().to_vec()).unwrap();
        words.extend(root.split(['(', ')', ' ']).filter(|word| !word.is_empty()).map(str::to_owned));
    }
    words.sort();
    assert_eq!(words, expected);
}
