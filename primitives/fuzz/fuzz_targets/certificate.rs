//! Certificates, and what a committee says to them.
#![no_main]
use libfuzzer_sys::fuzz_target;
use sinter_primitives::Certificate;
use sinter_primitives_fuzz::{NETWORK, canonical};

fuzz_target!(|bytes: &[u8]| {
    if let Some(certificate) = canonical::<Certificate>(bytes, &()) {
        let _ = certificate.verify(&NETWORK.chain_hash, &NETWORK.committee);
    }
});
