//! Names of metrics in text: in expressions, dashboards and runbooks.

use crate::metrics::{Kind, METRICS, Metric};
use std::collections::BTreeSet;

/// What Prometheus itself makes for everything that it scrapes.
const OF_PROMETHEUS: [&str; 1] = ["up"];

/// How names of metrics begin that machines serve.
const PREFIXES: [&str; 4] = ["sinter_", "commonware_", "node_", "process_"];

/// What a histogram's samples end with.
const PARTS: [&str; 3] = ["_bucket", "_sum", "_count"];

/// The metric that a sample's name belongs to.
#[must_use]
pub fn metric(sample: &str) -> Option<&'static Metric> {
    METRICS.iter().find(|metric| {
        let rest = sample.strip_prefix(metric.name);
        rest.is_some_and(|rest| rest.is_empty() || (metric.kind == Kind::Histogram && PARTS.contains(&rest)))
    })
}

/// Words of `text` that look like names of metrics.
#[must_use]
pub fn in_text(text: &str) -> BTreeSet<&str> {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == ':'));
    words.filter(|word| PREFIXES.iter().any(|prefix| word.starts_with(prefix) && word.len() > prefix.len())).collect()
}

/// Names in `text` that no metric of the list has.
#[must_use]
pub fn unknown(text: &str) -> Vec<&str> {
    in_text(text).into_iter().filter(|name| metric(name).is_none() && !OF_PROMETHEUS.contains(name)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_and_known_by_the_list() {
        let text = "rate(sinter_finality_seconds_bucket[5m]) > sinter_peers{job=\"sinter-sequencer\"} and up == 0";
        assert_eq!(in_text(text).into_iter().collect::<Vec<_>>(), ["sinter_finality_seconds_bucket", "sinter_peers"]);
        assert!(unknown(text).is_empty());
        // A gauge has no buckets, and nobody serves the other.
        assert_eq!(unknown("sinter_peers_bucket + sinter_no_such"), ["sinter_no_such", "sinter_peers_bucket"]);
    }
}
