//! Certificates that Secure Boot has to trust, before it is switched on.

use crate::mock::{Bmc, Seen, State, state};
use sinter_firmware::{
    apply,
    catalog::Catalog,
    certificate::Certificate,
    plan::{self, State as Standing},
    profile::{Profile, WantedCertificate},
    redfish::machine::Machine,
};
use std::path::Path;

/// The HPE profile, with a certificate of ours.
fn with_certificate(folder: &Path) -> (Profile, Certificate) {
    let made = rcgen::generate_simple_self_signed(vec!["Sinter images".into()]).unwrap();
    std::fs::write(folder.join("images.pem"), made.cert.pem()).unwrap();
    let text = "name = \"own\"\nabout = \"\"\nextends = \"hpe\"\n[[certificates]]\ndatabase = \"db\"\nfile = \"images.pem\"\n\
                why = \"our images are signed by it\"\n";
    std::fs::write(folder.join("own.toml"), text).unwrap();
    let mut profile = Catalog::shipped().unwrap().profile("hpe").unwrap();
    profile.certificates = Profile::parse(&folder.join("own.toml"), text).unwrap().certificates;
    let certificate = Certificate::read(&profile.certificates[0]).unwrap();
    (profile, certificate)
}

#[tokio::test]
async fn a_certificate_comes_before_secure_boot_and_goes_after_it() {
    let bmc = Bmc::start(State::hpe()).await;
    let client = bmc.client().await;
    let folder = tempfile::tempdir().unwrap();
    let (profile, certificate) = with_certificate(folder.path());
    let name = format!("certificate_db_{}", &certificate.fingerprint[..16]);
    let seen = Seen::with(&client, profile.clone(), vec![certificate.clone()]).await;
    assert!(matches!(state(&seen.plan, &name), Standing::Change(_)));
    let journal = seen.journal(&folder.path().join("journal"));
    let applied = apply::apply(&client, &seen.machine, &seen.plan, false, false, &journal).await.unwrap();
    let order: Vec<_> = bmc.state().written.iter().map(|(method, path, _)| format!("{method} {path}")).collect();
    let expected = ["/db/Certificates", "/bios/settings", "/secureboot"];
    for (request, end) in order[1..].iter().zip(expected) {
        assert!(request.to_lowercase().ends_with(&end.to_lowercase()), "{order:?}");
    }

    let again = Seen::with(&client, profile, vec![certificate]).await;
    assert_eq!(*state(&again.plan, &name), Standing::Holds);
    let machine = Machine::read(&client, None).await.unwrap();
    let back = plan::rollback_plan("own", "hpe", &applied.changes, &machine);
    bmc.state().written.clear();
    apply::apply(&client, &machine, &back, false, false, &journal).await.unwrap();
    assert!(bmc.state().certificates.as_ref().unwrap().is_empty());
    let last = bmc.state().written.last().unwrap().clone();
    assert_eq!(last.0, "DELETE", "Secure Boot is off before what it trusts goes");
}

#[tokio::test]
async fn a_bmc_without_databases_is_said() {
    let bmc = Bmc::start(State { certificates: None, ..State::hpe() }).await;
    let folder = tempfile::tempdir().unwrap();
    let (profile, certificate) = with_certificate(folder.path());
    let seen = Seen::with(&bmc.client().await, profile, vec![certificate]).await;
    let blockers: Vec<_> = seen.plan.blockers().collect();
    assert!(blockers[0].ends_with("the BMC does not show the Secure Boot database db"), "{blockers:?}");
}

/// One that cannot be read may be the one that is wanted: it is not added a second time.
#[tokio::test]
async fn a_certificate_that_cannot_be_read_is_no_guess() {
    let mut start = State::hpe();
    start.certificates.as_mut().unwrap().insert(7, "a PKCS#7 file".into());
    let bmc = Bmc::start(start).await;
    let folder = tempfile::tempdir().unwrap();
    let (profile, certificate) = with_certificate(folder.path());
    let seen = Seen::with(&bmc.client().await, profile, vec![certificate]).await;
    let blockers: Vec<_> = seen.plan.blockers().collect();
    assert!(blockers[0].contains("1 certificates in db cannot be read"), "{blockers:?}");
}

#[test]
fn a_file_has_one_certificate() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("none.pem");
    std::fs::write(&file, "-----BEGIN NOTHING-----").unwrap();
    let wanted = WantedCertificate { database: sinter_firmware::profile::Database::Db, file, why: String::new() };
    let error = Certificate::read(&wanted).unwrap_err().to_string();
    assert!(error.ends_with("expected one certificate in PEM, got 0"), "{error}");
}
