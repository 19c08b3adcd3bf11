//! Numbers: this interface's own, and the endpoint that shows everybody's.

mod exposition;

use super::{health, types::Ailment};
use crate::handle::Handle;
use jsonrpsee::core::server::MethodResponse;
use metrics::{counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

/// Bounds of every histogram of seconds: from a map look-up to a stalled view.
const SECONDS: [f64; 14] = [0.0001, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];
/// Bounds of every histogram of bytes.
const BYTES: [f64; 9] = [256.0, 1024.0, 4096.0, 16384.0, 65536.0, 262_144.0, 1_048_576.0, 4_194_304.0, 16_777_216.0];

/// Text of another registry, in the OpenMetrics or the Prometheus format.
pub type RegistryText = Arc<dyn Fn() -> String + Send + Sync>;

/// The recorder cannot be installed.
#[derive(Debug, thiserror::Error)]
pub enum MetricsError {
    /// Another recorder than this one is installed in this process.
    #[error("metrics: another recorder is installed in this process")]
    Taken,
    /// The recorder's configuration is wrong.
    #[error("metrics: {0}")]
    Build(#[from] BuildError),
}

/// Installs the recorder that `/metrics` shows, once a process; later calls give the same one.
///
/// Call it before anything takes a handle to a metric: what is taken earlier records nothing.
///
/// # Errors
/// [`MetricsError::Taken`] when the process has another recorder.
pub fn install() -> Result<PrometheusHandle, MetricsError> {
    static INSTALLED: Mutex<Option<PrometheusHandle>> = Mutex::new(None);
    let mut installed = INSTALLED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(handle) = &*installed {
        return Ok(handle.clone());
    }
    let recorder = PrometheusBuilder::new()
        .with_recommended_naming(true)
        .set_buckets_for_metric(Matcher::Suffix("seconds".into()), &SECONDS)?
        .set_buckets_for_metric(Matcher::Suffix("bytes".into()), &BYTES)?
        .build_recorder();
    let handle = recorder.handle();
    metrics::set_global_recorder(recorder).map_err(|_| MetricsError::Taken)?;
    describe();
    *installed = Some(handle.clone());
    Ok(handle)
}

fn describe() {
    describe_counter!("sinter_rpc_calls_total", "Calls, by method and outcome.");
    describe_histogram!("sinter_rpc_call_seconds", "Time that a call took, by method.");
    describe_counter!("sinter_rpc_response_bytes_total", "Bytes of JSON in responses.");
    describe_gauge!("sinter_rpc_connections", "Connections open now.");
    describe_counter!("sinter_rpc_connections_refused_total", "Connections refused, by reason.");
    describe_gauge!("sinter_rpc_subscriptions", "Subscriptions open now.");
    describe_counter!("sinter_rpc_slow_subscribers_total", "Subscribers dropped because they did not keep up.");
    describe_gauge!("sinter_healthy", "Whether the node does its work: 1 or 0.");
    describe_gauge!("sinter_ailment", "What ails the node, by code: 1 or 0.");
    describe_gauge!("sinter_head_height", "Height of the last final block that is indexed.");
    describe_gauge!("sinter_earliest_height", "Earliest height that is kept.");
    describe_gauge!("sinter_finalized_age_seconds", "Time since something became final.");
    describe_gauge!("sinter_peers", "Committee members that the node is connected to.");
    describe_gauge!("process_resident_memory_bytes", "Resident memory of the process.");
    describe_gauge!("process_open_fds", "Files and sockets that the process has open.");
    describe_gauge!("process_max_fds", "Files and sockets that the process may have open.");
}

/// The methods that a metric may name; others are counted together, for a caller can invent names.
const METHODS: [&str; 16] = [
    "sinter_sendTransaction",
    "sinter_getReceipt",
    "sinter_trace",
    "sinter_getHeader",
    "sinter_getBlock",
    "sinter_getCertificate",
    "sinter_getNamespaceRange",
    "sinter_chain",
    "sinter_status",
    "sinter_subscribeHeads",
    "sinter_subscribeNamespace",
    "eth_chainId",
    "eth_blockNumber",
    "eth_sendRawTransaction",
    "eth_getTransactionByHash",
    "eth_getTransactionReceipt",
];

/// The label of a method.
pub(super) fn method_label(method: &str, on_face: bool) -> &'static str {
    let known = METHODS.iter().find(|known| **known == method && known.starts_with("eth_") == on_face);
    known.copied().unwrap_or(if on_face { "passed-on" } else { "other" })
}

/// Counts a call.
pub(super) fn call(method: &'static str, response: &MethodResponse, took: Duration) {
    let outcome = match response.as_error_code() {
        None => "ok",
        Some(super::error::code::RATE_LIMITED) => "rate-limited",
        Some(super::error::code::BUSY) => "busy",
        Some(super::error::code::TIMEOUT) => "timeout",
        Some(-32603) => "internal-error",
        Some(_) => "refused",
    };
    counter!("sinter_rpc_calls_total", "method" => method, "outcome" => outcome).increment(1);
    histogram!("sinter_rpc_call_seconds", "method" => method).record(took);
    counter!("sinter_rpc_response_bytes_total").increment(response.as_json().get().len() as u64);
}

/// Counts a refused connection.
pub(super) fn connection_refused(reason: &'static str) {
    counter!("sinter_rpc_connections_refused_total", "reason" => reason).increment(1);
}

/// Counts a subscriber that was dropped.
pub(super) fn slow_subscriber() {
    counter!("sinter_rpc_slow_subscribers_total").increment(1);
}

/// Counts one open thing while it lives.
#[derive(Debug)]
struct OpenGauge(&'static str);

impl OpenGauge {
    fn new(name: &'static str) -> Self {
        gauge!(name).increment(1.0);
        Self(name)
    }
}

impl Drop for OpenGauge {
    fn drop(&mut self) {
        gauge!(self.0).decrement(1.0);
    }
}

/// Counts an open connection while it lives.
#[derive(Debug)]
pub(super) struct ConnectionGauge(#[expect(dead_code, reason = "held for its drop")] OpenGauge);

impl ConnectionGauge {
    pub fn new() -> Self {
        Self(OpenGauge::new("sinter_rpc_connections"))
    }
}

/// Counts an open subscription while it lives.
#[derive(Debug)]
pub(super) struct SubscriptionGauge(#[expect(dead_code, reason = "held for its drop")] OpenGauge);

impl SubscriptionGauge {
    pub fn new() -> Self {
        Self(OpenGauge::new("sinter_rpc_subscriptions"))
    }
}

/// What `/metrics` answers: the process's recorder, and the consensus library's registry behind the
/// prefix `commonware_`.
pub(super) struct Exporter {
    recorder: PrometheusHandle,
    registry_text: RegistryText,
    handle: Handle,
    behind_blocks_max: u64,
}

impl Exporter {
    pub const fn new(
        recorder: PrometheusHandle,
        registry_text: RegistryText,
        handle: Handle,
        behind_blocks_max: u64,
    ) -> Self {
        Self { recorder, registry_text, handle, behind_blocks_max }
    }

    /// Keeps histograms from growing between scrapes.
    pub fn upkeep(&self) {
        self.recorder.run_upkeep();
    }

    /// The text that Prometheus reads.
    pub fn render(&self) -> String {
        self.observe();
        let mut text = self.recorder.render();
        text.push_str(&exposition::prefixed("commonware_", &(self.registry_text)()));
        text
    }

    /// Takes down what is only looked at when it is asked for.
    #[expect(clippy::cast_precision_loss, reason = "gauges are floats; these stay far below 2^52")]
    fn observe(&self) {
        let handle = &self.handle;
        let examined = health::examine(handle, self.behind_blocks_max);
        gauge!("sinter_healthy").set(f64::from(u8::from(examined.healthy)));
        let ails = |code: &'static str, is: fn(&Ailment) -> bool| {
            let value = u8::from(examined.ailments.iter().any(is));
            gauge!("sinter_ailment", "code" => code).set(f64::from(value));
        };
        ails("starting", |ailment| matches!(ailment, Ailment::Starting));
        ails("stalled", |ailment| matches!(ailment, Ailment::Stalled { .. }));
        ails("behind", |ailment| matches!(ailment, Ailment::Behind { .. }));
        gauge!("sinter_head_height").set(handle.index.tip().header.height as f64);
        if let Ok(earliest) = handle.index.snapshot().and_then(|snapshot| snapshot.earliest()) {
            gauge!("sinter_earliest_height").set(earliest as f64);
        }
        let age_ms = health::since_finalized_ms(handle, health::now_ms());
        gauge!("sinter_finalized_age_seconds").set(age_ms as f64 / 1000.0);
        gauge!("sinter_peers").set(f64::from(handle.status.peers()));
        if let Some(bytes) = resident_bytes() {
            gauge!("process_resident_memory_bytes").set(bytes as f64);
        }
        if let Ok(open) = std::fs::read_dir("/proc/self/fd") {
            gauge!("process_open_fds").set(open.count() as f64);
        }
        if let Some(max) = open_files_max() {
            gauge!("process_max_fds").set(max as f64);
        }
    }
}

/// Resident memory of this process, where the system says.
fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

/// Files and sockets that this process may have open, where the system says.
pub(super) fn open_files_max() -> Option<u64> {
    let limits = std::fs::read_to_string("/proc/self/limits").ok()?;
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}
