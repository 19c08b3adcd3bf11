//! The GPU prover: the stock protocol, resident on a device from the traces to the openings.
//!
//! Only traces go up; roots, challenges and opened rows come down. The steps are those of `p3_batch_stark::prove_batch` and
//! `p3_fri`'s `TwoAdicFriPcs::open`, and the transcript is theirs, so that a proof has the same bytes as [`CpuProver`]'s:
//!
//! | step | here | on the device |
//! |---|---|---|
//! | extend and commit | `commit.rs` | transforms, Merkle trees |
//! | lookups | `prove.rs` | terms of the lookups as a graph, fractions, running sums |
//! | quotient | `prove.rs` | constraints as a graph, selectors, transforms |
//! | open at a point | `open.rs` | inner products with powers, DEEP |
//! | FRI, queries | `open.rs` | folding, grinding, gathering |
//!
//! What does not depend on the traces (preprocessed columns and their tree, selectors, compiled constraints) is made once for a
//! [`ProvingKey`] and kept on the device (`key.rs`).
//!
//! [`CpuProver`]: crate::CpuProver

mod challenger;
mod commit;
mod key;
mod lower;
mod open;
mod prove;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use p3_matrix::dense::RowMajorMatrix;
use sinter_program::F;
use sinter_shaders::{Device, DeviceError, Kernels};

use self::key::DeviceKey;
pub use self::key::device_bytes;
use crate::prover::{Proof, ProveError, Prover, ProvingKey};
use crate::stages::Stages;

/// Keys that stay on a device at once: those of a fold, a link, a shrink, and the wraps in use.
const KEYS: usize = 12;

/// Proves on a GPU.
#[derive(Debug)]
pub struct GpuProver {
    kernels: Kernels,
    /// The keys on the device, the last used last.
    keys: Mutex<Vec<(u64, Kept)>>,
}

/// A key on the device, or why this device will never have it.
type Kept = Result<Arc<DeviceKey>, DeviceError>;

impl GpuProver {
    /// A prover on an open device.
    ///
    /// # Errors
    /// [`DeviceError`] when the device fails or is full.
    pub fn new(device: Device) -> Result<Self, DeviceError> {
        Ok(Self { kernels: Kernels::new(device)?, keys: Mutex::default() })
    }

    /// The device.
    #[must_use]
    pub const fn device(&self) -> &Device {
        self.kernels.device()
    }

    fn keys(&self) -> MutexGuard<'_, Vec<(u64, Kept)>> {
        // Every change is one insertion or removal, whole after a panic.
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The key on the device: as it was left, or made now. Two threads that want a new key at once wait for one another.
    fn key(&self, key: &ProvingKey) -> Result<Arc<DeviceKey>, ProveError> {
        let mut keys = self.keys();
        if let Some(place) = keys.iter().position(|(id, _)| *id == key.id()) {
            let entry = keys.remove(place);
            let found = entry.1.clone();
            keys.push(entry);
            return found.map_err(ProveError::Device);
        }
        let made = match DeviceKey::new(&self.kernels, key) {
            Ok(made) => Ok(Arc::new(made)),
            // This device will never do it: it is not tried again at every proof.
            Err(ProveError::Device(error @ (DeviceError::Unsuitable { .. } | DeviceError::Binding { .. }))) => {
                Err(error)
            }
            Err(error) => return Err(error),
        };
        if keys.len() >= KEYS {
            let _ = keys.remove(0);
        }
        keys.push((key.id(), made.clone()));
        made.map_err(ProveError::Device)
    }

    /// Lets go of the keys that nobody uses now; returns whether there were any.
    fn forget_keys(&self) -> bool {
        let mut keys = self.keys();
        let before = keys.len();
        keys.retain(|(_, kept)| kept.as_ref().map_or(true, |key| Arc::strong_count(key) > 1));
        keys.len() < before
    }

    fn attempt(
        &self,
        key: &ProvingKey,
        traces: &[RowMajorMatrix<F>],
        public_values: &[Vec<F>],
    ) -> Result<(Proof, Stages), ProveError> {
        let on_device = self.key(key)?;
        prove::Session { kernels: &self.kernels, key, on_device: &on_device }.prove(traces, public_values)
    }
}

/// Memory of the machine that so many proofs at once take: traces, and their words on the way to the device.
pub(crate) fn host_bytes(key: &ProvingKey, at_once: u32) -> u64 {
    2 * u64::from(at_once) * key.traces_bytes()
}

impl Prover for GpuProver {
    fn name(&self) -> &'static str {
        "gpu"
    }

    fn memory_bytes(&self, key: &ProvingKey, at_once: u32) -> u64 {
        host_bytes(key, at_once)
    }

    fn prove(
        &self,
        key: &ProvingKey,
        traces: &[RowMajorMatrix<F>],
        public_values: &[Vec<F>],
    ) -> Result<(Proof, Stages), ProveError> {
        key.check(traces, public_values)?;
        let mut proved = self.attempt(key, traces, public_values);
        // Keys of circuits that are done with take room, too.
        if matches!(&proved, Err(ProveError::Device(error)) if error.is_memory()) && self.forget_keys() {
            proved = self.attempt(key, traces, public_values);
        }
        self.device().keep_pipelines();
        proved
    }
}
