//! The seal submitter's own numbers, beside those that every [submitter](crate::submitter) has.

use metrics::{Counter, Gauge, counter, describe_counter, describe_gauge, gauge};

/// Handles to the seal submitter's metrics.
#[derive(Clone)]
pub(super) struct Metrics {
    pub(super) unsettled: Gauge,
    pub(super) base_fee_wei: Gauge,
    pub(super) base_fee_max_wei: Gauge,
    pub(super) deadline: Gauge,
    pub(super) batch_gas: Gauge,
    pub(super) proof_cost_wei: Gauge,
    pub(super) refused: Counter,
}

impl Metrics {
    pub(super) fn new() -> Self {
        describe_gauge!("sinter_settle_unsettled", "Seals that the L1 does not have, at the depth that is asked for.");
        describe_gauge!("sinter_settle_base_fee_wei", "What the next L1 block asks per gas.");
        describe_gauge!("sinter_settle_base_fee_max_wei", "The highest base fee that is paid now.");
        describe_gauge!("sinter_settle_deadline", "0 all is well; 1 gas costs more than the ceiling; 2 missed.");
        describe_gauge!("sinter_settle_batch_gas", "Gas that the last batch took on the L1.");
        describe_gauge!("sinter_settle_proof_cost_wei", "What that cost, for each of the batch's proofs.");
        describe_counter!("sinter_settle_refused_total", "Seals that the contract would refuse, or that do not fit.");
        Self {
            unsettled: gauge!("sinter_settle_unsettled"),
            base_fee_wei: gauge!("sinter_settle_base_fee_wei"),
            base_fee_max_wei: gauge!("sinter_settle_base_fee_max_wei"),
            deadline: gauge!("sinter_settle_deadline"),
            batch_gas: gauge!("sinter_settle_batch_gas"),
            proof_cost_wei: gauge!("sinter_settle_proof_cost_wei"),
            refused: counter!("sinter_settle_refused_total"),
        }
    }
}
