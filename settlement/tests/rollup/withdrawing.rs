//! Withdrawals: paid once, to whom they belong, out of what was deposited.

use super::fixture::{Rollup, withdraw_call};
use crate::suite::{Suite, both, gas_of};
use alloy::primitives::{Address, B256, U256};
use sinter_primitives::inbox::{EntryKind, Withdrawal, compress, withdrawals_root};
use sinter_settlement::rollup::contract::RollupSettlement as Contract;

fn batch(count: u8) -> Vec<Withdrawal> {
    (0..count).map(|i| Withdrawal { recipient: [i + 1; 20], wei: 1000 + u128::from(i) }).collect()
}

async fn paying(suite: &mut Suite) {
    let mut rollup = Rollup::new(suite).await;
    let at = rollup.address;
    rollup.appends(suite, "deposit", EntryKind::Deposit, &[1; 32], 1_000_000).await;
    // Batches of every shape of tree; one statement of the chain has none.
    let batches: Vec<Vec<Withdrawal>> = [1, 2, 3, 5, 8, 11].map(batch).to_vec();
    let mut chain = Vec::new();
    let before = rollup.last;
    for (i, withdrawals) in batches.iter().enumerate() {
        let next = rollup.next_with_inbox(10 + i as u64, withdrawals);
        chain.push(next);
        rollup.last = next;
    }
    let empty = rollup.next_with_inbox(30, &[]);
    chain.push(empty);
    rollup.last = before;
    rollup.settles(suite, "settle", &chain).await;

    let mut paid = U256::ZERO;
    for (number, withdrawals) in batches.iter().enumerate() {
        for index in (0..withdrawals.len()).rev() {
            let recipient = Address::from(withdrawals[index].recipient);
            let balance = suite.balance(recipient).await;
            let call = withdraw_call(number as u64, withdrawals, index, recipient);
            assert!(!suite.reads(at, &Contract::withdrawnCall { batch: number as u64, index: index as u64 }).await);
            suite.accepts(&format!("withdraw {index} of {}", withdrawals.len()), at, &call).await;
            assert!(suite.reads(at, &Contract::withdrawnCall { batch: number as u64, index: index as u64 }).await);
            let wei = U256::from(withdrawals[index].wei);
            assert_eq!(suite.balance(recipient).await - balance, wei);
            paid += wei;
            let spent = Contract::AlreadyWithdrawn { batch: number as u64, index: index as u64 };
            suite.refuses("the same again", at, &call, spent).await;
        }
    }
    // Nothing was made and nothing lost.
    assert_eq!(suite.balance(at).await + paid, U256::from(1_000_000));
}

async fn refusing(suite: &mut Suite) {
    let mut rollup = Rollup::new(suite).await;
    let at = rollup.address;
    let me = suite.me();
    rollup.appends(suite, "deposit", EntryKind::Deposit, &[1; 32], 2_000).await;
    let mut ours = batch(5);
    ours[3].recipient = me.into();
    let theirs = batch(6);
    let first = rollup.next_with_inbox(10, &ours);
    rollup.settles(suite, "settle", &[first]).await;
    let root = |withdrawals: &[Withdrawal]| {
        let leaves: Vec<_> = withdrawals.iter().map(|withdrawal| withdrawal.leaf().unwrap()).collect();
        B256::from(withdrawals_root(&leaves))
    };
    let commitment =
        |root: B256, count: u64| alloy::primitives::keccak256(alloy::sol_types::SolValue::abi_encode(&(root, count)));
    let settled = commitment(root(&ours), 5);

    // A batch that was not settled, here or at all; this one with another count.
    let call = withdraw_call(1, &ours, 3, me);
    let mismatch = |batch, expected, got| Contract::BatchMismatch { batch, expected, got };
    suite.refuses("no such batch", at, &call, mismatch(1, B256::ZERO, settled)).await;
    let call = withdraw_call(0, &theirs, 3, Address::from([4; 20]));
    suite.refuses("a forged batch", at, &call, mismatch(0, settled, commitment(root(&theirs), 6))).await;
    let mut call = withdraw_call(0, &ours, 3, me);
    call.w.count = 8;
    suite.refuses("another count", at, &call, mismatch(0, settled, commitment(root(&ours), 8))).await;

    // Another amount, recipient, place or path.
    let sound = || withdraw_call(0, &ours, 3, me);
    let leaf = |wei, recipient: Address| Withdrawal { recipient: recipient.into(), wei }.leaf().unwrap();
    let up = |call: &Contract::withdrawCall, hash: [u8; 32]| -> B256 {
        let steps = call.w.path.iter().enumerate();
        let place = call.w.index;
        steps
            .fold(hash, |hash, (level, sibling)| {
                if (place >> level) & 1 == 1 { compress(&sibling.0, &hash) } else { compress(&hash, &sibling.0) }
            })
            .into()
    };
    let not_in = |got: B256| Contract::NotInBatch { expected: root(&ours), got };
    let mut call = sound();
    call.w.value += alloy::primitives::Uint::from(1);
    let got = up(&call, leaf(1004, me));
    suite.refuses("a wei more", at, &call, not_in(got)).await;
    let mut call = sound();
    call.w.recipient = Address::from([9; 20]);
    call.to = call.w.recipient;
    let got = up(&call, leaf(1003, Address::from([9; 20])));
    suite.refuses("another recipient", at, &call, not_in(got)).await;
    let mut call = sound();
    call.w.index = 2;
    let got = up(&call, leaf(1003, me));
    suite.refuses("another place, for a second nullifier", at, &call, not_in(got)).await;
    for index in [5, 256 + 3, u64::MAX] {
        let mut call = sound();
        call.w.index = index;
        let beyond = Contract::IndexOutOfRange { count: U256::from(5), index: U256::from(index) };
        suite.refuses(&format!("place {index} of 5"), at, &call, beyond).await;
    }
    for length in [0, 2, 4] {
        let mut call = sound();
        call.w.path.resize(length, B256::ZERO);
        let expected = if length < 3 { length + 1 } else { 3 };
        let refusal = Contract::PathLength { expected: U256::from(expected), got: U256::from(length) };
        suite.refuses(&format!("a path of {length}"), at, &call, refusal).await;
    }
    // A sibling that is congruent to the right one modulo the prime, and another spelling of the same path.
    let mut call = sound();
    let element = u32::from_be_bytes(call.w.path[0][..4].try_into().unwrap());
    let spelt = element.wrapping_add(0x7f00_0001);
    call.w.path[0].0[..4].copy_from_slice(&spelt.to_be_bytes());
    let word = call.w.path[0];
    suite.refuses("a sibling that is no digest", at, &call, Contract::NotCanonical { word }).await;

    // Only the recipient sends it elsewhere.
    suite.act_as(4);
    let stranger = suite.me();
    let refusal = Contract::NotTheRecipient { expected: me, got: stranger };
    suite.refuses("to a stranger", at, &withdraw_call(0, &ours, 3, stranger), refusal).await;
    suite.act_as(0);
    let elsewhere = Address::repeat_byte(0xee);
    suite.accepts("to whom the recipient says", at, &withdraw_call(0, &ours, 3, elsewhere)).await;
    assert_eq!(suite.balance(elsewhere).await, U256::from(1003));

    // More than there is: nothing is paid, nothing is spent, and it can be paid when there is enough.
    let short = withdraw_call(0, &ours, 0, Address::from([1; 20]));
    let failed = Contract::PaymentFailed { to: Address::from([1; 20]), value: U256::from(1000) };
    suite.refuses("more than there is", at, &short, failed).await;
    rollup.appends(suite, "deposit", EntryKind::Deposit, &[1; 32], 3).await;
    suite.accepts("when there is enough", at, &short).await;
    assert_eq!(suite.balance(at).await, U256::ZERO);
}

/// What a withdrawal costs by the size of its batch, and one whose word of nullifiers exists.
async fn costs(suite: &mut Suite) {
    let mut rollup = Rollup::new(suite).await;
    rollup.appends(suite, "deposit", EntryKind::Deposit, &[1; 32], 10_000_000).await;
    for (number, count) in [16, 255].into_iter().enumerate() {
        let withdrawals = batch(count);
        let next = rollup.next_with_inbox(10 + number as u64, &withdrawals);
        rollup.settles(suite, "settle", &[next]).await;
        for (index, name) in [(5, "first"), (6, "another")] {
            let call = withdraw_call(number as u64, &withdrawals, index, Address::from(withdrawals[index].recipient));
            suite.accepts(&format!("{name} of {count} withdrawals"), rollup.address, &call).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn withdrawals_are_paid_once() {
    both(paying).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_else_is_paid() {
    both(refusing).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_withdrawal_is_affordable() {
    let record = both(costs).await;
    let gas = gas_of(&record, "another of 255 withdrawals");
    assert!(gas <= 250_000, "{gas}");
}
