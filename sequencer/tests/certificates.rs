//! Certificates and proofs of possession are commonware's, byte for byte and verdict for verdict.
#![allow(clippy::unwrap_used)]

use blst::min_sig::{AggregateSignature, SecretKey};
use commonware_codec::{DecodeExt, Encode, Read as _};
use commonware_consensus::{
    simplex::{
        scheme::bls12381_multisig,
        types::{Finalization, Finalize, Proposal},
    },
    types::{Epoch, Round, View},
};
use commonware_cryptography::{
    Signer as _,
    bls12381::primitives::{
        group::{G1, G2, Private},
        ops::verify_proof_of_possession,
        variant::MinSig,
    },
    certificate::Verifier as _,
    ed25519,
    sha256::Digest,
};
use commonware_parallel::Sequential;
use commonware_utils::{TryFromIterator as _, iter::NonEmpty, ordered::BiMap, test_rng};
use sinter_primitives::{
    Certificate, Committee,
    certificate::{MESSAGE_DST, Signers},
    committee::{POSSESSION_NAMESPACE, Seat, UNDRAWN_STAKE_WEI, sign_proof_of_possession},
};

const CHAIN_HASH: Digest = Digest([0x5a; 32]);
const PAYLOAD: Digest = Digest([0x77; 32]);

type Scheme = bls12381_multisig::Scheme<ed25519::PublicKey, MinSig>;
type Final = Finalization<Scheme, Digest>;

/// A committee with its secrets, in seat order.
struct Members {
    committee: Committee,
    secrets: Vec<SecretKey>,
}

impl Members {
    fn new(n: u64) -> Self {
        let mut members: Vec<(Seat, SecretKey)> = (0..n)
            .map(|member| {
                let secret = SecretKey::key_gen(&[member as u8; 32], &[]).unwrap();
                let seat = Seat {
                    node_key: ed25519::PrivateKey::from_seed(member).public_key().encode().as_ref().try_into().unwrap(),
                    bls_key: secret.sk_to_pk().compress(),
                    proof_of_possession: sign_proof_of_possession(&secret.to_bytes()).unwrap(),
                    address: "127.0.0.1:4000".into(),
                    stake_wei: UNDRAWN_STAKE_WEI,
                };
                (seat, secret)
            })
            .collect();
        members.sort_by_key(|(seat, _)| seat.node_key);
        let (seats, secrets) = members.into_iter().unzip();
        Self { committee: Committee::new(seats).unwrap(), secrets }
    }

    /// A certificate by these seats, made without commonware.
    fn certify(&self, signers: &[usize]) -> Certificate {
        let mut certificate = Certificate {
            epoch: 0,
            view: 300,
            parent_view: 299,
            payload: PAYLOAD,
            signers: Signers::new(self.secrets.len(), signers.iter().copied()).unwrap(),
            signature: [0; 48],
        };
        let message = certificate.signed_message(&CHAIN_HASH);
        let signatures: Vec<_> =
            signers.iter().map(|seat| self.secrets[*seat].sign(&message, MESSAGE_DST, &[])).collect();
        let aggregate = AggregateSignature::aggregate(&signatures.iter().collect::<Vec<_>>(), false).unwrap();
        certificate.signature = aggregate.to_signature().compress();
        certificate
    }
}

fn participants(members: &Members) -> BiMap<ed25519::PublicKey, G2> {
    let seats = members.committee.seats().iter().map(|seat| {
        let node = ed25519::PublicKey::decode(seat.node_key.to_vec()).unwrap();
        (node, G2::decode(seat.bls_key.to_vec()).unwrap())
    });
    BiMap::try_from_iter(seats).unwrap()
}

fn verifier(members: &Members) -> Scheme {
    Scheme::verifier(&CHAIN_HASH, participants(members))
}

fn finalization(members: &Members, signers: &[usize], view: u64) -> Final {
    let proposal = Proposal::new(Round::new(Epoch::new(0), View::new(view)), View::new(view - 1), PAYLOAD);
    let votes: Vec<_> = signers
        .iter()
        .map(|seat| {
            let private = Private::decode(members.secrets[*seat].to_bytes().to_vec()).unwrap();
            let scheme = Scheme::signer(&CHAIN_HASH, participants(members), private).unwrap();
            Finalize::<Scheme, Digest>::sign(&scheme, proposal.clone()).unwrap()
        })
        .collect();
    let (first, rest) = votes.split_first().unwrap();
    Final::from_finalizes(&verifier(members), NonEmpty::new(first, rest.iter()), &Sequential).unwrap()
}

#[test]
fn a_finalization_is_a_certificate() {
    for (n, signers) in [(1u64, vec![0]), (4, vec![0, 1, 3]), (7, vec![0, 1, 2, 4, 6]), (10, (0..10).collect())] {
        let members = Members::new(n);
        for view in [1, 127, 128, 70_000, u64::MAX] {
            let theirs = finalization(&members, &signers, view);
            let bytes = theirs.encode();
            let ours = Certificate::decode(bytes.clone()).unwrap();
            assert_eq!(ours.encode(), bytes);
            assert_eq!((ours.view, ours.parent_view, ours.payload), (view, view - 1, PAYLOAD));
            assert_eq!(ours.signers, Signers::new(n as usize, signers.iter().copied()).unwrap());
            ours.verify(&CHAIN_HASH, &members.committee).unwrap();
        }
    }
}

#[test]
fn a_certificate_is_a_finalization() {
    let members = Members::new(4);
    let scheme = verifier(&members);
    let verdict = |certificate: &Certificate| {
        let mut bytes = certificate.encode();
        let theirs = Final::read_cfg(&mut bytes, &scheme.certificate_codec_config()).ok()?;
        Some(theirs.verify(&mut test_rng(), &scheme, &Sequential))
    };
    let good = members.certify(&[0, 1, 2]);
    assert_eq!(verdict(&good), Some(true));
    let mut identity = [0; 48];
    identity[0] = 0xc0;
    let mut negated = good.signature;
    negated[0] ^= 0x20;
    let bad = [
        Certificate { view: good.view + 1, ..good },
        Certificate { parent_view: good.parent_view - 1, ..good },
        Certificate { epoch: 1, ..good },
        Certificate { payload: Digest([0x78; 32]), ..good },
        Certificate { signers: Signers::new(4, 0..4).unwrap(), ..good },
        Certificate { signers: Signers::new(3, 0..3).unwrap(), ..good },
        Certificate { signature: identity, ..good },
        Certificate { signature: negated, ..good },
        Certificate { signature: [0xff; 48], ..good },
        members.certify(&[0, 1]),
    ];
    for certificate in bad {
        assert!(certificate.verify(&CHAIN_HASH, &members.committee).is_err(), "{certificate:?}");
        assert_ne!(verdict(&certificate), Some(true), "{certificate:?}");
    }
}

#[test]
fn proofs_of_possession_are_commonwares() {
    let members = Members::new(4);
    let other = &members.committee.seats()[0];
    for seat in &members.committee.seats()[1..] {
        let key = G2::decode(seat.bls_key.to_vec()).unwrap();
        let proof = G1::decode(seat.proof_of_possession.to_vec()).unwrap();
        verify_proof_of_possession::<MinSig>(&key, POSSESSION_NAMESPACE, &proof).unwrap();
        let foreign = G1::decode(other.proof_of_possession.to_vec()).unwrap();
        verify_proof_of_possession::<MinSig>(&key, POSSESSION_NAMESPACE, &foreign).unwrap_err();
    }
}

#[test]
fn the_quorum_is_commonwares() {
    use commonware_utils::{Faults as _, N3f1};
    for n in 1..=24 {
        assert_eq!(Members::new(n).committee.quorum(), N3f1::quorum(n as u32));
    }
}
