//! Transactions, and their ids.
#![no_main]
use libfuzzer_sys::fuzz_target;
use sinter_primitives::Transaction;
use sinter_primitives_fuzz::{BOUNDS, canonical};

fuzz_target!(|bytes: &[u8]| {
    if let Some(transaction) = canonical::<Transaction>(bytes, &BOUNDS.payload_bytes_max) {
        assert!(transaction.payload.len() <= BOUNDS.payload_bytes_max);
        assert_ne!(transaction.id(1), transaction.id(2));
    }
});
