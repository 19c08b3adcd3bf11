//! A node follows from any L1 block, and believes no L1 node that leaves something out.

use super::fixture::{ETHER, Registry, STAKE_MIN};
use crate::{
    suite::Suite,
    support::{L1, L1_CHAIN_ID},
};
use sinter_primitives::registry::Registry as Followed;
use sinter_settlement::registry::{self, FollowError};

#[tokio::test(flavor = "multi_thread")]
async fn from_any_block() {
    let mut suite = Suite::new(L1::embedded_timed().await);
    let registry = Registry::new(&mut suite).await;
    let at = registry.address;
    registry.registers(&mut suite, 1, 1, STAKE_MIN).await;
    registry.registers(&mut suite, 2, 2, STAKE_MIN).await;
    for wei in 1..6 {
        registry.delegates(&mut suite, 3, 1 + wei % 2, u128::from(wei) * ETHER).await;
    }
    registry.undelegates(&mut suite, 3, 2, ETHER).await;
    registry.exits(&mut suite, 1, 1).await;
    let last = suite.block().await;
    let whole = registry.followed(&suite).await;
    assert_eq!(whole.records(), 9);
    assert_eq!(whole.registrants().keys().collect::<Vec<_>>(), [&2]);

    let fresh = || Followed::new(L1_CHAIN_ID, &at.0.0);
    let provider = &suite.l1.provider;
    // The contract stands since the second block; before, nobody is registered.
    assert_eq!(registry::head(provider, at, 1).await.unwrap(), None);
    for stop in 1..=last {
        let mut followed = fresh();
        registry::follow(provider, at, &mut followed, 0, stop).await.unwrap();
        let contract = registry::head(provider, at, stop).await.unwrap();
        let expected = contract.unwrap_or((0, fresh().head()));
        assert_eq!((followed.records(), followed.head()), expected, "at block {stop}");
        registry::follow(provider, at, &mut followed, stop + 1, last).await.unwrap();
        assert_eq!(followed, whole, "on from block {stop}");
    }

    // Blocks left out in front: the first record that comes is not the next.
    let mut followed = fresh();
    let error = registry::follow(provider, at, &mut followed, last - 1, last).await.unwrap_err();
    assert!(matches!(error, FollowError::Record(_)), "{error}");
    // Left out at the end: the head is another one. And nothing has changed.
    let mut followed = fresh();
    let error = registry::follow(provider, at, &mut followed, last + 1, last).await.unwrap_err();
    assert!(matches!(error, FollowError::Head { records: 9, got_records: 0, .. }), "{error}");
    assert_eq!(followed, fresh());
    // Another contract's registry does not take this one's.
    let mut other = Followed::new(L1_CHAIN_ID, &[1; 20]);
    let error = registry::follow(provider, at, &mut other, 0, last).await.unwrap_err();
    assert!(matches!(error, FollowError::Record(_)), "{error}");
    // Where something else stands there is nothing to follow.
    let error = registry::follow(provider, registry.light_client, &mut fresh(), 0, last).await.unwrap_err();
    assert!(matches!(error, FollowError::L1(_)), "{error}");
}
