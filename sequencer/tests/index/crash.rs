//! A kill or a full disk at any write leaves a prefix of what was applied, and the index goes on from it.

use crate::support::chain::{Network, TestChain};
use redb::StorageBackend;
use sinter_sequencer::index::{Index, IndexError, Persist};
use std::{
    io,
    sync::{
        Arc, Mutex,
        atomic::{AtomicI64, Ordering},
    },
};

/// Storage in memory that outlives its database, and fails once its writes are used up.
#[derive(Clone, Debug)]
struct FailingDisk {
    bytes: Arc<Mutex<Vec<u8>>>,
    writes_left: Arc<AtomicI64>,
}

impl FailingDisk {
    fn new(writes: i64) -> Self {
        Self { bytes: Arc::default(), writes_left: Arc::new(AtomicI64::new(writes)) }
    }

    fn spend(&self) -> io::Result<()> {
        if self.writes_left.fetch_sub(1, Ordering::SeqCst) <= 0 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        Ok(())
    }
}

impl StorageBackend for FailingDisk {
    fn len(&self) -> io::Result<u64> {
        Ok(self.bytes.lock().unwrap().len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let offset = offset as usize;
        let bytes = self.bytes.lock().unwrap();
        let source = bytes.get(offset..offset + out.len()).ok_or(io::ErrorKind::UnexpectedEof)?;
        out.copy_from_slice(source);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.spend()?;
        self.bytes.lock().unwrap().resize(len as usize, 0);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.spend()?;
        let offset = offset as usize;
        self.bytes.lock().unwrap()[offset..offset + data.len()].copy_from_slice(data);
        Ok(())
    }
}

#[test]
fn any_failed_write_leaves_a_prefix() {
    let mut chain = TestChain::new(Network::new());
    chain.grow(6);
    let mut failures = 0;
    for writes in (0..400).step_by(3) {
        let disk = FailingDisk::new(writes);
        let outcome = Index::open_on(disk.clone(), chain.network.chain.clone()).and_then(|index| {
            (1..=6).try_for_each(|height| chain.apply(&index, height, height).map(|_| ()))?;
            index.prune(3)
        });
        match outcome {
            Ok(_) => continue,
            Err(error) => assert!(error.is_disk_full(), "after {writes} writes: {error:?}"),
        }
        failures += 1;

        // Space returns.
        disk.writes_left.store(i64::MAX, Ordering::SeqCst);
        let index = match Index::open_on(disk, chain.network.chain.clone()) {
            Ok(index) => index,
            // Before the first commit there is no database yet, and nothing to lose.
            Err(IndexError::Storage { .. }) if writes < 30 => continue,
            Err(error) => panic!("after {writes} writes: {error:?}"),
        };
        let tip = index.tip().header.height;
        let ledger = index.ledger().unwrap();
        match tip {
            0 => assert_eq!(ledger, sinter_primitives::Ledger::genesis(&chain.network.chain.file)),
            _ => assert_eq!(ledger, chain.at(tip).ledger_after),
        }
        assert_eq!(chain.apply(&index, 1, 6).unwrap() as u64, 6 - tip);
        assert_eq!(index.prune(3).unwrap(), 3);
        for height in 3..=6 {
            for id in &chain.at(height).ids {
                assert_eq!(index.locate(id).unwrap().map(|location| location.height), Some(height));
            }
        }
    }
    assert!(failures > 10, "the disk failed {failures} times only");
}

#[test]
fn a_copy_of_the_file_of_a_running_node_opens_at_the_last_commit() {
    let mut chain = TestChain::new(Network::new());
    chain.grow(9);
    let directory = tempfile::tempdir().unwrap();
    let (path, copy) = (directory.path().join("index"), directory.path().join("copy"));
    let index = Index::open(&path, chain.network.chain.clone()).unwrap();
    chain.apply(&index, 1, 4).unwrap();
    // As a kill would leave it: the file was never closed.
    std::fs::copy(&path, &copy).unwrap();
    chain.apply(&index, 5, 9).unwrap();

    let reopened = Index::open(&copy, chain.network.chain.clone()).unwrap();
    assert_eq!(reopened.tip().header, chain.at(4).block.header);
    assert_eq!(chain.apply(&reopened, 1, 9).unwrap(), 5);
    assert_eq!(reopened.ledger().unwrap(), index.ledger().unwrap());
}

#[test]
fn what_is_persisted_later_is_there_at_once_and_durable_with_the_next_that_is_now() {
    let mut chain = TestChain::new(Network::new());
    chain.grow(5);
    let directory = tempfile::tempdir().unwrap();
    let (path, copy) = (directory.path().join("index"), directory.path().join("copy"));
    let index = Index::open(&path, chain.network.chain.clone()).unwrap();
    let after_a_kill = || {
        std::fs::copy(&path, &copy).unwrap();
        Index::open(&copy, chain.network.chain.clone()).unwrap().tip().header.height
    };
    chain.apply(&index, 1, 2).unwrap();
    for height in 3..=4 {
        chain.apply_as(&index, height, height, Persist::Later).unwrap();
        assert_eq!(index.snapshot().unwrap().tip().unwrap().height, height);
    }
    assert_eq!(after_a_kill(), 2);
    chain.apply(&index, 5, 5).unwrap();
    assert_eq!(after_a_kill(), 5);
}
