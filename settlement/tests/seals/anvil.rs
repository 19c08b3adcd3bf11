//! The same on anvil.

use super::{deploy, seal, tell};
use crate::support::{L1, L1_CHAIN_ID};
use sinter_settlement::{
    dev_l1,
    seals::{Depth, HubErrors, HubRefusal, Refusal, SealState, SealSubmitter, SealsConfig},
};
use std::time::Duration;

#[tokio::test(flavor = "multi_thread")]
async fn settles_on_anvil() {
    let Some(l1) = L1::anvil().await else { return };
    let (verifier, hub) = deploy(&l1, || ()).await;
    for (number, count) in [(1, 1), (2, 2), (3, 0)] {
        tell(&l1, verifier, number, count, || ()).await;
    }
    let folder = tempfile::tempdir().unwrap();
    let config = SealsConfig {
        depth: Depth::Blocks(1),
        poll: Duration::from_millis(50),
        ..SealsConfig::new(l1.url.clone(), L1_CHAIN_ID, hub, dev_l1::dev_signer(1), folder.path().join("settle.json"))
    };
    let empty = alloy::sol_types::SolValue::abi_encode(&(super::root(3), 0u32)).into();
    let submitter = SealSubmitter::open(config, &[seal(1), seal(2), seal(9), empty]).unwrap();
    let status = submitter.status();
    assert!(submitter.run(std::future::pending()).await.unwrap());
    let seals = status.borrow().seals.clone();
    assert!(seals[..2].iter().all(|seal| matches!(seal.state, SealState::Settled) && seal.delivery.is_some()));
    assert!(matches!(&seals[2].state, SealState::Refused(Refusal::Contract(HubRefusal::Other(_)))), "{seals:?}");
    assert!(
        matches!(&seals[3].state, SealState::Refused(Refusal::Contract(HubRefusal::Hub(HubErrors::EmptyBatch(_))))),
        "{seals:?}"
    );
}
