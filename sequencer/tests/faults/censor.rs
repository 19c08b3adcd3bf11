//! Members that order nothing of what users send: what they leave out, the others order.

use super::{
    cluster::{Cluster, SEATS, run},
    liar::Lie,
};

const CENSOR: usize = SEATS - 1;
/// Blocks in which every seat has led, some of them twice.
const TURNS: u64 = 2 * SEATS as u64;

#[test]
fn what_one_leaves_out_lands_through_the_others() {
    run(0..3, |context| async move {
        let mut cluster = Cluster::new(context).await;
        for seat in 0..CENSOR {
            cluster.start(seat).await;
        }
        cluster.try_start(CENSOR, Some(Lie::Censors)).await.unwrap();
        cluster.reach(5, 60).await;
        // Sent to one member who serves everybody, and to the one who serves nobody.
        for seat in [0, CENSOR] {
            let sent_at = cluster.height(seat);
            let ids = cluster.send(seat, 20);
            cluster.reach(sent_at + TURNS, 60).await;
            for id in ids {
                let height = cluster.node(1).index.locate(&id).unwrap().expect("ordered").height;
                assert!(height <= sent_at + TURNS, "sent at {sent_at}, ordered at {height}");
            }
        }
        // It led, and its blocks are empty: nothing is wrong with them.
        let index = &cluster.node(0).index;
        let snapshot = index.snapshot().unwrap();
        let mut led = 0;
        for height in 1..=index.tip().header.height {
            if snapshot.header(height).unwrap().unwrap().proposer_seat as usize == CENSOR {
                led += 1;
                assert!(snapshot.namespace_table(height).unwrap().leaves().is_empty(), "height {height}");
            }
        }
        assert!(led > 0);
        assert_eq!(cluster.node(0).status.faults(), 0);
    });
}
