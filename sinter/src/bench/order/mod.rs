//! `sinter bench order`: what the sequencer adds to the bare engine, and what it takes.
//!
//! | file | holds |
//! |---|---|
//! | `throughput.rs` | small transactions over RPC |
//! | `memory.rs` | resident memory, idle and under load |
//! | `load.rs`, `http.rs` | clients that cost little: prepared batches over kept connections |

mod http;
mod load;
mod memory;
mod throughput;

use super::{
    TransportArguments, committee::Shape, engine_ratio, measure::Measured, network::RoundError, processors,
    profile::Stages, transports::Case,
};
use crate::exit::{Exit, Failure, OrFail, print_result};
use clap::{Args, ValueEnum};
use memory::Memory;
use serde::Serialize;
use std::{
    num::NonZeroUsize,
    path::{Path, PathBuf},
    time::Duration,
};
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

/// Four members: the fewest that bear a fault.
const SHAPE: Shape = Shape { nodes: 4, block_bytes: 1 << 20, epoch_blocks: None };

/// Whole nodes, as a part of what the bare engine does.
#[derive(Debug, Serialize)]
struct Engine {
    bytes_ratio_vs_engine: f64,
    p50_ratio_vs_engine: f64,
    node_rounds: Vec<Measured>,
    engine_rounds: Vec<Measured>,
    /// In the last round of nodes.
    block_profile_ms: Stages,
}

/// The one object that is printed. What was not measured is left out.
#[derive(Debug, Default, Serialize)]
struct Report {
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    engine: Option<Engine>,
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
        report.engine = Some(engine(storage, &plan)?);
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

fn engine(storage: &Path, plan: &Plan) -> Result<Engine, Failure> {
    let ratio = engine_ratio::measure(storage, &SHAPE, plan.pairs.get(), plan.round)?;
    Ok(Engine {
        bytes_ratio_vs_engine: ratio.bytes,
        p50_ratio_vs_engine: ratio.p50,
        node_rounds: ratio.nodes.iter().map(|round| round.measured).collect(),
        engine_rounds: ratio.engines,
        block_profile_ms: ratio.nodes.last().map(|round| round.block_profile_ms.clone()).unwrap_or_default(),
    })
}

fn compare_transports(plan: &Plan) -> Result<Vec<Case>, RoundError> {
    let arguments = TransportArguments {
        pairs: plan.transport_pairs,
        seconds: plan.transport_round.as_secs(),
        ..TransportArguments::default()
    };
    super::transports(&arguments)
}
