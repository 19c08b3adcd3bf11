//! Dissemination's numbers.

use metrics::{Counter, Gauge, counter, describe_counter, describe_gauge, gauge};

/// Handles to the recorder that was installed when the actor was made.
pub(super) struct Metrics {
    /// Transactions sent to leaders; one that goes to two counts twice.
    pub sent_leaders: Counter,
    /// Transactions sent to the others, counted alike.
    pub sent_others: Counter,
    pub admitted: Counter,
    pub refused: Counter,
    pub displaced: Counter,
    pub throttled: Counter,
    pub faults: Counter,
    pub scheduled: Gauge,
}

impl Metrics {
    pub fn new() -> Self {
        describe_counter!(
            "sinter_dissemination_sent_total",
            "Transactions sent to other seats, by step; one that goes to two seats counts twice."
        );
        describe_counter!(
            "sinter_dissemination_received_total",
            "Transactions received from other seats, by what became of them."
        );
        describe_counter!("sinter_dissemination_displaced_total", "Transactions that a full schedule let go of.");
        describe_counter!(
            "sinter_dissemination_throttled_total",
            "Messages dropped unread: their sender sends too much."
        );
        describe_counter!("sinter_dissemination_faults_total", "Messages that no honest seat could have sent.");
        describe_gauge!("sinter_dissemination_scheduled", "Transactions on their way to other seats.");
        Self {
            sent_leaders: counter!("sinter_dissemination_sent_total", "step" => "leaders"),
            sent_others: counter!("sinter_dissemination_sent_total", "step" => "others"),
            admitted: counter!("sinter_dissemination_received_total", "outcome" => "admitted"),
            refused: counter!("sinter_dissemination_received_total", "outcome" => "refused"),
            displaced: counter!("sinter_dissemination_displaced_total"),
            throttled: counter!("sinter_dissemination_throttled_total"),
            faults: counter!("sinter_dissemination_faults_total"),
            scheduled: gauge!("sinter_dissemination_scheduled"),
        }
    }
}
