//! Ranges that leave something out, add something, or tell it in another order.

use crate::proofs::blocks;
use sinter_primitives::{
    Accumulator, Header, Namespace, NamespaceTable,
    receipt::{HeaderChain, HeaderChainError, NamespaceRange, RangeError},
    table::{NamespaceProof, TableError},
    testkit::{Blocks, NAMESPACES, transaction},
};

fn good() -> (Blocks, NamespaceRange) {
    let blocks = blocks();
    let range = blocks.range(NAMESPACES[0], 1, 6, 6);
    range.verify(&blocks.network.trusted(), None).expect("the truth");
    (blocks, range)
}

fn refused(forge: impl FnOnce(&Blocks, &mut NamespaceRange)) -> RangeError {
    let (blocks, mut range) = good();
    forge(&blocks, &mut range);
    range.verify(&blocks.network.trusted(), None).expect_err("a forgery")
}

#[test]
fn an_omitted_transaction() {
    let error = refused(|_, range| drop(range.blocks[3].transactions.remove(1)));
    assert!(matches!(error, RangeError::TransactionCount { height: 4, expected: 5, got: 4 }));
    // With the leaf's count made to fit.
    let error = refused(|_, range| {
        range.blocks[3].transactions.pop();
        if let NamespaceProof::Active(active) = &mut range.blocks[3].proof {
            active.leaf.tx_count = 4;
        }
    });
    assert!(matches!(error, RangeError::Table { height: 4, source: TableError::Proof { .. } }));
}

#[test]
fn an_added_transaction() {
    let error = refused(|_, range| range.blocks[0].transactions.push(transaction(NAMESPACES[0], "added")));
    assert!(matches!(error, RangeError::TransactionCount { height: 1, expected: 2, got: 3 }));
    let error = refused(|_, range| range.blocks[2].transactions.push(transaction(NAMESPACES[0], "added")));
    assert!(matches!(error, RangeError::Idle { height: 3, got: 1 }));
}

#[test]
fn a_foreign_transaction() {
    let error = refused(|_, range| range.blocks[0].transactions[1] = transaction(NAMESPACES[1], "b1"));
    assert!(matches!(error, RangeError::Foreign { height: 1, got: Namespace(20), .. }));
    // Renamed, its id is another.
    let error = refused(|_, range| range.blocks[0].transactions[1] = transaction(NAMESPACES[0], "b1"));
    assert!(matches!(error, RangeError::TransactionRoot { height: 1, .. }));
}

#[test]
fn another_order() {
    let error = refused(|_, range| range.blocks[3].transactions.swap(0, 1));
    assert!(matches!(error, RangeError::TransactionRoot { height: 4, .. }));
}

#[test]
fn a_changed_payload_kind_or_expiry() {
    let error = refused(|_, range| range.blocks[3].transactions[2].payload = "other".into());
    assert!(matches!(error, RangeError::TransactionRoot { height: 4, .. }));
    let error = refused(|_, range| range.blocks[3].transactions[2].expiry_height += 1);
    assert!(matches!(error, RangeError::TransactionRoot { height: 4, .. }));
    let error = refused(|_, range| {
        range.blocks[3].transactions[2].kind = sinter_primitives::TransactionKind::Inbox;
    });
    assert!(matches!(error, RangeError::TransactionRoot { height: 4, .. }));
}

#[test]
fn swapped_heights() {
    let error = refused(|_, range| range.blocks.swap(0, 3));
    assert!(matches!(error, RangeError::Table { height: 1, source: TableError::Proof { .. } }));
    let error = refused(|_, range| range.header_chain.headers.swap(1, 2));
    assert!(matches!(error, RangeError::Headers(HeaderChainError::Height { expected: 2, got: 3 })));
}

#[test]
fn a_block_left_out() {
    let error = refused(|_, range| drop(range.blocks.remove(3)));
    assert!(matches!(error, RangeError::BlockCount { expected: 6, got: 5 }));
    // With the headers and the bounds made to fit.
    let error = refused(|_, range| {
        range.blocks.remove(3);
        range.header_chain.headers.remove(3);
        range.to_height = 5;
    });
    assert!(matches!(error, RangeError::Headers(HeaderChainError::Height { expected: 4, got: 5 })));
}

#[test]
fn an_active_height_claimed_idle() {
    // The true absence of the namespace, at a height where it was idle.
    let error = refused(|_, range| range.blocks[0] = range.blocks[1].clone());
    assert!(matches!(error, RangeError::Table { height: 1, source: TableError::Proof { .. } }));
    let error = refused(|_, range| {
        range.blocks[0].transactions.clear();
        range.blocks[0].proof = NamespaceTable::default().prove(NAMESPACES[0]);
    });
    assert!(matches!(error, RangeError::Table { height: 1, source: TableError::NotEmpty { .. } }));
}

#[test]
fn other_bounds() {
    let error = refused(|_, range| (range.from_height, range.to_height) = (6, 1));
    assert!(matches!(error, RangeError::Bounds { from_height: 6, to_height: 1 }));
    let error = refused(|_, range| (range.from_height, range.to_height) = (0, u64::MAX));
    assert!(matches!(error, RangeError::Bounds { .. }));
    let error = refused(|_, range| (range.from_height, range.to_height) = (2, 7));
    assert!(matches!(error, RangeError::FirstHeader { expected: 2, got: 1 }));
    let error = refused(|blocks, range| range.header_chain = blocks.header_chain(1, 5));
    assert!(matches!(error, RangeError::LastHeader { expected: 6, got: 5 }));
}

#[test]
fn a_certificate_for_another_header() {
    let error = refused(|blocks, range| range.header_chain.certificate = blocks.header_chain(1, 5).certificate);
    assert!(matches!(error, RangeError::Headers(HeaderChainError::Payload { height: 6, .. })));
}

#[test]
fn another_start() {
    let (blocks, range) = good();
    let other = Accumulator::genesis(1, NAMESPACES[0]);
    let error = range.verify(&blocks.network.trusted(), Some(other)).expect_err("another start");
    assert!(matches!(error, RangeError::Accumulator { height: 1, .. }));
}

/// A committee that certifies an accumulator which does not follow from what it ordered is caught by
/// whoever follows the namespace.
#[test]
fn a_wrong_accumulator_under_a_true_certificate() {
    let mut blocks = blocks();
    let height = 4;
    let leaves = blocks.tables[height].leaves().iter().map(|leaf| {
        let mut leaf = *leaf;
        if leaf.namespace == NAMESPACES[0] {
            leaf.accumulator = Accumulator::genesis(5, Namespace(5));
        }
        leaf
    });
    blocks.tables[height] = NamespaceTable::new(leaves.collect()).expect("ascending");
    blocks.blocks[height].header.namespaces_root = blocks.tables[height].root();
    relink(&mut blocks, height);
    let network = blocks.network.trusted();
    let range = |from, to| blocks.range(NAMESPACES[0], from, to, 6);
    let error = range(1, 4).verify(&network, None).expect_err("known from genesis");
    assert!(matches!(error, RangeError::Accumulator { height: 4, .. }));
    let error = range(4, 6).verify(&network, None).expect_err("the next one does not follow");
    assert!(matches!(error, RangeError::Accumulator { height: 6, .. }));
    // Without a start, nobody can tell from this one height alone.
    range(4, 5).verify(&network, None).expect("not known before");
    // The others' lanes are as they were.
    blocks.range(NAMESPACES[1], 1, 6, 6).verify(&network, None).expect("the truth");
}

/// The same for counts that the leaf claims.
#[test]
fn a_wrong_byte_count_under_a_true_certificate() {
    let mut blocks = blocks();
    let leaves = blocks.tables[2].leaves().iter().map(|leaf| {
        let mut leaf = *leaf;
        leaf.byte_count += 1;
        leaf
    });
    blocks.tables[2] = NamespaceTable::new(leaves.collect()).expect("ascending");
    blocks.blocks[2].header.namespaces_root = blocks.tables[2].root();
    relink(&mut blocks, 2);
    let range = blocks.range(NAMESPACES[1], 1, 3, 3);
    let error = range.verify(&blocks.network.trusted(), None).expect_err("a byte too many");
    assert!(matches!(error, RangeError::ByteCount { height: 2, expected: 3, got: 2 }));
}

/// Makes the headers above `height` follow it again.
fn relink(blocks: &mut Blocks, height: usize) {
    for child in height + 1..blocks.blocks.len() {
        let parent = blocks.blocks[child - 1].digest();
        blocks.blocks[child].header = Header { parent, ..blocks.blocks[child].header };
    }
}

#[test]
fn nothing_under_a_range() {
    let (blocks, mut range) = good();
    range.header_chain = HeaderChain { headers: Vec::new(), ..blocks.header_chain(1, 6) };
    let error = range.verify(&blocks.network.trusted(), None).expect_err("no headers");
    assert!(matches!(error, RangeError::Headers(HeaderChainError::Empty)));
}
