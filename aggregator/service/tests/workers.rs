//! A worker's lease: kept while it works, given back when it is stopped, and believed when it is gone.

use crate::kit::{Kit, Place, options};
use sinter_service::{
    JobId,
    queue::{self, JobState, Lane, ManualClock},
};
use std::{sync::atomic::Ordering, time::Duration};
use tokio_util::sync::CancellationToken;

/// A queue with leases of 200 ms on the real clock, and a proof that is verified and takes a second to wrap.
async fn slow() -> Kit {
    let real = queue::Options { clock: None, lease_ms: 200, ..options(&ManualClock::default()) };
    let kit = Kit::with(Place::sqlite(), real).await;
    kit.submit("a", "slow").await;
    assert!(kit.worker("kit").step(Lane::Verify, &CancellationToken::new()).await.unwrap());
    kit.words.delay_ms.store(1000, Ordering::SeqCst);
    kit
}

#[tokio::test(flavor = "multi_thread")]
async fn work_that_takes_longer_than_a_lease_is_done_once() {
    let kit = slow().await;
    let worker = kit.worker("slow");
    let working = tokio::spawn(async move { worker.step(Lane::Prove, &CancellationToken::new()).await });
    while !working.is_finished() {
        assert_eq!(kit.queue.expire().await.unwrap().leases, 0);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(working.await.unwrap().unwrap());
    assert_eq!(kit.words.calls("wrap"), 1);
    assert_eq!(kit.state("a", JobId(1)).await, JobState::Placed);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_is_stopped_gives_its_task_back_at_once() {
    let kit = slow().await;
    let (worker, stop) = (kit.worker("stopped"), CancellationToken::new());
    let stopped = stop.clone();
    let working = tokio::spawn(async move { worker.step(Lane::Prove, &stopped).await });
    while kit.words.calls("wrap") == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(kit.queue.claim(Lane::Prove, "other").await.unwrap().is_none());
    stop.cancel();
    working.await.unwrap().unwrap();
    assert!(kit.queue.claim(Lane::Prove, "other").await.unwrap().is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_whose_lease_was_ended_throws_its_result_away() {
    let kit = slow().await;
    let worker = kit.worker("late");
    let working = tokio::spawn(async move { worker.step(Lane::Prove, &CancellationToken::new()).await });
    while kit.words.calls("wrap") == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    // Its account changes its mind, which takes the task away.
    kit.queue.cancel(&crate::kit::account("a"), JobId(1)).await.unwrap();
    working.await.unwrap().unwrap();
    assert_eq!(kit.state("a", JobId(1)).await, JobState::Cancelled);
    assert_eq!(kit.queue.totals().await.unwrap().tasks, 0);
}
