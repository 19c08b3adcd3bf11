//! What a node tells of itself.

use crate::{checkpoint::Record, contract::Progress};
use metrics::{counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sinter_primitives::Namespace;
use sinter_settlement::advances::AdvancesStatus;

/// A node at one moment.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Status {
    /// What its team calls it.
    pub name: String,
    /// Its lane.
    pub namespace: Namespace,
    /// The last height that it has followed.
    pub followed_height: u64,
    /// The height in which the last statement ends.
    pub proved_height: u64,
    /// Statements made so far.
    pub statements: u64,
    /// How far the contract on the L1 is, for good.
    pub settled: Progress,
    /// Withdrawals that are to be paid.
    pub withdrawals_due: u64,
    /// Its transactions that wait on the L1, since when, and what for.
    pub l1: AdvancesStatus,
    /// What the rollup says of its own state, at the end of the last statement.
    pub application: Value,
    /// What stands in the way just now: by what could not be done.
    pub problems: Vec<String>,
    /// The last statements, oldest first: settled ones, and those on their way.
    pub records: Vec<Record>,
}

const FOLLOWED: &str = "sinter_rollup_followed_height";
const PROVED: &str = "sinter_rollup_proved_height";
const SETTLED: &str = "sinter_rollup_settled_height";
const PENDING: &str = "sinter_rollup_pending_statements";
const STATEMENTS: &str = "sinter_rollup_statements_total";
const PROVING: &str = "sinter_rollup_proving_seconds";
const PROBLEMS: &str = "sinter_rollup_problems_total";
const DUE: &str = "sinter_rollup_withdrawals_due";

/// Says what each number is. Called once, when the recorder is there.
pub fn describe() {
    describe_gauge!(FOLLOWED, "The last height that the rollup's node has followed.");
    describe_gauge!(PROVED, "The height in which the last statement ends.");
    describe_gauge!(SETTLED, "The height in which the contract on the L1 stands.");
    describe_gauge!(PENDING, "Statements that the L1 does not have for good.");
    describe_counter!(STATEMENTS, "Statements made.");
    describe_histogram!(PROVING, "How long a statement took to prove, in seconds.");
    describe_counter!(PROBLEMS, "Rounds in which something could not be done, by what.");
    describe_gauge!(DUE, "Withdrawals that are to be paid.");
}

impl Status {
    /// That of a node that has not looked yet.
    pub(crate) fn new(name: String, namespace: Namespace) -> Self {
        Self {
            name,
            namespace,
            followed_height: 0,
            proved_height: 0,
            statements: 0,
            settled: Progress::default(),
            withdrawals_due: 0,
            l1: AdvancesStatus::default(),
            application: Value::Null,
            problems: Vec::new(),
            records: Vec::new(),
        }
    }

    /// Shows it as numbers.
    pub(crate) fn measure(&self, pending: usize) {
        gauge!(FOLLOWED).set(self.followed_height as f64);
        gauge!(PROVED).set(self.proved_height as f64);
        gauge!(SETTLED).set(self.settled.height as f64);
        gauge!(PENDING).set(pending as f64);
        gauge!(DUE).set(self.withdrawals_due as f64);
    }
}

/// A statement was made.
pub(crate) fn proved(record: &Record) {
    counter!(STATEMENTS).increment(1);
    histogram!(PROVING).record(record.proving_ms as f64 / 1000.0);
}

/// Something could not be done.
pub(crate) fn problem(step: &'static str) {
    counter!(PROBLEMS, "step" => step).increment(1);
}
