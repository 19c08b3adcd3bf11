//! The checked-in artifacts are what the checked-in sources compile to.

use serde_json::Value;
use sha3::{Digest as _, Keccak256};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// What is shipped, and what only tests deploy.
const FOLDERS: [&str; 2] = ["artifacts", "tests/artifacts"];

fn folder(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// Every artifact with its path below the crate.
fn artifacts() -> Vec<(String, Value)> {
    let mut artifacts = Vec::new();
    for name in FOLDERS {
        for entry in fs::read_dir(folder(name)).unwrap() {
            let path = entry.unwrap().path();
            let file = path.file_name().unwrap().to_str().unwrap();
            artifacts.push((format!("{name}/{file}"), serde_json::from_slice(&fs::read(&path).unwrap()).unwrap()));
        }
    }
    artifacts.sort_by(|a, b| a.0.cmp(&b.0));
    assert!(!artifacts.is_empty());
    artifacts
}

/// Every Solidity file below `folder`, by its path from there.
fn sources(folder: &Path, prefix: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if path.is_dir() && name != "node_modules" {
            found.extend(sources(&path, &format!("{prefix}{name}/")));
        } else if name.ends_with(".sol") {
            found.push(format!("{prefix}{name}"));
        }
    }
    found
}

#[test]
fn artifacts_name_the_hashes_of_their_sources() {
    for (name, artifact) in artifacts() {
        let sources = artifact["sources"].as_object().unwrap();
        assert!(!sources.is_empty(), "{name}");
        for (source, hash) in sources {
            let got = hex::encode(Keccak256::digest(fs::read(folder("contracts").join(source)).unwrap()));
            assert_eq!(
                hash,
                &format!("0x{got}"),
                "{name}: {source} has changed: npm run compile in settlement/contracts"
            );
        }
        assert!(artifact["compiler"].as_str().unwrap().starts_with("0.8.37+"), "{name}");
        assert_eq!(artifact["settings"]["evmVersion"], "osaka", "{name}");
        let code = artifact["deployedBytecode"].as_str().unwrap();
        assert!((code.len() - 2) / 2 <= 24_576, "{name}: too long for EIP-170");
    }
}

#[test]
fn every_source_is_in_an_artifact() {
    let artifacts = artifacts();
    for name in sources(&folder("contracts"), "") {
        assert!(artifacts.iter().any(|(_, artifact)| artifact["sources"].get(&name).is_some()), "{name}");
    }
}

#[test]
fn compiling_again_gives_the_same_artifacts() {
    let ready = folder("contracts/node_modules/solc").exists()
        && Command::new("node").arg("--version").output().is_ok_and(|output| output.status.success());
    if !ready {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "CI installs solc: cargo ci tools");
        eprintln!("skipped: the compiler is not installed (node, and cargo ci tools)");
        return;
    }
    let fresh = tempfile::tempdir().unwrap();
    let output =
        Command::new("node").arg("compile.mjs").arg(fresh.path()).current_dir(folder("contracts")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    for (name, artifact) in artifacts() {
        let again: Value = serde_json::from_slice(&fs::read(fresh.path().join(&name)).unwrap()).unwrap();
        assert_eq!(again, artifact, "{name}: npm run compile in settlement/contracts");
    }
}
