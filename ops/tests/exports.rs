//! What lies in this folder is what the code makes, and all names in it lead somewhere.
#![allow(clippy::unwrap_used)]

use sinter_ops::{alerts::ALERTS, files, metrics::METRICS, names, rules};
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

fn home() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_path_buf()
}

/// Files below `directory` whose name ends in `.extension`, with their text.
fn texts(directory: &str, extension: &str) -> Vec<(PathBuf, String)> {
    let entries = fs::read_dir(home().join(directory)).unwrap().map(|entry| entry.unwrap().path());
    let wanted = entries.filter(|path| path.extension().is_some_and(|found| found == extension));
    wanted.map(|path| (path.clone(), fs::read_to_string(path).unwrap())).collect()
}

#[test]
fn files_are_what_the_code_makes() {
    for (path, made) in files() {
        let found = fs::read_to_string(home().join(&path)).unwrap_or_default();
        assert!(found == made, "ops/{path} is not what the code makes: run `cargo run -p sinter-ops -- write`");
    }
    // Nothing lies about that nobody makes any more.
    assert_eq!(texts("grafana", "json").len(), files().iter().filter(|(path, _)| path.ends_with(".json")).count());
}

#[test]
fn every_alert_has_a_runbook_that_says_how_to_see_decide_and_act() {
    let root = home().join("..");
    let mut runbooks = BTreeSet::new();
    for alert in ALERTS {
        let path = rules::runbook(alert);
        let text = fs::read_to_string(root.join(&path)).unwrap_or_else(|error| panic!("{path}: {error}"));
        assert!(text.starts_with(&format!("# {}\n", alert.name)), "{path} is about another alert");
        let parts = ["\n## See\n", "\n## Decide\n", "\n## Act\n"].map(|part| text.find(part));
        assert!(parts.iter().all(Option::is_some) && parts.is_sorted(), "{path}: expected See, Decide, Act");
        assert!(runbooks.insert(root.join(path).canonicalize().unwrap()), "{} stands twice", alert.name);
    }
    for (path, _) in texts("runbooks", "md") {
        assert!(runbooks.contains(&path.canonicalize().unwrap()), "{}: no such alert", path.display());
    }
}

#[test]
fn every_metric_that_is_named_anywhere_is_in_the_list() {
    let folders = [("prometheus", "yml"), ("prometheus/tests", "yml"), ("grafana", "json"), ("runbooks", "md")];
    let mut named = 0;
    for (path, text) in folders.iter().flat_map(|(folder, extension)| texts(folder, extension)) {
        let unknown = names::unknown(&text);
        assert!(unknown.is_empty(), "{}: not in ops/src/metrics.rs: {}", path.display(), unknown.join(", "));
        named += names::in_text(&text).len();
    }
    // The search finds what is there: dashboards alone name every metric once.
    assert!(named > METRICS.len(), "{named} names found");
}
