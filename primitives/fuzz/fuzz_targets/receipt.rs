//! Receipts, as a stranger hands them over.
#![no_main]
use libfuzzer_sys::fuzz_target;
use sinter_primitives::receipt::Receipt;
use sinter_primitives_fuzz::{NETWORK, readable};

fuzz_target!(|bytes: &[u8]| {
    if let Some(receipt) = readable::<Receipt>(bytes) {
        let _ = receipt.verify(&NETWORK);
    }
});
