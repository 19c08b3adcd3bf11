//! What a node has voted: its voting journal, read back.
//!
//! Consensus writes every vote to this journal, and to disk, before it sends it. So the journal proves what a
//! seat can have signed: an operator reads it before a key moves to another machine, and answers an accusation
//! with it. Only the last views are kept; [`crate::engine`] says how many.

use crate::{
    consensus::Scheme,
    engine::{PAGE_SIZE, epoch_of_votes, votes_partition},
};
use commonware_consensus::{
    Epochable, Viewable,
    simplex::types::{Artifact, Proposal},
};
use commonware_cryptography::certificate::Verifier as _;
use commonware_runtime::{ReadOptions, Runner as _, Supervisor as _, buffer::paged::CacheRef, tokio};
use commonware_storage::journal::segmented::variable::{Config, Journal};
use commonware_utils::NZUsize;
use serde::{Deserialize, Serialize};
use sinter_primitives::Digest;
pub use sinter_primitives::evidence::Choice;
use std::{
    collections::BTreeMap,
    fs, io,
    num::NonZeroUsize,
    path::{Path, PathBuf},
};

/// Where, under a node's data directory, consensus keeps its partitions.
pub const CONSENSUS_DIRECTORY: &str = "consensus";
const PAGES: NonZeroUsize = NZUsize!(64);
const BUFFER_BYTES: NonZeroUsize = NZUsize!(64 << 10);

/// Why a voting journal could not be read.
#[derive(Debug, thiserror::Error)]
pub enum VotesError {
    /// A file or directory could not be read or copied.
    #[error("voting journal: {path}: {source}")]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// There is none.
    #[error("voting journal: expected one in {path}, found none")]
    None {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// Its contents are not a voting journal of this chain.
    #[error("voting journal {path}: {message}")]
    Damaged {
        /// The journal.
        path: PathBuf,
        /// What is wrong.
        message: String,
    },
}

/// One vote.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Vote {
    /// The epoch.
    pub epoch: u64,
    /// The view.
    pub view: u64,
    /// What for.
    #[serde(flatten)]
    pub choice: Choice,
}

/// Pairs of votes of one view that exclude each other: what nobody may ever sign.
#[must_use]
pub fn conflicts(votes: &[Vote]) -> Vec<(Vote, Vote)> {
    let mut views: BTreeMap<(u64, u64), Vec<Vote>> = BTreeMap::new();
    for vote in votes {
        views.entry((vote.epoch, vote.view)).or_default().push(*vote);
    }
    let mut conflicts = Vec::new();
    for votes in views.values() {
        for (place, first) in votes.iter().enumerate() {
            let later = votes.iter().skip(place + 1);
            conflicts
                .extend(later.filter(|second| first.choice.excludes(&second.choice)).map(|second| (*first, *second)));
        }
    }
    conflicts
}

/// The votes in the journals under `data_dir`, by epoch and view, in the order in which they were cast.
///
/// Reads a copy: opening a journal repairs its tail, and the original is the node's alone. What a running node
/// writes meanwhile may or may not be seen.
///
/// # Errors
/// [`VotesError`].
pub fn read(data_dir: &Path) -> Result<Vec<Vote>, VotesError> {
    let originals = data_dir.join(CONSENSUS_DIRECTORY);
    let storage = tempfile::tempdir().map_err(|source| VotesError::Io { path: std::env::temp_dir(), source })?;
    let epochs = epochs(&originals)?;
    for epoch in &epochs {
        let partition = votes_partition("", *epoch);
        copy(&originals.join(&partition), &storage.path().join(&partition))?;
    }
    let config = tokio::Config::new().with_worker_threads(1).with_storage_directory(storage.path());
    let votes = tokio::Runner::new(config).start(|context| async move {
        let mut votes = Vec::new();
        for epoch in epochs {
            votes.extend(replay(&context, epoch).await?);
        }
        Ok(votes)
    });
    votes.map_err(|error: commonware_storage::journal::Error| VotesError::Damaged {
        path: originals,
        message: error.to_string(),
    })
}

/// The epochs that there is a journal of, ascending; at least one.
fn epochs(directory: &Path) -> Result<Vec<u64>, VotesError> {
    let failed = |source| VotesError::Io { path: directory.into(), source };
    let mut epochs = Vec::new();
    for entry in fs::read_dir(directory).map_err(failed)? {
        let name = entry.map_err(failed)?.file_name();
        epochs.extend(name.to_str().and_then(epoch_of_votes));
    }
    epochs.sort_unstable();
    if epochs.is_empty() {
        return Err(VotesError::None { path: directory.into() });
    }
    Ok(epochs)
}

fn copy(from: &Path, to: &Path) -> Result<(), VotesError> {
    let failed = |path: &Path| {
        let path = path.to_path_buf();
        move |source| VotesError::Io { path, source }
    };
    fs::create_dir(to).map_err(failed(to))?;
    for entry in fs::read_dir(from).map_err(failed(from))? {
        let entry = entry.map_err(failed(from))?;
        match fs::copy(entry.path(), to.join(entry.file_name())) {
            Ok(_) => {}
            // A running node prunes old views while they are listed.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(failed(&entry.path())(error)),
        }
    }
    Ok(())
}

async fn replay(context: &tokio::Context, epoch: u64) -> Result<Vec<Vote>, commonware_storage::journal::Error> {
    let config = Config {
        partition: votes_partition("", epoch),
        compression: None,
        codec_config: Scheme::certificate_codec_config_unbounded(),
        page_cache: CacheRef::new(PAGE_SIZE, PAGES),
        write_buffer: BUFFER_BYTES,
    };
    let journal =
        Journal::<_, Artifact<Scheme, Digest>>::init(context.child("votes").with_attribute("epoch", epoch), config)
            .await?;
    let mut replay = journal.replay(0, 0, BUFFER_BYTES, ReadOptions::DONT_CACHE).await?;
    let mut votes = Vec::new();
    while let Some(artifact) = replay.next().await {
        let (_, _, _, artifact) = artifact?;
        let choice = match &artifact {
            Artifact::Notarize(vote) => notarize(&vote.proposal),
            Artifact::Nullify(_) => Choice::Nullify,
            Artifact::Finalize(vote) => finalize(&vote.proposal),
            // What others voted, together.
            Artifact::Notarization(_)
            | Artifact::Certification(..)
            | Artifact::Nullification(_)
            | Artifact::Finalization(_) => continue,
        };
        votes.push(Vote { epoch: artifact.epoch().get(), view: artifact.view().get(), choice });
    }
    Ok(votes)
}

fn notarize(proposal: &Proposal<Digest>) -> Choice {
    Choice::Notarize { parent_view: proposal.parent.get(), payload: proposal.payload }
}

fn finalize(proposal: &Proposal<Digest>) -> Choice {
    Choice::Finalize { parent_view: proposal.parent.get(), payload: proposal.payload }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const NOTARIZE: Choice = Choice::Notarize { parent_view: 6, payload: Digest([1; 32]) };
    const FINALIZE: Choice = Choice::Finalize { parent_view: 6, payload: Digest([1; 32]) };

    fn vote(view: u64, choice: Choice) -> Vote {
        Vote { epoch: 0, view, choice }
    }

    #[test]
    fn an_honest_view_has_no_conflict() {
        let honest = [vote(7, NOTARIZE), vote(7, FINALIZE), vote(8, NOTARIZE), vote(8, Choice::Nullify)];
        assert!(conflicts(&honest).is_empty());
        // A vote that is written twice is one vote.
        assert!(conflicts(&[vote(7, NOTARIZE), vote(7, NOTARIZE)]).is_empty());
    }

    #[test]
    fn votes_that_exclude_each_other_are_found() {
        for (first, second) in [
            (NOTARIZE, Choice::Notarize { parent_view: 6, payload: Digest([2; 32]) }),
            (NOTARIZE, Choice::Notarize { parent_view: 5, payload: Digest([1; 32]) }),
            (FINALIZE, Choice::Finalize { parent_view: 6, payload: Digest([2; 32]) }),
            (FINALIZE, Choice::Nullify),
            (Choice::Nullify, FINALIZE),
        ] {
            assert_eq!(conflicts(&[vote(7, first), vote(7, second)]).len(), 1, "{first:?} {second:?}");
            assert!(conflicts(&[vote(7, first), vote(8, second)]).is_empty());
        }
    }

    #[test]
    fn votes_are_written_as_flat_objects() {
        let expected =
            format!(r#"{{"epoch":0,"view":7,"kind":"notarize","parent_view":6,"payload":"0x{}"}}"#, "01".repeat(32));
        let text = serde_json::to_string(&vote(7, NOTARIZE)).unwrap();
        assert_eq!(text, expected);
        assert_eq!(serde_json::from_str::<Vote>(&text).unwrap(), vote(7, NOTARIZE));
    }
}
