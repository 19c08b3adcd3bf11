//! GPUs and devices, through programs of our own that answer as `nvidia-smi` and `fwupdmgr` do.

use sinter_firmware::{
    FirmwareError,
    host::{self, Programs},
    model::Switch,
    plan::State as Standing,
    profile::{FwupdMinimum, GpuSettings, Profile},
    report,
};
use std::{fs, os::unix::fs::PermissionsExt, path::Path};

/// A program that does what a shell script says.
fn program(folder: &Path, name: &str, script: &str) -> String {
    let file = folder.join(name);
    fs::write(&file, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
    file.to_str().unwrap().to_owned()
}

/// A `nvidia-smi` that shows `gpus`, and writes down what it is told.
fn programs(folder: &Path, gpus: &str, devices: &str) -> Programs {
    let log = folder.join("log");
    let show = format!(
        "case \"$1\" in --query-gpu=*) cat <<'END'\n{gpus}\nEND\n;; *) echo \"$@\" >> {};; esac",
        log.display()
    );
    Programs {
        nvidia_smi: program(folder, "nvidia-smi", &show),
        fwupdmgr: program(folder, "fwupdmgr", &format!("cat <<'END'\n{devices}\nEND")),
    }
}

fn wants(persistence: Option<Switch>, power_limit_watts: Option<u32>, ecc: Option<Switch>) -> Profile {
    Profile { gpu: GpuSettings { persistence, power_limit_watts, ecc }, ..Profile::default() }
}

#[tokio::test]
async fn a_gpu_is_set_to_what_it_takes() {
    let folder = tempfile::tempdir().unwrap();
    let gpus = "0, GPU-a, Disabled, 700.00, 200.00, 700.00, Disabled, Disabled\n\
                1, GPU-b, Enabled, 350.00, 100.00, 350.00, [N/A], [N/A]\n\
                2, GPU-c, Enabled, 600.00, 200.00, 700.00, Disabled, Enabled";
    let programs = programs(folder.path(), gpus, "");
    let profile = wants(Some(Switch::On), Some(600), Some(Switch::On));
    let plan = host::plan(&profile, &programs).await.unwrap();
    let standing = |name: &str| plan.items.iter().find(|item| item.name == name).unwrap().state.clone();
    assert!(matches!(standing("gpu0_persistence"), Standing::Change(_)));
    assert_eq!(standing("gpu1_persistence"), Standing::Holds);
    assert_eq!(standing("gpu1_power_limit"), Standing::Impossible("this GPU takes 100 to 350 W".into()));
    assert_eq!(standing("gpu1_ecc"), Standing::Impossible("this GPU's memory has no ECC".into()));
    assert_eq!(standing("gpu2_ecc"), Standing::Pending);
    assert_eq!(standing("gpu2_power_limit"), Standing::Holds);
    host::apply(&plan, &programs).await.unwrap();
    let told = fs::read_to_string(folder.path().join("log")).unwrap();
    assert_eq!(told, "-i GPU-a -pm 1\n-i GPU-a -pl 600\n-i GPU-a -e 1\n");
    let text = report::text("this machine", &plan);
    assert!(text.contains("change  gpu0_power_limit  GPU-a: 700 W → nvidia-smi -pl 600"), "{text}");
}

#[tokio::test]
async fn what_a_profile_does_not_name_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let programs = programs(folder.path(), "0, GPU-a, Disabled, 700.00, 200.00, 700.00, Disabled, Disabled", "");
    let plan = host::plan(&wants(None, Some(700), None), &programs).await.unwrap();
    assert_eq!(plan.items.len(), 1);
    assert!(plan.holds());
    let missing = Programs { nvidia_smi: "/nowhere/nvidia-smi".into(), ..programs };
    assert!(host::plan(&Profile::default(), &missing).await.unwrap().items.is_empty(), "and nothing is called");
}

#[tokio::test]
async fn what_is_no_gpu_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let profile = wants(Some(Switch::On), None, None);
    let words =
        async |gpus: &str| host::plan(&profile, &programs(folder.path(), gpus, "")).await.unwrap_err().to_string();
    assert!(words("No devices were found").await.contains("expected 8 fields of a GPU, got \"No devices were found\""));
    assert!(words("").await.contains("expected at least one GPU, got none"));
    let failing =
        Programs { nvidia_smi: program(folder.path(), "failing", "echo driver >&2; exit 9"), ..Programs::default() };
    let error = host::plan(&profile, &failing).await.unwrap_err().to_string();
    assert!(error.contains("exit status: 9: driver"), "{error}");
    let missing = Programs { nvidia_smi: "/nowhere/nvidia-smi".into(), ..Programs::default() };
    let error = host::plan(&profile, &missing).await.unwrap_err();
    assert!(
        matches!(error, FirmwareError::Program { .. }) && error.to_string().contains("not found: install it"),
        "{error}"
    );
}

#[tokio::test]
async fn devices_are_compared_by_number_and_never_updated() {
    let folder = tempfile::tempdir().unwrap();
    let devices = r#"{"Devices": [
        {"Name": "SSD", "Guid": ["aaaa", "bbbb"], "Version": "1.9.0"},
        {"Name": "TPM", "Guid": ["cccc"], "Version": "7.2.3.1"},
        {"Name": "Dock", "Guid": ["dddd"], "Version": "new"}]}"#;
    let programs = programs(folder.path(), "", devices);
    let minimum = |guid: &str, minimum: &str| FwupdMinimum {
        guid: guid.into(),
        about: "a device".into(),
        minimum: minimum.into(),
    };
    let fwupd =
        vec![minimum("bbbb", "1.10.0"), minimum("cccc", "7.2.3"), minimum("dddd", "1.0"), minimum("eeee", "1.0")];
    let plan = host::plan(&Profile { fwupd, ..Profile::default() }, &programs).await.unwrap();
    let states: Vec<_> = plan.items.iter().map(|item| item.state == Standing::Holds).collect();
    assert_eq!(states, [false, true, false, false]);
    assert_eq!(plan.changes().count(), 0, "updating is fwupd's, and takes a decision");
    assert_eq!(plan.blockers().count(), 3);
}
