//! What a source file may look like.

use crate::files;
use std::path::{Path, PathBuf};

/// A file that is longer has more than one reason to exist.
const LINES_MAX: usize = 700;
/// Code is kept shorter by `rustfmt`; this is for what it leaves alone.
const COLUMNS_MAX: usize = 140;

/// Words that say that something is not done. In two halves, so that this file passes.
const UNFINISHED: &[(&str, &str)] = &[("TO", "DO"), ("FIX", "ME"), ("XX", "X"), ("unimpl", "emented!"), ("to", "do!(")];

/// Hosts of package registries, and paths of the machines that people work on.
const FOREIGN: &[(&str, &str)] = &[
    ("crates", ".io"),
    ("pypi", ".org"),
    ("npmjs", ".org"),
    ("npmjs", ".com"),
    ("deb.debian", ".org"),
    ("/ro", "ot/"),
    ("/ho", "me/"),
    ("/wo", "rk/"),
];

/// Names the file and the line of everything found.
fn complain(found: Vec<String>) {
    assert!(found.is_empty(), "\n{}\n", found.join("\n"));
}

fn sources() -> Vec<PathBuf> {
    let extensions = ["rs", "sol", "sh", "toml", "wgsl"];
    extensions.iter().flat_map(|extension| files::with_extension(extension)).collect()
}

#[test]
fn files_are_short_enough_to_read() {
    let mut found = Vec::new();
    for path in sources() {
        let text = files::text(&path);
        if text.lines().count() > LINES_MAX {
            found.push(format!("{}: {} lines, at most {LINES_MAX}", path.display(), text.lines().count()));
        }
        for (index, line) in text.lines().enumerate().filter(|(_, line)| is_wide(line)) {
            let columns = line.chars().count();
            found.push(format!("{}:{}: {columns} columns, at most {COLUMNS_MAX}", path.display(), index + 1));
        }
    }
    complain(found);
}

/// A message and a row of a table have no place to break.
fn is_wide(line: &str) -> bool {
    let unbreakable = ["\"", "//! |", "/// |"].iter().any(|start| line.trim_start().starts_with(start));
    line.chars().count() > COLUMNS_MAX && !unbreakable
}

#[test]
fn nothing_is_marked_as_unfinished() {
    let mut found = Vec::new();
    for path in sources() {
        for (index, line) in files::text(&path).lines().enumerate() {
            for word in UNFINISHED.iter().map(|(a, b)| format!("{a}{b}")).filter(|word| line.contains(word)) {
                found.push(format!("{}:{}: `{word}`", path.display(), index + 1));
            }
        }
    }
    complain(found);
}

#[test]
fn no_file_names_a_registry_or_somebodys_machine() {
    let mut found = Vec::new();
    for path in files::all() {
        // Cargo writes the index's name into every entry of its lock file, and nothing can keep it out.
        let locked = path.file_name().is_some_and(|name| name == "Cargo.lock");
        let Ok(text) = std::fs::read_to_string(files::root().join(&path)) else { continue };
        for (index, line) in text.lines().enumerate().filter(|_| !locked) {
            for word in FOREIGN.iter().map(|(a, b)| format!("{a}{b}")).filter(|word| line.contains(word)) {
                found.push(format!("{}:{}: `{word}`", path.display(), index + 1));
            }
        }
    }
    complain(found);
}

/// A file that no `mod` names is compiled by nobody.
#[test]
fn every_module_file_is_part_of_its_crate() {
    let mut found = Vec::new();
    for path in files::with_extension("rs") {
        let name = path.file_stem().unwrap().to_str().unwrap();
        let in_source = path.components().any(|part| part.as_os_str() == "src");
        let in_tests = path.with_file_name("main.rs").exists();
        if !(in_source || in_tests) || ["main", "lib", "build"].contains(&name) || in_bin(&path) {
            continue;
        }
        let directory = path.parent().unwrap();
        let (module, home) = if name == "mod" {
            (directory.file_name().unwrap().to_str().unwrap(), directory.parent().unwrap())
        } else {
            (name, directory)
        };
        let parents = ["main.rs", "lib.rs", "mod.rs"].map(|file| home.join(file));
        let beside = home.with_extension("rs");
        let named = parents.iter().chain([&beside]).filter(|file| files::root().join(file).exists()).any(|file| {
            let declaration = format!("mod {module};");
            files::text(file).lines().any(|line| line.trim_end().ends_with(&declaration))
        });
        if !named {
            found.push(format!("{}: no `mod {module};` names it", path.display()));
        }
    }
    complain(found);
}

fn in_bin(path: &Path) -> bool {
    path.components().any(|part| ["bin", "fuzz_targets"].contains(&part.as_os_str().to_str().unwrap()))
}

/// Links between documents lead to a file that exists, and to a heading in it.
#[test]
fn links_in_documents_resolve() {
    let mut found = Vec::new();
    for path in files::with_extension("md") {
        for (line, target) in links(&files::text(&path)) {
            let (file, heading) = target.split_once('#').unwrap_or((&target, ""));
            let linked = if file.is_empty() { path.clone() } else { path.parent().unwrap().join(file) };
            let full = files::root().join(&linked);
            if !full.exists() {
                found.push(format!("{}:{line}: no {}", path.display(), linked.display()));
            } else if !heading.is_empty()
                && !headings(&std::fs::read_to_string(full).unwrap()).contains(&heading.into())
            {
                found.push(format!("{}:{line}: no heading `{heading}` in {}", path.display(), linked.display()));
            }
        }
    }
    complain(found);
}

/// Targets of `[text](target)` that stay in the repository, with their line.
fn links(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut fenced = false;
    for (index, line) in text.lines().enumerate() {
        fenced ^= line.trim_start().starts_with("```");
        let targets = line.split("](").skip(1).filter_map(|rest| rest.split_once(')').map(|(target, _)| target));
        found.extend(
            targets.filter(|target| !fenced && !target.contains("://")).map(|target| (index + 1, target.to_owned())),
        );
    }
    found
}

/// Headings as links name them: lower case, words joined by hyphens, punctuation dropped.
fn headings(text: &str) -> Vec<String> {
    let lines = text.lines().filter_map(|line| line.strip_prefix('#'));
    lines
        .map(|line| {
            let title = line.trim_start_matches('#').trim().to_lowercase();
            let kept = title.chars().filter(|c| c.is_alphanumeric() || [' ', '-', '_'].contains(c));
            kept.map(|c| if c == ' ' { '-' } else { c }).collect()
        })
        .collect()
}
