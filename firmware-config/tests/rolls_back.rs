//! What was changed is taken back, from what was on the disk before.

use crate::mock::{Bmc, Seen, State, audit, changed};
use sinter_firmware::{
    FirmwareError,
    apply::{self, ResetKind},
    journal::{Journal, Rollback},
    plan,
    redfish::machine::Machine,
};
use std::os::unix::fs::PermissionsExt;

#[tokio::test]
async fn everything_is_as_it_was() {
    let bmc = Bmc::start(State::hpe()).await;
    let shown = || {
        let state = bmc.state();
        (state.attributes.clone(), state.secure_boot)
    };
    let before = shown();
    let client = bmc.client().await;
    let folder = tempfile::tempdir().unwrap();
    let seen = Seen::new(&client, "hpe").await;
    let journal = seen.journal(folder.path());
    let applied = apply::apply(&client, &seen.machine, &seen.plan, false, false, &journal).await.unwrap();
    apply::reset(&client, &seen.machine, ResetKind::Graceful, &journal).await.unwrap();
    assert!(shown().0 != before.0 && shown().1);

    let file = applied.rollback.unwrap();
    let mode = std::fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "nobody else's business");
    let rollback = Rollback::read(&file).unwrap();
    let machine = Machine::read(&client, None).await.unwrap();
    rollback.check(&machine).unwrap();
    let back = plan::rollback_plan(&rollback.profile, &rollback.map, &rollback.changes, &machine);
    assert_eq!(changed(&back).len(), rollback.changes.len());
    apply::apply(&client, &machine, &back, false, false, &journal).await.unwrap();
    apply::reset(&client, &machine, ResetKind::Graceful, &journal).await.unwrap();
    assert_eq!(shown(), before);

    let machine = Machine::read(&client, None).await.unwrap();
    let again = plan::rollback_plan(&rollback.profile, &rollback.map, &rollback.changes, &machine);
    assert!(again.holds(), "a second time there is nothing to do");
}

/// Before the reset, what was asked for is asked back.
#[tokio::test]
async fn what_waits_is_taken_back_as_well() {
    let bmc = Bmc::start(State::dell()).await;
    let client = bmc.client().await;
    let folder = tempfile::tempdir().unwrap();
    let before = bmc.state().attributes.clone();
    let seen = Seen::new(&client, "dell").await;
    let journal = seen.journal(folder.path());
    let applied = apply::apply(&client, &seen.machine, &seen.plan, true, false, &journal).await.unwrap();
    let machine = Machine::read(&client, None).await.unwrap();
    let back = plan::rollback_plan("dell", "dell", &applied.changes, &machine);
    apply::apply(&client, &machine, &back, true, false, &journal).await.unwrap();
    apply::reset(&client, &machine, ResetKind::Graceful, &journal).await.unwrap();
    assert_eq!(bmc.state().attributes, before);
}

#[tokio::test]
async fn another_machines_file_is_refused() {
    let bmc = Bmc::start(State::dell()).await;
    let client = bmc.client().await;
    let folder = tempfile::tempdir().unwrap();
    let seen = Seen::new(&client, "dell").await;
    let journal = seen.journal(folder.path());
    let file = journal.remember("dell", "dell", seen.plan.changes().cloned().collect()).unwrap();
    bmc.state().uuid = "00000000-0000-0000-0000-000000000001".into();
    let other = Machine::read(&client, None).await.unwrap();
    let error = Rollback::read(&file).unwrap().check(&other).unwrap_err();
    assert!(matches!(error, FirmwareError::OtherMachine { .. }), "{error}");
    assert!(error.to_string().contains("00000000-0000-0000-0000-000000000001"), "{error}");
}

#[tokio::test]
async fn every_write_is_in_the_audit_log_and_no_password() {
    let bmc = Bmc::start(State::hpe()).await;
    let client = bmc.client().await;
    let folder = tempfile::tempdir().unwrap();
    let seen = Seen::new(&client, "hpe").await;
    let journal = seen.journal(folder.path());
    apply::apply(&client, &seen.machine, &seen.plan, false, false, &journal).await.unwrap();
    let lines = audit(folder.path());
    let actions: Vec<_> = lines.iter().map(|line| line["action"].as_str().unwrap()).collect();
    assert_eq!(actions, ["write", "written", "write", "written", "applied"], "attributes together, then Secure Boot");
    let first = &lines[0]["details"]["changes"][0]["attribute"];
    assert_eq!(
        (&first["name"], &first["from"], &first["to"]),
        (&"IntelProcVtd".into(), &"Disabled".into(), &"Enabled".into())
    );
    assert!(lines.iter().all(|line| line["actor"] == "a test" && line["machine"] == bmc.state().uuid));
    for file in std::fs::read_dir(folder.path()).unwrap() {
        let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
        assert!(!text.contains(crate::mock::PASSWORD) && !text.contains("a token"), "{text}");
    }
}

/// What cannot be remembered is not written.
#[tokio::test]
async fn a_full_or_missing_folder_stops_everything() {
    let bmc = Bmc::start(State::dell()).await;
    let client = bmc.client().await;
    let folder = tempfile::tempdir().unwrap();
    let seen = Seen::new(&client, "dell").await;
    let journal = seen.journal(&folder.path().join("journal"));
    std::fs::remove_dir(folder.path().join("journal")).unwrap();
    let written = bmc.state().written.len();
    let error = apply::apply(&client, &seen.machine, &seen.plan, true, false, &journal).await.unwrap_err();
    assert!(matches!(error, FirmwareError::Write { .. }), "{error}");
    assert_eq!(bmc.state().written.len(), written);
    let file = folder.path().join("a file");
    std::fs::write(&file, "").unwrap();
    assert!(Journal::open(&file, "bmc", &seen.machine, "a test").is_err());
}

#[test]
fn a_file_of_another_kind_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("rollback.json");
    std::fs::write(&file, "{\"version\": 1, \"changes\": []}").unwrap();
    assert!(Rollback::read(&file).unwrap_err().to_string().contains("missing field"));
}
