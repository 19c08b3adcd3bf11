//! Header chains with gaps, foreign headers, and certificates for something else.

use crate::proofs::blocks;
use sinter_primitives::{
    Digest, Header,
    certificate::CertificateError,
    header::PROTOCOL_MAX,
    receipt::{CertifiedHeader, HeaderChain, HeaderChainError, TrustedNetwork},
    testkit::{Blocks, Network},
};

fn verify(blocks: &Blocks, chain: &HeaderChain) -> Result<(), HeaderChainError> {
    chain.verify(&blocks.network.trusted())
}

#[test]
fn nothing_at_all() {
    let blocks = blocks();
    let empty = HeaderChain { headers: Vec::new(), ..blocks.header_chain(1, 3) };
    assert!(matches!(verify(&blocks, &empty), Err(HeaderChainError::Empty)));
}

#[test]
fn more_headers_than_anybody_should_hash() {
    let blocks = blocks();
    let mut long = blocks.header_chain(1, 3);
    long.headers = vec![long.headers[0]; sinter_primitives::header_chain::HEADERS_MAX + 1];
    assert!(matches!(verify(&blocks, &long), Err(HeaderChainError::TooLong { .. })));
}

#[test]
fn a_gap() {
    let blocks = blocks();
    let mut gap = blocks.header_chain(1, 5);
    gap.headers.remove(2);
    assert!(matches!(verify(&blocks, &gap), Err(HeaderChainError::Height { expected: 3, got: 4 })));
    // Closed by a header that claims the height, but is nobody's parent.
    let mut closed = blocks.header_chain(1, 5);
    closed.headers[2].timestamp_ms += 1;
    assert!(matches!(verify(&blocks, &closed), Err(HeaderChainError::Parent { height: 4, .. })));
}

#[test]
fn a_descending_or_repeated_chain() {
    let blocks = blocks();
    let mut reversed = blocks.header_chain(1, 3);
    reversed.headers.reverse();
    assert!(verify(&blocks, &reversed).is_err());
    let mut repeated = blocks.header_chain(1, 3);
    repeated.headers.push(repeated.headers[2]);
    assert!(matches!(verify(&blocks, &repeated), Err(HeaderChainError::Height { expected: 4, got: 3 })));
    // At the end of all heights nothing follows.
    let last = Header { height: u64::MAX, ..repeated.headers[0] };
    repeated.headers = vec![last, last];
    assert!(matches!(verify(&blocks, &repeated), Err(HeaderChainError::Height { .. })));
}

#[test]
fn a_certificate_for_another_header() {
    let blocks = blocks();
    let other = HeaderChain { certificate: blocks.header_chain(1, 4).certificate, ..blocks.header_chain(1, 5) };
    assert!(matches!(verify(&blocks, &other), Err(HeaderChainError::Payload { height: 5, .. })));
    let certified = CertifiedHeader { header: blocks.blocks[4].header, certificate: other.certificate };
    certified.verify(&blocks.network.trusted()).expect("it is for this one");
    let certified = CertifiedHeader { header: blocks.blocks[5].header, ..certified };
    assert!(matches!(certified.verify(&blocks.network.trusted()), Err(HeaderChainError::Payload { .. })));
}

#[test]
fn a_certificate_made_to_fit() {
    let blocks = blocks();
    let mut fitted = HeaderChain { certificate: blocks.header_chain(1, 4).certificate, ..blocks.header_chain(1, 5) };
    fitted.certificate.payload = blocks.blocks[5].digest();
    fitted.certificate.view = blocks.blocks[5].header.view;
    assert!(matches!(verify(&blocks, &fitted), Err(HeaderChainError::Certificate(CertificateError::Invalid { .. }))));
}

#[test]
fn a_minority() {
    let blocks = blocks();
    let header = blocks.tip().header;
    let certificate = blocks.network.finalize_by(&header, header.view, &[0, 3]);
    let chain = HeaderChain { headers: vec![header], certificate };
    assert!(matches!(
        verify(&blocks, &chain),
        Err(HeaderChainError::Certificate(CertificateError::BelowQuorum { expected: 3, got: 2 }))
    ));
}

#[test]
fn another_committee_or_network() {
    let blocks = blocks();
    let strangers = Network::with(4, 9, |_| ());
    let chain = blocks.header_chain(1, 3);
    let trusted = blocks.network.trusted();
    let other_committee = TrustedNetwork { committee: strangers.chain.committee.clone(), ..trusted.clone() };
    assert!(matches!(chain.verify(&other_committee), Err(HeaderChainError::Certificate(_))));
    let other_network = TrustedNetwork { chain_hash: Digest([1; 32]), ..trusted.clone() };
    assert!(matches!(chain.verify(&other_network), Err(HeaderChainError::Certificate(_))));
    let other_chain = TrustedNetwork { chain_id: 1, ..trusted.clone() };
    assert!(matches!(chain.verify(&other_chain), Err(HeaderChainError::ChainId { height: 1, expected: 1, .. })));
    let other_epoch = TrustedNetwork { epoch: 1, ..trusted };
    assert!(matches!(chain.verify(&other_epoch), Err(HeaderChainError::Epoch { expected: 1, got: 0, .. })));
}

#[test]
fn another_epoch_or_an_earlier_view_in_the_certificate() {
    let blocks = blocks();
    let header = blocks.tip().header;
    let early = blocks.network.finalize_by(&header, header.view - 1, &[0, 1, 2]);
    let chain = HeaderChain { headers: vec![header], certificate: early };
    assert!(matches!(verify(&blocks, &chain), Err(HeaderChainError::CertificateView { .. })));
    let mut chain = blocks.header_chain(6, 6);
    chain.certificate.epoch = 1;
    assert!(matches!(verify(&blocks, &chain), Err(HeaderChainError::CertificateEpoch { expected: 0, got: 1 })));
}

#[test]
fn a_protocol_of_the_future() {
    let blocks = blocks();
    let header = Header { protocol: PROTOCOL_MAX + 1, ..blocks.tip().header };
    let certificate = blocks.network.finalize(&header);
    // Who votes is the same under all of them.
    CertifiedHeader { header, certificate }.verify(&blocks.network.trusted()).expect("a committee that votes as ever");
    let chain = HeaderChain { headers: vec![header], certificate };
    assert!(matches!(verify(&blocks, &chain), Err(HeaderChainError::Protocol { got, .. }) if got == PROTOCOL_MAX + 1));
}
