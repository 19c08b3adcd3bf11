//! What Prometheus and programs see.

use crate::mock::{Bmc, Seen, State};
use serde_json::json;
use sinter_firmware::report;

#[tokio::test]
async fn a_setting_that_somebody_changed_shows_up() {
    let mut start = State::dell();
    let wanted = [
        ("ProcVirtualization", "Enabled"),
        ("SriovGlobalEnable", "Disabled"),
        ("MmioAbove4Gb", "Enabled"),
        ("SecureBoot", "Enabled"),
        ("TpmSecurity", "On"),
        ("OsWatchdogTimer", "Enabled"),
    ];
    start.attributes.extend(wanted.map(|(name, value)| (name.to_owned(), json!(value))));
    let bmc = Bmc::start(start).await;
    let client = bmc.client().await;
    let healthy = Seen::new(&client, "dell").await;
    let text = report::metrics(Some(&healthy.plan));
    assert!(text.contains("\nsinter_firmware_holds 1\n"), "{text}");
    assert!(text.contains("\nsinter_firmware_drift{setting=\"tpm\",required=\"true\"} 0\n"), "{text}");
    assert!(text.contains("\nsinter_firmware_impossible{setting=\"resizable_bar\",required=\"false\"} 1\n"), "{text}");

    bmc.state().attributes.insert("TpmSecurity".into(), json!("Off"));
    bmc.state().pending.insert("LogicalProc".into(), json!("Disabled"));
    let drifted = Seen::new(&client, "dell").await;
    let text = report::metrics(Some(&drifted.plan));
    assert!(text.contains("\nsinter_firmware_holds 0\n"), "{text}");
    assert!(text.contains("\nsinter_firmware_drift{setting=\"tpm\",required=\"true\"} 1\n"), "{text}");
    assert!(text.contains("\nsinter_firmware_drift{setting=\"smt\",required=\"false\"} 1\n"), "{text}");
    let object = report::as_json(&drifted.machine, &bmc.url, &drifted.plan);
    assert_eq!(object["holds"], false);
    assert_eq!(object["machine"]["model"], "Mock 650");
    let items = object["plan"]["items"].as_array().unwrap();
    let tpm = items.iter().find(|item| item["name"] == "tpm").unwrap();
    let change = json!({ "attribute": { "name": "TpmSecurity", "from": "Off", "to": "On" } });
    assert_eq!(tpm["state"]["change"], change);
}

/// A machine that cannot be read is a number, too: the old file would look well for ever.
#[test]
fn a_machine_that_cannot_be_read_shows_up() {
    let text = report::metrics::<sinter_firmware::plan::Change>(None);
    assert!(text.contains("\nsinter_firmware_read 0\n") && !text.contains("sinter_firmware_holds"), "{text}");
}

#[tokio::test]
async fn firmware_that_is_too_old_is_drift() {
    let bmc = Bmc::start(State::dell()).await;
    let mut profile = sinter_firmware::catalog::Catalog::shipped().unwrap().profile("dell").unwrap();
    profile.settings.clear();
    profile.minimum_versions.bios = Some("1.10.0".into());
    profile.minimum_versions.bmc = Some("6.10.30".into());
    let seen = Seen::with(&bmc.client().await, profile, Vec::new()).await;
    assert!(!seen.plan.holds(), "1.2.4 is older than 1.10.0");
    let blockers: Vec<_> = seen.plan.blockers().collect();
    assert_eq!(blockers, ["bios_version: too old: update it with the vendor's tool or fwupd, then plan again"]);
}
