//! Statements that were proven, for somebody else: another program, rollup, chain or hub. They do no harm, because
//! what consumes them compares the program and the domain.

use super::fixture::{Rollup, digest, domain};
use crate::{
    hub::statement,
    suite::{Suite, both, places},
};
use alloy::primitives::{B256, U256};
use sinter_primitives::inbox::Domain;
use sinter_settlement::{
    hub::{Place, contract::AggregationHub, selector},
    rollup::{self, Transition, contract::RollupSettlement as Contract},
};

async fn foreign(suite: &mut Suite) {
    let ours = Rollup::new(suite).await;
    let twin = Rollup::at(suite, ours.hub, ours.program_id).await;
    let next = ours.next(10, &[]);

    // Another rollup with the same program, hub, namespace and state.
    let domain_mismatch = |got: [u8; 32]| Contract::DomainMismatch {
        statement: U256::ZERO,
        expected: domain(ours.address).into(),
        got: got.into(),
    };
    let theirs = twin.proves(suite, &[twin.next(10, &[])]).await;
    let call = ours.settle_call(&theirs, 0);
    suite.refuses_raw("another rollup's statement", ours.address, call, domain_mismatch(domain(twin.address))).await;
    // The same contract address on another L1, for another order, or another lane.
    let here = Domain {
        l1_chain_id: crate::support::L1_CHAIN_ID,
        settlement: ours.address.into(),
        chain_id: crate::support::CHAIN_ID,
        namespace: super::fixture::NAMESPACE,
    };
    assert_eq!(here.digest(), domain(ours.address));
    for (name, elsewhere) in [
        ("another L1's statement", Domain { l1_chain_id: 1, ..here }),
        ("another order's statement", Domain { chain_id: 78, ..here }),
        ("another namespace's statement", Domain { namespace: sinter_primitives::Namespace(21), ..here }),
    ] {
        let statement = Transition { domain: elsewhere.digest(), ..next };
        let call = ours.settle_call(&ours.proves(suite, &[statement]).await, 0);
        suite.refuses_raw(name, ours.address, call, domain_mismatch(elsewhere.digest())).await;
    }

    // Another program that claims the same.
    let other = (statement(1001).0, next.public_values());
    let place = ours.hub.settles(suite, "settle a batch", &[other, statement(1)]).await.remove(0);
    let got = crate::hub::forged_root(&(ours.program_id, next.public_values()), &place, 2);
    let refusal = AggregationHub::StatementNotUnderRoot { expected: place.root, got };
    suite
        .refuses_raw("another program's statement", ours.address, ours.settle_call(&[(place, next)], 0), refusal)
        .await;
    another_hub(suite, &ours, next).await;
}

/// A hub that somebody else runs, over a verifier that believes anything.
async fn another_hub(suite: &mut Suite, ours: &Rollup, next: Transition) {
    let theirs = suite.hub().await;
    let batch = [(ours.program_id, next.public_values()), statement(1)];
    let place = theirs.settles(suite, "settle a batch elsewhere", &batch).await.remove(0);
    // Its root is not known here.
    let unknown = AggregationHub::RootUnknown { root: place.root };
    let call = ours.settle_call(&[(place.clone(), next)], 0);
    suite.refuses_raw("another hub's root", ours.address, call, unknown).await;
    // And this rollup does not ask it.
    let call = rollup::settle_call(theirs.address, &[(place.clone(), next)], None);
    let mismatch =
        AggregationHub::SelectorMismatch { expected: selector(ours.hub.address), got: selector(theirs.address) };
    suite.refuses_raw("another hub's selector", ours.address, call, mismatch).await;
    // Settled here as well, by whoever paid for it: the root is the same, and so is what it says.
    ours.hub.settles(suite, "the same batch here", &batch).await;
    let (root, _) = places(&batch);
    assert_eq!(suite.reads(ours.hub.address, &AggregationHub::countCall { root }).await, 2);

    // A root that nobody proved, and a list forged for it.
    let forged = Transition { state_after: digest(666), ..next };
    let leaf = sinter_settlement::hub::leaf(&ours.program_id, &forged.public_values());
    let place = Place { root: leaf, index: 0, path: Vec::new() };
    let unknown = AggregationHub::RootUnknown { root: leaf };
    let call = ours.settle_call(&[(place, forged)], 0);
    suite.refuses_raw("a root that nobody proved", ours.address, call, unknown).await;
    assert_eq!(suite.reads(ours.address, &Contract::stateCall {}).await, B256::from(digest(0)));
}

/// A rollup behind a gateway follows new hubs when their time has come, and stops with a frozen one.
async fn behind_a_gateway(suite: &mut Suite) {
    use sinter_settlement::hub::{contract::SealGateway, gateway_creation_code};
    let first = suite.hub().await;
    let second = suite.hub().await;
    let owner = suite.me();
    let gateway = suite.deploy("gateway", gateway_creation_code(owner, 86_400, first.address)).await;
    let routed = crate::suite::Hub { address: gateway, ..first };
    let mut rollup = Rollup::at(suite, routed, statement(1000).0).await;
    rollup.hub = first;
    rollup.settles(suite, "settle through the first hub", &[rollup.next(10, &[])]).await;
    suite.accepts("announce", gateway, &SealGateway::announceCall { hub_: second.address }).await;
    rollup.hub = second;
    let next = rollup.next(10, &[]);
    let call = rollup::settle_call(second.address, &rollup.proves(suite, &[next]).await, None);
    let active_from =
        suite.reads(gateway, &SealGateway::routeCall { selector: selector(second.address) }).await.activeFrom;
    let pending = SealGateway::SelectorPending { selector: selector(second.address), activeFrom: active_from };
    suite.refuses_raw("through the second too early", rollup.address, call.clone(), pending).await;
    suite.l1.pass(86_400).await;
    suite.accepts_raw("settle through the second hub", rollup.address, call, U256::ZERO).await;
    rollup.last = next;
    suite.accepts("freeze", gateway, &SealGateway::freezeCall { selector: selector(second.address) }).await;
    let next = rollup.next(10, &[]);
    let call = rollup::settle_call(second.address, &rollup.proves(suite, &[next]).await, None);
    let frozen = SealGateway::SelectorFrozen { selector: selector(second.address) };
    suite.refuses_raw("through a frozen hub", rollup.address, call, frozen).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn statements_for_others_settle_nothing() {
    both(foreign).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollup_behind_a_gateway_follows_it() {
    both(behind_a_gateway).await;
}
