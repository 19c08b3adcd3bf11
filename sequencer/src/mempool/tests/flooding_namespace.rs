//! An adversary: one namespace, by all of its users, sends more than the chain orders.

use super::*;
use std::collections::BTreeMap;

const PARAMETERS: fn() -> Parameters =
    || Parameters { block_bytes_max: 20_000, payload_bytes_max: 15_000, ..Parameters::default() };

fn bytes_by_namespace(body: &Body) -> BTreeMap<u64, usize> {
    body.lanes
        .iter()
        .map(|lane| (lane.namespace.0, lane.transactions.iter().map(|transaction| transaction.payload.len()).sum()))
        .collect()
}

fn finalize(pool: &Mempool, height: u64) -> BTreeMap<u64, usize> {
    let body = pool.build(&pool.ledger(), height, &nothing(), &[]);
    pool.finalized(height, &ids(&body));
    bytes_by_namespace(&body)
}

fn flooded(namespaces: &[u64]) -> Mempool {
    let pool = Mempool::for_file(&chain(namespaces, 4, PARAMETERS()), &MempoolConfig::default());
    for number in 0..2_000 {
        let source = account(u8::try_from(number / 500).unwrap());
        pool.insert(transaction(1, number, 200, 100), source, Visibility::Public).unwrap();
    }
    pool
}

#[test]
fn cannot_delay_a_namespace_that_asks_for_less_than_its_share() {
    let pool = flooded(&[1, 2]);
    for height in 1..10 {
        let modest = insert(&pool, transaction(2, height, 5_000, 100)).unwrap();
        let body = pool.build(&pool.ledger(), height, &nothing(), &[]);
        assert!(ids(&body).contains(&modest), "at {height}");
        assert!(body.lanes_bytes() > 19_000, "what the modest one leaves is used");
        pool.finalized(height, &ids(&body));
    }
    pool.assert_consistent();
}

#[test]
fn gets_an_equal_share_when_all_flood() {
    let pool = flooded(&[1, 2, 3]);
    for number in 0..200 {
        pool.insert(transaction(2, number, 2_000, 100), account(8), Visibility::Public).unwrap();
        pool.insert(transaction(3, number, 700, 100), account(9), Visibility::Public).unwrap();
    }
    let mut served = BTreeMap::new();
    for height in 1..=9 {
        for (namespace, bytes) in finalize(&pool, height) {
            *served.entry(namespace).or_insert(0usize) += bytes;
        }
    }
    let (least, most) = (served.values().min().unwrap(), served.values().max().unwrap());
    // Envelopes count as well, so payloads may differ by their part, and by one transaction.
    assert!(most - least < 9 * 20_000 / 3 / 10, "{served:?}");
}

#[test]
fn cannot_starve_a_large_transaction() {
    // Two namespaces flood with small ones: a share of a block is 6,666 bytes, and the large one has 15,000.
    let pool = flooded(&[1, 2, 3]);
    for number in 0..600 {
        pool.insert(transaction(2, number, 200, 100), account(7), Visibility::Public).unwrap();
    }
    finalize(&pool, 1);
    let large = insert(&pool, transaction(3, 0, 15_000, 100)).unwrap();
    finalize(&pool, 2);
    finalize(&pool, 3);
    assert_eq!(pool.stage(&large), None, "ordered within two blocks");
}

#[test]
fn is_charged_for_what_unfinalized_ancestors_hold() {
    let pool = flooded(&[1, 2]);
    for number in 0..100 {
        pool.insert(transaction(2, number, 200, 100), account(7), Visibility::Public).unwrap();
    }
    let mut ancestors = nothing();
    let mut served = [0usize; 2];
    for height in 1..=2 {
        let body = pool.build(&pool.ledger(), height, &ancestors, &[]);
        for (namespace, bytes) in bytes_by_namespace(&body) {
            served[usize::try_from(namespace - 1).unwrap()] += bytes;
        }
        ancestors.extend(ids(&body));
    }
    assert!(served[0].abs_diff(served[1]) <= 400, "{served:?}");
}

#[test]
fn gains_nothing_by_having_been_idle() {
    let pool = flooded(&[1, 2]);
    for height in 1..=5 {
        finalize(&pool, height);
    }
    for number in 0..300 {
        pool.insert(transaction(2, number, 200, 100), account(7), Visibility::Public).unwrap();
    }
    let block = finalize(&pool, 6);
    assert!(block[&1].abs_diff(block[&2]) <= 400, "{block:?}");
}

#[test]
fn pays_for_the_count_that_tiny_transactions_use_up() {
    let parameters = Parameters { block_transactions_max: 100, ..PARAMETERS() };
    let pool = Mempool::for_file(&chain(&[1, 2], 4, parameters), &MempoolConfig::default());
    for number in 0..500 {
        pool.insert(transaction(1, number, 8, 100), account(1), Visibility::Public).unwrap();
        pool.insert(transaction(2, number, 150, 100), account(2), Visibility::Public).unwrap();
    }
    let body = pool.build(&pool.ledger(), 1, &nothing(), &[]);
    assert_eq!(body.transactions().count(), 100);
    assert_eq!(body.lane(Namespace(2)).unwrap().transactions.len(), 50);
}

#[test]
fn cannot_take_the_room_of_others() {
    let config = MempoolConfig {
        bytes_max: 40_000,
        transactions_max: 400,
        namespace_bytes_max: 40_000,
        namespace_transactions_max: 400,
        ..MempoolConfig::default()
    };
    let pool = Mempool::for_file(&chain(&[1, 2, 3, 4], 4, PARAMETERS()), &config);
    let fill = |namespace, from: u64| {
        (from..from + 400).find_map(|number| insert(&pool, transaction(namespace, number, 89, 10)).err()).unwrap()
    };
    // 100 bytes each: the shared half is 200 transactions, and each namespace's own part 50.
    assert_eq!(fill(1, 0), Refusal::MempoolFull { unit: Unit::Transactions, max: 200, got: 201 });
    assert_eq!(pool.stats().namespaces[0].transactions, 250);
    assert_eq!(fill(2, 1000).code(), "mempool-full");
    for own in [2, 3, 4].map(Namespace) {
        if own != Namespace(2) {
            fill(own.0, own.0 * 1000);
        }
        let held = pool.stats().namespaces.iter().find(|stats| stats.namespace == own).unwrap().transactions;
        assert_eq!(held, 50, "namespace {own}'s own room");
    }
    assert_eq!(pool.stats().transactions, 400);
    pool.assert_consistent();
}
