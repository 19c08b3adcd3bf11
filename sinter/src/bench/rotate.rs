//! `sinter bench rotate`: whole nodes whose epochs end, over real sockets and disks, against the bare engine, whose only one does not.
//!
//! What distance does to finality, and members with seats that others had, are `sequencer/benches/rotate`'s.

use super::{
    committee::Shape,
    engine_ratio,
    measure::{Measured, Percentiles},
    processors,
    whole_nodes::{NodeRound, Seen},
};
use crate::exit::{Exit, Failure, OrFail, print_result};
use clap::Args;
use serde::Serialize;
use std::{
    num::{NonZeroU64, NonZeroUsize},
    path::PathBuf,
    time::Duration,
};

/// `sinter bench rotate`.
#[derive(Clone, Debug, Args)]
pub struct RotateArguments {
    /// Numbers of seats
    #[arg(long, value_name = "N,…", value_delimiter = ',', default_value = "4,10,16")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=64))]
    pub seats: Vec<u32>,
    /// Most bytes of a block
    #[arg(long, value_name = "BYTES", default_value = "262144", value_parser = clap::value_parser!(u32).range(65_536..))]
    pub block_bytes: u32,
    /// Heights of an epoch
    #[arg(long, value_name = "N", default_value = "32")]
    pub epoch_blocks: NonZeroU64,
    /// Pairs of rounds for each number of seats
    #[arg(long, value_name = "N", default_value = "3")]
    pub pairs: NonZeroUsize,
    /// Seconds that a round measures
    #[arg(long, value_name = "SECONDS", default_value = "10")]
    pub seconds: NonZeroU64,
    /// Where nodes and engine keep their journals: a fresh directory below it is used and removed
    #[arg(long, value_name = "DIR", default_value_os_t = std::env::temp_dir())]
    pub storage: PathBuf,
}

/// The one object that is printed.
#[derive(Debug, Serialize)]
struct Report {
    cases: Vec<Case>,
    block_bytes: u32,
    epoch_blocks: NonZeroU64,
    /// Processors that all of it shared.
    processors: usize,
}

/// One number of seats.
#[derive(Debug, Serialize)]
struct Case {
    seats: u32,
    bytes_ratio_vs_engine: f64,
    p50_ratio_vs_engine: f64,
    /// Within epochs, over all nodes and rounds.
    finality_ms: Percentiles,
    /// Of an epoch's last block and its first two.
    boundary_finality_ms: Percentiles,
    /// From one block to the next within epochs, as nodes saw them final.
    interval_ms: Percentiles,
    /// The same to an epoch's last block and its first two.
    boundary_interval_ms: Percentiles,
    /// How many times one epoch was followed by the next, over all rounds.
    boundaries: usize,
    /// Views that ended without a block at the beginning of those epochs.
    views_lost_at_boundaries: u64,
    node_rounds: Vec<Measured>,
    engine_rounds: Vec<Measured>,
}

/// Measures, and prints one JSON object; progress goes to standard error.
///
/// # Errors
/// When a network does not start or makes no progress, or no epoch ends in the time.
pub fn run(arguments: &RotateArguments) -> Result<(), Failure> {
    let cases = arguments.seats.iter().map(|seats| case(arguments, *seats)).collect::<Result<_, _>>()?;
    let report = Report {
        cases,
        block_bytes: arguments.block_bytes,
        epoch_blocks: arguments.epoch_blocks,
        processors: processors().get(),
    };
    print_result(serde_json::to_string(&report).or_fail(Exit::Failed, "writing the report")?)
}

fn case(arguments: &RotateArguments, seats: u32) -> Result<Case, Failure> {
    let shape = Shape {
        nodes: seats as usize,
        block_bytes: arguments.block_bytes as usize,
        epoch_blocks: Some(arguments.epoch_blocks),
    };
    let duration = Duration::from_secs(arguments.seconds.get());
    let ratio = engine_ratio::measure(&arguments.storage, &shape, arguments.pairs.get(), duration)?;
    let mut places = Places::default();
    ratio.nodes.iter().for_each(|round| places.add(round, arguments.epoch_blocks.get()));
    let too_short = || {
        let what = format!(
            "no epoch of {} blocks ended within {duration:?}: --seconds or --epoch-blocks",
            arguments.epoch_blocks
        );
        Failure::new(Exit::Failed, what)
    };
    Ok(Case {
        seats,
        bytes_ratio_vs_engine: ratio.bytes,
        p50_ratio_vs_engine: ratio.p50,
        finality_ms: Percentiles::of(&mut places.inside.latency_ms).ok_or_else(too_short)?,
        boundary_finality_ms: Percentiles::of(&mut places.boundary.latency_ms).ok_or_else(too_short)?,
        interval_ms: Percentiles::of(&mut places.inside.interval_ms).ok_or_else(too_short)?,
        boundary_interval_ms: Percentiles::of(&mut places.boundary.interval_ms).ok_or_else(too_short)?,
        boundaries: places.boundaries,
        views_lost_at_boundaries: places.views_lost,
        node_rounds: ratio.nodes.iter().map(|round| round.measured).collect(),
        engine_rounds: ratio.engines,
    })
}

/// Blocks by where in their epoch they stand.
#[derive(Debug, Default)]
struct Places {
    inside: Samples,
    boundary: Samples,
    boundaries: usize,
    views_lost: u64,
}

#[derive(Debug, Default)]
struct Samples {
    latency_ms: Vec<f64>,
    interval_ms: Vec<f64>,
}

impl Places {
    fn add(&mut self, round: &NodeRound, epoch_blocks: u64) {
        for node in &round.seen {
            for (before, one) in node.iter().zip(node.iter().skip(1)) {
                self.add_block(before, one, epoch_blocks);
            }
        }
        // The same at every node: what one of them saw.
        let firsts = round.seen.first().into_iter().flatten().filter(|one| one.header.height % epoch_blocks == 0);
        for first in firsts {
            self.boundaries += 1;
            // An epoch's views begin at 1.
            self.views_lost += first.header.view - 1;
        }
    }

    fn add_block(&mut self, before: &Seen, one: &Seen, epoch_blocks: u64) {
        let place = one.header.height % epoch_blocks;
        let samples = if place < 2 || place == epoch_blocks - 1 { &mut self.boundary } else { &mut self.inside };
        samples.latency_ms.push(one.finalized.latency.as_secs_f64() * 1e3);
        samples.interval_ms.push((one.finalized.at - before.finalized.at).as_secs_f64() * 1e3);
    }
}
