//! Whatever is asked, by however many, the key signs no two votes that exclude each other.

use super::harness::{Fixture, finalize, notarize, nullify};
use sinter_primitives::{
    Digest,
    reveals::{Mix, Term},
};
use sinter_sequencer::{
    keys,
    mark::{self, MarkError},
    scheme::{LocalVoter, Voter as _},
    signer::{Answer, JOURNAL, KeeperError, RECORD_BYTES, Refusal, Request},
    votes::conflicts,
};
use std::fs;

#[test]
fn a_signature_is_what_the_key_itself_would_sign() {
    let fixture = Fixture::new();
    let _signer = fixture.unix();
    let voter = fixture.voter();
    let local = LocalVoter::new(&fixture.committee.chain.hash, keys::read_bls_key(fixture.key_file(), None).unwrap());
    for vote in [notarize(7, 1), finalize(7, 1), nullify(8)] {
        let signature = voter.sign(&vote);
        assert_eq!(signature, local.sign(&vote), "{vote:?}");
        assert_eq!(signature, voter.sign(&vote), "{vote:?}, again");
    }
}

#[test]
fn two_nodes_that_disagree_get_one_vote_signed() {
    let fixture = Fixture::new();
    let _signer = fixture.unix();
    let (one, other) = (fixture.voter(), fixture.voter());
    for (view, first, second) in [
        (1, notarize(1, 1), notarize(1, 2)),
        (2, finalize(2, 1), finalize(2, 2)),
        (3, finalize(3, 1), nullify(3)),
        (4, nullify(4), finalize(4, 1)),
    ] {
        assert!(one.sign(&first).is_some(), "view {view}");
        assert_eq!(other.sign(&second), None, "view {view}");
        assert_eq!(one.sign(&second), None, "view {view}");
        assert_eq!(other.sign(&first), one.sign(&first), "view {view}");
    }
}

/// Eight nodes race through the same views, each for a block of its own.
#[test]
fn nodes_that_race_get_one_vote_signed() {
    let fixture = Fixture::new();
    let _signer = fixture.unix();
    let signed: Vec<_> = std::thread::scope(|scope| {
        let racers: Vec<_> = (0..8)
            .map(|racer| {
                let voter = fixture.voter();
                scope.spawn(move || {
                    let votes = (1..=20).flat_map(|view| [notarize(view, racer), finalize(view, racer), nullify(view)]);
                    votes.filter(|vote| voter.sign(vote).is_some()).collect::<Vec<_>>()
                })
            })
            .collect();
        racers.into_iter().flat_map(|racer| racer.join().unwrap()).collect()
    });
    assert!(conflicts(&signed).is_empty());
    // Somebody won each view, with one notarize and either a finalize or a nullify.
    for view in 1..=20 {
        assert!(signed.iter().filter(|vote| vote.view == view).count() >= 2, "view {view}");
    }
}

#[test]
fn refusals_say_why() {
    let fixture = Fixture::new();
    let _signer = fixture.unix();
    let mut node = fixture.connect();
    assert!(matches!(node.ask(&Request::Sign(notarize(7, 1)).encode()), Some(Answer::Signed(_))));
    let earlier = notarize(7, 1);
    let expected = Some(Answer::Refused(Refusal::Excluded { earlier }));
    assert_eq!(node.ask(&Request::Sign(notarize(7, 2)).encode()), expected);
    // There is one reveal in a term, given whenever it is asked for.
    let reveal = Request::Reveal(Mix(Digest([8; 32])), Term { epoch: 3, term: 7 }).encode();
    let revealed = node.ask(&reveal);
    assert!(matches!(revealed, Some(Answer::Signed(_))));
    assert_eq!(node.ask(&reveal), revealed);
    assert!(matches!(node.ask(&Request::Sign(nullify(7)).encode()), Some(Answer::Signed(_))));
}

#[test]
fn a_signer_that_starts_again_remembers() {
    let fixture = Fixture::new();
    let signer = fixture.unix();
    let first = fixture.voter().sign(&notarize(7, 1));
    assert!(first.is_some());
    drop(signer);
    let _signer = fixture.unix();
    let voter = fixture.voter();
    assert_eq!(voter.sign(&notarize(7, 2)), None);
    assert_eq!(voter.sign(&notarize(7, 1)), first);
}

/// The answer was never sent, but what it would have said is on disk: so it is with a crash before the vote was whole,
/// which nobody has seen, and only so.
#[test]
fn a_vote_counts_from_when_it_is_whole_on_disk() {
    let fixture = Fixture::new();
    drop((fixture.unix(), fixture.voter().sign(&notarize(7, 1))));
    let journal = fixture.data_dir().join(JOURNAL);
    let whole = fs::read(&journal).unwrap();
    for torn in [1, RECORD_BYTES / 2, RECORD_BYTES - 1] {
        fs::write(&journal, &whole[..whole.len() - torn]).unwrap();
        let signer = fixture.unix();
        assert!(fixture.voter().sign(&notarize(7, 2)).is_some(), "{torn} bytes short");
        drop(signer);
    }
    fs::write(&journal, &whole).unwrap();
    let _signer = fixture.unix();
    assert_eq!(fixture.voter().sign(&notarize(7, 2)), None);
}

#[test]
fn a_key_is_bound_to_its_journal() {
    let fixture = Fixture::new();
    let lost = fixture.data_dir();
    drop(fixture.keeper(&lost).unwrap());
    let Err(KeeperError::Mark(error)) = fixture.keeper(&fixture.data_dir().with_extension("empty")) else {
        panic!("expected an empty directory to be refused");
    };
    assert!(matches!(error, MarkError::OtherDirectory { .. }), "{error}");
    fs::remove_file(lost.join(JOURNAL)).unwrap();
    assert!(matches!(fixture.keeper(&lost), Err(KeeperError::Lost { .. })));
}

#[test]
fn a_key_that_voted_in_a_node_is_refused() {
    let fixture = Fixture::new();
    let node = tempfile::tempdir().unwrap();
    mark::enter(&fixture.committee.chain.hash, fixture.key_file(), node.path()).unwrap();
    assert!(matches!(fixture.keeper(&fixture.data_dir()), Err(KeeperError::Mark(MarkError::OtherDirectory { .. }))));
}
