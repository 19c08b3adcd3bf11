//! The repository's own files.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// What tools make, and nobody reads.
const SKIPPED: &[&str] = &[".git", ".devnet", "target", "node_modules", "corpus", "artifacts"];

/// The repository's root.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf()
}

/// Every file, as a path relative to the root.
pub fn all() -> Vec<PathBuf> {
    let root = root();
    let mut files = Vec::new();
    let mut directories = vec![root.clone()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(&directory).unwrap() {
            let entry = entry.unwrap();
            let kind = entry.file_type().unwrap();
            if kind.is_dir() && !SKIPPED.contains(&entry.file_name().to_str().unwrap()) {
                directories.push(entry.path());
            } else if kind.is_file() && entry.file_name() != ".git" {
                files.push(entry.path().strip_prefix(&root).unwrap().to_path_buf());
            }
        }
    }
    files.sort();
    files
}

/// Files whose name ends in `.extension`.
pub fn with_extension(extension: &str) -> Vec<PathBuf> {
    all().into_iter().filter(|path| path.extension().is_some_and(|found| found == extension)).collect()
}

/// A file's text.
pub fn text(path: &Path) -> String {
    fs::read_to_string(root().join(path)).unwrap()
}
