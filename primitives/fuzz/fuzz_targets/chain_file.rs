//! Chain files, and files of trusted committees.
#![no_main]
use libfuzzer_sys::fuzz_target;
use sinter_primitives::{Chain, receipt::TrustedNetwork};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(chain) = Chain::parse(bytes) {
        let text = chain.file.to_toml().expect("what was read can be written");
        assert_eq!(Chain::parse(text.as_bytes()).expect("its own text").file, chain.file);
        let _ = chain.genesis();
    }
    let _ = TrustedNetwork::parse(bytes);
});
