//! Wei as decimal text, for JSON, whose numbers lose what is above 2^53, and TOML, whose have 63 bits: a module for
//! `#[serde(with = "…")]`.

use serde::{Deserialize, Deserializer, Serializer, de::Error};
use std::borrow::Cow;

/// Writes the digits.
///
/// # Errors
/// Whatever the serializer returns.
pub fn serialize<S: Serializer>(wei: &u128, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(wei)
}

/// Reads digits alone: no sign, no space, no leading zero.
///
/// # Errors
/// When the text is none that [`serialize`] writes.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u128, D::Error> {
    let text = Cow::<str>::deserialize(deserializer)?;
    let number = text.parse::<u128>().ok().filter(|number| number.to_string() == *text);
    number.ok_or_else(|| D::Error::custom(format!("expected a number below 2^128 in decimal digits, got {text:?}")))
}
