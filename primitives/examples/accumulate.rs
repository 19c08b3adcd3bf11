//! How fast a block's transactions go into an accumulator: megabytes a second, for blocks of a
//! megabyte in payloads of several sizes.
//!
//! `cargo run --release -p sinter-primitives --example accumulate`

use sinter_primitives::{
    Accumulator, Namespace, Transaction, TransactionKind,
    accumulator::{Position, elements_of},
};
use std::time::{Duration, Instant};

const BLOCK_BYTES: usize = 1 << 20;
const RUN: Duration = Duration::from_millis(500);

fn main() {
    let namespace = Namespace(7);
    for payload_bytes in [200, 4096, 128 * 1024] {
        let transactions: Vec<Transaction> = (0..BLOCK_BYTES / (3 * elements_of(payload_bytes)))
            .map(|index| Transaction {
                kind: TransactionKind::User,
                namespace,
                expiry_height: index as u64,
                payload: vec![index as u8; payload_bytes].into(),
            })
            .collect();
        let bytes: usize = transactions.iter().map(|transaction| 3 * elements_of(transaction.payload.len())).sum();
        let mut accumulator = Accumulator::genesis(1, namespace);
        let mut height = 0;
        let start = Instant::now();
        while start.elapsed() < RUN {
            height += 1;
            let at = Position { chain_id: 1, namespace, height, timestamp_ms: height, l1_origin_number: 0 };
            accumulator = accumulator.advance(&at, &transactions);
        }
        let seconds = start.elapsed().as_secs_f64() / height as f64;
        println!(
            "payloads of {payload_bytes:>6} bytes: {:6.1} MB/s, {:5.2} ms a block of {bytes} bytes ({accumulator})",
            bytes as f64 / seconds / 1e6,
            seconds * 1e3,
        );
    }
}
