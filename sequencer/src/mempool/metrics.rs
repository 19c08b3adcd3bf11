//! The mempool's numbers.

use super::{refusal::Refusal, state::Lane};
use metrics::{
    Counter, Gauge, Histogram, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram,
};
use sinter_primitives::Namespace;
use std::time::Duration;

/// Handles to the recorder that was installed when the mempool was made.
pub(super) struct Metrics {
    namespaces: Vec<NamespaceMetrics>,
    refused: Vec<Counter>,
    build_seconds: Histogram,
}

struct NamespaceMetrics {
    transactions: Gauge,
    bytes: Gauge,
    admitted: Counter,
    expired: Counter,
}

impl Metrics {
    /// Metrics for `namespaces`, in the chain file's order.
    pub fn new(namespaces: impl Iterator<Item = Namespace>) -> Self {
        describe_gauge!("sinter_mempool_transactions", "Transactions that wait for a final block, by namespace.");
        describe_gauge!("sinter_mempool_bytes", "Bytes of those transactions inside a lane, by namespace.");
        describe_counter!("sinter_mempool_admitted_total", "Transactions taken in, by namespace.");
        describe_counter!("sinter_mempool_expired_total", "Transactions that expired unordered, by namespace.");
        describe_counter!("sinter_mempool_refused_total", "Transactions turned away, by the refusal's code.");
        describe_histogram!("sinter_mempool_build_seconds", "Time to build a body, in seconds.");
        let of = |namespace: Namespace| {
            let label = namespace.to_string();
            NamespaceMetrics {
                transactions: gauge!("sinter_mempool_transactions", "namespace" => label.clone()),
                bytes: gauge!("sinter_mempool_bytes", "namespace" => label.clone()),
                admitted: counter!("sinter_mempool_admitted_total", "namespace" => label.clone()),
                expired: counter!("sinter_mempool_expired_total", "namespace" => label),
            }
        };
        Self {
            namespaces: namespaces.map(of).collect(),
            refused: Refusal::CODES
                .iter()
                .map(|code| counter!("sinter_mempool_refused_total", "code" => *code))
                .collect(),
            build_seconds: histogram!("sinter_mempool_build_seconds"),
        }
    }

    pub fn admitted(&self, index: usize, lane: &Lane) {
        self.namespaces[index].admitted.increment(1);
        self.pending(index, lane);
    }

    #[expect(clippy::cast_precision_loss, reason = "gauges are floats; counts stay far below 2^52")]
    pub fn pending(&self, index: usize, lane: &Lane) {
        self.namespaces[index].transactions.set(lane.used.transactions as f64);
        self.namespaces[index].bytes.set(lane.used.bytes as f64);
    }

    pub fn expired(&self, index: usize, transactions: u64) {
        self.namespaces[index].expired.increment(transactions);
    }

    pub fn refused(&self, refusal: &Refusal) {
        self.refused[refusal.code_index()].increment(1);
    }

    pub fn built(&self, elapsed: Duration) {
        self.build_seconds.record(elapsed);
    }
}
