//! What is not sent.

use super::{World, shown};
use crate::support::L1;
use alloy::{primitives::TxKind, providers::Provider};
use sinter_settlement::{
    advances::{AdvanceError, Advancer, AdvancerConfig, PAYMENT_GAS_MAX, Refusal, Sent},
    dev_l1::dev_signer,
};

#[tokio::test(flavor = "multi_thread")]
async fn what_the_contract_would_refuse_is_named_and_not_sent() {
    let world = World::new(3).await;
    let mut advancer = world.advancer();
    assert!(advancer.look().await.unwrap());
    // It begins where the contract does not stand.
    let sent = advancer.advance(world.step(1..2), world.settle_call(1..2)).await.unwrap();
    let Sent::Refused(Refusal::Contract(words)) = sent else { panic!("{sent:?}") };
    assert!(words.starts_with("StateMismatch"), "{words}");
    let stuck = shown(&advancer).stuck.unwrap();
    assert!(stuck.contains("the contract refuses it: StateMismatch"), "{stuck}");
    // A batch that there is not.
    let sent = advancer.pay(0, 0, world.pay_call(0)).await.unwrap();
    assert!(
        matches!(sent, Sent::Refused(Refusal::Contract(ref words)) if words.starts_with("BatchMismatch")),
        "{sent:?}"
    );
    assert_eq!(world.proxy.distinct_sends(), 0);
    // What it would take goes all the same.
    world.settle(&mut advancer, 3).await;
    world.assert_settled_once(3).await;
}

/// A recipient that does whatever it likes with others' gas.
#[tokio::test(flavor = "multi_thread")]
async fn a_payment_that_takes_too_much_gas_is_left_to_its_recipient() {
    let spender = dev_signer(5).address().create(0);
    let world = World::paying(1, |_| spender.into()).await;
    // Its code writes 20 words of storage: GAS, PUSH1 n, SSTORE, for each n.
    let writes: Vec<u8> = (0..20).flat_map(|word| [0x5a, 0x60, word, 0x55]).collect();
    let head = [0x60, writes.len() as u8, 0x80, 0x60, 9, 0x3d, 0x39, 0x3d, 0xf3];
    let l1 = L1::beside(&world.chain, 5);
    let creation = [&head[..], &writes].concat().into();
    let made = l1.execute_mining(TxKind::Create, creation, || world.chain.mine()).await;
    assert_eq!(made.contract, Some(spender));
    assert!(world.by_another(world.settle_call(0..1)).await);
    let mut advancer = world.advancer();
    assert!(advancer.look().await.unwrap());
    let sent = advancer.pay(0, 0, world.pay_call(0)).await.unwrap();
    let Sent::Refused(Refusal::Gas { expected: PAYMENT_GAS_MAX, got }) = sent else { panic!("{sent:?}") };
    assert!(got > 400_000, "{got}");
    assert_eq!(world.proxy.distinct_sends(), 0);
    // By somebody who pays for it.
    assert!(world.by_another(world.pay_call(0)).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_l1_and_what_is_no_rollup_are_told() {
    let world = World::new(1).await;
    let config = AdvancerConfig { l1_chain_id: 1, journal: world.folder.path().join("a.json"), ..world.config() };
    let error = Advancer::open(config).unwrap().look().await.unwrap_err();
    assert_eq!(error.to_string(), "advance: expected L1 chain id 1, got 1337");
    let contract = world.rollup.hub.address;
    let config = AdvancerConfig { contract, journal: world.folder.path().join("b.json"), ..world.config() };
    let mut advancer = Advancer::open(config).unwrap();
    let error = advancer.look().await.unwrap_err();
    assert!(matches!(error, AdvanceError::NotARollup { address, .. } if address == contract), "{error}");
    assert_eq!(shown(&advancer).stuck, Some(error.to_string()));
    let nonce = L1::beside(&world.chain, 0);
    assert_eq!(nonce.provider.get_transaction_count(nonce.account()).await.unwrap(), 0);
}
