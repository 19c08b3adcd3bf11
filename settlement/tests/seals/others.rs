//! Somebody else: with the same seal, or with the same key.

use super::{GWEI, World, contracts::AggregationHub, seal, states};
use crate::{proxy::Mood, support::L1};
use alloy::{
    primitives::{Bytes, TxKind},
    providers::Provider,
    sol_types::SolCall,
};
use sinter_settlement::seals::{SealError, SealsConfig};
use std::time::Duration;

fn settle_call(number: u64) -> Bytes {
    AggregationHub::settleCall { seal: seal(number) }.abi_encode().into()
}

/// Who settles, too.
const OTHER: usize = 3;

#[tokio::test(flavor = "multi_thread")]
async fn a_root_that_the_hub_has_is_done() {
    let world = World::with_seals(2).await;
    let other = L1::beside(&world.chain, OTHER);
    let to = TxKind::Call(world.hub);
    assert!(other.execute_mining(to, settle_call(1), || world.chain.mine()).await.status);
    let mut submitter = world.submitter(&[1, 2]);
    let status = world.settle(&mut submitter).await;
    assert!(status.is_settled());
    assert!(status.seals[0].delivery.is_none() && status.seals[1].delivery.is_some());
    assert_eq!((world.nonce().await, world.proxy.distinct_sends()), (1, 1));
}

/// Mines a block with somebody else's settling of seal 1, which pays a better tip, and without room for ours.
async fn crowd_out(world: &World) {
    let other = L1::beside(&world.chain, OTHER);
    let burner = L1::beside(&world.chain, 5);
    other.submit(0, 200 * GWEI, TxKind::Call(world.hub), settle_call(1)).await;
    // INVALID as creation code uses all of its gas.
    for nonce in 0..4 {
        burner.submit(nonce, 100 * GWEI, TxKind::Create, Bytes::from_static(&[0xfe])).await;
    }
    world.chain.mine();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_post_that_became_needless_is_cancelled() {
    let world = World::with_seals(2).await;
    let mut submitter = world.submitter(&[1, 2]);
    submitter.round().await.unwrap();
    crowd_out(&world).await;
    assert_eq!((world.count(1).await, world.nonce().await), (1, 0));
    submitter.round().await.unwrap();
    assert_eq!(states(&submitter.status().borrow()), ["included", "waiting"]);
    assert_eq!(world.proxy.distinct_sends(), 2, "the second does nothing");
    let status = world.settle(&mut submitter).await;
    assert!(status.is_settled() && status.seals[0].delivery.is_none(), "{status:?}");
    assert_eq!((world.count(2).await, world.nonce().await), (2, 2));
    // It took no more gas than a transaction has to.
    assert_eq!(world.spent(&L1::beside(&world.chain, 0)).await[0], 21_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_nonce_that_was_used_with_the_same_key_is_an_error_and_no_loss() {
    let world = World::with_seals(1).await;
    let mut submitter = world.submitter(&[1]);
    // Journalled, but the L1 never saw it; somebody else's transaction with this key has the nonce.
    world.proxy.set(Mood::SwallowSends);
    submitter.round().await.unwrap_err();
    world.proxy.set(Mood::Pass);
    let thief = L1::beside(&world.chain, 0);
    thief.submit(0, GWEI, TxKind::Call(thief.account()), Bytes::new()).await;
    world.chain.mine();
    let mut rounds = 0;
    let error = loop {
        match submitter.round().await {
            Ok(done) => assert!(!done),
            Err(error) => break error,
        }
        rounds += 1;
        assert!(rounds < 20, "nodes behind one URL are not all equally far, but not for ever");
    };
    let sender = thief.account();
    assert!(matches!(&error, SealError::NonceTaken { nonce: 0, sender: got, .. } if *got == sender), "{error}");
    drop(submitter);
    // What lost its nonce is in the journal: its file is not needed.
    let status = world.settle(&mut world.submitter(&[])).await;
    assert!(status.is_settled());
    assert_eq!((world.count(1).await, thief.provider.get_transaction_count(sender).await.unwrap()), (1, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_post_may_be_the_one_that_is_included() {
    let world = World::with_seals(1).await;
    let config = SealsConfig { replace_after: Duration::ZERO, ..world.config() };
    let mut submitter = world.submitter_with(config.clone(), &[1]);
    submitter.round().await.unwrap();
    crowd_out(&world).await;
    // What would cancel it is journalled, and does not arrive.
    world.proxy.set(Mood::SwallowSends);
    submitter.round().await.unwrap_err();
    drop(submitter);
    world.chain.mine();
    assert_eq!(world.nonce().await, 1, "the first attempt was included");
    world.proxy.set(Mood::Pass);
    let mut submitter = world.submitter_with(config, &[1]);
    assert!(world.settle(&mut submitter).await.is_settled());
    assert_eq!((world.nonce().await, world.count(1).await), (1, 1));
}
