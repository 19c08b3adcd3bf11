//! Four honest seats agree, idle and under load.

use super::cluster::{Cluster, SEATS, run};

#[test]
fn idle_seats_agree_at_the_idle_pace() {
    run(0..2, |context| async move {
        let mut cluster = Cluster::new(context).await;
        cluster.start_all().await;
        cluster.reach(20, 10).await;
        assert!(cluster.assert_agreement() >= 20);
        // 50 ms a block when there is nothing to order, and three hops of 10 ms to finality.
        let idle_ms = 20 * cluster.chain.file.parameters.idle_interval_ms;
        let header = cluster.node(0).index.snapshot().unwrap().header(20).unwrap().unwrap();
        assert!(header.timestamp_ms >= idle_ms, "20 idle blocks in {} ms", header.timestamp_ms);
    });
}

#[test]
fn what_any_seat_takes_in_is_ordered_once() {
    run(0..2, |context| async move {
        let mut cluster = Cluster::new(context).await;
        cluster.start_all().await;
        let mut ids = Vec::new();
        for round in 1..=5 {
            for seat in 0..SEATS {
                ids.extend(cluster.send(seat, 50));
            }
            cluster.reach(round * 10, 20).await;
        }
        cluster.assert_agreement();
        for seat in 0..SEATS {
            let node = cluster.node(seat);
            for id in &ids {
                assert!(node.index.locate(id).unwrap().is_some(), "seat {seat} lacks {id}");
            }
            assert_eq!(node.mempool.stats().transactions, 0, "seat {seat}");
            assert!(!node.status.is_stalled(node.status.finalized_at_ms().unwrap()));
        }
    });
}
