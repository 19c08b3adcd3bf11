//! One member runs two nodes with the same keys, each with a voting journal of its own: what an operator does who starts a copy, or who
//! means to. (Bano et al., "Twins: BFT Systems Made Robust".) Neither knows of the other, and the others see both or one of them.

use super::cluster::{CHANNELS, Cluster, Context, SEATS, run};
use commonware_cryptography::ed25519::PublicKey;
use commonware_p2p::{
    Recipients,
    simulated::{SplitOrigin, SplitTarget},
};
use commonware_runtime::{IoBuf, Supervisor as _};
use std::sync::Arc;

/// The member that is there twice.
const TWIN: usize = SEATS - 1;
const HONEST: [usize; 3] = [0, 1, 2];

/// A committee whose last member is there twice: `seen` says whom the first and the second of the two talk to.
async fn with_twins(context: Context, seen: [&'static [usize]; 2]) -> Cluster {
    let mut cluster = Cluster::new(context).await;
    for seat in HONEST {
        cluster.start(seat).await;
    }
    // The second node of the same member, with a directory of its own.
    cluster.members.push(cluster.members[TWIN].clone());
    cluster.nodes.push(None);
    cluster.l1.push(None);
    cluster.protocol_max.push(cluster.protocol_max[TWIN]);
    let groups = Arc::new(seen.map(|seats| seats.iter().map(|seat| cluster.key(*seat)).collect::<Vec<PublicKey>>()));
    let of = |origin: SplitOrigin| usize::from(origin == SplitOrigin::Secondary);
    let (mut first, mut second) = (Vec::new(), Vec::new());
    for channel in CHANNELS {
        let (sender, receiver) = cluster.channel(TWIN, channel).await;
        let (to, from) = (groups.clone(), groups.clone());
        let forward = move |origin: SplitOrigin, recipients: &Recipients<PublicKey>, _: &IoBuf| {
            let group = &to[of(origin)];
            let some = |peers: &[PublicKey]| peers.iter().filter(|peer| group.contains(peer)).cloned().collect();
            let peers: Vec<PublicKey> = match recipients {
                Recipients::All => group.clone(),
                Recipients::Some(peers) => some(peers),
                Recipients::One(peer) => some(std::slice::from_ref(peer)),
            };
            (!peers.is_empty()).then_some(Recipients::Some(peers))
        };
        let route = move |(peer, _): &(PublicKey, IoBuf)| match from.each_ref().map(|group| group.contains(peer)) {
            [true, true] => SplitTarget::Both,
            [true, false] => SplitTarget::Primary,
            [false, true] => SplitTarget::Secondary,
            [false, false] => SplitTarget::None,
        };
        let senders = sender.split_with(forward);
        let context = cluster.context.child("twins").with_attribute("channel", channel);
        let receivers = receiver.split_with(context, route);
        first.push((senders.0, receivers.0));
        second.push((senders.1, receivers.1));
    }
    cluster.launch(TWIN, None, first).await.unwrap();
    cluster.launch(SEATS, None, second).await.unwrap();
    cluster
}

/// The others agree, go on, and convict nobody but the one who is there twice, if they see that he is.
fn twins(seen: [&'static [usize]; 2], is_convicted: bool) {
    run(0..3, |context| async move {
        let mut cluster = with_twins(context, seen).await;
        let ids = cluster.send(0, 30);
        for tens in 1..=6 {
            // Each has something else to order: in the same millisecond, on the same parent, of the same transactions they make one block.
            cluster.send(TWIN, 5);
            cluster.send(SEATS, 5);
            cluster.reach_all(&HONEST, 10 * tens, 240).await;
        }
        let height = HONEST.iter().map(|seat| cluster.height(*seat)).min().unwrap();
        for at in 1..=height {
            let headers = HONEST.map(|seat| cluster.node(seat).index.snapshot().unwrap().header(at).unwrap().unwrap());
            assert!(headers.iter().all(|header| *header == headers[0]), "height {at}: {headers:?}");
        }
        assert!(ids.iter().all(|id| cluster.node(1).index.locate(id).unwrap().is_some()));
        let mut pieces = 0;
        for seat in HONEST {
            for evidence in cluster.node(seat).evidence.all() {
                evidence.verify(&cluster.chain.hash).unwrap();
                assert_eq!(evidence.seat(&cluster.chain.committee), Ok(TWIN));
                pieces += 1;
            }
        }
        assert!(pieces > 0 || !is_convicted, "nobody saw that a member is there twice");
    });
}

#[test]
fn both_seen_by_everybody() {
    twins([&HONEST, &HONEST], true);
}

#[test]
fn each_seen_by_two() {
    twins([&[0, 1], &[1, 2]], true);
}

#[test]
fn one_seen_by_two_and_the_other_by_one() {
    twins([&[0, 1], &[2]], false);
}

#[test]
fn one_seen_by_one_and_the_other_by_all() {
    twins([&[1], &HONEST], true);
}
