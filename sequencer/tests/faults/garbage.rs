//! One of four sends what is no message, on every channel: it is cut off, and the others go on.

use super::cluster::{Cluster, Sender, run};
use commonware_p2p::{Recipients, Sender as _};
use commonware_runtime::{Clock, Spawner, Supervisor};
use rand::{Rng as _, RngExt as _};
use sinter_sequencer::channels;
use std::time::Duration;

const GARBAGE: usize = 3;

#[test]
fn garbage_on_every_channel_stops_nobody() {
    run(0..2, |context| async move {
        let mut cluster = Cluster::new(context).await;
        for seat in 0..3 {
            cluster.start(seat).await;
        }
        for channel in channels::ALL {
            let (sender, _receiver) = cluster.channel(GARBAGE, channel.id).await;
            let context = cluster.context.child("garbage").with_attribute("channel", channel.name);
            context.spawn(move |context| send_garbage(context, sender));
        }
        let ids = cluster.send(1, 50);
        cluster.reach(40, 120).await;
        cluster.assert_agreement();
        assert!(ids.iter().all(|id| cluster.node(0).index.locate(id).unwrap().is_some()));
        let blocked = cluster.oracle.blocked().await.unwrap();
        let key = cluster.key(GARBAGE);
        for seat in 0..3 {
            assert!(blocked.contains(&(cluster.key(seat), key.clone())), "seat {seat} still listens to garbage");
        }
    });
}

async fn send_garbage(mut context: super::cluster::Context, mut sender: Sender) {
    loop {
        let mut message = vec![0; context.random_range(1..2_000)];
        context.fill_bytes(&mut message);
        sender.send(Recipients::All, message, false);
        context.sleep(Duration::from_millis(20)).await;
    }
}
