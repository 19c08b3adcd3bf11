//! Ends of epochs that did not end so: other committees, other headers, minorities, epochs left out. A verifier that follows stays where
//! it is.

#![allow(clippy::unwrap_used)]

use sinter_primitives::{
    Digest, Header,
    hand_over::{HandOver, HandOverError},
    header_chain::{CertifiedHeader, HeaderChainError},
    network::TrustedNetwork,
    testkit::Network,
};

const EPOCH_BLOCKS: u64 = 100;

/// The end of an epoch, which `from` signs and which names `to`. Both have the first one's name.
fn hand_over(chain: &Network, epoch: u64, from: &Network, to: &Network) -> HandOver {
    let header = Header {
        height: (epoch + 1) * EPOCH_BLOCKS - 1,
        epoch,
        view: 7,
        next_committee: to.chain.committee.digest(),
        ..chain.chain.genesis()
    };
    let certificate = from.finalize_for(&chain.chain.hash, &header);
    HandOver { header, certificate, seats: to.chain.committee.seats().to_vec() }
}

/// Three committees, of which the first is the chain's own.
fn committees() -> [Network; 3] {
    [Network::new(4), Network::with(7, 3, |_| ()), Network::with(1, 9, |_| ())]
}

#[test]
fn who_trusts_genesis_follows_to_any_epoch() {
    let all = committees();
    let of = |epoch: u64| if epoch < 2 { &all[0] } else { &all[(epoch % 3) as usize] };
    let mut trusted = all[0].trusted();
    for epoch in 0..20 {
        let end = hand_over(&all[0], epoch, of(epoch), of(epoch + 2));
        let text = serde_json::to_string(&end).unwrap();
        trusted.hand_over(&serde_json::from_str(&text).unwrap()).unwrap();
        assert_eq!((trusted.epoch, &trusted.committee), (epoch + 1, &of(epoch + 1).chain.committee));
        assert_eq!(trusted.committee_of(epoch + 2), Some(&of(epoch + 2).chain.committee));
        assert!(trusted.committee_of(epoch).is_none() && trusted.committee_of(epoch + 3).is_none());
        // Both of its epochs' headers convince it, and no other's.
        for known in [epoch + 1, epoch + 2] {
            let end = hand_over(&all[0], known, of(known), of(known + 2));
            let certified = CertifiedHeader { header: end.header, certificate: end.certificate };
            certified.verify(&trusted).unwrap();
        }
        let certified = CertifiedHeader { header: end.header, certificate: end.certificate };
        assert!(matches!(certified.verify(&trusted), Err(HeaderChainError::Epoch { .. })));
        let file = serde_json::to_vec(&trusted).unwrap();
        assert_eq!(TrustedNetwork::parse(&file).unwrap(), trusted);
    }
}

#[test]
fn what_did_not_happen_is_not_followed() {
    let all = committees();
    let [own, others, third] = &all;
    let sound = hand_over(own, 0, own, others);
    let refused = |forged: HandOver| {
        let mut trusted = own.trusted();
        let error = trusted.hand_over(&forged).unwrap_err();
        assert_eq!(trusted, own.trusted(), "refused, it changes nothing");
        error
    };
    // Other seats than the header names.
    let forged = HandOver { seats: third.chain.committee.seats().to_vec(), ..sound.clone() };
    assert!(matches!(refused(forged), HandOverError::OtherCommittee { epoch: 2, .. }));
    // A header that names them, which nobody signed.
    let mut forged = hand_over(own, 0, own, third);
    forged.certificate = sound.certificate;
    assert!(matches!(refused(forged), HandOverError::Header(HeaderChainError::Payload { .. })));
    // Signed by those whom it names.
    let forged = hand_over(own, 0, others, others);
    assert!(matches!(refused(forged), HandOverError::Header(HeaderChainError::Certificate(_))));
    // A minority.
    let mut forged = sound.clone();
    forged.certificate = own.finalize_by(&sound.header, 7, &[1, 2]);
    assert!(matches!(refused(forged), HandOverError::Header(HeaderChainError::Certificate(_))));
    // A header in the middle of the epoch.
    let mut forged = hand_over(own, 0, own, others);
    forged.header.next_committee = Digest([0; 32]);
    forged.certificate = own.finalize(&forged.header);
    assert!(matches!(refused(forged), HandOverError::NotLast { epoch: 0, .. }));
    // The next epoch's end, whose committee is known, before this one's; and an epoch that nobody knows.
    assert!(matches!(refused(hand_over(own, 1, own, third)), HandOverError::Epoch { expected: 0, got: 1 }));
    assert!(matches!(refused(hand_over(own, 9, own, third)), HandOverError::Epoch { expected: 0, got: 9 }));
    // Another chain's.
    let forged = hand_over(others, 0, own, third);
    assert!(matches!(refused(forged), HandOverError::Header(_)));
    // A seat without its proof of possession.
    let mut forged = sound;
    forged.seats[0].proof_of_possession = forged.seats[1].proof_of_possession;
    assert!(matches!(refused(forged), HandOverError::Committee { epoch: 2, .. }));
}
