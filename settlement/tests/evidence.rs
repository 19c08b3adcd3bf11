//! `Evidence`: votes that commonware's simplex signed, of which an honest member sends at most one, slash once; all others do not.

use crate::{
    registry::fixture::{ETHER, GOVERNOR, STAKE_MIN, TIMELOCK, account, key_hash, node_secret, parameters, secret},
    suite::{Suite, both, contract::ToldLightClient, gas_of},
    support::{CHAIN_HASH, L1_CHAIN_ID},
};
use alloy::{
    primitives::{Address, U256},
    sol_types::SolCall,
};
use commonware_codec::{Copying, DecodeExt, Encode};
use commonware_consensus::{
    simplex::{
        scheme::bls12381_multisig,
        types::{Finalize, Notarize, Nullify, Proposal},
    },
    types::{Epoch, Round, View},
};
use commonware_cryptography::{
    Signer as _,
    bls12381::primitives::{group::Private, variant::MinSig},
    ed25519::PublicKey,
};
use commonware_utils::ordered::BiMap;
use sinter_primitives::{Digest, committee, evidence::Evidence};
use sinter_settlement::{
    evidence::{self, Report, Subject, Vote, contract::Evidence as Contract},
    registry::{self, Genesis, Parameters, contract::CommitteeRegistry},
};

type Scheme = bls12381_multisig::Scheme<PublicKey, MinSig>;

const EPOCH: u64 = 300;
const VIEW: u64 = 70_000;
const REPORTER: usize = 6;

/// The scheme that the node of this number votes with, on a chain with this hash.
fn scheme(number: u8, chain_hash: &Digest) -> Scheme {
    let bls = committee::public_key(&secret(number)).unwrap();
    let keys = vec![(node_secret(number).public_key(), DecodeExt::<()>::decode(Copying(bls.as_slice())).unwrap())];
    let private = <Private as DecodeExt<()>>::decode(Copying(secret(number).as_slice())).unwrap();
    Scheme::signer(chain_hash.as_ref(), BiMap::try_from(keys).unwrap(), private).unwrap()
}

fn payload(number: u8) -> Digest {
    Digest([number; 32])
}

/// What simplex sends, whose last bytes are the signature.
fn signature(sent: impl Encode) -> [u8; 48] {
    let bytes = sent.encode();
    bytes[bytes.len() - 48..].try_into().unwrap()
}

fn sign(scheme: &Scheme, epoch: u64, view: u64, subject: Subject) -> Vote {
    let round = Round::new(Epoch::new(epoch), View::new(view));
    let signature = match subject {
        Subject::Notarize { parent_view, payload } => {
            let proposal = Proposal::new(round, View::new(parent_view), payload);
            signature(Notarize::sign(scheme, proposal).unwrap())
        }
        Subject::Nullify => signature(Nullify::sign::<Digest>(scheme, round).unwrap()),
        Subject::Finalize { parent_view, payload } => {
            let proposal = Proposal::new(round, View::new(parent_view), payload);
            signature(Finalize::sign(scheme, proposal).unwrap())
        }
    };
    Vote { choice: subject, signature }
}

const fn notarize(parent_view: u64, payload: Digest) -> Subject {
    Subject::Notarize { parent_view, payload }
}

const fn finalize(parent_view: u64, payload: Digest) -> Subject {
    Subject::Finalize { parent_view, payload }
}

/// A registry whose evidence contract this is, and who is registered with it.
struct Court {
    registry: Address,
    evidence: Address,
}

impl Court {
    async fn new(suite: &mut Suite) -> Self {
        suite.act_as(0);
        let light_client = suite.deploy("light client", ToldLightClient::BYTECODE.clone()).await;
        let parameters = Parameters { evidence: suite.next_address(1).await, ..parameters() };
        let genesis = Genesis { light_client, governor: account(GOVERNOR), timelock_s: TIMELOCK, parameters };
        let registry = suite.deploy("registry", registry::creation_code(&genesis)).await;
        let evidence = suite.deploy("evidence", evidence::creation_code(registry, &CHAIN_HASH)).await;
        Self { registry, evidence }
    }

    /// Has the keys of this number registered; gives the registrant's number.
    async fn registers(&self, suite: &mut Suite, number: u8) -> u64 {
        let owner = suite.act_as(1);
        let keys = registry::keys(&secret(number), L1_CHAIN_ID, self.registry, owner).unwrap();
        let node = registry::node(&node_secret(number), L1_CHAIN_ID, self.registry, owner, "192.0.2.1:7000");
        let call = CommitteeRegistry::registerCall { keys, node };
        suite.accepts_paid("register", self.registry, &call, U256::from(STAKE_MIN)).await;
        suite.reads(self.registry, &CommitteeRegistry::membersCall {}).await
    }

    async fn stake(&self, suite: &Suite, id: u64) -> u128 {
        suite.reads(self.registry, &CommitteeRegistry::memberCall { id }).await.stake
    }
}

/// A report by the key of this number.
fn report(number: u8, epoch: u64, view: u64, votes: [Vote; 2]) -> Report {
    let key = committee::uncompress_key(&committee::public_key(&secret(number)).unwrap()).unwrap();
    Report { key, epoch, view, votes, reporter: account(REPORTER) }
}

async fn slashing(suite: &mut Suite) {
    let court = Court::new(suite).await;
    let kinds = [
        ("notarize twice", notarize(VIEW - 1, payload(1)), notarize(VIEW - 1, payload(2))),
        ("notarize on two parents", notarize(VIEW - 1, payload(1)), notarize(VIEW - 2, payload(1))),
        ("finalize twice", finalize(VIEW - 1, payload(1)), finalize(VIEW - 1, payload(2))),
        ("nullify and finalize", Subject::Nullify, finalize(VIEW - 1, payload(1))),
        ("finalize and nullify", finalize(VIEW - 1, payload(1)), Subject::Nullify),
    ];
    for (number, (name, first, second)) in (1..).zip(kinds) {
        let id = court.registers(suite, number).await;
        let scheme = scheme(number, &CHAIN_HASH);
        let votes = [first, second].map(|subject| sign(&scheme, EPOCH, VIEW, subject));
        let call = evidence::report_call(&report(number, EPOCH, VIEW, votes)).unwrap();
        suite.act_as(REPORTER);
        suite.accepts_raw(name, court.evidence, call.clone(), U256::ZERO).await;
        assert_eq!(court.stake(suite, id).await, STAKE_MIN / 2, "{name}");
        let again = CommitteeRegistry::AlreadySlashed { member: id, epoch: EPOCH };
        suite.refuses_raw("again", court.evidence, call, again.clone()).await;
        let call = evidence::report_call(&report(number, EPOCH, VIEW, [votes[1], votes[0]])).unwrap();
        suite.refuses_raw("the other way round", court.evidence, call, again).await;
    }
    let owed = CommitteeRegistry::owedCall { reporter: account(REPORTER) };
    let reward = STAKE_MIN / 2 / 20;
    assert_eq!(suite.reads(court.registry, &owed).await, U256::from(5 * reward));
    assert!(reward < ETHER);
}

async fn innocent(suite: &mut Suite) {
    let court = Court::new(suite).await;
    let id = court.registers(suite, 1).await;
    let mine = scheme(1, &CHAIN_HASH);
    let vote = |subject| sign(&mine, EPOCH, VIEW, subject);
    let at = court.evidence;
    let call = |report: Report| evidence::report_call(&report).unwrap();
    let two = |first, second| call(report(1, EPOCH, VIEW, [first, second]));

    // What an honest member sends.
    let (one, other) = (payload(1), payload(2));
    let honest = [
        ("the same twice", notarize(1, one), notarize(1, one)),
        ("final twice", finalize(1, one), finalize(1, one)),
        ("nullify twice", Subject::Nullify, Subject::Nullify),
        ("notarize, then finalize", notarize(1, one), finalize(1, one)),
        ("notarize, then nullify", notarize(1, one), Subject::Nullify),
        ("notarize, then finalize what others did", notarize(1, one), finalize(1, other)),
    ];
    for (name, first, second) in honest {
        let kind = |subject| match subject {
            Subject::Notarize { .. } => 0,
            Subject::Nullify => 1,
            Subject::Finalize { .. } => 2,
        };
        let none = Contract::NoConflict { first: kind(first), second: kind(second) };
        suite.refuses_raw(name, at, two(vote(first), vote(second)), none).await;
    }

    // Votes of other views, epochs, chains and members, passed off as conflicting.
    let invalid = |position: u64| Contract::InvalidVote { position: U256::from(position) };
    let first = vote(notarize(1, one));
    let second = notarize(1, other);
    let stray = [
        ("another view", sign(&mine, EPOCH, VIEW + 1, second)),
        ("another epoch", sign(&mine, EPOCH + 1, VIEW, second)),
        ("epoch and view swapped", sign(&mine, VIEW, EPOCH, second)),
        ("another chain", sign(&scheme(1, &payload(9)), EPOCH, VIEW, second)),
        ("another member", sign(&scheme(2, &CHAIN_HASH), EPOCH, VIEW, second)),
        ("a vote to finalize as one to notarize", Vote { choice: second, ..vote(finalize(1, other)) }),
    ];
    for (name, stray) in stray {
        suite.refuses_raw(name, at, two(first, stray), invalid(1)).await;
        suite.refuses_raw(name, at, two(stray, first), invalid(0)).await;
    }
    // Whoever gives a view up may finalize a later one.
    let later = sign(&mine, EPOCH, VIEW + 1, finalize(VIEW, one));
    suite.refuses_raw("nullify, then finalize a later view", at, two(vote(Subject::Nullify), later), invalid(1)).await;
    let late = call(report(1, EPOCH, VIEW + 1, [vote(Subject::Nullify), later]));
    suite.refuses_raw("nullify of an earlier view", at, late, invalid(0)).await;
    // Both sound, of another epoch than is said, so that nobody is slashed twice for one epoch.
    let elsewhere = call(report(1, EPOCH + 1, VIEW, [first, vote(second)]));
    suite.refuses_raw("under another epoch", at, elsewhere, invalid(0)).await;

    // Keys.
    let theirs = call(report(2, EPOCH, VIEW, [first, vote(second)]));
    suite.refuses_raw("another's key", at, theirs, invalid(0)).await;
    let votes = [notarize(1, one), second].map(|subject| sign(&scheme(2, &CHAIN_HASH), EPOCH, VIEW, subject));
    let stranger = call(report(2, EPOCH, VIEW, votes));
    let keys = registry::keys(&secret(2), L1_CHAIN_ID, court.registry, account(1)).unwrap();
    let unknown = CommitteeRegistry::KeyUnknown { keyHash: key_hash(&keys) };
    suite.refuses_raw("who is not registered", at, stranger, unknown).await;
    let mut none = report(1, EPOCH, VIEW, [first, vote(second)]);
    none.key[0] ^= 0x80;
    suite.refuses_raw("a key that is none", at, call(none), Contract::InvalidPoint {}).await;
    let mut short = Contract::reportCall::abi_decode(&two(first, vote(second))).unwrap();
    short.key = short.key[..191].to_vec().into();
    let length = Contract::KeyLength { expected: U256::from(192), got: U256::from(191) };
    suite.refuses("a key too short", at, &short, length).await;

    assert_eq!(court.stake(suite, id).await, STAKE_MIN, "nothing of it cost him anything");
    // What convinces the contract convinces everybody else, and the other way round.
    let bls_key = committee::public_key(&secret(1)).unwrap();
    let piece = |votes| Evidence { chain_hash: CHAIN_HASH, epoch: EPOCH, view: VIEW, bls_key, votes };
    let sound = piece([first, vote(second)]);
    sound.verify(&CHAIN_HASH).unwrap();
    assert_eq!(Report::new(&sound, account(REPORTER)).unwrap(), report(1, EPOCH, VIEW, sound.votes));
    for subject in [notarize(1, one), Subject::Nullify, finalize(1, one)] {
        let signed = vote(subject);
        assert!(piece([signed, signed]).verify(&CHAIN_HASH).is_err());
    }
    piece([vote(Subject::Nullify), vote(finalize(1, one))]).verify(&CHAIN_HASH).unwrap();
    for (name, stray) in stray {
        assert!(piece([first, stray]).verify(&CHAIN_HASH).is_err(), "{name}");
    }
    suite.accepts_raw("his two votes do", at, two(first, vote(second)), U256::ZERO).await;
    assert_eq!(court.stake(suite, id).await, STAKE_MIN / 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn conflicting_votes_slash_once() {
    let record = both(slashing).await;
    let gas = gas_of(&record, "notarize twice");
    println!("evidence: {gas} gas");
    assert!(gas < 500_000, "{gas}");
}

#[tokio::test(flavor = "multi_thread")]
async fn votes_that_an_honest_member_sends_do_not() {
    both(innocent).await;
}
