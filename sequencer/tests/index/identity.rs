//! A file of another layout, another network or another process is refused in words.

use crate::support::chain::Network;
use redb::{Database, TableDefinition};
use sinter_primitives::Parameters;
use sinter_sequencer::index::{Index, IndexError, SCHEMA_VERSION};
use std::path::Path;

fn write_schema_version(path: &Path, version: u64) {
    let database = Database::open(path).unwrap();
    let transaction = database.begin_write().unwrap();
    let meta: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("meta");
    transaction.open_table(meta).unwrap().insert("schema_version", version.to_be_bytes().as_slice()).unwrap();
    transaction.commit().unwrap();
}

#[test]
fn another_schema_version_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("index");
    let network = Network::new();
    drop(Index::open(&path, network.chain.clone()).unwrap());
    for (version, remedy) in [(SCHEMA_VERSION + 1, "newer"), (SCHEMA_VERSION - 1, "empty data directory")] {
        write_schema_version(&path, version);
        let error = Index::open(&path, network.chain.clone()).unwrap_err();
        assert!(matches!(error, IndexError::SchemaVersion { got, .. } if got == version), "{error}");
        assert!(error.to_string().contains(remedy), "{error}");
    }
    write_schema_version(&path, SCHEMA_VERSION);
    Index::open(&path, network.chain).unwrap();
}

#[test]
fn another_network_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("index");
    drop(Index::open(&path, Network::new().chain).unwrap());
    let other = Network::with(2, Parameters::default()).chain;
    let error = Index::open(&path, other.clone()).unwrap_err();
    assert!(matches!(error, IndexError::OtherChain { expected, .. } if expected == other.hash), "{error}");
}

#[test]
fn a_second_process_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("index");
    let network = Network::new();
    let _held = Index::open(&path, network.chain.clone()).unwrap();
    assert!(matches!(Index::open(&path, network.chain), Err(IndexError::Busy)));
}

#[test]
fn what_is_no_database_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("index");
    std::fs::write(&path, b"not a database, and long enough to be looked at twice".repeat(100)).unwrap();
    assert!(matches!(Index::open(&path, Network::new().chain), Err(IndexError::Storage { .. })));
}
