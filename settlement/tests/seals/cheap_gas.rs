//! Waiting for cheaper gas until the deadline, and what a spike does.

use super::{GWEI, World, states};
use sinter_settlement::seals::{FeePolicy, Outlook, SealsConfig};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as u64
}

const HOUR: Duration = Duration::from_secs(3600);

fn policy(target_wei: u128, ceiling_wei: u128, deadline_in: Duration) -> FeePolicy {
    FeePolicy {
        ceiling_wei,
        target_wei: Some(target_wei),
        deadline_ms: Some(now_ms() + deadline_in.as_millis() as u64),
        inclusion: Duration::from_secs(60),
        rise: HOUR,
    }
}

/// A chain that asks about 80 gwei, and a seal.
async fn dear_world() -> World {
    let world = World::with_base_fee(200 * GWEI as u64).await;
    world.tell(1).await;
    assert!((60 * GWEI..100 * GWEI).contains(&world.base_fee().await));
    world
}

#[tokio::test(flavor = "multi_thread")]
async fn waits_for_the_target_and_pays_no_more() {
    let world = dear_world().await;
    let config = SealsConfig { fees: policy(20 * GWEI, 200 * GWEI, 10 * HOUR), ..world.config() };
    let mut submitter = world.submitter_with(config, &[1]);
    let status = submitter.status();
    while world.base_fee().await > 20 * GWEI {
        submitter.round().await.unwrap();
        assert_eq!((states(&status.borrow()), status.borrow().waits_for_gas), (vec!["waiting"], true));
        assert_eq!(world.proxy.distinct_sends(), 0);
        world.chain.mine();
    }
    submitter.round().await.unwrap();
    assert_eq!((states(&status.borrow()), status.borrow().waits_for_gas), (vec!["sent"], false));
    assert_eq!((status.borrow().base_fee_max_wei, status.borrow().outlook), (20 * GWEI, Outlook::Fine));
    let status = world.settle(&mut submitter).await;
    assert!(status.seals[0].delivery.unwrap().gas_price_wei <= 21 * GWEI, "{status:?}");
    world.assert_settled_once(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pays_up_to_the_ceiling_when_it_is_time() {
    let world = dear_world().await;
    // Half of the rise is over: a quarter of the way, which is 38 gwei and not enough.
    let half = HOUR / 2 + Duration::from_secs(60);
    let config = SealsConfig { fees: policy(GWEI, 150 * GWEI, half), ..world.config() };
    let mut submitter = world.submitter_with(config, &[1]);
    submitter.round().await.unwrap();
    let paid = submitter.status().borrow().base_fee_max_wei;
    assert!((37 * GWEI..40 * GWEI).contains(&paid), "{paid}");
    assert_eq!(world.proxy.distinct_sends(), 0);
    drop(submitter);
    // All of it is over.
    let config = SealsConfig { fees: policy(GWEI, 150 * GWEI, Duration::from_secs(59)), ..world.config() };
    let mut submitter = world.submitter_with(config, &[1]);
    submitter.round().await.unwrap();
    assert_eq!(submitter.status().borrow().base_fee_max_wei, 150 * GWEI);
    assert_eq!(world.proxy.distinct_sends(), 1);
    world.settle(&mut submitter).await;
    world.assert_settled_once(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deadline_that_cannot_be_met_is_reported_and_not_given_up() {
    let world = dear_world().await;
    let config = SealsConfig { fees: policy(GWEI, 30 * GWEI, Duration::from_secs(50)), ..world.config() };
    let mut submitter = world.submitter_with(config, &[1]);
    let status = submitter.status();
    submitter.round().await.unwrap();
    assert_eq!((status.borrow().outlook, status.borrow().waits_for_gas), (Outlook::TooDear, true));
    drop(submitter);
    let config = SealsConfig { fees: policy(GWEI, 30 * GWEI, Duration::ZERO), ..world.config() };
    let mut submitter = world.submitter_with(config, &[1]);
    tokio::time::sleep(Duration::from_millis(5)).await;
    submitter.round().await.unwrap();
    let status = submitter.status();
    assert_eq!((status.borrow().outlook, world.proxy.distinct_sends()), (Outlook::Missed, 0));
    // Late is better than never.
    let last = world.settle(&mut submitter).await;
    assert_eq!(last.outlook, Outlook::Fine, "nothing is left to be late");
    assert!(last.seals[0].delivery.unwrap().gas_price_wei <= 30 * GWEI);
    world.assert_settled_once(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_spike_is_followed_up_to_the_ceiling() {
    let world = World::with_base_fee(40 * GWEI as u64).await;
    world.tell(1).await;
    let ceiling_wei = world.base_fee().await * 28 / 10;
    let fees = FeePolicy::at_once(ceiling_wei);
    let config = SealsConfig { fees, replace_after: Duration::ZERO, ..world.config() };
    let mut submitter = world.submitter_with(config, &[1]);
    submitter.round().await.unwrap();
    world.make_dear(ceiling_wei * 9 / 8, &mut submitter).await;
    assert_eq!(states(&submitter.status().borrow()), ["sent"]);
    let sends = world.proxy.distinct_sends();
    assert!(sends > 1, "it was replaced");
    submitter.round().await.unwrap();
    assert_eq!(world.proxy.distinct_sends(), sends, "the ceiling is offered: the same bytes again");
    let status = world.settle(&mut submitter).await;
    let paid_wei = status.seals[0].delivery.unwrap().gas_price_wei;
    assert!((ceiling_wei * 8 / 9..=ceiling_wei).contains(&paid_wei), "as soon as the ceiling is enough: {paid_wei}");
    world.assert_settled_once(1).await;
}
