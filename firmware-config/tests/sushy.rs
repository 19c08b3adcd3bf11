//! The client against sushy-tools, a Redfish service that others wrote, in front of a virtual machine of libvirt.
//! `tests/sushy/run.sh` starts both, and then this.

use sinter_firmware::{
    apply,
    catalog::Catalog,
    journal::{Journal, Rollback},
    plan::{self, Plan, State},
    redfish::{
        client::{Access, Authentication, Client},
        machine::Machine,
    },
};
use std::{path::Path, time::Duration};

/// The first answer takes libvirt more than a minute: it asks QEMU for everything it can do.
const PATIENCE: Duration = Duration::from_secs(300);

fn changed(plan: &Plan) -> Vec<&str> {
    let is_change = |item: &&plan::Item| matches!(item.state, State::Change(_));
    plan.items.iter().filter(is_change).map(|item| item.name.as_str()).collect()
}

#[tokio::test]
async fn applied_twice_the_second_time_nothing_changes_and_all_of_it_is_taken_back() {
    let url = std::env::var("SINTER_SUSHY").expect("SINTER_SUSHY: started by tests/sushy/run.sh");
    let system = std::env::var("SINTER_SUSHY_SYSTEM").expect("SINTER_SUSHY_SYSTEM: the virtual machine's UUID");
    let access = Access {
        url,
        user: "admin".into(),
        password: "password".to_owned().into(),
        // The emulator has no sessions.
        authentication: Authentication::Basic,
        authority: None,
        timeout: PATIENCE,
    };
    let client = Client::open(access).await.unwrap();
    let catalog = Catalog::with(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sushy")).unwrap();
    let profile = catalog.profile("sushy").unwrap();
    let folder = tempfile::tempdir().unwrap();

    let first = Machine::read(&client, Some(&system)).await.unwrap();
    let map = catalog.map(&profile, &first.maker).unwrap();
    let wanted = plan::plan(&profile, &[], map, &first);
    assert_eq!(changed(&wanted), ["smt", "watchdog", "secure_boot"]);
    let journal = Journal::open(folder.path(), "sushy", &first, "a test").unwrap();
    let applied = apply::apply(&client, &first, &wanted, map.say_on_reset, false, &journal).await.unwrap();
    assert_eq!(applied.changes.len(), 3);

    let second = Machine::read(&client, Some(&system)).await.unwrap();
    let nothing = plan::plan(&profile, &[], map, &second);
    assert!(nothing.holds(), "{nothing:?}");
    let again = apply::apply(&client, &second, &nothing, map.say_on_reset, false, &journal).await.unwrap();
    assert!(again.changes.is_empty());

    let rollback = Rollback::read(&applied.rollback.unwrap()).unwrap();
    rollback.check(&second).unwrap();
    let back = plan::rollback_plan("sushy", "sushy", &rollback.changes, &second);
    apply::apply(&client, &second, &back, map.say_on_reset, false, &journal).await.unwrap();
    let last = Machine::read(&client, Some(&system)).await.unwrap();
    assert_eq!(last.bios.unwrap().attributes, first.bios.unwrap().attributes);
    assert_eq!(last.secure_boot.unwrap().enabled, first.secure_boot.unwrap().enabled);
}
