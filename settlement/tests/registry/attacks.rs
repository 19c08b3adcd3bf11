//! What somebody may try to gain, or to have others lose, and what becomes of it.

use super::fixture::{
    DAY, EPOCHS_AHEAD, ESCAPE_DELAY, ETHER, EVIDENCE, EXIT_DELAY, GOVERNOR, LAST_DUTY, Registry, STAKE_MIN, TIMELOCK,
    account, claim, key_hash, node_key, parameters,
};
use crate::{
    ring::Vm,
    suite::{Suite, both, contract::ToldLightClient, gas_of},
};
use alloy::{
    primitives::{Address, TxKind, U256, Uint},
    sol_types::{SolCall, SolError},
};
use revm::context::result::ExecutionResult;
use sinter_settlement::{
    light_client::predicted_address,
    registry::{self, Genesis, Parameters, contract::CommitteeRegistry as Contract},
};

const TO: Address = Address::repeat_byte(0x71);

/// An owner with much delegated to him is slashed by his own evidence.
async fn reporting_oneself(suite: &mut Suite) {
    let registry = Registry::with(suite, Parameters { rewardBasisPoints: 1_000, ..parameters() }).await;
    let at = registry.address;
    let id = registry.registers(suite, 1, 1, STAKE_MIN).await;
    registry.delegates(suite, 2, id, 99 * STAKE_MIN).await;
    // Shares that leave are his still.
    registry.delegates(suite, 1, id, STAKE_MIN).await;
    let early = registry.undelegates(suite, 1, id, STAKE_MIN).await;
    registry.slashes(suite, &registry.keys(1, 1), 7, account(1)).await;
    let reward = suite.reads(at, &Contract::owedCall { reporter: account(1) }).await;
    // Half of his 64 ether, and the greatest reward there is on that: a tenth.
    assert_eq!(reward, U256::from(STAKE_MIN / 10));
    let rest = registry.undelegates(suite, 1, id, STAKE_MIN).await;
    suite.l1.pass(ESCAPE_DELAY).await;
    for number in [early, rest] {
        suite.accepts("claim", at, &claim(number, 0, TO)).await;
    }
    suite.accepts("withdraw", at, &Contract::withdrawRewardCall { to: TO }).await;
    assert_eq!(suite.balance(TO).await, U256::from(STAKE_MIN + STAKE_MIN / 10), "of two times that");
}

/// Whoever has left, and has his ether, signs what is slashed, by the last key and by one before, while a delegator sleeps.
async fn leaving_others_behind(suite: &mut Suite) {
    let registry = Registry::new(suite).await;
    let at = registry.address;
    let id = registry.registers(suite, 1, 1, STAKE_MIN).await;
    registry.delegates(suite, 2, id, 9 * ETHER).await;
    let keys = [registry.keys(1, 1), registry.keys(2, 1)];
    suite.act_as(1);
    suite.accepts("rotate", at, &Contract::rotateBlsKeyCall { id, keys: keys[1].clone() }).await;
    let own = registry.exits(suite, 1, id).await;
    let ticket = registry.ticket(suite, own).await;
    let last = suite.reads(at, &Contract::keyCall { keyHash: key_hash(&keys[1]) }).await;
    assert_eq!((last.since, last.escapesAt), (ticket.since, ticket.escapesAt), "leaving retires the last key");
    let candidates = registry.followed(suite).await.candidates();
    assert_eq!(candidates, [], "and it is in no snapshot");

    // Until he can claim he is liable.
    registry.ends(suite, 5, ticket.since.to()).await;
    registry.ends(suite, 5 + LAST_DUTY, ticket.since.to()).await;
    suite.l1.pass(EXIT_DELAY - DAY).await;
    let release = |keys| Contract::releaseCall { keyHash: key_hash(keys), epoch: 5 };
    let unlocks_at = registry.ended_at(suite, 5 + LAST_DUTY).await;
    let locked = Contract::Locked { unlocksAt: U256::from(unlocks_at + EXIT_DELAY) };
    suite.refuses("release a day before", at, &release(&keys[1]), locked).await;
    registry.slashes(suite, &keys[1], 4, TO).await;
    assert_eq!(registry.member(suite, id).await.stake, (STAKE_MIN + 9 * ETHER) / 2);
    suite.l1.pass(DAY).await;
    suite.act_as(1);
    suite.accepts("claim", at, &claim(own, 5, TO)).await;
    // From then on none of his keys counts.
    assert!(registry.member(suite, id).await.released);
    suite.act_as(EVIDENCE);
    for keys in &keys {
        let call = Contract::slashCall { keyHash: key_hash(keys), epoch: 99, reporter: account(1) };
        suite.refuses("grief", at, &call, Contract::KeyReleasedAlready { keyHash: key_hash(keys) }).await;
    }
    let sleeper = registry.undelegates(suite, 2, id, 9 * ETHER).await;
    suite.accepts("wake up", at, &claim(sleeper, 5, TO)).await;
    assert_eq!(suite.balance(TO).await, U256::from((STAKE_MIN + 9 * ETHER) / 2));

    // A delegator need not wait until he claims.
    let id = registry.registers(suite, 3, 1, STAKE_MIN).await;
    let keys = registry.keys(3, 1);
    registry.exits(suite, 1, id).await;
    suite.l1.pass(ESCAPE_DELAY).await;
    suite.act_as(2);
    suite.accepts("release", at, &release(&keys)).await;
    assert!(registry.member(suite, id).await.released);
    suite.refuses("twice", at, &release(&keys), Contract::KeyReleasedAlready { keyHash: key_hash(&keys) }).await;
}

/// The governor proposes that stake stays for longer, and that all of it may be slashed, by somebody else.
async fn changing_the_rules(suite: &mut Suite) {
    let registry = Registry::new(suite).await;
    let at = registry.address;
    registry.registers(suite, 1, 1, STAKE_MIN).await;
    registry.registers(suite, 2, 2, STAKE_MIN).await;
    let harsher = Parameters {
        slashBasisPoints: 10_000,
        exitDelay: Uint::from(EXIT_DELAY + DAY),
        escapeDelay: Uint::from(ESCAPE_DELAY + 2 * DAY),
        epochsAhead: 64,
        evidence: account(7),
        ..parameters()
    };
    suite.act_as(GOVERNOR);
    suite.accepts("propose", at, &Contract::proposeCall { parameters_: harsher }).await;
    // Days later somebody leaves, the slowest way: nothing is ever shown of the chain.
    suite.l1.pass(6 * DAY).await;
    let own = registry.exits(suite, 1, 1).await;
    suite.l1.pass(ESCAPE_DELAY).await;
    let ready = suite.reads(at, &Contract::proposalCall {}).await.readyAt;
    suite
        .refuses("too early to catch him", at, &Contract::enactCall {}, Contract::ProposalPending { readyAt: ready })
        .await;
    suite.act_as(1);
    suite.accepts("out in time", at, &claim(own, 0, TO)).await;
    assert_eq!(suite.balance(TO).await, U256::from(STAKE_MIN));

    // What left under the old delays keeps them, whatever is enacted meanwhile: nobody waits longer, and nobody shorter.
    suite.l1.pass(TIMELOCK - ESCAPE_DELAY - 8 * DAY).await;
    let second = registry.exits(suite, 2, 2).await;
    let before = registry.ticket(suite, second).await;
    suite.l1.pass(3 * DAY).await;
    suite.accepts("enact", at, &Contract::enactCall {}).await;
    let after = registry.ticket(suite, second).await;
    assert_eq!(after, before);
    assert_eq!((after.exitDelay, after.epochsAhead), (Uint::from(EXIT_DELAY), EPOCHS_AHEAD as u16));
    suite.l1.pass(ESCAPE_DELAY - 3 * DAY).await;
    suite.act_as(2);
    suite.accepts("under the old delays", at, &claim(second, 0, TO)).await;
}

/// The member of a committee waits for his delay first and lets the end of his last epoch be seen afterwards, so that evidence of
/// what he did in it comes too late.
async fn late_misconduct(suite: &mut Suite) {
    let registry = Registry::new(suite).await;
    let at = registry.address;
    let id = registry.registers(suite, 1, 1, STAKE_MIN).await;
    let own = registry.exits(suite, 1, id).await;
    let since = registry.ticket(suite, own).await.since.to::<u64>();
    registry.ends(suite, 5, since).await;
    suite.l1.pass(2 * EXIT_DELAY).await;
    // Only now is it seen that his last epoch is over.
    registry.ends(suite, 5 + LAST_DUTY, since).await;
    suite.act_as(1);
    let unlocks = U256::from(suite.l1.now().await + EXIT_DELAY);
    suite.refuses("at once", at, &claim(own, 5, TO), Contract::Locked { unlocksAt: unlocks }).await;
    suite.l1.pass(EXIT_DELAY - DAY).await;
    registry.slashes(suite, &registry.keys(1, 1), 5 + EPOCHS_AHEAD - 1, TO).await;
    assert_eq!(registry.member(suite, id).await.stake, STAKE_MIN / 2);
}

/// Somebody names another's node key, before and after its holder does.
async fn squatting(suite: &mut Suite) {
    let registry = Registry::new(suite).await;
    let at = registry.address;
    let holder = registry.node(1, 1, "192.0.2.1:7000");
    // He cannot make the consent, and the holder's own is for another account.
    suite.act_as(2);
    let register = Contract::registerCall { keys: registry.keys(2, 2), node: holder.clone() };
    suite.accepts_paid("squat first", at, &register, U256::from(STAKE_MIN)).await;
    registry.registers(suite, 1, 1, STAKE_MIN).await;
    registry.registers(suite, 3, 2, STAKE_MIN).await;
    let rotate = Contract::rotateNodeCall { id: 3, node: holder };
    suite.accepts("squat later", at, &rotate).await;
    let followed = registry.followed(suite).await;
    assert_eq!(followed.registrants().len(), 3);
    let ids: Vec<_> = followed.candidates().iter().map(|candidate| candidate.id).collect();
    assert_eq!(ids, [2], "only the holder's registration counts");
    assert_eq!(followed.registrants()[&2].seat().unwrap().node_key, node_key(1));
    // Who squatted names a node of his own, and counts again.
    suite.act_as(2);
    let rotate = Contract::rotateNodeCall { id: 3, node: registry.node(3, 2, "192.0.2.3:7000") };
    suite.accepts("his own", at, &rotate).await;
    let ids: Vec<_> = registry.followed(suite).await.candidates().iter().map(|candidate| candidate.id).collect();
    assert_eq!(ids, [2, 3]);
}

/// Somebody takes all places with the least stake there may be.
async fn taking_all_places(suite: &mut Suite) {
    let registry = Registry::new(suite).await;
    let at = registry.address;
    let displace = |registry: &Registry, victim| {
        let Contract::registerCall { keys, node } = registry.registration(5, 5);
        Contract::displaceCall { victim, keys, node }
    };
    for number in [1, 2, 3] {
        registry.registers(suite, number, 1, STAKE_MIN).await;
    }
    suite.act_as(5);
    let places = Contract::RegistryNotFull { maximum: U256::from(4), got: U256::from(3) };
    let call = displace(&registry, 1).abi_encode();
    suite.refuses_paid("while there is a place", at, call.into(), U256::from(1_000 * ETHER), places).await;
    registry.registers(suite, 4, 1, STAKE_MIN).await;
    registry.delegates(suite, 2, 3, ETHER).await;

    suite.act_as(5);
    let more = U256::from(2 * STAKE_MIN);
    let full = Contract::RegistryFull { maximum: U256::from(4) };
    suite.refuses_paid("register", at, registry.registration(5, 5).abi_encode().into(), more, full).await;
    // A tenth more than his victim has, and a wei.
    for (victim, stake) in [(1, STAKE_MIN), (3, STAKE_MIN + ETHER)] {
        let minimum = U256::from(stake + stake / 10 + 1);
        let below = Contract::BelowMinimum { minimum, got: minimum - U256::ONE };
        let call = displace(&registry, victim).abi_encode();
        suite.refuses_paid("too little more", at, call.into(), minimum - U256::ONE, below).await;
    }
    let minimum = U256::from(STAKE_MIN + STAKE_MIN / 10 + 1);
    suite.accepts_paid("displace", at, &displace(&registry, 1), minimum).await;
    assert_eq!(suite.reads(at, &Contract::registrantsCall {}).await, 4);
    let ids: Vec<_> = registry.followed(suite).await.candidates().iter().map(|candidate| candidate.id).collect();
    assert_eq!(ids, [2, 3, 4, 5]);
    let left = Contract::MemberLeft { member: 1 };
    suite.refuses_paid("displace again", at, displace(&registry, 1).abi_encode().into(), more, left).await;
    let unknown = Contract::MemberUnknown { member: 99 };
    suite.refuses_paid("displace nobody", at, displace(&registry, 99).abi_encode().into(), more, unknown).await;

    // Who is displaced has left like everybody who leaves.
    let ticket = registry.ticket(suite, 1).await;
    assert_eq!((ticket.holder, ticket.member, ticket.shares), (account(1), 1, STAKE_MIN));
    registry.passes(suite, 6, ticket.since.to()).await;
    suite.act_as(1);
    suite.accepts("claim", at, &claim(1, 6, TO)).await;
    assert_eq!(suite.balance(TO).await, U256::from(STAKE_MIN));
}

#[tokio::test(flavor = "multi_thread")]
async fn reporting_oneself_does_not_pay() {
    both(reporting_oneself).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_left_cannot_have_others_slashed() {
    both(leaving_others_behind).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_change_of_rules_catches_who_leaves() {
    both(changing_the_rules).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn evidence_has_its_time_after_the_last_duty() {
    both(late_misconduct).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn anothers_node_key_is_of_no_use() {
    both(squatting).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn places_are_not_held_with_the_least_stake() {
    let record = both(taking_all_places).await;
    let (registers, displaces) = (gas_of(&record, "register"), gas_of(&record, "displace"));
    assert!(displaces < registers + 250_000, "{displaces}: what an exit and a ticket cost, however many there are");
}

/// A development chain on which somebody has all the ether that there can be.
#[test]
fn amounts_that_do_not_fit_are_refused() {
    let mut vm = Vm::new();
    let light_client = predicted_address(crate::ring::ACCOUNT, 0);
    let at = predicted_address(crate::ring::ACCOUNT, 1);
    assert!(vm.run(TxKind::Create, ToldLightClient::BYTECODE.clone()).is_success());
    let genesis = Genesis { light_client, governor: Address::ZERO, timelock_s: TIMELOCK, parameters: parameters() };
    assert!(vm.run(TxKind::Create, registry::creation_code(&genesis)).is_success());
    let most = U256::from((1u128 << 96) - 1);
    let keys = registry::keys(&super::fixture::secret(1), Vm::chain_id(), at, crate::ring::ACCOUNT).unwrap();
    let node =
        registry::node(&super::fixture::node_secret(1), Vm::chain_id(), at, crate::ring::ACCOUNT, "192.0.2.1:7000");
    let register = Contract::registerCall { keys, node }.abi_encode();
    let mut refused = |call: Vec<u8>, value: U256| {
        let result = vm.pay(TxKind::Call(at), call.into(), value);
        match result {
            ExecutionResult::Success { .. } => None,
            ExecutionResult::Revert { output, .. } => Some(output),
            halt => panic!("{halt:?}"),
        }
    };
    // Cut to 128 bits, these would be 32 ether and nothing.
    for got in [most + U256::ONE, (U256::ONE << 128) + U256::from(STAKE_MIN)] {
        let refusal = Contract::AmountTooLarge { maximum: most, got }.abi_encode();
        assert_eq!(refused(register.clone(), got), Some(refusal.into()));
    }
    assert_eq!(refused(register, most), None);
    let delegate = Contract::delegateCall { id: 1 }.abi_encode();
    let got = U256::ONE << 128;
    let refusal = Contract::AmountTooLarge { maximum: most, got }.abi_encode();
    assert_eq!(refused(delegate.clone(), got), Some(refusal.into()));
    // Twice the most there is, behind one registrant, is counted.
    assert_eq!(refused(delegate, most), None);
}
