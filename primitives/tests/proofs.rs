//! Receipts, ranges and header chains that tell the truth pass.

use sinter_primitives::{
    Accumulator, Namespace,
    receipt::{CertifiedHeader, NamespaceRange, Receipt, Verified},
    table::NamespaceProof,
    testkit::{Blocks, CHAIN_ID, NAMESPACES, Network, transaction},
};

/// Six blocks: every namespace is idle in some and active in others.
pub fn blocks() -> Blocks {
    let [a, b, c] = NAMESPACES;
    let mut blocks = Blocks::new(Network::new(4));
    blocks.order(vec![transaction(a, "a1"), transaction(a, "a2"), transaction(c, "c1")]);
    blocks.order(vec![transaction(b, "b1")]);
    blocks.order(vec![]);
    blocks.order((0..5).map(|n| transaction(a, format!("a{}", 3 + n))).chain([transaction(b, "b2")]).collect());
    blocks.order(vec![transaction(c, "c2"), transaction(c, "c3")]);
    blocks.order(vec![transaction(a, vec![7; 5000]), transaction(b, "b3"), transaction(c, "c4")]);
    blocks
}

#[test]
fn every_transaction_has_a_receipt() {
    let blocks = blocks();
    let network = blocks.network.trusted();
    for block in &blocks.blocks {
        let height = block.header.height;
        for lane in &block.body.lanes {
            for (index, transaction) in lane.transactions.iter().enumerate() {
                for certified_height in height..blocks.blocks.len() as u64 {
                    let receipt = blocks.receipt(lane.namespace, height, index as u32, certified_height);
                    let expected = Verified {
                        transaction_id: transaction.id(CHAIN_ID),
                        namespace: lane.namespace,
                        height,
                        index: index as u32,
                        timestamp_ms: block.header.timestamp_ms,
                        block: block.digest(),
                        certified_height,
                        signers: 3,
                        seats: 4,
                    };
                    assert_eq!(receipt.verify(&network).expect("the truth"), expected);
                    let json = serde_json::to_string(&receipt).expect("serializes");
                    assert_eq!(serde_json::from_str::<Receipt>(&json).expect("reads back"), receipt);
                }
            }
        }
    }
}

#[test]
fn every_range_passes() {
    let blocks = blocks();
    let network = blocks.network.trusted();
    let tip = blocks.tip().header.height;
    // One namespace that the chain does not order for, too: it is absent from every block.
    for namespace in NAMESPACES.into_iter().chain([Namespace(0), Namespace(15), Namespace(u64::MAX)]) {
        for from in 0..=tip {
            for to in from..=tip {
                let range = blocks.range(namespace, from, to, tip);
                let verified = range.verify(&network, None).expect("the truth");
                let expected = (from..=to)
                    .filter_map(|height| blocks.blocks[height as usize].body.lane(namespace))
                    .map(|lane| lane.transactions.len() as u64);
                assert_eq!(verified.transactions, expected.sum::<u64>());
                assert_eq!(verified.certified_height, tip);
                let start = accumulator_before(&blocks, namespace, from);
                let known = range.verify(&network, Some(start)).expect("the truth, from its start");
                assert_eq!(known.accumulator, Some(accumulator_before(&blocks, namespace, to + 1)));
                assert!(verified.accumulator.is_none() || verified.accumulator == known.accumulator);
                assert!(from > 1 || verified.accumulator.is_some(), "genesis is known");
            }
        }
    }
}

/// What the tables say about a namespace before `height`.
fn accumulator_before(blocks: &Blocks, namespace: Namespace, height: u64) -> Accumulator {
    let mut leaves = blocks.tables[..height as usize].iter().filter_map(|table| table.leaf(namespace));
    leaves.next_back().map_or(Accumulator::genesis(CHAIN_ID, namespace), |leaf| leaf.accumulator)
}

#[test]
fn ranges_read_back_from_json() {
    let range = blocks().range(NAMESPACES[0], 1, 6, 6);
    let json = serde_json::to_string(&range).expect("serializes");
    assert_eq!(serde_json::from_str::<NamespaceRange>(&json).expect("reads back"), range);
}

#[test]
fn a_table_proves_each_namespace_or_its_absence() {
    let blocks = blocks();
    for (block, table) in blocks.blocks.iter().zip(&blocks.tables) {
        assert_eq!(table.root(), block.header.namespaces_root);
        for namespace in (0..40).map(Namespace) {
            let proof = table.prove(namespace);
            assert_eq!(proof.verify(&table.root(), namespace).expect("the truth"), table.leaf(namespace));
            assert_eq!(matches!(proof, NamespaceProof::Active(_)), block.body.lane(namespace).is_some());
        }
    }
}

#[test]
fn a_certified_header_passes_in_a_later_view_too() {
    let blocks = blocks();
    let header = blocks.tip().header;
    let certificate = blocks.network.finalize_by(&header, header.view + 3, &[1, 2, 3]);
    CertifiedHeader { header, certificate }.verify(&blocks.network.trusted()).expect("proposed again");
}
