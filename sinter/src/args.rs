//! The command line.

use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;

/// Sinter: a committee that orders transactions for many rollups, under certificates that Ethereum can check.
#[derive(Debug, Parser)]
#[command(name = "sinter", version, arg_required_else_help = true, propagate_version = true)]
#[command(after_help = "Exit codes: 0 done; 1 it did not work; 2 wrong arguments, configuration or file; \
                        3 a proof was checked and does not hold.")]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What the program can do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Be a member of the committee
    #[command(subcommand)]
    Sequencer(SequencerCommand),
    /// Read chain.toml files
    #[command(subcommand)]
    Chain(ChainCommand),
    /// Fetch receipts, and verify them offline
    #[command(subcommand)]
    Receipt(ReceiptCommand),
    /// Measure how fast the parts are
    #[command(subcommand)]
    Bench(crate::bench::BenchCommand),
}

/// `sinter sequencer …`.
#[derive(Debug, Subcommand)]
pub enum SequencerCommand {
    /// Make a member's two keys and print its seat for chain.toml
    Init(InitArguments),
    /// Print the seat of existing keys for chain.toml
    Seat(InitArguments),
}

/// `sinter sequencer init` and `seat`.
#[derive(Debug, Args)]
pub struct InitArguments {
    /// The directory of node.key and bls.key
    #[arg(long, value_name = "DIR")]
    pub keys: PathBuf,
    /// Where other members reach this one over QUIC
    #[arg(long, value_name = "HOST:PORT")]
    pub address: String,
}

/// `sinter chain …`.
#[derive(Debug, Subcommand)]
pub enum ChainCommand {
    /// Print the hash that names the network
    Hash {
        /// A chain.toml
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Check a chain.toml, proofs of possession included, and print what it defines
    Check {
        /// A chain.toml
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
}

/// `sinter receipt …`.
#[derive(Debug, Subcommand)]
pub enum ReceiptCommand {
    /// Verify a receipt or a namespace range offline, trusting only a committee
    Verify {
        /// A receipt or a namespace range, in JSON; `-` for standard input
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// The trusted committee: a chain.toml, or a JSON file
        #[arg(long, value_name = "FILE")]
        committee: PathBuf,
        /// For a range: the namespace's accumulator before its first height
        #[arg(long, value_name = "HEX")]
        start_accumulator: Option<String>,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_sound() {
        Arguments::command().debug_assert();
    }
}
