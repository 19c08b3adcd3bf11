//! The Debian package: what its metadata names is there, and nothing that belongs into it is forgotten.

use crate::files;
use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

/// Folders that are in the package, file by file.
const PACKED: &[&str] = &["ops/systemd", "ops/examples", "ops/runbooks"];
/// What the package's own folder may hold: debhelper's names, what metadata names, and the test.
const OWN: &[&str] = &["changelog", "copyright", "postrm", "preinst", "prerm", "test.sh"];

fn metadata() -> toml::Table {
    let manifest: toml::Table = files::text(Path::new("sinter/Cargo.toml")).parse().unwrap();
    manifest["package"]["metadata"]["deb"].as_table().unwrap().clone()
}

/// Files of a folder, relative to the root.
fn inside(folder: &str) -> BTreeSet<PathBuf> {
    files::all().into_iter().filter(|path| path.parent() == Some(Path::new(folder))).collect()
}

/// What a pattern of the metadata stands for: a file, or all of a folder that end in what follows its `*`.
fn matched(pattern: &str) -> BTreeSet<PathBuf> {
    let pattern = pattern.strip_prefix("../").unwrap();
    match pattern.split_once('*') {
        None => [PathBuf::from(pattern)].into_iter().filter(|path| files::root().join(path).is_file()).collect(),
        Some((folder, end)) => {
            let all = inside(folder.trim_end_matches('/')).into_iter();
            all.filter(|path| path.to_str().unwrap().ends_with(end)).collect()
        }
    }
}

#[test]
fn the_package_has_every_unit_example_and_runbook() {
    let metadata = metadata();
    let (mut packed, mut built) = (BTreeSet::new(), BTreeSet::new());
    for asset in metadata["assets"].as_array().unwrap() {
        let source = asset[0].as_str().unwrap();
        if source.starts_with("target/") {
            built.insert(source.to_owned());
            continue;
        }
        let found = matched(source);
        assert!(!found.is_empty(), "{source}: expected files, got none");
        packed.extend(found);
    }
    // `.ci/src/package.rs` makes the second.
    assert_eq!(built, ["sinter", "third-party-licences.txt"].map(|name| format!("target/release/{name}")).into());
    let forgotten: Vec<PathBuf> =
        PACKED.iter().flat_map(|folder| inside(folder)).filter(|path| !packed.contains(path)).collect();
    assert!(forgotten.is_empty(), "not in the package: {forgotten:?}");
}

#[test]
fn the_packages_own_files_are_the_ones_that_are_used() {
    let metadata = metadata();
    let own: BTreeSet<PathBuf> = OWN.iter().map(|name| Path::new("ops/package").join(name)).collect();
    assert_eq!(inside("ops/package"), own);
    assert_eq!(metadata["maintainer-scripts"].as_str(), Some("../ops/package"));
    for named in [&metadata["changelog"], &metadata["license-file"][0]] {
        assert!(!matched(named.as_str().unwrap()).is_empty(), "{named}: expected a file, got none");
    }
    // What debhelper adds, it adds here.
    for script in own.iter().filter(|path| files::text(path).starts_with("#!/bin/sh")) {
        assert!(files::text(script).contains("\n#DEBHELPER#\n"), "{}: expected #DEBHELPER#", script.display());
    }
}

#[test]
fn installing_starts_nothing() {
    let metadata = metadata();
    for switch in ["enable", "start", "restart-after-upgrade", "stop-on-upgrade"] {
        assert_eq!(metadata["systemd-units"][switch].as_bool(), Some(false), "{switch}");
    }
}

#[test]
fn the_newest_entry_of_the_changelog_is_this_version() {
    let root: toml::Table = files::text(Path::new("Cargo.toml")).parse().unwrap();
    let version = root["workspace"]["package"]["version"].as_str().unwrap();
    let changelog = files::text(Path::new("ops/package/changelog"));
    assert!(
        changelog.starts_with(&format!("sinter ({version}-1) ")),
        "expected {version}-1, got {:?}",
        changelog.lines().next()
    );
}

/// Whoever reads a unit finds a user that is made, and an example of each file that it wants.
#[test]
fn units_run_as_users_that_exist_on_files_that_have_examples() {
    let users = files::text(Path::new("ops/systemd/sinter.sysusers.conf"));
    let examples: Vec<String> = inside("ops/examples").iter().map(|path| files::text(path)).collect();
    for unit in inside("ops/systemd").iter().filter(|path| path.extension().is_some_and(|kind| kind == "service")) {
        let text = files::text(unit);
        let user = text.lines().find_map(|line| line.strip_prefix("User=")).unwrap();
        let made = users.lines().any(|line| line.starts_with("u ") && line.split_whitespace().nth(1) == Some(user));
        assert!(made, "{}: nobody makes the user {user}", unit.display());
        let commands = text.lines().filter(|line| line.starts_with("Exec") || line.starts_with("EnvironmentFile="));
        for file in commands.flat_map(|line| line.split([' ', '='])).filter(|word| word.starts_with("/etc/sinter/")) {
            let file = file.replace("%i", "NAME");
            let shown = examples
                .iter()
                .any(|example| example.lines().any(|line| line.starts_with('#') && line.contains(&file)));
            assert!(shown, "{}: no example says that it is for {file}", unit.display());
        }
    }
}
