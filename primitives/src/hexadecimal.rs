//! Bytes as `0x`-prefixed hex text, for JSON and TOML: modules for `#[serde(with = "…")]`.
//!
//! The prefix is written always and may be absent when read.

use serde::{Deserializer, de};
use std::fmt;

/// Reads hex text into bytes, whatever their number.
struct Text;

impl de::Visitor<'_> for Text {
    type Value = Vec<u8>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("hex digits after an optional 0x")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Vec<u8>, E> {
        hex::decode(text.strip_prefix("0x").unwrap_or(text))
            .map_err(|error| E::custom(format!("expected hex digits after an optional 0x, got {text:?}: {error}")))
    }
}

fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    deserializer.deserialize_str(Text)
}

/// `[u8; N]`.
pub mod array {
    use serde::{Deserializer, Serializer, de::Error};

    /// Writes `0x` and `2·N` hex digits.
    ///
    /// # Errors
    /// Whatever the serializer returns.
    pub fn serialize<const N: usize, S: Serializer>(bytes: &[u8; N], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&format!("0x{}", hex::encode(bytes)))
    }

    /// Reads `2·N` hex digits.
    ///
    /// # Errors
    /// When the text is not `N` bytes of hex.
    pub fn deserialize<'de, const N: usize, D: Deserializer<'de>>(deserializer: D) -> Result<[u8; N], D::Error> {
        let bytes = super::read(deserializer)?;
        <[u8; N]>::try_from(bytes.as_slice())
            .map_err(|_| D::Error::custom(format!("expected {N} bytes of hex, got {}", bytes.len())))
    }
}

/// [`crate::Digest`].
pub mod digest {
    use crate::Digest;
    use serde::{Deserializer, Serializer};

    /// Writes `0x` and 64 hex digits.
    ///
    /// # Errors
    /// Whatever the serializer returns.
    pub fn serialize<S: Serializer>(digest: &Digest, serializer: S) -> Result<S::Ok, S::Error> {
        super::array::serialize(&digest.0, serializer)
    }

    /// Reads 64 hex digits.
    ///
    /// # Errors
    /// When the text is not 32 bytes of hex.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Digest, D::Error> {
        super::array::deserialize(deserializer).map(Digest)
    }
}

/// `Vec<Digest>`.
pub mod digests {
    use crate::Digest;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize, Deserialize)]
    #[serde(transparent)]
    struct Element(#[serde(with = "super::digest")] Digest);

    /// Writes a sequence of digests.
    ///
    /// # Errors
    /// Whatever the serializer returns.
    pub fn serialize<S: Serializer>(digests: &[Digest], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(digests.iter().map(|digest| Element(*digest)))
    }

    /// Reads a sequence of digests.
    ///
    /// # Errors
    /// When an element is not 32 bytes of hex.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Digest>, D::Error> {
        let elements = Vec::<Element>::deserialize(deserializer)?;
        Ok(elements.into_iter().map(|element| element.0).collect())
    }
}

/// [`bytes::Bytes`].
pub mod payload {
    use bytes::Bytes;
    use serde::{Deserializer, Serializer};

    /// Writes `0x` and two hex digits a byte.
    ///
    /// # Errors
    /// Whatever the serializer returns.
    pub fn serialize<S: Serializer>(bytes: &Bytes, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&format!("0x{}", hex::encode(bytes)))
    }

    /// Reads an even number of hex digits.
    ///
    /// # Errors
    /// When the text is not hex.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Bytes, D::Error> {
        super::read(deserializer).map(Bytes::from)
    }
}
