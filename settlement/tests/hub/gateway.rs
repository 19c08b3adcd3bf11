//! `SealGateway`: hubs come slowly, go at once, and never come back.

use super::statements;
use crate::suite::{Suite, both};
use alloy::{
    primitives::{Address, FixedBytes, U256},
    sol_types::SolCall,
};
use sinter_settlement::hub::{self, contract::AggregationHub, contract::SealGateway as Gateway, selector};

const DAY: u64 = 86_400;

async fn gateway(suite: &mut Suite) {
    let owner = suite.act_as(0);
    let stranger = sinter_settlement::dev_l1::dev_signer(1).address();
    let (first, second, third) = (suite.hub().await, suite.hub().await, suite.hub().await);
    for delay in [0, DAY - 1, 90 * DAY + 1] {
        let code = hub::gateway_creation_code(owner, delay, first.address);
        let expected = Gateway::DelayOutOfRange {
            minimum: U256::from(DAY),
            maximum: U256::from(90 * DAY),
            got: U256::from(delay),
        };
        suite.refuses_to_deploy(&format!("a delay of {delay} s"), code, expected).await;
    }
    let nobody = Address::repeat_byte(0x77);
    let code = hub::gateway_creation_code(owner, DAY, nobody);
    suite.refuses_to_deploy("no first hub", code, Gateway::NotAContract { hub: nobody }).await;
    let gateway = suite.deploy("gateway", hub::gateway_creation_code(owner, DAY, first.address)).await;

    let lookup = |hub: Address| Gateway::hubCall { selector: selector(hub) };
    assert_eq!(suite.reads(gateway, &lookup(first.address)).await, first.address);
    let unknown = Gateway::SelectorUnknown { selector: selector(second.address) };
    suite.refuses("an unknown selector", gateway, &lookup(second.address), unknown).await;

    // A stranger can do nothing.
    suite.act_as(1);
    let not_owner = || Gateway::NotOwner { expected: owner, got: stranger };
    let announce = |hub: Address| Gateway::announceCall { hub_: hub };
    let freeze = |hub: Address| Gateway::freezeCall { selector: selector(hub) };
    suite.refuses("a stranger announces", gateway, &announce(second.address), not_owner()).await;
    suite.refuses("a stranger freezes", gateway, &freeze(first.address), not_owner()).await;
    suite.refuses("a stranger renounces", gateway, &Gateway::renounceCall {}, not_owner()).await;
    let transfer = |to| Gateway::transferOwnershipCall { to };
    suite.refuses("a stranger takes over", gateway, &transfer(stranger), not_owner()).await;

    // A hub serves when everybody could see it come.
    suite.act_as(0);
    suite.accepts("announce", gateway, &announce(second.address)).await;
    let active_from = suite.reads(gateway, &Gateway::routeCall { selector: selector(second.address) }).await.activeFrom;
    assert_eq!(active_from, suite.l1.now().await + DAY);
    let pending = || Gateway::SelectorPending { selector: selector(second.address), activeFrom: active_from };
    suite.refuses("at once", gateway, &lookup(second.address), pending()).await;
    suite.l1.pass(DAY - 10).await;
    suite.refuses("ten seconds early", gateway, &lookup(second.address), pending()).await;
    suite.l1.pass(10).await;
    assert_eq!(suite.reads(gateway, &lookup(second.address)).await, second.address);
    let taken = || Gateway::SelectorTaken { selector: selector(second.address) };
    suite.refuses("announced again", gateway, &announce(second.address), taken()).await;
    suite.refuses("no hub", gateway, &announce(nobody), Gateway::NotAContract { hub: nobody }).await;

    // One that was frozen never serves again, and neither does another one in its place.
    suite.accepts("freeze", gateway, &freeze(second.address)).await;
    let frozen = || Gateway::SelectorFrozen { selector: selector(second.address) };
    suite.refuses("a frozen hub", gateway, &lookup(second.address), frozen()).await;
    suite.refuses("frozen again", gateway, &freeze(second.address), frozen()).await;
    suite.refuses("a frozen hub announced", gateway, &announce(second.address), taken()).await;
    assert_eq!(suite.reads(gateway, &lookup(first.address)).await, first.address);
    let unknown = Gateway::SelectorUnknown { selector: selector(third.address) };
    suite.refuses("freeze the unknown", gateway, &freeze(third.address), unknown).await;

    // The role goes on, and away: what was announced comes into service all the same.
    let mistaken = Gateway::NotOwner { expected: owner, got: Address::ZERO };
    suite.refuses("to nobody by mistake", gateway, &transfer(Address::ZERO), mistaken).await;
    suite.accepts("hand over", gateway, &transfer(stranger)).await;
    let not_owner = Gateway::NotOwner { expected: stranger, got: owner };
    suite.refuses("the last owner announces", gateway, &announce(third.address), not_owner).await;
    suite.act_as(1);
    suite.accepts("announce", gateway, &announce(third.address)).await;
    suite.accepts("renounce", gateway, &Gateway::renounceCall {}).await;
    let nobody = || Gateway::NotOwner { expected: Address::ZERO, got: stranger };
    suite.refuses("freeze after all", gateway, &freeze(third.address), nobody()).await;
    suite.refuses("announce after all", gateway, &announce(second.address), nobody()).await;
    suite.l1.pass(DAY).await;
    assert_eq!(suite.reads(gateway, &lookup(third.address)).await, third.address);
}

/// A hub in a gateway's place knows itself and nobody else.
async fn pinned(suite: &mut Suite) {
    let (ours, theirs) = (suite.hub().await, suite.hub().await);
    let lookup = |selector: FixedBytes<4>| AggregationHub::hubCall { selector_: selector };
    assert_eq!(suite.reads(ours.address, &lookup(selector(ours.address))).await, ours.address);
    let mismatch = AggregationHub::SelectorMismatch { expected: selector(ours.address), got: selector(theirs.address) };
    suite.refuses("another hub's selector", ours.address, &lookup(selector(theirs.address)), mismatch).await;
    assert_eq!(AggregationHub::hubCall::SELECTOR, Gateway::hubCall::SELECTOR, "one interface");
    ours.settles(suite, "settle", &statements(2)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hubs_come_slowly_and_go_for_good() {
    both(gateway).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hub_is_a_registry_of_itself() {
    both(pinned).await;
}
