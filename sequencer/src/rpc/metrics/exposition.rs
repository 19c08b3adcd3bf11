//! Another registry's text, made to stand beside ours: every family behind a prefix, each once, with
//! its help and in the older of the two formats, which is the one that every scraper reads.
//!
//! OpenMetrics names a counter's family without the `_total` of its samples, ends with `# EOF`, and
//! has `# UNIT` lines; the Prometheus format wants none of that.

use std::{collections::BTreeMap, fmt::Write};

/// Suffixes of a histogram's or a summary's samples.
const PARTS: [&str; 3] = ["_bucket", "_sum", "_count"];

#[derive(Default)]
struct Family<'t> {
    help: &'t str,
    kind: &'t str,
    /// The rest of each sample's line after the family's name.
    samples: Vec<&'t str>,
}

/// The families of `text` behind `prefix`.
pub(super) fn prefixed(prefix: &str, text: &str) -> String {
    let mut families: BTreeMap<&str, Family<'_>> = BTreeMap::new();
    for line in text.lines() {
        if let Some(comment) = line.strip_prefix("# ") {
            let mut words = comment.splitn(3, ' ');
            let (word, name, rest) = (words.next(), words.next(), words.next().unwrap_or_default());
            match (word, name) {
                (Some("HELP"), Some(name)) => families.entry(base(name)).or_default().help = rest,
                (Some("TYPE"), Some(name)) => families.entry(base(name)).or_default().kind = rest,
                _ => {}
            }
        } else if !line.is_empty() {
            let end = line.find(['{', ' ']).unwrap_or(line.len());
            let name = family_of(&families, &line[..end]);
            families.entry(name).or_default().samples.push(&line[name.len()..]);
        }
    }
    let mut output = String::new();
    for (name, family) in families.iter().filter(|(_, family)| !family.samples.is_empty()) {
        write_family(&mut output, prefix, name, family);
    }
    output
}

/// A family's name as OpenMetrics has it.
fn base(name: &str) -> &str {
    name.strip_suffix("_total").unwrap_or(name)
}

/// The family that a sample belongs to.
fn family_of<'t>(families: &BTreeMap<&'t str, Family<'t>>, sample: &'t str) -> &'t str {
    for part in PARTS {
        let stem = sample.strip_suffix(part);
        if let Some(stem) = stem.filter(|stem| families.get(stem).is_some_and(|family| has_parts(family.kind))) {
            return stem;
        }
    }
    base(sample)
}

fn has_parts(kind: &str) -> bool {
    matches!(kind, "histogram" | "summary")
}

fn write_family(output: &mut String, prefix: &str, name: &str, family: &Family<'_>) {
    let is_counter = family.kind == "counter";
    let kind =
        if matches!(family.kind, "counter" | "gauge" | "histogram" | "summary") { family.kind } else { "untyped" };
    // Gauges that end like a histogram's parts are taken for one.
    let ends_like_a_part = !has_parts(kind) && PARTS.iter().any(|part| name.ends_with(part));
    let suffix = match (is_counter, ends_like_a_part) {
        (true, _) => "_total",
        (false, true) => "_value",
        (false, false) => "",
    };
    let name: String = format!("{prefix}{name}{suffix}").chars().map(snake).collect();
    let help = if family.help.is_empty() { "Not described by the library." } else { family.help };
    // Writing to a string cannot fail.
    let _ = writeln!(output, "# HELP {name} {help}\n# TYPE {name} {kind}");
    for sample in &family.samples {
        let rest = if is_counter { sample.strip_prefix("_total").unwrap_or(sample) } else { sample };
        // An exemplar follows a hash sign that stands outside of labels.
        let end = rest.rfind(" # {").unwrap_or(rest.len());
        let _ = writeln!(output, "{name}{}", &rest[..end]);
    }
}

fn snake(c: char) -> char {
    if c.is_ascii_alphanumeric() || c == '_' { c.to_ascii_lowercase() } else { '_' }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_histograms_and_gauges_come_through() {
        let text = "\
# HELP engine_votes Votes cast.
# TYPE engine_votes counter
engine_votes_total{epoch=\"1\"} 7
engine_votes_total{epoch=\"2\"} 1
# HELP rtt Round trip.
# TYPE rtt histogram
# UNIT rtt seconds
rtt_sum 0.5
rtt_count 2
rtt_bucket{le=\"0.1\"} 1
rtt_bucket{le=\"+Inf\"} 2
# HELP peer_count Peers.
# TYPE peer_count gauge
peer_count 3
# EOF
";
        let expected = "\
# HELP x_engine_votes_total Votes cast.
# TYPE x_engine_votes_total counter
x_engine_votes_total{epoch=\"1\"} 7
x_engine_votes_total{epoch=\"2\"} 1
# HELP x_peer_count_value Peers.
# TYPE x_peer_count_value gauge
x_peer_count_value 3
# HELP x_rtt Round trip.
# TYPE x_rtt histogram
x_rtt_sum 0.5
x_rtt_count 2
x_rtt_bucket{le=\"0.1\"} 1
x_rtt_bucket{le=\"+Inf\"} 2
";
        assert_eq!(prefixed("x_", text), expected);
    }

    #[test]
    fn a_family_that_comes_twice_is_shown_once() {
        let text = "# TYPE a gauge\na{n=\"1\"} 1\n# TYPE b gauge\nb 1\n# TYPE a gauge\na{n=\"2\"} 2\n";
        let shown = prefixed("x_", text);
        assert_eq!(shown.matches("# TYPE x_a gauge").count(), 1);
        assert!(shown.contains("x_a{n=\"1\"} 1\nx_a{n=\"2\"} 2\n"), "{shown}");
    }

    #[test]
    fn nonsense_is_no_panic() {
        for text in ["", "# ", "# HELP", "# TYPE x", "{", " ", "é{} 1", "a_total", "# EOF"] {
            let _ = prefixed("x_", text);
        }
    }
}
