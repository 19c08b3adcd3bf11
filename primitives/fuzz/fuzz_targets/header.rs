//! Headers.
#![no_main]
use libfuzzer_sys::fuzz_target;
use sinter_primitives::Header;
use sinter_primitives_fuzz::canonical;

fuzz_target!(|bytes: &[u8]| {
    if let Some(header) = canonical::<Header>(bytes, &()) {
        assert_eq!(header.digest(), header.digest());
    }
});
