//! The alerts: what operators lose money over, what each looks at, and series that set it off.
//!
//! An alert is about one machine: its expression is reduced to `job` and `instance`, so that every one has the same labels.
//! Its runbook is `ops/runbooks/NAME.md`.

use crate::metrics::Machine::{self, Aggregator, Host, Relayer, Rollup, Sequencer};

/// How soon somebody has to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// Now: money is being lost, or will be within hours.
    Page,
    /// During the day.
    Ticket,
}

impl Severity {
    /// The label's value, by which Alertmanager routes.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Page => "page",
            Self::Ticket => "ticket",
        }
    }
}

/// A series of a test: what follows the machine's labels, and its values in promtool's notation, a minute each.
pub type Series = (&'static str, &'static str, &'static str);

/// An alert.
#[derive(Clone, Copy, Debug)]
pub struct Alert {
    /// Its name.
    pub name: &'static str,
    /// Whose metrics it looks at.
    pub machine: Machine,
    /// How soon somebody has to look.
    pub severity: Severity,
    /// How many minutes it holds before it is told.
    pub minutes: u32,
    /// What holds then.
    pub expression: &'static str,
    /// It in a sentence about `{instance}`.
    pub summary: &'static str,
    /// Cases that set it off: name, labels and values of series that stand in for healthy ones.
    pub fires: &'static [&'static [Series]],
}

use Severity::{Page, Ticket};

/// Series of machines that are well, under which no alert may fire: name, labels, values.
pub const HEALTHY: &[(Machine, &[Series])] = &[
    (
        Sequencer,
        &[
            ("up", "", "1x600"),
            ("sinter_ailment", "code=\"stalled\"", "0x600"),
            ("sinter_ailment", "code=\"behind\"", "0x600"),
            ("sinter_seated", "", "1x600"),
            ("sinter_seats_uncovered", "", "0x600"),
            ("sinter_head_height", "", "0+180x600"),
            ("sinter_peers", "", "3x600"),
            ("sinter_disk_free_bytes", "", "50000000000-1000000x600"),
            ("sinter_finality_seconds_bucket", "le=\"0.5\"", "0+180x600"),
            ("sinter_finality_seconds_bucket", "le=\"2.5\"", "0+180x600"),
            ("sinter_finality_seconds_bucket", "le=\"+Inf\"", "0+180x600"),
            ("commonware_engine_epochs_simplex_voter_outbound_messages_total", "message=\"Finalize\"", "0+148x600"),
            ("sinter_views_nullified_total", "peer=\"aa\"", "0+1x600"),
            ("sinter_votes_delayed_by_clock_total", "", "0x600"),
            ("sinter_faults_total", "kind=\"conflicting_notarize\"", "0x600"),
            ("sinter_mempool_refused_total", "code=\"mempool-full\"", "0x600"),
            // Final after two epochs of the L1, and more of it every 384 seconds.
            ("sinter_l1_finalized_age_seconds", "", "900x600"),
            ("sinter_l1_finalized_height", "", "1000+5x600"),
            ("sinter_l1_origin_height", "", "995+5x600"),
            ("sinter_l1_disagreements_total", "", "0x600"),
            ("sinter_protocol_next", "", "1x600"),
            ("sinter_protocol_max", "", "2x600"),
            ("process_open_fds", "", "200x600"),
            ("process_max_fds", "", "65536x600"),
        ],
    ),
    (
        Relayer,
        &[
            ("up", "", "1x600"),
            ("sinter_relayer_verified_height", "", "0+180x600"),
            ("sinter_relayer_frozen", "", "0x600"),
            // It waits for a block, and the next one takes what it sent.
            ("sinter_relayer_pending", "", "1x600"),
            ("sinter_relayer_gas_used_total", "", "0+400000x600"),
            ("sinter_relayer_reverted_total", "", "0x600"),
            ("sinter_relayer_nonces_taken_total", "", "0x600"),
            ("sinter_relayer_ceiling_waits_total", "", "0x600"),
            ("sinter_relayer_l1_errors_total", "", "0x600"),
        ],
    ),
    (
        Aggregator,
        &[
            ("up", "", "1x600"),
            ("sinter_aggregator_batches_late", "", "0x600"),
            ("sinter_aggregator_batches_stuck", "", "0x600"),
            ("sinter_aggregator_tasks", "", "40x600"),
            ("sinter_aggregator_provers", "", "1x600"),
            ("sinter_aggregator_gpu_fallbacks_total", "cause=\"lost\"", "0x600"),
            ("sinter_aggregator_tasks_done_total", "kind=\"fold\"", "0+9x600"),
            ("sinter_aggregator_leases_expired_total", "", "0x600"),
            ("sinter_aggregator_storage_errors_total", "", "0x600"),
            ("sinter_settle_deadline", "", "0x600"),
            ("sinter_settle_refused_total", "", "0x600"),
            ("sinter_settle_pending", "", "1x600"),
            ("sinter_settle_gas_used_total", "", "0+400000x600"),
            ("sinter_settle_reverted_total", "", "0x600"),
            ("sinter_settle_nonces_taken_total", "", "0x600"),
            ("sinter_settle_ceiling_waits_total", "", "0x600"),
            ("sinter_settle_l1_errors_total", "", "0x600"),
        ],
    ),
    (
        Rollup,
        &[
            ("up", "", "1x600"),
            ("sinter_rollup_followed_height", "", "0+180x600"),
            ("sinter_rollup_settled_height", "", "0+180x600"),
            ("sinter_rollup_pending_statements", "", "2x600"),
        ],
    ),
    (
        Host,
        &[
            ("up", "", "1x600"),
            ("node_timex_offset_seconds", "", "0.0002x600"),
            ("node_timex_sync_status", "", "1x600"),
            ("node_filesystem_avail_bytes", "mountpoint=\"/\",fstype=\"ext4\"", "50000000000x600"),
            ("node_filesystem_size_bytes", "mountpoint=\"/\",fstype=\"ext4\"", "99000000000x600"),
        ],
    ),
];

/// All alerts, those of the committee first.
pub const ALERTS: &[Alert] = &[
    Alert {
        name: "SinterDown",
        machine: Sequencer,
        severity: Page,
        minutes: 2,
        expression: "up == 0",
        summary: "{instance} does not answer",
        fires: &[&[("up", "", "1x60 0x540")]],
    },
    Alert {
        name: "SinterStalled",
        machine: Sequencer,
        severity: Page,
        minutes: 1,
        expression: "sinter_ailment{code=\"stalled\"} == 1",
        summary: "Nothing becomes final on {instance}",
        fires: &[&[("sinter_ailment", "code=\"stalled\"", "1x600")]],
    },
    Alert {
        name: "SinterBehind",
        machine: Sequencer,
        severity: Ticket,
        minutes: 5,
        expression: "sinter_ailment{code=\"behind\"} == 1",
        summary: "{instance} does not keep up with the committee",
        fires: &[&[("sinter_ailment", "code=\"behind\"", "1x600")]],
    },
    Alert {
        name: "SinterVotesMissed",
        machine: Sequencer,
        severity: Page,
        minutes: 10,
        // Half: a block that others finalize first needs no vote, and a member far away sees many of those.
        // `unless`, so that a member which never voted is told of, too: its counter is not there.
        // Who has no seat in an epoch only follows.
        expression: "rate(sinter_head_height[10m]) > 0 and on (job, instance) min_over_time(sinter_seated[10m]) == 1 \
                     unless on (job, instance) \
                     rate(commonware_engine_epochs_simplex_voter_outbound_messages_total{message=\"Finalize\"}[10m]) \
                     >= on (job, instance) 0.5 * rate(sinter_head_height[10m])",
        summary: "{instance} follows the chain and finalizes less than half of it",
        fires: &[
            &[("commonware_engine_epochs_simplex_voter_outbound_messages_total", "message=\"Finalize\"", "0+80x600")],
            &[("commonware_engine_epochs_simplex_voter_outbound_messages_total", "message=\"Finalize\"", "7x600")],
            &[("commonware_engine_epochs_simplex_voter_outbound_messages_total", "message=\"Finalize\"", "_x600")],
        ],
    },
    Alert {
        name: "SinterTwoVotes",
        machine: Sequencer,
        severity: Page,
        minutes: 0,
        expression: "increase(sinter_faults_total[1h]) > 0",
        summary: "{instance} saw a member sign two votes that exclude each other",
        fires: &[&[("sinter_faults_total", "kind=\"conflicting_notarize\"", "0x300 1x300")]],
    },
    Alert {
        name: "SinterVotesDelayedByClock",
        machine: Sequencer,
        severity: Page,
        minutes: 5,
        expression: "increase(sinter_votes_delayed_by_clock_total[10m]) > 20",
        summary: "{instance} waits with its votes: its clock is behind, or the clock of who leads is ahead",
        fires: &[&[("sinter_votes_delayed_by_clock_total", "", "0+30x600")]],
    },
    Alert {
        name: "SinterClockDrift",
        machine: Host,
        severity: Page,
        minutes: 5,
        expression: "abs(node_timex_offset_seconds) > 0.05 or node_timex_sync_status == 0",
        summary: "The clock of {instance} is off, or nothing keeps it right",
        fires: &[&[("node_timex_offset_seconds", "", "-0.08x600")], &[("node_timex_sync_status", "", "0x600")]],
    },
    Alert {
        name: "SinterDiskAlmostFull",
        machine: Sequencer,
        severity: Page,
        minutes: 1,
        expression: "sinter_disk_free_bytes < 2147483648",
        summary: "{instance} stops when its disk has no reserve left, and is near it",
        fires: &[&[("sinter_disk_free_bytes", "", "2000000000x600")]],
    },
    Alert {
        name: "SinterDiskFillsUp",
        machine: Sequencer,
        severity: Ticket,
        minutes: 30,
        expression: "predict_linear(sinter_disk_free_bytes[3h], 86400) < 0",
        summary: "At this rate the disk of {instance} is full within a day",
        fires: &[&[("sinter_disk_free_bytes", "", "50000000000-50000000x600")]],
    },
    Alert {
        name: "SinterHostDiskAlmostFull",
        machine: Host,
        severity: Page,
        minutes: 5,
        expression: "node_filesystem_avail_bytes{fstype!~\"tmpfs|ramfs\"} / node_filesystem_size_bytes < 0.05",
        summary: "A file system of {instance} has less than a twentieth free",
        fires: &[&[("node_filesystem_avail_bytes", "mountpoint=\"/\",fstype=\"ext4\"", "2000000000x600")]],
    },
    Alert {
        name: "SinterUpgradeDue",
        machine: Sequencer,
        severity: Page,
        minutes: 0,
        expression: "sinter_protocol_next > sinter_protocol_max",
        summary: "{instance} stops at the end of this epoch: the committee goes over to a protocol that it does not take part in",
        fires: &[&[("sinter_protocol_next", "", "1x60 2x540"), ("sinter_protocol_max", "", "1x600")]],
    },
    Alert {
        name: "SinterStakeUneven",
        machine: Sequencer,
        severity: Ticket,
        minutes: 30,
        expression: "sinter_seats_uncovered > 0",
        summary: "Registered stake is so uneven that the next committees have fewer seats than there could be, says {instance}",
        fires: &[&[("sinter_seats_uncovered", "", "0x60 12x540")]],
    },
    Alert {
        name: "SinterFewPeers",
        machine: Sequencer,
        severity: Ticket,
        minutes: 5,
        expression: "sinter_peers < 0.67 * max_over_time(sinter_peers[6h])",
        summary: "{instance} lost a third of the members that it was connected to",
        fires: &[&[("sinter_peers", "", "3x60 1x540")]],
    },
    Alert {
        name: "SinterFinalitySlow",
        machine: Sequencer,
        severity: Ticket,
        minutes: 10,
        expression: "histogram_quantile(0.99, sum by (job, instance, le) (rate(sinter_finality_seconds_bucket[10m]))) > 2",
        summary: "One block in a hundred takes more than 2 s to be final on {instance}",
        fires: &[&[("sinter_finality_seconds_bucket", "le=\"0.5\"", "0+90x600")]],
    },
    Alert {
        name: "SinterViewsWithoutBlocks",
        machine: Sequencer,
        severity: Ticket,
        minutes: 10,
        expression: "sum by (job, instance) (rate(sinter_views_nullified_total[10m])) > \
                     on (job, instance) 0.1 * rate(sinter_head_height[10m])",
        summary: "{instance} sees the committee give up more than one view in ten",
        fires: &[&[("sinter_views_nullified_total", "peer=\"aa\"", "0+60x600")]],
    },
    Alert {
        name: "SinterMempoolFull",
        machine: Sequencer,
        severity: Ticket,
        minutes: 10,
        expression: "rate(sinter_mempool_refused_total{code=\"mempool-full\"}[5m]) > 0",
        summary: "{instance} turns transactions away: its mempool is full",
        fires: &[&[("sinter_mempool_refused_total", "code=\"mempool-full\"", "0+5x600")]],
    },
    Alert {
        name: "SinterFilesRunOut",
        machine: Sequencer,
        severity: Ticket,
        minutes: 5,
        expression: "process_open_fds{job=\"sinter-sequencer\"} / process_max_fds > 0.8",
        summary: "{instance} has four fifths of its files and sockets open",
        fires: &[&[("process_open_fds", "", "60000x600")]],
    },
    Alert {
        name: "SinterL1NotFinal",
        machine: Sequencer,
        severity: Ticket,
        minutes: 10,
        expression: "sinter_l1_finalized_age_seconds > 3600",
        summary: "The newest L1 block that {instance} sees final is more than an hour old",
        fires: &[&[("sinter_l1_finalized_age_seconds", "", "900+60x600")]],
    },
    Alert {
        name: "SinterOriginBehind",
        machine: Sequencer,
        severity: Page,
        minutes: 10,
        expression: "sinter_l1_finalized_height - sinter_l1_origin_height > 50",
        summary: "{instance} sees blocks that do not follow the L1: what is forced there is not ordered",
        fires: &[&[("sinter_l1_finalized_height", "", "1000+5x600"), ("sinter_l1_origin_height", "", "1000+0x600")]],
    },
    Alert {
        name: "SinterL1Disagrees",
        machine: Sequencer,
        severity: Page,
        minutes: 0,
        expression: "increase(sinter_l1_disagreements_total[1h]) > 0",
        summary: "The L1 nodes of {instance} told different things: one of them lies, or is of another chain",
        fires: &[&[("sinter_l1_disagreements_total", "", "0x300 1x300")]],
    },
    Alert {
        name: "SinterLightClientBehind",
        machine: Relayer,
        severity: Page,
        minutes: 10,
        expression: "changes(sinter_relayer_verified_height[20m]) == 0 and on () max(rate(sinter_head_height[20m])) > 0",
        summary: "The L1's light client stands still while the chain grows; {instance} is to feed it",
        fires: &[&[("sinter_relayer_verified_height", "", "9000x600")]],
    },
    Alert {
        name: "SinterLightClientFrozen",
        machine: Relayer,
        severity: Page,
        minutes: 0,
        expression: "sinter_relayer_frozen == 1",
        summary: "The light client that {instance} feeds is frozen: it saw finalizations that exclude each other",
        fires: &[&[("sinter_relayer_frozen", "", "0x60 1x540")]],
    },
    Alert {
        name: "SinterHeadersStuck",
        machine: Relayer,
        severity: Page,
        minutes: 5,
        expression: "min_over_time(sinter_relayer_pending[15m]) > 0 and increase(sinter_relayer_gas_used_total[15m]) == 0",
        summary: "A header that {instance} sent to the L1 is in no block",
        fires: &[&[("sinter_relayer_gas_used_total", "", "7x600")]],
    },
    Alert {
        name: "SinterSettlementStuck",
        machine: Aggregator,
        severity: Page,
        minutes: 5,
        expression: "min_over_time(sinter_settle_pending[15m]) > 0 and increase(sinter_settle_gas_used_total[15m]) == 0",
        summary: "A seal that {instance} sent to the L1 is in no block",
        fires: &[&[("sinter_settle_gas_used_total", "", "7x600")]],
    },
    Alert {
        name: "SinterGasAboveCeiling",
        machine: Aggregator,
        severity: Ticket,
        minutes: 15,
        expression: "increase(sinter_settle_ceiling_waits_total[15m]) > 5 or \
                     increase(sinter_relayer_ceiling_waits_total[15m]) > 5 or sinter_settle_deadline == 1",
        summary: "{instance} waits: the L1 asks more for gas than it may pay",
        fires: &[&[("sinter_settle_ceiling_waits_total", "", "0+5x600")], &[("sinter_settle_deadline", "", "1x600")]],
    },
    Alert {
        name: "SinterL1Failing",
        machine: Aggregator,
        severity: Page,
        minutes: 10,
        expression: "increase(sinter_settle_l1_errors_total[10m]) > 5 or increase(sinter_relayer_l1_errors_total[10m]) > 5",
        summary: "The L1's RPC fails {instance} again and again",
        fires: &[&[("sinter_settle_l1_errors_total", "", "0+4x600")]],
    },
    Alert {
        name: "SinterL1KeyShared",
        machine: Aggregator,
        severity: Page,
        minutes: 0,
        expression: "increase(sinter_settle_nonces_taken_total[1h]) > 0 or increase(sinter_relayer_nonces_taken_total[1h]) > 0",
        summary: "Somebody else signs L1 transactions with the key of {instance}",
        fires: &[&[("sinter_settle_nonces_taken_total", "", "0x300 1x300")]],
    },
    Alert {
        name: "SinterL1Reverted",
        machine: Aggregator,
        severity: Ticket,
        minutes: 0,
        expression: "increase(sinter_settle_reverted_total[1h]) > 0 or increase(sinter_relayer_reverted_total[1h]) > 0",
        summary: "{instance} paid for an L1 transaction that failed",
        fires: &[&[("sinter_settle_reverted_total", "", "0x300 1x300")]],
    },
    Alert {
        name: "SinterDeadlineMissed",
        machine: Aggregator,
        severity: Page,
        minutes: 0,
        expression: "sinter_aggregator_batches_late > 0 or sinter_settle_deadline == 2",
        summary: "{instance} has a batch that is past the deadline of a job",
        fires: &[&[("sinter_aggregator_batches_late", "", "0x60 1x540")], &[("sinter_settle_deadline", "", "2x600")]],
    },
    Alert {
        name: "SinterDeadlineAtRisk",
        machine: Aggregator,
        severity: Page,
        minutes: 5,
        // `unless`: what never finished a task since its start has no counter of them.
        expression: "min_over_time(sinter_aggregator_tasks[15m]) > 0 unless on (job, instance) \
                     sum by (job, instance) (increase(sinter_aggregator_tasks_done_total[15m])) > 0",
        summary: "{instance} has work and finishes none of it: deadlines will be missed",
        fires: &[
            &[("sinter_aggregator_tasks_done_total", "kind=\"fold\"", "90x600")],
            &[("sinter_aggregator_tasks_done_total", "kind=\"fold\"", "_x600")],
        ],
    },
    Alert {
        name: "SinterNoProvers",
        machine: Aggregator,
        severity: Page,
        minutes: 2,
        expression: "sinter_aggregator_provers == 0",
        summary: "{instance} knows of no prover that works",
        fires: &[&[("sinter_aggregator_provers", "", "0x600")]],
    },
    Alert {
        name: "SinterGpuFallback",
        machine: Aggregator,
        severity: Ticket,
        minutes: 0,
        expression: "increase(sinter_aggregator_gpu_fallbacks_total[15m]) > 0",
        summary: "{instance} proves on the processor instead of a GPU",
        fires: &[&[("sinter_aggregator_gpu_fallbacks_total", "cause=\"lost\"", "0x60 1+1x540")]],
    },
    Alert {
        name: "SinterBatchStuck",
        machine: Aggregator,
        severity: Page,
        minutes: 0,
        expression: "sinter_aggregator_batches_stuck > 0 or increase(sinter_settle_refused_total[1h]) > 0",
        summary: "A batch on {instance} cannot be sealed, or the contract would refuse its seal",
        fires: &[
            &[("sinter_aggregator_batches_stuck", "", "1x600")],
            &[("sinter_settle_refused_total", "", "0x300 1x300")],
        ],
    },
    Alert {
        name: "SinterProversVanish",
        machine: Aggregator,
        severity: Ticket,
        minutes: 0,
        expression: "increase(sinter_aggregator_leases_expired_total[30m]) > 3",
        summary: "Provers of {instance} vanish with their work",
        fires: &[&[("sinter_aggregator_leases_expired_total", "", "0+1x600")]],
    },
    Alert {
        name: "SinterStorageFailing",
        machine: Aggregator,
        severity: Page,
        minutes: 2,
        expression: "increase(sinter_aggregator_storage_errors_total[10m]) > 0",
        summary: "{instance} cannot use its database or its proofs",
        fires: &[&[("sinter_aggregator_storage_errors_total", "", "0+1x600")]],
    },
    Alert {
        name: "SinterRollupNotFollowing",
        machine: Rollup,
        severity: Page,
        minutes: 5,
        expression: "changes(sinter_rollup_followed_height[10m]) == 0 and on () max(rate(sinter_head_height[10m])) > 0",
        summary: "{instance} does not follow its lane while the chain grows",
        fires: &[&[("sinter_rollup_followed_height", "", "9000x600")]],
    },
    Alert {
        name: "SinterRollupNotSettling",
        machine: Rollup,
        severity: Page,
        minutes: 10,
        expression: "min_over_time(sinter_rollup_pending_statements[1h]) > 0 and changes(sinter_rollup_settled_height[1h]) == 0",
        summary: "Statements of {instance} do not reach its contract",
        fires: &[&[("sinter_rollup_settled_height", "", "9000x600")]],
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_alert_has_cases_about_series_that_are_healthy_otherwise() {
        for alert in ALERTS {
            assert!(!alert.fires.is_empty(), "{}: nothing sets it off", alert.name);
            let healthy = HEALTHY.iter().find(|(machine, _)| *machine == alert.machine).map_or(&[][..], |(_, all)| all);
            for (name, labels, _) in alert.fires.iter().copied().flatten() {
                let known = healthy.iter().any(|(other, others, _)| (other, others) == (name, labels));
                assert!(known, "{}: {name}{{{labels}}} has no healthy values to differ from", alert.name);
            }
        }
    }
}
