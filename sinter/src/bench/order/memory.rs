//! Resident memory of nodes that are processes of their own: idle, and its slope under steady load.

use super::{
    SHAPE,
    load::{self, Load},
};
use crate::{
    bench::{committee::Committee, nodes::Processes},
    exit::{Exit, Failure, OrFail},
};
use serde::Serialize;
use std::{
    fs, io,
    path::Path,
    time::{Duration, Instant},
};

const START_MAX: Duration = Duration::from_secs(30);
/// Transactions a second, far from what the network can take: memory must not depend on a backlog.
const RATE: u32 = 1_000;
const SAMPLE_INTERVAL: Duration = Duration::from_secs(1);
/// The part of the loaded time that fills caches and the window of recent ids: left out of the slope.
const SETTLE_FRACTION: f64 = 0.5;

/// What a node takes.
#[derive(Debug, Serialize)]
pub struct Memory {
    /// Of an idle node in an idle network, the largest of the four, in 10^6 bytes.
    pub idle_rss_mb: f64,
    /// At the end of the load, the largest of the four.
    pub loaded_rss_mb: f64,
    /// Growth under load in its second half, the largest of the four: least squares.
    pub rss_slope_mb_per_hour: f64,
    /// For how long the slope was measured.
    pub slope_seconds: f64,
    /// Transactions a second meanwhile.
    pub slope_tx_per_s: u32,
}

/// Runs a network, idle and then under load.
///
/// # Errors
/// When it does not start, or a node ends.
pub fn measure(storage: &Path, idle: Duration, loaded: Duration) -> Result<Memory, Failure> {
    let committee = Committee::create(storage, &SHAPE)?;
    let mut processes = Processes::start(&committee)?;
    let ids = processes.ids();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.or_fail(Exit::Failed, "starting the runtime")?;
    let outcome: io::Result<(f64, Vec<Sample>)> = runtime.block_on(async {
        let nodes = committee.rpc();
        load::await_healthy(&nodes, START_MAX).await?;
        tokio::time::sleep(idle).await;
        let idle_rss_mb = largest(&resident_mb(&ids)?);
        eprintln!("idle for {} s: {idle_rss_mb:.0} MB", idle.as_secs());
        let load = Load::start(&nodes, Some(RATE));
        let samples = sample(&ids, loaded).await?;
        load.stop().await?;
        Ok((idle_rss_mb, samples))
    });
    processes.check(&committee)?;
    processes.stop();
    let (idle_rss_mb, samples) = outcome.or_fail(Exit::Failed, "load over RPC")?;
    let settled = &samples[(samples.len() as f64 * SETTLE_FRACTION) as usize..];
    let slopes: Vec<f64> = (0..ids.len())
        .map(|node| slope(settled.iter().map(|sample| (sample.at.as_secs_f64(), sample.resident_mb[node]))))
        .collect();
    let memory = Memory {
        idle_rss_mb,
        loaded_rss_mb: samples.last().map_or(0.0, |last| largest(&last.resident_mb)),
        rss_slope_mb_per_hour: largest(&slopes) * 3600.0,
        slope_seconds: loaded.as_secs_f64() * (1.0 - SETTLE_FRACTION),
        slope_tx_per_s: RATE,
    };
    eprintln!("under load: {:.0} MB, {:+.1} MB an hour", memory.loaded_rss_mb, memory.rss_slope_mb_per_hour);
    Ok(memory)
}

/// Every node's memory at a time.
struct Sample {
    at: Duration,
    resident_mb: Vec<f64>,
}

async fn sample(ids: &[u32], duration: Duration) -> io::Result<Vec<Sample>> {
    let started = Instant::now();
    let mut samples = Vec::new();
    while started.elapsed() < duration {
        tokio::time::sleep(SAMPLE_INTERVAL).await;
        samples.push(Sample { at: started.elapsed(), resident_mb: resident_mb(ids)? });
    }
    Ok(samples)
}

fn resident_mb(ids: &[u32]) -> io::Result<Vec<f64>> {
    let one = |id: &u32| {
        let status = fs::read_to_string(format!("/proc/{id}/status"))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
        let kibibytes: f64 = line.trim().trim_end_matches("kB").trim().parse().map_err(io::Error::other)?;
        Ok(kibibytes * 1024.0 / 1e6)
    };
    ids.iter().map(one).collect()
}

fn largest(values: &[f64]) -> f64 {
    values.iter().copied().fold(f64::NEG_INFINITY, f64::max)
}

/// The slope of the least-squares line through points.
fn slope(points: impl Iterator<Item = (f64, f64)> + Clone) -> f64 {
    let count = points.clone().count() as f64;
    let (sum_x, sum_y) = points.clone().fold((0.0, 0.0), |(x, y), point| (x + point.0, y + point.1));
    let (mean_x, mean_y) = (sum_x / count, sum_y / count);
    let (covariance, variance) = points.fold((0.0, 0.0), |(covariance, variance), (x, y)| {
        (covariance + (x - mean_x) * (y - mean_y), variance + (x - mean_x).powi(2))
    });
    covariance / variance
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_its_own_slope() {
        let points = (0..10).map(|x| (f64::from(x), 3.0 + 0.5 * f64::from(x)));
        assert!((slope(points) - 0.5).abs() < 1e-12);
    }
}
