//! An L1 that is down for a long time.

use super::{World, states};
use crate::proxy::Mood;
use sinter_settlement::seals::{Outlook, SealsConfig};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::oneshot;

const PATIENCE: Duration = Duration::from_secs(20);

#[tokio::test(flavor = "multi_thread")]
async fn is_waited_for_with_ever_longer_pauses() {
    let world = World::with_seals(2).await;
    world.proxy.set(Mood::Down);
    let submitter = world.submitter(&[1, 2]);
    let mut status = submitter.status();
    let (_stop, stopped) = oneshot::channel::<()>();
    let running = tokio::spawn(submitter.run(async {
        let _ = stopped.await;
    }));
    tokio::time::sleep(Duration::from_secs(2)).await;
    // 40 and 80 ms, and then 100 ms each; a request a round.
    assert!((10..=25).contains(&world.proxy.requests()), "{}", world.proxy.requests());
    assert!(status.borrow().failures >= 10);
    assert!(status.borrow().last_error.as_ref().unwrap().contains("503"), "{:?}", status.borrow().last_error);
    world.proxy.set(Mood::Pass);
    let sent = status.wait_for(|status| states(status) == ["sent", "waiting"] && status.failures == 0);
    tokio::time::timeout(PATIENCE, sent).await.unwrap().unwrap();
    // And once more while a transaction waits.
    world.proxy.set(Mood::Down);
    tokio::time::timeout(PATIENCE, status.wait_for(|status| status.failures >= 3)).await.unwrap().unwrap();
    world.mine(3);
    world.proxy.set(Mood::Pass);
    let sent = status.wait_for(|status| states(status) == ["settled", "sent"]);
    tokio::time::timeout(PATIENCE, sent).await.unwrap().unwrap();
    world.mine(3);
    assert!(tokio::time::timeout(PATIENCE, running).await.unwrap().unwrap().unwrap());
    world.assert_settled_once(2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn over_a_deadline_is_reported() {
    let world = World::with_seals(1).await;
    world.proxy.set(Mood::Down);
    let mut config = world.config();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    config.fees.deadline_ms = Some(now.as_millis() as u64 + 100);
    let submitter = world.submitter_with(SealsConfig { ..config }, &[1]);
    let mut status = submitter.status();
    let running = tokio::spawn(submitter.run(std::future::pending()));
    let missed = status.wait_for(|status| status.outlook == Outlook::Missed);
    tokio::time::timeout(PATIENCE, missed).await.unwrap().unwrap();
    running.abort();
}
