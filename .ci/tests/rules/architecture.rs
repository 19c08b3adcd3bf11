//! The dependency rule: `primitives` knows nobody, and the two machines meet only in `primitives`,
//! `settlement` and the binary.

use crate::files;
use serde_json::Value;
use std::{collections::BTreeMap, process::Command};

/// Each crate, and the crates of this workspace that it may use.
const MAY_USE: &[(&str, &[&str])] = &[
    ("sinter-primitives", &[]),
    // The page that a machine serves of itself is made from the list of metrics.
    ("sinter-sequencer", &["sinter-primitives", "sinter-ops"]),
    // Seals are there for the tests of their contract, and for nothing else.
    ("sinter-settlement", &["sinter-primitives", "sinter-program", "sinter-seal"]),
    ("sinter-program", &[]),
    ("sinter-circuit", &["sinter-program"]),
    ("sinter-recursion", &["sinter-program", "sinter-circuit"]),
    ("sinter-seal", &["sinter-program", "sinter-circuit", "sinter-recursion", "sinter-prover"]),
    // Fields, hashes and transforms: no protocol.
    ("sinter-shaders", &[]),
    ("sinter-prover", &["sinter-program", "sinter-circuit", "sinter-recursion", "sinter-shaders"]),
    ("sinter-machine", &["sinter-program", "sinter-circuit"]),
    ("sinter-rollup", &["sinter-primitives", "sinter-program", "sinter-prover", "sinter-machine"]),
    (
        "sinter-rollup-node",
        &["sinter-primitives", "sinter-program", "sinter-prover", "sinter-rollup", "sinter-settlement"],
    ),
    // Built on the kit and on nothing that another rollup could not use.
    ("sinter-counter", &["sinter-program", "sinter-machine", "sinter-rollup"]),
    ("sinter-ledger", &["sinter-primitives", "sinter-program", "sinter-machine", "sinter-rollup"]),
    (
        "sinter-service",
        &[
            "sinter-primitives",
            "sinter-program",
            "sinter-circuit",
            "sinter-recursion",
            "sinter-prover",
            "sinter-seal",
            "sinter-settlement",
            "sinter-shaders",
        ],
    ),
    (
        "sinter",
        &[
            "sinter-primitives",
            "sinter-sequencer",
            "sinter-settlement",
            "sinter-program",
            "sinter-circuit",
            "sinter-recursion",
            "sinter-prover",
            "sinter-seal",
            "sinter-machine",
            "sinter-rollup",
            "sinter-rollup-node",
            "sinter-ledger",
            "sinter-counter",
            "sinter-service",
            "sinter-shaders",
            "sinter-firmware",
            "sinter-ops",
        ],
    ),
    ("sinter-firmware", &[]),
    ("sinter-ci", &[]),
    ("sinter-ops", &[]),
];

/// Crates whose tests may use one more: those of the link compute the statements' Keccak root natively, those of the
/// machine prove its runs, those of the service hand proofs in as a rollup does, those of the rollups' contract settle a block
/// of the reference rollup.
const MAY_TEST_WITH: &[(&str, &str)] = &[
    ("sinter-recursion", "sinter-primitives"),
    ("sinter-prover", "sinter-primitives"),
    ("sinter-machine", "sinter-prover"),
    ("sinter-rollup", "sinter-counter"),
    ("sinter-ledger", "sinter-prover"),
    ("sinter-service", "sinter-rollup-node"),
    ("sinter-settlement", "sinter-ledger"),
    ("sinter-settlement", "sinter-prover"),
    ("sinter-settlement", "sinter-rollup"),
];

/// Crates of other people that only the named crates may use: heavy ones, and ones that touch keys or I/O.
const ONLY_IN: &[(&str, &[&str])] = &[
    // The committee's transport; and the proofs' way from a rollup to the appliance, at both of its ends.
    ("quinn", &["sinter-sequencer", "sinter-service", "sinter-rollup-node"]),
    ("revm", &["sinter-settlement"]),
    ("ratatui", &["sinter"]),
    ("wgpu", &["sinter-shaders"]),
    // The binary measures the node against the bare engine: `sinter bench`.
    ("commonware-consensus", &["sinter-sequencer", "sinter"]),
    ("commonware-p2p", &["sinter-sequencer", "sinter"]),
    // Which allocator a process has is the program's decision, not a library's.
    ("mimalloc", &["sinter"]),
];

fn metadata() -> Value {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--offline", "--format-version", "1"])
        .current_dir(files::root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Package name → names of everything that it depends on; with what only its tests use where `all` is set.
fn dependencies(all: bool) -> BTreeMap<String, Vec<String>> {
    let name = |value: &Value| value["name"].as_str().unwrap().to_owned();
    let metadata = metadata();
    let packages = metadata["packages"].as_array().unwrap();
    packages
        .iter()
        .map(|package| {
            let used = package["dependencies"].as_array().unwrap().iter();
            (name(package), used.filter(|used| all || used["kind"].is_null()).map(name).collect())
        })
        .collect()
}

#[test]
fn crates_use_only_the_crates_that_the_design_lets_them() {
    let (built, dependencies) = (dependencies(false), dependencies(true));
    for (package, uses) in &dependencies {
        let Some((_, allowed)) = MAY_USE.iter().find(|(name, _)| name == package) else {
            panic!("{package} is new: say in this test which crates of the workspace it may use");
        };
        // A crate's tests may use the crate itself with more features.
        for used in uses.iter().filter(|used| *used != package && dependencies.contains_key(*used)) {
            let in_tests = !built[package].contains(used) && MAY_TEST_WITH.contains(&(package, used));
            assert!(
                in_tests || allowed.contains(&used.as_str()),
                "{package} may not use {used}: it may use {allowed:?}"
            );
        }
    }
}

#[test]
fn heavy_crates_stay_where_they_belong() {
    for (package, uses) in dependencies(false) {
        for (heavy, homes) in ONLY_IN {
            let at_home = homes.contains(&package.as_str());
            assert!(
                at_home || !uses.iter().any(|used| used == heavy),
                "{package} uses {heavy}, which is for {homes:?}"
            );
        }
    }
}

#[test]
fn every_version_is_exact_and_stands_in_the_root() {
    let root: toml::Table = files::text("Cargo.toml".as_ref()).parse().unwrap();
    let shared = root["workspace"]["dependencies"].as_table().unwrap();
    for (name, spec) in shared {
        let version = spec.as_str().or_else(|| spec.get("version").and_then(toml::Value::as_str));
        let by_path = spec.get("path").is_some();
        assert!(by_path || version.is_some_and(|version| version.starts_with('=')), "{name}: expected an `=` version");
    }
    for member in root["workspace"]["members"].as_array().unwrap() {
        let path = format!("{}/Cargo.toml", member.as_str().unwrap());
        let manifest: toml::Table = files::text(path.as_ref()).parse().unwrap();
        for section in ["dependencies", "dev-dependencies", "build-dependencies"] {
            for (name, spec) in manifest.get(section).and_then(toml::Value::as_table).into_iter().flatten() {
                let shared = spec.get("workspace").and_then(toml::Value::as_bool) == Some(true);
                assert!(shared, "{path}: {name}: expected `workspace = true`");
            }
        }
    }
}
