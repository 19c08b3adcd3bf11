//! Misconduct costs whoever is proven it, once an epoch; the proof pays, and the rest is nobody's.

use super::fixture::{ESCAPE_DELAY, ETHER, EVIDENCE, EXIT_DELAY, Registry, STAKE_MIN, account, claim, key_hash};
use crate::suite::{Suite, both};
use alloy::primitives::{Address, B256, U256};
use sinter_settlement::registry::contract::CommitteeRegistry as Contract;

const REPORTER: usize = 4;
const TO: Address = Address::repeat_byte(0x71);

async fn slashing(suite: &mut Suite) {
    let registry = Registry::new(suite).await;
    let at = registry.address;
    registry.registers(suite, 1, 1, STAKE_MIN).await;
    registry.delegates(suite, 2, 1, 8 * ETHER).await;
    registry.registers(suite, 2, 1, STAKE_MIN).await;
    let keys = registry.keys(1, 1);
    let leaving = registry.undelegates(suite, 2, 1, 3 * ETHER).await;

    // Only by the contract that checks evidence, and only whom it names.
    let call = |keys, epoch| Contract::slashCall { keyHash: keys, epoch, reporter: account(REPORTER) };
    let stranger = suite.act_as(1);
    let not_evidence = Contract::NotEvidence { expected: account(EVIDENCE), got: stranger };
    suite.refuses("somebody slashes", at, &call(key_hash(&keys), 7), not_evidence).await;
    suite.act_as(EVIDENCE);
    let unknown = Contract::KeyUnknown { keyHash: B256::repeat_byte(7) };
    suite.refuses("nobody's key", at, &call(B256::repeat_byte(7), 7), unknown).await;

    // Half of 40 ether goes; a twentieth of what the owner loses of his 32 is the reporter's.
    registry.slashes(suite, &keys, 7, account(REPORTER)).await;
    let member = registry.member(suite, 1).await;
    assert_eq!((member.stake, member.shares), (20 * ETHER, 40 * ETHER));
    assert_eq!(member.leftBlock.to::<u64>(), suite.block().await, "and ends the registration");
    let reward = 16 * ETHER / 20;
    assert_eq!(suite.reads(at, &Contract::burnedCall {}).await, 20 * ETHER - reward);
    assert_eq!(suite.reads(at, &Contract::owedCall { reporter: account(REPORTER) }).await, U256::from(reward));
    assert_eq!(registry.member(suite, 2).await.stake, STAKE_MIN, "his other registration is another one");
    let ids: Vec<_> = registry.followed(suite).await.candidates().iter().map(|candidate| candidate.id).collect();
    assert_eq!(ids, [2]);
    let again = Contract::AlreadySlashed { member: 1, epoch: 7 };
    suite.refuses("the same epoch again", at, &call(key_hash(&keys), 7), again).await;
    // Another epoch's misconduct costs again: half of what is left.
    registry.slashes(suite, &keys, 6, account(REPORTER)).await;
    assert_eq!(registry.member(suite, 1).await.stake, 10 * ETHER);

    // A share is a quarter of a wei now, whoever has it and since whenever it leaves.
    let own = registry.undelegates(suite, 1, 1, STAKE_MIN).await;
    let rest = registry.undelegates(suite, 2, 1, 5 * ETHER).await;
    suite.l1.pass(ESCAPE_DELAY).await;
    for (number, holder, wei) in [(leaving, 2, 3 * ETHER / 4), (own, 1, 8 * ETHER), (rest, 2, 5 * ETHER / 4)] {
        suite.act_as(holder);
        let before = suite.balance(TO).await;
        suite.accepts("claim", at, &claim(number, 0, TO)).await;
        assert_eq!(suite.balance(TO).await - before, U256::from(wei));
    }
    // The reporter is paid when he asks, once.
    suite.act_as(REPORTER);
    let withdraw = Contract::withdrawRewardCall { to: Address::repeat_byte(0x72) };
    suite.accepts("reward", at, &withdraw).await;
    assert_eq!(suite.balance(Address::repeat_byte(0x72)).await, U256::from(reward + reward / 2));
    let nothing = Contract::NothingOwed { account: account(REPORTER) };
    suite.refuses("again", at, &withdraw, nothing).await;
    let burned = U256::from(suite.reads(at, &Contract::burnedCall {}).await);
    assert_eq!(suite.balance(at).await, burned + U256::from(STAKE_MIN));
}

/// Neither an exit nor another key is a way out.
async fn running_away(suite: &mut Suite) {
    let registry = Registry::new(suite).await;
    let at = registry.address;
    let id = registry.registers(suite, 1, 1, STAKE_MIN).await;
    let old = registry.keys(1, 1);
    suite.accepts("rotate", at, &Contract::rotateBlsKeyCall { id, keys: registry.keys(2, 1) }).await;
    let number = registry.exits(suite, 1, id).await;
    suite.l1.pass(EXIT_DELAY).await;
    registry.slashes(suite, &old, 3, account(REPORTER)).await;
    assert_eq!(registry.member(suite, id).await.stake, STAKE_MIN / 2);
    suite.l1.pass(ESCAPE_DELAY - EXIT_DELAY).await;
    suite.act_as(1);
    suite.accepts("claim", at, &claim(number, 0, TO)).await;
    assert_eq!(suite.balance(TO).await, U256::from(STAKE_MIN / 2));
    // Evidence that comes after the last claim is about nobody.
    suite.act_as(EVIDENCE);
    let call = Contract::slashCall { keyHash: key_hash(&old), epoch: 4, reporter: account(REPORTER) };
    suite.refuses("too late", at, &call, Contract::KeyReleasedAlready { keyHash: key_hash(&old) }).await;
    assert_eq!(suite.reads(at, &Contract::registrantsCall {}).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn misconduct_costs() {
    both(slashing).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_runs_away_from_it() {
    both(running_away).await;
}
