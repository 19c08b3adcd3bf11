//! Headers that do not certify what they are shown for: not posted, of other blocks, committees or chains; and leaves
//! that are not in their tables.

use super::fixture::{NAMESPACE, Rollup, accumulator, block, block_with, digest};
use crate::{
    suite::{Suite, both},
    support::{Members, child, header},
};
use alloy::primitives::{B256, Bytes, U256};
use commonware_codec::Encode;
use sinter_primitives::{Accumulator, Digest, Header, table::ProvenLeaf};
use sinter_settlement::{
    light_client::{self, contract::FinalityLightClient as LightClient},
    rollup::{self, Ordered, Transition, contract::RollupSettlement as Contract},
};

/// A rollup with one statement proven, and what of its settlement may be changed.
struct Case {
    rollup: Rollup,
    chain: Vec<(sinter_settlement::hub::Place, Transition)>,
    header: Header,
    leaf: ProvenLeaf,
    post: u64,
}

impl Case {
    fn call(&self, headers: &[Header], post: u64, leaf: &ProvenLeaf) -> Bytes {
        let ordered = Ordered { headers, post, leaf };
        rollup::settle_call(self.rollup.hub.address, &self.chain, Some(&ordered))
    }

    fn word(header: &Header) -> B256 {
        B256::from_slice(&header.digest())
    }
}

async fn case(suite: &mut Suite) -> Case {
    let mut rollup = Rollup::new(suite).await;
    let chain = rollup.proves(suite, &[rollup.next(10, &[])]).await;
    let (header, leaf) = block(10);
    let post = rollup.posts(suite, &header).await;
    Case { rollup, chain, header, leaf, post }
}

async fn headers(suite: &mut Suite) {
    let mut case = case(suite).await;
    let at = case.rollup.address;
    let (own, leaf) = (case.header, case.leaf.clone());

    // Not posted: a future one, one that was never certified, the right one under another number.
    let not_posted = LightClient::NotPosted { index: 1, posts: 1 };
    suite.refuses_raw("a post to come", at, case.call(&[own], 1, &leaf), not_posted).await;
    let (uncertified, uncertified_leaf) = block_with(11, accumulator(10));
    let mismatch = |expected: &Header, got: &Header| LightClient::NotThePostedHeader {
        expected: Case::word(expected),
        got: Case::word(got),
    };
    let call = case.call(&[uncertified], 0, &uncertified_leaf);
    suite.refuses_raw("a header that nobody certified", at, call, mismatch(&own, &uncertified)).await;
    // Paths of headers.
    let count = |got: usize| Contract::HeaderCount { maximum: U256::from(256), got: U256::from(got) };
    suite.refuses_raw("no header", at, case.call(&[], 0, &leaf), count(0)).await;
    suite.refuses_raw("too many headers", at, case.call(&vec![own; 257], 0, &leaf), count(257)).await;
    let (a, b) = (child(&own, 0), child(&child(&own, 0), 0));
    case.rollup.posts(suite, &Header { view: 500, ..b }).await;
    let posted = Header { view: 500, ..b };
    let parent = |position: u64, expected: &Digest, got: &Header| Contract::NotTheParent {
        position: U256::from(position),
        expected: B256::from_slice(expected),
        got: Case::word(got),
    };
    let call = case.call(&[own, posted], 1, &leaf);
    suite.refuses_raw("a gap in the path", at, call, parent(0, &posted.parent, &own)).await;
    let call = case.call(&[a, own, posted], 1, &leaf);
    suite.refuses_raw("a path in disorder", at, call, parent(1, &posted.parent, &own)).await;
    let forged = Header { namespaces_root: digest_of(9), ..own };
    let call = case.call(&[forged, a, posted], 1, &leaf);
    suite.refuses_raw("a forged ancestor", at, call, parent(0, &own.digest(), &forged)).await;
    let (later, later_leaf) = block(30);
    case.rollup.posts(suite, &later).await;
    let call = case.call(&[own], 2, &leaf);
    suite.refuses_raw("another post's number", at, call, mismatch(&later, &own)).await;
    // Posted, of another block.
    let height = Contract::HeightMismatch { expected: 10, got: 30 };
    suite.refuses_raw("a later header", at, case.call(&[later], 2, &later_leaf), height).await;
    // A committee of an epoch that nobody registered, and strangers in this one.
    let future = Header { epoch: 1, ..header(40, 0) };
    let not_begun = LightClient::EpochNotOver { epoch: 0 };
    let post = light_client::post_call(&future, &Members::new(4, 7).certify(&future)).unwrap();
    suite.refuses_raw("a future committee's header", case.rollup.light_client, post, not_begun).await;
    let (stranger, _) = block_with(41, accumulator(10));
    let post = light_client::post_call(&stranger, &Members::new(4, 7).certify(&stranger)).unwrap();
    let invalid = LightClient::InvalidSignature {};
    suite.refuses_raw("strangers' header", case.rollup.light_client, post, invalid).await;
    // Another chain's.
    let other_chain = Header { chain_id: 78, ..own };
    let chain_id = LightClient::HeaderChainId { expected: U256::from(77), got: U256::from(78) };
    suite.refuses_raw("another chain's header", at, case.call(&[other_chain], 0, &leaf), chain_id).await;

    // What is right is taken, of all of these.
    suite.accepts_raw("settle", at, case.call(&[own], case.post, &leaf), U256::ZERO).await;
}

fn digest_of(tag: u8) -> Digest {
    Digest([tag; 32])
}

async fn leaves(suite: &mut Suite) {
    let mut case = case(suite).await;
    let at = case.rollup.address;
    let (own, leaf) = (case.header, case.leaf.clone());
    let root = B256::from_slice(&own.namespaces_root);

    let mut foreign = leaf.clone();
    foreign.leaf.namespace.0 = 30;
    let refusal = Contract::ForeignLeaf { expected: NAMESPACE.0, got: 30 };
    suite.refuses_raw("another namespace's leaf", at, case.call(&[own], 0, &foreign), refusal).await;
    let refuse_path = |proven: &ProvenLeaf| Contract::NotInTable { expected: root, got: table_root(proven) };
    let mut forged = leaf.clone();
    forged.leaf.accumulator = Accumulator(digest(9));
    suite.refuses_raw("a forged leaf", at, case.call(&[own], 0, &forged), refuse_path(&forged)).await;
    let mut moved = leaf.clone();
    moved.proof.index ^= 1;
    suite.refuses_raw("another place in the table", at, case.call(&[own], 0, &moved), refuse_path(&moved)).await;
    let mut grown = leaf.clone();
    grown.proof.count += 1;
    suite.refuses_raw("another number of leaves", at, case.call(&[own], 0, &grown), refuse_path(&grown)).await;
    let mut beyond = leaf.clone();
    beyond.proof.index = 7;
    let refusal = Contract::LeafIndexOutOfRange { count: 7, index: 7 };
    suite.refuses_raw("a place beyond the table", at, case.call(&[own], 0, &beyond), refusal).await;
    for length in [0, 2, 4] {
        let mut wrong = leaf.clone();
        wrong.proof.siblings.resize(length, digest_of(0));
        // What is missing is noticed at the first step without it.
        let expected = if length < 3 { length + 1 } else { 3 };
        let refusal = Contract::LeafPathLength { expected: U256::from(expected), got: U256::from(length) };
        suite.refuses_raw(&format!("a path of {length}"), at, case.call(&[own], 0, &wrong), refusal).await;
    }
    let mut call: Contract::settleCall = alloy::sol_types::SolCall::abi_decode(&case.call(&[own], 0, &leaf)).unwrap();
    call.ordered.leaf = leaf.leaf.encode()[..83].to_vec().into();
    let refusal = Contract::LeafLength { expected: U256::from(84), got: U256::from(83) };
    suite.refuses("a short leaf", at, &call, refusal).await;

    // The leaf is right and the statement claims another accumulator: nobody ordered what it consumed.
    let claims = Transition { accumulator: Accumulator(digest(9)), ..case.chain[0].1 };
    let honest = std::mem::replace(&mut case.chain, case.rollup.proves(suite, &[claims]).await);
    let refusal = Contract::AccumulatorMismatch { expected: accumulator(10).0.into(), got: digest(9).into() };
    suite.refuses_raw("a foreign accumulator", at, case.call(&[own], 0, &leaf), refusal).await;
    case.chain = honest;

    // A frozen light client certifies nothing.
    let conflicting = Header { body_root: digest_of(1), ..own };
    let post = light_client::post_call(&conflicting, &case.rollup.members.certify(&conflicting)).unwrap();
    suite.accepts_raw("a conflict", case.rollup.light_client, post, U256::ZERO).await;
    suite.refuses_raw("after a freeze", at, case.call(&[own], 0, &leaf), LightClient::Frozen {}).await;
}

/// Where a leaf with a path leads, reading the path as the contract does.
fn table_root(proven: &ProvenLeaf) -> B256 {
    use crate::hub::sha256;
    let mut hash = sha256(&[&[0][..], &proven.leaf.encode()].concat());
    let (mut index, mut last, mut path) = (proven.proof.index, proven.proof.count - 1, proven.proof.siblings.iter());
    while last > 0 {
        if index & 1 == 1 {
            hash = sha256(&[&[1][..], path.next().unwrap().as_ref(), &hash].concat());
        } else if index < last {
            hash = sha256(&[&[1][..], &hash, path.next().unwrap().as_ref()].concat());
        }
        (index, last) = (index >> 1, last >> 1);
    }
    B256::from(sha256(&[&[2][..], &proven.proof.count.to_be_bytes(), &hash].concat()))
}

#[tokio::test(flavor = "multi_thread")]
async fn only_certified_headers_count() {
    both(headers).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_leaves_of_the_table_count() {
    both(leaves).await;
}
