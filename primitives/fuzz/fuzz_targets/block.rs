//! Blocks and their bodies: bounded, and applied to a ledger without a panic.
#![no_main]
use libfuzzer_sys::fuzz_target;
use sinter_primitives::{Block, Body};
use sinter_primitives_fuzz::{BOUNDS, canonical};

fuzz_target!(|bytes: &[u8]| {
    canonical::<Block>(bytes, &BOUNDS);
    if let Some(body) = canonical::<Body>(bytes, &BOUNDS) {
        assert!(bytes.len() <= BOUNDS.bytes_max);
        assert!(body.transactions().count() <= BOUNDS.transactions_max);
        assert!(body.lanes.iter().all(|lane| !lane.transactions.is_empty()));
        for lane in &body.lanes {
            assert_eq!(body.lane(lane.namespace), Some(lane));
        }
    }
});
