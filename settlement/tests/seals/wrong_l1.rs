//! Another L1 than expected, or no hub on it.

use super::{World, seal};
use alloy::primitives::Address;
use sinter_settlement::{
    seals::{SealError, SealSubmitter, SealsConfig},
    submitter::SubmitError,
};

async fn fails(config: SealsConfig) -> SealError {
    let submitter = SealSubmitter::open(config, &[seal(1)]).unwrap();
    submitter.run(std::future::pending()).await.unwrap_err()
}

#[tokio::test(flavor = "multi_thread")]
async fn another_chain_id_stops_it() {
    let world = World::with_seals(1).await;
    let error = fails(SealsConfig { l1_chain_id: 1, ..world.config() }).await;
    assert!(matches!(error, SealError::Submit(SubmitError::ChainId { expected: 1, got: 1337 })), "{error}");
    assert_eq!(world.proxy.distinct_sends(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hub_without_code_stops_it() {
    let world = World::with_seals(1).await;
    let address = Address::repeat_byte(0x77);
    let error = fails(SealsConfig { hub: address, ..world.config() }).await;
    assert!(matches!(error, SealError::NoHub { address: got } if got == address), "{error}");
    assert_eq!(world.proxy.distinct_sends(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_contract_than_a_hub_gets_nothing() {
    let world = World::with_seals(1).await;
    // The verifier knows no `settle`.
    let mut submitter = SealSubmitter::open(SealsConfig { hub: world.verifier, ..world.config() }, &[seal(1)]).unwrap();
    assert!(submitter.round().await.unwrap(), "the only seal is refused");
    assert_eq!(world.proxy.distinct_sends(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_journal_serves_one_hub() {
    let world = World::with_seals(1).await;
    let mut submitter = world.submitter(&[1]);
    submitter.round().await.unwrap();
    assert!(matches!(SealSubmitter::open(world.config(), &[]), Err(SealError::Submit(SubmitError::Locked { .. }))));
    drop(submitter);
    let other = SealsConfig { hub: Address::repeat_byte(0x77), ..world.config() };
    assert!(matches!(SealSubmitter::open(other, &[]), Err(SealError::Submit(SubmitError::Journal { .. }))));
}
