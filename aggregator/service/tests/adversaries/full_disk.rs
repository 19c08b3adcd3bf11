//! The disk is full: what cannot be kept is not taken, what was taken is not lost, and space is all that it needs to go on.

use crate::kit::{Kit, Place, job};
use bytes::Bytes;
use sinter_service::{
    Blobs,
    queue::{self, BatchState},
};
use std::{
    fs::{self, File},
    io::Write,
    process::Command,
};

/// Set in the process that has mounts of its own.
const ISOLATED: &str = "SINTER_SERVICE_ISOLATED";
const DISK: &str = "size=2m";

#[test]
#[ignore = "needs root: mounts a small file system"]
fn a_full_disk_refuses_and_loses_nothing() {
    if std::env::var_os(ISOLATED).is_none() {
        let name = "adversaries::full_disk::a_full_disk_refuses_and_loses_nothing";
        let mut command = Command::new("unshare");
        command.args(["--mount", "--propagation", "private"]).arg(std::env::current_exe().unwrap());
        let status = command.args(["--exact", name, "--include-ignored", "--nocapture"]).env(ISOLATED, "1").status();
        assert!(status.unwrap().success());
        return;
    }
    tokio::runtime::Runtime::new().unwrap().block_on(fill_and_free());
}

async fn fill_and_free() {
    let folder = tempfile::tempdir().unwrap();
    let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", DISK, "tmpfs"]).arg(folder.path()).status();
    assert!(mounted.unwrap().success());
    let url = queue::sqlite_url(&folder.path().join("queue.sqlite"));
    let mut kit = Kit::new(Place::Postgres(url)).await;
    kit.blobs = Blobs::local(folder.path(), 1 << 20).unwrap();
    kit.submit("a", "one").await;
    kit.submit("a", "two").await;

    // To the last byte.
    let ballast = folder.path().join("ballast");
    let mut file = File::create(&ballast).unwrap();
    for size in [1 << 16, 1 << 12, 1] {
        while file.write_all(&vec![0; size]).is_ok() {}
    }
    let full = kit.blobs.put(Bytes::from(vec![1; 8192])).await.unwrap_err();
    assert!(full.is_full(), "{full:?}");
    // A row may still fit into a page that is there; a thousand do not.
    let mut refused = None;
    for number in 0..1000u64 {
        let proof = sinter_service::Hash::of(&number.to_le_bytes());
        if let Err(error) = kit.queue.submit(&job("b", proof), |_| Ok(())).await {
            refused = Some(error);
            break;
        }
    }
    let refused = refused.expect("a full disk");
    assert!(refused.is_full() && refused.is_unavailable(), "{refused:?}");

    fs::remove_file(&ballast).unwrap();
    drop(file);
    for proof in ["three", "four"] {
        kit.submit("a", proof).await;
    }
    kit.work_it_out().await;
    kit.close().await;
    kit.work_it_out().await;
    let roots = kit.roots(BatchState::Sealed).await.concat();
    for proof in ["one", "two", "three", "four"] {
        assert!(roots.contains(proof), "{roots}");
    }
}
