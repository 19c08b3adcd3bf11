//! The mempool's promises, one file an adversary.

#![allow(clippy::unwrap_used)]

pub(crate) mod fixtures;
mod flooding_namespace;
mod flooding_peer;
mod model;

use super::*;
use crate::ordering::{OrderingError, seal_bundle};
use bytes::Bytes;
use commonware_codec::Encode as _;
use commonware_cryptography::{Signer, ed25519};
use fixtures::{CHAIN_ID, account, account_at, chain, namespace, peer, pool, transaction};
use sinter_primitives::{
    Digest,
    chain::Ordering,
    fees::{AccountError, Operation},
};

fn insert(pool: &Mempool, transaction: Transaction) -> Result<TransactionId, Refusal> {
    pool.insert(transaction, account(1), Visibility::Public)
}

fn nothing() -> HashSet<TransactionId> {
    HashSet::new()
}

fn ids(body: &Body) -> Vec<TransactionId> {
    body.transactions().map(|transaction| transaction.id(CHAIN_ID)).collect()
}

#[test]
fn orders_in_order_of_arrival() {
    let pool = pool();
    let sent: Vec<_> = (0..20).map(|number| insert(&pool, transaction(1, number, 50, 10)).unwrap()).collect();
    assert_eq!(ids(&pool.build(&pool.ledger(), 1, &nothing(), &[])), sent);
    // Building takes nothing out: the view may be nullified.
    assert_eq!(ids(&pool.build(&pool.ledger(), 1, &nothing(), &[])), sent);
    let ancestors: HashSet<_> = sent[..5].iter().copied().collect();
    assert_eq!(ids(&pool.build(&pool.ledger(), 2, &ancestors, &[])), sent[5..]);
}

#[test]
fn a_transaction_goes_from_pending_to_notarized_to_ordered() {
    let pool = pool();
    let id = insert(&pool, transaction(1, 0, 50, 10)).unwrap();
    assert_eq!(pool.stage(&id), Some(Stage::Pending));
    pool.notarized(1, &[id]);
    assert_eq!(pool.stage(&id), Some(Stage::Notarized { height: 1 }));
    assert_eq!(pool.stats().notarized, 1);
    pool.finalized(1, &[id]);
    assert_eq!(pool.stage(&id), None);
    assert_eq!(insert(&pool, transaction(1, 0, 50, 10)), Err(Refusal::AlreadyOrdered { id }));
    pool.assert_consistent();
}

#[test]
fn what_another_block_displaced_is_pending_again() {
    let pool = pool();
    let displaced = insert(&pool, transaction(1, 0, 50, 10)).unwrap();
    let ordered = insert(&pool, transaction(1, 1, 50, 10)).unwrap();
    pool.notarized(1, &[displaced]);
    pool.finalized(1, &[ordered]);
    assert_eq!(pool.stage(&displaced), Some(Stage::Pending));
    assert_eq!(ids(&pool.build(&pool.ledger(), 2, &nothing(), &[])), [displaced]);
    pool.assert_consistent();
}

#[test]
fn ordered_ids_are_duplicates_until_they_have_expired() {
    let window = Parameters::default().expiry_blocks;
    let pool = pool();
    let again = transaction(1, 0, 50, window);
    let id = insert(&pool, again.clone()).unwrap();
    pool.finalized(1, &[id]);
    for height in 2..window {
        pool.finalized(height, &[]);
        assert_eq!(insert(&pool, again.clone()), Err(Refusal::AlreadyOrdered { id }), "at {height}");
    }
    // Its window closes at the height at which it expires.
    pool.finalized(window, &[]);
    pool.finalized(window + 1, &[]);
    assert_eq!(insert(&pool, again), Err(Refusal::Expired { height: window + 2, expiry: window }));
}

#[test]
fn a_restarted_node_knows_what_was_ordered() {
    let pool = pool();
    let ordered = transaction(1, 0, 50, 40);
    let id = ordered.id(CHAIN_ID);
    pool.restore_window(vec![(29, vec![]), (30, vec![id]), (31, vec![])]);
    assert_eq!(pool.tip(), 31);
    assert_eq!(insert(&pool, ordered), Err(Refusal::AlreadyOrdered { id }));
    // Blocks that are delivered again after a crash change nothing.
    pool.finalized(30, &[id]);
    assert_eq!(pool.tip(), 31);
    pool.assert_consistent();
}

#[test]
fn expiry_is_a_window_above_the_tip() {
    let window = Parameters::default().expiry_blocks;
    let pool = pool();
    pool.finalized(100, &[]);
    let expiring = |number, expiry| insert(&pool, transaction(1, number, 50, expiry));
    assert_eq!(expiring(0, 100), Err(Refusal::Expired { height: 101, expiry: 100 }));
    assert_eq!(expiring(1, 101 + window), Err(Refusal::ExpiryTooFar { max: 100 + window, got: 101 + window }));
    let soon = expiring(2, 101).unwrap();
    let late = expiring(3, 100 + window).unwrap();
    assert_eq!(ids(&pool.build(&pool.ledger(), 101, &nothing(), &[])), [soon, late]);
    assert_eq!(ids(&pool.build(&pool.ledger(), 102, &nothing(), &[])), [late]);
    pool.finalized(101, &[]);
    assert_eq!((pool.stage(&soon), pool.stats().transactions), (None, 1));
    pool.assert_consistent();
}

#[test]
fn a_node_that_lags_keeps_what_its_peers_are_ready_for() {
    let window = Parameters::default().expiry_blocks;
    let pool = pool();
    let ahead = transaction(1, 0, 50, window + 10);
    let id = pool.insert(ahead, peer(2), Visibility::Public).unwrap();
    assert!(pool.build(&pool.ledger(), 1, &nothing(), &[]).lanes.is_empty(), "no block of height 1 may hold it");
    assert_eq!(ids(&pool.build(&pool.ledger(), 11, &nothing(), &[])), [id]);
    let far = transaction(1, 1, 50, window + 65);
    let refusal = pool.insert(far, peer(2), Visibility::Public).unwrap_err();
    assert_eq!(refusal, Refusal::ExpiryTooFar { max: window + 64, got: window + 65 });
    assert!(refusal.is_temporary() && !refusal.is_fault());
}

#[test]
fn refuses_what_no_block_could_hold() {
    let pool = pool();
    let refusal = |transaction| insert(&pool, transaction).unwrap_err();
    assert_eq!(refusal(transaction(2, 0, 50, 10)), Refusal::UnknownNamespace { got: Namespace(2) });
    let max = Parameters::default().payload_bytes_max;
    assert_eq!(refusal(transaction(1, 0, max + 1, 10)), Refusal::PayloadTooLarge { max, got: max + 1 });
    let empty = Transaction { payload: Bytes::new(), ..transaction(1, 0, 50, 10) };
    assert_eq!(refusal(empty), Refusal::Empty);
    for kind in [TransactionKind::Inbox, TransactionKind::Express] {
        let refusal = refusal(Transaction { kind, ..transaction(1, 0, 90, 10) });
        assert_eq!(refusal.code(), "ordering-rule");
        assert!(refusal.is_fault());
    }
    assert_eq!(pool.stats().transactions, 0);
}

#[test]
fn one_sender_is_bounded() {
    let config = MempoolConfig { sender_transactions_max: 3, sender_bytes_max: 1000, ..MempoolConfig::default() };
    let pool = Mempool::for_file(&chain(&[1], 4, Parameters::default()), &config);
    let first = insert(&pool, transaction(1, 0, 50, 10)).unwrap();
    insert(&pool, transaction(1, 1, 50, 10)).unwrap();
    insert(&pool, transaction(1, 2, 50, 10)).unwrap();
    let full = insert(&pool, transaction(1, 3, 50, 10)).unwrap_err();
    assert_eq!(full, Refusal::SenderFull { unit: Unit::Transactions, max: 3, got: 4 });
    // Another one is not, and room comes back.
    pool.insert(transaction(1, 4, 50, 10), account(2), Visibility::Public).unwrap();
    pool.finalized(1, &[first]);
    insert(&pool, transaction(1, 3, 50, 10)).unwrap();
    let large = pool.insert(transaction(1, 5, 990, 10), account(2), Visibility::Public).unwrap_err();
    assert!(matches!(large, Refusal::SenderFull { unit: Unit::Bytes, max: 1000, .. }), "{large}");
    pool.assert_consistent();
}

#[test]
fn one_address_is_bounded_whatever_accounts_it_makes() {
    let config = MempoolConfig { client_transactions_max: 20, client_bytes_max: 2_000, ..MempoolConfig::default() };
    let pool = Mempool::for_file(&chain(&[1], 4, Parameters::default()), &config);
    let send = |number: u8, bytes, client| {
        pool.insert(transaction(1, number.into(), bytes, 10), account_at(number, client), Visibility::Public)
    };
    let first = send(0, 50, [192, 0, 2, 1]).unwrap();
    for number in 1..20 {
        send(number, 50, [192, 0, 2, 1]).unwrap();
    }
    let full = send(20, 50, [192, 0, 2, 1]).unwrap_err();
    assert_eq!(full, Refusal::ClientFull { unit: Unit::Transactions, max: 20, got: 21 });
    assert!(full.is_temporary() && !full.is_fault());
    assert_eq!(full.code(), "client-full");
    // What it sends without an account counts with the rest; other addresses have their own bound.
    let client = Source::Client([192, 0, 2, 1].into());
    assert_eq!(pool.insert(transaction(1, 21, 50, 10), client, Visibility::Public), Err(full));
    send(22, 50, [192, 0, 2, 2]).unwrap();
    let large = send(23, 1_950, [192, 0, 2, 2]).unwrap_err();
    assert!(matches!(large, Refusal::ClientFull { unit: Unit::Bytes, max: 2_000, .. }), "{large}");
    // Room comes back with every transaction that is ordered.
    pool.finalized(1, &[first]);
    send(20, 50, [192, 0, 2, 1]).unwrap();
    pool.assert_consistent();
}

#[test]
fn bodies_keep_the_chain_bounds() {
    let parameters = Parameters { block_bytes_max: 4096, block_transactions_max: 40, ..Parameters::default() };
    let pool = Mempool::for_file(&chain(&[1, 2, 3], 4, parameters), &MempoolConfig::default());
    for number in 0..200 {
        insert(&pool, transaction(1 + number % 3, number, 60 + (number as usize * 7) % 90, 10)).unwrap();
    }
    let by_bytes = pool.build(&pool.ledger(), 1, &nothing(), &[]);
    assert!(by_bytes.lanes_bytes() <= 4096);
    assert!(by_bytes.lanes_bytes() > 4096 - 200, "leaves no room for another");
    let small = Mempool::for_file(&chain(&[1], 4, parameters), &MempoolConfig::default());
    for number in 0..200 {
        insert(&small, transaction(1, number, 8, 10)).unwrap();
    }
    assert_eq!(small.build(&small.ledger(), 1, &nothing(), &[]).transactions().count(), 40);
}

#[test]
fn the_largest_payload_that_a_chain_admits_fits_a_block() {
    // `payload_bytes_max` may be as much as `block_bytes_max - 64`.
    let parameters =
        Parameters { block_bytes_max: 1 << 16, payload_bytes_max: (1 << 16) - 64, ..Parameters::default() };
    let pool = Mempool::for_file(&chain(&[1, 2], 4, parameters), &MempoolConfig::default());
    insert(&pool, transaction(1, 0, parameters.payload_bytes_max, 10)).unwrap();
    let body = pool.build(&pool.ledger(), 1, &nothing(), &[]);
    assert_eq!(body.transactions().count(), 1);
    assert!(body.lanes_bytes() <= parameters.block_bytes_max);
}

#[test]
fn refusals_are_json_objects_with_their_code() {
    let refusal = insert(&pool(), transaction(9, 0, 50, 10)).unwrap_err();
    let json = serde_json::to_value(&refusal).unwrap();
    assert_eq!(json, serde_json::json!({ "code": "unknown-namespace", "got": 9 }));
    let forbidden = Transaction { kind: TransactionKind::Inbox, ..transaction(1, 0, 50, 10) };
    let refusal = insert(&pool(), forbidden).unwrap_err();
    let json = serde_json::to_value(&refusal).unwrap();
    assert_eq!(json["code"], refusal.code());
    assert_eq!(json["reason"]["code"], "kind-forbidden");
    assert_eq!(serde_json::from_value::<Refusal>(json).unwrap(), refusal);
}

fn auction() -> (ed25519::PrivateKey, Mempool) {
    let key = ed25519::PrivateKey::from_seed(1);
    let auction_key = Digest(key.public_key().as_ref().try_into().unwrap());
    let mut file = chain(&[], 4, Parameters::default());
    file.namespaces = vec![namespace(1, Ordering::Express { auction_key })];
    (key, Mempool::for_file(&file, &MempoolConfig::default()))
}

fn bundle(key: &ed25519::PrivateKey, height: u64, content: &[u8]) -> Transaction {
    let payload = seal_bundle(key, CHAIN_ID, Namespace(1), height, content);
    Transaction { kind: TransactionKind::Express, payload, ..transaction(1, 0, 8, height) }
}

#[test]
fn a_bundle_opens_the_lane_of_its_height_only() {
    let (key, pool) = auction();
    let user = insert(&pool, transaction(1, 0, 50, 10)).unwrap();
    let bundle_id = insert(&pool, bundle(&key, 3, b"first")).unwrap();
    assert_eq!(ids(&pool.build(&pool.ledger(), 2, &nothing(), &[])), [user]);
    assert_eq!(ids(&pool.build(&pool.ledger(), 3, &nothing(), &[])), [bundle_id, user]);
    assert_eq!(ids(&pool.build(&pool.ledger(), 4, &nothing(), &[])), [user]);
    let second = insert(&pool, bundle(&key, 3, b"second")).unwrap_err();
    assert_eq!(second, Refusal::BundleTaken { namespace: Namespace(1), height: 3, pending: bundle_id });
    for height in 1..=3 {
        pool.finalized(height, &[]);
    }
    assert_eq!(pool.stage(&bundle_id), None, "no block can hold it any more");
    let late = insert(&pool, bundle(&key, 3, b"late")).unwrap_err();
    assert_eq!(late, Refusal::Expired { height: 4, expiry: 3 });
    pool.assert_consistent();
}

#[test]
fn a_bundle_that_is_sent_again_costs_no_signature_check() {
    let (key, pool) = auction();
    let good = bundle(&key, 3, b"bundle");
    let id = insert(&pool, good.clone()).unwrap();
    assert_eq!(insert(&pool, good.clone()), Err(Refusal::AlreadyPending { id }));
    // A stranger's signature shows what is looked at first: it would be refused if it were checked.
    let forged = bundle(&ed25519::PrivateKey::from_seed(2), 3, b"forged");
    assert_eq!(insert(&pool, forged.clone()).unwrap_err().code(), "ordering-rule");
    let forged_id = forged.id(CHAIN_ID);
    pool.finalized(1, &[forged_id, id]);
    assert_eq!(insert(&pool, forged.clone()), Err(Refusal::AlreadyOrdered { id: forged_id }));
    assert_eq!(insert(&pool, good), Err(Refusal::AlreadyOrdered { id }));
    let window = Parameters::default().expiry_blocks;
    for height in 2..window + 3 {
        pool.finalized(height, &[]);
    }
    assert_eq!(insert(&pool, forged), Err(Refusal::Expired { height: window + 3, expiry: 3 }));
    pool.assert_consistent();
}

#[test]
fn tells_who_waits_for_something_to_order() {
    let pool = pool();
    let mut activity = pool.subscribe();
    assert!(!activity.has_changed().unwrap());
    let id = insert(&pool, transaction(1, 0, 50, 10)).unwrap();
    assert_eq!(*activity.borrow_and_update(), Activity { admitted: 1, pending: 1 });
    insert(&pool, transaction(1, 0, 50, 10)).unwrap_err();
    assert!(!activity.has_changed().unwrap(), "a refusal is nothing to order");
    pool.finalized(1, &[id]);
    assert_eq!(*activity.borrow_and_update(), Activity { admitted: 1, pending: 0 });
}

#[test]
fn hands_out_what_this_node_took_in_and_nothing_else() {
    let pool = pool();
    let first = transaction(1, 0, 50, 10);
    let second = transaction(1, 1, 50, 10);
    pool.insert(first.clone(), account(1), Visibility::Public).unwrap();
    pool.insert(transaction(1, 2, 50, 10), peer(3), Visibility::Public).unwrap();
    let second_id = pool.insert(second.clone(), account(1), Visibility::Private).unwrap();
    let (sequences, visibilities): (Vec<_>, Vec<_>) = pool.local_after(0, 10).into_iter().unzip();
    assert_eq!(visibilities, [Visibility::Public, Visibility::Private]);
    let waiting: Vec<_> = pool.local_pending(&sequences).into_iter().map(|out| out.transaction).collect();
    assert_eq!(waiting, [first, second]);
    assert_eq!(pool.local_after(sequences[0], 10).len(), 1);
    pool.notarized(1, &[second_id]);
    assert_eq!(pool.local_pending(&sequences).len(), 1, "what a notarized block holds needs no passing on");
    assert!(pool.local_after(u64::MAX, 10).is_empty());
}

/// A chain with fees on which `OPENED` is open and can pay for one transaction of 100 bytes, at a wei a byte.
fn pool_with_fees() -> (Mempool, Namespace) {
    let opened = Namespace(OPENED_FIRST);
    let mut file = chain(&[1], 4, Parameters::default());
    file.fees = Some(FeeSpec { floor_wei: 1, target_bytes_per_s: 1_000_000 });
    let pool = Mempool::for_file(&file, &MempoolConfig::default());
    let open = Operation::Open {
        namespace: opened,
        ordering: Ordering::FirstCome,
        evm_chain_id: None,
        block_bytes_max: 1_000,
        epoch_wei_max: u128::MAX,
        prepaid_wei: 164,
    };
    let said = ForcedEntry { index: 0, l1_block: 1, namespace: ACCOUNTS, payload: open.encode() };
    let ledger = Ledger::genesis(&file).opened_by(&[said]).into_owned();
    assert_eq!(insert(&pool, transaction(opened.0, 1, 100, 10)), Err(Refusal::NotOpen { got: opened }));
    pool.see(&Arc::new(ledger));
    (pool, opened)
}

#[test]
fn what_a_namespace_cannot_pay_for_is_refused_and_nobody_is_blamed() {
    let (pool, opened) = pool_with_fees();
    let id = insert(&pool, transaction(opened.0, 1, 100, 100)).unwrap();
    // One more may wait: prices fall, and others pay in. A third is too much.
    let second = insert(&pool, transaction(opened.0, 2, 20, 100)).unwrap();
    let refused = insert(&pool, transaction(opened.0, 3, 100, 100)).unwrap_err();
    assert!(matches!(refused, Refusal::Account { reason: AccountError::Dry { .. }, .. }), "{refused}");
    let alone = insert(&pool, transaction(opened.0, 4, 101, 100)).unwrap_err();
    let dry = AccountError::Dry { balance_wei: 164, fee_wei: 165 };
    assert_eq!(alone, Refusal::Account { namespace: opened, reason: dry });
    let large = insert(&pool, transaction(opened.0, 5, 937, 100)).unwrap_err();
    let limit = AccountError::BlockLimit { max: 1_000, got: 1_001 };
    assert_eq!(large, Refusal::Account { namespace: opened, reason: limit });
    // Who passes such things on may be a block ahead, or behind.
    for refusal in [refused, alone, large, Refusal::NotOpen { got: opened }] {
        assert!(!refusal.is_fault(), "{refusal}");
    }
    // What the accounts' lane says, only the L1 does; and what can never be open is a fault.
    for never in [ACCOUNTS, Namespace(2)] {
        let refusal = insert(&pool, transaction(never.0, 6, 100, 10)).unwrap_err();
        assert_eq!(refusal, Refusal::UnknownNamespace { got: never });
        assert!(refusal.is_fault());
    }
    // A block gets what can be paid for, in order of arrival.
    assert_eq!(ids(&pool.build(&pool.ledger(), 1, &nothing(), &[])), [id]);
    let ancestors = HashSet::from([id]);
    assert_eq!(ids(&pool.build(&pool.ledger(), 1, &ancestors, &[])), [second]);
    pool.assert_consistent();
}

#[test]
fn another_auction_key_takes_the_first_place_and_nobody_is_blamed() {
    let (pool, opened) = pool_with_fees();
    let [first, second] = [1, 2].map(ed25519::PrivateKey::from_seed);
    let by = |key: &ed25519::PrivateKey, height| {
        let payload = seal_bundle(key, CHAIN_ID, opened, height, b"bundle");
        Transaction { kind: TransactionKind::Express, payload, ..transaction(opened.0, 0, 8, height) }
    };
    let reordered = |ordering| {
        let reorder = Operation::Reorder { namespace: opened, ordering };
        let top_up = Operation::TopUp { namespace: opened, wei: 10_000 };
        let said = |index, operation: Operation| {
            let payload = operation.encode();
            ForcedEntry { index, l1_block: 1, namespace: ACCOUNTS, payload }
        };
        [said(0, reorder), said(1, top_up)]
    };
    let express = |key: &ed25519::PrivateKey| Ordering::Express {
        auction_key: Digest(key.public_key().as_ref().try_into().unwrap()),
    };
    // A bundle before anybody sells the place: a peer may be a block ahead.
    let refusal = insert(&pool, by(&first, 3)).unwrap_err();
    assert_eq!((refusal.code(), refusal.is_fault()), ("ordering-rule", false));
    let user = insert(&pool, transaction(opened.0, 1, 100, 10)).unwrap();
    pool.see(&Arc::new(pool.ledger().opened_by(&reordered(express(&first))).into_owned()));
    let opener = insert(&pool, by(&first, 3)).unwrap();
    assert_eq!(ids(&pool.build(&pool.ledger(), 3, &nothing(), &[])), [opener, user]);

    // The block that opens with the change is built by the new rule, before the pool has seen it.
    let change = reordered(express(&second));
    let body = pool.build(&pool.ledger(), 3, &nothing(), &change);
    let lane = body.lane(opened).unwrap();
    assert_eq!(lane.transactions.iter().map(|transaction| transaction.id(CHAIN_ID)).collect::<Vec<_>>(), [user]);

    // Then the old key's bundles are gone: they would keep the new one's out. So is one that was checked just before.
    let on_its_way = pool.admit(by(&first, 5)).unwrap();
    pool.see(&Arc::new(pool.ledger().opened_by(&change).into_owned()));
    assert_eq!(pool.stage(&opener), None);
    let (source, visibility) = (Source::Client(std::net::Ipv4Addr::LOCALHOST.into()), Visibility::Public);
    let refusal = pool.insert_admitted(&mut pool.state(), on_its_way, source, visibility).unwrap_err();
    assert_eq!(refusal, Refusal::OrderingRule { namespace: opened, reason: OrderingError::Reordered });
    pool.assert_consistent();
    // What no rule ever takes is a fault all the same.
    let short = Transaction { payload: Bytes::from_static(b"short"), ..by(&first, 4) };
    assert!(insert(&pool, short).unwrap_err().is_fault());
    let forced = Transaction { kind: TransactionKind::Inbox, ..transaction(opened.0, 9, 50, 10) };
    assert!(insert(&pool, forced).unwrap_err().is_fault());
    let refusal = insert(&pool, by(&first, 4)).unwrap_err();
    assert_eq!((refusal.code(), refusal.is_fault()), ("ordering-rule", false));
    let opener = insert(&pool, by(&second, 3)).unwrap();
    assert_eq!(ids(&pool.build(&pool.ledger(), 3, &nothing(), &[])), [opener, user]);
    pool.assert_consistent();
}

#[test]
fn who_opens_namespaces_takes_no_room_of_those_that_are_listed() {
    let (pool, opened) = pool_with_fees();
    let before = pool.state().lanes[0].reserved;
    let mut ledger = pool.ledger().as_ref().clone();
    for number in 1..200 {
        let open = Operation::Open {
            namespace: Namespace(opened.0 + number),
            ordering: Ordering::FirstCome,
            evm_chain_id: None,
            block_bytes_max: 0,
            epoch_wei_max: 0,
            prepaid_wei: 0,
        };
        let said = ForcedEntry { index: number, l1_block: 1, namespace: ACCOUNTS, payload: open.encode() };
        ledger = ledger.opened_by(&[said]).into_owned();
    }
    insert(&pool, transaction(1, 1, 100, 500)).unwrap();
    insert(&pool, transaction(opened.0, 1, 100, 10)).unwrap();
    pool.see(&Arc::new(ledger));
    assert_eq!(pool.state().lanes.len(), 201);
    assert_eq!(pool.state().lanes[0].reserved, before);
    pool.assert_consistent();
}
