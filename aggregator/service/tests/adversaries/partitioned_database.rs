//! The network to PostgreSQL is cut, and nobody says so: whoever asks is told in time, the other boxes go on, and when it is
//! whole again everything does.

use crate::{
    intake::GOOD,
    kit::{Kit, PROGRAM, Place, Words, job, line::Line, options, postgres::Server},
};
use reqwest::{Client, Method};
use serde_json::Value;
use sinter_service::{
    Blobs, Hash, Queue, QueueError, Service,
    intake::Options,
    queue::{self, BatchState, JobState, Lane, ManualClock},
    scheduler, worker,
};
use std::{
    cell::Cell,
    collections::BTreeSet,
    path::Path,
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};
use tokio::{net::TcpListener, sync::watch, task::JoinHandle};
use tokio_util::sync::CancellationToken;

const ANSWER_MS: u64 = 1000;
/// What a busy machine may add to any bound.
const SLACK: Duration = Duration::from_secs(5);
const PATIENCE: Duration = Duration::from_secs(90);

fn real_options() -> queue::Options {
    queue::Options { clock: None, lease_ms: 3000, answer_ms: ANSWER_MS, ..options(&ManualClock::default()) }
}

fn url_over(line: &Line, database: &str) -> String {
    format!("postgres://postgres@{}/{database}", line.address())
}

/// A whole box.
struct Site {
    url: String,
    words: Arc<Words>,
    stop: CancellationToken,
    running: JoinHandle<()>,
}

impl Site {
    async fn new(name: &str, queue: &str, blobs: &Path) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (words, stop) = (Arc::new(Words::default()), CancellationToken::new());
        words.delay_ms.store(40, Ordering::SeqCst);
        let service = Service {
            queue: Queue::open(queue, real_options()).await.unwrap(),
            blobs: Blobs::local(blobs, 1 << 20).unwrap(),
            prove: words.clone(),
            worker: worker::Options { poll: Duration::from_millis(50), ..worker::Options::new(name) },
            scheduler: scheduler::Options { interval: Duration::from_millis(100), ..scheduler::Options::default() },
            intake: Options { head_timeout: PATIENCE, body_timeout: PATIENCE, ..crate::intake::options() },
            gas_gwei: watch::channel(None).1,
            settle: None,
        };
        let running = tokio::spawn(service.run(listener, stop.clone()));
        Self { url, words, stop, running }
    }

    async fn ask(&self, method: Method, path: &str, body: &str) -> (u16, Value) {
        let request = Client::new().request(method, format!("{}{path}", self.url)).bearer_auth("a");
        let answer = request.body(body.to_owned()).send().await.unwrap();
        let status = answer.status().as_u16();
        (status, serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap_or_default())
    }

    async fn hand_in(&self, proof: &str) -> (u16, Value) {
        self.ask(Method::POST, &format!("/v1/jobs?program={PROGRAM}{GOOD}"), proof).await
    }

    async fn end(self) {
        self.stop.cancel();
        self.running.await.unwrap();
    }
}

async fn until(what: &str, mut done: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !done().await {
        assert!(Instant::now() < deadline, "{what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn sealed(queue: &Queue) -> usize {
    queue.batches(BatchState::Sealed, 1000).await.unwrap().len()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_box_that_is_cut_off_says_so_and_the_other_does_its_work() {
    let Some(server) = Server::start() else { return };
    let direct = server.database("partitioned");
    let line = Line::to(server.socket()).await;
    let blobs = tempfile::tempdir().unwrap();
    let cut = Site::new("cut", &url_over(&line, "partitioned"), blobs.path()).await;
    let whole = Site::new("whole", &direct, blobs.path()).await;
    let queue = Queue::open(&direct, real_options()).await.unwrap();
    until("provers", async || cut.ask(Method::GET, "/health", "").await.0 == 200).await;

    let mut expected = BTreeSet::new();
    for number in 0..12 {
        for (site, name) in [(&cut, "c"), (&whole, "w")] {
            let proof = format!("{name}{number:02}");
            assert_eq!(site.hand_in(&proof).await.0, 201);
            expected.insert(proof);
        }
    }
    until("work", async || cut.words.calls("wrap") > 0 && sealed(&queue).await > 0).await;
    line.cut();

    let asked = Instant::now();
    let status = async |path: &str| cut.ask(Method::GET, path, "").await;
    let answers =
        tokio::join!(cut.hand_in("late"), status("/v1/jobs/1"), status("/v1/batches?state=open"), status("/health"));
    let within = Duration::from_millis(ANSWER_MS) + SLACK;
    assert!(asked.elapsed() < within, "{:?}", asked.elapsed());
    for (status, problem) in [answers.0, answers.1, answers.2, answers.3] {
        assert_eq!((status, &problem["code"]), (503, &"storage_unavailable".into()), "{problem}");
    }

    // Its leases end, and the other does all that there is and all that comes.
    for number in 0..4 {
        let proof = format!("x{number:02}");
        assert_eq!(whole.hand_in(&proof).await.0, 201);
        expected.insert(proof);
    }
    until("the other box", async || sealed(&queue).await == 7).await;
    assert_eq!(cut.hand_in("late").await.0, 503);

    // Alone, and with what it believed to be at when it was cut off.
    whole.end().await;
    line.heal();
    until("the box that was cut off", async || cut.ask(Method::GET, "/health", "").await.0 == 200).await;
    let calls = cut.words.calls("wrap");
    for proof in ["late", "y01", "y02", "y03"] {
        until("intake", async || [200, 201].contains(&cut.hand_in(proof).await.0)).await;
        expected.insert(proof.to_owned());
    }
    until("the last batch", async || sealed(&queue).await == 8).await;
    assert!(cut.words.calls("wrap") >= calls + 4);

    let mut seen = BTreeSet::new();
    for batch in queue.batches(BatchState::Sealed, 1000).await.unwrap() {
        for (_, _, _, statement) in queue.places(batch.batch).await.unwrap() {
            assert!(seen.insert(String::from_utf8(statement).unwrap()), "twice");
        }
    }
    assert_eq!(seen, expected);
    cut.end().await;
    queue.close().await;
}

/// The network is cut in the middle of a transaction that has locks.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_waits_for_the_locks_of_a_box_that_is_cut_off() {
    let Some(server) = Server::start() else { return };
    let direct = server.database("locked");
    let line = Line::to(server.socket()).await;
    let cut = Queue::open(&url_over(&line, "locked"), real_options()).await.unwrap();
    let queue = Queue::open(&direct, real_options()).await.unwrap();
    let one = job("a", Hash::of(b"one"));
    let started = Instant::now();
    let (asked, once) = (line, Cell::new(true));
    let outcome = cut.submit(&one, |_| {
        // The account is locked now.
        if once.replace(false) {
            asked.cut();
        }
        Ok(())
    });
    let error = outcome.await.unwrap_err();
    assert!(matches!(error, QueueError::Silent { within_ms: ANSWER_MS }) && error.is_unavailable(), "{error}");
    assert!(started.elapsed() < Duration::from_millis(ANSWER_MS) + SLACK, "{:?}", started.elapsed());
    let mut refused = 0;
    while let Err(error) = queue.submit(&one, |_| Ok(())).await {
        assert!(error.is_unavailable(), "{error}");
        assert!(started.elapsed() < Duration::from_millis(ANSWER_MS) + 2 * SLACK, "{error}");
        refused += 1;
    }
    println!("the lock was waited for {refused} times");
    // What was under way arrives, and changes nothing.
    asked.heal();
    until("the box that was cut off", async || cut.submit(&one, |_| Ok(())).await.is_ok_and(|same| !same.new)).await;
    assert_eq!(queue.totals().await.unwrap().jobs_queued, 1);
    for queue in [cut, queue] {
        queue.close().await;
    }
}

/// Connections that are dead and look alive, while new ones are good: the pool and the listener notice.
#[tokio::test(flavor = "multi_thread")]
async fn connections_that_a_firewall_forgot_are_replaced() {
    let Some(server) = Server::start() else { return };
    let direct = server.database("forgotten");
    let line = Line::to(server.socket()).await;
    let deaf = Queue::open(&url_over(&line, "forgotten"), real_options()).await.unwrap();
    let queue = Queue::open(&direct, real_options()).await.unwrap();
    let mut number = 0u64;
    let mut is_heard = async || {
        let mut waiter = deaf.waiter();
        waiter.forget();
        number += 1;
        queue.submit(&job("a", Hash::of(&number.to_le_bytes())), |_| Ok(())).await.unwrap();
        let asked = Instant::now();
        waiter.wait(Duration::from_secs(1)).await;
        asked.elapsed() < Duration::from_millis(900)
    };
    until("notifications", &mut is_heard).await;
    let busy = (0..8).map(|_| deaf.totals());
    futures::future::try_join_all(busy).await.unwrap();

    line.forget();
    let asked = Instant::now();
    assert!(matches!(deaf.totals().await, Err(QueueError::Silent { .. })));
    // All of the others are dead as well, and none of them is asked.
    deaf.totals().await.unwrap();
    assert!(asked.elapsed() < Duration::from_millis(ANSWER_MS) + SLACK, "{:?}", asked.elapsed());
    until("notifications after that", &mut is_heard).await;
    for queue in [deaf, queue] {
        queue.close().await;
    }
}

/// A worker that could not prolong its lease does not wait to hear that it is over: nobody else has the task yet, and it is not
/// the worker's any more.
#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_is_cut_off_gives_its_lease_up_by_its_own_clock() {
    let Some(server) = Server::start() else { return };
    let direct = server.database("lease");
    let line = Line::to(server.socket()).await;
    let kit = Kit::with(Place::Postgres(url_over(&line, "lease")), real_options()).await;
    let queue = Queue::open(&direct, real_options()).await.unwrap();
    let job = kit.submit("a", "slow").await.job;
    let stop = CancellationToken::new();
    assert!(kit.worker("cut").step(Lane::Verify, &stop).await.unwrap());
    kit.words.delay_ms.store(10_000, Ordering::SeqCst);
    let (worker, stopped) = (kit.worker("cut"), stop.clone());
    let working = tokio::spawn(async move { worker.step(Lane::Prove, &stopped).await });
    until("the wrap", async || kit.words.calls("wrap") == 1).await;
    line.cut();
    tokio::time::sleep(Duration::from_millis(7000)).await;
    line.heal();
    assert!(working.await.unwrap().unwrap());
    let state = async || queue.job(&crate::kit::account("a"), job).await.unwrap().state;
    assert_eq!((state().await, queue.totals().await.unwrap().leases), (JobState::Verified, 1));

    assert_eq!(queue.expire().await.unwrap().leases, 1);
    kit.words.delay_ms.store(0, Ordering::SeqCst);
    let worker = kit.worker("again");
    until("the wrap again", async || worker.step(Lane::Prove, &stop).await.is_ok_and(|worked| worked)).await;
    assert_eq!((state().await, kit.words.calls("wrap")), (JobState::Placed, 2));
    queue.close().await;
}
