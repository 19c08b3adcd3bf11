//! QUIC against commonware's TCP transport: the same work, in turns, in one run.

use super::{
    measure::{Measured, median_ratio},
    network::{self, Carrier, Round, RoundError},
};
use serde::Serialize;

/// One case of the comparison.
#[derive(Clone, Debug, Serialize)]
pub struct Case {
    /// Validators.
    pub n: u32,
    /// Payload bytes in a block.
    pub block_bytes: usize,
    /// QUIC's blocks a second over TCP's: the median over pairs of rounds. More is better.
    pub views_ratio: f64,
    /// TCP's 99th percentile of finality over QUIC's: the median over pairs of rounds. More is better.
    pub p99_ratio: f64,
    /// Every round of QUIC.
    pub quic: Vec<Measured>,
    /// Every round of TCP.
    pub tcp: Vec<Measured>,
}

/// Runs `pairs` pairs of rounds like `round`. Which of a pair goes first alternates, so that a machine that gets
/// slower or faster favours neither.
///
/// # Errors
/// [`RoundError`] of the first round that fails.
pub fn compare(round: &Round, pairs: usize) -> Result<Case, RoundError> {
    let (mut quic, mut tcp) = (Vec::new(), Vec::new());
    for pair in 0..pairs {
        let order = if pair % 2 == 0 { [Carrier::Quic, Carrier::Tcp] } else { [Carrier::Tcp, Carrier::Quic] };
        for carrier in order {
            let measured = network::run(&Round { carrier, ..round.clone() })?;
            tracing::info!(?carrier, n = round.validators, block_bytes = round.block_bytes, ?measured, "round");
            match carrier {
                Carrier::Quic => quic.push(measured),
                Carrier::Tcp => tcp.push(measured),
            }
        }
    }
    let pairs = || quic.iter().zip(&tcp);
    Ok(Case {
        n: round.validators,
        block_bytes: round.block_bytes,
        views_ratio: median_ratio(pairs().map(|(quic, tcp)| (quic.views_per_s, tcp.views_per_s))),
        p99_ratio: median_ratio(pairs().map(|(quic, tcp)| (tcp.finality_ms.p99, quic.finality_ms.p99))),
        quic,
        tcp,
    })
}
