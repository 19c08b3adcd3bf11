//! The L1 takes blocks back.

use super::{World, contracts::AggregationHub, seal, states};
use crate::support::L1;
use alloy::{primitives::TxKind, sol_types::SolCall};

#[tokio::test(flavor = "multi_thread")]
async fn an_inclusion_that_is_taken_back_is_made_good_by_the_same_transaction() {
    for resubmit in [true, false] {
        let world = World::with_seals(2).await;
        let mut submitter = world.submitter(&[1, 2]);
        let status = submitter.status();
        for _ in 0..2 {
            submitter.round().await.unwrap();
            world.chain.mine();
        }
        submitter.round().await.unwrap();
        assert_eq!(states(&status.borrow()), ["included", "included"]);
        assert_eq!(world.chain.rollback(2, resubmit), 2);
        assert_eq!(world.count(1).await, 0);
        submitter.round().await.unwrap();
        assert_eq!(states(&status.borrow()), ["sent", "sent"]);
        assert!(status.borrow().seals[0].delivery.is_none(), "it is not there any more");
        // And a restart.
        drop(submitter);
        let mut submitter = world.submitter(&[1, 2]);
        assert!(world.settle(&mut submitter).await.is_settled());
        world.assert_settled_once(2).await;
        assert_eq!(world.proxy.distinct_sends(), 2, "the same transactions as before");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_root_that_somebody_else_brought_and_the_l1_took_back_is_brought() {
    let world = World::with_seals(1).await;
    let other = L1::beside(&world.chain, 3);
    let call = AggregationHub::settleCall { seal: seal(1) }.abi_encode();
    assert!(other.execute_mining(TxKind::Call(world.hub), call.into(), || world.chain.mine()).await.status);
    let mut submitter = world.submitter(&[1]);
    submitter.round().await.unwrap();
    assert_eq!(states(&submitter.status().borrow()), ["included"]);
    world.chain.rollback(1, false);
    assert!(world.settle(&mut submitter).await.is_settled());
    world.assert_settled_once(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_final_blocks_loses_nothing() {
    let world = World::with_seals(2).await;
    let mut submitter = world.submitter(&[1]);
    assert!(world.settle(&mut submitter).await.is_settled());
    drop(submitter);
    let mut submitter = world.submitter(&[2]);
    submitter.round().await.unwrap();
    assert_eq!(states(&submitter.status().borrow()), ["sent"], "the first has left the journal");
    // Blocks that were final are taken back, which Ethereum does not do, and what was in them is forgotten.
    while world.count(1).await > 0 {
        world.chain.rollback(1, false);
    }
    assert_eq!(world.nonce().await, 0);
    // The second waits with a nonce that does not come next. It begins again.
    assert!(world.settle(&mut submitter).await.is_settled());
    drop(submitter);
    assert!(world.settle(&mut world.submitter(&[1, 2])).await.is_settled());
    assert_eq!((world.count(1).await, world.count(2).await), (1, 2));
}
