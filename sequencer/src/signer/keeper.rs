//! A key, and the memory of what it signed.

use super::{
    ballots::{Ballots, Standing},
    journal::{JOURNAL, Journal, JournalError, Record},
    message::{KEY_BYTES, Refusal, Session},
};
use crate::{
    keys::bls_public,
    mark::{self, MarkError},
    scheme::{Ballot, Signature},
    votes::Vote,
};
use commonware_codec::Encode as _;
use commonware_cryptography::bls12381::primitives::group::Private;
use sinter_primitives::{
    Chain, Digest,
    reveals::{Mix, REVEAL_BYTES, Term},
};
use std::{
    collections::BTreeMap,
    fs, io,
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
};

/// Records in the journal beyond twice what is remembered, before it is written anew.
const RECORDS_SLACK: usize = 16_384;

/// Why there is no key to sign with.
#[derive(Debug, thiserror::Error)]
pub enum KeeperError {
    /// Its directory cannot be used.
    #[error("`data_dir`: {path}: {source}")]
    Directory {
        /// The directory.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The journal failed, or is not as it was written.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The key voted elsewhere.
    #[error(transparent)]
    Mark(#[from] MarkError),
    /// The directory was signed from, and its journal is gone.
    #[error(
        "signer's journal {path}: expected the one that was written here, got none: a signer that forgot what it signed \
         could sign twice: rejoin with a new BLS key"
    )]
    Lost {
        /// The journal.
        path: PathBuf,
    },
}

/// Why a vote was not signed.
#[derive(Debug, thiserror::Error)]
pub enum SignError {
    /// It must not be.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// It could not be remembered, and the signer must end.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

/// A key, the networks that it votes in, and what it voted there.
pub struct Keeper {
    key: Private,
    public: [u8; KEY_BYTES],
    networks: BTreeMap<Digest, Ballot>,
    /// Of every network that the journal knows, whether it is signed for today or not.
    ballots: BTreeMap<Digest, Ballots>,
    journal: Journal,
}

impl Keeper {
    /// Takes up the key of `key_file` where the journal in `data_dir` says that it was left. Both are marked, as a node's
    /// key and directory are: a key that voted elsewhere, an empty directory and an old copy are refused.
    ///
    /// # Errors
    /// [`KeeperError`].
    pub fn open(key: Private, key_file: &Path, data_dir: &Path, chains: &[Chain]) -> Result<Self, KeeperError> {
        let failed = |source| KeeperError::Directory { path: data_dir.into(), source };
        fs::DirBuilder::new().recursive(true).mode(0o700).create(data_dir).map_err(failed)?;
        let path = data_dir.join(JOURNAL);
        if mark::is_marked(data_dir) && !path.try_exists().map_err(failed)? {
            return Err(KeeperError::Lost { path });
        }
        let (journal, records) = Journal::open(data_dir, public_bytes(&key))?;
        // Under the journal's lock.
        for chain in chains {
            mark::enter(&chain.hash, key_file, data_dir)?;
        }
        let networks = chains.iter().map(|chain| (chain.hash, chain.file.parameters.leader_term_views));
        Ok(Self::with(key, networks, journal, records))
    }

    /// Remembers what the journal says. Networks are given with their terms' length.
    fn with(
        key: Private,
        networks: impl Iterator<Item = (Digest, u64)>,
        journal: Journal,
        records: Vec<Record>,
    ) -> Self {
        let public = public_bytes(&key);
        let mut keeper = Self { key, public, networks: BTreeMap::new(), ballots: BTreeMap::new(), journal };
        for (chain, term_views) in networks {
            keeper.networks.insert(chain, Ballot::new(&chain));
            keeper.ballots.insert(chain, Ballots::new(term_views));
        }
        for record in records {
            match record {
                Record::Vote { chain, session, vote } => {
                    keeper.ballots(chain).insert(session, &vote);
                }
                Record::Floor { chain, floor } => keeper.ballots(chain).raise(floor),
            }
        }
        keeper
    }

    /// The key's public half.
    #[must_use]
    pub fn public(&self) -> [u8; KEY_BYTES] {
        self.public
    }

    /// Whether it signs with this key in this network.
    ///
    /// # Errors
    /// [`Refusal`] when it does not.
    pub fn check(&self, chain: &Digest, key: &[u8; KEY_BYTES]) -> Result<(), Refusal> {
        match (self.networks.contains_key(chain), *key == self.public) {
            (true, true) => Ok(()),
            (false, _) => Err(Refusal::OtherChain),
            (true, false) => Err(Refusal::OtherKey),
        }
    }

    /// Signs a vote that excludes no earlier one, once it is on disk that it was signed.
    ///
    /// # Errors
    /// [`SignError`].
    pub fn sign(&mut self, chain: Digest, session: Session, vote: &Vote) -> Result<Signature, SignError> {
        if !self.networks.contains_key(&chain) {
            return Err(Refusal::OtherChain.into());
        }
        if self.ballots(chain).check(session, vote)? == Standing::New {
            self.journal.append(&Record::Vote { chain, session, vote: *vote })?;
            if self.ballots(chain).insert(session, vote) {
                self.compact(RECORDS_SLACK)?;
            }
        }
        let ballot = self.networks.get(&chain).ok_or(Refusal::OtherChain)?;
        Ok(ballot.sign(&self.key, vote))
    }

    /// What the key reveals in a term: always the same, so nothing is remembered of it.
    ///
    /// # Errors
    /// [`Refusal::OtherChain`].
    pub fn reveal(&self, chain: &Digest, mix: &Mix, at: Term) -> Result<[u8; REVEAL_BYTES], Refusal> {
        let ballot = self.networks.get(chain).ok_or(Refusal::OtherChain)?;
        Ok(ballot.reveal(&self.key, mix, at))
    }

    fn ballots(&mut self, chain: Digest) -> &mut Ballots {
        self.ballots.entry(chain).or_insert_with(|| Ballots::new(1))
    }

    /// Writes the journal anew once most of it is forgotten, so that it stays within twice the memory and some slack.
    fn compact(&mut self, slack: usize) -> Result<(), JournalError> {
        let remembered: usize = self.ballots.values().map(|ballots| ballots.votes().count() + 1).sum();
        if self.journal.records() <= 2 * remembered + slack {
            return Ok(());
        }
        let mut records = Vec::with_capacity(remembered);
        for (chain, ballots) in &self.ballots {
            records.push(Record::Floor { chain: *chain, floor: ballots.floor() });
            records.extend(ballots.votes().map(|(session, vote)| Record::Vote { chain: *chain, session, vote }));
        }
        self.journal.rewrite(&records)
    }
}

fn public_bytes(key: &Private) -> [u8; KEY_BYTES] {
    let mut bytes = [0; KEY_BYTES];
    bytes.copy_from_slice(&bls_public(key).encode());
    bytes
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::{super::message::Position, *};
    use crate::votes::Choice;
    use commonware_math::algebra::Random as _;
    use commonware_utils::test_rng;

    const CHAIN: Digest = Digest([0xc4; 32]);
    const OTHER: Digest = Digest([0xc5; 32]);
    const SESSION: Session = Session([1; 16]);

    fn open(directory: &Path) -> Keeper {
        let key = Private::random(test_rng());
        let (journal, records) = Journal::open(directory, public_bytes(&key)).unwrap();
        Keeper::with(key, [(CHAIN, 1)].into_iter(), journal, records)
    }

    fn notarize(view: u64, payload: u8) -> Vote {
        Vote { epoch: 0, view, choice: Choice::Notarize { parent_view: view - 1, payload: Digest([payload; 32]) } }
    }

    #[test]
    fn a_journal_is_written_anew_and_loses_nothing_that_counts() {
        let dir = tempfile::tempdir().unwrap();
        let mut keeper = open(dir.path());
        // What was signed in a network that is not served today is kept as well.
        keeper.journal.append(&Record::Vote { chain: OTHER, session: SESSION, vote: notarize(5, 1) }).unwrap();
        keeper.ballots(OTHER).insert(SESSION, &notarize(5, 1));
        for view in 1..=100 {
            keeper.sign(CHAIN, SESSION, &notarize(view, 1)).unwrap();
        }
        keeper.compact(0).unwrap();
        assert_eq!(keeper.journal.records(), 101, "nothing is forgotten yet");
        keeper.ballots(CHAIN).raise(Position { epoch: 0, view: 90 });
        keeper.compact(0).unwrap();
        // Two floors, eleven votes and one.
        assert_eq!(keeper.journal.records(), 14);
        drop(keeper);

        let mut keeper = open(dir.path());
        let floor = Position { epoch: 0, view: 90 };
        let mut refused = |view| match keeper.sign(CHAIN, SESSION, &notarize(view, 2)) {
            Err(SignError::Refused(refusal)) => refusal,
            other => panic!("expected a refusal, got {other:?}"),
        };
        assert_eq!(refused(89), Refusal::BelowFloor { floor });
        assert_eq!(refused(95), Refusal::Excluded { earlier: notarize(95, 1) });
        assert_eq!(keeper.ballots(OTHER).votes().count(), 1);
        assert!(matches!(keeper.sign(OTHER, SESSION, &notarize(9, 1)), Err(SignError::Refused(Refusal::OtherChain))));
    }

    #[test]
    fn after_a_failed_write_nothing_is_signed() {
        let dir = tempfile::tempdir().unwrap();
        let mut keeper = open(dir.path());
        keeper.sign(CHAIN, SESSION, &notarize(1, 1)).unwrap();
        // The journal cannot be written anew where there is no directory.
        std::fs::remove_dir_all(dir.path()).unwrap();
        assert!(matches!(keeper.journal.rewrite(&[]), Err(JournalError::Io { .. })));
        let error = keeper.sign(CHAIN, SESSION, &notarize(2, 1)).unwrap_err();
        assert!(matches!(error, SignError::Journal(JournalError::Failed { .. })), "{error}");
    }
}
