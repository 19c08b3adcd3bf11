//! What can go wrong on a device.

use thiserror::Error;

/// Why the device has not done what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum DeviceError {
    /// No adapter is called that, or there is none at all.
    #[error("no GPU adapter {wanted}: found {}", if found.is_empty() { "none".to_owned() } else { found.join(", ") })]
    NoAdapter {
        /// What was looked for.
        wanted: String,
        /// What there is.
        found: Vec<String>,
    },
    /// The adapter cannot run the kernels.
    #[error("adapter {adapter}: {limit} is {got}, and {expected} is needed")]
    Unsuitable {
        /// The adapter's name.
        adapter: String,
        /// The limit that is too low.
        limit: &'static str,
        /// The least that will do.
        expected: u64,
        /// What the adapter has.
        got: u64,
    },
    /// The driver would not hand out the device.
    #[error("adapter {adapter} did not open: {reason}")]
    Open {
        /// The adapter's name.
        adapter: String,
        /// What the driver says.
        reason: String,
    },
    /// More memory would be held than was budgeted.
    #[error("device memory: {wanted_bytes} bytes wanted with {held_bytes} held, the budget is {budget_bytes}")]
    Budget {
        /// Bytes asked for.
        wanted_bytes: u64,
        /// Bytes held already.
        held_bytes: u64,
        /// Bytes allowed in all.
        budget_bytes: u64,
    },
    /// The driver has no more memory.
    #[error("device memory: the driver has no {wanted_bytes} bytes more, with {held_bytes} held here")]
    Full {
        /// Bytes asked for.
        wanted_bytes: u64,
        /// Bytes held by this process.
        held_bytes: u64,
    },
    /// A single column or vector does not fit into one binding.
    #[error("{what} takes {got_bytes} bytes, and the device binds at most {max_bytes} at once")]
    Binding {
        /// What does not fit.
        what: &'static str,
        /// Its bytes.
        got_bytes: u64,
        /// The device's limit.
        max_bytes: u64,
    },
    /// The driver refused a kernel, a buffer or a dispatch.
    #[error("the driver refused: {reason}")]
    Refused {
        /// What it says.
        reason: String,
    },
    /// The device is gone: unplugged, reset, or its driver gave up.
    #[error("the device is lost: {reason}")]
    Lost {
        /// What the driver says.
        reason: String,
    },
    /// Work did not finish in time. The device is taken to be lost.
    #[error("the device did not finish within {timeout_ms} ms")]
    Timeout {
        /// How long was waited.
        timeout_ms: u64,
    },
}

impl DeviceError {
    /// Whether a fresh device may do better: this one is gone, or nobody can tell.
    #[must_use]
    pub const fn is_loss(&self) -> bool {
        matches!(self, Self::Lost { .. } | Self::Timeout { .. } | Self::Refused { .. })
    }

    /// Whether there was no room: less that is held may do better, a fresh device will not.
    #[must_use]
    pub const fn is_memory(&self) -> bool {
        matches!(self, Self::Budget { .. } | Self::Full { .. })
    }
}
