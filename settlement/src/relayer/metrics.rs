//! The relayer's own numbers, beside those that every [submitter](crate::submitter) has.

use metrics::{Gauge, describe_gauge, gauge};

/// Handles to the relayer's metrics.
#[derive(Clone)]
pub(super) struct Metrics {
    pub(super) posted_height: Gauge,
    pub(super) verified_height: Gauge,
    pub(super) frozen: Gauge,
}

impl Metrics {
    pub(super) fn new() -> Self {
        describe_gauge!("sinter_relayer_posted_height", "Height of the last header that an L1 block included.");
        describe_gauge!("sinter_relayer_verified_height", "Height of the last header that the contract accepted.");
        describe_gauge!("sinter_relayer_frozen", "1 once conflicting finalizations froze the contract.");
        Self {
            posted_height: gauge!("sinter_relayer_posted_height"),
            verified_height: gauge!("sinter_relayer_verified_height"),
            frozen: gauge!("sinter_relayer_frozen"),
        }
    }
}
