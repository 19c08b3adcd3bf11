//! What was appended on L1 is ordered, all of it, once, before everything else; and a block that does otherwise is not voted for.

use super::{
    cluster::{
        CLOSED_NAMESPACE, Cluster, Context, NAMESPACE, OTHER_NAMESPACE, SEATS, chain_with, members, parameters, run,
    },
    draw::{L1, ORIGIN},
};
use bytes::Bytes;
use commonware_runtime::Clock as _;
use sinter_primitives::{
    Block, Body, Chain, Digest, Namespace, Parameters, Transaction, TransactionKind,
    body::Lane,
    chain::ForcedInboxSpec,
    forced_inbox::{
        ForcedEntry, L1_BLOCK_BYTES_MAX, L1_BLOCK_ENTRIES_MAX, ORIGIN_STEP_MAX, PAYLOAD_BYTES_MAX, fits, openings,
    },
    header::L1Origin,
    registry::Registry,
};
use sinter_sequencer::{
    application::{Advance, assemble},
    committees::Repeat,
    l1::L1View,
    ledgers::State,
    validity::{InvalidBlock, Slot, check},
};
use std::{sync::Arc, time::Duration};

fn chain(parameters: Parameters) -> Chain {
    let inbox = ForcedInboxSpec { address: format!("0x{}", "fe".repeat(20)) };
    chain_with(&members(SEATS), parameters, None, Some(inbox))
}

fn entry(index: u64, l1_block: u64, namespace: Namespace, bytes: usize) -> ForcedEntry {
    ForcedEntry { index, l1_block, namespace, payload: Bytes::from(vec![index as u8; bytes]) }
}

/// Three for one lane, one for another, one for nobody.
fn entries() -> Vec<ForcedEntry> {
    let of = [NAMESPACE, OTHER_NAMESPACE, CLOSED_NAMESPACE, NAMESPACE, NAMESPACE];
    (0..).zip(of).map(|(index, namespace)| entry(index, 6 + index / 2, namespace, 10)).collect()
}

/// A block that orders what was forced, and a transaction of a user behind it.
struct Case {
    chain: Chain,
    parent: State,
    slot: Slot,
    forced: Vec<ForcedEntry>,
    block: Block,
}

impl Case {
    fn new() -> Self {
        let chain = chain(parameters());
        let parent = State::genesis(&chain);
        let slot = Slot {
            epoch: 0,
            view: 1,
            parent_view: 0,
            parent: parent.digest,
            leader_seat: 2,
            next_committee: Digest([0; 32]),
            next_protocol: 0,
        };
        let forced = entries();
        let user = Transaction {
            kind: TransactionKind::User,
            namespace: NAMESPACE,
            expiry_height: 9,
            payload: Bytes::from_static(b"sent"),
        };
        let opening = |(namespace, entries): (Namespace, Vec<&ForcedEntry>)| Lane {
            namespace,
            transactions: entries.into_iter().map(ForcedEntry::transaction).collect(),
        };
        let mut lanes: Vec<Lane> = openings(&parent.ledger, &forced).into_iter().map(opening).collect();
        lanes[0].transactions.push(user);
        let block = Block { header: parent.header, body: Body::default() };
        let case = Self { chain, parent, slot, forced, block };
        Self { block: case.assembled(lanes), ..case }
    }

    /// The block with these lanes.
    fn assembled(&self, lanes: Vec<Lane>) -> Block {
        let origin = L1Origin { number: 20, hash: Digest([20; 32]) };
        let advance = Advance { origin, forced: self.forced.clone().into() };
        let body = Body { lanes, ..Body::default() };
        Block::clone(&assemble(&self.chain, &self.slot, &self.parent, (1, &advance), body).unwrap().1)
    }

    fn check(&self, block: &Block) -> Result<State, InvalidBlock> {
        check(&self.chain, &self.parent, (&self.slot, &self.chain.committee), (block, &self.forced), |_| None)
    }

    /// The rule that other lanes break, in a block that is right otherwise.
    fn broken_by(&self, change: impl FnOnce(&mut Vec<Lane>)) -> &'static str {
        let mut lanes = self.block.body.lanes.clone();
        change(&mut lanes);
        self.check(&self.assembled(lanes)).unwrap_err().rule()
    }
}

#[test]
fn a_block_opens_with_what_was_forced_and_with_nothing_else() {
    let case = Case::new();
    let state = case.check(&case.block).unwrap();
    // That of a namespace that is not open is passed over, and counts.
    assert_eq!((state.header.inbox_cursor, state.ids.len()), (5, 5));

    assert_eq!(case.broken_by(|lanes| drop(lanes[0].transactions.remove(1))), "forced");
    assert_eq!(case.broken_by(|lanes| drop(lanes.remove(1))), "forced");
    assert_eq!(case.broken_by(|lanes| lanes[0].transactions.swap(0, 1)), "forced");
    assert_eq!(case.broken_by(|lanes| lanes[0].transactions.swap(2, 3)), "forced");
    assert_eq!(case.broken_by(|lanes| lanes[0].transactions[0].payload = Bytes::from_static(b"other")), "forced");
    assert_eq!(case.broken_by(|lanes| lanes[0].transactions[0].expiry_height = 4), "forced");
    assert_eq!(case.broken_by(|lanes| lanes[0].transactions[0].kind = TransactionKind::User), "forced");
    // What nobody forced, wherever it stands.
    let invented = |namespace| entry(5, 9, namespace, 10).transaction();
    assert_eq!(case.broken_by(|lanes| lanes[0].transactions.insert(3, invented(NAMESPACE))), "ordering");
    assert_eq!(case.broken_by(|lanes| lanes[1].transactions.push(invented(OTHER_NAMESPACE))), "ordering");
    // The same one twice.
    assert_eq!(
        case.broken_by(|lanes| {
            let again = lanes[0].transactions[2].clone();
            lanes[0].transactions.push(again);
        }),
        "repeated"
    );
}

#[test]
fn the_cursor_counts_what_was_forced_by_the_origin() {
    let case = Case::new();
    let with = |change: fn(&mut Block)| {
        let mut block = case.block.clone();
        change(&mut block);
        case.check(&block).unwrap_err().rule()
    };
    assert_eq!(with(|block| block.header.inbox_cursor += 1), "inbox cursor");
    assert_eq!(with(|block| block.header.inbox_cursor = 0), "inbox cursor");
    assert_eq!(with(|block| block.header.l1_origin.number = ORIGIN + ORIGIN_STEP_MAX + 1), "l1 origin");
    // Somebody to whom the L1 tells of more, or of less.
    for forced in [entries()[..4].to_vec(), [entries(), vec![entry(5, 10, NAMESPACE, 1)]].concat()] {
        let other = Case { forced, ..Case::new() };
        assert_eq!(other.check(&case.block).unwrap_err().rule(), "inbox cursor");
    }
    // A block that stays on its parent's origin orders nothing of it.
    let staying = Body { lanes: case.block.body.lanes.clone(), ..Body::default() };
    let advance = Advance::none(&case.parent.header);
    let (_, block) = assemble(&case.chain, &case.slot, &case.parent, (1, &advance), staying).unwrap();
    let of = (&case.slot, &case.chain.committee);
    let error = check(&case.chain, &case.parent, of, (&block, &[]), |_| None).unwrap_err();
    assert_eq!(error.rule(), "ordering");
}

#[test]
fn what_one_l1_block_appends_fits_into_the_smallest_block() {
    let chain = chain(Parameters {
        block_bytes_max: 2 * L1_BLOCK_BYTES_MAX,
        block_transactions_max: 2 * L1_BLOCK_ENTRIES_MAX,
        payload_bytes_max: PAYLOAD_BYTES_MAX,
        ..parameters()
    });
    // The most by bytes, and the most by number.
    let largest: Vec<_> = (0..3).map(|index| entry(index, 6, NAMESPACE, PAYLOAD_BYTES_MAX)).collect();
    assert!(fits(&chain, &largest));
    let many: Vec<_> = (0..L1_BLOCK_ENTRIES_MAX as u64).map(|index| entry(index, 6, NAMESPACE, 1)).collect();
    assert!(fits(&chain, &many));
    // More than that is for the next block.
    assert!(!fits(&chain, &[largest, vec![entry(3, 7, NAMESPACE, PAYLOAD_BYTES_MAX)]].concat()));
    assert!(!fits(&chain, &[many, vec![entry(L1_BLOCK_ENTRIES_MAX as u64, 7, NAMESPACE, 1)]].concat()));
    assert!(fits(&chain, &[]));
}

/// Members who see an L1 with these entries.
async fn cluster(context: Context, forced: &[ForcedEntry]) -> (Cluster, Vec<Arc<L1>>) {
    cluster_of(context, chain(parameters()), forced).await
}

/// The same, of a chain.
pub async fn cluster_of(context: Context, chain: Chain, forced: &[ForcedEntry]) -> (Cluster, Vec<Arc<L1>>) {
    // The L1 is older than the chain.
    context.sleep(Duration::from_secs(ORIGIN + 1)).await;
    let mut cluster = Cluster::of(context, Arc::new(chain), members(SEATS), Arc::new(Repeat)).await;
    let nobody = Registry::new(1, &[0; 20]);
    let l1: Vec<_> = (0..SEATS).map(|_| L1::new(&cluster.context, &nobody, forced.to_vec())).collect();
    cluster.l1 = l1.iter().map(|l1| Some(l1.clone() as Arc<dyn L1View>)).collect();
    (cluster, l1)
}

/// Where a seat's index has what was forced, in order: the number of each, with its block's height. Every one of them opens its lane.
fn ordered(cluster: &Cluster, seat: usize, forced: &[ForcedEntry]) -> Vec<(u64, u64)> {
    let index = &cluster.node(seat).index;
    let ids: Vec<_> = forced.iter().map(|entry| entry.transaction().id(cluster.chain.file.chain_id)).collect();
    let number = |id: &Digest| ids.iter().position(|known| known == id);
    let blocks = index.snapshot().unwrap().ordered_ids(1..=index.tip().header.height, u64::MAX).unwrap();
    let mut found = Vec::new();
    for block in blocks {
        let height = block.header.height;
        for lane in block.lanes {
            let numbers: Vec<_> = lane.ids.iter().map(number).collect();
            let opening = numbers.iter().take_while(|number| number.is_some()).count();
            assert!(numbers[opening..].iter().all(Option::is_none), "height {height}: {numbers:?}");
            found.extend(numbers[..opening].iter().flatten().map(|number| (forced[*number].index, height)));
        }
    }
    found.sort_unstable();
    found
}

#[test]
fn everything_that_was_forced_is_ordered_once() {
    run(0..3, |context| async move {
        let mut forced: Vec<_> = entries();
        // And as much as an L1 block appends, for ten blocks in a row.
        for block in 12..22 {
            let first = forced.len() as u64;
            forced.extend((first..first + 3).map(|index| entry(index, block, NAMESPACE, PAYLOAD_BYTES_MAX)));
        }
        let (mut cluster, _) = cluster(context, &forced).await;
        cluster.start_all().await;
        for _ in 0..20 {
            cluster.send(0, 3);
            cluster.sleep_ms(1_000).await;
        }
        cluster.assert_agreement();
        let open = forced.iter().filter(|entry| entry.namespace != CLOSED_NAMESPACE).map(|entry| entry.index);
        let got = ordered(&cluster, 0, &forced);
        assert_eq!(got.iter().map(|(index, _)| *index).collect::<Vec<_>>(), open.collect::<Vec<_>>());
        assert!(got.is_sorted_by_key(|(_, height)| *height), "in the order in which they came");
        let header = cluster.node(0).index.tip().header;
        assert_eq!(header.inbox_cursor, forced.len() as u64);
        for node in cluster.nodes.iter().flatten() {
            assert_eq!(node.status.faults(), 0);
        }
    });
}

#[test]
fn who_sees_the_l1_late_orders_the_same() {
    run(0..2, |context| async move {
        let forced: Vec<_> = (0..30).map(|index| entry(index, 6 + index, NAMESPACE, 100)).collect();
        let (mut cluster, l1) = cluster(context, &forced).await;
        *l1[1].lag_s.lock() = 6;
        *l1[2].lag_s.lock() = 2;
        cluster.start_all().await;
        cluster.sleep_ms(60_000).await;
        cluster.assert_agreement();
        assert_eq!(ordered(&cluster, 3, &forced).len(), forced.len());
    });
}

#[test]
fn a_restart_forgets_nothing_that_was_forced() {
    run(0..2, |context| async move {
        let forced: Vec<_> = (0..40).map(|index| entry(index, 6 + index, OTHER_NAMESPACE, 100)).collect();
        let (mut cluster, _) = cluster(context, &forced).await;
        cluster.start_all().await;
        for turn in 0..8 {
            cluster.sleep_ms(5_000).await;
            cluster.kill(turn % SEATS).await;
            cluster.sleep_ms(1_000).await;
            cluster.start(turn % SEATS).await;
        }
        cluster.sleep_ms(20_000).await;
        cluster.assert_agreement();
        assert_eq!(ordered(&cluster, 1, &forced).len(), forced.len());
    });
}
