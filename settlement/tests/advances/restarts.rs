//! Killed between each pair of steps: every request is once the last that reaches the L1, once the last whose answer
//! does not come back, and once the last after which the journal can be written.

use super::World;
use crate::proxy::{Mood, Trap};
use sinter_settlement::{
    advances::{AdvanceError, Advancer, AdvancerConfig},
    submitter::SubmitError,
};
use std::{fs, time::Duration};

/// Takes two statements and a payment to the L1 with the trap at this request, and a restart when it springs. `false` when it
/// did not.
async fn run_with_trap(world: &World, run: usize, after: usize, trap: Trap) -> bool {
    let to = 2 * run + 2;
    let before = world.nonce().await;
    let journal = world.folder.path().join(format!("{run}.json"));
    // Whatever waits is replaced: that is a step, too.
    let config = AdvancerConfig { replace_after: Duration::ZERO, journal, ..world.config() };
    let open = || Advancer::open(config.clone()).unwrap();
    let mut advancer = open();
    // What a node remembers of payments, and may have lost.
    let mut cursor = run;
    world.proxy.arm(after, trap.clone());
    let mut failed = false;
    for step in 0..60 {
        match world.round(&mut advancer, to, &mut cursor).await {
            Ok(true) => {
                assert_eq!(world.standing().await, to, "{after} {trap:?}");
                assert!(world.is_paid(run).await, "{after} {trap:?}");
                assert_eq!(world.nonce().await - before, 3, "one transaction each: {after} {trap:?}");
                let sprung = !world.proxy.disarm();
                assert!(!sprung || failed || matches!(trap, Trap::Block(_)), "noticed: {after} {trap:?}");
                return failed;
            }
            Ok(false) => {}
            Err(error) => {
                assert!(!failed, "once: {error}");
                failed = true;
                // As a process that is killed and started again.
                drop(advancer);
                cursor = run;
                if let Trap::Block(path) = &trap {
                    assert!(matches!(error, AdvanceError::Submit(SubmitError::Io { .. })), "{error}");
                    fs::remove_dir(path).unwrap();
                }
                advancer = open();
            }
        }
        if step % 2 == 1 {
            world.chain.mine();
        }
    }
    panic!("not settled: {after} {trap:?}");
}

/// Every place for a trap, until it does not spring any more.
async fn at_every_request(trap: Trap) {
    const RUNS: usize = 140;
    let world = World::new(2 * RUNS).await;
    let mut run = 0;
    while run_with_trap(&world, run, run, trap.clone()).await {
        run += 1;
        assert!(run < RUNS, "more requests than statements");
    }
    assert!(run > 40, "there are more requests than {run}");
}

#[tokio::test(flavor = "multi_thread")]
async fn before_each_request() {
    at_every_request(Trap::Before).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_each_request() {
    at_every_request(Trap::After).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn before_the_journal_is_written() {
    let world = World::new(90).await;
    let mut failed = 0;
    // Not every request is followed by a write, so those that are not do not end this.
    for run in 0..45 {
        let blocked = world.folder.path().join(format!("{run}.tmp"));
        failed += u32::from(run_with_trap(&world, run, 2 * run, Trap::Block(blocked)).await);
    }
    assert!(failed > 15, "{failed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_journal_alone_carries_on() {
    let world = World::new(1).await;
    world.proxy.set(Mood::SwallowSends);
    let mut advancer = world.advancer();
    assert!(advancer.look().await.unwrap());
    advancer.advance(world.step(0..1), world.settle_call(0..1)).await.unwrap_err();
    assert!(super::shown(&advancer).stuck.is_some(), "an L1 that does not answer is a reason");
    drop(advancer);
    world.proxy.set(Mood::Pass);
    // Nobody asks for it any more.
    let mut advancer = world.advancer();
    assert!(!advancer.look().await.unwrap());
    world.chain.mine();
    assert!(advancer.look().await.unwrap());
    assert_eq!((world.standing().await, world.nonce().await, world.proxy.distinct_sends()), (1, 1, 1));
}
