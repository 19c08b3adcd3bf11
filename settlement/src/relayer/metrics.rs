//! The relayer's numbers.

use metrics::{Counter, Gauge, counter, describe_counter, describe_gauge, gauge};

/// Handles to the relayer's metrics.
#[derive(Clone)]
pub(super) struct Metrics {
    pub(super) posted_height: Gauge,
    pub(super) verified_height: Gauge,
    pub(super) pending: Gauge,
    pub(super) frozen: Gauge,
    pub(super) posts: Counter,
    pub(super) replacements: Counter,
    pub(super) resends: Counter,
    pub(super) reorgs: Counter,
    pub(super) reverted: Counter,
    pub(super) gas_used: Counter,
    pub(super) ceiling_waits: Counter,
    pub(super) l1_errors: Counter,
}

impl Metrics {
    pub(super) fn new() -> Self {
        describe_gauge!("sinter_relayer_posted_height", "Height of the last header that an L1 block included.");
        describe_gauge!("sinter_relayer_verified_height", "Height of the last header that the contract accepted.");
        describe_gauge!("sinter_relayer_pending", "Transactions that wait for an L1 block.");
        describe_gauge!("sinter_relayer_frozen", "1 once conflicting finalizations froze the contract.");
        describe_counter!("sinter_relayer_posts_total", "Headers signed for the L1.");
        describe_counter!("sinter_relayer_replacements_total", "Transactions signed again with higher fees.");
        describe_counter!("sinter_relayer_resends_total", "Transactions sent again unchanged.");
        describe_counter!("sinter_relayer_reorgs_total", "Posts that the L1 took back.");
        describe_counter!("sinter_relayer_reverted_total", "Posts that were included and failed.");
        describe_counter!("sinter_relayer_gas_used_total", "Gas of the posts that were included.");
        describe_counter!(
            "sinter_relayer_ceiling_waits_total",
            "Rounds without a post or bump: fees above the ceiling."
        );
        describe_counter!("sinter_relayer_l1_errors_total", "Rounds that the L1 made fail.");
        Self {
            posted_height: gauge!("sinter_relayer_posted_height"),
            verified_height: gauge!("sinter_relayer_verified_height"),
            pending: gauge!("sinter_relayer_pending"),
            frozen: gauge!("sinter_relayer_frozen"),
            posts: counter!("sinter_relayer_posts_total"),
            replacements: counter!("sinter_relayer_replacements_total"),
            resends: counter!("sinter_relayer_resends_total"),
            reorgs: counter!("sinter_relayer_reorgs_total"),
            reverted: counter!("sinter_relayer_reverted_total"),
            gas_used: counter!("sinter_relayer_gas_used_total"),
            ceiling_waits: counter!("sinter_relayer_ceiling_waits_total"),
            l1_errors: counter!("sinter_relayer_l1_errors_total"),
        }
    }
}
