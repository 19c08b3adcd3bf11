//! One of four is killed and restarted in a loop: the others never stall, nothing final is lost, and the
//! journal shows one vote a view.

use super::{
    cluster::{Cluster, SEATS, run},
    journal,
};
use rand::RngExt as _;
use sinter_sequencer::status::stall_bound_ms;

const VICTIM: usize = 3;

#[test]
fn a_member_that_keeps_crashing_stalls_nobody_and_votes_once_a_view() {
    run(0..2, |mut context| async move {
        let pauses: Vec<u64> = (0..6).map(|_| context.random_range(0..200)).collect();
        let mut cluster = Cluster::new(context).await;
        cluster.start_all().await;
        let bound_seconds = stall_bound_ms(&cluster.chain.file.parameters, SEATS) / 1000 + 1;
        let mut seen = journal::Votes::default();
        for pause_ms in pauses {
            cluster.send(0, 20);
            cluster.reach(cluster.height(0) + 5, 4 * bound_seconds).await;
            cluster.sleep_ms(pause_ms).await;
            let indexed = cluster.node(VICTIM).index.tip();
            cluster.kill(VICTIM).await;

            // Every vote that it ever signed is in the journal, or was superseded there by a finalization.
            seen.extend(journal::votes(&cluster, VICTIM, 0).await);
            seen.assert_one_vote_a_view();

            let others = [0, 1, 2];
            for _ in 0..3 {
                cluster.reach_all(&others, cluster.height(0) + 1, bound_seconds).await;
            }
            cluster.start(VICTIM).await;
            let kept = cluster.node(VICTIM).index.snapshot().unwrap().header(indexed.header.height).unwrap();
            assert_eq!(kept, Some(indexed.header), "a final block was lost");
        }
        cluster.reach(cluster.height(0) + 5, 4 * bound_seconds).await;
        cluster.assert_agreement();
        for seat in 0..SEATS {
            assert_eq!(cluster.node(seat).status.faults(), 0, "seat {seat} saw a double vote");
        }
    });
}

#[test]
fn all_members_that_crash_at_once_go_on_where_they_were() {
    run(0..2, |context| async move {
        let mut cluster = Cluster::new(context).await;
        cluster.start_all().await;
        for _ in 0..3 {
            let ids = cluster.send(1, 40);
            cluster.reach(cluster.height(0) + 12, 20).await;
            let tip = cluster.node(1).index.tip();
            assert!(ids.iter().all(|id| cluster.node(1).index.locate(id).unwrap().is_some()));
            for seat in 0..SEATS {
                cluster.kill(seat).await;
            }
            cluster.start_all().await;
            assert!(cluster.node(1).index.tip().header.height >= tip.header.height);
        }
        cluster.reach(cluster.height(0) + 5, 20).await;
        cluster.assert_agreement();
    });
}
