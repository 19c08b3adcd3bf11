//! The command line.

use crate::{aggregation, devnet::network::SEATS};
use clap::{Args, Parser, Subcommand, ValueEnum};
use serde::Serialize;
use std::{net::SocketAddr, num::NonZeroU64, path::PathBuf};

/// Sinter: a committee that orders transactions for many rollups, under certificates that Ethereum can check.
#[derive(Debug, Parser)]
#[command(name = "sinter", version, long_version = crate::variants::version())]
#[command(arg_required_else_help = true, propagate_version = true)]
#[command(after_help = "Exit codes: 0 done; 1 it did not work; 2 wrong arguments, configuration or file; \
                        3 a proof was checked and does not hold, or the L1 refuses.")]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What the program can do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Start a whole network on this machine, under load, and watch it
    Devnet(DevnetArguments),
    /// Be a member of the committee
    #[command(subcommand)]
    Sequencer(SequencerCommand),
    /// Make a member's keys, and show what is public of them
    #[command(subcommand)]
    Keys(crate::keys::KeysCommand),
    /// Keep a voting key in a process of its own, which never signs two votes that exclude each other
    #[command(subcommand)]
    Signer(crate::signer::SignerCommand),
    /// Read chain.toml files
    #[command(subcommand)]
    Chain(ChainCommand),
    /// Fetch receipts, and verify them offline
    #[command(subcommand)]
    Receipt(ReceiptCommand),
    /// Measure how fast the parts are
    #[command(subcommand)]
    Bench(crate::bench::BenchCommand),
    /// Post certified headers to L1
    #[command(subcommand)]
    Relayer(RelayerCommand),
    /// Be a proof-aggregation appliance
    #[command(subcommand)]
    Aggregator(crate::aggregator::AggregatorCommand),
    /// Run a rollup: follow its lane, prove it, settle it
    #[command(subcommand)]
    Rollup(crate::rollup::RollupCommand),
    /// Follow a transaction from a member to the L1, each step with its proof
    Trace(crate::trace::TraceArguments),
    /// Have a transaction ordered that no member takes: append it on L1, from where the committee must take it
    Force(crate::force::ForceArguments),
    /// A rollup's namespace: open it on L1, prepay for it, see what it has
    #[command(subcommand)]
    Namespace(crate::namespace::NamespaceCommand),
    /// A namespace's ordering revenue: sell the first place in its lane, bid for it, be paid
    #[command(subcommand)]
    Auction(crate::auction::AuctionCommand),
    /// What was earned in fees, or taken back: see it, be paid
    #[command(subcommand)]
    Credit(crate::namespace::CreditCommand),
    /// Bring seals to the hub on L1, when gas is cheap enough; ends when the L1 has every root for good
    Settle(crate::settle::SettleArguments),
    /// The contracts that this version's seals are checked by
    #[command(subcommand)]
    Hub(crate::hub::HubCommand),
    /// A development L1
    #[command(subcommand)]
    L1(L1Command),
    /// Look for what on this machine would cost money, and say what mends it
    Doctor(crate::doctor::DoctorArguments),
    /// Votes that exclude each other: what a member knows of them, check them, report them on L1
    #[command(subcommand)]
    Evidence(crate::evidence::EvidenceCommand),
    /// A machine's firmware settings: plan them, apply them, see when they drift
    #[command(subcommand)]
    Firmware(crate::firmware::FirmwareCommand),
    /// What each parameter set proves, in bits, step by step
    Soundness(aggregation::SoundnessArguments),
    /// Programs: what is proved, as files
    #[command(subcommand)]
    Program(aggregation::ProgramCommand),
    /// Leaf proofs: a program's own
    #[command(subcommand)]
    Leaf(aggregation::LeafCommand),
    /// Wrap a leaf proof: prove, in the shape that all nodes have, that it verifies
    Wrap(aggregation::WrapArguments),
    /// Fold two nodes into one
    Fold(aggregation::FoldArguments),
    /// Wrap and fold many proofs into one
    Aggregate(aggregation::AggregateArguments),
    /// Verify a proof file: a leaf's, a node's, or the root of a batch
    Verify(aggregation::VerifyArguments),
    /// Seal the root of a batch: make the proof that an AggregationHub on the L1 takes
    Seal(aggregation::SealArguments),
    /// Append builds for newer processors to this program's file: what `cargo dist` does
    #[command(hide = true)]
    PackVariants(crate::variants::PackArguments),
}

/// `sinter devnet`.
#[derive(Clone, Debug, Args)]
pub struct DevnetArguments {
    /// End by itself after this many seconds of load
    #[arg(long = "for", value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=31_536_000))]
    pub seconds: Option<u64>,
    /// Print one summary object as the last line of standard output; everything else goes to standard error
    #[arg(long)]
    pub json: bool,
    /// Keep the network in this directory; a second run goes on with the same chain
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Settle on the L1 behind this RPC URL instead of the embedded one
    #[arg(long, value_name = "URL", requires_all = ["l1_key_file", "l1_settle_key_file"])]
    pub l1: Option<String>,
    /// File with the hex private key of the funded L1 account that deploys and posts (with --l1)
    #[arg(long, value_name = "FILE", requires = "l1")]
    pub l1_key_file: Option<PathBuf>,
    /// File with the hex private key of another funded L1 account, which settles the batch (with --l1)
    #[arg(long, value_name = "FILE", requires = "l1")]
    pub l1_settle_key_file: Option<PathBuf>,
    /// Seal with production's parameters: a minute on two cores, and 9 GB of memory
    #[arg(long)]
    pub production_seal: bool,
    /// Begin a new epoch every so many blocks, at least 8, in a network that is new; without it, the first one never ends
    #[arg(long, value_name = "BLOCKS")]
    pub epoch_blocks: Option<NonZeroU64>,
    /// So many nodes register on the L1, and every epoch's committee of four is drawn from them; epochs have 400 blocks if nothing else
    /// is said
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(4..=32))]
    pub registered: Option<u8>,
    /// Every so many seconds, kill a member, and the appliance or a rollup's node, without warning, and start them again
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub kill_every: Option<u64>,
    /// Transfers of each of the two users who pay into a ledger
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=512))]
    pub transfers: u32,
    /// Transactions a second; 0 sends none
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u32).range(..=1_000_000))]
    pub rate: u32,
    /// Bytes of data that each transaction carries
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(..=100_000))]
    pub payload_bytes: u32,
    /// How to show what happens
    #[arg(long, value_enum, default_value_t = ViewMode::Auto)]
    pub view: ViewMode,
}

impl DevnetArguments {
    /// Nodes of a network that is new: the fewest that bear a fault, or all who are registered.
    pub fn members(&self) -> usize {
        self.registered.map_or(SEATS, usize::from)
    }

    /// Blocks of its epochs. An epoch whose committee is drawn has to last until the L1 has told.
    pub fn epoch_blocks(&self) -> Option<NonZeroU64> {
        self.epoch_blocks.or(self.registered.and(NonZeroU64::new(400)))
    }
}

/// How `sinter devnet` shows what happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ViewMode {
    /// Live when standard output is a terminal, lines otherwise
    Auto,
    /// One line a second
    Lines,
    /// The live terminal view
    Live,
}

/// `sinter sequencer …`.
#[derive(Debug, Subcommand)]
pub enum SequencerCommand {
    /// Run a member until SIGINT or SIGTERM
    Run(RunArguments),
    /// Make a member's two keys in the clear and print its seat for chain.toml; `sinter keys new` encrypts
    Init(InitArguments),
    /// Print the seat of existing keys for chain.toml
    Seat(InitArguments),
    /// Print what a member has voted lately, from its voting journal, which is not touched
    Votes(VotesArguments),
    /// Register a member's keys on L1 with stake, so that it may be drawn for a committee
    Register(crate::sequencer::join::RegisterArguments),
    /// Put more ether behind a registrant
    TopUp(crate::sequencer::join::TopUpArguments),
    /// Vote with another BLS key, run another node, or listen elsewhere, from the next snapshot on
    RotateKeys(crate::sequencer::rotate::RotateArguments),
    /// Leave: no committee has this registrant once all that have him are over
    Exit(crate::sequencer::leave::ExitArguments),
    /// Take shares back that stand behind a registrant, yours or another's
    Undelegate(crate::sequencer::leave::UndelegateArguments),
    /// Get the ether back that has left, and have keys released
    Claim(crate::sequencer::leave::ClaimArguments),
    /// Print the newest committees, followed from chain.toml's: what a node that joins may trust instead
    Committee(crate::sequencer::begin::CommitteeArguments),
    /// What an operator has on L1, whether it may be drawn, where it has a seat, and what waits to be paid
    Status(crate::sequencer::status::StatusArguments),
}

/// `sinter sequencer run`.
#[derive(Debug, Args)]
pub struct RunArguments {
    /// The node's configuration file
    #[arg(long, value_name = "FILE", env = "SINTER_CONFIG")]
    pub config: Option<PathBuf>,
    /// Keys of that file, given here.
    #[command(flatten)]
    pub overrides: RunOverrides,
    /// How log lines are written to standard error
    #[arg(long, value_enum, default_value_t = LogFormat::Text)]
    pub log_format: LogFormat,
    /// Stop when standard input ends: for a parent that wants no orphans
    #[arg(long, hide = true)]
    pub stop_with_input: bool,
}

/// Configuration keys that have flags of their own; they win over file and environment.
#[derive(Debug, Args, Serialize)]
pub struct RunOverrides {
    /// The network's chain.toml
    #[arg(long, value_name = "FILE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chain: Option<PathBuf>,
    /// Where everything durable lives
    #[arg(long, value_name = "DIR")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data_dir: Option<PathBuf>,
    /// The UDP address for peers
    #[arg(long, value_name = "ADDRESS:PORT")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listen: Option<SocketAddr>,
    /// The TCP address of the JSON-RPC
    #[arg(long, value_name = "ADDRESS:PORT")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rpc_listen: Option<SocketAddr>,
    /// What is logged, such as `info,sinter_sequencer=debug`
    #[arg(long, value_name = "FILTER")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log: Option<String>,
}

/// How log lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people
    Text,
    /// One JSON object a line
    Json,
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

/// `sinter sequencer votes`.
#[derive(Debug, Args)]
pub struct VotesArguments {
    /// The member's data directory
    #[arg(long, value_name = "DIR")]
    pub data_dir: PathBuf,
    /// Print one JSON object a line
    #[arg(long)]
    pub json: bool,
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
    /// Fetch the receipt of a final transaction
    Get {
        /// The transaction's id: 0x and 64 hex digits
        #[arg(value_name = "TRANSACTION_ID")]
        id: String,
        /// A member's RPC
        #[arg(long, value_name = "URL")]
        rpc: String,
    },
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

/// `sinter relayer …`.
#[derive(Debug, Subcommand)]
pub enum RelayerCommand {
    /// Follow a network's certified headers and post them until SIGINT or SIGTERM
    Run(RelayerArguments),
}

/// `sinter relayer run`.
#[derive(Debug, Args)]
pub struct RelayerArguments {
    /// Members' RPCs; the next one is used when one fails
    #[arg(long, value_name = "URL", required = true, num_args = 1..)]
    pub rpc: Vec<String>,
    /// The network's chain.toml
    #[arg(long, value_name = "FILE")]
    pub chain: PathBuf,
    /// The L1's RPC
    #[arg(long, value_name = "URL")]
    pub l1: String,
    /// File with the hex private key of the account that posts, mode 0600
    #[arg(long, value_name = "FILE")]
    pub key_file: PathBuf,
    /// Where what was posted is remembered
    #[arg(long, value_name = "DIR")]
    pub data_dir: PathBuf,
    /// Where numbers are shown
    #[command(flatten)]
    pub metrics: crate::metrics::MetricsArguments,
}

/// `sinter l1 …`.
#[derive(Debug, Subcommand)]
pub enum L1Command {
    /// Run the embedded development L1 until SIGINT or SIGTERM
    Dev {
        /// The TCP address of its JSON-RPC
        #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8545")]
        listen: SocketAddr,
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

    #[test]
    fn devnet_bounds_what_it_takes() {
        let parse = |words: &[&str]| Arguments::try_parse_from([&["sinter", "devnet"], words].concat());
        assert!(parse(&["--for", "20", "--json"]).is_ok());
        assert!(parse(&["--for", "0"]).is_err());
        assert!(parse(&["--payload-bytes", "100001"]).is_err());
    }
}
