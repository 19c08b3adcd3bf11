//! `sinter bench`: how fast the parts are, each against its reference in the same run.
//!
//! | file | holds |
//! |---|---|
//! | `network.rs` | a round: bare validators in one process, over real sockets, for some seconds |
//! | `engine.rs`, `block.rs` | a bare validator: the sequencer's consensus around an application that does nothing |
//! | `transports.rs` | QUIC against TCP, in pairs of rounds |
//! | `committee.rs` | the files of a committee on loopback |
//! | `nodes.rs` | its nodes, in this process or as processes of their own |
//! | `whole_nodes.rs` | a round of them, kept supplied with transactions |
//! | `engine_ratio.rs` | whole nodes against the bare engine, in pairs of rounds |
//! | `profile.rs` | where the time goes, from the nodes' own metrics |
//! | `order/` | `sinter bench order`: whole nodes against the bare engine, throughput, memory |
//! | `rotate.rs` | `sinter bench rotate`: the same where epochs meet, up to sixteen seats |
//! | `fold.rs` | `sinter bench fold`: what a fold and a tree cost |
//! | `gpu.rs` | `sinter bench gpu`: kernels and whole folds on a GPU, against the processor |
//! | `settle.rs` | `sinter bench settle`: what a seal takes, and what it costs on the L1 |
//! | `roll.rs` | `sinter bench roll`: from a wallet to L1, and what the appliance adds |
//! | `light_client.rs` | what the L1 charges for a certificate |
//! | `measure.rs` | numbers from what the validators saw |

pub mod block;
pub mod committee;
pub mod engine;
pub mod engine_ratio;
pub mod fold;
pub mod gpu;
pub mod light_client;
pub mod measure;
pub mod network;
pub mod nodes;
pub mod order;
pub mod profile;
pub mod roll;
pub mod rotate;
pub mod settle;
pub mod transports;
pub mod whole_nodes;

use crate::exit::{Exit, Failure, OrFail, print_result};
use clap::{Args, Subcommand};
use network::{Carrier, Round, RoundError};
use std::{num::NonZeroUsize, path::PathBuf, thread::available_parallelism, time::Duration};
use transports::Case;

/// `sinter bench …`.
#[derive(Clone, Debug, Subcommand)]
pub enum BenchCommand {
    /// QUIC against commonware's TCP transport, in turns, under the bare consensus engine
    Transport(TransportArguments),
    /// What a sequencer adds to the bare engine, and what it takes
    Order(order::OrderArguments),
    /// The same where epochs meet, by numbers of seats
    Rotate(rotate::RotateArguments),
    /// What folding two proofs costs, stage by stage
    Fold(fold::FoldArguments),
    /// How fast a GPU is: kernels, and whole folds against the processor's, byte for byte
    Gpu(gpu::GpuArguments),
    /// What sealing a batch takes, and what it costs on the L1, part by part
    Settle(settle::SettleArguments),
    /// What a transfer takes from a wallet to the L1, and what the appliance adds to proving
    Roll(roll::RollArguments),
}

/// Runs a benchmark and prints its numbers as one JSON object, cases as they come on standard error.
pub fn run(command: &BenchCommand) -> Result<(), Failure> {
    match command {
        BenchCommand::Transport(arguments) => {
            let cases = transports(arguments).or_fail(Exit::Failed, "bench")?;
            print_result(serde_json::json!({ "quic_vs_tcp": cases }))
        }
        BenchCommand::Order(arguments) => order::run(arguments),
        BenchCommand::Rotate(arguments) => rotate::run(arguments),
        BenchCommand::Fold(arguments) => fold::run(arguments),
        BenchCommand::Gpu(arguments) => gpu::run(arguments),
        BenchCommand::Settle(arguments) => settle::run(arguments),
        BenchCommand::Roll(arguments) => roll::run(arguments),
    }
}

/// `sinter bench transport`: QUIC against commonware's TCP.
#[derive(Clone, Debug, Args)]
pub struct TransportArguments {
    /// Numbers of validators
    #[arg(long, value_name = "N,…", value_delimiter = ',', default_value = "4,10")]
    pub validators: Vec<u32>,
    /// Bytes of payload in a block
    #[arg(long, value_name = "BYTES,…", value_delimiter = ',', default_value = "1000,1000000,5000000")]
    pub block_bytes: Vec<usize>,
    /// Pairs of rounds for each case
    #[arg(long, value_name = "N", default_value = "3")]
    pub pairs: NonZeroUsize,
    /// Seconds that a round measures
    #[arg(long, value_name = "SECONDS", default_value = "5")]
    pub seconds: u64,
    /// Where journals go: a directory in memory keeps the disk out of the comparison
    #[arg(long, value_name = "DIR", default_value = "/dev/shm")]
    pub storage: PathBuf,
}

impl Default for TransportArguments {
    fn default() -> Self {
        Self {
            validators: vec![4, 10],
            block_bytes: vec![1_000, 1_000_000, 5_000_000],
            pairs: NonZeroUsize::new(3).unwrap_or(NonZeroUsize::MIN),
            seconds: 5,
            storage: "/dev/shm".into(),
        }
    }
}

impl TransportArguments {
    fn round(&self, validators: u32, block_bytes: usize) -> Round {
        Round {
            validators,
            carrier: Carrier::Quic,
            block_bytes,
            duration: Duration::from_secs(self.seconds),
            storage: self.storage.clone(),
            worker_threads: processors(),
        }
    }
}

/// Compares the transports case by case, telling of each on standard error.
///
/// # Errors
/// [`RoundError`] of the first round that fails.
pub fn transports(arguments: &TransportArguments) -> Result<Vec<Case>, RoundError> {
    let mut cases = Vec::new();
    for &validators in &arguments.validators {
        for &block_bytes in &arguments.block_bytes {
            let case = transports::compare(&arguments.round(validators, block_bytes), arguments.pairs.get())?;
            eprintln!(
                "n={} block_bytes={}: views {:.2}, p99 {:.2} (above 1: QUIC is ahead)",
                case.n, case.block_bytes, case.views_ratio, case.p99_ratio
            );
            cases.push(case);
        }
    }
    Ok(cases)
}

/// Processors that this process may use.
fn processors() -> NonZeroUsize {
    available_parallelism().unwrap_or(NonZeroUsize::MIN)
}
