//! The list: every metric that a dashboard shows, an alert looks at or a runbook names.
//!
//! Machines serve more than this. What is here is what somebody can act on.

/// Who serves a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Machine {
    /// `sinter sequencer run`.
    Sequencer,
    /// `sinter relayer run`.
    Relayer,
    /// `sinter aggregator run`.
    Aggregator,
    /// `sinter rollup run`.
    Rollup,
    /// The operating system, through Prometheus's node exporter.
    Host,
}

impl Machine {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Sequencer, Self::Relayer, Self::Aggregator, Self::Rollup, Self::Host];

    /// Its name in files.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sequencer => "sequencer",
            Self::Relayer => "relayer",
            Self::Aggregator => "aggregator",
            Self::Rollup => "rollup",
            Self::Host => "host",
        }
    }

    /// The `job` under which Prometheus scrapes it.
    #[must_use]
    pub const fn job(self) -> &'static str {
        match self {
            Self::Sequencer => "sinter-sequencer",
            Self::Relayer => "sinter-relayer",
            Self::Aggregator => "sinter-aggregator",
            Self::Rollup => "sinter-rollup",
            Self::Host => "node",
        }
    }
}

/// How a metric behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It only grows: its rate is looked at.
    Counter,
    /// It goes up and down.
    Gauge,
    /// Buckets of observations: its quantiles are looked at.
    Histogram,
}

/// What a metric is measured in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Things.
    Count,
    /// Bytes.
    Bytes,
    /// Seconds.
    Seconds,
    /// 1 or 0.
    Flag,
    /// Wei for a unit of gas.
    Wei,
}

/// A metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metric {
    /// Its name, as served.
    pub name: &'static str,
    /// Who serves it.
    pub machine: Machine,
    /// How it behaves.
    pub kind: Kind,
    /// What it is measured in.
    pub unit: Unit,
    /// Labels that tell its series apart, beside the machine's.
    pub labels: &'static [&'static str],
    /// The row of the dashboard that it stands in.
    pub row: &'static str,
    /// What it says, as a panel's title.
    pub about: &'static str,
}

const fn metric(
    machine: Machine,
    row: &'static str,
    kind: Kind,
    unit: Unit,
    name: &'static str,
    labels: &'static [&'static str],
    about: &'static str,
) -> Metric {
    Metric { name, machine, kind, unit, labels, row, about }
}

use Kind::{Counter, Gauge, Histogram};
use Machine::{Aggregator, Host, Relayer, Rollup, Sequencer};
use Unit::{Bytes, Count, Flag, Seconds, Wei};

/// The list, in the order in which dashboards show it.
pub const METRICS: &[Metric] = &[
    metric(Sequencer, "Health", Gauge, Flag, "sinter_healthy", &[], "Healthy"),
    metric(Sequencer, "Health", Gauge, Flag, "sinter_ailment", &["code"], "What ails it"),
    metric(
        Sequencer,
        "Health",
        Gauge,
        Seconds,
        "sinter_finalized_age_seconds",
        &[],
        "Time since something became final",
    ),
    metric(Sequencer, "Health", Gauge, Flag, "sinter_seated", &[], "Has a seat"),
    metric(Sequencer, "Health", Gauge, Count, "sinter_seats_uncovered", &[], "Seats that stake is too uneven for"),
    metric(Sequencer, "Health", Gauge, Count, "sinter_head_height", &[], "Height"),
    metric(Sequencer, "Health", Gauge, Count, "sinter_peers", &[], "Members connected"),
    metric(Sequencer, "Health", Gauge, Bytes, "sinter_disk_free_bytes", &[], "Free space under the data directory"),
    metric(Sequencer, "Protocol", Gauge, Count, "sinter_protocol", &[], "In force"),
    metric(Sequencer, "Protocol", Gauge, Count, "sinter_protocol_next", &[], "In force from the next epoch on"),
    metric(Sequencer, "Protocol", Gauge, Count, "sinter_protocol_max", &[], "Last one that this member takes part in"),
    metric(
        Sequencer,
        "Protocol",
        Gauge,
        Count,
        "sinter_protocol_ready_seats",
        &["epoch"],
        "Seats that are ready for the one after it",
    ),
    metric(Sequencer, "L1", Gauge, Count, "sinter_l1_finalized_height", &[], "Newest final L1 block"),
    metric(Sequencer, "L1", Gauge, Seconds, "sinter_l1_finalized_age_seconds", &[], "Time since that block"),
    metric(Sequencer, "L1", Gauge, Count, "sinter_l1_origin_height", &[], "L1 block that the last final block names"),
    metric(Sequencer, "L1", Gauge, Count, "sinter_inbox_cursor", &[], "Entries of the forced inbox that are ordered"),
    metric(Sequencer, "L1", Gauge, Count, "sinter_l1_endpoints", &[], "L1 nodes that agree"),
    metric(
        Sequencer,
        "L1",
        Counter,
        Count,
        "sinter_l1_disagreements_total",
        &[],
        "L1 nodes that told different things",
    ),
    metric(
        Sequencer,
        "Consensus",
        Histogram,
        Seconds,
        "sinter_finality_seconds",
        &[],
        "From a block's timestamp to final and indexed",
    ),
    metric(
        Sequencer,
        "Consensus",
        Counter,
        Count,
        "commonware_engine_epochs_simplex_voter_outbound_messages_total",
        &["message"],
        "Votes sent, by kind",
    ),
    metric(
        Sequencer,
        "Consensus",
        Counter,
        Count,
        "commonware_engine_epochs_simplex_batcher_inbound_messages_total",
        &["peer", "message"],
        "Votes received, by member and kind",
    ),
    metric(
        Sequencer,
        "Consensus",
        Gauge,
        Count,
        "commonware_engine_epochs_simplex_voter_state_current_view",
        &[],
        "View",
    ),
    metric(
        Sequencer,
        "Consensus",
        Counter,
        Count,
        "sinter_views_nullified_total",
        &["peer"],
        "Views without a block, by who led",
    ),
    metric(
        Sequencer,
        "Consensus",
        Gauge,
        Seconds,
        "sinter_block_ahead_seconds",
        &["peer"],
        "How far a member's last block was ahead of this clock",
    ),
    metric(
        Sequencer,
        "Consensus",
        Counter,
        Count,
        "sinter_votes_abstained_total",
        &[],
        "Votes not cast: the signer was away or refused",
    ),
    metric(
        Sequencer,
        "Consensus",
        Counter,
        Count,
        "sinter_votes_delayed_by_clock_total",
        &[],
        "Waits for this node's clock before a vote",
    ),
    metric(
        Sequencer,
        "Consensus",
        Counter,
        Count,
        "sinter_faults_total",
        &["kind"],
        "Members that signed two votes which exclude each other",
    ),
    metric(
        Sequencer,
        "Transactions",
        Counter,
        Count,
        "sinter_transactions_finalized_total",
        &[],
        "Transactions that became final",
    ),
    metric(Sequencer, "Fees", Gauge, Wei, "sinter_base_fee_wei", &[], "Wei that a byte costs in the next block"),
    metric(
        Sequencer,
        "Fees",
        Gauge,
        Wei,
        "sinter_namespace_balance_wei",
        &["namespace"],
        "What is left of what a namespace prepaid, since it was last active",
    ),
    metric(
        Sequencer,
        "Transactions",
        Gauge,
        Count,
        "sinter_mempool_transactions",
        &["namespace"],
        "Transactions that wait, by namespace",
    ),
    metric(
        Sequencer,
        "Transactions",
        Gauge,
        Bytes,
        "sinter_mempool_bytes",
        &["namespace"],
        "Bytes that wait, by namespace",
    ),
    metric(
        Sequencer,
        "Transactions",
        Counter,
        Count,
        "sinter_mempool_admitted_total",
        &["namespace"],
        "Transactions taken in, by namespace",
    ),
    metric(
        Sequencer,
        "Transactions",
        Counter,
        Count,
        "sinter_mempool_refused_total",
        &["code"],
        "Transactions refused, by code",
    ),
    metric(
        Sequencer,
        "Transactions",
        Counter,
        Count,
        "sinter_mempool_expired_total",
        &["namespace"],
        "Transactions that expired unordered",
    ),
    metric(Sequencer, "Network", Gauge, Seconds, "sinter_quic_rtt_seconds", &["peer"], "Round trip to a member"),
    metric(
        Sequencer,
        "Network",
        Counter,
        Count,
        "sinter_quic_lost_packets_total",
        &["peer"],
        "Packets lost, by member",
    ),
    metric(Sequencer, "Network", Counter, Bytes, "sinter_quic_sent_bytes_total", &["peer"], "Bytes sent, by member"),
    metric(
        Sequencer,
        "Network",
        Counter,
        Bytes,
        "sinter_quic_received_bytes_total",
        &["peer"],
        "Bytes received, by member",
    ),
    metric(
        Sequencer,
        "Interface",
        Counter,
        Count,
        "sinter_rpc_calls_total",
        &["method", "outcome"],
        "Calls, by method and outcome",
    ),
    metric(Sequencer, "Interface", Gauge, Count, "sinter_rpc_connections", &[], "Connections"),
    metric(Sequencer, "Process", Gauge, Bytes, "process_resident_memory_bytes", &[], "Resident memory"),
    metric(Sequencer, "Process", Gauge, Count, "process_open_fds", &[], "Open files and sockets"),
    metric(Sequencer, "Process", Gauge, Count, "process_max_fds", &[], "Files and sockets that may be open"),
    metric(
        Relayer,
        "Light client",
        Gauge,
        Count,
        "sinter_relayer_posted_height",
        &[],
        "Last height that an L1 block included",
    ),
    metric(
        Relayer,
        "Light client",
        Gauge,
        Count,
        "sinter_relayer_verified_height",
        &[],
        "Last height that the contract verified",
    ),
    metric(Relayer, "Light client", Gauge, Flag, "sinter_relayer_frozen", &[], "The contract is frozen"),
    metric(
        Relayer,
        "L1 transactions",
        Gauge,
        Count,
        "sinter_relayer_pending",
        &[],
        "Transactions that wait for an L1 block",
    ),
    metric(Relayer, "L1 transactions", Counter, Count, "sinter_relayer_posts_total", &[], "Calls signed"),
    metric(
        Relayer,
        "L1 transactions",
        Counter,
        Count,
        "sinter_relayer_replacements_total",
        &[],
        "Transactions signed again with higher fees",
    ),
    metric(
        Relayer,
        "L1 transactions",
        Counter,
        Count,
        "sinter_relayer_reverted_total",
        &[],
        "Transactions that were included and failed",
    ),
    metric(
        Relayer,
        "L1 transactions",
        Counter,
        Count,
        "sinter_relayer_reorgs_total",
        &[],
        "Transactions that the L1 took back",
    ),
    metric(
        Relayer,
        "L1 transactions",
        Counter,
        Count,
        "sinter_relayer_nonces_taken_total",
        &[],
        "Nonces used up by somebody else with this key",
    ),
    metric(
        Relayer,
        "L1 transactions",
        Counter,
        Count,
        "sinter_relayer_ceiling_waits_total",
        &[],
        "Rounds that waited: fees above the ceiling",
    ),
    metric(
        Relayer,
        "L1 transactions",
        Counter,
        Count,
        "sinter_relayer_l1_errors_total",
        &[],
        "Rounds that the L1 made fail",
    ),
    metric(Relayer, "L1 transactions", Counter, Count, "sinter_relayer_gas_used_total", &[], "Gas used"),
    metric(Aggregator, "Batches", Gauge, Count, "sinter_aggregator_batches_unsettled", &[], "Closed and not settled"),
    metric(Aggregator, "Batches", Gauge, Count, "sinter_aggregator_batches_late", &[], "Past the deadline of a job"),
    metric(Aggregator, "Batches", Gauge, Count, "sinter_aggregator_batches_stuck", &[], "Cannot be sealed"),
    metric(
        Aggregator,
        "Batches",
        Counter,
        Count,
        "sinter_aggregator_batches_closed_total",
        &["by"],
        "Closed, by reason",
    ),
    metric(
        Aggregator,
        "Proving",
        Gauge,
        Count,
        "sinter_aggregator_jobs_queued",
        &[],
        "Jobs without a place in a batch",
    ),
    metric(
        Aggregator,
        "Trees",
        Gauge,
        Count,
        "sinter_aggregator_nodes",
        &["level", "state"],
        "Folds of the trees that are being made, by level",
    ),
    metric(Aggregator, "Proving", Gauge, Count, "sinter_aggregator_tasks", &[], "Tasks that wait or are worked on"),
    metric(Aggregator, "Proving", Gauge, Count, "sinter_aggregator_leases", &[], "Tasks that are worked on"),
    metric(Aggregator, "Proving", Gauge, Count, "sinter_aggregator_provers", &[], "Provers seen lately"),
    metric(Aggregator, "Proving", Gauge, Count, "sinter_aggregator_gpus", &[], "GPUs that this box proves on"),
    metric(
        Aggregator,
        "Proving",
        Counter,
        Count,
        "sinter_aggregator_gpu_fallbacks_total",
        &["cause"],
        "Proofs made by the processor instead of a GPU, by cause",
    ),
    metric(
        Aggregator,
        "Proving",
        Counter,
        Count,
        "sinter_aggregator_tasks_done_total",
        &["kind"],
        "Tasks done, by kind",
    ),
    metric(
        Aggregator,
        "Proving",
        Histogram,
        Seconds,
        "sinter_aggregator_task_seconds",
        &["kind"],
        "Time that a task takes",
    ),
    metric(
        Aggregator,
        "Proving",
        Counter,
        Count,
        "sinter_aggregator_leases_expired_total",
        &[],
        "Leases that ended without a result",
    ),
    metric(Aggregator, "Proving", Counter, Count, "sinter_aggregator_fenced_total", &[], "Results that came too late"),
    metric(Aggregator, "Intake", Counter, Count, "sinter_aggregator_submitted_total", &["new"], "Proofs taken in"),
    metric(
        Aggregator,
        "Intake",
        Histogram,
        Seconds,
        "sinter_aggregator_intake_seconds",
        &[],
        "From a proof's last byte to the answer",
    ),
    metric(
        Aggregator,
        "Intake",
        Counter,
        Count,
        "sinter_aggregator_storage_errors_total",
        &[],
        "Database or proofs could not be used",
    ),
    metric(
        Aggregator,
        "Settling",
        Gauge,
        Count,
        "sinter_settle_unsettled",
        &[],
        "Seals that the L1 does not have for good",
    ),
    metric(
        Aggregator,
        "Settling",
        Gauge,
        Wei,
        "sinter_settle_base_fee_wei",
        &[],
        "What the next L1 block asks for gas",
    ),
    metric(
        Aggregator,
        "Settling",
        Gauge,
        Wei,
        "sinter_settle_base_fee_max_wei",
        &[],
        "The highest base fee that is paid now",
    ),
    metric(
        Aggregator,
        "Settling",
        Gauge,
        Count,
        "sinter_settle_deadline",
        &[],
        "0 all is well, 1 gas above the ceiling, 2 missed",
    ),
    metric(Aggregator, "Settling", Gauge, Count, "sinter_settle_batch_gas", &[], "Gas of the last batch"),
    metric(
        Aggregator,
        "Settling",
        Gauge,
        Wei,
        "sinter_settle_proof_cost_wei",
        &[],
        "Cost of a proof of the last batch",
    ),
    metric(
        Aggregator,
        "Settling",
        Counter,
        Count,
        "sinter_settle_refused_total",
        &[],
        "Seals that the contract would refuse",
    ),
    metric(
        Aggregator,
        "L1 transactions",
        Gauge,
        Count,
        "sinter_settle_pending",
        &[],
        "Transactions that wait for an L1 block",
    ),
    metric(Aggregator, "L1 transactions", Counter, Count, "sinter_settle_posts_total", &[], "Calls signed"),
    metric(
        Aggregator,
        "L1 transactions",
        Counter,
        Count,
        "sinter_settle_replacements_total",
        &[],
        "Transactions signed again with higher fees",
    ),
    metric(
        Aggregator,
        "L1 transactions",
        Counter,
        Count,
        "sinter_settle_reverted_total",
        &[],
        "Transactions that were included and failed",
    ),
    metric(
        Aggregator,
        "L1 transactions",
        Counter,
        Count,
        "sinter_settle_reorgs_total",
        &[],
        "Transactions that the L1 took back",
    ),
    metric(
        Aggregator,
        "L1 transactions",
        Counter,
        Count,
        "sinter_settle_nonces_taken_total",
        &[],
        "Nonces used up by somebody else with this key",
    ),
    metric(
        Aggregator,
        "L1 transactions",
        Counter,
        Count,
        "sinter_settle_ceiling_waits_total",
        &[],
        "Rounds that waited: fees above the ceiling",
    ),
    metric(
        Aggregator,
        "L1 transactions",
        Counter,
        Count,
        "sinter_settle_l1_errors_total",
        &[],
        "Rounds that the L1 made fail",
    ),
    metric(Aggregator, "L1 transactions", Counter, Count, "sinter_settle_gas_used_total", &[], "Gas used"),
    metric(Rollup, "Progress", Gauge, Count, "sinter_rollup_followed_height", &[], "Last height followed"),
    metric(Rollup, "Progress", Gauge, Count, "sinter_rollup_proved_height", &[], "Height of the last statement"),
    metric(Rollup, "Progress", Gauge, Count, "sinter_rollup_settled_height", &[], "Height of the contract on the L1"),
    metric(
        Rollup,
        "Statements",
        Gauge,
        Count,
        "sinter_rollup_pending_statements",
        &[],
        "Statements that the L1 does not have for good",
    ),
    metric(Rollup, "Statements", Counter, Count, "sinter_rollup_statements_total", &[], "Statements made"),
    metric(Rollup, "Statements", Histogram, Seconds, "sinter_rollup_proving_seconds", &[], "Time to prove a statement"),
    metric(Rollup, "Statements", Gauge, Count, "sinter_rollup_withdrawals_due", &[], "Withdrawals to be paid"),
    metric(Host, "Clock", Gauge, Seconds, "node_timex_offset_seconds", &[], "Offset from the reference"),
    metric(Host, "Clock", Gauge, Flag, "node_timex_sync_status", &[], "Synchronized"),
    metric(Host, "Disk", Gauge, Bytes, "node_filesystem_avail_bytes", &["mountpoint"], "Free space"),
    metric(Host, "Disk", Gauge, Bytes, "node_filesystem_size_bytes", &["mountpoint"], "Size"),
    metric(Host, "Processor and memory", Gauge, Bytes, "node_memory_MemAvailable_bytes", &[], "Memory available"),
    metric(Host, "Processor and memory", Gauge, Bytes, "node_memory_MemTotal_bytes", &[], "Memory"),
    metric(Host, "Processor and memory", Gauge, Count, "node_load1", &[], "Load"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_their_kinds_and_stand_once() {
        for (index, metric) in METRICS.iter().enumerate() {
            assert!(METRICS[..index].iter().all(|other| other.name != metric.name), "{} stands twice", metric.name);
            let total = metric.name.ends_with("_total");
            assert_eq!(total, metric.kind == Kind::Counter, "{}: counters, and they alone, end in _total", metric.name);
        }
    }
}
