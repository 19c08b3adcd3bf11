//! The validity rule by itself: a valid block, and every way to break it.

use super::cluster::{CLOSED_NAMESPACE, NAMESPACE, OTHER_NAMESPACE, SEATS, members, parameters, test_chain};
use bytes::Bytes;
use sinter_primitives::{Block, Body, Chain, Digest, Namespace, Transaction, TransactionKind, body::Lane};
use sinter_sequencer::{
    application::{Advance, assemble},
    ledgers::State,
    validity::{InvalidBlock, Slot, check},
};

struct Case {
    chain: Chain,
    parent: State,
    slot: Slot,
    block: Block,
}

fn transaction(namespace: Namespace, expiry_height: u64, byte: u8) -> Transaction {
    Transaction { kind: TransactionKind::User, namespace, expiry_height, payload: Bytes::from(vec![byte; 100]) }
}

impl Case {
    fn new() -> Self {
        let chain = test_chain(&members(SEATS), parameters());
        let parent = State::genesis(&chain);
        let slot = Slot {
            epoch: 0,
            view: 3,
            parent_view: 0,
            parent: parent.digest,
            leader_seat: 2,
            next_committee: Digest([0; 32]),
            next_protocol: 0,
        };
        let lanes = vec![
            Lane {
                namespace: NAMESPACE,
                transactions: vec![transaction(NAMESPACE, 1, 1), transaction(NAMESPACE, 64, 2)],
            },
            Lane { namespace: OTHER_NAMESPACE, transactions: vec![transaction(OTHER_NAMESPACE, 9, 1)] },
        ];
        let (_, block) =
            assemble(&chain, &slot, &parent, (1, &Advance::none(&parent.header)), Body { lanes, ..Body::default() })
                .unwrap();
        let block = Block::clone(&block);
        Self { chain, parent, slot, block }
    }

    fn check(&self) -> Result<State, InvalidBlock> {
        check(&self.chain, &self.parent, (&self.slot, &self.chain.committee), (&self.block, &[]), |_| None)
    }

    /// The rule that a change to the body breaks, where the header commits to the changed body.
    fn broken_by_body(change: impl FnOnce(&mut Vec<Lane>)) -> &'static str {
        let mut case = Self::new();
        change(&mut case.block.body.lanes);
        case.block.header.body_root = case.block.body.root();
        case.check().unwrap_err().rule()
    }

    /// The rule that a change to the header breaks.
    fn broken_by_header(change: impl FnOnce(&mut Block)) -> &'static str {
        let mut case = Self::new();
        change(&mut case.block);
        case.check().unwrap_err().rule()
    }
}

#[test]
fn an_honest_block_is_valid_and_empty_ones_are() {
    let case = Case::new();
    let state = case.check().unwrap();
    assert_eq!(state.digest, case.block.header.digest());
    assert_eq!(state.ledger.root(), case.block.header.ledger_root);
    assert_eq!(state.ids.len(), 3);
    let mut empty = Case::new();
    let advance = Advance::none(&empty.parent.header);
    let (_, block) = assemble(&empty.chain, &empty.slot, &empty.parent, (1, &advance), Body::default()).unwrap();
    empty.block = Block::clone(&block);
    empty.check().unwrap();
}

#[test]
fn every_field_of_the_header_is_checked() {
    let another = Digest([9; 32]);
    assert_eq!(Case::broken_by_header(|block| block.header.protocol += 1), "protocol");
    assert_eq!(Case::broken_by_header(|block| block.header.next_protocol += 1), "next protocol");
    assert_eq!(Case::broken_by_header(|block| block.header.chain_id += 1), "chain id");
    assert_eq!(Case::broken_by_header(|block| block.header.height += 1), "height");
    assert_eq!(Case::broken_by_header(|block| block.header.epoch += 1), "epoch");
    assert_eq!(Case::broken_by_header(|block| block.header.view += 1), "view");
    assert_eq!(Case::broken_by_header(|block| block.header.parent_view += 1), "parent view");
    assert_eq!(Case::broken_by_header(|block| block.header.parent = another), "parent");
    assert_eq!(Case::broken_by_header(|block| block.header.proposer_seat += 1), "proposer seat");
    assert_eq!(Case::broken_by_header(|block| block.header.timestamp_ms = 0), "timestamp");
    // A later time is valid in itself, but the accumulators say when they were advanced.
    assert_eq!(Case::broken_by_header(|block| block.header.timestamp_ms += 1), "namespaces root");
    assert_eq!(Case::broken_by_header(|block| block.header.l1_origin.number += 1), "l1 origin");
    assert_eq!(Case::broken_by_header(|block| block.header.l1_origin.hash = another), "l1 origin");
    assert_eq!(Case::broken_by_header(|block| block.header.inbox_cursor += 1), "inbox cursor");
    assert_eq!(Case::broken_by_header(|block| block.header.body_root = another), "body root");
    assert_eq!(Case::broken_by_header(|block| block.header.namespaces_root = another), "namespaces root");
    assert_eq!(Case::broken_by_header(|block| block.header.ledger_root = another), "ledger root");
    assert_eq!(Case::broken_by_header(|block| block.header.next_committee = another), "next committee");
    assert_eq!(Case::broken_by_header(|block| block.header.randomness = another), "randomness");
    // Nobody is drawn on this chain.
    let reveal = |block: &mut Block| {
        block.body.reveal = Some([1; 48]);
        block.header.body_root = block.body.root();
    };
    assert_eq!(Case::broken_by_header(reveal), "reveal");
}

#[test]
fn every_rule_of_the_body_is_checked() {
    assert_eq!(Case::broken_by_body(|lanes| lanes[0].transactions[0].expiry_height = 0), "expiry");
    // At height 1 with a window of 64 blocks, 64 is the last admitted expiry height.
    assert_eq!(Case::broken_by_body(|lanes| lanes[0].transactions[0].expiry_height = 65), "expiry");
    assert_eq!(
        Case::broken_by_body(|lanes| {
            let again = lanes[0].transactions[0].clone();
            lanes[0].transactions.push(again);
        }),
        "repeated"
    );
    assert_eq!(Case::broken_by_body(|lanes| lanes[0].transactions[0].kind = TransactionKind::Inbox), "ordering");
    assert_eq!(Case::broken_by_body(|lanes| lanes[0].transactions[0].kind = TransactionKind::Express), "ordering");
    assert_eq!(Case::broken_by_body(|lanes| lanes.reverse()), "ledger");
    assert_eq!(Case::broken_by_body(|lanes| lanes[1].transactions.clear()), "ledger");
    assert_eq!(
        Case::broken_by_body(|lanes| {
            lanes[1].namespace = CLOSED_NAMESPACE;
            lanes[1].transactions[0].namespace = CLOSED_NAMESPACE;
        }),
        "ledger"
    );
    assert_eq!(
        Case::broken_by_body(|lanes| lanes[0].transactions[0].payload = Bytes::from(vec![0; 128 * 1024 + 1])),
        "bounds"
    );
    let many = parameters().block_transactions_max;
    assert_eq!(
        Case::broken_by_body(|lanes| {
            lanes[0].transactions = (0..many as u32)
                .map(|number| Transaction {
                    payload: Bytes::from(number.to_be_bytes().to_vec()),
                    ..transaction(NAMESPACE, 1, 0)
                })
                .collect();
        }),
        "bounds"
    );
}

#[test]
fn what_an_ancestor_holds_is_a_repeat() {
    let case = Case::new();
    let repeated = case.block.body.lanes[0].transactions[1].id(case.chain.file.chain_id);
    let first_repeat = |ids: &[Digest]| ids.iter().find(|id| **id == repeated).map(|id| (*id, 0));
    let error = check(&case.chain, &case.parent, (&case.slot, &case.chain.committee), (&case.block, &[]), first_repeat)
        .unwrap_err();
    assert_eq!(error, InvalidBlock::Repeated { id: repeated, height: 0 });
}
