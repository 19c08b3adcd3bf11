//! Ledgers, and whatever body comes to them.
#![no_main]
use commonware_codec::{Copying, Decode};
use libfuzzer_sys::fuzz_target;
use sinter_primitives::{Body, Ledger, ledger::Place};
use sinter_primitives_fuzz::{BOUNDS, CHAIN, canonical};

fuzz_target!(|bytes: &[u8]| {
    // The first two bytes are the ledger's length; the body is what follows it.
    let Some((length, bytes)) = bytes.split_first_chunk() else { return };
    let Some((ledger, body)) = bytes.split_at_checked(u16::from_be_bytes(*length).into()) else { return };
    let Some(mut ledger) = canonical::<Ledger>(ledger, &()) else { return };
    let Ok(body) = Body::decode_cfg(Copying(body), &BOUNDS) else { return };
    let before = ledger.clone();
    let place =
        Place { height: 1, timestamp_ms: 2, parent_timestamp_ms: 1, l1_origin_number: 3, proposer_seat: 4 };
    match ledger.apply(&CHAIN, &place, &body) {
        Ok(table) => assert_eq!(table.leaves().len(), body.lanes.len()),
        Err(_) => assert_eq!(ledger, before, "an error changes nothing"),
    }
});
