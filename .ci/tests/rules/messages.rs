//! Messages that the pages for operators quote: whoever looks one up has to find the words that he sees.

use crate::files;
use std::path::Path;

/// Pages whose blocks of `text` are messages, one a line; `…` stands for what differs.
const PAGES: &[&str] = &[
    "docs/operating/appliance.md",
    "docs/operating/faq.md",
    "docs/operating/join.md",
    "docs/operating/recovering.md",
    "docs/operating/upgrading.md",
];
/// Where messages come from.
const SOURCES: &[&str] = &["rs", "yml", "sh"];
/// Programs without an ending in their name.
const SCRIPTS: &[&str] = &["ops/package/preinst", "ops/package/postrm"];
/// A message has to have at least this much in one piece, or anything would be found.
const PIECE_CHARS_MIN: usize = 12;

/// The messages of a page, with their line.
fn messages(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let (mut fenced, mut quoting) = (false, false);
    for (index, line) in text.lines().enumerate() {
        if line.starts_with("```") {
            fenced = !fenced;
            quoting = fenced && line == "```text";
        } else if quoting {
            found.push((index + 1, line.to_owned()));
        }
    }
    found
}

/// A source as one line a message: continued strings are joined, and white space is one space.
fn joined(source: &str) -> String {
    source.replace("\\\n", " ").split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Whether a source has all pieces, one after the other and not far apart.
fn has(source: &str, pieces: &[&str]) -> bool {
    const APART_BYTES_MAX: usize = 80;
    let Some((first, rest)) = pieces.split_first() else { return true };
    source.match_indices(first).any(|(at, _)| {
        let mut end = at + first.len();
        rest.iter().all(|piece| match source[end..].find(piece) {
            Some(distance) if distance <= APART_BYTES_MAX => {
                end += distance + piece.len();
                true
            }
            _ => false,
        })
    })
}

#[test]
fn messages_that_operators_look_up_are_in_the_sources() {
    let own = Path::new(".ci/tests");
    let paths = SOURCES.iter().flat_map(|extension| files::with_extension(extension));
    let paths = paths.filter(|path| !path.starts_with(own)).chain(SCRIPTS.iter().map(Into::into));
    let sources: Vec<String> = paths.map(|path| joined(&files::text(&path))).collect();
    let mut lost = Vec::new();
    for page in PAGES {
        let found = messages(&files::text(Path::new(page)));
        assert!(!found.is_empty(), "{page}: expected messages, got none");
        for (line, message) in found {
            let pieces: Vec<&str> = message.split('…').map(str::trim).filter(|piece| !piece.is_empty()).collect();
            let is_telling = pieces.iter().any(|piece| piece.chars().count() >= PIECE_CHARS_MIN);
            if !is_telling || !sources.iter().any(|source| has(source, &pieces)) {
                lost.push(format!("{page}:{line}: `{message}`"));
            }
        }
    }
    assert!(lost.is_empty(), "no source says this:\n{}", lost.join("\n"));
}

#[test]
fn a_message_is_found_by_its_pieces_in_their_order() {
    let source = joined("#[error(\n    \"{path}: expected at least {min} free, \\\n     got {got}: start again\"\n)]");
    assert!(has(&source, &["expected at least", "free, got", ": start again"]));
    assert!(!has(&source, &["free, got", "expected at least"]));
    assert!(!has(&source, &["expected at most"]));
}
