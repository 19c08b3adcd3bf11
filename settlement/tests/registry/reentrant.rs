//! Somebody who calls back when he is paid finds nothing that he could not have done before or after.

use super::fixture::{ESCAPE_DELAY, ETHER, Registry, STAKE_MIN, claim};
use crate::suite::{Suite, both, contract::Reentrant};
use alloy::{
    primitives::{Address, Bytes, U256},
    sol_types::{SolCall, SolError},
};
use sinter_settlement::registry::contract::CommitteeRegistry as Contract;

/// Has the attacker delegate, leave with two tickets, and claim the first with `call` made from within.
async fn strikes(suite: &mut Suite, call: impl Fn(Address) -> Vec<u8>, value: u64) -> (Registry, Address, bool, Bytes) {
    let registry = Registry::new(suite).await;
    let at = registry.address;
    registry.registers(suite, 1, 1, STAKE_MIN).await;
    let attacker = suite.deploy("attacker", Reentrant::BYTECODE.clone()).await;
    let run = |call: Vec<u8>| Reentrant::runCall { target: at, call_: call.into() };
    let delegate = run(Contract::delegateCall { id: 1 }.abi_encode());
    suite.accepts_paid("delegate", attacker, &delegate, U256::from(3 * ETHER)).await;
    for shares in [2 * ETHER, ETHER] {
        suite.accepts("leave", attacker, &run(Contract::undelegateCall { id: 1, shares }.abi_encode())).await;
    }
    suite.l1.pass(ESCAPE_DELAY).await;
    let tell = Reentrant::tellCall { target: at, call_: call(attacker).into(), value: U256::from(value) };
    suite.accepts("tell", attacker, &tell).await;
    suite.accepts("claim", attacker, &run(claim(1, 0, attacker).abi_encode())).await;
    assert_eq!(suite.reads(attacker, &Reentrant::callsCall {}).await, U256::from(1));
    let succeeded = suite.reads(attacker, &Reentrant::succeededCall {}).await;
    let answer = suite.reads(attacker, &Reentrant::answerCall {}).await;
    (registry, attacker, succeeded, answer)
}

async fn striking(suite: &mut Suite) {
    // The same ticket again: it is gone before it is paid.
    let (registry, attacker, succeeded, answer) =
        strikes(suite, |attacker| claim(1, 0, attacker).abi_encode(), 0).await;
    assert!(!succeeded);
    assert_eq!(answer.as_ref(), Contract::TicketUnknown { ticket: 1 }.abi_encode());
    assert_eq!(suite.balance(attacker).await, U256::from(2 * ETHER));
    assert_eq!(suite.balance(registry.address).await, U256::from(STAKE_MIN + ETHER));

    // His other ticket: paid, as it would have been outside.
    let (registry, attacker, succeeded, _) = strikes(suite, |attacker| claim(2, 0, attacker).abi_encode(), 0).await;
    assert!(succeeded);
    assert_eq!(suite.balance(attacker).await, U256::from(3 * ETHER));
    assert_eq!(registry.member(suite, 1).await.stake, STAKE_MIN);

    // His shares again: they are in tickets.
    let (_, _, succeeded, answer) =
        strikes(suite, |_| Contract::undelegateCall { id: 1, shares: 1 }.abi_encode(), 0).await;
    assert!(!succeeded);
    let none = Contract::InsufficientShares { held: U256::ZERO, got: U256::ONE };
    assert_eq!(answer.as_ref(), none.abi_encode());

    // What he is paid, delegated at once: a share a wei, like anybody's.
    let (registry, attacker, succeeded, _) = strikes(suite, |_| Contract::delegateCall { id: 1 }.abi_encode(), 7).await;
    assert!(succeeded);
    let shares = Contract::sharesOfCall { id: 1, holder: attacker };
    assert_eq!(suite.reads(registry.address, &shares).await, U256::from(7));
    let member = registry.member(suite, 1).await;
    assert_eq!((member.stake, member.shares), (STAKE_MIN + ETHER + 7, STAKE_MIN + ETHER + 7));
    assert_eq!(suite.balance(registry.address).await, U256::from(member.stake));
}

#[tokio::test(flavor = "multi_thread")]
async fn calling_back_gains_nothing() {
    both(striking).await;
}
