//! The L1 takes blocks back.

use super::{World, shown};
use alloy::primitives::U256;
use sinter_settlement::advances::Step;

#[tokio::test(flavor = "multi_thread")]
async fn what_is_taken_back_is_made_good_by_the_same_transactions() {
    for resubmit in [true, false] {
        let world = World::new(2).await;
        let mut advancer = world.advancer();
        let mut cursor = 0;
        // Two advances, and the payment.
        for _ in 0..3 {
            assert!(!world.round(&mut advancer, 2, &mut cursor).await.unwrap());
            world.chain.mine();
        }
        assert!(world.round(&mut advancer, 2, &mut cursor).await.unwrap(), "all is there, and not final");
        assert_eq!(world.chain.rollback(2, resubmit), 2);
        assert_eq!((world.standing().await, world.nonce().await), (1, 1));
        assert!(!world.round(&mut advancer, 2, &mut cursor).await.unwrap());
        assert_eq!(shown(&advancer).waiting.len(), 2);
        // And a restart.
        drop(advancer);
        let mut advancer = world.advancer();
        world.settle(&mut advancer, 2).await;
        world.assert_settled_once(2).await;
        assert_eq!(world.proxy.distinct_sends(), 3, "the same transactions as before");
    }
}

/// The L1 takes final blocks back and forgets what was in them, which Ethereum does not do.
#[tokio::test(flavor = "multi_thread")]
async fn one_of_final_blocks_loses_nothing() {
    let world = World::new(2).await;
    let mut advancer = world.advancer();
    let mut cursor = 0;
    for _ in 0..2 {
        assert!(!world.round(&mut advancer, 2, &mut cursor).await.unwrap());
        world.chain.mine();
    }
    // The advances are final, and leave the journal.
    world.mine(3);
    assert!(!world.round(&mut advancer, 2, &mut cursor).await.unwrap());
    assert!(matches!(shown(&advancer).waiting[..], [ref it] if matches!(it.step, Step::Pay { batch: 0, index: 0 })));
    while world.standing().await > 0 {
        world.chain.rollback(1, false);
    }
    assert_eq!(world.nonce().await, 0);
    // The payment waits with a nonce that does not come next. The contract is advanced again, and it is paid.
    world.settle(&mut advancer, 2).await;
    assert_eq!(world.standing().await, 2);
    assert_eq!(world.wei_of(0).await, U256::from(super::WEI));
}
