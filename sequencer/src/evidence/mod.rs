//! Evidence of misconduct: found by this node or told by a peer, checked, kept, passed on.
//!
//! ```text
//!   consensus ──► observer ──┐                 ┌──► files under `data_dir/evidence`, one for each piece
//!   peers ──► gossip ────────┴──► this store ──┼──► gossip, to every peer, once
//!                                              └──► `sinter_getEvidence`, for whoever reports it on L1
//! ```
//!
//! A key loses its stake once an epoch, whatever it does in it, so one piece of evidence is kept for each epoch, key and kind. What is kept
//! has been verified against the committee of its epoch; what peers say is verified before anything else, and a peer that sends what
//! proves nothing is cut off. A peer that is away when a piece is passed on does not hear of it again: whoever has it can report it.

mod gossip;

pub use gossip::{Gossip, MESSAGE_BYTES_MAX};

use crate::{
    consensus::{Activity, Scheme},
    file,
};
use commonware_codec::{Copying, Encode, ReadExt as _};
use commonware_consensus::{
    Epochable as _, Viewable as _,
    simplex::types::{Attributable as _, Finalize, Notarize, Nullify},
};
use commonware_utils::sync::Mutex;
use sinter_primitives::{
    Committee, Digest,
    evidence::{Choice, EVIDENCE_BYTES_MAX, Evidence, SignedVote},
};
use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, Read as _},
    path::{Path, PathBuf},
    sync::Arc,
};
use tokio::sync::broadcast;
use tracing::{error, warn};

/// Where, under a node's data directory, evidence is kept.
pub const EVIDENCE_DIRECTORY: &str = "evidence";
/// Pieces of evidence that are kept at most: what every seat of many epochs could do.
pub const EVIDENCE_MAX: usize = 4_096;
/// Anybody may read what anybody may know.
const FILE_MODE: u32 = 0o666;
/// New pieces that wait to be passed on.
const PENDING_MAX: usize = 256;

/// Why evidence could not be kept.
#[derive(Debug, thiserror::Error)]
pub enum EvidenceError {
    /// A file or the directory could not be read or written.
    #[error("evidence: {path}: {source}")]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// There is no room for more.
    #[error(
        "evidence: expected at most {EVIDENCE_MAX} pieces: report what `sinter evidence list` shows, and move its files away"
    )]
    Full,
}

/// The epoch, the key, and which of the two kinds of vote that name a block are in it.
type Key = (u64, [u8; 96], &'static str);

/// The evidence that a node has. Cheap to clone.
#[derive(Clone)]
pub struct EvidenceStore(Arc<Inner>);

struct Inner {
    /// `None` keeps it in memory only.
    directory: Option<PathBuf>,
    pieces: Mutex<BTreeMap<Key, Evidence>>,
    news: broadcast::Sender<Evidence>,
}

impl EvidenceStore {
    /// A store that forgets with the process.
    #[must_use]
    pub fn in_memory() -> Self {
        Self::with(None, BTreeMap::new())
    }

    fn with(directory: Option<PathBuf>, pieces: BTreeMap<Key, Evidence>) -> Self {
        Self(Arc::new(Inner { directory, pieces: Mutex::new(pieces), news: broadcast::Sender::new(PENDING_MAX) }))
    }

    /// The store of a network in a directory, which is made if it is not there. A file that proves nothing is left where it is, and
    /// said.
    ///
    /// # Errors
    /// [`EvidenceError::Io`].
    pub fn open(directory: &Path, chain_hash: &Digest) -> Result<Self, EvidenceError> {
        let failed = |source| EvidenceError::Io { path: directory.into(), source };
        fs::create_dir_all(directory).map_err(failed)?;
        let mut pieces = BTreeMap::new();
        for entry in fs::read_dir(directory).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            if path.extension().is_none_or(|extension| extension != "json") || pieces.len() == EVIDENCE_MAX {
                continue;
            }
            match read(&path).and_then(|evidence| Ok(evidence.verify(chain_hash).map(|()| evidence)?)) {
                Ok(evidence) => {
                    pieces.insert(key(&evidence), evidence);
                }
                Err(reason) => warn!(path = %path.display(), %reason, "a file of evidence proves nothing"),
            }
        }
        Ok(Self::with(Some(directory.into()), pieces))
    }

    /// All pieces, by epoch.
    #[must_use]
    pub fn all(&self) -> Vec<Evidence> {
        self.0.pieces.lock().values().cloned().collect()
    }

    /// Whether there is such a piece already, so that nobody needs to verify another one.
    #[must_use]
    pub fn has(&self, evidence: &Evidence) -> bool {
        self.0.pieces.lock().contains_key(&key(evidence))
    }

    /// Keeps a verified piece and passes it on. `false` where there was one already.
    ///
    /// # Errors
    /// [`EvidenceError::Full`], and then nothing happens; [`EvidenceError::Io`], and then it is kept in memory and passed on all the same.
    pub fn put(&self, evidence: &Evidence) -> Result<bool, EvidenceError> {
        let evicted = {
            let mut pieces = self.0.pieces.lock();
            let key = key(evidence);
            if pieces.contains_key(&key) {
                return Ok(false);
            }
            // The oldest goes first: its stake may have left.
            let evicted = match pieces.first_key_value() {
                Some((oldest, _)) if pieces.len() >= EVIDENCE_MAX && oldest.0 < key.0 => pieces.pop_first(),
                // What is not kept is not passed on: nobody would know that he has had it.
                _ if pieces.len() >= EVIDENCE_MAX => return Err(EvidenceError::Full),
                _ => None,
            };
            pieces.insert(key, evidence.clone());
            evicted
        };
        // Nobody listens where there is no network.
        let _ = self.0.news.send(evidence.clone());
        if let (Some(directory), Some((_, evicted))) = (&self.0.directory, evicted) {
            let path = path(directory, &evicted);
            fs::remove_file(&path).map_err(|source| EvidenceError::Io { path, source })?;
        }
        match &self.0.directory {
            Some(directory) => write(directory, evidence).map(|()| true),
            None => Ok(true),
        }
    }

    /// Keeps what consensus has verified, if it is evidence.
    pub fn take(&self, chain_hash: &Digest, committee: &Committee, activity: &Activity) {
        let Some(evidence) = evidence(chain_hash, committee, activity) else { return };
        if let Err(problem) = self.put(&evidence) {
            error!(epoch = evidence.epoch, view = evidence.view, %problem, "evidence was not kept");
        }
    }

    /// New pieces, from now on.
    #[must_use]
    pub fn subscribe(&self) -> broadcast::Receiver<Evidence> {
        self.0.news.subscribe()
    }
}

fn key(evidence: &Evidence) -> Key {
    let is_notarize = |vote: &SignedVote| matches!(vote.choice, Choice::Notarize { .. });
    let is_nullify = |vote: &SignedVote| matches!(vote.choice, Choice::Nullify);
    let kind = if evidence.votes.iter().any(is_notarize) {
        "notarize"
    } else if evidence.votes.iter().any(is_nullify) {
        "nullify-finalize"
    } else {
        "finalize"
    };
    (evidence.epoch, evidence.bls_key, kind)
}

fn read(path: &Path) -> Result<Evidence, Box<dyn std::error::Error>> {
    let mut text = String::new();
    // A byte more than there may be: what is longer does not parse.
    File::open(path)?.take(EVIDENCE_BYTES_MAX as u64 + 1).read_to_string(&mut text)?;
    Ok(serde_json::from_str(&text)?)
}

fn path(directory: &Path, evidence: &Evidence) -> PathBuf {
    let (epoch, bls_key, kind) = key(evidence);
    directory.join(format!("{epoch}-{}-{kind}.json", hex::encode(&bls_key[..16])))
}

/// Whole or not at all, and on disk when it returns.
fn write(directory: &Path, evidence: &Evidence) -> Result<(), EvidenceError> {
    let path = path(directory, evidence);
    let text = serde_json::to_string_pretty(evidence).map_err(io::Error::other);
    let written = text.and_then(|text| file::replace(&path, FILE_MODE, text.as_bytes()));
    written.map_err(|source| EvidenceError::Io { path, source })
}

/// What a seat did, from what consensus reports, in the committee of that epoch.
fn evidence(chain_hash: &Digest, committee: &Committee, activity: &Activity) -> Option<Evidence> {
    let (signer, votes) = match activity {
        Activity::ConflictingNotarize(conflict) => {
            let bytes = conflict.encode();
            let mut bytes = Copying(bytes.as_ref());
            let votes = [Notarize::read(&mut bytes).ok()?, Notarize::read(&mut bytes).ok()?];
            (conflict.signer(), votes.map(|vote| notarize(&vote)))
        }
        Activity::ConflictingFinalize(conflict) => {
            let bytes = conflict.encode();
            let mut bytes = Copying(bytes.as_ref());
            let votes = [Finalize::read(&mut bytes).ok()?, Finalize::read(&mut bytes).ok()?];
            (conflict.signer(), votes.map(|vote| finalize(&vote)))
        }
        Activity::NullifyFinalize(conflict) => {
            let bytes = conflict.encode();
            let mut bytes = Copying(bytes.as_ref());
            let nullify = Nullify::<Scheme>::read(&mut bytes).ok()?;
            let nullify = signed(Choice::Nullify, &nullify.attestation);
            (conflict.signer(), [nullify, finalize(&Finalize::read(&mut bytes).ok()?)])
        }
        _ => return None,
    };
    let [Some(first), Some(second)] = votes else { return None };
    Some(Evidence {
        chain_hash: *chain_hash,
        epoch: activity.epoch().get(),
        view: activity.view().get(),
        bls_key: committee.seats().get(signer.get() as usize)?.bls_key,
        votes: [first, second],
    })
}

type Attestation = commonware_cryptography::certificate::Attestation<Scheme>;

fn signed(choice: Choice, attestation: &Attestation) -> Option<SignedVote> {
    let bytes = attestation.encode();
    // The signer's number, and then the compressed signature.
    let signature = bytes.as_ref().last_chunk::<48>()?;
    Some(SignedVote { choice, signature: *signature })
}

fn notarize(vote: &Notarize<Scheme, Digest>) -> Option<SignedVote> {
    let (parent_view, payload) = (vote.proposal.parent.get(), vote.proposal.payload);
    signed(Choice::Notarize { parent_view, payload }, &vote.attestation)
}

fn finalize(vote: &Finalize<Scheme, Digest>) -> Option<SignedVote> {
    let (parent_view, payload) = (vote.proposal.parent.get(), vote.proposal.payload);
    signed(Choice::Finalize { parent_view, payload }, &vote.attestation)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use sinter_primitives::testkit::Network;

    fn piece(network: &Network, seat: usize, epoch: u64) -> Evidence {
        let vote = |byte| {
            let choice = Choice::Notarize { parent_view: 5, payload: Digest([byte; 32]) };
            let message = choice.message(&network.chain.hash, epoch, 9);
            SignedVote { choice, signature: network.sign(seat, &message) }
        };
        let bls_key = network.chain.committee.seats()[seat].bls_key;
        Evidence { chain_hash: network.chain.hash, epoch, view: 9, bls_key, votes: [vote(1), vote(2)] }
    }

    #[test]
    fn what_is_kept_is_there_after_a_restart_and_what_is_damaged_is_not() {
        let network = Network::new(4);
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("evidence");
        let store = EvidenceStore::open(&path, &network.chain.hash).unwrap();
        let mut news = store.subscribe();
        let pieces = [piece(&network, 0, 1), piece(&network, 0, 2), piece(&network, 3, 1)];
        for piece in &pieces {
            assert!(store.put(piece).unwrap());
            assert!(!store.put(piece).unwrap(), "a key loses its stake once an epoch");
            assert_eq!(news.try_recv().unwrap(), *piece);
        }
        assert!(news.try_recv().is_err(), "what is known is not passed on again");
        let reopened = EvidenceStore::open(&path, &network.chain.hash).unwrap();
        assert_eq!(reopened.all(), store.all());
        assert_eq!(reopened.all().len(), 3);

        // Torn, forged, and of another network: none of them counts, and none keeps the node from starting.
        let files: Vec<_> = fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()).collect();
        let text = fs::read_to_string(&files[0]).unwrap();
        fs::write(&files[0], &text[..text.len() / 2]).unwrap();
        let mut forged = piece(&network, 1, 5);
        forged.view += 1;
        fs::write(path.join("forged.json"), serde_json::to_string(&forged).unwrap()).unwrap();
        assert_eq!(EvidenceStore::open(&path, &network.chain.hash).unwrap().all().len(), 2);
        assert!(EvidenceStore::open(&path, &Digest([3; 32])).unwrap().all().is_empty());
    }

    #[test]
    fn a_disk_that_fails_is_said_and_nothing_is_lost_before_the_next_start() {
        let network = Network::new(4);
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("evidence");
        let store = EvidenceStore::open(&path, &network.chain.hash).unwrap();
        let mut news = store.subscribe();
        fs::remove_dir(&path).unwrap();
        let piece = piece(&network, 2, 1);
        assert!(matches!(store.put(&piece), Err(EvidenceError::Io { .. })));
        assert_eq!((store.all(), news.try_recv().unwrap()), (vec![piece.clone()], piece));
    }
}
