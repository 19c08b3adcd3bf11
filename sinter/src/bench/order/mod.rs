//! `sinter bench order`: what the sequencer adds to the bare engine, and what it takes.
//!
//! | file | holds |
//! |---|---|
//! | `committee.rs` | the files of a committee on loopback |
//! | `nodes.rs` | its nodes, in this process or as processes of their own |
//! | `engine_ratio.rs` | whole nodes against the bare engine, in pairs of rounds |
//! | `throughput.rs` | small transactions over RPC |
//! | `memory.rs` | resident memory, idle and under load |
//! | `load.rs`, `http.rs` | clients that cost little: prepared batches over kept connections |
//! | `profile.rs` | where the time goes, from the nodes' own metrics |

mod committee;
mod engine_ratio;
mod http;
mod load;
mod memory;
mod nodes;
mod profile;
mod throughput;

use super::{TransportArguments, network::RoundError, transports::Case};
use crate::exit::{Exit, Failure, OrFail, print_result};
use clap::{Args, ValueEnum};
use engine_ratio::EngineRatio;
use memory::Memory;
use serde::Serialize;
use std::{num::NonZeroUsize, path::PathBuf, time::Duration};
use throughput::Throughput;

/// A part of `sinter bench order`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Part {
    /// Whole nodes against the bare engine, 1 MB blocks
    Engine,
    /// QUIC against commonware's TCP
    Transport,
    /// 200-byte transactions over RPC
    Throughput,
    /// Resident memory
    Memory,
}

/// `sinter bench order`.
#[derive(Clone, Debug, Args)]
pub struct OrderArguments {
    /// A few seconds for each case: to see that it works, not how fast
    #[arg(long)]
    pub quick: bool,
    /// Measure this part only; may be given again
    #[arg(long, value_enum, value_name = "PART")]
    pub only: Vec<Part>,
    /// Where nodes and engine keep their journals: a fresh directory below it is used and removed
    #[arg(long, value_name = "DIR", default_value_os_t = std::env::temp_dir())]
    pub storage: PathBuf,
}

/// How long each case takes.
#[derive(Clone, Copy, Debug)]
struct Plan {
    pairs: NonZeroUsize,
    round: Duration,
    transport_pairs: NonZeroUsize,
    transport_round: Duration,
    throughput: Duration,
    idle: Duration,
    loaded: Duration,
}

const FULL: Plan = Plan {
    pairs: NonZeroUsize::new(5).expect("not zero"),
    round: Duration::from_secs(10),
    transport_pairs: NonZeroUsize::new(3).expect("not zero"),
    transport_round: Duration::from_secs(5),
    throughput: Duration::from_secs(30),
    idle: Duration::from_secs(60),
    // Caches and the window of recent ids take some minutes to fill.
    loaded: Duration::from_secs(900),
};

const QUICK: Plan = Plan {
    pairs: NonZeroUsize::MIN,
    round: Duration::from_secs(4),
    transport_pairs: NonZeroUsize::MIN,
    transport_round: Duration::from_secs(2),
    throughput: Duration::from_secs(5),
    idle: Duration::from_secs(5),
    loaded: Duration::from_secs(15),
};

/// The one object that is printed. What was not measured is left out.
#[derive(Debug, Default, Serialize)]
struct Report {
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    engine: Option<EngineRatio>,
    #[serde(skip_serializing_if = "Option::is_none")]
    quic_vs_tcp: Option<Vec<Case>>,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    throughput: Option<Throughput>,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    memory: Option<Memory>,
    /// Processors that all of it shared.
    processors: usize,
}

/// Measures what was asked for and prints one JSON object; progress goes to standard error.
///
/// # Errors
/// When a network does not start or makes no progress.
pub fn run(arguments: &OrderArguments) -> Result<(), Failure> {
    let plan = if arguments.quick { QUICK } else { FULL };
    let wanted = |part| arguments.only.is_empty() || arguments.only.contains(&part);
    let storage = &arguments.storage;
    let mut report = Report { processors: processors().get(), ..Report::default() };
    if wanted(Part::Engine) {
        report.engine = Some(engine_ratio::measure(storage, plan.pairs.get(), plan.round)?);
    }
    if wanted(Part::Throughput) {
        report.throughput = Some(throughput::measure(storage, plan.throughput)?);
    }
    if wanted(Part::Memory) {
        report.memory = Some(memory::measure(storage, plan.idle, plan.loaded)?);
    }
    if wanted(Part::Transport) {
        report.quic_vs_tcp = Some(compare_transports(&plan).or_fail(Exit::Failed, "bench")?);
    }
    print_result(serde_json::to_string(&report).or_fail(Exit::Failed, "writing the report")?)
}

fn compare_transports(plan: &Plan) -> Result<Vec<Case>, RoundError> {
    let arguments = TransportArguments {
        pairs: plan.transport_pairs,
        seconds: plan.transport_round.as_secs(),
        ..TransportArguments::default()
    };
    super::transports(&arguments)
}

/// Processors that this process may use.
fn processors() -> NonZeroUsize {
    std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)
}
