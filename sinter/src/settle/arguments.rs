//! The command line of `sinter settle`.

use super::time;
use crate::metrics::MetricsArguments;
use alloy::primitives::{Address, utils::parse_units};
use clap::Args;
use std::path::PathBuf;

/// `sinter settle`.
#[derive(Debug, Args)]
pub struct SettleArguments {
    /// Seal files
    #[arg(value_name = "SEAL", required = true)]
    pub seals: Vec<PathBuf>,
    /// The L1's RPC
    #[arg(long, value_name = "URL")]
    pub l1: String,
    /// The AggregationHub's address
    #[arg(long, value_name = "ADDRESS")]
    pub hub: Address,
    /// File with the hex private key of the account that posts, mode 0600; nobody else may use the key
    #[arg(long, value_name = "FILE")]
    pub key_file: PathBuf,
    /// Where what was sent is remembered: a later run with the same directory goes on
    #[arg(long, value_name = "DIR")]
    pub data_dir: PathBuf,
    /// The L1's chain id, so that another L1 behind the URL is refused; without it, the one that the L1 names
    #[arg(long, value_name = "N")]
    pub l1_chain_id: Option<u64>,
    /// Wait for a base fee at or under this many gwei per gas; the closer the deadline, the more is paid
    #[arg(long, value_name = "GWEI", value_parser = gwei)]
    pub target_fee: Option<u128>,
    /// When the seals have to be on the L1, such as 2027-03-01T18:30:00Z, or from now: 90s, 45m, 6h, 2d
    #[arg(long, value_name = "TIME", value_parser = time::parse)]
    pub deadline: Option<u64>,
    /// The most that is ever offered, in gwei per gas, tip included
    #[arg(long, value_name = "GWEI", default_value = "200", value_parser = gwei)]
    pub fee_ceiling: u128,
    /// Count a root as settled with this many blocks that have it, instead of when its block is final
    #[arg(long, value_name = "BLOCKS", value_parser = clap::value_parser!(u64).range(1..=100))]
    pub confirmations: Option<u64>,
    /// Where numbers are shown
    #[command(flatten)]
    pub metrics: MetricsArguments,
    /// Print one JSON object as the last line of standard output
    #[arg(long)]
    pub json: bool,
}

/// Gwei, as wei.
fn gwei(text: &str) -> Result<u128, String> {
    let wei = parse_units(text, "gwei").ok().map(|parsed| parsed.get_absolute());
    let positive = wei.filter(|_| !text.starts_with('-')).and_then(|wei| u128::try_from(wei).ok());
    positive.filter(|wei| *wei > 0).ok_or_else(|| "expected a number of gwei such as 12.5, above 0".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gwei_have_decimals() {
        assert_eq!(gwei("12.5"), Ok(12_500_000_000));
        assert_eq!(gwei("0.000000001"), Ok(1));
        for text in ["", "-1", "0", "x", "1e5"] {
            assert!(gwei(text).is_err(), "{text}");
        }
    }
}
