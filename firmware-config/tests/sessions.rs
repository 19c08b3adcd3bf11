//! Getting in: sessions, passwords with each request, and certificates.

use crate::mock::{Bmc, State};
use sinter_firmware::{
    FirmwareError,
    redfish::{
        client::{Access, Authentication, Client},
        machine::Machine,
    },
};

#[tokio::test]
async fn a_session_is_ended_and_sends_the_password_once() {
    let bmc = Bmc::start(State::dell()).await;
    let client = bmc.client().await;
    assert_eq!(bmc.state().sessions, 1);
    Machine::read(&client, None).await.unwrap();
    client.close().await.unwrap();
    assert_eq!(bmc.state().sessions, 0);
    let logins = bmc.state().written.iter().filter(|(_, path, _)| path.ends_with("/Sessions")).count();
    assert_eq!(logins, 1);
}

#[tokio::test]
async fn a_password_with_each_request_does_as_well() {
    let bmc = Bmc::start(State::dell()).await;
    let access = Access { authentication: Authentication::Basic, ..bmc.access() };
    let client = Client::open(access).await.unwrap();
    Machine::read(&client, None).await.unwrap();
    client.close().await.unwrap();
    assert!(bmc.state().written.is_empty(), "no session was made");
}

#[tokio::test]
async fn a_wrong_password_is_said_and_not_shown() {
    let bmc = Bmc::start(State::dell()).await;
    for authentication in [Authentication::Session, Authentication::Basic] {
        let access = Access { password: "hunter2".to_owned().into(), authentication, ..bmc.access() };
        let error = match Client::open(access).await {
            Ok(client) => Machine::read(&client, None).await.unwrap_err(),
            Err(error) => error,
        };
        assert!(matches!(error, FirmwareError::NotAllowedIn { .. }), "{error}");
        assert!(!format!("{error} {error:?}").contains("hunter2"));
    }
}

#[tokio::test]
async fn a_certificate_is_checked_and_the_bmcs_own_can_be_given() {
    let bmc = Bmc::encrypted(State::dell()).await;
    Machine::read(&bmc.client().await, None).await.unwrap();

    let strangers = Access { authority: None, ..bmc.access() };
    let error = Client::open(strangers).await.unwrap_err().to_string();
    assert!(error.contains("certificate") && error.contains("--ca"), "{error}");
    assert_eq!(
        bmc.state().written.iter().filter(|(_, path, _)| path.ends_with("/Sessions")).count(),
        1,
        "no password went out"
    );

    let other = Bmc::encrypted(State::dell()).await;
    let wrong = Access { authority: other.access().authority, ..bmc.access() };
    assert!(matches!(Client::open(wrong).await, Err(FirmwareError::Unreachable { .. })));

    let none = Access { authority: Some(b"no certificate".to_vec()), ..bmc.access() };
    let error = Client::open(none).await.unwrap_err().to_string();
    assert!(error.contains("--ca"), "{error}");
}
