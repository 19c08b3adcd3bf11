//! Killed between each pair of steps: every request is once the last that reaches the L1, once the last whose answer
//! does not come back, and once the last after which the journal can be written.

use super::{World, seal};
use crate::proxy::{Mood, Trap};
use sinter_settlement::{
    seals::{Depth, SealError, SealSubmitter, SealsConfig},
    submitter::SubmitError,
};
use std::{fs, time::Duration};

/// Brings two seals to the hub with the trap at this request, and a restart when it springs. `false` when it did not.
async fn run_with_trap(world: &World, run: u64, after: usize, trap: Trap, depth: Depth) -> bool {
    let first = 2 * run + 1;
    for number in [first, first + 1] {
        world.tell(number).await;
    }
    let before = world.nonce().await;
    let journal = world.folder.path().join(format!("{run}.json"));
    // Whatever waits is replaced: that is a step, too.
    let config = SealsConfig { replace_after: Duration::ZERO, journal, depth, ..world.config() };
    let open = || SealSubmitter::open(config.clone(), &[seal(first), seal(first + 1)]).unwrap();
    let mut submitter = open();
    world.proxy.arm(after, trap.clone());
    let mut failed = false;
    for step in 0..40 {
        match submitter.round().await {
            Ok(true) => {
                for number in [first, first + 1] {
                    assert_eq!(world.count(number).await, number as u32, "{after} {trap:?}");
                }
                assert_eq!(world.nonce().await - before, 2, "one transaction a seal: {after} {trap:?}");
                let sprung = !world.proxy.disarm();
                assert!(!sprung || failed || matches!(trap, Trap::Block(_)), "noticed: {after} {trap:?}");
                return failed;
            }
            Ok(false) => {}
            Err(error) => {
                assert!(!failed, "once: {error}");
                failed = true;
                // As a process that is killed and started again.
                drop(submitter);
                if let Trap::Block(path) = &trap {
                    assert!(matches!(error, SealError::Submit(SubmitError::Io { .. })), "{error}");
                    fs::remove_dir(path).unwrap();
                }
                submitter = open();
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
    let world = World::new().await;
    let mut run = 0;
    while run_with_trap(&world, run, run as usize, trap.clone(), Depth::Blocks(1)).await {
        run += 1;
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
    let world = World::new().await;
    let mut failed = 0;
    // Not every request is followed by a write, so those that are not do not end this.
    for run in 0..45 {
        let blocked = world.folder.path().join(format!("{run}.tmp"));
        // To the end, where what is final leaves the journal.
        let failed_here = run_with_trap(&world, run, 2 * run as usize, Trap::Block(blocked), Depth::Finalized);
        failed += u32::from(failed_here.await);
    }
    assert!(failed > 25, "{failed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_that_fails_is_made_good_before_anything_is_sent() {
    let world = World::with_seals(1).await;
    let mut submitter = world.submitter(&[1]);
    let blocked = world.journal().with_extension("tmp");
    fs::create_dir(&blocked).unwrap();
    for _ in 0..2 {
        let error = submitter.round().await.unwrap_err();
        assert!(matches!(error, SealError::Submit(SubmitError::Io { .. })), "{error}");
        assert_eq!(world.proxy.distinct_sends(), 0, "what is not in the journal is not sent");
    }
    fs::remove_dir(&blocked).unwrap();
    world.settle(&mut submitter).await;
    world.assert_settled_once(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_journal_alone_carries_on() {
    let world = World::with_seals(1).await;
    world.proxy.set(Mood::SwallowSends);
    world.submitter(&[1]).round().await.unwrap_err();
    world.proxy.set(Mood::Pass);
    // Without the seal's file.
    let status = world.settle(&mut world.submitter(&[])).await;
    assert_eq!(status.seals.len(), 1);
    assert!(status.is_settled());
    world.assert_settled_once(1).await;
    assert_eq!(world.proxy.distinct_sends(), 1);
}
