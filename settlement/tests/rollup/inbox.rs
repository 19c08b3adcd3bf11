//! The inbox: what it hashes, and that a rollup cannot look away from it.

use super::fixture::{DELAY, Rollup, digest};
use crate::suite::{Suite, both, gas_of};
use alloy::{
    primitives::{B256, U256},
    sol_types::{Panic, SolCall, SolEvent},
};
use sinter_primitives::inbox::EntryKind;
use sinter_settlement::rollup::{self, Transition, contract::RollupSettlement as Contract};

async fn appending(suite: &mut Suite) {
    let mut rollup = Rollup::new(suite).await;
    let at = rollup.address;
    suite.act_as(2);
    let ether = 1_500_000_000_000_000_000_u128;
    rollup.appends(suite, "first deposit, 32 bytes", EntryKind::Deposit, &[7; 32], ether).await;
    let receipt = rollup.appends(suite, "deposit, 32 bytes", EntryKind::Deposit, &[7; 32], ether).await;
    let event = Contract::InboxEntry::decode_log(&receipt.logs()[0].inner).unwrap();
    assert_eq!((event.index, event.kind, event.sender, event.payload.len()), (1, 1, suite.me(), 32));
    assert_eq!(event.deadline.to::<u64>(), suite.l1.now().await + DELAY);
    assert_eq!(event.rolling, B256::from(rollup.inbox[2]));
    for (length, name) in
        [(1, "a message of 1 byte"), (8, "8 bytes"), (9, "9 bytes"), (33, "33 bytes"), (1024, "1 KiB"), (4096, "4 KiB")]
    {
        let payload: Vec<u8> = (0..length).map(|i| (i % 251) as u8).collect();
        rollup.appends(suite, name, EntryKind::Deposit, &payload, 0).await;
        rollup.appends(suite, &format!("forced, {name}"), EntryKind::Forced, &payload, 0).await;
    }
    // Every hash stays known, and is the one that the crate computes.
    assert_eq!(suite.reads(at, &Contract::inboxCountCall {}).await, rollup.inbox.len() as u64 - 1);
    for (entries, rolling) in rollup.inbox.iter().enumerate() {
        let hash = suite.reads(at, &Contract::inboxHashCall { entries: entries as u64 }).await;
        assert_eq!(hash, B256::from(*rolling), "{entries}");
    }
    assert_eq!(suite.balance(at).await, U256::from(2 * ether));

    suite
        .refuses("an empty entry", at, &Contract::depositCall { payload: vec![].into() }, Contract::PayloadEmpty {})
        .await;
    let long = Contract::PayloadTooLong { maximum: U256::from(4096), got: U256::from(4097) };
    suite.refuses("4,097 bytes", at, &Contract::forceCall { transaction: vec![0; 4097].into() }, long).await;
    // Ether comes by a deposit and in no other way.
    let force = Contract::forceCall { transaction: vec![1].into() }.abi_encode();
    for data in [force, Vec::new()] {
        let to = alloy::primitives::TxKind::Call(at);
        assert!(suite.l1.read(suite.me(), to, data.into(), U256::from(1)).await.is_err());
    }
    let out_of_bounds = Panic { code: U256::from(0x32) };
    suite.refuses("no such deadline", at, &Contract::inboxDeadlineCall { index: 99 }, out_of_bounds).await;
}

/// A statement must have consumed what stands there, from the first entry on, and whatever is overdue.
async fn consuming(suite: &mut Suite) {
    let mut rollup = Rollup::new(suite).await;
    let at = rollup.address;
    let mismatch = |entries: u64, expected: [u8; 32], got: [u8; 32]| Contract::InboxMismatch {
        entries,
        expected: expected.into(),
        got: got.into(),
    };
    async fn call_for(suite: &mut Suite, rollup: &Rollup, transition: Transition) -> alloy::primitives::Bytes {
        rollup::settle_call(rollup.hub.address, &rollup.proves(suite, &[transition]).await, None)
    }
    rollup.appends(suite, "deposit", EntryKind::Deposit, &[1; 32], 10).await;
    rollup.appends(suite, "force", EntryKind::Forced, &[2; 100], 0).await;
    let stands = Transition { state_after: digest(1), ..rollup.last };

    // Entries that are not there, another hash, the right hash for another number.
    for (name, entries, rolling, expected) in [
        ("an invented deposit", 3, digest(9), [0; 32]),
        ("an invented deposit without a hash", 3, [0; 32], [0; 32]),
        ("another deposit than came", 1, digest(9), rollup.inbox[1]),
        ("a deposit counted twice", 2, rollup.inbox[1], rollup.inbox[2]),
        ("a deposit left out", 1, rollup.inbox[2], rollup.inbox[1]),
        ("far ahead", u64::MAX, digest(9), [0; 32]),
    ] {
        let statement = Transition { inbox_entries: entries, inbox_rolling: rolling, ..stands };
        let call = call_for(suite, &rollup, statement).await;
        suite.refuses_raw(name, at, call, mismatch(entries, expected, rolling)).await;
    }
    // Not consumed at all, under an invented hash for none.
    let statement = Transition { inbox_rolling: digest(9), ..rollup.next(0, &[]) };
    let call = call_for(suite, &rollup, statement).await;
    suite.refuses_raw("another hash of nothing", at, call, mismatch(0, rollup.last.domain, digest(9))).await;

    // Entries may wait, and then they may not.
    let waits = rollup.next(0, &[]);
    rollup.settles(suite, "the inbox waits", &[waits]).await;
    let deadline = suite.reads(at, &Contract::inboxDeadlineCall { index: 0 }).await.to::<u64>();
    suite.l1.pass(deadline - suite.l1.now().await - 20).await;
    rollup.settles(suite, "shortly before the deadline", &[rollup.next(0, &[])]).await;
    suite.l1.pass(40).await;
    let overdue =
        |index: u64, deadline: u64| Contract::InboxOverdue { index, deadline: alloy::primitives::Uint::from(deadline) };
    let call = call_for(suite, &rollup, rollup.next(0, &[])).await;
    suite.refuses_raw("after the deadline", at, call, overdue(0, deadline)).await;
    // Half of what is overdue is not enough; a statement that was proven earlier is not either.
    let half = Transition { inbox_entries: 1, inbox_rolling: rollup.inbox[1], ..rollup.next(0, &[]) };
    let second = suite.reads(at, &Contract::inboxDeadlineCall { index: 1 }).await.to::<u64>();
    let call = call_for(suite, &rollup, half).await;
    suite.refuses_raw("half of what is overdue", at, call, overdue(1, second)).await;
    // New entries need not be taken with the old ones, and a pair from a while back is still known.
    let old = rollup.next_with_inbox(0, &[]);
    for _ in 0..5 {
        rollup.appends(suite, "append", EntryKind::Deposit, &[3; 32], 0).await;
    }
    rollup.settles(suite, "what is overdue", &[old]).await;
    rollup.settles(suite, "all of it", &[rollup.next_with_inbox(0, &[])]).await;
    suite.l1.pass(14 * 86_400).await;
    rollup.settles(suite, "long after, with nothing to take", &[rollup.next(0, &[])]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn entries_are_hashed_as_the_crate_does() {
    let record = both(appending).await;
    let deposit = gas_of(&record, "deposit, 32 bytes");
    println!("a deposit: {deposit} gas");
    assert!(deposit <= 200_000, "{deposit}");
    // 3,072 bytes more take 128 permutations more.
    let gas = gas_of(&record, "forced, 4 KiB") - gas_of(&record, "forced, 1 KiB");
    println!("24 bytes more: {} gas, calldata included", gas / 128);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_inbox_cannot_be_passed_over() {
    both(consuming).await;
}
