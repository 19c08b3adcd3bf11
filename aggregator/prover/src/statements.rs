//! The statements of a batch as a file: what whoever holds the root needs to say what it proves.
//!
//! ```json
//! {
//!   "version": 1,
//!   "statements": [
//!     { "program_id": "0x<64 hex digits>", "public_values": "0x<8 hex digits for each>" }
//!   ]
//! }
//! ```
//!
//! Elements are big-endian `u32`s below the field's modulus, as contracts have them; the zeros at the end of the public
//! values are left out, so that a list has one form. A batch of one lists one statement: the null statement that it is
//! folded with is published, not chosen.

use p3_field::PrimeField32;
use serde::{Deserialize, Serialize};
use sinter_program::{
    F,
    field::{Digest, digest_bytes, element},
};
use sinter_recursion::statement::{PUBLIC_VALUES, Statement};
use thiserror::Error;

/// The version of the format.
pub const VERSION: u32 = 1;
/// The most bytes of a list that is read.
pub const BYTES_MAX: u64 = 64 << 20;

/// A list that is none.
#[derive(Debug, Error)]
pub enum ListError {
    /// It is not the JSON that it should be.
    #[error("{0}")]
    Json(#[from] serde_json::Error),
    /// It is of another version.
    #[error("expected version {VERSION}, got {got}")]
    Version {
        /// Its version.
        got: u32,
    },
    /// A statement is not written as it should be.
    #[error("statement {index}: `{field}`: expected {expected}")]
    Statement {
        /// Which one.
        index: usize,
        /// What of it.
        field: &'static str,
        /// What should be there.
        expected: &'static str,
    },
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ListFile {
    version: u32,
    statements: Vec<Entry>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    program_id: String,
    public_values: String,
}

/// A list as text.
#[must_use]
pub fn encode(statements: &[Statement]) -> String {
    let statements = statements.iter().map(|statement| Entry {
        program_id: format!("0x{}", hex::encode(digest_bytes(&statement.program_id))),
        public_values: hexadecimal(&statement.public_values),
    });
    let list = ListFile { version: VERSION, statements: statements.collect() };
    // Strings and numbers: there is nothing that JSON does not have.
    serde_json::to_string_pretty(&list).unwrap_or_default() + "\n"
}

/// A list from text.
///
/// # Errors
/// [`ListError`].
pub fn decode(text: &[u8]) -> Result<Vec<Statement>, ListError> {
    let list: ListFile = serde_json::from_slice(text)?;
    if list.version != VERSION {
        return Err(ListError::Version { got: list.version });
    }
    let statement = |(index, entry): (usize, &Entry)| {
        let wrong = |field, expected| ListError::Statement { index, field, expected };
        let id = elements(&entry.program_id).and_then(|id| Digest::try_from(id).ok());
        let program_id = id.ok_or_else(|| wrong("program_id", "0x and 64 hex digits, each 8 below the modulus"))?;
        let values = elements(&entry.public_values);
        let values = values.filter(|values| values.len() <= PUBLIC_VALUES && values.last() != Some(&F::default()));
        let expected = "0x and 8 hex digits for each of at most 64 values below the modulus, the last not zero";
        let values = values.ok_or_else(|| wrong("public_values", expected))?;
        let mut public_values = [F::default(); PUBLIC_VALUES];
        public_values[..values.len()].copy_from_slice(&values);
        Ok(Statement { program_id, public_values })
    };
    list.statements.iter().enumerate().map(statement).collect()
}

/// Elements without the zeros at their end, each a big-endian `u32`.
fn hexadecimal(values: &[F]) -> String {
    let used = values.iter().rposition(|&value| value != F::default()).map_or(0, |last| last + 1);
    let digits = values[..used].iter().map(|value| format!("{:08x}", value.as_canonical_u32()));
    format!("0x{}", digits.collect::<String>())
}

/// Canonical elements from as many big-endian `u32`s.
fn elements(text: &str) -> Option<Vec<F>> {
    let bytes = hex::decode(text.strip_prefix("0x")?).ok()?;
    // Upper case would be a second form.
    if bytes.len() % 4 != 0 || text.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return None;
    }
    bytes.chunks_exact(4).map(|chunk| element(u32::from_be_bytes([chunk[0], chunk[1], chunk[2], chunk[3]]))).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use sinter_program::field::DIGEST_LEN;

    fn samples() -> Vec<Statement> {
        let mut public_values = [F::default(); PUBLIC_VALUES];
        let empty = Statement { program_id: [F::new(1); DIGEST_LEN], public_values };
        public_values[1] = F::new(0x0102_0304);
        vec![empty, Statement { program_id: [F::new(2); DIGEST_LEN], public_values }]
    }

    #[test]
    fn a_list_comes_back() {
        let text = encode(&samples());
        assert_eq!(decode(text.as_bytes()).unwrap(), samples());
        assert!(text.contains("\"0x0000000001020304\"") && text.contains("\"0x\""), "{text}");
        assert!(decode(encode(&[]).as_bytes()).unwrap().is_empty());
    }

    #[test]
    fn what_is_written_otherwise_is_refused() {
        let good = encode(&samples());
        let refused = |from: &str, to: &str| {
            assert!(good.contains(from), "{from}");
            decode(good.replacen(from, to, 1).as_bytes()).unwrap_err().to_string()
        };
        assert_eq!(refused("\"version\": 1", "\"version\": 2"), "expected version 1, got 2");
        assert!(refused("\"0x\"", "\"0x00000000\"").contains("the last not zero"));
        assert!(refused("\"0x\"", "\"0xff\"").contains("statement 0: `public_values`"));
        assert!(refused("0x00000001", "0xffffffff").contains("statement 0: `program_id`"));
        assert!(refused("0x00000001", "0x0000000100000001").contains("`program_id`"));
        assert!(refused("01020304", "0102030A").contains("statement 1"));
        assert!(refused("\"version\"", "\"extra\": 1, \"version\"").contains("unknown field"));
        let many = format!("0x{}", "00000001".repeat(65));
        assert!(refused("\"0x\"", &format!("\"{many}\"")).contains("at most 64"));
    }
}
