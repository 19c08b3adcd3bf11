//! Reveals: unique, the leader's, of their place, and nothing else.

use blst::min_sig::{PublicKey, SecretKey};
use sinter_primitives::{
    Digest,
    certificate::MESSAGE_DST,
    reveals::{Mix, RevealError, Term},
    testkit::Network,
};

const AT: Term = Term { epoch: 7, term: 3 };

#[test]
fn a_leader_reveals_and_nobody_else_for_him() {
    let network = Network::new(4);
    let (chain, committee) = (&network.chain.hash, &network.chain.committee);
    let mix = Mix::genesis(chain);
    let reveal = |seat: usize, mix: &Mix, at| mix.reveal(&network.members[seat].bls_secret, chain, at).expect("a key");
    let good = reveal(1, &mix, AT);
    let next = mix.with(&good, chain, AT, committee, 1).expect("his reveal");
    assert_ne!(next, mix);
    assert_eq!(reveal(1, &mix, AT), good, "there is one");
    assert_ne!(mix.with(&reveal(2, &mix, AT), chain, AT, committee, 2), Ok(next));

    // Another's, of another term, epoch, mix or chain.
    let foreign = Err(RevealError::Foreign { seat: 1, epoch: 7, term: 3 });
    let other = Digest([9; 32]);
    for wrong in [
        reveal(0, &mix, AT),
        reveal(1, &mix, Term { term: 4, ..AT }),
        reveal(1, &mix, Term { epoch: 8, ..AT }),
        reveal(1, &next, AT),
        mix.reveal(&network.members[1].bls_secret, &other, AT).expect("a key"),
    ] {
        assert_eq!(mix.with(&wrong, chain, AT, committee, 1), foreign);
    }
    // The other root of the same point, which is the negated signature.
    let mut negated = good;
    negated[0] ^= 0x20;
    assert_eq!(mix.with(&negated, chain, AT, committee, 1), foreign);
    assert_eq!(mix.with(&good, chain, AT, committee, 4), Err(RevealError::Seat { seats: 4, got: 4 }));
    let mut identity = [0; 48];
    identity[0] = 0xc0;
    let refused = Err(RevealError::Signature { reason: "is the identity" });
    assert_eq!(mix.with(&identity, chain, AT, committee, 1), refused);
}

/// Whoever signs a vote must not reveal by it, and the other way round.
#[test]
fn a_reveal_is_no_vote() {
    let network = Network::new(4);
    let chain = &network.chain.hash;
    let header = network.chain.genesis();
    let certificate = network.finalize(&header);
    let message = Mix::genesis(chain).message(chain, AT);
    assert_ne!(message[..42], certificate.signed_message(chain)[..42]);
    let secret = SecretKey::from_bytes(&network.members[0].bls_secret).expect("a key");
    let key: PublicKey = secret.sk_to_pk();
    let reveal = secret.sign(&message, MESSAGE_DST, &[]);
    let as_vote = reveal.verify(true, &certificate.signed_message(chain), MESSAGE_DST, &[], &key, true);
    assert_ne!(as_vote, blst::BLST_ERROR::BLST_SUCCESS);
}

/// Pinned: a mix is part of the protocol.
#[test]
fn mixes_are_pinned() {
    let network = Network::new(4);
    let (chain, committee) = (Digest([0x5a; 32]), &network.chain.committee);
    let mut mix = Mix::genesis(&chain);
    for term in 0..4 {
        let at = Term { epoch: 1, term };
        let seat = term as usize;
        let reveal = mix.reveal(&network.members[seat].bls_secret, &chain, at).expect("a key");
        mix = mix.with(&reveal, &chain, at, committee, seat).expect("his reveal");
    }
    assert_eq!(hex::encode(Mix::genesis(&chain).0), "c711257ba6c65798a4b881cb7e861e1b01c3c167d8ab98748dc14d99f1686579");
    assert_eq!(hex::encode(mix.0), "a32e45486c4b04948b009c6f2253b5bf785a4bfb4338425077b8f9ce7a440da8");
    let message = hex::encode(Mix::genesis(&chain).message(&chain, AT));
    let head = format!("27{}{}", "5a".repeat(32), hex::encode("_REVEAL"));
    let genesis = hex::encode(Mix::genesis(&chain).0);
    assert_eq!(message, format!("{head}{:016x}{:016x}{genesis}", 7, 3));
}
