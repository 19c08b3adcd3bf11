//! An account that floods the queue with junk: the others do not wait for it.

use crate::kit::{Kit, PROGRAM, Place, account, options};
use sinter_service::queue::{self, BatchState, JobState, Lane, ManualClock};
use tokio_util::sync::CancellationToken;

#[tokio::test(flavor = "multi_thread")]
async fn junk_of_one_account_does_not_keep_others_waiting() {
    let kit = Kit::new(Place::sqlite()).await;
    for number in 0..500 {
        kit.submit("junk", &format!("junk {number}")).await;
    }
    let mut good = Vec::new();
    for number in 0..4 {
        good.push(kit.submit("good", &format!("g{number}")).await.job);
    }
    let (worker, stop) = (kit.worker("kit"), CancellationToken::new());
    // Provers have a lane of their own; to verify, accounts take turns.
    for _ in 0..8 {
        assert!(worker.step(Lane::Verify, &stop).await.unwrap());
    }
    for job in &good {
        assert_eq!(kit.state("good", *job).await, JobState::Verified);
    }
    assert_eq!(kit.words.calls("verify junk"), 4);
    while worker.step(Lane::Prove, &stop).await.unwrap() {}
    for job in &good {
        assert_eq!(kit.state("good", *job).await, JobState::Placed);
    }
    // And nothing more is taken from who sent it.
    let load = kit.queue.load(&account("junk"), &PROGRAM).await.unwrap();
    assert!(load.paused_ms > 10_000, "{load:?}");
    assert_eq!(kit.queue.load(&account("good"), &PROGRAM).await.unwrap().paused_ms, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proof_that_breaks_the_prover_does_not_stop_a_batch() {
    let kit = Kit::new(Place::sqlite()).await;
    let bad = [kit.submit("bad", "flaw").await.job, kit.submit("bad", "panic").await.job];
    for proof in ["one", "two", "three", "four"] {
        kit.submit("good", proof).await;
    }
    kit.work().await;
    // Its retries are still to come, and the batch is sealed.
    assert_eq!(kit.roots(BatchState::Sealed).await, ["((one two) (three four))"]);
    kit.work_it_out().await;
    for job in bad {
        assert_eq!(kit.state("bad", job).await, JobState::Quarantined);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_those_under_the_node_that_failed_are_blamed() {
    let clock = ManualClock::at(1_000_000);
    let retries = queue::Retries { strikes_max: 1, ..options(&clock).retries };
    let kit = Kit::with(Place::sqlite(), queue::Options { retries, ..options(&clock) }).await;
    let mut jobs = Vec::new();
    for proof in ["one", "two", "hard", "four"] {
        jobs.push(kit.submit("a", proof).await.job);
    }
    kit.work_it_out().await;
    kit.close().await;
    kit.work_it_out().await;
    let mut states = Vec::new();
    for job in jobs {
        states.push(kit.state("a", job).await);
    }
    use JobState::{Placed, Quarantined};
    assert_eq!(states, [Placed, Placed, Quarantined, Quarantined]);
    assert_eq!(kit.roots(BatchState::Sealed).await, ["(one two)"]);
}

/// A row that nothing here writes, as a hand or a fault may leave it: it is not the first of its lane for ever.
#[tokio::test(flavor = "multi_thread")]
async fn a_task_that_makes_no_sense_stops_nobody() {
    let kit = Kit::new(Place::sqlite()).await;
    let bad = kit.submit("a", "bad").await.job;
    kit.submit("a", "good").await;
    let pool = sqlx::AnyPool::connect(&kit.place.url()).await.unwrap();
    sqlx::query("UPDATE jobs SET proof = 'nonsense' WHERE id = $1").bind(bad.0).execute(&pool).await.unwrap();
    pool.close().await;
    kit.work_it_out().await;
    assert_eq!(kit.words.calls("wrap good"), 1);
    assert_eq!(kit.queue.totals().await.unwrap().jobs_queued, 0);
}
