//! Whole nodes against the bare engine: the same committee size, block size, transport, timeouts, disk and
//! process, in rounds that take turns.

use super::{
    committee::Shape,
    measure::{Measured, median_ratio},
    network::{self, Carrier, Round},
    processors,
    whole_nodes::{self, NodeRound},
};
use crate::exit::{Exit, Failure, OrFail};
use std::{path::Path, time::Duration};

/// What nodes do, as a part of what the bare engine does.
#[derive(Debug)]
pub struct EngineRatio {
    /// Payload bytes that became final a second: the median over pairs of rounds.
    pub bytes: f64,
    /// Median time from a block's timestamp until it is final: the median over pairs of rounds.
    pub p50: f64,
    /// Every round of whole nodes.
    pub nodes: Vec<NodeRound>,
    /// Every round of the bare engine.
    pub engines: Vec<Measured>,
}

/// Runs pairs of rounds, telling of each on standard error. Which of a pair goes first alternates.
///
/// # Errors
/// When a round gives no numbers.
pub fn measure(storage: &Path, shape: &Shape, pairs: usize, duration: Duration) -> Result<EngineRatio, Failure> {
    let round = Round {
        validators: u32::try_from(shape.nodes).or_fail(Exit::Usage, "validators")?,
        carrier: Carrier::Quic,
        block_bytes: shape.block_bytes,
        duration,
        storage: storage.to_path_buf(),
        worker_threads: processors(),
    };
    let (mut nodes, mut engines): (Vec<NodeRound>, Vec<Measured>) = (Vec::new(), Vec::new());
    for pair in 0..pairs {
        for turn in 0..2 {
            if (pair + turn) % 2 == 0 {
                let measured = network::run(&round).or_fail(Exit::Failed, "a round of the engine")?;
                say("engine", shape, &measured);
                engines.push(measured);
            } else {
                let round = whole_nodes::run(storage, shape, duration)?;
                say("nodes", shape, &round.measured);
                nodes.push(round);
            }
        }
    }
    let ratio = |of: fn(&Measured) -> f64| {
        median_ratio(nodes.iter().zip(&engines).map(|(node, engine)| (of(&node.measured), of(engine))))
    };
    let (bytes, p50) = (ratio(|one| one.bytes_per_s), ratio(|one| one.finality_ms.p50));
    Ok(EngineRatio { bytes, p50, nodes, engines })
}

fn say(what: &str, shape: &Shape, measured: &Measured) {
    eprintln!(
        "{what}, n={}: {:.1} MB/s, {:.1} blocks/s, finality {:.0} ms (p99 {:.0})",
        shape.nodes,
        measured.bytes_per_s / 1e6,
        measured.views_per_s,
        measured.finality_ms.p50,
        measured.finality_ms.p99
    );
}
