//! Plans as people, programs and Prometheus read them.

use crate::{
    journal::now_ms,
    plan::{Item, Plan, State},
    redfish::machine::Machine,
};
use serde::Serialize;
use serde_json::{Value, json};
use std::fmt::{self, Write as _};

/// A plan as lines for a person.
#[must_use]
pub fn text<C: fmt::Display>(title: &str, plan: &Plan<C>) -> String {
    let mut out = format!("{title}\nprofile {}, map {}\n\n", plan.profile, plan.map);
    let width = plan.items.iter().map(|item| item.name.len()).max().unwrap_or_default();
    for item in &plan.items {
        let (word, middle, reason) = match &item.state {
            State::Holds => ("holds", stands(item), String::new()),
            State::Pending => ("waits", format!("{} until a reset, then {}", stands(item), item.wanted), String::new()),
            State::Change(change) => ("change", placed(item, &change.to_string()), format!("  ({})", item.why)),
            State::Impossible(reason) => {
                let or = if item.required { "" } else { "; not required" };
                ("cannot", format!("wants {}", item.wanted), format!(": {reason}{or}"))
            }
        };
        let line = format!("  {word:<7} {:<width$}  {middle}{reason}", item.name);
        out.push_str(line.trim_end());
        out.push('\n');
    }
    let count = |wanted: fn(&State<C>) -> bool| plan.items.iter().filter(|item| wanted(&item.state)).count();
    // Writing to a String cannot fail.
    let _ = write!(
        out,
        "\n{} to change, {} waiting for a reset, {} hold, {} cannot be done",
        count(|state| matches!(state, State::Change(_))),
        count(|state| matches!(state, State::Pending)),
        count(|state| matches!(state, State::Holds)),
        count(|state| matches!(state, State::Impossible(_))),
    );
    out
}

fn stands<C>(item: &Item<C>) -> String {
    placed(item, item.current.as_deref().unwrap_or_default())
}

fn placed<C>(item: &Item<C>, what: &str) -> String {
    match &item.place {
        Some(place) => format!("{}: {what}", crate::model::printable(place)),
        None => what.to_owned(),
    }
}

/// A plan as one JSON object.
#[must_use]
pub fn as_json<C: Serialize>(machine: &Machine, bmc: &str, plan: &Plan<C>) -> Value {
    json!({
        "bmc": bmc,
        "machine": {
            "manufacturer": machine.maker.manufacturer, "model": machine.model, "system": machine.id, "uuid": machine.uuid,
            "bios_version": machine.bios_version, "bmc_version": machine.bmc_version,
        },
        "checked_at_ms": now_ms(),
        "holds": plan.holds(),
        "plan": plan,
    })
}

/// A gauge of each setting: its name, its help, and when it is 1.
type Gauge<C> = (&'static str, &'static str, fn(&State<C>) -> bool);

/// A plan as metrics, in Prometheus' text format, for node_exporter's textfile collector. `None` when the machine could not be read.
#[must_use]
pub fn metrics<C>(plan: Option<&Plan<C>>) -> String {
    let mut out = String::new();
    gauge(&mut out, "sinter_firmware_read", "Whether the machine's firmware settings could be read.");
    line(&mut out, "sinter_firmware_read", "", u64::from(plan.is_some()));
    gauge(&mut out, "sinter_firmware_checked_at_seconds", "When they were last looked at.");
    line(&mut out, "sinter_firmware_checked_at_seconds", "", now_ms() / 1000);
    let Some(plan) = plan else { return out };
    gauge(&mut out, "sinter_firmware_holds", "Whether the machine is as its profile wants it.");
    line(&mut out, "sinter_firmware_holds", "", u64::from(plan.holds()));
    let gauges: [Gauge<C>; 3] = [
        ("sinter_firmware_drift", "Whether a setting is not as wanted.", |state| matches!(state, State::Change(_))),
        ("sinter_firmware_pending", "Whether a setting waits for a reset.", |state| matches!(state, State::Pending)),
        ("sinter_firmware_impossible", "Whether a setting cannot be had on this machine.", |state| {
            matches!(state, State::Impossible(_))
        }),
    ];
    for (name, help, is) in gauges {
        gauge(&mut out, name, help);
        for item in &plan.items {
            let labels = format!("{{setting=\"{}\",required=\"{}\"}}", label(&item.name), item.required);
            line(&mut out, name, &labels, u64::from(is(&item.state)));
        }
    }
    out
}

fn gauge(out: &mut String, name: &str, help: &str) {
    // Writing to a String cannot fail.
    let _ = write!(out, "# HELP {name} {help}\n# TYPE {name} gauge\n");
}

fn line(out: &mut String, name: &str, labels: &str, value: u64) {
    let _ = writeln!(out, "{name}{labels} {value}");
}

/// A label's value, with what would end it escaped.
fn label(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}
