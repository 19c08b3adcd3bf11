//! Tables, digests and numbers as people read them, and as programs do.

use p3_field::PrimeField32;
use serde_json::{Map, Value};
use sinter_program::{Digest, F, field::digest_bytes};
use sinter_prover::stages::Stages;
use std::time::Duration;

/// A digest: each of its elements as a big-endian `u32`.
pub fn digest(digest: &Digest) -> String {
    format!("0x{}", hex::encode(digest_bytes(digest)))
}

/// Public values: each a big-endian `u32`, without the zeros at the end.
pub fn elements(values: &[F]) -> String {
    let used = values.iter().rposition(|&value| value != F::default()).map_or(0, |last| last + 1);
    let bytes: Vec<u8> = values[..used].iter().flat_map(|value| value.as_canonical_u32().to_be_bytes()).collect();
    format!("0x{}", hex::encode(bytes))
}

/// Rows of cells as text: the first column to the left, the others to the right.
pub fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let length = |text: &str| text.chars().count();
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| length(cell)).max();
    let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).enumerate().map(|(column, (cell, &width))| {
            if column == 0 { format!("{cell:<width$}") } else { format!("  {cell:>width$}") }
        });
        cells.collect::<String>().trim_end().to_owned()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// Seconds, to the millisecond.
pub fn seconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e3).round() / 1e3
}

/// Bits, to a tenth.
pub fn bits(bits: f64) -> String {
    format!("{bits:.1}")
}

/// The stages of a proof, in seconds.
pub fn stages(stages: &Stages) -> Value {
    let named = stages.named().into_iter().map(|(name, took)| (name.to_owned(), Value::from(seconds(took))));
    named.collect::<Map<_, _>>().into()
}

/// A number of bytes.
pub fn bytes(count: u64) -> String {
    match count {
        0..10_000 => format!("{count} bytes"),
        10_000..10_000_000 => format!("{:.1} KB", count as f64 / 1e3),
        10_000_000..10_000_000_000 => format!("{:.1} MB", count as f64 / 1e6),
        _ => format!("{:.1} GB", count as f64 / 1e9),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned() {
        let row = |cells: [&str; 3]| cells.map(str::to_owned).to_vec();
        assert_eq!(table(&[row(["", "a", "bb"]), row(["long", "100", ""])]), "        a  bb\nlong  100");
    }

    #[test]
    fn sizes_are_readable() {
        assert_eq!(
            (bytes(9_999), bytes(330_400), bytes(12_345_678)),
            ("9999 bytes".into(), "330.4 KB".into(), "12.3 MB".into())
        );
    }
}
