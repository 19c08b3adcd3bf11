//! Arbitrary values of every encoded type.

use bytes::Bytes;
use proptest::{collection::vec, prelude::*};
use sinter_primitives::{
    Accumulator, Block, Body, Digest, Header, Namespace, NamespaceLeaf, NamespaceTable, Transaction, TransactionKind,
    body::{BodyBounds, Lane},
    header::{L1Origin, PROTOCOL_FIRST},
};
use std::collections::BTreeMap;

/// KoalaBear's order.
pub const PRIME: u32 = 0x7f00_0001;

/// Bounds that arbitrary bodies keep.
pub const BOUNDS: BodyBounds = BodyBounds { bytes_max: 1 << 16, transactions_max: 64, payload_bytes_max: 300 };

pub fn digest() -> impl Strategy<Value = Digest> {
    any::<[u8; 32]>().prop_map(Digest)
}

pub fn accumulator() -> impl Strategy<Value = Accumulator> {
    proptest::array::uniform8(0..PRIME).prop_map(|elements| {
        let bytes: Vec<u8> = elements.iter().flat_map(|element| element.to_be_bytes()).collect();
        Accumulator(bytes.try_into().expect("eight elements of four bytes"))
    })
}

pub fn kind() -> impl Strategy<Value = TransactionKind> {
    prop_oneof![Just(TransactionKind::User), Just(TransactionKind::Inbox), Just(TransactionKind::Express)]
}

pub fn transaction_of(namespace: Namespace) -> impl Strategy<Value = Transaction> {
    (kind(), any::<u64>(), vec(any::<u8>(), 0..=BOUNDS.payload_bytes_max)).prop_map(
        move |(kind, expiry_height, payload)| Transaction {
            kind,
            namespace,
            expiry_height,
            payload: Bytes::from(payload),
        },
    )
}

pub fn transaction() -> impl Strategy<Value = Transaction> {
    any::<u64>().prop_flat_map(|namespace| transaction_of(Namespace(namespace)))
}

pub fn body() -> impl Strategy<Value = Body> {
    let lane = any::<u64>().prop_flat_map(|namespace| {
        vec(transaction_of(Namespace(namespace)), 1..6).prop_map(move |transactions| (namespace, transactions))
    });
    let reveal = proptest::option::of(vec(any::<u8>(), 48).prop_map(|bytes| bytes.try_into().expect("48 bytes")));
    let fee_recipient = proptest::option::of(any::<[u8; 20]>());
    (reveal, fee_recipient, vec(lane, 0..6)).prop_map(|(reveal, fee_recipient, lanes)| {
        let lanes: BTreeMap<_, _> = lanes.into_iter().collect();
        let lanes = lanes.into_iter();
        Body {
            reveal,
            fee_recipient,
            lanes: lanes
                .map(|(namespace, transactions)| Lane { namespace: Namespace(namespace), transactions })
                .collect(),
        }
    })
}

pub fn header() -> impl Strategy<Value = Header> {
    (any::<[u64; 8]>(), any::<u32>(), proptest::array::uniform7(digest())).prop_map(|(n, proposer_seat, d)| Header {
        next_protocol: proposer_seat as u8,
        protocol: PROTOCOL_FIRST,
        chain_id: n[0],
        height: n[1],
        epoch: n[2],
        view: n[3],
        parent_view: n[4],
        parent: d[0],
        proposer_seat,
        timestamp_ms: n[5],
        l1_origin: L1Origin { number: n[6], hash: d[1] },
        inbox_cursor: n[7],
        body_root: d[2],
        namespaces_root: d[3],
        ledger_root: d[4],
        next_committee: d[5],
        randomness: d[6],
    })
}

pub fn block() -> impl Strategy<Value = Block> {
    (header(), body()).prop_map(|(header, body)| Block { header: Header { body_root: body.root(), ..header }, body })
}

pub fn leaf() -> impl Strategy<Value = NamespaceLeaf> {
    (any::<u64>(), digest(), accumulator(), 1..=u32::MAX, any::<u64>()).prop_map(
        |(namespace, tx_root, accumulator, tx_count, byte_count)| NamespaceLeaf {
            namespace: Namespace(namespace),
            tx_root,
            accumulator,
            tx_count,
            byte_count,
        },
    )
}

pub fn table() -> impl Strategy<Value = NamespaceTable> {
    vec(leaf(), 0..12).prop_map(|leaves| {
        let leaves: BTreeMap<_, _> = leaves.into_iter().map(|leaf| (leaf.namespace, leaf)).collect();
        NamespaceTable::new(leaves.into_values().collect()).expect("ascending, as a map is")
    })
}
