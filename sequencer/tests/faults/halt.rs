//! Two of four down: nothing becomes final, and it goes on by itself when they are back.

use super::cluster::{Cluster, run};
use sinter_sequencer::clock::unix_ms;

#[test]
fn two_of_four_down_halt_and_two_back_resume() {
    run(0..2, |context| async move {
        let mut cluster = Cluster::new(context).await;
        cluster.start_all().await;
        cluster.reach(10, 20).await;
        cluster.kill(2).await;
        cluster.kill(3).await;
        // What was on its way may still become final.
        cluster.sleep_ms(2_000).await;
        let halted = cluster.height(0).max(cluster.height(1));
        cluster.sleep_ms(60_000).await;
        assert!(cluster.height(0).max(cluster.height(1)) <= halted, "two seats finalized");
        assert!(cluster.node(0).status.is_stalled(unix_ms(&cluster.context)));

        // A third makes a quorum, at once after its next nullify is due.
        cluster.start(2).await;
        cluster.reach(halted + 5, 30).await;
        cluster.start(3).await;
        cluster.reach(halted + 10, 30).await;
        assert!(!cluster.node(0).status.is_stalled(unix_ms(&cluster.context)));
        cluster.assert_agreement();
    });
}
