//! The tree of a batch, without a proof in it: its shape, and what survives a process.

use sinter_prover::aggregate::{AggregateError, Aggregation, Event, Id, Nodes, State, StateError, folds};
use std::{cell::Cell, fs, path::Path};
use thiserror::Error;

#[derive(Debug, Error)]
#[error("{0}")]
struct Refused(&'static str);

/// Nodes that are their own description.
struct Words {
    circuits: u8,
    /// Nodes that may still be made.
    left: Cell<u32>,
    made: Cell<u32>,
}

impl Words {
    const fn new(circuits: u8) -> Self {
        Self { circuits, left: Cell::new(u32::MAX), made: Cell::new(0) }
    }

    fn make(&self, node: String) -> Result<String, Refused> {
        self.left.set(self.left.get().checked_sub(1).ok_or(Refused("the power is gone"))?);
        self.made.set(self.made.get() + 1);
        Ok(node)
    }
}

fn same(expected: String, bytes: &[u8]) -> Result<String, Refused> {
    if expected.as_bytes() == bytes { Ok(expected) } else { Err(Refused("not what was expected")) }
}

impl Nodes for Words {
    type Leaf = String;
    type Node = String;
    type Error = Refused;

    fn circuits(&self) -> Id {
        [self.circuits; 32]
    }

    fn leaf_id(&self, leaf: &String) -> Id {
        let mut id = [0; 32];
        id[..leaf.len()].copy_from_slice(leaf.as_bytes());
        id
    }

    fn node_bytes_max(&self) -> u64 {
        1000
    }

    fn encode(&self, node: &String) -> Result<Vec<u8>, Refused> {
        Ok(node.clone().into_bytes())
    }

    fn wrap(&self, leaf: &String) -> Result<String, Refused> {
        self.make(leaf.clone())
    }

    fn check_wrap(&self, leaf: &String, bytes: &[u8]) -> Result<String, Refused> {
        same(leaf.clone(), bytes)
    }

    fn null(&self) -> Result<String, Refused> {
        self.make("-".to_owned())
    }

    fn check_null(&self, bytes: &[u8]) -> Result<String, Refused> {
        same("-".to_owned(), bytes)
    }

    fn fold(&self, left: &String, right: &String) -> Result<String, Refused> {
        self.make(format!("({left}{right})"))
    }

    fn check_fold(&self, left: &String, right: &String, bytes: &[u8]) -> Result<String, Refused> {
        same(format!("({left}{right})"), bytes)
    }
}

/// Aggregates the first letters of the alphabet.
fn run(
    words: &Words,
    directory: &Path,
    leaves: u8,
    events: &mut Vec<Event>,
) -> Result<String, AggregateError<Refused>> {
    let state = State::open(directory)?;
    let mut aggregation = Aggregation::new(words, state, |event| events.push(event));
    for leaf in 0..leaves {
        aggregation.push(&char::from(b'a' + leaf).to_string())?;
        let digits: u64 = aggregation.peaks().sum();
        assert_eq!((digits, aggregation.leaves()), (u64::from(leaf) + 1, u64::from(leaf) + 1));
        assert_eq!(aggregation.peaks().count() as u32, (leaf + 1).count_ones());
    }
    aggregation.close()
}

#[test]
fn the_tree_is_rfc_6962s() {
    let root = |leaves| {
        let directory = tempfile::tempdir().unwrap();
        let mut events = Vec::new();
        let root = run(&Words::new(0), directory.path(), leaves, &mut events).unwrap();
        let made = events.iter().filter(|event| matches!(event, Event::Folded { .. })).count();
        assert_eq!(made as u64, folds(leaves.into()));
        root
    };
    assert_eq!(root(1), "(a-)");
    assert_eq!(root(2), "(ab)");
    assert_eq!(root(3), "((ab)c)");
    assert_eq!(root(6), "(((ab)(cd))(ef))");
    assert_eq!(root(7), "(((ab)(cd))((ef)g))");
    assert_eq!(root(8), "(((ab)(cd))((ef)(gh)))");
}

#[test]
fn an_empty_batch_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let error = run(&Words::new(0), directory.path(), 0, &mut Vec::new()).unwrap_err();
    assert!(matches!(error, AggregateError::Empty));
}

#[test]
fn a_batch_that_is_cut_off_anywhere_goes_on_without_making_a_node_twice() {
    for leaves in [1, 2, 5, 7, 8] {
        let nodes = u32::from(leaves) + folds(leaves.into()) as u32 + u32::from(leaves == 1);
        for cut in 0..nodes {
            let directory = tempfile::tempdir().unwrap();
            let words = Words::new(0);
            words.left.set(cut);
            let error = run(&words, directory.path(), leaves, &mut Vec::new()).unwrap_err();
            assert!(error.to_string().ends_with("the power is gone"), "{error}");
            // What a killed process was writing.
            fs::write(directory.path().join("wrap-00.17.new"), "torn").unwrap();
            fs::write(directory.path().join("notes.new"), "the user's").unwrap();
            words.left.set(u32::MAX);
            let mut events = Vec::new();
            run(&words, directory.path(), leaves, &mut events).unwrap();
            assert_eq!(words.made.get(), nodes, "{leaves} leaves, cut after {cut}");
            let found = |event: &&Event| {
                matches!(
                    event,
                    Event::Wrapped { found: true, .. }
                        | Event::Folded { found: true, .. }
                        | Event::Null { found: true, .. }
                )
            };
            assert_eq!(events.iter().filter(found).count() as u32, cut);
            assert!(!directory.path().join("wrap-00.17.new").exists());
            assert!(directory.path().join("notes.new").exists());
        }
    }
}

#[test]
fn a_stored_node_that_does_not_hold_is_said_and_made_again() {
    let directory = tempfile::tempdir().unwrap();
    let words = Words::new(0);
    let root = run(&words, directory.path(), 4, &mut Vec::new()).unwrap();
    assert_eq!(words.made.get(), 7);
    for content in [b"forged".to_vec(), vec![], vec![b'x'; 5000]] {
        let names: Vec<_> = fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
        let fold = names.iter().find(|path| path.to_string_lossy().contains("/fold-")).unwrap();
        fs::write(fold, content).unwrap();
        words.made.set(0);
        let mut events = Vec::new();
        assert_eq!(run(&words, directory.path(), 4, &mut events).unwrap(), root);
        assert_eq!(words.made.get(), 1);
        let name = fold.file_name().unwrap().to_str().unwrap();
        assert!(
            events.iter().any(|event| matches!(event, Event::Discarded { name: it, .. } if it == name)),
            "{events:?}"
        );
    }
}

#[test]
fn nodes_of_other_circuits_or_other_leaves_are_not_taken() {
    let directory = tempfile::tempdir().unwrap();
    run(&Words::new(0), directory.path(), 4, &mut Vec::new()).unwrap();
    let other = Words::new(1);
    run(&other, directory.path(), 4, &mut Vec::new()).unwrap();
    assert_eq!(other.made.get(), 7);
    let words = Words::new(0);
    run(&words, directory.path(), 6, &mut Vec::new()).unwrap();
    // Two leaves, their fold, and the fold of all; the first four are there.
    assert_eq!(words.made.get(), 4);
}

#[test]
fn a_directory_is_used_by_one_process_at_a_time_and_says_what_is_wrong_with_it() {
    let directory = tempfile::tempdir().unwrap();
    let state = State::open(directory.path()).unwrap();
    assert!(matches!(State::open(directory.path()), Err(StateError::InUse { .. })));
    drop(state);
    State::open(directory.path()).unwrap();
    let file = directory.path().join("file");
    fs::write(&file, "").unwrap();
    assert!(matches!(State::open(&file), Err(StateError::Directory { .. })));
}
