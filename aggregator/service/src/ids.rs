//! Names of things: hashes, accounts, rows.

use serde::{Deserialize, Serialize, de};
use sha2::{Digest, Sha256};
use std::{fmt, str::FromStr};
use thiserror::Error;

/// The longest name of an account, in bytes.
pub const ACCOUNT_BYTES_MAX: usize = 64;

/// A name that is none.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum NameError {
    /// A hash is not written as one.
    #[error("expected 64 lower-case hex digits, got `{got}`")]
    Hash {
        /// The start of what was given.
        got: String,
    },
    /// An account's name is not one.
    #[error("expected 1 to {ACCOUNT_BYTES_MAX} of a-z, 0-9, `-`, `_` and `.`, got `{got}`")]
    Account {
        /// The start of what was given.
        got: String,
    },
}

/// What is told of something that may be of any length.
fn start(text: &str) -> String {
    text.chars().take(80).collect()
}

/// 32 bytes that name something: the SHA-256 of a blob, or the digest of a program.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Hash(pub [u8; 32]);

impl Hash {
    /// The SHA-256 of some bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl FromStr for Hash {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let mut bytes = [0; 32];
        // One form: upper case would be a second name for the same thing.
        let lower = !text.bytes().any(|byte| byte.is_ascii_uppercase());
        match hex::decode_to_slice(text, &mut bytes) {
            Ok(()) if lower => Ok(Self(bytes)),
            _ => Err(NameError::Hash { got: start(text) }),
        }
    }
}

impl Serialize for Hash {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Hash {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

/// Who hands proofs in.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct Account(String);

impl Account {
    /// An account of this name.
    ///
    /// # Errors
    /// When it is too long, empty, or has other characters than names have.
    pub fn new(name: &str) -> Result<Self, NameError> {
        let fits = (1..=ACCOUNT_BYTES_MAX).contains(&name.len());
        let known = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_.".contains(&byte);
        if fits && name.bytes().all(known) {
            Ok(Self(name.into()))
        } else {
            Err(NameError::Account { got: start(name) })
        }
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Account {
    type Error = NameError;

    fn try_from(name: String) -> Result<Self, NameError> {
        Self::new(&name)
    }
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

macro_rules! row {
    ($(#[$about:meta])* $name:ident) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub i64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

row!(
    /// One rollup's proof on its way into a batch.
    JobId
);
row!(
    /// One unit of proving work. Never used again, also not after the task is done.
    TaskId
);
row!(
    /// An ordered list of jobs under one root.
    BatchId
);

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_hash_has_one_form() {
        let hash = Hash::of(b"");
        let text = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(hash.to_string(), text);
        assert_eq!(text.parse::<Hash>().unwrap(), hash);
        for other in ["", "e3", &text.to_uppercase(), &format!("0x{text}"), &format!("{text}00")] {
            assert!(other.parse::<Hash>().is_err(), "{other}");
        }
    }

    #[test]
    fn an_account_is_a_short_plain_name() {
        assert_eq!(Account::new("ledger-1.test_a").unwrap().as_str(), "ledger-1.test_a");
        for other in ["", "A", "a b", "a/b", "ä", &"a".repeat(65)] {
            assert!(Account::new(other).is_err(), "{other}");
        }
    }
}
