//! The command lines of the proof side.

use clap::{Args, Subcommand};
use sinter_program::ParameterSet;
use sinter_prover::standard::Standard;
use std::path::PathBuf;

/// `sinter soundness`.
#[derive(Debug, Args)]
pub struct SoundnessArguments {
    /// This parameter set only: fold, fold-wide, shrink, narrow, seal or dev
    #[arg(long, value_name = "NAME", value_parser = parameter_set)]
    pub set: Option<ParameterSet>,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

/// `sinter program …`.
#[derive(Debug, Subcommand)]
pub enum ProgramCommand {
    /// Write one of Plonky3's AIRs as a program file
    Export {
        /// keccak, blake3 or poseidon2
        #[arg(value_name = "NAME")]
        standard: Standard,
        /// How large, and under which parameters
        #[command(flatten)]
        instance: Instance,
        /// The file to write
        #[arg(short, long, value_name = "FILE")]
        output: PathBuf,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Print what names a program: its digest, and the id under which it enters the fold
    Id {
        /// A program file
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Print what a program consists of, and what its proofs prove
    Inspect {
        /// A program file
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
}

/// The height and the parameters of a standard program.
#[derive(Debug, Args)]
pub struct Instance {
    /// log2 of the number of rows
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(..=i64::from(Standard::LOG_ROWS_MAX)))]
    pub log_rows: u8,
    /// The parameter set of its proofs: fold, fold-wide, or dev, which proves next to nothing
    #[arg(long, value_name = "NAME", value_parser = parameter_set)]
    pub set: ParameterSet,
}

/// `sinter leaf …`.
#[derive(Debug, Subcommand)]
pub enum LeafCommand {
    /// Prove as many permutations as a standard program holds, of inputs that a seed decides
    Prove {
        /// A program file; or keccak, blake3 or poseidon2, with --log-rows and --set
        #[arg(value_name = "FILE|NAME")]
        program: String,
        /// log2 of the number of rows
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(..=i64::from(Standard::LOG_ROWS_MAX)))]
        log_rows: Option<u8>,
        /// The parameter set: fold, fold-wide or dev
        #[arg(long, value_name = "NAME", value_parser = parameter_set)]
        set: Option<ParameterSet>,
        /// Decides the inputs
        #[arg(long, value_name = "S", default_value_t = 0)]
        seed: u64,
        /// The proof file to write
        #[arg(short, long, value_name = "PROOF")]
        output: PathBuf,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
}

/// `sinter wrap`.
#[derive(Debug, Args)]
pub struct WrapArguments {
    /// A leaf proof
    #[arg(value_name = "PROOF")]
    pub proof: PathBuf,
    /// The program that it is of
    #[arg(long, value_name = "FILE")]
    pub program: PathBuf,
    /// The node proof to write
    #[arg(short, long, value_name = "NODE")]
    pub output: PathBuf,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

/// `sinter fold`.
#[derive(Debug, Args)]
pub struct FoldArguments {
    /// The left node's proof: over 2^k leaves
    #[arg(value_name = "A")]
    pub left: PathBuf,
    /// The right node's proof: over as many leaves or fewer
    #[arg(value_name = "B")]
    pub right: PathBuf,
    /// The node proof to write
    #[arg(short, long, value_name = "NODE")]
    pub output: PathBuf,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

/// `sinter aggregate`.
#[derive(Debug, Args)]
pub struct AggregateArguments {
    /// Proofs, in the order of their statements: leaf proofs, or nodes that `sinter wrap` made
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,
    /// A program that some of them are of; may be given again
    #[arg(long, value_name = "FILE")]
    pub program: Vec<PathBuf>,
    /// Where finished nodes are kept: the same command goes on after a crash with what is there
    #[arg(long, value_name = "STATE")]
    pub dir: PathBuf,
    /// The root proof to write
    #[arg(short, long, value_name = "ROOT")]
    pub output: PathBuf,
    /// The list of statements to write [default: ROOT.statements.json]
    #[arg(long, value_name = "FILE")]
    pub statements: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

/// `sinter verify`.
#[derive(Debug, Args)]
pub struct VerifyArguments {
    /// A proof file
    #[arg(value_name = "PROOF")]
    pub file: PathBuf,
    /// The program that the proof has to be of, or to be the wrap of
    #[arg(long, value_name = "FILE")]
    pub program: Option<PathBuf>,
    /// The statements that the proof has to be the root of
    #[arg(long, value_name = "FILE", conflicts_with = "program")]
    pub statements: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

/// `sinter seal`.
#[derive(Debug, Args)]
pub struct SealArguments {
    /// The root of a batch
    #[arg(value_name = "ROOT")]
    pub root: PathBuf,
    /// The statements below it, as `sinter aggregate` wrote them
    #[arg(long, value_name = "FILE")]
    pub statements: PathBuf,
    /// The seal to write: what `sinter settle` brings to the L1
    #[arg(short, long, value_name = "SEAL")]
    pub output: PathBuf,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

fn parameter_set(name: &str) -> Result<ParameterSet, String> {
    ParameterSet::named(name).ok_or_else(|| {
        let names = ParameterSet::NAMED.map(|(name, _)| name).join(", ");
        format!("expected {names}, got `{name}`")
    })
}
