//! What operators watch: one list of metrics, one list of alerts, and the files that are made from them.
//!
//! | file | is made by |
//! |---|---|
//! | `ops/prometheus/sinter.rules.yml` | [`rules::rules`] |
//! | `ops/prometheus/tests/sinter.yml` | [`rules::tests`] |
//! | `ops/grafana/*.json` | [`dashboards::dashboard`] |
//!
//! `cargo run -p sinter-ops -- write` makes them again. The tests beside this crate hold the files in the repository to what
//! the code makes, every name in them to the list, and every alert to a runbook; `cargo ci devnet` holds the list to what
//! live machines serve ([`live`]). Machines serve a dashboard of their own, too, which is made from the same list ([`page`]).

pub mod alerts;
pub mod dashboards;
pub mod live;
pub mod metrics;
pub mod names;
pub mod page;
pub mod rules;

use metrics::Machine;

/// Every file that is made, as a path below `ops/` and its text.
#[must_use]
pub fn files() -> Vec<(String, String)> {
    let mut files = vec![
        ("prometheus/sinter.rules.yml".to_owned(), rules::rules(alerts::ALERTS)),
        ("prometheus/tests/sinter.yml".to_owned(), rules::tests(alerts::ALERTS, alerts::HEALTHY)),
    ];
    files.extend(Machine::ALL.iter().map(|machine| {
        (format!("grafana/{}.json", machine.name()), dashboards::dashboard(*machine, metrics::METRICS))
    }));
    files
}
