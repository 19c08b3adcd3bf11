//! Cut links: no side without a quorum finalizes, and a healed network agrees.

use super::cluster::{Cluster, SEATS, run};

#[test]
fn two_halves_wait_for_each_other() {
    run(0..2, |context| async move {
        let mut cluster = Cluster::new(context).await;
        cluster.start_all().await;
        cluster.reach(10, 20).await;
        cluster.cut(&[0, 1], &[2, 3]).await;
        cluster.sleep_ms(2_000).await;
        let heights: Vec<_> = (0..SEATS).map(|seat| cluster.height(seat)).collect();
        cluster.send(0, 30);
        cluster.send(2, 30);
        cluster.sleep_ms(30_000).await;
        for (seat, height) in heights.iter().enumerate() {
            assert_eq!(cluster.height(seat), *height, "seat {seat} finalized without a quorum");
        }
        cluster.connect(&(0..SEATS).collect::<Vec<_>>()).await;
        cluster.reach(heights.iter().max().unwrap() + 20, 60).await;
        cluster.assert_agreement();
        assert_eq!(cluster.node(0).mempool.stats().transactions, 0);
        assert_eq!(cluster.node(2).mempool.stats().transactions, 0);
    });
}

#[test]
fn one_cut_off_catches_up() {
    run(0..2, |context| async move {
        let mut cluster = Cluster::new(context).await;
        cluster.start_all().await;
        cluster.reach(10, 20).await;
        cluster.cut(&[3], &[0, 1, 2]).await;
        cluster.send(1, 50);
        cluster.reach_all(&[0, 1, 2], 80, 120).await;
        assert!(cluster.height(3) < 20);
        cluster.connect(&(0..SEATS).collect::<Vec<_>>()).await;
        cluster.reach(cluster.height(0) + 5, 60).await;
        cluster.assert_agreement();
    });
}
