//! Blobs that are torn, altered or gone: what can be made again is, what cannot is said.

use crate::kit::{Kit, Place};
use sinter_service::{
    Blobs, Hash, JobId,
    queue::{BatchState, JobState, Lane},
};
use std::{fs, path::PathBuf};
use tokio_util::sync::CancellationToken;

struct Disk {
    kit: Kit,
    folder: tempfile::TempDir,
}

impl Disk {
    async fn new() -> Self {
        let (mut kit, folder) = (Kit::new(Place::sqlite()).await, tempfile::tempdir().unwrap());
        kit.blobs = Blobs::local(folder.path(), 1 << 20).unwrap();
        Self { kit, folder }
    }

    fn file(&self, blob: &Hash) -> PathBuf {
        let name = blob.to_string();
        self.folder.path().join("blobs").join(&name[..2]).join(name)
    }

    fn tear(&self, word: &str) {
        fs::write(self.file(&Hash::of(word.as_bytes())), &word[..word.len() / 2]).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proof_that_is_gone_is_said_and_can_be_handed_in_again() {
    let disk = Disk::new().await;
    let kit = &disk.kit;
    let lost = kit.submit("a", "lost").await.job;
    kit.submit("a", "kept").await;
    disk.tear("lost");
    kit.work().await;
    assert_eq!(kit.state("a", lost).await, JobState::Lost);
    assert_eq!(kit.state("a", JobId(2)).await, JobState::Placed);
    let again = kit.submit("a", "lost").await;
    assert_eq!((again.job, again.state), (lost, JobState::Queued));
    kit.work().await;
    kit.close().await;
    kit.work().await;
    assert_eq!(kit.roots(BatchState::Sealed).await, ["(kept lost)"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_gone_is_made_again() {
    let disk = Disk::new().await;
    let kit = &disk.kit;
    for proof in ["one", "two", "three", "four"] {
        kit.submit("a", proof).await;
    }
    let (worker, stop) = (kit.worker("kit"), CancellationToken::new());
    while worker.step(Lane::Verify, &stop).await.unwrap() {}
    // Everything but the last fold.
    while kit.words.calls("fold") < 2 {
        assert!(worker.step(Lane::Prove, &stop).await.unwrap());
    }
    disk.tear("(one two)");
    kit.work_it_out().await;
    assert_eq!(kit.words.calls("fold (one two)"), 2);
    assert_eq!(kit.roots(BatchState::Sealed).await, ["((one two) (three four))"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_root_that_is_gone_is_made_again() {
    let disk = Disk::new().await;
    let kit = &disk.kit;
    for proof in ["one", "two", "three", "four"] {
        kit.submit("a", proof).await;
    }
    let (worker, stop) = (kit.worker("kit"), CancellationToken::new());
    for lane in [Lane::Verify, Lane::Prove] {
        while worker.step(lane, &stop).await.unwrap() {}
    }
    disk.tear("((one two) (three four))");
    disk.tear("(three four)");
    // The proofs here are their own wraps, so that this one is gone as both, and comes back with neither.
    kit.work_it_out().await;
    assert_eq!(kit.roots(BatchState::Sealed).await, ["((one two) (three four))"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leaf_that_cannot_be_made_again_leaves_its_batch_and_the_others_go_on() {
    let disk = Disk::new().await;
    let kit = &disk.kit;
    for proof in ["one", "two", "three"] {
        kit.submit("a", proof).await;
    }
    let (worker, stop) = (kit.worker("kit"), CancellationToken::new());
    while worker.step(Lane::Verify, &stop).await.unwrap() {}
    // Three wraps, and the fold of the first two, which is not begun.
    while kit.words.calls("wrap") < 3 {
        assert!(worker.step(Lane::Prove, &stop).await.unwrap());
    }
    kit.close().await;
    disk.tear("three");
    kit.work_it_out().await;
    kit.close().await;
    kit.work_it_out().await;
    assert_eq!(kit.state("a", JobId(3)).await, JobState::Lost);
    assert_eq!(kit.roots(BatchState::Sealed).await, ["(one two)"]);
    assert_eq!(kit.queue.batches(BatchState::Dissolved, 9).await.unwrap().len(), 1);
}
