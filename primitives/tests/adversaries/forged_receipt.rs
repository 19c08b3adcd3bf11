//! Receipts for transactions that were not ordered, or not there.

use crate::proofs::blocks;
use sinter_primitives::{
    Digest, Namespace,
    merkle::ProofError,
    receipt::{HeaderChainError, Receipt, ReceiptError},
    table::TableError,
    testkit::{Blocks, NAMESPACES, transaction},
};

fn good() -> (Blocks, Receipt) {
    let blocks = blocks();
    let receipt = blocks.receipt(NAMESPACES[0], 4, 2, 6);
    receipt.verify(&blocks.network.trusted()).expect("the truth");
    (blocks, receipt)
}

fn refused(forge: impl FnOnce(&Blocks, &mut Receipt)) -> ReceiptError {
    let (blocks, mut receipt) = good();
    forge(&blocks, &mut receipt);
    receipt.verify(&blocks.network.trusted()).expect_err("a forgery")
}

#[test]
fn a_transaction_that_was_not_ordered() {
    let error = refused(|blocks, receipt| {
        receipt.transaction_id = transaction(NAMESPACES[0], "never sent").id(blocks.network.chain.file.chain_id);
    });
    assert!(matches!(error, ReceiptError::Transaction(ProofError::Root { .. })));
}

#[test]
fn another_height() {
    let error = refused(|_, receipt| receipt.height = 5);
    assert!(matches!(error, ReceiptError::Height { expected: 5, got: 4 }));
    let error = refused(|blocks, receipt| {
        receipt.height = 5;
        receipt.header_chain = blocks.header_chain(5, 6);
    });
    assert!(matches!(error, ReceiptError::Leaf(TableError::Proof { .. })));
}

#[test]
fn another_place_in_the_lane() {
    let error = refused(|_, receipt| receipt.index = 3);
    assert!(matches!(error, ReceiptError::Place { expected_index: 3, index: 2, .. }));
    let error = refused(|_, receipt| {
        receipt.index = 3;
        receipt.proof.index = 3;
    });
    assert!(matches!(error, ReceiptError::Transaction(_)));
    // A tree of another size than the leaf says.
    let error = refused(|_, receipt| receipt.proof.count = 4);
    assert!(matches!(error, ReceiptError::Place { expected_count: 5, count: 4, .. }));
}

#[test]
fn another_namespace() {
    let error = refused(|_, receipt| receipt.namespace = NAMESPACES[1]);
    assert!(matches!(error, ReceiptError::Leaf(TableError::Foreign { .. })));
    let error = refused(|_, receipt| {
        receipt.namespace = Namespace(5);
        receipt.leaf.namespace = Namespace(5);
    });
    assert!(matches!(error, ReceiptError::Leaf(TableError::Proof { .. })));
}

#[test]
fn a_leaf_of_ones_own() {
    let error = refused(|_, receipt| receipt.leaf.tx_root = Digest([3; 32]));
    assert!(matches!(error, ReceiptError::Leaf(TableError::Proof { .. })));
    let error = refused(|_, receipt| receipt.leaf.accumulator.0[31] ^= 1);
    assert!(matches!(error, ReceiptError::Leaf(TableError::Proof { .. })));
}

#[test]
fn a_header_of_ones_own() {
    let error = refused(|_, receipt| receipt.header_chain.headers[0].namespaces_root = Digest([3; 32]));
    assert!(matches!(error, ReceiptError::Headers(HeaderChainError::Parent { height: 5, .. })));
}

#[test]
fn headers_that_were_never_certified() {
    let error = refused(|_, receipt| receipt.header_chain.headers.truncate(2));
    assert!(matches!(error, ReceiptError::Headers(HeaderChainError::Payload { .. })));
    let error = refused(|_, receipt| receipt.header_chain.headers.clear());
    assert!(matches!(error, ReceiptError::Headers(HeaderChainError::Empty)));
}

/// Every single value of the document matters: any change to a digit is refused.
#[test]
fn any_changed_digit() {
    let (blocks, receipt) = good();
    let network = blocks.network.trusted();
    let json = serde_json::to_string(&receipt).expect("serializes");
    let mut accepted = Vec::new();
    for (at, digit) in json.char_indices() {
        let other = match digit {
            '0'..='8' => char::from(digit as u8 + 1),
            '9' => '8',
            'a'..='e' if json[..at].rsplit('"').next().is_some_and(|text| text.starts_with("0x")) => {
                char::from(digit as u8 + 1)
            }
            _ => continue,
        };
        let changed = format!("{}{other}{}", &json[..at], &json[at + 1..]);
        if let Ok(changed) = serde_json::from_str::<Receipt>(&changed)
            && changed.verify(&network).is_ok()
        {
            accepted.push(at);
        }
    }
    assert!(accepted.is_empty(), "accepted with a changed digit at {accepted:?} of {json}");
}
