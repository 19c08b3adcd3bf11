//! What the fuzz targets share: the laws that any input must keep.

use commonware_codec::{Copying, Decode, Encode};
use sinter_primitives::{Chain, body::BodyBounds, fees::FeeSpec, receipt::TrustedNetwork};
use std::{num::NonZeroU64, sync::LazyLock};

/// Bounds small enough for a fuzzer to reach.
pub const BOUNDS: BodyBounds = BodyBounds { bytes_max: 4096, transactions_max: 64, payload_bytes_max: 1024 };

/// The committee of the pinned receipts.
pub static NETWORK: LazyLock<TrustedNetwork> = LazyLock::new(|| {
    TrustedNetwork::parse(include_bytes!("../tests/fixtures/trusted.json")).expect("the fixture is sound")
});

/// A chain with fees.
pub static CHAIN: LazyLock<Chain> = LazyLock::new(|| {
    let mut chain = Chain::parse(include_bytes!("seeds/chain_file/chain")).expect("the seed is sound");
    chain.file.parameters.epoch_blocks = NonZeroU64::new(8);
    chain.file.fees = Some(FeeSpec { floor_wei: 1, target_bytes_per_s: 1_000 });
    chain
});

/// Whatever decodes, encodes to the bytes it came from.
pub fn canonical<T: Decode + Encode>(bytes: &[u8], cfg: &T::Cfg) -> Option<T> {
    let value = T::decode_cfg(Copying(bytes), cfg).ok()?;
    assert_eq!(value.encode().as_ref(), bytes, "two encodings of one value");
    Some(value)
}

/// Whatever is read from JSON reads back from what is written for it.
pub fn readable<T: serde::de::DeserializeOwned + serde::Serialize + PartialEq>(bytes: &[u8]) -> Option<T> {
    let value: T = serde_json::from_slice(bytes).ok()?;
    let text = serde_json::to_string(&value).expect("a value that was read can be written");
    assert!(serde_json::from_str::<T>(&text).is_ok_and(|again| again == value), "reads back as another: {text}");
    Some(value)
}
