//! An adversary: a seat of the committee sends what it made up, as if clients had sent it.

use super::*;

fn flood(pool: &Mempool, seat: u8, namespaces: u64) -> usize {
    (0..10_000)
        .filter(|number| {
            let made_up = transaction(1 + number % namespaces, u64::from(seat) << 32 | number, 200, 100);
            pool.insert(made_up, peer(seat), Visibility::Public).is_ok()
        })
        .count()
}

fn small() -> MempoolConfig {
    MempoolConfig {
        transactions_max: 4_000,
        namespace_transactions_max: 4_000,
        bytes_max: 4 << 20,
        namespace_bytes_max: 4 << 20,
        sender_transactions_max: 2_000,
        ..MempoolConfig::default()
    }
}

#[test]
fn fills_its_own_part_and_no_more() {
    let pool = Mempool::for_file(&chain(&[1], 4, Parameters::default()), &small());
    assert_eq!(flood(&pool, 2, 1), 1_000);
    let refusal = pool.insert(transaction(1, 1 << 40, 200, 100), peer(2), Visibility::Public).unwrap_err();
    assert_eq!(refusal, Refusal::SenderFull { unit: Unit::Transactions, max: 1_000, got: 1_001 });
    assert!(!refusal.is_fault(), "an honest seat may send more than it should keep here");
    pool.assert_consistent();
}

#[test]
fn leaves_room_for_this_node_even_when_all_the_others_do_it() {
    let seats = 10;
    let pool = Mempool::for_file(&chain(&[1], seats, Parameters::default()), &small());
    for seat in 2..=10 {
        assert_eq!(flood(&pool, seat, 1), 400);
    }
    for number in 0..400 {
        insert(&pool, transaction(1, number, 200, 100)).unwrap();
    }
    pool.assert_consistent();
}

#[test]
fn fills_its_part_of_a_namespace_and_no_more() {
    let config = MempoolConfig { namespace_transactions_max: 400, ..small() };
    let pool = Mempool::for_file(&chain(&[1, 2, 3], 4, Parameters::default()), &config);
    assert_eq!(flood(&pool, 2, 1), 100);
    assert_eq!(flood(&pool, 3, 3), 300);
}

#[test]
fn frees_its_part_as_its_transactions_expire() {
    let pool = Mempool::for_file(&chain(&[1], 4, Parameters::default()), &small());
    flood(&pool, 2, 1);
    pool.finalized(100, &[]);
    assert_eq!(pool.stats().transactions, 0);
    pool.assert_consistent();
}
