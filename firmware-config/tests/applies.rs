//! Each vendor's manners: a plan is carried out, a reset puts it in force, and the same again writes nothing.

use crate::mock::{Bmc, Seen, State, changed, state};
use serde_json::{Value, json};
use sinter_firmware::{
    apply::{self, ResetKind},
    plan::State as Standing,
    redfish::machine::Machine,
};

/// Applies a profile, resets, and applies it again.
async fn twice(start: State, profile: &str, expected: &[(&str, Value)]) {
    let bmc = Bmc::start(start).await;
    let client = bmc.client().await;
    let folder = tempfile::tempdir().unwrap();

    let seen = Seen::new(&client, profile).await;
    let journal = seen.journal(folder.path());
    let say = seen.map.say_on_reset;
    let applied = apply::apply(&client, &seen.machine, &seen.plan, say, false, &journal).await.unwrap();
    assert_eq!(applied.changes.len(), changed(&seen.plan).len());
    apply::reset(&client, &seen.machine, ResetKind::Graceful, &journal).await.unwrap();
    for (name, value) in expected {
        assert_eq!(bmc.state().attributes[*name], *value, "{name}");
    }

    let again = Seen::new(&client, profile).await;
    assert!(again.plan.holds(), "{:?}", changed(&again.plan));
    let before = bmc.state().written.len();
    let nothing = apply::apply(&client, &again.machine, &again.plan, say, false, &journal).await.unwrap();
    assert!(nothing.changes.is_empty() && nothing.rollback.is_none());
    assert_eq!(bmc.state().written.len(), before, "the second time nothing is written");
    client.close().await.unwrap();
    assert_eq!(bmc.state().sessions, 0, "no session is left");
}

#[tokio::test]
async fn dell_takes_a_job_for_the_next_reset() {
    let expected = [
        ("LogicalProc", json!("Enabled")),
        ("ProcVirtualization", json!("Enabled")),
        ("SriovGlobalEnable", json!("Disabled")),
        ("MmioAbove4Gb", json!("Enabled")),
        ("SecureBoot", json!("Enabled")),
        ("TpmSecurity", json!("On")),
        ("OsWatchdogTimer", json!("Enabled")),
    ];
    twice(State::dell(), "dell", &expected).await;
}

#[tokio::test]
async fn hpe_has_a_packed_registry_and_wants_the_version() {
    let expected =
        [("IntelProcVtd", json!("Enabled")), ("Sriov", json!("Disabled")), ("TpmVisibility", json!("Visible"))];
    twice(State::hpe(), "hpe", &expected).await;
}

#[tokio::test]
async fn supermicro_numbers_its_names_and_spells_in_two_ways() {
    let expected = [
        ("SMTControl_0037", json!("Auto")),
        ("IOMMU_0196", json!("Enabled")),
        ("SecureBootEnable_0115", json!(true)),
        ("SecurityDeviceSupport_005A", json!("Enable")),
        ("Re_SizeBARSupport_00B2", json!("Enabled")),
    ];
    twice(State::supermicro(), "supermicro", &expected).await;
}

#[tokio::test]
async fn gigabyte_has_no_settings_until_something_is_set() {
    let expected = [("Rome0059", json!("Auto")), ("Rome0162", json!("Enabled")), ("PCIS006", json!("Enabled"))];
    twice(State::gigabyte(), "gigabyte", &expected).await;
}

#[tokio::test]
async fn the_generic_profile_fits_every_map() {
    for (start, map) in [(State::dell(), "dell"), (State::supermicro(), "supermicro")] {
        let bmc = Bmc::start(start).await;
        let seen = Seen::new(&bmc.client().await, "generic").await;
        assert_eq!(seen.plan.map, map);
        assert_eq!(seen.plan.blockers().count(), 0);
    }
}

#[tokio::test]
async fn a_stranger_gets_what_redfish_defines_and_reasons_for_the_rest() {
    let bmc = Bmc::start(State::unknown()).await;
    let seen = Seen::new(&bmc.client().await, "generic").await;
    assert_eq!(seen.plan.map, "standard");
    assert_eq!(changed(&seen.plan), ["secure_boot"]);
    let Standing::Impossible(reason) = state(&seen.plan, "iommu") else { panic!("a BIOS attribute") };
    assert_eq!(
        reason,
        "unsupported by the map \"standard\": a BIOS attribute, and no map knows this manufacturer's names"
    );
    assert_eq!(seen.plan.blockers().count(), 3, "iommu, above_4g_decoding and tpm are required");
}

#[tokio::test]
async fn a_power_cap_is_set_and_taken_off() {
    let bmc = Bmc::start(State::dell()).await;
    let client = bmc.client().await;
    let folder = tempfile::tempdir().unwrap();
    let mut profile = sinter_firmware::catalog::Catalog::shipped().unwrap().profile("dell").unwrap();
    profile.settings.clear();
    let setting = json!({ "want": 1200, "why": "what the rack feeds" });
    profile.settings.insert(sinter_firmware::model::Key::PowerCapWatts, serde_json::from_value(setting).unwrap());
    let seen = Seen::with(&client, profile, Vec::new()).await;
    let journal = seen.journal(folder.path());
    let applied = apply::apply(&client, &seen.machine, &seen.plan, true, false, &journal).await.unwrap();
    assert_eq!(bmc.state().power_limit, Some(Some(1200)));

    let machine = Machine::read(&client, None).await.unwrap();
    let back = sinter_firmware::plan::rollback_plan("dell", "dell", &applied.changes, &machine);
    apply::apply(&client, &machine, &back, true, false, &journal).await.unwrap();
    assert_eq!(bmc.state().power_limit, Some(None));
}
