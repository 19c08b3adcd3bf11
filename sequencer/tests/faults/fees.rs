//! Namespaces that were opened on L1: they pay for what is ordered in them, nobody orders what they cannot pay for, and all members agree
//! on who has earned what.

use super::{
    cluster::{Cluster, Context, NAMESPACE, SEATS, chain_file, members, parameters, run},
    forced::cluster_of,
};
use commonware_codec::Encode as _;
use sinter_primitives::{
    Block, Body, Chain, Digest, Ledger, Namespace, Parameters, Transaction, TransactionKind,
    body::Lane,
    chain::{ForcedInboxSpec, Ordering},
    fees::{ACCOUNTS, AccountError, FeeSpec, OPENED_FIRST, Operation, TRANSACTION_BYTES},
    forced_inbox::ForcedEntry,
    header::L1Origin,
};
use sinter_sequencer::{
    application::{Advance, assemble},
    ledgers::State,
    mempool::{Refusal, Source, Visibility},
    validity::{InvalidBlock, Slot, check},
};
use std::{net::Ipv4Addr, num::NonZeroU64};

const OPENED: Namespace = Namespace(OPENED_FIRST);
const FLOOR_WEI: u64 = 1_000;
const EPOCH_BLOCKS: u64 = 40;
/// What a transaction of the cluster costs at the floor.
const TRANSACTION_WEI: u128 = (200 + TRANSACTION_BYTES as u128) * FLOOR_WEI as u128;

fn chain() -> Chain {
    let parameters = Parameters { epoch_blocks: NonZeroU64::new(EPOCH_BLOCKS), ..parameters() };
    let inbox = ForcedInboxSpec { address: format!("0x{}", "fe".repeat(20)) };
    let mut file = chain_file(&members(SEATS), parameters, None, Some(inbox));
    file.fees = Some(FeeSpec { floor_wei: FLOOR_WEI, target_bytes_per_s: 1_000_000 });
    Chain::parse(toml::to_string(&file).unwrap().as_bytes()).unwrap()
}

fn said(index: u64, l1_block: u64, operation: Operation) -> ForcedEntry {
    ForcedEntry { index, l1_block, namespace: ACCOUNTS, payload: operation.encode() }
}

fn open(prepaid_wei: u128) -> Operation {
    Operation::Open {
        namespace: OPENED,
        ordering: Ordering::FirstCome,
        evm_chain_id: None,
        block_bytes_max: u32::MAX,
        epoch_wei_max: u128::MAX,
        prepaid_wei,
    }
}

fn user(namespace: Namespace, bytes: usize) -> Transaction {
    Transaction { kind: TransactionKind::User, namespace, expiry_height: 30, payload: vec![7; bytes].into() }
}

/// A parent on which a namespace is open that can pay for 500 metered bytes, and a slot above it.
struct Case {
    chain: Chain,
    parent: State,
    slot: Slot,
}

impl Case {
    fn new() -> Self {
        let chain = chain();
        let genesis = State::genesis(&chain);
        let slot = |view, parent| Slot {
            epoch: 0,
            view,
            parent_view: view - 1,
            parent,
            leader_seat: 2,
            next_committee: Digest([0; 32]),
            next_protocol: 0,
        };
        let entry = said(0, 6, open(500 * u128::from(FLOOR_WEI)));
        let lane = Lane { namespace: ACCOUNTS, transactions: vec![entry.transaction()] };
        let origin = L1Origin { number: 6, hash: Digest([6; 32]) };
        let advance = Advance { origin, forced: [entry.clone()].into() };
        let first = slot(1, genesis.digest);
        let body = Body { lanes: vec![lane], ..Body::default() };
        let (_, block) = assemble(&chain, &first, &genesis, (1, &advance), body).unwrap();
        let parent = check(&chain, &genesis, (&first, &chain.committee), (&block, &[entry]), |_| None).unwrap();
        Self { slot: slot(2, parent.digest), chain, parent }
    }

    /// A block with these lanes, as somebody makes it who does not look at accounts.
    fn block(&self, transactions: Vec<Transaction>) -> Block {
        let lanes = transactions.chunk_by(|one, other| one.namespace == other.namespace);
        let lanes = lanes.map(|lane| Lane { namespace: lane[0].namespace, transactions: lane.to_vec() });
        let advance = Advance::none(&self.parent.header);
        let (_, empty) = assemble(&self.chain, &self.slot, &self.parent, (2, &advance), Body::default()).unwrap();
        let mut block = Block::clone(&empty);
        block.body.lanes = lanes.collect();
        block.header.body_root = block.body.root();
        block
    }

    fn check(&self, block: &Block) -> Result<State, InvalidBlock> {
        check(&self.chain, &self.parent, (&self.slot, &self.chain.committee), (block, &[]), |_| None)
    }
}

#[test]
fn a_block_with_what_nobody_can_pay_for_is_not_voted_for() {
    let case = Case::new();
    // What it can pay for is right but for the roots, which come last.
    assert_eq!(case.check(&case.block(vec![user(OPENED, 436)])).unwrap_err().rule(), "namespaces root");
    for payloads in [vec![437], vec![100, 100, 109], vec![5_000]] {
        let numbered = |(number, bytes)| Transaction { expiry_height: 30 + number, ..user(OPENED, bytes) };
        let transactions = (0u64..).zip(payloads).map(numbered).collect();
        let error = case.check(&case.block(transactions)).unwrap_err();
        assert_eq!(error.rule(), "ledger", "{error}");
    }
    // Nobody but the contract speaks in the accounts' lane.
    let forged = Transaction { payload: open(1 << 80).encode(), ..user(ACCOUNTS, 1) };
    assert_eq!(case.check(&case.block(vec![forged.clone()])).unwrap_err().rule(), "ordering");
    let invented = Transaction { kind: TransactionKind::Inbox, ..forged };
    assert_eq!(case.check(&case.block(vec![invented])).unwrap_err().rule(), "ordering");
    // A namespace that is not open yet.
    let other = user(Namespace(OPENED_FIRST + 1), 1);
    assert_eq!(case.check(&case.block(vec![other])).unwrap_err().rule(), "ledger");
    // One that is free is ordered whatever the others have.
    assert_eq!(case.check(&case.block(vec![user(NAMESPACE, 5_000)])).unwrap_err().rule(), "namespaces root");
}

async fn cluster(context: Context, forced: &[ForcedEntry]) -> Cluster {
    cluster_of(context, chain(), forced).await.0
}

/// Offers a member transactions of the opened namespace; gives the ids of those that it took, and the first refusal.
fn offer(cluster: &mut Cluster, seat: usize, count: usize) -> (Vec<Digest>, Option<Refusal>) {
    let expiry_height = cluster.height(seat) + cluster.chain.file.parameters.expiry_blocks - 1;
    let transactions: Vec<_> = (0..count).map(|_| cluster.transaction(OPENED, expiry_height)).collect();
    let source = Source::Client(Ipv4Addr::LOCALHOST.into());
    let outcomes = cluster.node(seat).mempool.insert_all(transactions, source, Visibility::Public);
    let refusal = outcomes.iter().find_map(|outcome| outcome.as_ref().err().cloned());
    (outcomes.into_iter().filter_map(Result::ok).collect(), refusal)
}

fn ordered(cluster: &Cluster, seat: usize, ids: &[Digest]) -> usize {
    let index = &cluster.node(seat).index;
    let blocks = index.snapshot().unwrap().ordered_ids(1..=index.tip().header.height, u64::MAX).unwrap();
    let lanes = blocks.iter().flat_map(|block| &block.lanes);
    lanes.flat_map(|lane| &lane.ids).filter(|id| ids.contains(id)).count()
}

fn ledger(cluster: &Cluster, seat: usize) -> Ledger {
    cluster.node(seat).index.ledger().unwrap()
}

#[test]
fn a_namespace_pays_runs_dry_and_goes_on() {
    run(0..3, |context| async move {
        let prepaid = 10 * TRANSACTION_WEI + 5;
        let top_up = Operation::TopUp { namespace: OPENED, wei: 5 * TRANSACTION_WEI };
        let mut cluster = cluster(context, &[said(0, 8, open(prepaid)), said(1, 40, top_up)]).await;
        cluster.start_all().await;
        // Before anybody has opened it.
        let (none, refusal) = offer(&mut cluster, 0, 1);
        assert_eq!((none.len(), refusal), (0, Some(Refusal::NotOpen { got: OPENED })));
        cluster.sleep_ms(8_000).await;
        // More than it can pay for: each alone could be paid, so all are taken, and ten ordered.
        let (sent, refusal) = offer(&mut cluster, 0, 14);
        assert_eq!((sent.len(), refusal), (14, None));
        cluster.sleep_ms(3_000).await;
        assert_eq!(ordered(&cluster, 1, &sent), 10);
        let account = ledger(&cluster, 2).entry(OPENED).unwrap().account.unwrap();
        assert_eq!(account.balance_wei, 5);
        // Users are told.
        let (none, refusal) = offer(&mut cluster, 3, 1);
        let reason = AccountError::Dry { balance_wei: 5, fee_wei: TRANSACTION_WEI };
        assert_eq!((none.len(), refusal), (0, Some(Refusal::Account { namespace: OPENED, reason })));
        // Others are ordered meanwhile; what waited too long is gone, and what comes after the money is not.
        cluster.send(1, 6);
        while ledger(&cluster, 0).entry(OPENED).unwrap().account.unwrap().balance_wei == 5 {
            cluster.sleep_ms(500).await;
        }
        let (more, refusal) = offer(&mut cluster, 2, 5);
        assert_eq!((more.len(), refusal), (5, None));
        cluster.sleep_ms(5_000).await;
        assert_eq!(ordered(&cluster, 1, &sent) + ordered(&cluster, 1, &more), 15);
        cluster.assert_agreement();
    });
}

#[test]
fn members_share_what_was_paid_and_agree_on_it() {
    run(0..2, |context| async move {
        let mut cluster = cluster(context, &[said(0, 8, open(1_000 * TRANSACTION_WEI))]).await;
        cluster.start_all().await;
        cluster.sleep_ms(8_000).await;
        let mut sent = Vec::new();
        for turn in 0..12 {
            sent.extend(offer(&mut cluster, turn % SEATS, 10).0);
            cluster.sleep_ms(400).await;
            if turn % 4 == 1 {
                // Whoever comes back computes the same.
                cluster.kill(turn % SEATS).await;
                cluster.start(turn % SEATS).await;
            }
        }
        let ends_at = (cluster.height(0) / EPOCH_BLOCKS + 2) * EPOCH_BLOCKS;
        cluster.reach_all(&(0..SEATS).collect::<Vec<_>>(), ends_at, 120).await;
        cluster.sleep_ms(1_000).await;
        cluster.assert_agreement();
        let after = ledger(&cluster, 0);
        let paid = 1_000 * TRANSACTION_WEI - after.entry(OPENED).unwrap().account.unwrap().balance_wei;
        assert_eq!(paid, ordered(&cluster, 0, &sent) as u128 * TRANSACTION_WEI);
        assert!(ordered(&cluster, 0, &sent) > 60, "{}", ordered(&cluster, 0, &sent));
        let credits: Vec<_> = (1..=SEATS as u8).map(|seat| after.credits().of(&[seat; 20])).collect();
        assert!(credits.iter().all(|wei| *wei > 0), "{credits:?}");
        let earned: u128 = credits.iter().sum();
        // Rounding loses less than a wei for each pair of seats and epoch.
        let epochs = u128::from(ends_at / EPOCH_BLOCKS);
        let lost = paid - earned;
        assert!(lost <= epochs * (SEATS * SEATS) as u128, "{paid} paid, {earned} earned");
    });
}
