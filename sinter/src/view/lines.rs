//! The view for pipes: one line a second.

use crate::devnet::snapshot::Snapshot;

/// A moment on one line.
pub fn line(snapshot: &Snapshot) -> String {
    let heights: Vec<String> =
        snapshot.nodes.iter().map(|node| if node.answers { node.height.to_string() } else { "-".to_owned() }).collect();
    let load = &snapshot.load;
    let refused: u64 = load.refused.values().sum();
    let mut parts = vec![
        format!("{:>4} s {:<9}", snapshot.elapsed.as_secs(), snapshot.phase.word()),
        format!("heights {}", heights.join(" ")),
        format!("accepted {}", load.accepted),
        format!("final {} ({:.0}/s)", load.finalized, load.recent_per_second),
        format!("pending {}", load.pending()),
        super::latency(load.recent_ms),
        format!(
            "L1 head {} posted {} verified {}",
            snapshot.l1.head, snapshot.l1.posted_height, snapshot.l1.verified_height
        ),
        snapshot.trail.to_string(),
    ];
    if refused > 0 {
        parts.push(format!("refused {refused}"));
    }
    parts.join("  ")
}

#[cfg(test)]
mod tests {
    use super::super::samples::running;

    #[test]
    fn a_moment_is_one_line() {
        assert_eq!(
            super::line(&running()),
            "  12 s running    heights 231 231 230 -  accepted 2400  final 2391 (199/s)  pending 9  \
             p50 41 ms p99 88 ms  L1 head 14 posted 220 verified 215  statements 3 settled 1  batch 2 of 2 folded  refused 3"
        );
    }
}
