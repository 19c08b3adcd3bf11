//! The scheme that this node votes with: commonware's multi-signatures, signed by whoever has the key.
//!
//! Everything but signing is `bls12381_multisig`, down to the bytes. A signature comes from a [`Voter`]: the key in this
//! process, or a [remote signer](crate::signer). Signing is synchronous and may fail, and then the node abstains, as a voter
//! that is slow does; simplex needs no more than a quorum.

use crate::{
    keys::{BlsPublic, bls_public},
    votes::{Choice, Vote},
};
use bytes::Bytes;
use commonware_codec::Encode as _;
use commonware_consensus::{
    simplex::{
        scheme::Namespace,
        types::{Proposal, Subject},
    },
    types::{Epoch, Round, View},
};
use commonware_cryptography::{
    bls12381::{
        certificate::multisig::{Certificate, Generic},
        primitives::{
            group::Private,
            ops,
            variant::{MinSig, Variant},
        },
    },
    certificate::{self, AssemblyError, Attestation, Membership, Namespace as _, Subject as _, Verification},
    ed25519::PublicKey,
};
use commonware_parallel::Strategy;
use commonware_utils::{
    N3f1, Participant,
    iter::NonEmpty,
    ordered::{BiMap, Quorum as _, Set},
};
use rand_core::CryptoRng;
use sinter_primitives::{
    Digest,
    reveals::{Mix, REVEAL_BYTES, Term},
};
use std::{fmt, sync::Arc};

/// A signature under a vote.
pub type Signature = <MinSig as Variant>::Signature;

/// Who has the key.
pub trait Voter: fmt::Debug + Send + Sync {
    /// The key's public half.
    fn public(&self) -> BlsPublic;

    /// Signs a vote, or abstains.
    fn sign(&self, vote: &Vote) -> Option<Signature>;

    /// Signs the mix so far for a term, or reveals nothing. There is one such signature, so it may be made as often as it is asked
    /// for.
    fn reveal(&self, mix: &Mix, at: Term) -> Option<[u8; REVEAL_BYTES]>;
}

/// A key in this process.
pub struct LocalVoter {
    key: Private,
    ballot: Ballot,
}

impl LocalVoter {
    /// Votes in the network with this hash.
    #[must_use]
    pub fn new(chain: &Digest, key: Private) -> Self {
        Self { key, ballot: Ballot::new(chain) }
    }
}

impl fmt::Debug for LocalVoter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalVoter").finish_non_exhaustive()
    }
}

impl Voter for LocalVoter {
    fn public(&self) -> BlsPublic {
        bls_public(&self.key)
    }

    fn sign(&self, vote: &Vote) -> Option<Signature> {
        Some(self.ballot.sign(&self.key, vote))
    }

    fn reveal(&self, mix: &Mix, at: Term) -> Option<[u8; REVEAL_BYTES]> {
        Some(self.ballot.reveal(&self.key, mix, at))
    }
}

/// What votes look like when they are signed in one network.
#[derive(Clone, Debug)]
pub struct Ballot {
    namespace: Namespace,
    reveals: Vec<u8>,
}

impl Ballot {
    /// In the network with this hash.
    #[must_use]
    pub fn new(chain: &Digest) -> Self {
        Self { namespace: Namespace::derive(chain.as_ref()), reveals: Mix::namespace(chain) }
    }

    /// What a key reveals in a term, after the mix so far.
    #[must_use]
    pub fn reveal(&self, key: &Private, mix: &Mix, at: Term) -> [u8; REVEAL_BYTES] {
        let signature = ops::sign_message::<MinSig>(key, &self.reveals, &mix.signed(at));
        let mut reveal = [0; REVEAL_BYTES];
        reveal.copy_from_slice(&signature.encode());
        reveal
    }

    /// Whether this is what the key reveals.
    #[must_use]
    pub fn verify_reveal(&self, key: &BlsPublic, (mix, at): (&Mix, Term), signature: &Signature) -> bool {
        ops::verify_message::<MinSig>(key, &self.reveals, &mix.signed(at), signature).is_ok()
    }

    /// Signs a vote. Nothing but its fields decides what is signed.
    #[must_use]
    pub fn sign(&self, key: &Private, vote: &Vote) -> Signature {
        let (namespace, message) = self.signed(vote);
        ops::sign_message::<MinSig>(key, namespace, &message)
    }

    /// Whether this is the key's signature under the vote.
    #[must_use]
    pub fn verify(&self, key: &BlsPublic, vote: &Vote, signature: &Signature) -> bool {
        let (namespace, message) = self.signed(vote);
        ops::verify_message::<MinSig>(key, namespace, &message, signature).is_ok()
    }

    fn signed(&self, vote: &Vote) -> (&[u8], Bytes) {
        let round = Round::new(Epoch::new(vote.epoch), View::new(vote.view));
        let proposal = |parent_view, payload| Proposal::new(round, View::new(parent_view), payload);
        match vote.choice {
            Choice::Notarize { parent_view, payload } => {
                let proposal = proposal(parent_view, payload);
                self.of(&Subject::Notarize { proposal: &proposal })
            }
            Choice::Nullify => self.of(&Subject::Nullify { round }),
            Choice::Finalize { parent_view, payload } => {
                let proposal = proposal(parent_view, payload);
                self.of(&Subject::Finalize { proposal: &proposal })
            }
        }
    }

    fn of(&self, subject: &Subject<'_, Digest>) -> (&[u8], Bytes) {
        (subject.namespace(&self.namespace), subject.message())
    }
}

/// A committee's scheme, with this node's place in it.
#[derive(Clone, Debug)]
pub struct Scheme {
    committee: Generic<PublicKey, MinSig, Namespace>,
    seat: Option<(Participant, Arc<dyn Voter>)>,
}

impl Scheme {
    /// Votes for the seat of `node_key`, by whoever of `voters` has the seat's key; none where nobody has. Every proof of possession
    /// in `participants` has been checked.
    #[must_use]
    pub fn signer(
        namespace: &[u8],
        participants: BiMap<PublicKey, BlsPublic>,
        node_key: &PublicKey,
        voters: &[Arc<dyn Voter>],
    ) -> Option<Self> {
        let seat = participants.keys().index(node_key)?;
        let key = participants.value(seat.into())?;
        let voter = voters.iter().find(|voter| voter.public() == *key)?.clone();
        Some(Self { seat: Some((seat, voter)), ..Self::verifier(namespace, participants) })
    }

    /// Who votes for the seat.
    #[must_use]
    pub fn voter(&self) -> Option<&Arc<dyn Voter>> {
        self.seat.as_ref().map(|(_, voter)| voter)
    }

    /// Checks what others sign.
    #[must_use]
    pub fn verifier(namespace: &[u8], participants: BiMap<PublicKey, BlsPublic>) -> Self {
        Self { committee: Generic { participants, signer: None, namespace: Namespace::derive(namespace) }, seat: None }
    }
}

/// What a node is asked to sign, as a vote; none for payloads that are no digests of ours.
fn vote<D: commonware_cryptography::Digest>(subject: &Subject<'_, D>) -> Option<Vote> {
    let (round, choice) = match subject {
        Subject::Notarize { proposal } => {
            let (parent_view, payload) = (proposal.parent.get(), payload(proposal)?);
            (proposal.round, Choice::Notarize { parent_view, payload })
        }
        Subject::Nullify { round } => (*round, Choice::Nullify),
        Subject::Finalize { proposal } => {
            let (parent_view, payload) = (proposal.parent.get(), payload(proposal)?);
            (proposal.round, Choice::Finalize { parent_view, payload })
        }
    };
    Some(Vote { epoch: round.epoch().get(), view: round.view().get(), choice })
}

fn payload<D: commonware_cryptography::Digest>(proposal: &Proposal<D>) -> Option<Digest> {
    proposal.payload.as_ref().try_into().ok().map(Digest)
}

impl certificate::Verifier for Scheme {
    type Subject<'a, D: commonware_cryptography::Digest> = Subject<'a, D>;
    type Faults = N3f1;
    type PublicKey = PublicKey;
    type Certificate = Certificate<MinSig>;

    fn verify_certificate<R, D>(
        &self,
        rng: &mut R,
        subject: Subject<'_, D>,
        certificate: &Self::Certificate,
        _strategy: &impl Strategy,
    ) -> bool
    where
        R: CryptoRng,
        D: commonware_cryptography::Digest,
    {
        self.committee.verify_certificate::<Self, _>(rng, subject, certificate)
    }

    fn verify_certificates<'a, R, D, I>(
        &self,
        rng: &mut R,
        certificates: NonEmpty<I>,
        _strategy: &impl Strategy,
    ) -> bool
    where
        R: CryptoRng,
        D: commonware_cryptography::Digest,
        I: Iterator<Item = (Subject<'a, D>, &'a Self::Certificate)>,
    {
        self.committee.verify_certificates::<Self, _, _, _>(rng, certificates)
    }

    fn is_batchable() -> bool {
        Generic::<PublicKey, MinSig, Namespace>::is_batchable()
    }

    fn max_certificate_size(participants: u32) -> usize {
        Generic::<PublicKey, MinSig, Namespace>::max_certificate_size(participants)
    }

    fn certificate_codec_config(&self) -> usize {
        self.committee.certificate_codec_config()
    }

    fn certificate_codec_config_unbounded() -> usize {
        Generic::<PublicKey, MinSig, Namespace>::certificate_codec_config_unbounded()
    }
}

impl certificate::Scheme for Scheme {
    type Signature = Signature;

    fn me(&self) -> Option<Membership> {
        self.seat.as_ref().map(|(seat, _)| Membership::Signer(*seat))
    }

    fn participants(&self) -> &Set<PublicKey> {
        self.committee.participants()
    }

    fn sign<D: commonware_cryptography::Digest>(&self, subject: Subject<'_, D>) -> Option<Attestation<Self>> {
        let (seat, voter) = self.seat.as_ref()?;
        let signature = voter.sign(&vote(&subject)?)?;
        Some(Attestation { signer: *seat, signature: signature.into() })
    }

    fn verify_attestation<R, D>(
        &self,
        _rng: &mut R,
        subject: Subject<'_, D>,
        attestation: &Attestation<Self>,
        _strategy: &impl Strategy,
    ) -> bool
    where
        R: CryptoRng,
        D: commonware_cryptography::Digest,
    {
        self.committee.verify_attestation(subject, attestation)
    }

    fn verify_attestations<R, D, I>(
        &self,
        rng: &mut R,
        subject: Subject<'_, D>,
        attestations: I,
        strategy: &impl Strategy,
    ) -> Verification<Self>
    where
        R: CryptoRng,
        D: commonware_cryptography::Digest,
        I: IntoIterator<Item = Attestation<Self>>,
        I::IntoIter: Send,
    {
        self.committee.verify_attestations(rng, subject, attestations, strategy)
    }

    fn optimistic_assemble<'a, R, D, I, J>(
        &self,
        rng: &mut R,
        subject: Subject<'_, D>,
        pending: I,
        verified: J,
        strategy: &impl Strategy,
    ) -> Result<Self::Certificate, Verification<Self>>
    where
        R: CryptoRng,
        D: commonware_cryptography::Digest,
        I: IntoIterator<Item = Attestation<Self>>,
        I::IntoIter: ExactSizeIterator + Send,
        J: IntoIterator<Item = &'a Attestation<Self>>,
        J::IntoIter: Send,
    {
        certificate::optimistic_assemble::<Self, _, D, _, _>(self, rng, subject, pending, verified, strategy)
    }

    fn assemble<I>(
        &self,
        attestations: NonEmpty<I>,
        _strategy: &impl Strategy,
    ) -> Result<Self::Certificate, AssemblyError>
    where
        I: Iterator<Item = Attestation<Self>> + Send,
    {
        self.committee.assemble::<Self, _>(attestations)
    }

    fn is_attributable() -> bool {
        Generic::<PublicKey, MinSig, Namespace>::is_attributable()
    }
}
