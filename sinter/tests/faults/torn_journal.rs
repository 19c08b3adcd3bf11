//! The tail of a voting journal is not what was written: a crash left more than the last synchronized record.
//!
//! A vote is on disk before it is sent. So what a crash tears was never sent, and forgetting it is safe: the
//! node repairs its journal and goes on. Damage to what was synchronized before is another matter, and not
//! tested here: no journal can prove its own end, so a node whose disk lost a vote that was sent can vote again
//! in that view. See "The voting journal is sacred" in `docs/architecture.md`.

use crate::support::{load::Load, network::Network, votes::History};
use sinter_sequencer::{engine::votes_partition, votes::CONSENSUS_DIRECTORY};
use std::{
    fs::{self, OpenOptions},
    io::Write,
    path::{Path, PathBuf},
    time::Duration,
};

const VICTIM: usize = 2;

/// A name for a way to damage a journal's blob, and the way.
type Damage = (&'static str, fn(&Path));

#[test]
fn a_torn_voting_journal_is_repaired_and_nothing_is_voted_twice() {
    let mut network = Network::new(4);
    network.start();
    let load = Load::start(network.rpc_without(&[VICTIM]), Duration::from_millis(200));
    let mut history = History::default();
    let damages: [Damage; 3] =
        [("garbage after the end", garbage), ("zeros after the end", zeros), ("half a record after the end", half)];
    for (what, damage) in damages {
        let height = network.nodes[0].height().expect("an answer");
        network.wait_for_height(height + 3);
        network.nodes[VICTIM].kill();
        history.look(&network.nodes[VICTIM]);
        let blob = last_blob(&network.nodes[VICTIM].data_dir());
        println!("{what}: {}", blob.display());
        damage(&blob);
        let voted_until = history.views(VICTIM).last().copied();

        network.nodes[VICTIM].start_and_wait();
        network.wait_until_even();
        network.nodes[VICTIM].wait_for_height(network.nodes[0].height().expect("an answer") + 5, network.patience());
        history.look(&network.nodes[VICTIM]);
        let votes_again = history.views(VICTIM).last().copied() > voted_until;
        assert!(votes_again, "{what}: no vote after {voted_until:?}");
    }
    let ids: Vec<_> = load.stop().into_iter().map(|sent| sent.id).collect();
    network.assert_final_everywhere(&ids);
    network.assert_agreement();
    history.look_at_all(&network);
    history.assert_sound();
}

/// The file of the last view: files are named by view, in hex of one length.
fn last_blob(data_dir: &Path) -> PathBuf {
    let partition = data_dir.join(CONSENSUS_DIRECTORY).join(votes_partition("", 0));
    let files = fs::read_dir(&partition).unwrap().map(|entry| entry.unwrap().path());
    files.max().unwrap_or_else(|| panic!("{}: no file", partition.display()))
}

fn garbage(blob: &Path) {
    append(blob, &[0xa5; 777]);
}

/// What some file systems leave of a write whose data did not arrive.
fn zeros(blob: &Path) {
    append(blob, &[0; 4096]);
}

fn half(blob: &Path) {
    let bytes = fs::read(blob).unwrap();
    append(blob, &bytes[..bytes.len() / 2]);
}

fn append(blob: &Path, bytes: &[u8]) {
    let mut file = OpenOptions::new().append(true).open(blob).unwrap();
    file.write_all(bytes).unwrap();
}
