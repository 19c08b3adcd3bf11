//! Evidence that somebody made up: votes that an honest member sends, votes of others, of other networks, epochs and views, and bytes
//! that are no signature. None of it convicts anybody.

#![allow(clippy::unwrap_used)]

use sinter_primitives::{
    Digest,
    evidence::{Choice, Evidence, EvidenceError, SignedVote},
    testkit::Network,
};

const EPOCH: u64 = 300;
const VIEW: u64 = 70_000;

const fn notarize(number: u8) -> Choice {
    Choice::Notarize { parent_view: 5, payload: Digest([number; 32]) }
}

const fn finalize(number: u8) -> Choice {
    Choice::Finalize { parent_view: 5, payload: Digest([number; 32]) }
}

fn vote(network: &Network, seat: usize, choice: Choice) -> SignedVote {
    let message = choice.message(&network.chain.hash, EPOCH, VIEW);
    SignedVote { choice, signature: network.sign(seat, &message) }
}

fn evidence(network: &Network, seat: usize, choices: [Choice; 2]) -> Evidence {
    Evidence {
        chain_hash: network.chain.hash,
        epoch: EPOCH,
        view: VIEW,
        bls_key: network.chain.committee.seats()[seat].bls_key,
        votes: choices.map(|choice| vote(network, seat, choice)),
    }
}

#[test]
fn votes_that_exclude_each_other_convict() {
    let network = Network::new(4);
    let pairs = [
        [notarize(1), notarize(2)],
        [notarize(1), Choice::Notarize { parent_view: 4, payload: Digest([1; 32]) }],
        [finalize(1), finalize(2)],
        [Choice::Nullify, finalize(1)],
        [finalize(1), Choice::Nullify],
    ];
    for choices in pairs {
        let evidence = evidence(&network, 2, choices);
        evidence.verify(&network.chain.hash).unwrap();
        assert_eq!(evidence.seat(&network.chain.committee), Ok(2));
        let text = serde_json::to_string(&evidence).unwrap();
        assert!(text.len() <= sinter_primitives::evidence::EVIDENCE_BYTES_MAX);
        assert_eq!(serde_json::from_str::<Evidence>(&text).unwrap(), evidence);
    }
}

#[test]
fn what_an_honest_member_sends_convicts_nobody() {
    let network = Network::new(4);
    let pairs = [
        [notarize(1), notarize(1)],
        [notarize(1), finalize(1)],
        [notarize(1), finalize(2)],
        [notarize(1), Choice::Nullify],
        [Choice::Nullify, Choice::Nullify],
    ];
    for choices in pairs {
        let error = evidence(&network, 0, choices).verify(&network.chain.hash).unwrap_err();
        let [first, second] = choices;
        assert_eq!(error, EvidenceError::NoConflict { view: VIEW, first, second });
    }
}

#[test]
fn votes_of_others_and_of_elsewhere_convict_nobody() {
    let network = Network::new(4);
    let sound = evidence(&network, 1, [notarize(1), notarize(2)]);
    let foreign = |evidence: &Evidence, at: usize| {
        let error = evidence.verify(&network.chain.hash).unwrap_err();
        assert!(matches!(error, EvidenceError::Foreign { position, .. } if position == at), "{error}");
    };
    // Another seat's vote beside one's own; another seat named for both.
    let mut forged = sound.clone();
    forged.votes[1] = vote(&network, 3, notarize(2));
    foreign(&forged, 1);
    let seats = network.chain.committee.seats();
    foreign(&Evidence { bls_key: seats[3].bls_key, ..sound.clone() }, 0);
    // The same votes, of another epoch or view.
    foreign(&Evidence { epoch: EPOCH + 1, ..sound.clone() }, 0);
    foreign(&Evidence { view: VIEW + 1, ..sound.clone() }, 0);
    // A payload that was never voted for.
    let mut forged = sound.clone();
    forged.votes[0].choice = notarize(9);
    foreign(&forged, 0);
    // No signatures at all: zeros, and the identity.
    for signature in [[0; 48], std::array::from_fn(|at| if at == 0 { 0xc0 } else { 0 })] {
        let mut forged = sound.clone();
        forged.votes[1].signature = signature;
        foreign(&forged, 1);
    }
    // Another network's.
    let other = Digest([7; 32]);
    let expected = EvidenceError::OtherChain { expected: other, got: network.chain.hash };
    assert_eq!(sound.verify(&other).unwrap_err(), expected);
    let renamed = Evidence { chain_hash: other, ..sound.clone() };
    assert!(matches!(renamed.verify(&other), Err(EvidenceError::Foreign { position: 0, .. })));
    // A key that is none, and one without a seat.
    assert!(matches!(
        Evidence { bls_key: [0; 96], ..sound }.verify(&network.chain.hash),
        Err(EvidenceError::Key { .. })
    ));
    let stranger = evidence(&Network::with(4, 9, |_| ()), 0, [notarize(1), notarize(2)]);
    assert_eq!(stranger.seat(&network.chain.committee), Err(EvidenceError::NoSeat { epoch: EPOCH }));
}
