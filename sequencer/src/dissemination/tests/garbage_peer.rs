//! An adversary: a seat sends what no honest seat could have sent. It is blocked, and nothing of it stays.

use super::*;

/// Seat 3 sends `message` to seat 0: whether it is blocked for it, and how many transactions stay.
fn outcome(message: Vec<u8>) -> (bool, usize) {
    let (tell, told) = std::sync::mpsc::channel();
    run(Setup { honest: 3, ..Setup::default() }, |context, mut committee| async move {
        let to = committee.keys[0].clone();
        let (sender, _) = &mut committee.raw[0];
        sender.send(Recipients::One(to), message, false);
        context.sleep(SOON).await;
        tell.send((committee.blocked().await == [(0, 3)], committee.pending()[0])).unwrap();
    });
    told.recv().unwrap()
}

fn batch(transactions: Vec<Transaction>) -> Vec<u8> {
    Batch { visibility: Visibility::Public, transactions }.encode().to_vec()
}

fn honest() -> Transaction {
    transaction(1, 0, 50, 100)
}

#[test]
fn an_honest_message_is_taken_in() {
    assert_eq!(outcome(batch(vec![honest()])), (false, 1));
}

#[test]
fn bytes_that_do_not_decode() {
    let valid = batch(vec![honest()]);
    let too_many = {
        let mut bytes = vec![0];
        commonware_codec::Write::write(&(BATCH_TRANSACTIONS_MAX + 1), &mut bytes);
        bytes
    };
    let mut unknown_visibility = valid.clone();
    unknown_visibility[0] = 2;
    let mut unknown_kind = valid.clone();
    unknown_kind[2] = 3;
    let mut trailing = valid.clone();
    trailing.push(0);
    for garbage in [
        vec![],
        vec![0],
        vec![0, 0],
        vec![0xff; 100],
        valid[..valid.len() - 1].to_vec(),
        too_many,
        unknown_visibility,
        unknown_kind,
        trailing,
    ] {
        assert_eq!(outcome(garbage.clone()), (true, 0), "{}", hex::encode(garbage));
    }
}

#[test]
fn a_message_larger_than_any_batch() {
    let transactions = (0..2_000).map(|number| transaction(1, number, 200, 100)).collect();
    assert_eq!(outcome(batch(transactions)), (true, 0));
}

#[test]
fn a_payload_larger_than_any_block_admits() {
    let large = transaction(1, 0, Parameters::default().payload_bytes_max + 1, 100);
    assert_eq!(outcome(batch(vec![large])), (true, 0));
}

#[test]
fn transactions_that_no_node_of_the_chain_admits() {
    let unknown = transaction(2, 1, 50, 100);
    let inbox = Transaction { kind: TransactionKind::Inbox, ..honest() };
    let express = Transaction { kind: TransactionKind::Express, ..honest() };
    let empty = Transaction { payload: bytes::Bytes::new(), ..honest() };
    for forbidden in [unknown, inbox, express, empty] {
        // What came with it is good, and is kept.
        assert_eq!(outcome(batch(vec![forbidden, honest()])), (true, 1));
    }
}

#[test]
fn what_only_this_node_has_no_use_for_is_no_fault() {
    let expired = transaction(1, 1, 50, 0);
    let far = transaction(1, 2, 50, 1 << 20);
    assert_eq!(outcome(batch(vec![expired, far, honest(), honest()])), (false, 1));
}
