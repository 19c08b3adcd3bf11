//! Ranges, as a stranger hands them over.
#![no_main]
use libfuzzer_sys::fuzz_target;
use sinter_primitives::receipt::NamespaceRange;
use sinter_primitives_fuzz::{NETWORK, readable};

fuzz_target!(|bytes: &[u8]| {
    if let Some(range) = readable::<NamespaceRange>(bytes) {
        let _ = range.verify(&NETWORK, None);
    }
});
