//! A voting journal whose end was torn by a crash, and one that is gone.

use super::cluster::{Cluster, run};
use commonware_runtime::{Blob as _, Storage as _, WriteOptions};
use rand::RngExt as _;
use sinter_sequencer::engine::{EngineError, votes_partition};

const VICTIM: usize = 2;

fn partition() -> String {
    votes_partition(&Cluster::prefix(VICTIM), 0)
}

#[test]
fn a_torn_tail_is_cut_and_the_node_goes_on() {
    run(0..4, |mut context| async move {
        let torn_bytes: u64 = context.random_range(1..64);
        let cut_short: bool = context.random();
        let mut cluster = Cluster::new(context).await;
        cluster.start_all().await;
        cluster.reach(20, 20).await;
        cluster.kill(VICTIM).await;
        let mut blobs = cluster.context.scan(&partition()).await.unwrap();
        blobs.sort();
        let last = blobs.last().unwrap();
        let (blob, size) = cluster.context.open(&partition(), last).await.unwrap();
        if cut_short {
            blob.resize(size.saturating_sub(torn_bytes)).await.unwrap();
        } else {
            blob.write_at(size, vec![0xa5; torn_bytes as usize], WriteOptions::default()).await.unwrap();
        }
        blob.sync().await.unwrap();
        drop(blob);
        cluster.start(VICTIM).await;
        cluster.reach(cluster.height(0) + 20, 60).await;
        cluster.assert_agreement();
    });
}

#[test]
fn a_node_that_lost_its_votes_does_not_vote() {
    run(0..1, |context| async move {
        let mut cluster = Cluster::new(context).await;
        cluster.start_all().await;
        cluster.reach(20, 20).await;
        cluster.kill(VICTIM).await;
        cluster.context.remove(&partition(), None).await.unwrap();
        let error = cluster.try_start(VICTIM, None).await.unwrap_err();
        assert!(matches!(error, EngineError::VotesLost { height } if height >= 20), "{error}");
        cluster.reach_all(&[0, 1, 3], 30, 60).await;
    });
}
