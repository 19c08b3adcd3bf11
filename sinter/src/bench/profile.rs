//! Where the time goes: sums of the nodes' own histograms, before and after.

use crate::exit::{Exit, Failure, OrFail};
use serde::Serialize;
use std::collections::BTreeMap;

/// Histograms of work that a node does, each with the label that tells its parts apart.
const WORK: [&str; 3] =
    ["sinter_block_stage_seconds_sum", "sinter_mempool_build_seconds_sum", "sinter_rpc_call_seconds_sum"];
const FINALIZED: &str = "sinter_transactions_finalized_total";

/// What a process has spent on each kind of work since it started.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    seconds: BTreeMap<String, f64>,
    finalized: f64,
}

impl Snapshot {
    /// Of the nodes in this process, together.
    ///
    /// # Errors
    /// When this process has another recorder of metrics.
    pub fn of_this_process() -> Result<Self, Failure> {
        let recorder = sinter_sequencer::rpc::metrics::install().or_fail(Exit::Failed, "")?;
        Ok(Self::parse(&recorder.render()))
    }

    /// From the text of a node's `/metrics`.
    pub fn parse(text: &str) -> Self {
        let mut snapshot = Self::default();
        for line in text.lines() {
            let Some((series, value)) = line.rsplit_once(' ') else { continue };
            let Ok(value) = value.parse::<f64>() else { continue };
            let (name, labels) = series.split_once('{').unwrap_or((series, ""));
            if name == FINALIZED {
                snapshot.finalized += value;
            } else if WORK.contains(&name) {
                let kind = labels.split('"').nth(1).unwrap_or("mempool-build");
                *snapshot.seconds.entry(kind.into()).or_default() += value;
            }
        }
        snapshot
    }

    /// Transactions that became final.
    pub fn finalized(&self) -> f64 {
        self.finalized
    }

    /// Adds another node's.
    pub fn add(&mut self, other: &Self) {
        for (kind, seconds) in &other.seconds {
            *self.seconds.entry(kind.clone()).or_default() += seconds;
        }
        self.finalized += other.finalized;
    }
}

/// Time by kind of work.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(transparent)]
pub struct Stages(BTreeMap<String, f64>);

impl Stages {
    /// Seconds spent between two snapshots.
    pub fn between(before: &Snapshot, after: &Snapshot) -> Self {
        let spent = |(kind, seconds): (&String, &f64)| {
            (kind.clone(), seconds - before.seconds.get(kind).copied().unwrap_or_default())
        };
        Self(after.seconds.iter().map(spent).filter(|(_, seconds)| *seconds > 0.0).collect())
    }

    /// The same for each of `count`, in units of which a second has `per_second`.
    pub fn each(self, count: f64, per_second: f64) -> Self {
        Self(self.0.into_iter().map(|(kind, seconds)| (kind, seconds * per_second / count)).collect())
    }

    /// Adds a kind.
    pub fn with(mut self, kind: &str, value: f64) -> Self {
        self.0.insert(kind.into(), value);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_told_apart_by_label() {
        let before = Snapshot::parse("sinter_block_stage_seconds_sum{stage=\"check\"} 1.5\n");
        let text = "# HELP x y\nsinter_block_stage_seconds_sum{stage=\"check\"} 2.5\n\
                    sinter_block_stage_seconds_bucket{stage=\"check\",le=\"1\"} 9\n\
                    sinter_mempool_build_seconds_sum 0.25\nsinter_transactions_finalized_total 7\n";
        let after = Snapshot::parse(text);
        assert_eq!(after.finalized(), 7.0);
        let stages = Stages::between(&before, &after).each(2.0, 1e3);
        assert_eq!(stages.0, BTreeMap::from([("check".into(), 500.0), ("mempool-build".into(), 125.0)]));
    }
}
