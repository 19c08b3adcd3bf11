//! The numbers, under `sinter_aggregator_…`.

use crate::queue::{LEVELS, Level, Totals};
use metrics::{counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};
use sinter_prover::guarded::{self, Event};
use std::time::Duration;

const SUBMITTED: &str = "sinter_aggregator_submitted_total";
const REFUSED: &str = "sinter_aggregator_refused_total";
const INTAKE: &str = "sinter_aggregator_intake_seconds";
const TASKS_DONE: &str = "sinter_aggregator_tasks_done_total";
const TASKS_FAILED: &str = "sinter_aggregator_tasks_failed_total";
const TASK_SECONDS: &str = "sinter_aggregator_task_seconds";
const FENCED: &str = "sinter_aggregator_fenced_total";
const EXPIRED: &str = "sinter_aggregator_leases_expired_total";
const CLOSED: &str = "sinter_aggregator_batches_closed_total";
const COLLECTED: &str = "sinter_aggregator_blobs_collected_total";
const ERRORS: &str = "sinter_aggregator_storage_errors_total";
const JOBS_QUEUED: &str = "sinter_aggregator_jobs_queued";
const TASKS: &str = "sinter_aggregator_tasks";
const LEASES: &str = "sinter_aggregator_leases";
const UNSETTLED: &str = "sinter_aggregator_batches_unsettled";
const LATE: &str = "sinter_aggregator_batches_late";
const STUCK: &str = "sinter_aggregator_batches_stuck";
const NODES: &str = "sinter_aggregator_nodes";
const PROVERS: &str = "sinter_aggregator_provers";
const GPUS: &str = "sinter_aggregator_gpus";
const GPU_PROOFS: &str = "sinter_aggregator_gpu_proofs_total";
const GPU_PROOF_SECONDS: &str = "sinter_aggregator_gpu_proof_seconds";
const GPU_VERIFY_SECONDS: &str = "sinter_aggregator_gpu_verify_seconds";
const GPU_REOPENED: &str = "sinter_aggregator_gpu_reopened_total";
const GPU_FALLBACKS: &str = "sinter_aggregator_gpu_fallbacks_total";

/// Says what each number is. Called once, when the recorder is there.
pub fn describe() {
    describe_counter!(SUBMITTED, "Proofs taken in, by whether they are new.");
    describe_counter!(REFUSED, "Proofs not taken in, by the code of the refusal.");
    describe_histogram!(INTAKE, "From a whole body to the answer, in seconds.");
    describe_counter!(TASKS_DONE, "Tasks done, by kind.");
    describe_counter!(TASKS_FAILED, "Attempts at tasks that failed, by kind and by whose fault it is.");
    describe_histogram!(TASK_SECONDS, "How long a task took, by kind, in seconds.");
    describe_counter!(FENCED, "Results that came too late to be counted.");
    describe_counter!(EXPIRED, "Leases that ended without a result.");
    describe_counter!(CLOSED, "Batches closed by the scheduler, by the reason.");
    describe_counter!(COLLECTED, "Blobs deleted that nothing needs.");
    describe_counter!(ERRORS, "Times that the database or the blobs could not be used.");
    describe_gauge!(JOBS_QUEUED, "Jobs that have no place in a batch yet.");
    describe_gauge!(TASKS, "Tasks that wait or are worked on.");
    describe_gauge!(LEASES, "Tasks that are worked on.");
    describe_gauge!(UNSETTLED, "Batches that are closed and not settled.");
    describe_gauge!(LATE, "Batches that are not settled though the deadline of a job has passed.");
    describe_gauge!(STUCK, "Batches that cannot be sealed; somebody has to look.");
    describe_gauge!(
        NODES,
        "Nodes of the trees that are being made, by level from the leaves up and by how far they are."
    );
    describe_gauge!(PROVERS, "Provers that were seen lately, on all boxes.");
    describe_gauge!(GPUS, "GPUs that this box proves on; 0 when it proves on the processor.");
    describe_counter!(GPU_PROOFS, "Proofs made by a GPU that hold, by device.");
    describe_histogram!(GPU_PROOF_SECONDS, "How long a GPU took for a proof, in seconds.");
    describe_histogram!(GPU_VERIFY_SECONDS, "How long verifying a GPU's proof took before it was used, in seconds.");
    describe_counter!(GPU_REOPENED, "GPUs opened anew after a failure, by device.");
    describe_counter!(GPU_FALLBACKS, "Proofs made by the processor instead of a GPU, by cause.");
    for name in [FENCED, EXPIRED, COLLECTED, ERRORS] {
        counter!(name).absolute(0);
    }
    for cause in guarded::CAUSES {
        counter!(GPU_FALLBACKS, "cause" => cause).absolute(0);
    }
}

/// How many GPUs this box proves on.
pub fn gpus(count: usize) {
    gauge!(GPUS).set(count as f64);
}

/// Counts and logs what happens on a GPU: a fallback is never silent.
pub fn gpu(event: &Event) {
    match event {
        Event::Proved { device, took, verified_in } => {
            counter!(GPU_PROOFS, "device" => device.clone()).increment(1);
            histogram!(GPU_PROOF_SECONDS).record(took.as_secs_f64());
            histogram!(GPU_VERIFY_SECONDS).record(verified_in.as_secs_f64());
        }
        Event::Reopened { device, reason } => {
            tracing::warn!(device, reason, "the GPU failed and is opened anew");
            counter!(GPU_REOPENED, "device" => device.clone()).increment(1);
        }
        Event::FellBack { device, cause, reason } => {
            tracing::warn!(device, cause, reason, "the processor proves instead of the GPU");
            counter!(GPU_FALLBACKS, "cause" => *cause).increment(1);
        }
    }
}

pub(crate) fn submitted(new: bool) {
    counter!(SUBMITTED, "new" => if new { "yes" } else { "no" }).increment(1);
}

pub(crate) fn refused(code: &'static str) {
    counter!(REFUSED, "code" => code).increment(1);
}

pub(crate) fn intake(took: Duration) {
    histogram!(INTAKE).record(took.as_secs_f64());
}

pub(crate) fn task_done(kind: &'static str, took: Duration) {
    counter!(TASKS_DONE, "kind" => kind).increment(1);
    histogram!(TASK_SECONDS, "kind" => kind).record(took.as_secs_f64());
}

pub(crate) fn task_failed(kind: &'static str, fault: &'static str) {
    counter!(TASKS_FAILED, "kind" => kind, "fault" => fault).increment(1);
}

pub(crate) fn fenced() {
    counter!(FENCED).increment(1);
}

pub(crate) fn expired(leases: u64) {
    counter!(EXPIRED).increment(leases);
}

pub(crate) fn closed(by: &'static str) {
    counter!(CLOSED, "by" => by).increment(1);
}

pub(crate) fn collected(blobs: u64) {
    counter!(COLLECTED).increment(blobs);
}

pub(crate) fn storage_error() {
    counter!(ERRORS).increment(1);
}

#[allow(clippy::cast_precision_loss, reason = "gauges are floating-point, and counts here are far below 2^52")]
pub(crate) fn totals(totals: &Totals) {
    let Totals { jobs_queued, tasks, leases, batches_unsettled, batches_late, batches_stuck, provers } = totals;
    let gauges = [
        (JOBS_QUEUED, jobs_queued),
        (TASKS, tasks),
        (LEASES, leases),
        (UNSETTLED, batches_unsettled),
        (LATE, batches_late),
        (STUCK, batches_stuck),
        (PROVERS, provers),
    ];
    for (name, value) in gauges {
        gauge!(name).set(*value as f64);
    }
}

#[allow(clippy::cast_precision_loss, reason = "gauges are floating-point, and counts here are far below 2^52")]
pub(crate) fn levels(levels: &[Level; LEVELS]) {
    for (number, Level { made, proving, ready, later }) in levels.iter().enumerate() {
        for (state, nodes) in [("made", made), ("proving", proving), ("ready", ready), ("later", later)] {
            gauge!(NODES, "level" => number.to_string(), "state" => state).set(*nodes as f64);
        }
    }
}
