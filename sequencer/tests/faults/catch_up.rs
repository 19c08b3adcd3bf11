//! A node that was away, for longer than peers keep views, and one that never was there.

use super::cluster::{Cluster, run};

#[test]
fn a_node_that_was_away_fetches_what_it_missed() {
    run(0..1, |context| async move {
        let mut cluster = Cluster::new(context).await;
        cluster.start_all().await;
        cluster.reach(10, 20).await;
        cluster.kill(3).await;
        cluster.send(0, 100);
        cluster.reach(400, 200).await;
        cluster.start(3).await;
        // More than twice as fast as blocks come: 400 at 50 ms and more a block took 20 s at least.
        cluster.reach_all(&[3], 400, 20).await;
        cluster.reach(cluster.height(0) + 10, 20).await;
        cluster.assert_agreement();
    });
}

#[test]
fn a_node_that_starts_late_fetches_everything() {
    run(0..1, |context| async move {
        let mut cluster = Cluster::new(context).await;
        for seat in 0..3 {
            cluster.start(seat).await;
        }
        cluster.send(0, 100);
        cluster.reach(300, 300).await;
        cluster.start(3).await;
        cluster.reach_all(&[3], 300, 30).await;
        cluster.reach(cluster.height(0) + 10, 20).await;
        cluster.assert_agreement();
    });
}
