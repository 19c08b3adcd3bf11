//! Prometheus's rules, and promtool's tests of them.
//!
//! Strings are written as JSON, which YAML reads.

use crate::{
    alerts::{Alert, Series},
    metrics::Machine,
};
use std::fmt::Write;

const MADE: &str = "# Made by `cargo run -p sinter-ops -- write` from ops/src/alerts.rs: change it there.\n";

/// When tests look, in minutes: every `for` and every range is over by then.
const LOOK_MINUTES: u32 = 330;

/// The rules file.
#[must_use]
pub fn rules(alerts: &[Alert]) -> String {
    let mut text = format!("{MADE}groups:\n  - name: sinter\n    rules:\n");
    for alert in alerts {
        let Alert { name, minutes, .. } = alert;
        let expression = format!("max by (job, instance) ({})", alert.expression);
        let summary = summary(alert, "{{ $labels.instance }}");
        // Writing to a string cannot fail.
        let _ = write!(
            text,
            "      - alert: {name}\n        expr: {}\n        for: {minutes}m\n        labels:\n          severity: {}\n        \
             annotations:\n          summary: {}\n          runbook_url: {}\n",
            quoted(&expression),
            alert.severity.name(),
            quoted(&summary),
            quoted(&runbook(alert)),
        );
    }
    text
}

/// The tests: nothing fires while all is well, and every alert fires in each of its cases.
#[must_use]
pub fn tests(alerts: &[Alert], healthy: &[(Machine, &[Series])]) -> String {
    let mut text = format!("{MADE}rule_files: [../sinter.rules.yml]\nevaluation_interval: 5m\ntests:\n");
    begin(&mut text, "all is well", healthy, None);
    for alert in alerts {
        let _ = writeln!(text, "      - {{ eval_time: {LOOK_MINUTES}m, alertname: {}, exp_alerts: [] }}", alert.name);
    }
    for alert in alerts {
        for (number, case) in alert.fires.iter().enumerate() {
            begin(&mut text, &format!("{} {}", alert.name, number + 1), healthy, Some((alert.machine, case)));
            let (job, instance) = (alert.machine.job(), instance(alert.machine));
            let _ = write!(
                text,
                "      - eval_time: {LOOK_MINUTES}m\n        alertname: {}\n        exp_alerts:\n          - exp_labels: \
                 {{ severity: {}, job: {job}, instance: {} }}\n            exp_annotations:\n              summary: \
                 {}\n              runbook_url: {}\n",
                alert.name,
                alert.severity.name(),
                quoted(&instance),
                quoted(&summary(alert, &instance)),
                quoted(&runbook(alert)),
            );
        }
    }
    text
}

/// Where an alert's runbook is, from the repository's root.
#[must_use]
pub fn runbook(alert: &Alert) -> String {
    format!("ops/runbooks/{}.md", alert.name)
}

/// A test's head and its series; those of `case` stand in for healthy ones.
fn begin(text: &mut String, name: &str, healthy: &[(Machine, &[Series])], case: Option<(Machine, &[Series])>) {
    let _ = write!(text, "  - name: {}\n    interval: 1m\n    input_series:\n", quoted(name));
    for (machine, all) in healthy {
        for (name, labels, values) in *all {
            let other = case.filter(|(sick, _)| sick == machine).and_then(|(_, series)| {
                series.iter().find(|(other, others, _)| (other, others) == (name, labels)).map(|(.., values)| values)
            });
            let comma = if labels.is_empty() { "" } else { "," };
            let series =
                format!("{name}{{job=\"{}\",instance=\"{}\"{comma}{labels}}}", machine.job(), instance(*machine));
            let _ = writeln!(text, "      - {{ series: '{series}', values: \"{}\" }}", other.unwrap_or(values));
        }
    }
    text.push_str("    alert_rule_test:\n");
}

fn instance(machine: Machine) -> String {
    format!("{}:9000", machine.name())
}

fn summary(alert: &Alert, instance: &str) -> String {
    alert.summary.replace("{instance}", instance)
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
