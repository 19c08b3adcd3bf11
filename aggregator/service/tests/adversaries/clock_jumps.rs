//! A clock that jumps: work is late or done twice, and neither lost nor counted twice.

use crate::kit::{Kit, Place, job, options};
use bytes::Bytes;
use sinter_service::{
    JobId, Queue, QueueError,
    queue::{self, BatchState, Done, JobState, Lane, ManualClock},
};

const DAY_MS: i64 = 86_400_000;

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_jumps_ahead_ends_leases_and_nothing_else() {
    let kit = Kit::new(Place::sqlite()).await;
    kit.submit("a", "one").await;
    let before = kit.claim(Lane::Verify).await;
    kit.clock.advance(DAY_MS);
    kit.queue.expire().await.unwrap();
    kit.clock.advance(1000);
    let after = kit.claim(Lane::Verify).await;
    let done = Done::Verified { statement: b"one".to_vec() };
    assert!(matches!(kit.queue.complete(&before.lease, &done, 1).await, Err(QueueError::Fenced { .. })));
    kit.queue.complete(&after.lease, &done, 1).await.unwrap();
    assert_eq!(kit.state("a", JobId(1)).await, JobState::Verified);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_jumps_back_delays_and_nothing_else() {
    let kit = Kit::new(Place::sqlite()).await;
    kit.submit("a", "one").await;
    let held = kit.claim(Lane::Verify).await;
    kit.clock.advance(-DAY_MS);
    // The lease now lasts a day too long, which its worker's own result ends.
    assert_eq!(kit.queue.expire().await.unwrap(), queue::Expired::default());
    kit.queue.complete(&held.lease, &Done::Verified { statement: b"one".to_vec() }, 1).await.unwrap();
    for proof in ["two", "three", "four"] {
        kit.submit("a", proof).await;
        kit.clock.advance(-DAY_MS);
    }
    kit.clock.set(1_000_000);
    kit.work_it_out().await;
    assert_eq!(kit.roots(BatchState::Sealed).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_was_set_back_while_nobody_watched_goes_on_from_the_highest_time() {
    let place = Place::sqlite();
    let ahead_ms = i64::MAX / 4;
    let manual = ManualClock::at(ahead_ms);
    let queue = place.open(&options(&manual)).await;
    queue.expire().await.unwrap();
    queue.close().await;
    // Now with the system's clock, which is behind by ages.
    let real = queue::Options { clock: None, ..options(&manual) };
    let queue: Queue = place.open(&real).await;
    assert!(queue.now_ms().await.unwrap() >= ahead_ms);
    let blobs = sinter_service::Blobs::memory(100);
    let blob = blobs.put(Bytes::from_static(b"one")).await.unwrap();
    queue.submit(&job("a", blob), |_| Ok(())).await.unwrap();
    assert!(queue.claim(Lane::Verify, "kit").await.unwrap().is_some());
}
