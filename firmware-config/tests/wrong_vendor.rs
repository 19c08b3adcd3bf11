//! A profile on a machine that it is not for, and a BMC of several machines.

use crate::mock::{Bmc, State};
use sinter_firmware::{FirmwareError, catalog::Catalog, redfish::machine::Machine};

async fn mapped(start: State, profile: &str) -> Result<String, FirmwareError> {
    let bmc = Bmc::start(start).await;
    let machine = Machine::read(&bmc.client().await, None).await.unwrap();
    let catalog = Catalog::shipped().unwrap();
    let profile = catalog.profile(profile).unwrap();
    catalog.map(&profile, &machine.maker).map(|map| map.name.clone())
}

#[tokio::test]
async fn another_vendors_profile_is_refused() {
    let error = mapped(State::hpe(), "dell").await.unwrap_err().to_string();
    assert_eq!(
        error,
        "profile \"dell\" is for dell machines, and this one is made by \"HPE\": use the profile of its vendor, or generic"
    );
    assert!(matches!(mapped(State::unknown(), "dell").await, Err(FirmwareError::WrongVendor { .. })));
    assert_eq!(mapped(State::unknown(), "generic").await.unwrap(), "standard");
}

/// A name in the system that the service root denies: a proxy in between, or somebody's joke.
#[tokio::test]
async fn a_machine_that_contradicts_itself_is_refused() {
    let start = State { service_vendor: Some("Dell".into()), ..State::hpe() };
    let error = mapped(start, "generic").await.unwrap_err();
    assert!(matches!(error, FirmwareError::VendorsDisagree { .. }), "{error}");
}

#[tokio::test]
async fn another_companys_bmc_is_no_contradiction() {
    assert_eq!(mapped(State::gigabyte(), "gigabyte").await.unwrap(), "gigabyte");
}

#[tokio::test]
async fn of_several_systems_one_is_named() {
    let bmc = Bmc::start(State { systems: vec!["Node1".into(), "Node2".into()], ..State::supermicro() }).await;
    let client = bmc.client().await;
    let error = Machine::read(&client, None).await.unwrap_err().to_string();
    assert_eq!(error, "the BMC has 2 systems, Node1, Node2: say which with --system");
    assert_eq!(Machine::read(&client, Some("Node1")).await.unwrap().id, "Node1");
    let error = Machine::read(&client, Some("Node3")).await.unwrap_err().to_string();
    assert_eq!(error, "the BMC has no system \"Node3\": expected one of Node1, Node2");
}

#[tokio::test]
async fn a_bmc_without_a_system_is_said() {
    let start = State { systems: vec!["x".into()], ..State::dell() };
    let bmc = Bmc::start(start).await;
    let client = bmc.client().await;
    bmc.state().systems = vec!["gone".into()];
    assert!(Machine::read(&client, Some("x")).await.is_err());
}
