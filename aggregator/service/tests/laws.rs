//! What holds of the queue, whatever engine it is on. One test a law with SQLite; with PostgreSQL one test for all of them,
//! since a server takes seconds to start.

use crate::kit::{Kit, PROGRAM, Place, account, job, postgres::Server};
use bytes::Bytes;
use sinter_service::{
    Hash, JobId, QueueError, Refusal,
    queue::{BatchState, Done, Expired, Failed, JobState, LEVELS, Lane, Level, ProgramState, ProgramsMax},
};
use tokio_util::sync::CancellationToken;

macro_rules! laws {
    ($($law:ident,)*) => {
        mod sqlite {
            use super::*;
            $(
                #[tokio::test(flavor = "multi_thread")]
                async fn $law() {
                    super::$law(Kit::new(Place::sqlite()).await).await;
                }
            )*
        }

        #[tokio::test(flavor = "multi_thread")]
        async fn every_law_holds_on_postgres() {
            let Some(server) = Server::start() else { return };
            $(
                println!("{}", stringify!($law));
                let kit = Kit::new(Place::Postgres(server.database(stringify!($law)))).await;
                let queue = kit.queue.clone();
                $law(kit).await;
                queue.close().await;
            )*
        }
    };
}

laws! {
    one_proof_is_one_job,
    four_jobs_become_one_batch_in_the_order_of_their_places,
    a_single_job_is_folded_with_the_null_statement,
    an_odd_batch_promotes_its_right_end,
    neighbours_are_folded_while_the_batch_is_open,
    trees_are_counted_by_level,
    the_fence_decides_and_not_the_time,
    a_heartbeat_keeps_a_lease,
    a_lease_that_is_given_back_costs_nothing,
    what_fails_is_tried_again_and_then_set_aside,
    what_kills_its_workers_is_set_aside,
    an_account_that_hands_in_junk_is_paused,
    accounts_take_turns,
    a_past_rush_is_not_held_against_an_account,
    priority_orders_wraps,
    a_job_can_be_taken_back_until_it_has_a_place,
    one_proof_of_two_accounts_has_one_place,
    a_batch_that_cannot_be_folded_is_dissolved,
    a_seal_that_is_given_up_can_be_tried_again,
    a_batch_is_settled_once,
    what_ended_is_forgotten_and_its_blobs_are_collected,
    a_blob_is_collected_only_if_nobody_comes_to_name_it,
    programs_are_registered_before_their_proofs_are_taken,
    quotas_are_counted_where_the_job_is_taken,
    a_set_aside_job_can_be_taken_up_again,
}

async fn one_proof_is_one_job(kit: Kit) {
    let first = kit.submit("a", "one").await;
    let second = kit.submit("a", "one").await;
    assert!(first.new && !second.new);
    assert_eq!(first.job, second.job);
    assert_ne!(kit.submit("b", "one").await.job, first.job);
    kit.queue.cancel(&account("a"), first.job).await.unwrap();
    assert_eq!(kit.submit("a", "one").await.job, first.job);
    assert_eq!(kit.state("a", first.job).await, JobState::Queued);
    assert_eq!(kit.queue.totals().await.unwrap().jobs_queued, 2);
}

async fn four_jobs_become_one_batch_in_the_order_of_their_places(kit: Kit) {
    for proof in ["one", "two", "three", "four"] {
        kit.submit("a", proof).await;
    }
    kit.work().await;
    assert_eq!(kit.roots(BatchState::Sealed).await, ["((one two) (three four))"]);
    let sealed = kit.queue.next_to_settle().await.unwrap().unwrap();
    let seal = kit.blobs.get(&sealed.seal.unwrap()).await.unwrap();
    assert_eq!(&seal[..], b"((one two) (three four)): one,two,three,four");
    assert_eq!(sealed.statements.len(), 4);
    let status = kit.queue.batch(sealed.batch).await.unwrap();
    assert_eq!((status.count, status.nodes_made, status.nodes_total), (4, 7, Some(7)));
    assert_eq!(status.closed_by.as_deref(), Some("count"));
    assert_eq!(status.deadline_ms, Some(1_001_000_000));
    let job = kit.queue.job(&account("a"), JobId(3)).await.unwrap();
    assert_eq!((job.position, job.batch.unwrap().state), (Some(2), BatchState::Sealed));
    assert_eq!(kit.queue.totals().await.unwrap().tasks, 0);
}

async fn a_single_job_is_folded_with_the_null_statement(kit: Kit) {
    kit.submit("a", "one").await;
    kit.work().await;
    kit.close().await;
    kit.work().await;
    assert_eq!(kit.roots(BatchState::Sealed).await, ["(one -)"]);
    let sealed = kit.queue.next_to_settle().await.unwrap().unwrap();
    assert_eq!(sealed.statements, [b"one"]);
}

async fn an_odd_batch_promotes_its_right_end(kit: Kit) {
    for proof in ["one", "two", "three"] {
        kit.submit("a", proof).await;
    }
    kit.work().await;
    kit.close().await;
    let closed = kit.queue.batches(BatchState::Closed, 9).await.unwrap();
    let again = kit.queue.close_batch(closed[0].batch, "asked").await;
    assert!(matches!(again, Err(QueueError::State { .. })));
    kit.work().await;
    assert_eq!(kit.roots(BatchState::Sealed).await, ["((one two) three)"]);
}

async fn neighbours_are_folded_while_the_batch_is_open(kit: Kit) {
    for proof in ["one", "two", "three"] {
        kit.submit("a", proof).await;
    }
    kit.work().await;
    assert_eq!((kit.words.calls("fold"), kit.words.calls("fold (one two)")), (1, 1));
    assert_eq!(kit.queue.batches(BatchState::Open, 9).await.unwrap()[0].nodes_made, 4);
}

async fn trees_are_counted_by_level(kit: Kit) {
    let nodes = async |level: usize| {
        let Level { made, proving, ready, later } = kit.queue.levels().await.unwrap()[level];
        [made, proving, ready, later]
    };
    for proof in ["one", "two", "three"] {
        kit.submit("a", proof).await;
    }
    kit.work().await;
    // Of a batch that is open nobody knows how high it grows.
    assert_eq!((nodes(0).await, nodes(1).await, nodes(2).await), ([3, 0, 0, 0], [1, 0, 0, 0], [0; 4]));
    kit.submit("a", "four").await;
    let (worker, stop) = (kit.worker("kit"), CancellationToken::new());
    assert!(worker.step(Lane::Verify, &stop).await.unwrap());
    assert_eq!(nodes(0).await, [3, 0, 1, 0]);
    let wrap = kit.claim(Lane::Prove).await;
    assert_eq!(nodes(0).await, [3, 1, 0, 0]);
    kit.queue.give_back(&wrap.lease).await.unwrap();
    assert!(worker.step(Lane::Prove, &stop).await.unwrap());
    // The fourth leaf closed it.
    assert_eq!((nodes(0).await, nodes(1).await, nodes(2).await), ([4, 0, 0, 0], [1, 0, 1, 0], [0, 0, 0, 1]));
    assert!(worker.step(Lane::Prove, &stop).await.unwrap());
    assert_eq!((nodes(1).await, nodes(2).await), ([2, 0, 0, 0], [0, 0, 1, 0]));
    kit.work().await;
    assert_eq!(kit.queue.levels().await.unwrap(), [Level::default(); LEVELS]);
}

async fn the_fence_decides_and_not_the_time(kit: Kit) {
    kit.submit("a", "one").await;
    let done = Done::Verified { statement: b"one".to_vec() };
    // A lease that ended but was given to nobody still counts.
    let late = kit.claim(Lane::Verify).await;
    kit.clock.advance(1_000_000);
    assert!(kit.queue.claim(Lane::Verify, "other").await.unwrap().is_none());
    kit.queue.complete(&late.lease, &done, 1).await.unwrap();
    assert!(matches!(kit.queue.complete(&late.lease, &done, 1).await, Err(QueueError::Fenced { .. })));

    kit.submit("a", "two").await;
    let first = kit.claim(Lane::Verify).await;
    kit.clock.advance(1001);
    assert_eq!(kit.queue.expire().await.unwrap(), Expired { leases: 1 });
    let fenced = |outcome| matches!(outcome, Err(QueueError::Fenced { .. }));
    assert!(fenced(kit.queue.heartbeat(&first.lease).await));
    assert!(fenced(kit.queue.complete(&first.lease, &done, 1).await));
    kit.clock.advance(1001);
    let second = kit.claim(Lane::Verify).await;
    assert_eq!(second.lease.task, first.lease.task);
    assert!(fenced(kit.queue.complete(&first.lease, &done, 1).await));
    assert!(fenced(kit.queue.fail(&first.lease, &Failed::Invalid("no".into())).await));
    assert!(fenced(kit.queue.give_back(&first.lease).await));
    kit.queue.complete(&second.lease, &done, 1).await.unwrap();
}

async fn a_heartbeat_keeps_a_lease(kit: Kit) {
    kit.submit("a", "one").await;
    let claim = kit.claim(Lane::Verify).await;
    for _ in 0..5 {
        kit.clock.advance(900);
        kit.queue.heartbeat(&claim.lease).await.unwrap();
        assert_eq!(kit.queue.expire().await.unwrap(), Expired::default());
    }
    kit.clock.advance(1001);
    assert_eq!(kit.queue.expire().await.unwrap(), Expired { leases: 1 });
}

async fn a_lease_that_is_given_back_costs_nothing(kit: Kit) {
    kit.submit("a", "one").await;
    for _ in 0..10 {
        let claim = kit.claim(Lane::Verify).await;
        kit.queue.give_back(&claim.lease).await.unwrap();
    }
    for _ in 0..10 {
        let claim = kit.claim(Lane::Verify).await;
        kit.queue.fail(&claim.lease, &Failed::Later("no disk".into())).await.unwrap();
        assert!(kit.queue.claim(Lane::Verify, "kit").await.unwrap().is_none());
        kit.clock.advance(1000);
    }
    kit.work().await;
    assert_eq!(kit.state("a", JobId(1)).await, JobState::Placed);
}

async fn what_fails_is_tried_again_and_then_set_aside(kit: Kit) {
    let flawed = kit.submit("a", "flaw").await.job;
    let panics = kit.submit("a", "panic").await.job;
    let good = kit.submit("a", "good").await.job;
    kit.work_it_out().await;
    assert_eq!((kit.words.calls("wrap flaw"), kit.words.calls("wrap panic")), (3, 3));
    assert_eq!(kit.state("a", flawed).await, JobState::Quarantined);
    assert_eq!(kit.state("a", panics).await, JobState::Quarantined);
    let reason = kit.queue.job(&account("a"), flawed).await.unwrap().reason.unwrap();
    assert_eq!(reason, "failed 3 times: it has a flaw");
    // The others have the places, without a gap.
    assert_eq!(kit.queue.job(&account("a"), good).await.unwrap().position, Some(0));
    assert_eq!(kit.queue.totals().await.unwrap().jobs_queued, 0);
}

async fn what_kills_its_workers_is_set_aside(kit: Kit) {
    let killer = kit.submit("a", "killer").await.job;
    for round in 0..3 {
        let _vanishes = kit.claim(Lane::Verify).await;
        assert_eq!(kit.state("a", killer).await, JobState::Queued, "round {round}");
        kit.clock.advance(1001);
        kit.queue.expire().await.unwrap();
        kit.clock.advance(1001);
    }
    assert_eq!(kit.state("a", killer).await, JobState::Quarantined);
    assert!(kit.queue.claim(Lane::Verify, "kit").await.unwrap().is_none());
}

async fn an_account_that_hands_in_junk_is_paused(kit: Kit) {
    let junk = kit.submit("a", "junk").await.job;
    kit.submit("b", "good").await;
    kit.work().await;
    assert_eq!(kit.state("a", junk).await, JobState::Refused);
    let paused = async |name| kit.queue.load(&account(name), &PROGRAM).await.unwrap().paused_ms;
    assert_eq!((paused("a").await, paused("b").await), (2000, 0));
    for number in 0..3 {
        kit.submit("a", &format!("junk {number}")).await;
    }
    kit.work().await;
    assert_eq!(paused("a").await, 16_000);
    kit.clock.advance(16_000);
    assert_eq!(paused("a").await, 0);
}

async fn accounts_take_turns(kit: Kit) {
    for number in 0..20 {
        kit.submit("many", &format!("m{number}")).await;
    }
    for number in 0..3 {
        kit.submit("few", &format!("f{number}")).await;
    }
    kit.work().await;
    let calls = kit.words.calls.lock().unwrap().clone();
    let verified = calls.iter().filter_map(|call| call.strip_prefix("verify "));
    let first: Vec<&str> = verified.take(6).collect();
    assert_eq!(first, ["m0", "f0", "m1", "f1", "m2", "f2"]);
}

async fn a_past_rush_is_not_held_against_an_account(kit: Kit) {
    for number in 0..10 {
        kit.submit("a", &format!("old{number}")).await;
    }
    kit.work().await;
    for number in 0..2 {
        kit.submit("b", &format!("b{number}")).await;
        kit.submit("a", &format!("a{number}")).await;
    }
    kit.words.calls.lock().unwrap().clear();
    kit.work().await;
    let calls = kit.words.calls.lock().unwrap().clone();
    let verified: Vec<&str> = calls.iter().filter_map(|call| call.strip_prefix("verify ")).collect();
    // At most one apart, at every moment.
    for end in 0..verified.len() {
        let b = verified[..=end].iter().filter(|word| word.starts_with('b')).count();
        assert!(b.abs_diff(end + 1 - b) <= 1, "{verified:?}");
    }
}

async fn priority_orders_wraps(kit: Kit) {
    let slow = kit.submit_at("a", "slow", 0).await.job;
    kit.submit_at("a", "fast", 2).await;
    let later = kit.submit_at("b", "later", 0).await.job;
    let claimed = |number: usize| {
        let queue = kit.queue.clone();
        async move {
            for _ in 0..number {
                let claim = queue.claim(Lane::Verify, "kit").await.unwrap().unwrap();
                queue.complete(&claim.lease, &Done::Verified { statement: vec![] }, 1).await.unwrap();
            }
        }
    };
    claimed(3).await;
    let refused = kit.queue.prioritise(&account("b"), later, 3, |_| Err(Refusal::Priority { got: 3 })).await;
    assert!(matches!(refused, Err(QueueError::Refused(_))));
    kit.queue.prioritise(&account("b"), later, 3, |price| if price == 1 { Ok(()) } else { panic!() }).await.unwrap();
    let foreign = kit.queue.prioritise(&account("b"), slow, 3, |_| Ok(())).await;
    assert!(matches!(foreign, Err(QueueError::Unknown { .. })));
    kit.work().await;
    let calls = kit.words.calls.lock().unwrap().clone();
    let wrapped: Vec<&str> = calls.iter().filter_map(|call| call.strip_prefix("wrap ")).collect();
    assert_eq!(wrapped, ["later", "fast", "slow"]);
}

async fn a_job_can_be_taken_back_until_it_has_a_place(kit: Kit) {
    let job = kit.submit("a", "one").await.job;
    let claim = kit.claim(Lane::Verify).await;
    assert!(matches!(kit.queue.cancel(&account("b"), job).await, Err(QueueError::Unknown { .. })));
    kit.queue.cancel(&account("a"), job).await.unwrap();
    kit.queue.cancel(&account("a"), job).await.unwrap();
    let late = kit.queue.complete(&claim.lease, &Done::Verified { statement: vec![] }, 1).await;
    assert!(matches!(late, Err(QueueError::Fenced { .. })));
    assert_eq!(kit.state("a", job).await, JobState::Cancelled);
    let placed = kit.submit("a", "two").await.job;
    kit.work().await;
    assert!(matches!(kit.queue.cancel(&account("a"), placed).await, Err(QueueError::State { .. })));
    assert_eq!(kit.words.calls("verify one"), 0);
}

async fn one_proof_of_two_accounts_has_one_place(kit: Kit) {
    for name in ["a", "b", "c"] {
        kit.submit(name, "same").await;
    }
    kit.submit("a", "other").await;
    kit.work().await;
    kit.close().await;
    kit.work().await;
    assert_eq!(kit.roots(BatchState::Sealed).await, ["(same other)"]);
    let sealed = kit.queue.next_to_settle().await.unwrap().unwrap();
    assert_eq!(sealed.statements, [b"same".to_vec(), b"other".to_vec()]);
    assert_eq!(kit.queue.places(sealed.batch).await.unwrap().len(), 4);
}

async fn a_batch_that_cannot_be_folded_is_dissolved(kit: Kit) {
    let hard = kit.submit("a", "hard").await.job;
    for proof in ["two", "three", "four", "five"] {
        kit.submit("b", proof).await;
    }
    kit.work_it_out().await;
    kit.close().await;
    kit.work_it_out().await;
    assert_eq!(kit.state("a", hard).await, JobState::Quarantined);
    let roots = kit.roots(BatchState::Sealed).await;
    let words: Vec<&str> =
        roots.iter().flat_map(|root| root.split(['(', ')', ' '])).filter(|word| !word.is_empty()).collect();
    let mut sorted: Vec<&str> = words.into_iter().filter(|word| *word != "-").collect();
    sorted.sort_unstable();
    // Its neighbours may have been set aside with it, since nobody can tell which of two leaves is at fault; no other.
    let mut lost = Vec::new();
    for (number, proof) in (2..).zip(["two", "three", "four", "five"]) {
        match kit.state("b", JobId(number)).await {
            JobState::Placed => assert!(sorted.contains(&proof)),
            JobState::Quarantined => lost.push(proof),
            other => panic!("{proof} is {other:?}"),
        }
    }
    assert!(lost.len() <= 1, "{lost:?}");
    assert!(!sorted.contains(&"hard"));
    assert!(!kit.queue.batches(BatchState::Dissolved, 9).await.unwrap().is_empty());
    assert_eq!(kit.queue.totals().await.unwrap().tasks, 0);
}

async fn a_seal_that_is_given_up_can_be_tried_again(kit: Kit) {
    for proof in ["stuck", "two", "three", "four"] {
        kit.submit("a", proof).await;
    }
    kit.work_it_out().await;
    let stuck = kit.queue.batches(BatchState::Stuck, 9).await.unwrap();
    assert_eq!((stuck.len(), kit.words.calls("seal")), (1, 3));
    assert_eq!(stuck[0].reason.as_deref(), Some("failed 3 times: it is stuck"));
    kit.queue.retry_batch(stuck[0].batch).await.unwrap();
    let claim = kit.claim(Lane::Seal).await;
    let blob = kit.blobs.put(Bytes::from_static(b"sealed")).await.unwrap();
    kit.queue.complete(&claim.lease, &Done::Made { blob }, 1).await.unwrap();
    assert_eq!(kit.queue.batch(stuck[0].batch).await.unwrap().state, BatchState::Sealed);
    // A seal whose blob is gone is asked for again in the same way; one that the L1 has is not.
    kit.queue.retry_batch(stuck[0].batch).await.unwrap();
    let claim = kit.claim(Lane::Seal).await;
    kit.queue.complete(&claim.lease, &Done::Made { blob }, 1).await.unwrap();
    // One that the L1 refuses is set aside with the reason, so that those behind it go on.
    kit.queue.refused(stuck[0].batch, "the hub says no").await.unwrap();
    assert!(kit.queue.next_to_settle().await.unwrap().is_none());
    let refused = kit.queue.batch(stuck[0].batch).await.unwrap();
    assert_eq!((refused.state, refused.reason.as_deref()), (BatchState::Stuck, Some("the hub says no")));
    assert!(matches!(kit.queue.refused(stuck[0].batch, "again").await, Err(QueueError::State { .. })));
    kit.queue.retry_batch(stuck[0].batch).await.unwrap();
    let claim = kit.claim(Lane::Seal).await;
    kit.queue.complete(&claim.lease, &Done::Made { blob }, 1).await.unwrap();
    kit.queue.settled(stuck[0].batch, "0xabc").await.unwrap();
    assert!(matches!(kit.queue.retry_batch(stuck[0].batch).await, Err(QueueError::State { .. })));
}

async fn a_batch_is_settled_once(kit: Kit) {
    for proof in ["one", "two", "three", "four", "five", "six", "seven", "eight"] {
        kit.submit("a", proof).await;
    }
    kit.work().await;
    let first = kit.queue.next_to_settle().await.unwrap().unwrap();
    kit.queue.settled(first.batch, "0xabc").await.unwrap();
    kit.queue.settled(first.batch, "0xdef").await.unwrap();
    let status = kit.queue.batch(first.batch).await.unwrap();
    assert_eq!((status.state, status.settled_by.as_deref()), (BatchState::Settled, Some("0xabc")));
    let second = kit.queue.next_to_settle().await.unwrap().unwrap();
    assert!(second.batch > first.batch);
    kit.queue.settled(second.batch, "0xdef").await.unwrap();
    assert!(kit.queue.next_to_settle().await.unwrap().is_none());
}

async fn what_ended_is_forgotten_and_its_blobs_are_collected(kit: Kit) {
    for proof in ["one", "two", "three", "four", "junk"] {
        kit.submit("a", proof).await;
    }
    kit.work().await;
    let sealed = kit.queue.next_to_settle().await.unwrap().unwrap();
    let collect = async || kit.blobs.collect(&kit.queue, 0, 1000).await.unwrap();
    assert_eq!(collect().await, 0);
    kit.queue.settled(sealed.batch, "0xabc").await.unwrap();
    let now_ms = kit.clock.now_ms();
    assert_eq!(kit.queue.prune(now_ms).await.unwrap(), 0);
    assert_eq!(kit.queue.prune(now_ms + 1).await.unwrap(), 5);
    // Four proofs that are their own wraps, junk, three folds, and the seal.
    assert_eq!(collect().await, 9);
    assert!(kit.blobs.get(&sealed.root).await.unwrap_err().is_gone());
}

async fn a_blob_is_collected_only_if_nobody_comes_to_name_it(kit: Kit) {
    let blob = kit.blobs.put(Bytes::from_static(b"late")).await.unwrap();
    assert!(!kit.queue.is_garbage(&blob, 1000).await.unwrap());
    kit.clock.advance(999);
    assert!(!kit.queue.is_garbage(&blob, 1000).await.unwrap());
    // Named in the last moment: it stays.
    kit.queue.submit(&job("a", blob), |_| Ok(())).await.unwrap();
    kit.clock.advance(1_000_000);
    assert!(!kit.queue.is_garbage(&blob, 1000).await.unwrap());
    // Doomed: nobody names it, until it is deleted and written again.
    let other = kit.blobs.put(Bytes::from_static(b"later")).await.unwrap();
    assert!(kit.queue.is_garbage(&other, 0).await.unwrap());
    let refused = kit.queue.submit(&job("a", other), |_| Ok(())).await;
    assert!(matches!(refused, Err(QueueError::Doomed { blob }) if blob == other));
    kit.queue.collected(&other).await.unwrap();
    kit.queue.submit(&job("a", other), |_| Ok(())).await.unwrap();
}

async fn programs_are_registered_before_their_proofs_are_taken(kit: Kit) {
    let file = kit.blobs.put(Bytes::from_static(b"SNTP strong")).await.unwrap();
    let weak = kit.blobs.put(Bytes::from_static(b"SNTP weak")).await.unwrap();
    let [strong_digest, weak_digest] = [Hash([1; 32]), Hash([2; 32])];
    let add_as = async |name: &str, digest: &Hash, file: &Hash| {
        kit.queue.add_program(&account(name), digest, file, ProgramsMax { all: 3, account: 2 }).await
    };
    let add = async |digest: &Hash, file: &Hash| add_as("a", digest, file).await;
    assert_eq!(add(&strong_digest, &file).await.unwrap().state, ProgramState::New);
    add(&weak_digest, &weak).await.unwrap();
    assert!(matches!(add(&Hash([3; 32]), &file).await, Err(QueueError::State { .. })));
    add_as("b", &Hash([3; 32]), &file).await.unwrap();
    assert!(matches!(add_as("b", &Hash([4; 32]), &file).await, Err(QueueError::State { .. })));
    kit.work().await;
    let strong = add(&strong_digest, &file).await.unwrap();
    assert_eq!((strong.state, strong.program_id), (ProgramState::Known, Some(file)));
    let refused = kit.queue.program(&weak_digest).await.unwrap();
    assert_eq!(refused.state, ProgramState::Refused);
    assert!(refused.reason.unwrap().contains("100 proven bits"));
    assert_eq!(kit.queue.programs().await.unwrap().len(), 3);
    let program = async |digest| kit.queue.load(&account("a"), digest).await.unwrap().program;
    assert_eq!(program(&strong_digest).await, Some(ProgramState::Known));
    assert_eq!(program(&PROGRAM).await, Some(ProgramState::Known));
    assert_eq!(program(&Hash([9; 32])).await, None);
}

async fn quotas_are_counted_where_the_job_is_taken(kit: Kit) {
    kit.queue.announce("box", 2).await.unwrap();
    let mut handed_in = Vec::new();
    for number in 0..8 {
        let (queue, blob) = (kit.queue.clone(), kit.blobs.put(Bytes::from(format!("p{number}"))).await.unwrap());
        handed_in.push(tokio::spawn(async move {
            let admit = |load: &sinter_service::admission::Load| {
                assert_eq!(load.provers, 2);
                let (expected, got) = (3, load.account_jobs);
                if got >= expected { Err(Refusal::AccountJobs { expected, got }) } else { Ok(()) }
            };
            queue.submit(&job("a", blob), admit).await
        }));
    }
    let mut taken = 0;
    for handed_in in handed_in {
        match handed_in.await.unwrap() {
            Ok(_) => taken += 1,
            Err(QueueError::Refused(refusal)) => assert_eq!(refusal, Refusal::AccountJobs { expected: 3, got: 3 }),
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!(taken, 3);
    kit.clock.advance(60_001);
    assert_eq!(kit.queue.totals().await.unwrap().provers, 0);
}

async fn a_set_aside_job_can_be_taken_up_again(kit: Kit) {
    let job = kit.submit("a", "flaw").await.job;
    assert!(matches!(kit.queue.release_job(job).await, Err(QueueError::State { .. })));
    kit.work_it_out().await;
    assert_eq!(kit.state("a", job).await, JobState::Quarantined);
    kit.queue.release_job(job).await.unwrap();
    assert_eq!(kit.state("a", job).await, JobState::Queued);
    assert_eq!(kit.queue.totals().await.unwrap().jobs_queued, 1);
}
