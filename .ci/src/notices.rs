//! The licences of everything that the program is linked with: who hands it on has to hand on these.

use crate::shell::{Workspace, read};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

/// How files with licences and notices begin.
const NAMES: [&str; 5] = ["LICENSE", "LICENCE", "COPYING", "NOTICE", "UNLICENSE"];
/// What ends in this is a program that has to do with licences, and none.
const PROGRAMS: [&str; 2] = ["rs", "toml"];

/// The manifests of every crate that this workspace is built of, its own among them.
///
/// # Errors
/// When Cargo cannot tell.
pub fn manifests(workspace: &Workspace) -> Result<Vec<PathBuf>, String> {
    let target = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let arguments = ["metadata", "--locked", "--format-version", "1", "--filter-platform", &target];
    Ok(paths(&read(&mut workspace.cargo(&arguments))?))
}

/// All values of `manifest_path` in Cargo's JSON, which this program does without a parser of.
fn paths(metadata: &str) -> Vec<PathBuf> {
    let values = metadata.split("\"manifest_path\":\"").skip(1);
    values.filter_map(|rest| rest.split_once('"').map(|(path, _)| path.into())).collect()
}

/// Writes every licence and notice once, with the crates that have it.
///
/// # Errors
/// When a file cannot be read or written, or nothing was found.
pub fn write(workspace: &Workspace, file: &Path) -> Result<(), String> {
    let mut crates_of: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for manifest in manifests(workspace)? {
        let Some(folder) = manifest.parent().filter(|folder| !folder.starts_with(&workspace.root)) else { continue };
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        for path in licences(folder)? {
            let bytes = fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))?;
            crates_of.entry(String::from_utf8_lossy(&bytes).trim().to_owned()).or_default().insert(name.clone());
        }
    }
    if crates_of.is_empty() {
        return Err("expected licences among the dependencies' sources, got none".into());
    }
    let mut text = String::new();
    for (licence, crates) in &crates_of {
        let crates = crates.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
        let _ = write!(text, "==== {crates}\n\n{licence}\n\n");
    }
    fs::write(file, text).map_err(|error| format!("{}: {error}", file.display()))
}

fn licences(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let entries = fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let files = entries.filter_map(|entry| entry.ok().map(|entry| entry.path())).filter(|path| path.is_file());
    let mut found: Vec<PathBuf> = files.filter(|path| is_licence(path)).collect();
    found.sort();
    Ok(found)
}

fn is_licence(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_uppercase();
    let is_program = path.extension().is_some_and(|kind| PROGRAMS.iter().any(|program| kind == *program));
    NAMES.iter().any(|start| name.starts_with(start)) && !is_program
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn manifests_are_found_in_what_cargo_prints() {
        let metadata = r#"{"packages":[{"name":"a","manifest_path":"/src/a/Cargo.toml"},{"manifest_path":"/src/b/Cargo.toml","x":1}]}"#;
        assert_eq!(paths(metadata), [PathBuf::from("/src/a/Cargo.toml"), PathBuf::from("/src/b/Cargo.toml")]);
    }

    #[test]
    fn licences_are_known_by_their_names() {
        assert!(
            ["LICENSE", "LICENSE-MIT", "license.md", "COPYING.txt", "NOTICE"]
                .iter()
                .all(|name| is_licence(Path::new(name)))
        );
        assert!(!["licenses.rs", "README.md", "Cargo.toml"].iter().any(|name| is_licence(Path::new(name))));
    }
}
