//! What was asked for and waits for a reset is neither in force nor asked for again.

use crate::mock::{Bmc, Misbehaviour, Seen, State, changed, state};
use serde_json::json;
use sinter_firmware::{
    FirmwareError,
    apply::{self, ResetKind},
    plan::{self, State as Standing},
    report,
};
use std::time::Duration;

#[tokio::test]
async fn what_waits_for_a_reset_is_said_and_not_written_again() {
    let bmc = Bmc::start(State::dell()).await;
    let client = bmc.client().await;
    let folder = tempfile::tempdir().unwrap();
    let seen = Seen::new(&client, "dell").await;
    let journal = seen.journal(folder.path());
    let applied = apply::apply(&client, &seen.machine, &seen.plan, true, false, &journal).await.unwrap();
    assert_eq!(applied.tasks, ["/redfish/v1/TaskService/Tasks/JID_1"], "the BMC's job is named");
    assert_eq!(bmc.state().attributes["TpmSecurity"], "Off", "nothing is in force before the reset");

    let waiting = Seen::new(&client, "dell").await;
    assert_eq!(*state(&waiting.plan, "tpm"), Standing::Pending);
    assert!(changed(&waiting.plan).is_empty() && !waiting.plan.holds(), "it is not in force");
    let text = report::text(&waiting.machine.title(), &waiting.plan);
    assert!(text.contains("waits   tpm") && text.contains("6 waiting for a reset"), "{text}");

    apply::reset(&client, &seen.machine, ResetKind::Graceful, &journal).await.unwrap();
    assert!(Seen::new(&client, "dell").await.plan.holds());
}

/// Somebody asked for the opposite of what is in force and wanted: it holds now, and would not after a reset.
#[tokio::test]
async fn what_the_next_reset_would_undo_is_asked_for_again() {
    let mut start = State::dell();
    start.pending.insert("LogicalProc".into(), json!("Disabled"));
    let bmc = Bmc::start(start).await;
    let client = bmc.client().await;
    let folder = tempfile::tempdir().unwrap();
    let seen = Seen::new(&client, "dell").await;
    assert!(changed(&seen.plan).contains(&"smt"));
    apply::apply(&client, &seen.machine, &seen.plan, true, false, &seen.journal(folder.path())).await.unwrap();
    assert_eq!(bmc.state().pending["LogicalProc"], "Enabled");
}

#[tokio::test]
async fn a_reset_that_changes_nothing_is_an_error() {
    let bmc = Bmc::start(State { misbehaviour: Misbehaviour::LosesSettings, ..State::dell() }).await;
    let client = bmc.client().await;
    let folder = tempfile::tempdir().unwrap();
    let seen = Seen::new(&client, "dell").await;
    let journal = seen.journal(folder.path());
    apply::apply(&client, &seen.machine, &seen.plan, true, false, &journal).await.unwrap();
    apply::reset(&client, &seen.machine, ResetKind::Graceful, &journal).await.unwrap();
    let again = |machine: &_| plan::plan(&seen.profile, &seen.certificates, &seen.map, machine);
    let waited = apply::wait_until_in_force(&client, &seen.machine.id, Duration::from_secs(1), again).await;
    let Err(FirmwareError::NotInForce { waited_s: 1, keys }) = waited else { panic!("{waited:?}") };
    assert_eq!(keys.len(), 6, "{keys:?}");
}

#[tokio::test]
async fn a_reset_that_the_bmc_does_not_have_is_not_tried() {
    let bmc = Bmc::start(State::dell()).await;
    let client = bmc.client().await;
    let folder = tempfile::tempdir().unwrap();
    let seen = Seen::new(&client, "dell").await;
    let journal = seen.journal(folder.path());
    let error = apply::reset(&client, &seen.machine, ResetKind::Forced, &journal).await.unwrap_err();
    let words = "expected ForceRestart among its resets, got ForceOff, GracefulRestart, On";
    assert!(error.to_string().contains(words), "{error}");
    assert!(bmc.state().written.iter().all(|(method, path, _)| method == "POST" && path.ends_with("Sessions")));
}
