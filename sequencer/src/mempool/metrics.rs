//! The mempool's numbers.

use super::refusal::Refusal;
use metrics::{
    Counter, Gauge, Histogram, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram,
};
use sinter_primitives::Namespace;
use std::time::Duration;

/// Handles to the recorder that was installed when the mempool was made.
pub(super) struct Metrics {
    refused: Vec<Counter>,
    build_seconds: Histogram,
}

/// One namespace's, from when its lane was opened.
pub(super) struct NamespaceMetrics {
    pub transactions: Gauge,
    pub bytes: Gauge,
    pub admitted: Counter,
    pub expired: Counter,
}

impl std::fmt::Debug for NamespaceMetrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NamespaceMetrics").finish_non_exhaustive()
    }
}

impl NamespaceMetrics {
    pub fn new(namespace: Namespace) -> Self {
        let label = namespace.to_string();
        Self {
            transactions: gauge!("sinter_mempool_transactions", "namespace" => label.clone()),
            bytes: gauge!("sinter_mempool_bytes", "namespace" => label.clone()),
            admitted: counter!("sinter_mempool_admitted_total", "namespace" => label.clone()),
            expired: counter!("sinter_mempool_expired_total", "namespace" => label),
        }
    }
}

impl Metrics {
    pub fn new() -> Self {
        describe_gauge!("sinter_mempool_transactions", "Transactions that wait for a final block, by namespace.");
        describe_gauge!("sinter_mempool_bytes", "Bytes of those transactions inside a lane, by namespace.");
        describe_counter!("sinter_mempool_admitted_total", "Transactions taken in, by namespace.");
        describe_counter!("sinter_mempool_expired_total", "Transactions that expired unordered, by namespace.");
        describe_counter!("sinter_mempool_refused_total", "Transactions turned away, by the refusal's code.");
        describe_histogram!("sinter_mempool_build_seconds", "Time to build a body, in seconds.");
        Self {
            refused: Refusal::CODES
                .iter()
                .map(|code| counter!("sinter_mempool_refused_total", "code" => *code))
                .collect(),
            build_seconds: histogram!("sinter_mempool_build_seconds"),
        }
    }

    pub fn refused(&self, refusal: &Refusal) {
        self.refused[refusal.code_index()].increment(1);
    }

    pub fn built(&self, elapsed: Duration) {
        self.build_seconds.record(elapsed);
    }
}
