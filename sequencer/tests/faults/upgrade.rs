//! Going over to other rules: when enough are ready and not before, past members that are late, and back again before it happens.

use super::{
    cluster::{Cluster, Context, SEATS, members, run, test_chain},
    epochs::{EPOCH_BLOCKS, two_committees, with_epochs},
    liar::Lie,
};
use sinter_primitives::{Header, Parameters};
use sinter_sequencer::{
    committees::Repeat,
    engine::EngineError,
    finalizer::FinalizerError,
    upgrades::{Readiness, UnknownProtocol},
};
use std::{cmp::Ordering, num::NonZeroU64, sync::Arc};

/// A network with epochs whose seats take part up to these protocols.
async fn network(context: Context, protocol_max: [u8; SEATS], epoch_blocks: u64) -> Cluster {
    let members = members(SEATS);
    let parameters = Parameters { epoch_blocks: NonZeroU64::new(epoch_blocks), ..with_epochs() };
    let chain = Arc::new(test_chain(&members, parameters));
    let mut cluster = Cluster::of(context, chain, members, Arc::new(Repeat)).await;
    cluster.protocol_max = protocol_max.to_vec();
    cluster.start_all().await;
    cluster
}

fn header(cluster: &Cluster, seat: usize, height: u64) -> Header {
    cluster.node(seat).index.snapshot().unwrap().header(height).unwrap().unwrap()
}

fn tip(cluster: &Cluster, seat: usize) -> Header {
    cluster.node(seat).index.tip().header
}

/// Waits until a seat sees that another protocol is named, and says in which epoch.
async fn until_named(cluster: &Cluster, seat: usize) -> u64 {
    for _ in 0..3_000 {
        let tip = tip(cluster, seat);
        if tip.next_protocol != 0 {
            return tip.epoch;
        }
        cluster.sleep_ms(20).await;
    }
    panic!("nothing is named: {:?}", tip(cluster, seat))
}

async fn restart(cluster: &mut Cluster, seat: usize, protocol_max: u8) {
    cluster.kill(seat).await;
    cluster.protocol_max[seat] = protocol_max;
    cluster.start(seat).await;
}

/// Checks that a seat's headers change their protocol where the epoch before says so, and nowhere else.
fn assert_signed_ahead(cluster: &Cluster, seat: usize) {
    let last = tip(cluster, seat).height;
    for height in 1..=last {
        let (parent, header) = (header(cluster, seat, height - 1), header(cluster, seat, height));
        assert_eq!(header.protocol, parent.protocol_in(header.epoch), "height {height}");
        if header.epoch == parent.epoch && header.next_protocol != parent.next_protocol {
            assert_eq!(header.next_protocol, 0, "height {height}: only an epoch's first block names another");
        }
    }
}

fn assert_nobody_at_fault(cluster: &Cluster) {
    for node in cluster.nodes.iter().flatten() {
        assert_eq!(node.status.faults(), 0);
        assert!(node.evidence.all().is_empty());
    }
}

#[test]
fn all_are_ready_and_no_view_is_lost() {
    run(0..2, |context| async move {
        let mut cluster = network(context, [2; SEATS], EPOCH_BLOCKS).await;
        let ids = cluster.send(0, 20);
        let named = until_named(&cluster, 0).await;
        let last = (named + 3) * EPOCH_BLOCKS;
        cluster.reach(last, 60).await;
        cluster.assert_agreement();
        assert_signed_ahead(&cluster, 0);
        for height in 1..=last {
            let header = header(&cluster, 1, height);
            let expected = match header.epoch.cmp(&named) {
                Ordering::Less => (1, 0),
                Ordering::Equal => (1, 2),
                Ordering::Greater => (2, 0),
            };
            assert_eq!((header.protocol, header.next_protocol), expected, "height {height}");
            if height % EPOCH_BLOCKS == 0 {
                assert_eq!(header.view, 1, "height {height}");
            }
        }
        assert!(ids.iter().all(|id| cluster.node(1).index.locate(id).unwrap().is_some()));
        let nobody = Readiness { seats: 4, quorum: 3, ready: 0, not_ready: 4 };
        assert_eq!(cluster.node(2).status.readiness(), (2, nobody, nobody));
        assert_nobody_at_fault(&cluster);
    });
}

#[test]
fn who_is_late_stops_before_it_and_comes_back() {
    run(0..2, |context| async move {
        const LATE: usize = 3;
        let mut cluster = network(context, [2, 2, 2, 1], EPOCH_BLOCKS).await;
        let epoch = until_named(&cluster, 0).await;
        let from_height = (epoch + 1) * EPOCH_BLOCKS;
        let stopped = cluster.stopped(LATE).await;
        let (EngineError::Protocol(error) | EngineError::Finalizer(FinalizerError::Protocol(error))) = stopped else {
            panic!("{stopped}")
        };
        assert_eq!(error, UnknownProtocol { height: from_height, max: 1, got: 2 });
        // Its tasks let go of their files when the runtime next turns to them.
        cluster.sleep_ms(10).await;
        // It has all that came before, and signed nothing after.
        assert_eq!(cluster.open_index(LATE).tip().header.height, from_height - 1);
        let error = cluster.try_start(LATE, None).await.unwrap_err();
        assert!(matches!(error, EngineError::Protocol(UnknownProtocol { got: 2, .. })), "{error}");

        cluster.reach_all(&[0, 1, 2], from_height + 2 * EPOCH_BLOCKS, 120).await;
        cluster.protocol_max[LATE] = 2;
        cluster.start(LATE).await;
        let height = cluster.height(0) + 2 * EPOCH_BLOCKS;
        cluster.reach(height, 120).await;
        cluster.assert_agreement();
        assert_signed_ahead(&cluster, LATE);
        let led = (height - EPOCH_BLOCKS..=height).map(|height| header(&cluster, 0, height).proposer_seat as usize);
        assert!(led.into_iter().any(|seat| seat == LATE), "it leads again");
        assert_nobody_at_fault(&cluster);
    });
}

#[test]
fn too_few_are_ready() {
    run(0..2, |context| async move {
        let mut cluster = network(context, [2, 2, 1, 1], EPOCH_BLOCKS).await;
        cluster.reach(4 * EPOCH_BLOCKS, 60).await;
        cluster.assert_agreement();
        for height in 1..=4 * EPOCH_BLOCKS {
            let header = header(&cluster, 0, height);
            assert_eq!((header.protocol, header.next_protocol), (1, 0), "height {height}");
        }
        let half = Readiness { seats: 4, quorum: 3, ready: 2, not_ready: 2 };
        assert_eq!(cluster.node(0).status.readiness(), (2, half, half));
        // The third that is ready makes it a quorum.
        restart(&mut cluster, 2, 2).await;
        let epoch = until_named(&cluster, 0).await;
        cluster.reach_all(&[0, 1, 2], (epoch + 2) * EPOCH_BLOCKS, 120).await;
        assert_eq!(tip(&cluster, 0).protocol, 2);
        assert_signed_ahead(&cluster, 0);
    });
}

/// Lets a seat lie about the next protocol from now on: it names one where nothing is named, and takes back what is.
async fn lie(cluster: &mut Cluster, liar: usize) {
    cluster.kill(liar).await;
    cluster.try_start(liar, Some(Lie::NextProtocol)).await.unwrap();
}

/// Checks that the liar led the first view of some epoch, of those in which it has the seat of its number, and got no block through.
fn assert_refused(cluster: &Cluster, from_height: u64, (liar, is_seated): (usize, fn(u64) -> bool), watcher: usize) {
    let headers = (from_height..=tip(cluster, watcher).height).map(|at| header(cluster, watcher, at));
    let headers: Vec<_> = headers.filter(|header| is_seated(header.epoch)).collect();
    assert!(headers.iter().all(|header| header.proposer_seat as usize != liar));
    let refused = headers.iter().filter(|header| header.parent_view == 0 && header.view > 1).count();
    assert!(refused > 0, "no epoch began with a view of the liar's");
}

#[test]
fn a_leader_that_names_it_without_a_quorum_is_refused_by_those_who_are_ready() {
    run(0..2, |context| async move {
        const LIAR: usize = 0;
        let mut cluster = network(context, [2, 2, 2, 1], EPOCH_BLOCKS).await;
        // Three are a quorum, and the liar is one of them: with another held back, the two that are left refuse.
        restart(&mut cluster, 2, 1).await;
        let from_height = cluster.height(1) + 1;
        lie(&mut cluster, LIAR).await;
        cluster.reach(from_height + 12 * EPOCH_BLOCKS, 240).await;
        cluster.assert_agreement();
        assert!((1..=tip(&cluster, 1).height).all(|at| header(&cluster, 1, at).protocol == 1));
        assert_refused(&cluster, from_height + EPOCH_BLOCKS, (LIAR, |_| true), 1);
        assert_nobody_at_fault(&cluster);
    });
}

#[test]
fn a_leader_that_takes_it_back_alone_is_refused() {
    run(0..2, |context| async move {
        const LIAR: usize = 2;
        const LONG: u64 = 128;
        let mut cluster = network(context, [2; SEATS], LONG).await;
        let epoch = until_named(&cluster, 0).await;
        lie(&mut cluster, LIAR).await;
        cluster.reach((epoch + 1) * LONG + 4, 240).await;
        cluster.assert_agreement();
        assert_eq!(tip(&cluster, 0).protocol, 2);
        assert_signed_ahead(&cluster, 0);
        assert_nobody_at_fault(&cluster);
    });
}

#[test]
fn what_is_named_is_taken_back_if_the_next_members_are_no_quorum_and_not_by_one() {
    run(0..2, |context| async move {
        const LONG: u64 = 256;
        let mut cluster = network(context, [2; SEATS], LONG).await;
        let epoch = until_named(&cluster, 0).await;
        restart(&mut cluster, 0, 1).await;
        let height = cluster.height(1) + 40;
        cluster.reach_all(&[1, 2, 3], height, 60).await;
        assert_eq!(tip(&cluster, 1).next_protocol, 2, "one alone takes nothing back");
        restart(&mut cluster, 1, 1).await;
        cluster.reach(cluster.height(3) + 60, 60).await;
        assert_eq!((tip(&cluster, 3).epoch, tip(&cluster, 3).next_protocol), (epoch, 0));
        cluster.reach((epoch + 1) * LONG + 4, 120).await;
        cluster.assert_agreement();
        assert_eq!(tip(&cluster, 3).protocol, 1);
        assert_signed_ahead(&cluster, 3);
        assert_nobody_at_fault(&cluster);
    });
}

#[test]
fn those_who_come_next_have_to_be_ready_too() {
    run(0..2, |context| async move {
        let mut cluster = two_committees(context).await;
        cluster.protocol_max = vec![2, 2, 2, 2, 1, 1, 1, 1];
        cluster.start_all().await;
        cluster.reach(6 * EPOCH_BLOCKS, 120).await;
        assert!((1..=6 * EPOCH_BLOCKS).all(|height| {
            let header = header(&cluster, 0, height);
            // Epochs 0 and 1 have the same members: those who have epoch 2 are never ready.
            (header.protocol, header.next_protocol) == (1, 0)
        }));
        // Nor can a leader bring it about, though his own epoch's members are all ready. In their epochs, the odd ones, this seat leads
        // the first view.
        const LIAR: usize = 1;
        let from_height = cluster.height(0) + 1;
        lie(&mut cluster, LIAR).await;
        cluster.reach(from_height + 8 * EPOCH_BLOCKS, 480).await;
        assert!((1..=tip(&cluster, 0).height).all(|at| header(&cluster, 0, at).protocol == 1));
        assert_refused(&cluster, from_height + EPOCH_BLOCKS, (LIAR, |epoch| epoch % 2 == 1), 0);
        cluster.kill(LIAR).await;
        cluster.start(LIAR).await;
        for seat in SEATS..2 * SEATS {
            restart(&mut cluster, seat, 2).await;
        }
        let epoch = until_named(&cluster, 0).await;
        cluster.reach((epoch + 3) * EPOCH_BLOCKS, 120).await;
        cluster.assert_agreement();
        assert_signed_ahead(&cluster, 0);
        assert_eq!(tip(&cluster, 5).protocol, 2);
        assert_nobody_at_fault(&cluster);
    });
}
