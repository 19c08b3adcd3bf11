//! Seals that are reported and not sent.

use super::{GWEI, World, contracts::ToldVerifier, root, seal, states, tell};
use crate::support::L1;
use alloy::{primitives::Bytes, sol_types::SolError};
use sinter_settlement::{
    dev_l1::{TRANSACTION_BYTES_MAX, TRANSACTION_GAS_MAX},
    seals::{HubErrors, HubRefusal, Refusal, SealError, SealState, SealSubmitter, SealsStatus},
    submitter::SubmitError,
};

fn refusal(status: &SealsStatus, index: usize) -> &Refusal {
    match &status.seals[index].state {
        SealState::Refused(refusal) => refusal,
        state => panic!("{state:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_contract_refuses_does_not_hold_the_others_up() {
    let world = World::with_seals(2).await;
    tell(&L1::beside(&world.chain, super::DEPLOYER), world.verifier, 7, 0, || world.chain.mine()).await;
    // The verifier was told 7 with a count of zero, and nothing of 9.
    let empty: Bytes = alloy::sol_types::SolValue::abi_encode(&(root(7), 0u32)).into();
    let seals = [seal(1), empty, seal(9), seal(2)];
    let mut submitter = SealSubmitter::open(world.config(), &seals).unwrap();
    let status = world.settle(&mut submitter).await;
    assert_eq!(states(&status), ["settled", "refused", "refused", "settled"]);
    assert!(!status.is_settled());
    assert!(
        matches!(refusal(&status, 1), Refusal::Contract(HubRefusal::Hub(HubErrors::EmptyBatch(_)))),
        "{:?}",
        refusal(&status, 1)
    );
    let told = ToldVerifier::NotTold { root: root(9), count: 9 }.abi_encode();
    assert!(
        matches!(refusal(&status, 2), Refusal::Contract(HubRefusal::Other(data)) if *data == told),
        "{:?}",
        refusal(&status, 2)
    );
    world.assert_settled_once(2).await;
    assert_eq!(world.proxy.distinct_sends(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_seal_that_fits_no_transaction_is_named_with_the_limits() {
    let world = World::with_seals(1).await;
    let seals = [vec![1; TRANSACTION_BYTES_MAX].into(), seal(1)];
    let mut submitter = SealSubmitter::open(world.config(), &seals).unwrap();
    let status = world.settle(&mut submitter).await;
    assert_eq!(states(&status), ["refused", "settled"]);
    let refusal = refusal(&status, 0);
    let Refusal::Unpostable(error) = refusal else { panic!("{refusal}") };
    let SubmitError::Oversized { bytes, bytes_max: TRANSACTION_BYTES_MAX, floor_gas, gas_max: TRANSACTION_GAS_MAX } =
        **error
    else {
        panic!("{error}")
    };
    assert!((TRANSACTION_BYTES_MAX + 100..TRANSACTION_BYTES_MAX + 400).contains(&bytes), "{bytes}");
    // 40 gas a byte that is not zero, 10 a zero one.
    assert!((40 * 131_072 + 21_000..40 * 131_072 + 22_000).contains(&floor_gas), "{floor_gas}");
    let words = refusal.to_string();
    assert!(words.contains(&format!("{bytes} bytes, expected at most 131072")), "{words}");
    assert!(words.contains(&floor_gas.to_string()) && words.contains("16777216"), "{words}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_seal_just_below_the_limit_is_asked_about() {
    let world = World::with_seals(1).await;
    let seals = [vec![1; TRANSACTION_BYTES_MAX - 400].into()];
    let mut submitter = SealSubmitter::open(world.config(), &seals).unwrap();
    submitter.round().await.unwrap();
    // These bytes are no root and no count, but they arrived.
    let status = submitter.status().borrow().clone();
    assert!(matches!(refusal(&status, 0), Refusal::Contract(_)), "{:?}", refusal(&status, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_post_that_fails_in_its_block_is_not_repeated_blindly() {
    let world = World::new().await;
    world.tell(1).await;
    let mut submitter = world.submitter(&[1]);
    submitter.round().await.unwrap();
    // The L1 takes back the block that made the verifier accept the seal, after the seal was sent.
    world.chain.rollback(1, false);
    world.chain.mine();
    assert_eq!((world.nonce().await, world.count(1).await), (1, 0), "it was included and failed");
    assert!(submitter.round().await.unwrap(), "nothing is left to try");
    let status = submitter.status().borrow().clone();
    assert!(matches!(refusal(&status, 0), Refusal::Contract(HubRefusal::Other(_))), "{status:?}");
    assert_eq!(world.proxy.distinct_sends(), 1);
    // Told again, a new run brings it.
    drop(submitter);
    world.tell(1).await;
    let status = world.settle(&mut world.submitter(&[1])).await;
    assert!(status.is_settled() && status.seals[0].delivery.unwrap().gas_price_wei > GWEI);
    assert_eq!((world.nonce().await, world.count(1).await), (2, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn too_many_seals_are_refused() {
    let world = World::new().await;
    let seals = vec![seal(1); 257];
    assert!(matches!(SealSubmitter::open(world.config(), &seals), Err(SealError::TooMany { got: 257 })));
}
