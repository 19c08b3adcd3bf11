//! The list against what machines serve.

use crate::{
    metrics::{Machine, Metric},
    names,
};
use std::collections::BTreeSet;

/// Metrics of the list that no machine of their kind serves, a line for each kind. `texts` are what live machines answer to
/// `GET /metrics`; of which kind a machine is, its metrics say: the one that serves most of a kind's is taken for that kind.
#[must_use]
pub fn missing(list: &[Metric], texts: &[String]) -> Vec<String> {
    let served: Vec<BTreeSet<&str>> = texts.iter().map(|text| served(text)).collect();
    let of_kind = |machine: &Machine| {
        let wanted: Vec<&str> =
            list.iter().filter(|metric| metric.machine == *machine).map(|metric| metric.name).collect();
        let lacks = |served: &BTreeSet<&str>| -> Vec<&str> {
            wanted.iter().copied().filter(|name| !served.contains(name)).collect()
        };
        let fewest = served.iter().map(lacks).min_by_key(Vec::len).unwrap_or_else(|| wanted.clone());
        (!fewest.is_empty()).then(|| format!("{}: not served: {}", machine.name(), fewest.join(", ")))
    };
    Machine::ALL.iter().filter_map(of_kind).collect()
}

/// Names of the metrics that have samples in an answer.
fn served(text: &str) -> BTreeSet<&str> {
    let samples = text.lines().filter(|line| !line.starts_with('#'));
    let names = samples.filter_map(|line| line.split(['{', ' ']).next());
    names.filter_map(|name| names::metric(name).map(|metric| metric.name)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::METRICS;

    #[test]
    fn a_metric_that_nobody_serves_is_named_with_its_machine() {
        let lines = |machine, suffix: &str| -> String {
            let of_kind = METRICS.iter().filter(|metric| metric.machine == machine);
            of_kind.map(|metric| format!("{}{suffix} 1\n", metric.name)).collect()
        };
        let mut texts: Vec<String> = Machine::ALL.iter().map(|machine| lines(*machine, "{a=\"b\"}")).collect();
        assert!(missing(METRICS, &texts).is_empty());

        let gone = METRICS.iter().find(|metric| metric.machine == Machine::Relayer).map_or("", |metric| metric.name);
        texts = texts.iter().map(|text| text.replace(&format!("{gone}{{"), "another{")).collect();
        assert_eq!(missing(METRICS, &texts), [format!("relayer: not served: {gone}")]);
        // A description without a sample is no metric that an alert could look at.
        texts.push(format!("# TYPE {gone} gauge\n"));
        assert_eq!(missing(METRICS, &texts).len(), 1);
        assert_eq!(missing(METRICS, &[]).len(), Machine::ALL.len());
    }
}
