//! Grafana's dashboards: one for each machine, a panel for each metric of the list.

use crate::metrics::{Kind, Machine, Metric, Unit};
use serde_json::{Value, json};

/// Grafana's grid is 24 wide; three panels stand in a row.
const PANEL_WIDTH: usize = 8;
const PANELS_A_ROW: usize = 3;
const PANEL_HEIGHT: usize = 7;

/// The dashboard of a machine, as Grafana imports it.
#[must_use]
pub fn dashboard(machine: Machine, list: &[Metric]) -> String {
    let dashboard = json!({
        "uid": format!("sinter-{}", machine.name()),
        "title": format!("Sinter: {}", machine.name()),
        "tags": ["sinter"],
        "schemaVersion": 39,
        "timezone": "utc",
        "refresh": "10s",
        "time": { "from": "now-1h", "to": "now" },
        "templating": { "list": [
            { "name": "prometheus", "type": "datasource", "query": "prometheus" },
            {
                "name": "instance",
                "type": "query",
                "datasource": source(),
                "query": format!("label_values(up{{job=\"{}\"}}, instance)", machine.job()),
                "refresh": 2,
                "multi": true,
                "includeAll": true,
            },
        ] },
        "panels": panels(machine, list),
    });
    format!("{dashboard:#}\n")
}

fn source() -> Value {
    json!({ "type": "prometheus", "uid": "${prometheus}" })
}

fn panels(machine: Machine, list: &[Metric]) -> Vec<Value> {
    let mut panels = Vec::new();
    let (mut row, mut top, mut column) = ("", 0, 0);
    for metric in list.iter().filter(|metric| metric.machine == machine) {
        if metric.row != row {
            top += if column == 0 { 0 } else { PANEL_HEIGHT };
            (row, column) = (metric.row, 0);
            let place = json!({ "x": 0, "y": top, "w": 24, "h": 1 });
            panels.push(json!({ "id": panels.len() + 1, "type": "row", "title": row, "gridPos": place, "panels": [] }));
            top += 1;
        }
        let place = json!({ "x": column * PANEL_WIDTH, "y": top, "w": PANEL_WIDTH, "h": PANEL_HEIGHT });
        panels.push(panel(panels.len() + 1, metric, &place));
        column = (column + 1) % PANELS_A_ROW;
        top += if column == 0 { PANEL_HEIGHT } else { 0 };
    }
    panels
}

fn panel(id: usize, metric: &Metric, place: &Value) -> Value {
    let targets: Vec<Value> = queries(metric)
        .into_iter()
        .zip('A'..)
        .map(|((expression, legend), reference)| {
            let reference = reference.to_string();
            json!({ "refId": reference, "datasource": source(), "expr": expression, "legendFormat": legend })
        })
        .collect();
    json!({
        "id": id,
        "type": "timeseries",
        "title": metric.about,
        "description": metric.name,
        "datasource": source(),
        "gridPos": place,
        "fieldConfig": { "defaults": { "unit": unit(metric) }, "overrides": [] },
        "targets": targets,
    })
}

/// What a panel asks Prometheus, each with the legend of its lines.
fn queries(metric: &Metric) -> Vec<(String, String)> {
    let series =
        |suffix: &str| format!("{}{suffix}{{job=\"{}\",instance=~\"$instance\"}}", metric.name, metric.machine.job());
    let labels = metric.labels.iter().map(|label| format!(" {{{{{label}}}}}"));
    let legend = format!("{{{{instance}}}}{}", labels.collect::<String>());
    match metric.kind {
        Kind::Gauge => vec![(series(""), legend)],
        Kind::Counter => vec![(format!("rate({}[$__rate_interval])", series("")), legend)],
        Kind::Histogram => {
            let by = ["instance", "le"].iter().chain(metric.labels).copied().collect::<Vec<_>>().join(", ");
            let rate = format!("sum by ({by}) (rate({}[$__rate_interval]))", series("_bucket"));
            let quantile = |quantile: &str| {
                (format!("histogram_quantile({quantile}, {rate})"), format!("{legend} p{}", &quantile[2..]))
            };
            vec![quantile("0.50"), quantile("0.99")]
        }
    }
}

/// A unit as Grafana names it; that of a counter is its rate's.
const fn unit(metric: &Metric) -> &'static str {
    match (metric.unit, matches!(metric.kind, Kind::Counter)) {
        (Unit::Bytes, false) => "bytes",
        (Unit::Bytes, true) => "Bps",
        (Unit::Seconds, _) => "s",
        (Unit::Count, true) => "cps",
        (Unit::Count | Unit::Flag | Unit::Wei, _) => "none",
    }
}
