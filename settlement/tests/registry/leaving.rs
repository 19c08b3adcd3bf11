//! Stake stays until the last committee with it is over, and until a delay has passed; or longer, if nobody can tell.

use super::fixture::{
    DAY, EPOCHS_AHEAD, ESCAPE_DELAY, ETHER, EXIT_DELAY, LAST_DUTY, Registry, STAKE_MIN, account, claim, key_hash,
};
use crate::suite::{Suite, both, contract::Reentrant};
use alloy::primitives::{Address, B256, U256, Uint};
use sinter_settlement::registry::contract::CommitteeRegistry as Contract;

const TO: Address = Address::repeat_byte(0x71);

async fn light_client(suite: &mut Suite) {
    let registry = Registry::new(suite).await;
    let at = registry.address;
    registry.registers(suite, 1, 1, STAKE_MIN).await;
    let number = registry.exits(suite, 1, 1).await;
    let ticket = registry.ticket(suite, number).await;
    let since = ticket.since.to::<u64>();
    assert_eq!((ticket.holder, ticket.member, ticket.shares), (account(1), 1, STAKE_MIN));
    assert_eq!(since, suite.block().await);
    assert_eq!((ticket.exitDelay, ticket.epochsAhead), (Uint::from(EXIT_DELAY), EPOCHS_AHEAD as u16));

    // Time passes, but it is not said that the L1 was seen past the leaving.
    suite.l1.pass(EXIT_DELAY).await;
    let before = |epoch, got| Contract::EpochBeforeLeaving { epoch, expected: U256::from(since), got: U256::from(got) };
    suite.refuses("an epoch that is not over", at, &claim(number, 6, TO), before(6, 0)).await;
    registry.ends(suite, 4, since - 1).await;
    suite.refuses("an epoch before", at, &claim(number, 4, TO), before(4, since - 1)).await;
    // The epochs in which he may have a seat are not over.
    registry.ends(suite, 5, since).await;
    registry.ends(suite, 4 + LAST_DUTY, since).await;
    let not_over = |epoch: u64| Contract::EpochNotOver { epoch: U256::from(epoch) };
    suite.refuses("before they are over", at, &claim(number, 5, TO), not_over(5 + LAST_DUTY)).await;
    // They are, but evidence has not had its time.
    registry.ends(suite, 5 + LAST_DUTY, since).await;
    let reached = suite.l1.now().await;
    let locked = || Contract::Locked { unlocksAt: U256::from(reached + EXIT_DELAY) };
    suite.refuses("at once", at, &claim(number, 5, TO), locked()).await;
    suite.l1.pass(EXIT_DELAY - DAY).await;
    suite.refuses("a day before", at, &claim(number, 5, TO), locked()).await;
    suite.l1.pass(DAY).await;
    let newest = 5 + LAST_DUTY;
    suite.refuses("an epoch too late", at, &claim(number, newest, TO), not_over(newest + LAST_DUTY)).await;
    // Not his.
    let other = suite.act_as(2);
    let holder = Contract::NotTheHolder { expected: account(1), got: other };
    suite.refuses("another's ticket", at, &claim(number, 5, TO), holder).await;
    suite.refuses("no ticket", at, &claim(77, 5, TO), Contract::TicketUnknown { ticket: 77 }).await;
    suite.act_as(1);
    suite.accepts("claim", at, &claim(number, 5, TO)).await;
    assert_eq!(suite.balance(TO).await, U256::from(STAKE_MIN));
}

async fn escape(suite: &mut Suite) {
    let registry = Registry::new(suite).await;
    let at = registry.address;
    registry.registers(suite, 1, 1, STAKE_MIN).await;
    let number = registry.exits(suite, 1, 1).await;
    let since = registry.ticket(suite, number).await.since;
    // The chain halted: no header of any epoch comes.
    suite.l1.pass(ESCAPE_DELAY - DAY).await;
    let before = Contract::EpochBeforeLeaving { epoch: 0, expected: U256::from(since), got: U256::ZERO };
    suite.refuses("a day before", at, &claim(number, 0, TO), before).await;
    suite.l1.pass(DAY).await;
    suite.accepts("the escape", at, &claim(number, 0, TO)).await;
    assert_eq!(suite.balance(TO).await, U256::from(STAKE_MIN));
}

/// Who delegated to somebody who left waits since then, not since he noticed.
async fn delegators(suite: &mut Suite) {
    let registry = Registry::new(suite).await;
    let at = registry.address;
    registry.registers(suite, 1, 1, STAKE_MIN).await;
    registry.delegates(suite, 2, 1, ETHER).await;
    registry.delegates(suite, 3, 1, ETHER).await;
    let early = registry.undelegates(suite, 2, 1, ETHER / 2).await;
    let own = registry.exits(suite, 1, 1).await;
    suite.l1.pass(EXIT_DELAY).await;
    let late = registry.undelegates(suite, 2, 1, ETHER / 2).await;
    let (early_ticket, own_ticket, late_ticket) =
        (registry.ticket(suite, early).await, registry.ticket(suite, own).await, registry.ticket(suite, late).await);
    assert!(early_ticket.since < own_ticket.since);
    assert_eq!(late_ticket.since, own_ticket.since);
    assert_eq!(late_ticket.escapesAt, own_ticket.escapesAt);
    registry.passes(suite, 8, own_ticket.since.to()).await;
    suite.accepts("claim", at, &claim(late, 8, TO)).await;
    assert_eq!(suite.balance(TO).await, U256::from(ETHER / 2));
    // Whoever leaves part keeps the rest, and nobody else's moves.
    assert_eq!(registry.shares(suite, 1, 2).await, U256::ZERO);
    assert_eq!(registry.shares(suite, 1, 3).await, U256::from(ETHER));
}

/// A recipient that takes no ether loses nothing: he names another one.
async fn unpayable(suite: &mut Suite) {
    let registry = Registry::new(suite).await;
    let at = registry.address;
    let fussy = suite.deploy("fussy", Reentrant::BYTECODE.clone()).await;
    suite.accepts("refuse", fussy, &Reentrant::refuseCall {}).await;
    registry.registers(suite, 1, 1, STAKE_MIN).await;
    let number = registry.exits(suite, 1, 1).await;
    suite.l1.pass(ESCAPE_DELAY).await;
    let failed = Contract::PaymentFailed { to: fussy, value: U256::from(STAKE_MIN) };
    suite.refuses("to whom it may not concern", at, &claim(number, 0, fussy), failed).await;
    suite.accepts("to another one", at, &claim(number, 0, TO)).await;
    assert_eq!(suite.balance(TO).await, U256::from(STAKE_MIN));
}

/// A replaced key stays its owner's, and stays slashable until every committee that may have it is over.
async fn keys(suite: &mut Suite) {
    let registry = Registry::new(suite).await;
    let at = registry.address;
    registry.registers(suite, 1, 1, STAKE_MIN).await;
    let old = key_hash(&registry.keys(1, 1));
    let release = |epoch| Contract::releaseCall { keyHash: old, epoch };
    suite.refuses("a key in use", at, &release(0), Contract::KeyInUse { keyHash: old }).await;
    let unknown = Contract::releaseCall { keyHash: B256::ZERO, epoch: 0 };
    suite.refuses("no key", at, &unknown, Contract::KeyUnknown { keyHash: B256::ZERO }).await;
    let rotate = Contract::rotateBlsKeyCall { id: 1, keys: registry.keys(2, 1) };
    suite.accepts("rotate", at, &rotate).await;
    let key = suite.reads(at, &Contract::keyCall { keyHash: old }).await;
    assert_eq!((key.member, key.since.to::<u64>(), key.released), (1, suite.block().await, false));
    registry.ends(suite, 3, key.since.to()).await;
    let waits = Contract::EpochNotOver { epoch: U256::from(3 + LAST_DUTY) };
    suite.refuses("before the epochs have passed", at, &release(3), waits).await;
    registry.ends(suite, 3 + LAST_DUTY, key.since.to()).await;
    let unlocks = U256::from(suite.l1.now().await + EXIT_DELAY);
    suite.refuses("at once", at, &release(3), Contract::Locked { unlocksAt: unlocks }).await;
    suite.l1.pass(EXIT_DELAY).await;
    suite.act_as(5);
    suite.accepts("anybody releases", at, &release(3)).await;
    suite.refuses("again", at, &release(3), Contract::KeyReleasedAlready { keyHash: old }).await;
    suite.act_as(super::fixture::EVIDENCE);
    let slash = Contract::slashCall { keyHash: old, epoch: 2, reporter: TO };
    suite.refuses("slash it", at, &slash, Contract::KeyReleasedAlready { keyHash: old }).await;
    assert_eq!(registry.member(suite, 1).await.stake, STAKE_MIN);
}

#[tokio::test(flavor = "multi_thread")]
async fn stake_waits_for_the_light_client() {
    both(light_client).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_halted_chain_keeps_nobody_for_ever() {
    both(escape).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn delegators_wait_since_the_registration_ended() {
    both(delegators).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recipient_that_takes_no_ether() {
    both(unpayable).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn replaced_keys_are_released() {
    both(keys).await;
}
