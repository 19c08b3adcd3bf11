//! What an operator is told of his tickets and keys, as the contract then decides it.

use super::fixture::{ESCAPE_DELAY, ETHER, EXIT_DELAY, LAST_DUTY, Registry, STAKE_MIN, account, claim, key_hash};
use crate::{suite::Suite, support::L1};
use alloy::{primitives::U256, sol_types::SolCall};
use sinter_settlement::registry::{
    contract::CommitteeRegistry as Contract,
    explain,
    leaving::{self, Ends, Progress},
    refusal,
};

async fn suite() -> (Suite, Registry) {
    let mut suite = Suite::new(L1::embedded_timed().await);
    let registry = Registry::new(&mut suite).await;
    (suite, registry)
}

/// The contract's refusal of what the acting account calls, in words.
async fn refused(suite: &Suite, registry: &Registry, call: &impl SolCall, wei: u128) -> String {
    let to = alloy::primitives::TxKind::Call(registry.address);
    let told = suite.l1.read(suite.me(), to, call.abi_encode().into(), U256::from(wei)).await;
    explain(&refusal(&told.expect_err("a refusal")).expect("one of the contract's"))
}

#[tokio::test(flavor = "multi_thread")]
async fn progress_is_what_the_contract_decides() {
    let (mut suite, registry) = suite().await;
    let id = registry.registers(&mut suite, 1, 1, STAKE_MIN).await;
    let number = registry.exits(&mut suite, 1, id).await;
    let (provider, at) = (suite.l1.provider.clone(), registry.address);
    let tickets = leaving::tickets_of(&provider, at, account(1), 0).await.unwrap();
    let [ticket] = tickets.as_slice() else { panic!("{tickets:?}") };
    assert_eq!((ticket.number, ticket.member, ticket.holder, ticket.shares), (number, id, account(1), STAKE_MIN));
    assert!(leaving::tickets_of(&provider, at, account(2), 0).await.unwrap().is_empty());
    let (terms, since) = (ticket.terms, ticket.terms.since);
    let to = account(1);

    // An epoch that did not see it leave tells nothing; the next one does, and then the one after its last duty.
    assert_eq!(leaving::ends(&provider, registry.light_client, &terms).await.unwrap(), Ends::default());
    registry.ends(&mut suite, 20, since - 1).await;
    assert_eq!(leaving::ends(&provider, registry.light_client, &terms).await.unwrap(), Ends::default());
    registry.ends(&mut suite, 21, since).await;
    let ends = async || leaving::ends(&provider, registry.light_client, &terms).await.unwrap();
    assert_eq!(ends().await, Ends { seen: Some(21), over_at_s: None });
    let now_s = suite.l1.now().await;
    let last = 21 + LAST_DUTY;
    assert_eq!(terms.progress(&ends().await, now_s), Progress::Seen { epoch: 21, last });
    suite.act_as(1);
    assert_eq!(
        refused(&suite, &registry, &claim(number, 21, to), 0).await,
        format!("the end of epoch {last} is not posted yet")
    );

    registry.ends(&mut suite, 22, since + 1).await;
    registry.ends(&mut suite, last, since + 1).await;
    let now_s = suite.l1.now().await;
    let until_s = now_s + EXIT_DELAY;
    assert_eq!(terms.progress(&ends().await, now_s), Progress::Locked { until_s });
    suite.act_as(1);
    let said = refused(&suite, &registry, &claim(number, 21, to), 0).await;
    assert_eq!(said, format!("locked until {until_s} (Unix seconds)"));

    suite.l1.pass(EXIT_DELAY).await;
    assert_eq!(terms.progress(&ends().await, suite.l1.now().await), Progress::Ready { epoch: 21 });
    suite.act_as(1);
    suite.accepts("claim", at, &claim(number, 21, to)).await;
    assert!(leaving::tickets_of(&provider, at, account(1), 0).await.unwrap().is_empty(), "paid");
    assert_eq!(
        refused(&suite, &registry, &claim(number, 21, to), 0).await,
        format!("ticket {number}: there is none, or it was paid")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ticket_escapes_by_time_alone() {
    let (mut suite, registry) = suite().await;
    let id = registry.registers(&mut suite, 1, 1, STAKE_MIN).await;
    let number = registry.exits(&mut suite, 1, id).await;
    let ticket = leaving::ticket(&suite.l1.provider, registry.address, number).await.unwrap().unwrap();
    let nothing = leaving::ends(&suite.l1.provider, registry.light_client, &ticket.terms).await.unwrap();
    suite.act_as(1);
    let said = refused(&suite, &registry, &claim(number, 7, account(1)), 0).await;
    let since = ticket.terms.since;
    assert_eq!(
        said,
        format!("epoch 7: expected one whose end, as posted, had seen L1 block {since}, got one that had seen block 0")
    );
    assert_eq!(ticket.terms.progress(&nothing, suite.l1.now().await), Progress::Unseen);
    suite.l1.pass(ESCAPE_DELAY).await;
    let Progress::Ready { epoch } = ticket.terms.progress(&nothing, suite.l1.now().await) else { panic!("it escapes") };
    suite.accepts("claim", registry.address, &claim(number, epoch, account(1))).await;
    assert_eq!(leaving::ticket(&suite.l1.provider, registry.address, number).await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn old_keys_are_told_while_they_are_liable() {
    let (mut suite, registry) = suite().await;
    let (provider, at) = (suite.l1.provider.clone(), registry.address);
    let id = registry.registers(&mut suite, 1, 1, STAKE_MIN).await;
    registry.registers(&mut suite, 2, 2, STAKE_MIN).await;
    registry.delegates(&mut suite, 1, 2, ETHER).await;
    assert_eq!(
        leaving::registrations_of(&provider, at, account(1), 0).await.unwrap(),
        [id],
        "to delegate is not to register"
    );
    suite.act_as(1);
    let keys = registry.keys(3, 1);
    suite.accepts("rotate", at, &Contract::rotateBlsKeyCall { id, keys: keys.clone() }).await;
    let first = registry.keys(1, 1);
    let had = leaving::bls_keys_of(&provider, at, id, 0).await.unwrap();
    assert_eq!(had.iter().map(|key| key.to_vec()).collect::<Vec<_>>(), [first.bls.to_vec(), keys.bls.to_vec()]);
    let retired = leaving::retired_keys(&provider, at, &had).await.unwrap();
    assert_eq!(retired.iter().map(|key| key.hash).collect::<Vec<_>>(), [key_hash(&first)]);
    assert_eq!(retired[0].terms.since, suite.block().await);
    // Once it is released it is liable no more.
    suite.l1.pass(ESCAPE_DELAY).await;
    suite.accepts("release", at, &Contract::releaseCall { keyHash: key_hash(&first), epoch: 0 }).await;
    assert!(leaving::retired_keys(&provider, at, &had).await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_say_what_was_expected() {
    let (mut suite, registry) = suite().await;
    let id = registry.registers(&mut suite, 1, 1, STAKE_MIN).await;
    suite.act_as(2);
    let said = refused(&suite, &registry, &registry.registration(2, 2), STAKE_MIN - ETHER / 2).await;
    assert_eq!(said, "stake: expected at least 32 ether, got 31.5 ether");
    let said = refused(&suite, &registry, &registry.registration(1, 2), STAKE_MIN).await;
    assert_eq!(said, format!("BLS key: registrant {id} has or had it, and no key is registered twice: make a new one"));
    let said = refused(&suite, &registry, &Contract::exitCall { id }, 0).await;
    assert_eq!(said, format!("expected the owner {}, got {}", account(1), account(2)));
    let said = refused(&suite, &registry, &Contract::exitCall { id: 9 }, 0).await;
    assert_eq!(said, "expected a registrant, got number 9, which nobody has");
    let unsigned = Contract::registerCall { keys: registry.keys(2, 3), node: registry.node(2, 2, "192.0.2.2:7000") };
    let said = refused(&suite, &registry, &unsigned, STAKE_MIN).await;
    assert_eq!(said, format!("BLS key: expected its consent to be registered by {}", account(2)));
}
