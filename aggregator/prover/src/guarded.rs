//! GPUs with the processor behind them: no proof is lost to a device, none leaves unverified, and no fallback is silent.
//!
//! # The rules
//! 1. A proof goes to the device with the least work. Several devices take several proofs.
//! 2. What a device returns is verified natively before anybody sees it.
//! 3. A device that is lost is opened anew once, and tries again.
//! 4. If that fails too, or a proof of a device does not hold and the processor's does, the processor's is returned, and the device
//!    rests for [`REST`] before it is opened again. Others do its work meanwhile.
//! 5. What a device has no room for, or cannot do, the processor proves at once: a fresh device would be no better.
//! 6. The processor proves one such proof at a time: it has memory for one.
//! 7. Every time the processor proves instead of a device is an [`Event::FellBack`], with the cause.
//!
//! All provers return the same bytes, so nobody above can tell which one it was.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::{Duration, Instant};

use p3_batch_stark::verify_batch;
use p3_matrix::dense::RowMajorMatrix;
use sinter_program::F;
use sinter_shaders::{Adapter, Choice, Device, DeviceError, Options};

use crate::gpu::{self, GpuProver};
use crate::prover::{CpuProver, Proof, ProveError, Prover, ProvingKey};
use crate::stages::Stages;

/// How long a device that failed twice in a row is left alone.
pub const REST: Duration = Duration::from_secs(300);

/// Why the processor proves instead of a device: it was lost, its proof did not hold, it has no room, all devices rest, its driver
/// cannot do what is asked, or the traces themselves do not hold.
pub const CAUSES: [&str; 6] = ["lost", "wrong", "memory", "resting", "refused", "traces"];

/// Something that whoever watches wants to know.
#[derive(Clone, Debug)]
pub enum Event {
    /// A device made a proof, and it holds.
    Proved {
        /// The device.
        device: String,
        /// How long proving took.
        took: Duration,
        /// How long verifying the result took.
        verified_in: Duration,
    },
    /// A device was opened anew.
    Reopened {
        /// The device.
        device: String,
        /// Why.
        reason: String,
    },
    /// The processor proved instead of a device.
    FellBack {
        /// The device.
        device: String,
        /// The cause, one of [`CAUSES`].
        cause: &'static str,
        /// The cause, as it was reported.
        reason: String,
    },
}

type Watch = Arc<dyn Fn(&Event) + Send + Sync>;
type Open = Box<dyn Fn() -> Result<GpuProver, DeviceError> + Send + Sync>;

/// See the module's first lines.
pub struct Guarded {
    devices: Vec<Guard>,
    watch: Watch,
    /// Held while the processor proves.
    processor: Mutex<()>,
}

impl fmt::Debug for Guarded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.devices.iter().map(|guard| &guard.name)).finish()
    }
}

struct Guard {
    name: String,
    open: Open,
    /// Held while the device is opened, which may take a driver long; nobody else waits for it.
    opening: Mutex<()>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    prover: Option<Arc<GpuProver>>,
    /// Proofs on it now.
    busy: usize,
    rests_until: Option<Instant>,
}

/// A device that was chosen for a proof, until that is done.
struct Chosen<'a>(&'a Guard);

impl Drop for Chosen<'_> {
    fn drop(&mut self) {
        self.0.state().busy -= 1;
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Every change is one assignment, whole after a panic.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Guard {
    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// The prover, opened if it is not. A device that does not open rests.
    fn prover(&self) -> Result<Arc<GpuProver>, DeviceError> {
        let _alone = lock(&self.opening);
        if let Some(prover) = &self.state().prover {
            return Ok(Arc::clone(prover));
        }
        match (self.open)() {
            Ok(prover) => {
                let prover = Arc::new(prover);
                self.state().prover = Some(Arc::clone(&prover));
                Ok(prover)
            }
            Err(error) => {
                self.rest();
                Err(error)
            }
        }
    }

    fn rest(&self) {
        self.state().rests_until = Some(Instant::now() + REST);
    }

    /// Lets go of a prover that failed; false if another thread has already.
    fn forget(&self, failed: Arc<GpuProver>) -> bool {
        let mut state = self.state();
        let current = state.prover.as_ref().is_some_and(|prover| Arc::ptr_eq(prover, &failed));
        let gone = if current { state.prover.take() } else { None };
        drop(state);
        // A driver that hangs or panics while it is let go of does so where nobody waits.
        std::thread::spawn(move || drop((failed, gone)));
        current
    }
}

impl Guarded {
    /// Opens the adapters, all of them now, so that what is wrong with one is known at the start.
    ///
    /// # Errors
    /// [`DeviceError`] of the first that does not open.
    pub fn open(
        adapters: Vec<Adapter>,
        options: Options,
        watch: impl Fn(&Event) + Send + Sync + 'static,
    ) -> Result<Self, DeviceError> {
        let openers = adapters.into_iter().map(move |adapter| {
            let (name, options) = (adapter.name().to_owned(), options.clone());
            let open: Open = Box::new(move || GpuProver::new(Device::open(&adapter, options.clone())?));
            (name, open)
        });
        let guarded = Self::new(openers, watch);
        guarded.devices.iter().try_for_each(|guard| guard.prover().map(drop))?;
        Ok(guarded)
    }

    /// Provers by the names of their devices and what opens them.
    pub fn new(
        openers: impl IntoIterator<Item = (String, Box<dyn Fn() -> Result<GpuProver, DeviceError> + Send + Sync>)>,
        watch: impl Fn(&Event) + Send + Sync + 'static,
    ) -> Self {
        let guard = |(name, open)| Guard { name, open, opening: Mutex::default(), state: Mutex::default() };
        Self { devices: openers.into_iter().map(guard).collect(), watch: Arc::new(watch), processor: Mutex::default() }
    }

    /// The names of the devices.
    pub fn devices(&self) -> impl Iterator<Item = &str> {
        self.devices.iter().map(|guard| &*guard.name)
    }

    /// The device with the least work, of those that are neither resting nor being opened.
    fn choose(&self) -> Option<Chosen<'_>> {
        let now = Instant::now();
        let awake = || self.devices.iter().filter(|guard| guard.state().rests_until.is_none_or(|until| until <= now));
        let ready = |guard: &&Guard| !matches!(guard.opening.try_lock(), Err(TryLockError::WouldBlock));
        let busy = |guard: &&Guard| guard.state().busy;
        // If all that are awake are being opened, one of them is waited for.
        let guard = awake().filter(ready).min_by_key(busy).or_else(|| awake().min_by_key(busy))?;
        guard.state().busy += 1;
        Some(Chosen(guard))
    }

    /// Proves on a device, and, if it was lost, once more on a fresh one.
    fn on_device(
        &self,
        guard: &Guard,
        key: &ProvingKey,
        traces: &[RowMajorMatrix<F>],
        public_values: &[Vec<F>],
    ) -> Result<(Proof, Stages), ProveError> {
        let attempt = |prover: &GpuProver| {
            let clock = Instant::now();
            let (proof, stages) = prover.prove(key, traces, public_values)?;
            let took = clock.elapsed();
            let clock = Instant::now();
            verify(key, &proof, public_values)?;
            let device = guard.name.clone();
            (self.watch)(&Event::Proved { device, took, verified_in: clock.elapsed() });
            Ok((proof, stages))
        };
        let lost = |error: &ProveError| matches!(error, ProveError::Device(error) if error.is_loss());
        let first = guard.prover()?;
        let error = match attempt(&first) {
            Err(error) if lost(&error) => error,
            done => return done,
        };
        if guard.forget(first) {
            (self.watch)(&Event::Reopened { device: guard.name.clone(), reason: error.to_string() });
        }
        let second = guard.prover()?;
        attempt(&second).inspect_err(|error| {
            if lost(error) {
                guard.forget(second);
                guard.rest();
            }
        })
    }

    /// Proves on the processor, when it is free.
    fn on_processor(
        &self,
        key: &ProvingKey,
        traces: &[RowMajorMatrix<F>],
        public_values: &[Vec<F>],
    ) -> Result<(Proof, Stages), ProveError> {
        let _alone = lock(&self.processor);
        CpuProver.prove(key, traces, public_values)
    }
}

/// Checks a proof as a stranger would.
fn verify(key: &ProvingKey, proof: &Proof, public_values: &[Vec<F>]) -> Result<(), ProveError> {
    verify_batch(key.config(), key.airs(), proof, public_values, key.common())
        .map_err(|error| ProveError::Wrong(format!("{error:?}")))
}

/// Which of [`CAUSES`] an error is.
fn cause(error: &ProveError) -> &'static str {
    match error {
        ProveError::Wrong(_) => "wrong",
        ProveError::Device(DeviceError::Binding { .. }) => "memory",
        ProveError::Device(error) if error.is_memory() => "memory",
        // Of a device that is lost, drivers say first of all that they refuse what is asked of it.
        ProveError::Device(error) if error.is_loss() => "lost",
        ProveError::Device(DeviceError::NoAdapter { .. } | DeviceError::Open { .. }) => "lost",
        _ => "refused",
    }
}

/// Memory of the machine that so many proofs of a key at once take, with the processor behind the devices.
#[must_use]
pub fn memory_bytes(key: &ProvingKey, at_once: u32) -> u64 {
    gpu::host_bytes(key, at_once) + CpuProver.memory_bytes(key, 1)
}

impl Prover for Guarded {
    fn name(&self) -> &'static str {
        "gpu"
    }

    /// What the devices take, and the processor's for one proof: it must be able to step in.
    fn memory_bytes(&self, key: &ProvingKey, at_once: u32) -> u64 {
        memory_bytes(key, at_once)
    }

    fn prove(
        &self,
        key: &ProvingKey,
        traces: &[RowMajorMatrix<F>],
        public_values: &[Vec<F>],
    ) -> Result<(Proof, Stages), ProveError> {
        key.check(traces, public_values)?;
        let fell_back = |device: String, cause, reason: String| {
            (self.watch)(&Event::FellBack { device, cause, reason });
        };
        let Some(chosen) = self.choose() else {
            let device = self.devices().collect::<Vec<_>>().join(", ");
            fell_back(device, "resting", format!("every device failed within the last {} s", REST.as_secs()));
            return self.on_processor(key, traces, public_values);
        };
        let guard = chosen.0;
        let error = match self.on_device(guard, key, traces, public_values) {
            Ok(proved) => return Ok(proved),
            Err(error) => error,
        };
        drop(chosen);
        if !matches!(error, ProveError::Wrong(_)) {
            fell_back(guard.name.clone(), cause(&error), error.to_string());
            return self.on_processor(key, traces, public_values);
        }
        // Either the device is wrong or the traces are: the processor's proof tells.
        let proved = self.on_processor(key, traces, public_values);
        let holds = proved.as_ref().is_ok_and(|(proof, _)| verify(key, proof, public_values).is_ok());
        if holds {
            let failed = guard.state().prover.clone();
            if let Some(failed) = failed {
                guard.forget(failed);
            }
            guard.rest();
        }
        fell_back(guard.name.clone(), if holds { "wrong" } else { "traces" }, error.to_string());
        proved
    }
}

/// Which prover is wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Wanted {
    /// Every hardware GPU; the processor if there is none.
    #[default]
    Auto,
    /// The GPU whose name contains this.
    Gpu(String),
    /// The processor.
    Cpu,
}

/// A text that names no prover.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected \"auto\", \"cpu\" or \"gpu:NAME\", got {got:?}")]
pub struct WantedError {
    got: String,
}

impl core::str::FromStr for Wanted {
    type Err = WantedError;

    fn from_str(text: &str) -> Result<Self, WantedError> {
        match (text, text.strip_prefix("gpu:")) {
            ("auto", _) => Ok(Self::Auto),
            ("cpu", _) => Ok(Self::Cpu),
            (_, Some(name)) if !name.is_empty() => Ok(Self::Gpu(name.to_owned())),
            _ => Err(WantedError { got: text.to_owned() }),
        }
    }
}

impl fmt::Display for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Cpu => f.write_str("cpu"),
            Self::Gpu(name) => write!(f, "gpu:{name}"),
        }
    }
}

impl Wanted {
    /// The adapters that this means; none for the processor.
    ///
    /// # Errors
    /// When a GPU is named that is not there.
    pub fn adapters(&self) -> Result<Vec<Adapter>, DeviceError> {
        match self {
            Self::Cpu => Ok(Vec::new()),
            Self::Gpu(name) => Ok(vec![Adapter::choose(&Choice::Named(name.clone()))?]),
            Self::Auto => {
                let hardware = |adapter: &Adapter| adapter.kind() != sinter_shaders::Kind::Software;
                let all: Vec<Adapter> = Adapter::all().into_iter().filter(hardware).collect();
                // Cards alone if there are any: what shares the processor's memory would hold them up.
                let best = all.first().map(Adapter::kind);
                Ok(all.into_iter().filter(|adapter| Some(adapter.kind()) == best).collect())
            }
        }
    }
}
