//! The numbers that every submitter has.

use metrics::{Counter, Gauge, counter, describe_counter, describe_gauge, gauge};

/// Handles to a submitter's metrics. The names start with the submitter's prefix, such as `sinter_relayer`:
///
/// | name | counts |
/// |---|---|
/// | `…_pending` | transactions that wait for an L1 block |
/// | `…_posts_total` | calls signed for the L1 |
/// | `…_replacements_total` | transactions signed again with higher fees |
/// | `…_cancels_total` | transactions replaced by one that does nothing, since they had become needless |
/// | `…_resends_total` | transactions sent again unchanged |
/// | `…_reorgs_total` | posts that the L1 took back |
/// | `…_reverted_total` | posts that were included and failed |
/// | `…_nonces_taken_total` | nonces that a transaction of the same key, signed elsewhere, used up |
/// | `…_gas_used_total` | gas of what was included |
/// | `…_ceiling_waits_total` | rounds without a post or bump: fees above what may be paid |
/// | `…_l1_errors_total` | rounds that the L1 made fail |
#[derive(Clone)]
pub(crate) struct Metrics {
    pub(crate) pending: Gauge,
    pub(super) posts: Counter,
    pub(super) replacements: Counter,
    pub(super) cancels: Counter,
    pub(super) resends: Counter,
    pub(super) reorgs: Counter,
    pub(super) reverted: Counter,
    pub(super) nonces_taken: Counter,
    pub(super) gas_used: Counter,
    pub(super) ceiling_waits: Counter,
    pub(crate) l1_errors: Counter,
}

impl Metrics {
    pub(super) fn new(prefix: &str) -> Self {
        let counter = |name: &str, text: &'static str| {
            let name = format!("{prefix}_{name}_total");
            describe_counter!(name.clone(), text);
            counter!(name)
        };
        let pending = format!("{prefix}_pending");
        describe_gauge!(pending.clone(), "Transactions that wait for an L1 block.");
        Self {
            pending: gauge!(pending),
            posts: counter("posts", "Calls signed for the L1."),
            replacements: counter("replacements", "Transactions signed again with higher fees."),
            cancels: counter("cancels", "Needless transactions replaced by one that does nothing."),
            resends: counter("resends", "Transactions sent again unchanged."),
            reorgs: counter("reorgs", "Posts that the L1 took back."),
            reverted: counter("reverted", "Posts that were included and failed."),
            nonces_taken: counter("nonces_taken", "Nonces used up by a transaction signed elsewhere."),
            gas_used: counter("gas_used", "Gas of what was included."),
            ceiling_waits: counter("ceiling_waits", "Rounds without a post or bump: fees above what may be paid."),
            l1_errors: counter("l1_errors", "Rounds that the L1 made fail."),
        }
    }
}
