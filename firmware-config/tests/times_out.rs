//! A BMC that does not answer, or not yet.

use crate::mock::{Bmc, Misbehaviour, Seen, State, rollbacks};
use sinter_firmware::{
    FirmwareError, apply,
    redfish::{client::Client, machine::Machine},
};
use std::time::{Duration, Instant};
use tokio::net::TcpListener;

/// A client that does not wait long.
async fn impatient(bmc: &Bmc) -> Client {
    Client::open(sinter_firmware::redfish::client::Access { timeout: Duration::from_secs(1), ..bmc.access() })
        .await
        .unwrap()
}

#[tokio::test]
async fn a_read_that_hangs_ends_in_time() {
    let bmc = Bmc::start(State { misbehaviour: Misbehaviour::HangsOnBios, ..State::dell() }).await;
    let client = impatient(&bmc).await;
    let began = Instant::now();
    let error = Machine::read(&client, None).await.unwrap_err();
    assert!(matches!(error, FirmwareError::TimedOut { timeout_s: 1, .. }), "{error}");
    assert!(error.to_string().contains("/Bios: no answer within 1 s"), "{error}");
    assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
}

/// Whether the BMC took it is not known: the way back is on the disk.
#[tokio::test]
async fn a_write_that_hangs_leaves_a_way_back() {
    let bmc = Bmc::start(State { misbehaviour: Misbehaviour::Hangs, ..State::dell() }).await;
    let client = impatient(&bmc).await;
    let folder = tempfile::tempdir().unwrap();
    let seen = Seen::new(&client, "dell").await;
    let failed = apply::apply(&client, &seen.machine, &seen.plan, true, false, &seen.journal(folder.path())).await;
    let Err(FirmwareError::Interrupted { source, rollback }) = failed else { panic!("{failed:?}") };
    assert!(matches!(*source, FirmwareError::TimedOut { .. }), "{source}");
    assert_eq!(rollbacks(folder.path()), [rollback]);
}

#[tokio::test]
async fn a_busy_bmc_is_asked_again_and_not_for_ever() {
    let bmc = Bmc::start(State { misbehaviour: Misbehaviour::IsBusy(2), ..State::dell() }).await;
    assert!(Machine::read(&bmc.client().await, None).await.is_ok());
    bmc.state().misbehaviour = Misbehaviour::IsBusy(1000);
    let error = Machine::read(&bmc.client().await, None).await.unwrap_err();
    assert!(matches!(error, FirmwareError::Refused { status: 503, .. }), "{error}");
    assert_eq!(bmc.state().misbehaviour, Misbehaviour::IsBusy(997), "three tries");
}

#[tokio::test]
async fn nobody_there_is_said_with_what_to_look_at() {
    let bmc = Bmc::start(State::dell()).await;
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let access = sinter_firmware::redfish::client::Access { url: format!("http://{free}"), ..bmc.access() };
    let error = Client::open(access).await.unwrap_err().to_string();
    assert!(
        error.contains("no answer") && error.contains("refused") && error.contains("check that the address"),
        "{error}"
    );
}
