//! One of four proposes invalid blocks, each kind of lie in turn: none becomes final, and the others go on.

use super::{
    cluster::{Cluster, run},
    liar::Lie,
};

const LIAR: usize = 3;

fn test(lie: Lie) {
    run(0..1, |context| async move {
        let mut cluster = Cluster::new(context).await;
        for seat in 0..3 {
            cluster.start(seat).await;
        }
        cluster.try_start(LIAR, Some(lie)).await.unwrap();
        let mut ids = Vec::new();
        for height in [4, 8, 12, 16] {
            ids.extend(cluster.send(0, 10));
            cluster.reach(height, 120).await;
        }
        cluster.reach(cluster.height(0) + 4, 120).await;
        cluster.assert_agreement();
        cluster.assert_no_block_of(LIAR);
        assert!(ids.iter().all(|id| cluster.node(1).index.locate(id).unwrap().is_some()));
    });
}

macro_rules! lies {
    ($($name:ident: $lie:ident,)*) => {
        $(#[test] fn $name() { test(Lie::$lie); })*

        #[test]
        fn every_lie_is_told() {
            assert_eq!([$(Lie::$lie),*], Lie::ALL);
        }
    };
}

lies! {
    ledger_root: LedgerRoot,
    namespace_table: NamespaceTable,
    repeat_of_an_ancestors_transaction: RepeatOfAncestor,
    transaction_twice_in_a_block: RepeatInBlock,
    expired_transaction: Expired,
    expiry_too_far_ahead: ExpiryTooFar,
    foreign_namespace: ForeignNamespace,
    forbidden_kind: ForbiddenKind,
    timestamp_in_the_future: FutureTimestamp,
    timestamp_of_the_parent: ParentTimestamp,
    seat_of_another: OtherSeat,
    another_view: OtherView,
    another_chain: OtherChain,
    l1_origin_that_moves: L1Origin,
    inbox_cursor_that_moves: InboxCursor,
    next_committee: NextCommittee,
    next_protocol: NextProtocol,
    randomness: Randomness,
    reveal_of_nobody: Reveal,
}
