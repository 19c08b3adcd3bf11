//! Somebody who calls back when he is paid finds nothing that he could not have done before or after.

use super::fixture::{DELAY, Rollup, withdraw_call};
use crate::suite::{Suite, both, contract::Reentrant};
use alloy::{
    primitives::{Address, Bytes, U256},
    sol_types::{SolCall, SolError},
};
use sinter_primitives::inbox::{EntryKind, InboxEntry, Withdrawal};
use sinter_settlement::rollup::{self, contract::RollupSettlement as Contract};

struct Attack {
    rollup: Rollup,
    attacker: Address,
    /// Two of the attacker's and one of somebody else.
    withdrawals: Vec<Withdrawal>,
}

async fn attack(suite: &mut Suite) -> Attack {
    let mut rollup = Rollup::new(suite).await;
    let attacker = suite.deploy("attacker", Reentrant::BYTECODE.clone()).await;
    rollup.appends(suite, "deposit", EntryKind::Deposit, &[1; 32], 10_000).await;
    let mine = |wei| Withdrawal { recipient: attacker.into(), wei };
    let withdrawals = vec![mine(1000), mine(500), Withdrawal { recipient: [7; 20], wei: 300 }];
    let next = rollup.next_with_inbox(10, &withdrawals);
    rollup.settles(suite, "settle", &[next]).await;
    Attack { rollup, attacker, withdrawals }
}

impl Attack {
    /// Is paid the first withdrawal and calls back meanwhile; gives what came of that.
    async fn strikes(&self, suite: &mut Suite, name: &str, call: Vec<u8>, value: u64) -> (bool, Bytes) {
        let at = self.rollup.address;
        let tell = Reentrant::tellCall { target: at, call_: call.into(), value: U256::from(value) };
        suite.accepts("tell", self.attacker, &tell).await;
        suite.accepts(name, at, &withdraw_call(0, &self.withdrawals, 0, self.attacker)).await;
        assert_eq!(suite.reads(self.attacker, &Reentrant::callsCall {}).await, U256::from(1));
        let succeeded = suite.reads(self.attacker, &Reentrant::succeededCall {}).await;
        (succeeded, suite.reads(self.attacker, &Reentrant::answerCall {}).await)
    }
}

async fn withdrawing(suite: &mut Suite) {
    // The same withdrawal again: it is spent before it is paid.
    let attack_ = attack(suite).await;
    let again = withdraw_call(0, &attack_.withdrawals, 0, attack_.attacker).abi_encode();
    let (succeeded, answer) = attack_.strikes(suite, "the same, from within", again, 0).await;
    assert!(!succeeded);
    assert_eq!(answer.as_ref(), Contract::AlreadyWithdrawn { batch: 0, index: 0 }.abi_encode());
    assert_eq!(suite.balance(attack_.attacker).await, U256::from(1000));
    assert_eq!(suite.balance(attack_.rollup.address).await, U256::from(9000));

    // Another one of his own is paid, as it would have been outside, and both are spent.
    let attack_ = attack(suite).await;
    let at = attack_.rollup.address;
    let other = withdraw_call(0, &attack_.withdrawals, 1, attack_.attacker).abi_encode();
    let (succeeded, _) = attack_.strikes(suite, "another one, from within", other, 0).await;
    assert!(succeeded);
    assert_eq!(suite.balance(attack_.attacker).await, U256::from(1500));
    for index in [0, 1] {
        let spent = Contract::AlreadyWithdrawn { batch: 0, index };
        let call = withdraw_call(0, &attack_.withdrawals, index as usize, attack_.attacker);
        suite.refuses("once more", at, &call, spent).await;
    }
    // Somebody else's, to himself: not even while he is being paid.
    let attack_ = attack(suite).await;
    let theirs = withdraw_call(0, &attack_.withdrawals, 2, attack_.attacker).abi_encode();
    let (succeeded, answer) = attack_.strikes(suite, "somebody else's, from within", theirs, 0).await;
    assert!(!succeeded);
    let refusal = Contract::NotTheRecipient { expected: Address::from([7; 20]), got: attack_.attacker };
    assert_eq!(answer.as_ref(), refusal.abi_encode());
}

async fn depositing_and_settling(suite: &mut Suite) {
    // What he is paid comes back as a deposit: an entry like any other.
    let attack_ = attack(suite).await;
    let at = attack_.rollup.address;
    let deposit = Contract::depositCall { payload: vec![5; 32].into() }.abi_encode();
    let (succeeded, _) = attack_.strikes(suite, "a deposit, from within", deposit, 400).await;
    assert!(succeeded);
    assert_eq!(suite.balance(at).await, U256::from(10_000 - 1000 + 400));
    let entry = InboxEntry {
        kind: EntryKind::Deposit,
        sender: attack_.attacker.into(),
        wei: 400,
        deadline: suite.l1.now().await + DELAY,
        payload: vec![5; 32],
    };
    let rolling = suite.reads(at, &Contract::inboxHashCall { entries: 2 }).await;
    assert_eq!(rolling.0, entry.roll(&attack_.rollup.inbox[1]).unwrap());

    // A settlement from within settles, once.
    let mut attack_ = attack(suite).await;
    let next = attack_.rollup.next(10, &[]);
    let call = rollup::settle_call(attack_.rollup.hub.address, &attack_.rollup.proves(suite, &[next]).await, None);
    let (succeeded, _) = attack_.strikes(suite, "a settlement, from within", call.to_vec(), 0).await;
    assert!(succeeded);
    let refusal = Contract::StateMismatch {
        statement: U256::ZERO,
        expected: next.state_after.into(),
        got: next.state_before.into(),
    };
    suite.refuses_raw("the same from outside", attack_.rollup.address, call, refusal).await;
    attack_.rollup.last = next;
    attack_.rollup.settles(suite, "and on", &[attack_.rollup.next(10, &[])]).await;
}

/// Somebody who takes no ether: his withdrawal stays open, and he can send it elsewhere.
async fn refusing_ether(suite: &mut Suite) {
    let attack_ = attack(suite).await;
    let at = attack_.rollup.address;
    suite.accepts("refuse", attack_.attacker, &Reentrant::refuseCall {}).await;
    let call = withdraw_call(0, &attack_.withdrawals, 0, attack_.attacker);
    let failed = Contract::PaymentFailed { to: attack_.attacker, value: U256::from(1000) };
    suite.refuses("to somebody who takes none", at, &call, failed).await;
    assert!(!suite.reads(at, &Contract::withdrawnCall { batch: 0, index: 0 }).await);
    let elsewhere = Address::repeat_byte(0xdd);
    let call = withdraw_call(0, &attack_.withdrawals, 0, elsewhere).abi_encode();
    let run = Reentrant::runCall { target: at, call_: call.into() };
    suite.accepts("to where he says", attack_.attacker, &run).await;
    assert_eq!(suite.balance(elsewhere).await, U256::from(1000));
    // The others are not held up by him.
    let call = withdraw_call(0, &attack_.withdrawals, 2, Address::from([7; 20]));
    suite.accepts("somebody else", at, &call).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_withdrawal_is_paid_once_from_within_too() {
    both(withdrawing).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn deposits_and_settlements_from_within_are_ordinary() {
    both(depositing_and_settling).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_takes_no_ether_holds_up_nobody() {
    both(refusing_ether).await;
}
