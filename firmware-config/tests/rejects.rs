//! A BMC that refuses, and a machine that cannot: nothing is half done without saying so.

use crate::mock::{Bmc, Misbehaviour, Seen, State, audit, rollbacks, state};
use serde_json::json;
use sinter_firmware::{FirmwareError, apply, plan::State as Standing};

#[tokio::test]
async fn a_refusal_is_told_in_the_bmcs_words_and_leaves_a_way_back() {
    let bmc = Bmc::start(State { misbehaviour: Misbehaviour::Refuses("TpmSecurity"), ..State::dell() }).await;
    let client = bmc.client().await;
    let folder = tempfile::tempdir().unwrap();
    let seen = Seen::new(&client, "dell").await;
    let failed = apply::apply(&client, &seen.machine, &seen.plan, true, false, &seen.journal(folder.path())).await;
    let error = failed.unwrap_err();
    assert!(matches!(error, FirmwareError::Interrupted { .. }), "{error}");
    assert!(error.to_string().contains("answers 400: The attribute TpmSecurity is read-only."), "{error}");
    assert!(bmc.state().pending.is_empty(), "attributes are taken together or not at all");
    assert_eq!(rollbacks(folder.path()).len(), 1);
    let actions: Vec<_> = audit(folder.path()).iter().map(|line| line["action"].clone()).collect();
    assert_eq!(actions, ["write", "failed"]);
}

#[tokio::test]
async fn what_is_required_and_impossible_stops_everything_before_it_begins() {
    let mut start = State::dell();
    start.attributes.remove("MmioAbove4Gb");
    let bmc = Bmc::start(start).await;
    let client = bmc.client().await;
    let folder = tempfile::tempdir().unwrap();
    let seen = Seen::new(&client, "dell").await;
    let journal = seen.journal(folder.path());
    let written = bmc.state().written.len();
    let error = apply::apply(&client, &seen.machine, &seen.plan, true, false, &journal).await.unwrap_err();
    let words = "nothing was written: above_4g_decoding: this BIOS has no attribute MmioAbove4Gb; fix that, or apply the \
                 rest with --partial";
    assert_eq!(error.to_string(), words);
    assert_eq!(bmc.state().written.len(), written);
    assert!(rollbacks(folder.path()).is_empty());

    apply::apply(&client, &seen.machine, &seen.plan, true, true, &journal).await.unwrap();
    assert_eq!(bmc.state().pending["TpmSecurity"], "On", "the rest, when that is said");
}

/// The registry knows better than the map.
#[tokio::test]
async fn the_machines_registry_is_believed() {
    let mut start = State::dell();
    let entries = start.registry.as_mut().unwrap()["RegistryEntries"]["Attributes"].as_array_mut().unwrap();
    for entry in entries {
        if entry["AttributeName"] == "TpmSecurity" {
            entry["Value"] = json!([{ "ValueName": "Off" }, { "ValueName": "OnPbm" }, { "ValueName": "OnNoPbm" }]);
        }
        if entry["AttributeName"] == "MmioAbove4Gb" {
            entry["ReadOnly"] = json!(true);
        }
    }
    let bmc = Bmc::start(start).await;
    let seen = Seen::new(&bmc.client().await, "dell").await;
    let reason = |name| match state(&seen.plan, name) {
        Standing::Impossible(reason) => reason.clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!(reason("tpm"), "TpmSecurity can be Off, OnNoPbm, OnPbm, and not On");
    assert_eq!(reason("above_4g_decoding"), "MmioAbove4Gb is read-only on this machine");
}

/// Two spellings and no registry: the BMC is not made to guess.
#[tokio::test]
async fn without_a_registry_a_spelling_is_not_guessed() {
    let bmc = Bmc::start(State { registry: None, ..State::supermicro() }).await;
    let seen = Seen::new(&bmc.client().await, "supermicro").await;
    let Standing::Impossible(reason) = state(&seen.plan, "tpm") else { panic!("two spellings") };
    assert!(
        reason.contains("no attribute registry that says whether SecurityDeviceSupport_005A takes Enabled or Enable")
    );
    assert!(matches!(state(&seen.plan, "above_4g_decoding"), Standing::Change(_)), "one spelling is enough");
}

#[tokio::test]
async fn an_attribute_that_could_be_two_is_not_chosen() {
    let mut start = State::supermicro();
    start.attributes.insert("SMTControl_0038".into(), json!("Enable"));
    let bmc = Bmc::start(start).await;
    let seen = Seen::new(&bmc.client().await, "supermicro").await;
    let Standing::Impossible(reason) = state(&seen.plan, "smt") else { panic!("two attributes") };
    assert_eq!(reason, "2 attributes could be meant: SMTControl_0037, SMTControl_0038");
}

#[tokio::test]
async fn somebody_elses_change_is_not_written_over() {
    let bmc = Bmc::start(State { misbehaviour: Misbehaviour::IsWrittenByAnother, ..State::hpe() }).await;
    let client = bmc.client().await;
    let folder = tempfile::tempdir().unwrap();
    let seen = Seen::new(&client, "hpe").await;
    let failed = apply::apply(&client, &seen.machine, &seen.plan, false, false, &seen.journal(folder.path())).await;
    let Err(FirmwareError::Interrupted { source, .. }) = failed else { panic!("{failed:?}") };
    assert!(matches!(*source, FirmwareError::Changed { .. }), "{source}");
    assert!(bmc.state().pending.is_empty());
}

#[tokio::test]
async fn secure_boot_without_a_platform_key_is_not_switched_on() {
    let bmc = Bmc::start(State { secure_boot_mode: "SetupMode", ..State::hpe() }).await;
    let seen = Seen::new(&bmc.client().await, "hpe").await;
    let Standing::Impossible(reason) = state(&seen.plan, "secure_boot") else { panic!("it would check nothing") };
    assert!(reason.contains("setup mode"), "{reason}");
}

#[tokio::test]
async fn a_bmc_that_takes_no_change_for_the_next_reset_is_refused() {
    let bmc = Bmc::start(State { apply_times: Some(vec!["Immediate"]), ..State::dell() }).await;
    let client = bmc.client().await;
    let folder = tempfile::tempdir().unwrap();
    let seen = Seen::new(&client, "dell").await;
    let failed = apply::apply(&client, &seen.machine, &seen.plan, true, false, &seen.journal(folder.path())).await;
    let error = failed.unwrap_err().to_string();
    assert!(error.contains("expected OnReset among SupportedApplyTimes, got Immediate"), "{error}");
    assert!(rollbacks(folder.path()).is_empty(), "nothing was begun");
}

#[tokio::test]
async fn a_fault_of_the_bmc_is_not_tried_again() {
    let bmc = Bmc::start(State { misbehaviour: Misbehaviour::Breaks, ..State::dell() }).await;
    let client = bmc.client().await;
    let folder = tempfile::tempdir().unwrap();
    let seen = Seen::new(&client, "dell").await;
    let failed = apply::apply(&client, &seen.machine, &seen.plan, true, false, &seen.journal(folder.path())).await;
    assert!(failed.unwrap_err().to_string().contains("answers 500: Base.1.0.InternalError"));
    let patches = bmc.state().written.iter().filter(|(method, ..)| method == "PATCH").count();
    assert_eq!(patches, 1, "what writes is never tried twice");
}
