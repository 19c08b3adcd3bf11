//! Any order of events keeps the invariants: nothing is lost, nothing is twice in a batch, a place is never changed.

use crate::kit::{Kit, Place, account};
use proptest::prelude::*;
use sinter_service::{
    BatchId, JobId, QueueError,
    queue::{BatchState, Claim, Done, Failed, JobState, Lane, Work},
};
use std::collections::{BTreeMap, BTreeSet};

const ACCOUNTS: [&str; 3] = ["a", "b", "c"];
/// Proofs that there are: few, so that the same is handed in again, also by others.
const PROOFS: u8 = 8;

#[derive(Clone, Debug)]
enum Event {
    Submit { account: usize, proof: u8 },
    Claim { lane: usize },
    Heartbeat { claim: usize },
    Complete { claim: usize },
    Fail { claim: usize },
    Invalid { claim: usize },
    Lose { claim: usize },
    GiveBack { claim: usize },
    Cancel { account: usize, job: usize },
    Close,
    Wait { ms: i64 },
    Expire,
    Settle,
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let claim = 0..6usize;
    let event = prop_oneof![
        6 => (0..3usize, 0..PROOFS).prop_map(|(account, proof)| Event::Submit { account, proof }),
        10 => (0..3usize).prop_map(|lane| Event::Claim { lane }),
        1 => claim.clone().prop_map(|claim| Event::Heartbeat { claim }),
        12 => claim.clone().prop_map(|claim| Event::Complete { claim }),
        2 => claim.clone().prop_map(|claim| Event::Fail { claim }),
        1 => claim.clone().prop_map(|claim| Event::Invalid { claim }),
        1 => claim.clone().prop_map(|claim| Event::Lose { claim }),
        1 => claim.prop_map(|claim| Event::GiveBack { claim }),
        1 => (0..3usize, 0..10usize).prop_map(|(account, job)| Event::Cancel { account, job }),
        1 => Just(Event::Close),
        2 => prop_oneof![Just(5i64), Just(50), Just(1001), Just(-500)].prop_map(|ms| Event::Wait { ms }),
        2 => Just(Event::Expire),
        1 => Just(Event::Settle),
    ];
    prop::collection::vec(event, 1..120)
}

/// What was seen, against which everything later is held.
#[derive(Default)]
struct Seen {
    jobs: BTreeMap<JobId, &'static str>,
    claims: Vec<Claim>,
    places: BTreeMap<(BatchId, JobId), i64>,
    dissolved: BTreeSet<BatchId>,
}

fn is_known<T>(outcome: Result<T, QueueError>) {
    // A late claim, a job that has its place, a batch that is empty: refusals that somebody who races gets.
    let known = [|error: &QueueError| matches!(error, QueueError::Fenced { .. } | QueueError::State { .. })];
    if let Err(error) = outcome {
        assert!(known.iter().any(|is| is(&error)) || matches!(error, QueueError::Unknown { .. }), "{error}");
    }
}

async fn happen(kit: &Kit, seen: &mut Seen, event: &Event) {
    let claim_at = |seen: &Seen, at: usize| seen.claims.len().checked_sub(1 + at).map(|at| seen.claims[at].clone());
    match *event {
        Event::Submit { account, proof } => {
            let job = kit.submit(ACCOUNTS[account], &format!("p{proof}")).await.job;
            seen.jobs.insert(job, ACCOUNTS[account]);
        }
        Event::Claim { lane } => {
            seen.claims.extend(kit.queue.claim(Lane::ALL[lane], "kit").await.unwrap());
        }
        Event::Heartbeat { claim } => {
            if let Some(claim) = claim_at(seen, claim) {
                is_known(kit.queue.heartbeat(&claim.lease).await);
            }
        }
        Event::Complete { claim } => {
            if let Some(claim) = claim_at(seen, claim) {
                is_known(kit.queue.complete(&claim.lease, &result(kit, &claim.work).await, 1).await);
            }
        }
        Event::Fail { claim } => {
            if let Some(claim) = claim_at(seen, claim) {
                is_known(kit.queue.fail(&claim.lease, &Failed::Error("it failed".into())).await);
            }
        }
        Event::Invalid { claim } => {
            if let Some(claim) = claim_at(seen, claim).filter(|claim| matches!(claim.work, Work::Verify { .. })) {
                is_known(kit.queue.fail(&claim.lease, &Failed::Invalid("it is junk".into())).await);
            }
        }
        Event::Lose { claim } => {
            if let Some(claim) = claim_at(seen, claim) {
                let blob = match claim.work {
                    Work::Verify { proof, .. } | Work::Wrap { proof, .. } => proof,
                    Work::Fold { left, .. } => left,
                    Work::Seal { root, .. } => root,
                    Work::Null { .. } | Work::Register { .. } => return,
                };
                is_known(kit.queue.fail(&claim.lease, &Failed::Missing { blob, reason: "torn".into() }).await);
            }
        }
        Event::GiveBack { claim } => {
            if let Some(claim) = claim_at(seen, claim) {
                is_known(kit.queue.give_back(&claim.lease).await);
            }
        }
        Event::Cancel { account: of, job } => {
            if let Some(job) = seen.jobs.keys().nth(job) {
                is_known(kit.queue.cancel(&account(ACCOUNTS[of]), *job).await);
            }
        }
        Event::Close => kit.close().await,
        Event::Wait { ms } => kit.clock.advance(ms),
        Event::Expire => {
            kit.queue.expire().await.unwrap();
        }
        Event::Settle => {
            if let Some(sealed) = kit.queue.next_to_settle().await.unwrap() {
                kit.queue.settled(sealed.batch, "0xabc").await.unwrap();
            }
        }
    }
}

/// What a worker would have made.
async fn result(kit: &Kit, work: &Work) -> Done {
    let read = async |blob| String::from_utf8(kit.blobs.get(blob).await.unwrap().to_vec()).unwrap();
    let made = match work {
        Work::Verify { proof, .. } => {
            return Done::Verified { statement: kit.blobs.get(proof).await.unwrap().to_vec() };
        }
        Work::Wrap { proof, .. } => read(proof).await,
        Work::Null { .. } => "-".into(),
        Work::Fold { left, right, .. } => format!("({} {})", read(left).await, read(right).await),
        Work::Seal { root, .. } => format!("seal of {}", read(root).await),
        Work::Register { .. } => unreachable!("no program is added here"),
    };
    Done::Made { blob: kit.blobs.put(made.into()).await.unwrap() }
}

async fn hold(kit: &Kit, seen: &mut Seen) {
    // Nothing is lost: every job is somewhere, and what waits has exactly one task.
    let mut waiting = 0;
    for (job, name) in &seen.jobs {
        let status = kit.queue.job(&account(name), *job).await.unwrap();
        waiting += i64::from(matches!(status.state, JobState::Queued | JobState::Verified));
        let in_batch = status.batch.is_some();
        assert_eq!(status.state == JobState::Placed, in_batch, "{status:?}");
        if let Some(batch) = status.batch {
            assert_ne!(batch.state, BatchState::Dissolved, "{:?}", status.job);
        }
    }
    assert_eq!(kit.queue.totals().await.unwrap().jobs_queued, waiting);
    for state in BatchState::ALL {
        for batch in kit.queue.batches(*state, 1000).await.unwrap() {
            if *state == BatchState::Dissolved {
                seen.dissolved.insert(batch.batch);
                continue;
            }
            let places = kit.queue.places(batch.batch).await.unwrap();
            // Nothing is twice in a batch, and a place is never changed.
            let statements: BTreeMap<i64, &Vec<u8>> =
                places.iter().map(|(_, _, at, statement)| (*at, statement)).collect();
            let distinct: BTreeSet<_> = statements.values().collect();
            assert_eq!(distinct.len(), statements.len(), "{places:?}");
            assert_eq!(statements.len() as i64, batch.count, "{places:?}");
            assert!(statements.keys().copied().eq(0..batch.count), "{places:?}");
            for (_, job, position, _) in &places {
                assert_eq!(seen.places.entry((batch.batch, *job)).or_insert(*position), position);
            }
        }
    }
    assert!(kit.queue.batches(BatchState::Open, 9).await.unwrap().len() <= 1);
}

/// When the events stop and somebody works, everything comes to its end.
async fn finish(kit: &Kit, seen: &mut Seen) {
    for _ in 0..30 {
        kit.clock.advance(1001);
        kit.queue.expire().await.unwrap();
        kit.work().await;
        kit.close().await;
    }
    hold(kit, seen).await;
    assert_eq!(kit.queue.totals().await.unwrap().tasks, 0);
    for (job, name) in &seen.jobs {
        let status = kit.queue.job(&account(name), *job).await.unwrap();
        assert!(!matches!(status.state, JobState::Queued | JobState::Verified), "{status:?}");
        if let Some(batch) = status.batch {
            assert!(matches!(batch.state, BatchState::Sealed | BatchState::Settled), "{batch:?}");
        }
    }
    // A root is its batch's words in the order of their places.
    for state in [BatchState::Sealed, BatchState::Settled] {
        for batch in kit.queue.batches(state, 1000).await.unwrap() {
            let root = kit.blobs.get(&batch.root.unwrap()).await.unwrap();
            let root = String::from_utf8(root.to_vec()).unwrap();
            let words = root.split(['(', ')', ' ']).filter(|word| !word.is_empty() && *word != "-");
            let places = kit.queue.places(batch.batch).await.unwrap();
            let listed: BTreeMap<i64, Vec<u8>> = places.into_iter().map(|(_, _, at, word)| (at, word)).collect();
            assert!(words.map(|word| word.as_bytes().to_vec()).eq(listed.into_values()), "{root}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, max_shrink_iters: 200, ..ProptestConfig::default() })]

    #[test]
    fn any_order_of_events_keeps_what_is_promised(events in events()) {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async {
            let kit = Kit::new(Place::sqlite()).await;
            let mut seen = Seen::default();
            for event in &events {
                happen(&kit, &mut seen, event).await;
                hold(&kit, &mut seen).await;
            }
            finish(&kit, &mut seen).await;
        });
    }
}
