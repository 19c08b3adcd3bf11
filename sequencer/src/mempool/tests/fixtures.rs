//! A chain file and transactions for it.

use crate::mempool::{Mempool, MempoolConfig, Source};
use bytes::Bytes;
use sinter_primitives::{
    Digest, Namespace, Parameters, Transaction, TransactionKind,
    chain::{ChainFile, L1Spec, NamespaceSpec, Ordering},
    committee::{Seat, UNDRAWN_STAKE_WEI},
    header::L1Origin,
};

pub const CHAIN_ID: u64 = 7;

/// A chain with `seats` seats and one first-come namespace for each of `namespaces`.
pub fn chain(namespaces: &[u64], seats: usize, parameters: Parameters) -> ChainFile {
    let seat = |number: usize| Seat {
        node_key: [u8::try_from(number).expect("a small committee"); 32],
        bls_key: [0; 96],
        proof_of_possession: [0; 48],
        address: String::new(),
        stake_wei: UNDRAWN_STAKE_WEI,
    };
    ChainFile {
        chain_id: CHAIN_ID,
        name: "test".into(),
        genesis_timestamp_ms: 0,
        parameters,
        l1: L1Spec {
            chain_id: 1,
            light_client: format!("0x{}", "00".repeat(20)),
            origin: L1Origin { number: 0, hash: Digest([0; 32]) },
            registry: None,
            forced_inbox: None,
        },
        fees: None,
        seats: (0..seats).map(seat).collect(),
        namespaces: namespaces.iter().map(|id| namespace(*id, Ordering::FirstCome)).collect(),
    }
}

pub fn namespace(id: u64, ordering: Ordering) -> NamespaceSpec {
    NamespaceSpec { id: Namespace(id), name: format!("namespace {id}"), evm_chain_id: None, ordering }
}

/// A pool of one namespace, with default bounds.
pub fn pool() -> Mempool {
    Mempool::for_file(&chain(&[1], 4, Parameters::default()), &MempoolConfig::default())
}

/// A user's transaction of `bytes` payload bytes that no other `number` shares.
pub fn transaction(namespace: u64, number: u64, bytes: usize, expiry_height: u64) -> Transaction {
    let mut payload = number.to_be_bytes().to_vec();
    payload.resize(bytes.max(8), 0);
    Transaction {
        kind: TransactionKind::User,
        namespace: Namespace(namespace),
        expiry_height,
        payload: Bytes::from(payload),
    }
}

/// An account that sends from an address of its own.
pub fn account(number: u8) -> Source {
    account_at(number, [198, 51, 100, number])
}

/// An account that sends from this address.
pub fn account_at(number: u8, client: [u8; 4]) -> Source {
    Source::Account { namespace: Namespace(1), account: [number; 20], client: client.into() }
}

pub fn peer(number: u8) -> Source {
    Source::Peer([number; 32])
}
