//! An account that floods the queue with junk: the others do not wait for it.

use crate::kit::{Kit, PROGRAM, Place, account};
use sinter_service::queue::{JobState, Lane};
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
    assert_eq!(kit.roots(sinter_service::queue::BatchState::Sealed).await, ["((one two) (three four))"]);
    kit.work_it_out().await;
    for job in bad {
        assert_eq!(kit.state("bad", job).await, JobState::Quarantined);
    }
}
