//! Gas becomes dear while something waits, and others pay more.

use super::{World, shown};
use crate::support::{GWEI, L1, base_fee, burn};
use alloy::{
    primitives::{Bytes, TxKind},
    providers::Provider,
};
use sinter_settlement::advances::{AdvanceError, Advancer, AdvancerConfig};
use std::time::Duration;

#[tokio::test(flavor = "multi_thread")]
async fn a_spike_of_gas_is_outbid_and_nothing_is_sent_twice() {
    let world = World::new(2).await;
    let config = AdvancerConfig { replace_after: Duration::ZERO, ..world.config() };
    let mut advancer = Advancer::open(config).unwrap();
    let mut cursor = 0;
    world.round(&mut advancer, 2, &mut cursor).await.unwrap();
    let first = shown(&advancer).waiting[0].clone();
    burn(&world.chain, 10 * GWEI, async || {
        assert!(!world.round(&mut advancer, 2, &mut cursor).await.unwrap());
    })
    .await;
    let waiting = shown(&advancer).waiting[0].clone();
    assert_eq!((waiting.step, waiting.nonce, waiting.since_ms), (first.step, 0, first.since_ms));
    assert!(waiting.attempts > 3 && waiting.fee_wei > 10 * GWEI && waiting.transaction != first.transaction);
    world.settle(&mut advancer, 2).await;
    world.assert_settled_once(2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn above_the_ceiling_it_waits_and_says_why() {
    let world = World::new(2).await;
    let config = AdvancerConfig { replace_after: Duration::ZERO, fee_ceiling_wei: 5 * GWEI, ..world.config() };
    let mut advancer = Advancer::open(config).unwrap();
    let mut cursor = 0;
    world.round(&mut advancer, 2, &mut cursor).await.unwrap();
    burn(&world.chain, 10 * GWEI, async || {
        assert!(!world.round(&mut advancer, 2, &mut cursor).await.unwrap());
    })
    .await;
    assert!(!world.round(&mut advancer, 2, &mut cursor).await.unwrap());
    let status = shown(&advancer);
    let stuck = status.stuck.unwrap();
    assert!(stuck.starts_with("gas costs 1") && stuck.ends_with("more than the ceiling of 5000000000"), "{stuck}");
    assert!(status.waiting[0].fee_wei <= 5 * GWEI);
    // It becomes cheaper, and nothing was lost.
    while base_fee(&world.chain).await > GWEI {
        world.chain.mine();
    }
    world.settle(&mut advancer, 2).await;
    assert_eq!(shown(&advancer).stuck, None);
    world.assert_settled_once(2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_with_the_same_nonce_is_outbid_step_by_step() {
    let world = World::new(1).await;
    let account = L1::beside(&world.chain, 0);
    // Offers any base fee and a tip of 3 gwei: a replacement has to offer a tenth more in both.
    let foreign = account.submit(0, 3 * GWEI, TxKind::Call(account.account()), Bytes::new()).await;
    let config = AdvancerConfig { replace_after: Duration::ZERO, fee_ceiling_wei: 2000 * GWEI, ..world.config() };
    let mut advancer = Advancer::open(config).unwrap();
    let mut cursor = 0;
    for _ in 0..80 {
        world.round(&mut advancer, 1, &mut cursor).await.unwrap();
        if account.provider.get_transaction_by_hash(foreign).await.unwrap().is_none() {
            break;
        }
    }
    assert_eq!(shown(&advancer).waiting.len(), 1);
    world.settle(&mut advancer, 1).await;
    world.assert_settled_once(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_nonce_that_somebody_else_used_is_told_once_and_costs_nothing_but_time() {
    let world = World::new(1).await;
    let account = L1::beside(&world.chain, 0);
    account.submit(0, 3 * GWEI, TxKind::Call(account.account()), Bytes::new()).await;
    let config = AdvancerConfig { replace_after: Duration::ZERO, fee_ceiling_wei: 5 * GWEI, ..world.config() };
    let mut advancer = Advancer::open(config).unwrap();
    let mut cursor = 0;
    for _ in 0..10 {
        world.round(&mut advancer, 1, &mut cursor).await.unwrap();
    }
    world.chain.mine();
    let mut conflicts = 0;
    for _ in 0..40 {
        match world.round(&mut advancer, 1, &mut cursor).await {
            Ok(true) => break,
            Ok(false) => {}
            Err(error) => {
                assert!(matches!(error, AdvanceError::NonceTaken { nonce: 0, .. }), "{error}");
                conflicts += 1;
            }
        }
        world.chain.mine();
    }
    // The foreign one, the advance, the payment.
    assert_eq!((conflicts, world.standing().await, world.nonce().await), (1, 1, 3));
}
