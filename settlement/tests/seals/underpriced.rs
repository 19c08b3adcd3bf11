//! The L1's pools hold a transaction of the same nonce that pays more, or nearly as much.

use super::{GWEI, World, states};
use crate::support::L1;
use alloy::{
    primitives::{Bytes, TxKind},
    providers::Provider,
};
use sinter_settlement::seals::{FeePolicy, SealsConfig};
use std::time::Duration;

#[tokio::test(flavor = "multi_thread")]
async fn is_outbid_step_by_step() {
    let world = World::with_seals(1).await;
    let account = L1::beside(&world.chain, 0);
    // Offers any base fee and a tip of 3 gwei: a replacement has to offer a tenth more in both.
    let foreign = account.submit(0, 3 * GWEI, TxKind::Call(account.account()), Bytes::new()).await;
    let fees = FeePolicy::at_once(2000 * GWEI);
    let config = SealsConfig { fees, replace_after: Duration::ZERO, ..world.config() };
    let mut submitter = world.submitter_with(config, &[1]);
    for _ in 0..80 {
        submitter.round().await.unwrap();
        if account.provider.get_transaction_by_hash(foreign).await.unwrap().is_none() {
            break;
        }
    }
    assert_eq!(states(&submitter.status().borrow()), ["sent"]);
    assert!(world.settle(&mut submitter).await.is_settled());
    world.assert_settled_once(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn is_no_failure_while_it_cannot_be_outbid() {
    let world = World::with_seals(1).await;
    let account = L1::beside(&world.chain, 0);
    account.submit(0, 3 * GWEI, TxKind::Call(account.account()), Bytes::new()).await;
    let config = SealsConfig { fees: FeePolicy::at_once(5 * GWEI), replace_after: Duration::ZERO, ..world.config() };
    let mut submitter = world.submitter_with(config, &[1]);
    for _ in 0..10 {
        submitter.round().await.unwrap();
    }
    assert_eq!(submitter.status().borrow().failures, 0);
    // The other one is included: its nonce is lost, and the seal is not.
    world.chain.mine();
    let mut conflicts = 0;
    for _ in 0..40 {
        match submitter.round().await {
            Ok(true) => break,
            Ok(false) => {}
            Err(_) => conflicts += 1,
        }
        world.chain.mine();
    }
    assert_eq!((conflicts, world.count(1).await, world.nonce().await), (1, 1, 2));
}
