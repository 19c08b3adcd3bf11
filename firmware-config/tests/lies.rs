//! A BMC that does not do what it says, or is no BMC.

use crate::mock::{Bmc, Misbehaviour, Seen, State, audit, rollbacks};
use serde_json::json;
use sinter_firmware::{FirmwareError, apply, redfish::machine::Machine, report};

#[tokio::test]
async fn a_yes_that_did_nothing_is_found_out() {
    let bmc = Bmc::start(State { misbehaviour: Misbehaviour::ForgetsWrites, ..State::dell() }).await;
    let client = bmc.client().await;
    let folder = tempfile::tempdir().unwrap();
    let seen = Seen::new(&client, "dell").await;
    let failed = apply::apply(&client, &seen.machine, &seen.plan, true, false, &seen.journal(folder.path())).await;
    let Err(FirmwareError::NotTaken { missing, rollback }) = failed else { panic!("{failed:?}") };
    assert_eq!(missing.len(), 6);
    assert!(missing.contains(&"TpmSecurity: expected On, got Off".to_owned()), "{missing:?}");
    assert_eq!(rollbacks(folder.path()), [rollback]);
    assert_eq!(audit(folder.path()).last().unwrap()["action"], "not_taken");
}

async fn refused(start: State) -> FirmwareError {
    let bmc = Bmc::start(start).await;
    Machine::read(&bmc.client().await, None).await.unwrap_err()
}

#[tokio::test]
async fn links_that_lead_elsewhere_are_not_followed() {
    let error = refused(State { misbehaviour: Misbehaviour::LinksElsewhere, ..State::dell() }).await;
    let words = "a link: expected a path on this BMC, got \"https://elsewhere.example/redfish/v1/Systems/1\"";
    assert_eq!(error.to_string(), words);
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let error = refused(State { misbehaviour: Misbehaviour::Redirects, ..State::dell() }).await;
    let FirmwareError::Redirected { to, .. } = &error else { panic!("{error}") };
    assert_eq!(to, "https://elsewhere.example/redfish/v1/Systems");
}

#[tokio::test]
async fn an_answer_without_end_is_cut_off() {
    let error = refused(State { misbehaviour: Misbehaviour::NeverEnds, ..State::dell() }).await;
    assert!(matches!(error, FirmwareError::TooLarge { bytes_max: 16_777_216, .. }), "{error}");
}

#[tokio::test]
async fn a_collection_without_end_is_cut_off() {
    let error = refused(State { misbehaviour: Misbehaviour::PagesForEver, ..State::dell() }).await;
    assert_eq!(error.to_string(), "a collection: expected at most 8 pages, got one more");
}

#[tokio::test]
async fn a_web_page_is_no_bios() {
    let error = refused(State { misbehaviour: Misbehaviour::Babbles, ..State::dell() }).await;
    assert!(error.to_string().contains("/Bios: expected JSON, got expected value at line 1"), "{error}");
}

/// What a BMC calls itself is printed, and must not move the cursor of whoever reads the plan, nor end a label.
#[tokio::test]
async fn what_a_bmc_says_is_shown_as_it_is() {
    let mut start = State::dell();
    start.attributes.insert("TpmSecurity".into(), json!("\u{1b}[2J\"\n"));
    let bmc = Bmc::start(start).await;
    let seen = Seen::new(&bmc.client().await, "dell").await;
    let text = report::text(&seen.machine.title(), &seen.plan);
    assert!(!text.contains('\u{1b}') && text.contains("TpmSecurity: \\u{1b}[2J\"\\n → On"), "{text}");
}
