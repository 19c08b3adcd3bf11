//! Somebody else is faster.

use super::{World, shown};
use crate::support::{GWEI, L1, burn};
use alloy::{
    primitives::{TxKind, U256},
    providers::Provider,
};
use sinter_settlement::advances::{Advancer, AdvancerConfig, Sent};
use std::time::Duration;

#[tokio::test(flavor = "multi_thread")]
async fn an_advance_that_would_revert_is_replaced_by_nothing() {
    let world = World::new(2).await;
    // Nobody mines it: it offers less than others.
    let mut advancer = world.advancer();
    let mut cursor = 0;
    world.round(&mut advancer, 2, &mut cursor).await.unwrap();
    let call = world.settle_call(0..1);
    let other = L1::beside(&world.chain, 3);
    burn(&world.chain, 20 * GWEI, async || ()).await;
    let nonce = other.provider.get_transaction_count(other.account()).await.unwrap();
    other.submit(nonce, 200 * GWEI, TxKind::Call(world.rollup.address), call).await;
    world.chain.mine();
    assert_eq!((world.standing().await, world.nonce().await), (1, 0), "another one's, while ours waits");
    world.round(&mut advancer, 2, &mut cursor).await.unwrap();
    assert!(shown(&advancer).waiting[0].cancelled);
    world.settle(&mut advancer, 2).await;
    // Nothing, the second advance, the payment.
    assert_eq!((world.standing().await, world.nonce().await), (2, 3));
    assert_eq!(world.wei_of(0).await, U256::from(super::WEI));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_else_paid_is_not_paid_again() {
    let world = World::new(2).await;
    let mut advancer = Advancer::open(AdvancerConfig { replace_after: Duration::ZERO, ..world.config() }).unwrap();
    assert!(world.by_another(world.settle_call(0..2)).await);
    assert!(advancer.look().await.unwrap());
    assert!(world.by_another(world.pay_call(0)).await);
    // It has looked before that, and believes what is as deep as it wants in what it saw.
    assert_eq!(advancer.pay(0, 0, world.pay_call(0)).await.unwrap(), Sent::Lately);
    assert!(advancer.look().await.unwrap());
    assert_eq!(advancer.pay(0, 0, world.pay_call(0)).await.unwrap(), Sent::Done);
    assert_eq!((world.nonce().await, world.proxy.distinct_sends()), (0, 0));
    assert_eq!(world.wei_of(0).await, U256::from(super::WEI));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_counts_once_it_is_deep_enough() {
    let world = World::new(2).await;
    let mut advancer = Advancer::open(AdvancerConfig { confirmations: 2, ..world.config() }).unwrap();
    assert!(world.by_another(world.settle_call(0..2)).await);
    assert!(world.by_another(world.pay_call(0)).await);
    for expected in [Sent::Lately, Sent::Lately, Sent::Done] {
        assert!(advancer.look().await.unwrap());
        assert_eq!(advancer.pay(0, 0, world.pay_call(0)).await.unwrap(), expected);
        world.chain.mine();
    }
    assert_eq!((world.nonce().await, world.proxy.distinct_sends()), (0, 0));
}

/// Somebody else's payment is taken back with its block, and he does not send it again.
#[tokio::test(flavor = "multi_thread")]
async fn a_payment_that_is_taken_back_is_made_by_us() {
    let world = World::new(2).await;
    let mut advancer = Advancer::open(AdvancerConfig { confirmations: 4, ..world.config() }).unwrap();
    assert!(world.by_another(world.settle_call(0..2)).await);
    assert!(world.by_another(world.pay_call(0)).await);
    assert!(advancer.look().await.unwrap());
    assert_eq!(advancer.pay(0, 0, world.pay_call(0)).await.unwrap(), Sent::Lately);
    assert_eq!(world.chain.rollback(1, false), 1);
    for _ in 0..5 {
        world.chain.mine();
    }
    assert!(advancer.look().await.unwrap());
    let sent = advancer.pay(0, 0, world.pay_call(0)).await.unwrap();
    assert!(matches!(sent, Sent::Sent(_)), "{sent:?}");
    world.chain.mine();
    assert_eq!(world.wei_of(0).await, U256::from(super::WEI));
    assert_eq!(world.nonce().await, 1);
}
