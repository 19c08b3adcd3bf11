//! An open device: its memory, its pipelines, and the work that is sent to it.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use futures::executor::block_on;

use crate::adapter::Adapter;
use crate::error::DeviceError;
use crate::kernel::{Arithmetic, Kernel, Source};
use crate::pipelines::PipelineFile;
use crate::timestamps::{KernelTimes, Stamps, Timestamps};

/// How long any single piece of work may take before the device is taken to be lost. Software drivers compile at first dispatch.
const TIMEOUT: Duration = Duration::from_secs(300);

/// What a kernel needs at least.
const WORKGROUP_BYTES_MIN: u64 = 16384;
const STORAGE_BUFFERS_MIN: u64 = 8;

/// How a device is opened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// The most bytes of device memory that may be held at once; none for no bound.
    pub budget_bytes: Option<u64>,
    /// The folder that compiled pipelines are kept in, which nobody else may write to; none to compile them at every start.
    pub pipelines: Option<PathBuf>,
    /// The arithmetic of field products; none for the fastest that the adapter has.
    pub arithmetic: Option<Arithmetic>,
    /// The most bytes of one binding; none for what the adapter has. To try how columns are split.
    pub binding_bytes_max: Option<u64>,
    /// What goes wrong, and when. To try what becomes of it.
    pub sabotage: Option<Sabotage>,
}

/// A failure that is asked for, counted in dispatches since the device was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sabotage {
    /// The device is destroyed instead of this dispatch.
    Lose(u64),
    /// After this dispatch, the first word of the last buffer that it binds is another.
    Corrupt(u64),
}

/// An open device. Cloning it is cheap; all clones are the same device.
#[derive(Clone, Debug)]
pub struct Device {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    device: wgpu::Device,
    queue: wgpu::Queue,
    name: String,
    arithmetic: Arithmetic,
    binding_bytes_max: u64,
    storage_buffers: u32,
    memory: Arc<Memory>,
    fault: Arc<Mutex<Option<DeviceError>>>,
    dispatches: AtomicU64,
    sabotage: Option<Sabotage>,
    /// By the address of their kernel, which a weak reference keeps from being used again.
    pipelines: Mutex<HashMap<usize, Compiled>>,
    timestamps: Option<Timestamps>,
    pipeline_file: Option<PipelineFile>,
    /// Whether something was compiled that the file does not have.
    compiled: AtomicBool,
}

/// A kernel's pipeline, and whether anybody still has the kernel.
type Compiled = (Weak<Source>, wgpu::ComputePipeline);

/// What is held of a device's memory.
#[derive(Debug)]
struct Memory {
    budget_bytes: Option<u64>,
    held_bytes: AtomicU64,
    peak_bytes: AtomicU64,
}

/// A buffer of words in device memory. It is given back when it is dropped and the work that uses it is done.
#[derive(Debug)]
pub struct Buffer {
    held: Arc<Held>,
}

/// Device memory that counts until nobody uses it.
#[derive(Debug)]
struct Held {
    inner: wgpu::Buffer,
    words: u64,
    memory: Arc<Memory>,
}

impl Buffer {
    /// How many words it holds.
    #[must_use]
    pub fn words(&self) -> u64 {
        self.held.words
    }

    fn inner(&self) -> &wgpu::Buffer {
        &self.held.inner
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.memory.held_bytes.fetch_sub(4 * self.words, Ordering::Relaxed);
    }
}

impl Memory {
    /// Counts bytes as held, if the budget allows.
    fn take(&self, wanted_bytes: u64) -> Result<(), DeviceError> {
        let budget_bytes = self.budget_bytes.unwrap_or(u64::MAX);
        let fits = |held: u64| held.checked_add(wanted_bytes).filter(|&sum| sum <= budget_bytes);
        match self.held_bytes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits) {
            Ok(before) => {
                self.peak_bytes.fetch_max(before + wanted_bytes, Ordering::Relaxed);
                Ok(())
            }
            Err(held_bytes) => Err(DeviceError::Budget { wanted_bytes, held_bytes, budget_bytes }),
        }
    }
}

impl Device {
    /// Opens an adapter.
    ///
    /// # Errors
    /// [`DeviceError`] when the adapter cannot run the kernels or its driver refuses.
    pub fn open(adapter: &Adapter, options: Options) -> Result<Self, DeviceError> {
        let limits = adapter.inner.limits();
        let needs = [
            ("workgroup memory in bytes", WORKGROUP_BYTES_MIN, u64::from(limits.max_compute_workgroup_storage_size)),
            (
                "storage buffers of a kernel",
                STORAGE_BUFFERS_MIN,
                u64::from(limits.max_storage_buffers_per_shader_stage),
            ),
            ("threads of a workgroup", 256, u64::from(limits.max_compute_invocations_per_workgroup)),
        ];
        for (limit, expected, got) in needs {
            if got < expected {
                return Err(DeviceError::Unsuitable { adapter: adapter.name().to_owned(), limit, expected, got });
            }
        }
        let arithmetic =
            options.arithmetic.unwrap_or(if adapter.has_u64() { Arithmetic::U64 } else { Arithmetic::U32 });
        let mut required_features = match arithmetic {
            Arithmetic::U64 => wgpu::Features::SHADER_INT64,
            Arithmetic::U32 => wgpu::Features::empty(),
        };
        // Not every driver hands its compiled pipelines out.
        let keeps = adapter.inner.features() & wgpu::Features::PIPELINE_CACHE;
        let folder = options.pipelines.as_deref().filter(|_| !keeps.is_empty());
        if folder.is_some() {
            required_features |= keeps;
        }
        required_features |= adapter.inner.features() & wgpu::Features::TIMESTAMP_QUERY;
        let descriptor = wgpu::DeviceDescriptor {
            label: Some("sinter"),
            required_features,
            required_limits: limits.clone(),
            memory_hints: wgpu::MemoryHints::Performance,
            ..Default::default()
        };
        let opened = block_on(adapter.inner.request_device(&descriptor));
        let (device, queue) = opened
            .map_err(|error| DeviceError::Open { adapter: adapter.name().to_owned(), reason: error.to_string() })?;
        let fault = Arc::new(Mutex::new(None));
        let note = {
            let fault = Arc::clone(&fault);
            // The first fault is the cause; what follows it are consequences.
            move |error| {
                fault.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
            }
        };
        let note_lost = note.clone();
        device.set_device_lost_callback(move |reason, text| {
            note_lost(DeviceError::Lost { reason: format!("{reason:?}: {text}") });
        });
        device.on_uncaptured_error(Arc::new(move |error: wgpu::Error| {
            note(DeviceError::Refused { reason: error.to_string() });
        }));
        let memory =
            Memory { budget_bytes: options.budget_bytes, held_bytes: AtomicU64::new(0), peak_bytes: AtomicU64::new(0) };
        // Signed offsets reach no further on some drivers.
        let binding_bytes_max = limits.max_storage_buffer_binding_size.min(limits.max_buffer_size).min((1 << 31) - 4);
        let pipeline_file = folder.and_then(|folder| PipelineFile::open(&device, &adapter.inner.get_info(), folder));
        let timed = required_features.contains(wgpu::Features::TIMESTAMP_QUERY);
        let shared = Shared {
            timestamps: timed.then(|| Timestamps::new(queue.get_timestamp_period())),
            device,
            queue,
            name: adapter.name().to_owned(),
            arithmetic,
            binding_bytes_max: options
                .binding_bytes_max
                .map_or(binding_bytes_max, |bytes| bytes.min(binding_bytes_max)),
            storage_buffers: limits.max_storage_buffers_per_shader_stage,
            memory: Arc::new(memory),
            fault,
            dispatches: AtomicU64::new(0),
            sabotage: options.sabotage,
            pipelines: Mutex::default(),
            pipeline_file,
            compiled: AtomicBool::new(false),
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// The adapter's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.shared.name
    }

    /// The arithmetic of field products.
    #[must_use]
    pub fn arithmetic(&self) -> Arithmetic {
        self.shared.arithmetic
    }

    /// The most words that one binding reaches.
    #[must_use]
    pub fn binding_words_max(&self) -> u64 {
        self.shared.binding_bytes_max / 4
    }

    /// The most buffers of words that one kernel can use.
    #[must_use]
    pub fn storage_buffers(&self) -> u32 {
        self.shared.storage_buffers
    }

    /// Bytes of memory held now.
    #[must_use]
    pub fn held_bytes(&self) -> u64 {
        self.shared.memory.held_bytes.load(Ordering::Relaxed)
    }

    /// The most bytes held at once since the last call of this.
    #[must_use]
    pub fn take_peak_bytes(&self) -> u64 {
        let held = self.held_bytes();
        self.shared.memory.peak_bytes.swap(held, Ordering::Relaxed).max(held)
    }

    /// Dispatches recorded since it was opened.
    #[must_use]
    pub fn dispatches(&self) -> u64 {
        self.shared.dispatches.load(Ordering::Relaxed)
    }

    /// Destroys the device, as a reset or an unplugged card would: everything after this fails.
    pub fn destroy(&self) {
        self.shared.device.destroy();
    }

    /// Whether the device has failed, and how.
    ///
    /// # Errors
    /// The first fault that was noticed.
    pub fn check(&self) -> Result<(), DeviceError> {
        match &*self.shared.fault.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(error) => Err(error.clone()),
            None => Ok(()),
        }
    }

    /// Memory for `words` words, at least one, which are zero.
    ///
    /// # Errors
    /// [`DeviceError::Budget`] and [`DeviceError::Binding`] when there is no room for it.
    pub fn buffer(&self, words: u64) -> Result<Buffer, DeviceError> {
        let words = words.max(1);
        if words > self.binding_words_max() {
            let max_bytes = self.shared.binding_bytes_max;
            return Err(DeviceError::Binding { what: "a buffer", got_bytes: 4 * words, max_bytes });
        }
        let memory = &self.shared.memory;
        if memory.take(4 * words).is_err() {
            // What was dropped lately may still be in use by work that is about to end.
            self.wait()?;
            memory.take(4 * words)?;
        }
        let scope = self.shared.device.push_error_scope(wgpu::ErrorFilter::OutOfMemory);
        let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST;
        let descriptor = wgpu::BufferDescriptor { label: None, size: 4 * words, usage, mapped_at_creation: false };
        // From here on the buffer accounts for itself, also when it is refused.
        let inner = self.shared.device.create_buffer(&descriptor);
        let buffer = Buffer { held: Arc::new(Held { inner, words, memory: Arc::clone(memory) }) };
        if block_on(scope.pop()).is_some() {
            return Err(DeviceError::Full { wanted_bytes: 4 * words, held_bytes: self.held_bytes() - 4 * words });
        }
        self.check()?;
        Ok(buffer)
    }

    /// Memory that holds these words.
    ///
    /// # Errors
    /// As [`Device::buffer`].
    pub fn upload(&self, words: &[u32]) -> Result<Buffer, DeviceError> {
        let buffer = self.buffer(words.len() as u64)?;
        self.write(&buffer, 0, words);
        Ok(buffer)
    }

    /// Puts words into a buffer, before anything that is submitted later.
    pub fn write(&self, buffer: &Buffer, offset_words: u64, words: &[u32]) {
        self.shared.queue.write_buffer(buffer.inner(), 4 * offset_words, bytemuck::cast_slice(words));
    }

    /// The words of a range of a buffer, after everything that was submitted before.
    ///
    /// # Errors
    /// [`DeviceError`] when the device has failed or does not finish.
    pub fn download(&self, buffer: &Buffer, range: std::ops::Range<u64>) -> Result<Vec<u32>, DeviceError> {
        let bytes = 4 * (range.end - range.start);
        if bytes == 0 {
            return Ok(Vec::new());
        }
        let Shared { device, queue, .. } = &*self.shared;
        let usage = wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST;
        let staging = device.create_buffer(&wgpu::BufferDescriptor {
            label: None,
            size: bytes,
            usage,
            mapped_at_creation: false,
        });
        let mut encoder = device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        encoder.copy_buffer_to_buffer(buffer.inner(), 4 * range.start, &staging, 0, bytes);
        queue.submit([encoder.finish()]);
        let (sender, mapped) = std::sync::mpsc::channel();
        staging.map_async(wgpu::MapMode::Read, .., move |result| {
            // The receiver is gone only when the wait below has failed.
            let _ = sender.send(result);
        });
        self.wait()?;
        let answer = mapped.recv().map_err(|_| DeviceError::Lost { reason: "no answer to a read".to_owned() })?;
        answer.map_err(|error| DeviceError::Lost { reason: error.to_string() })?;
        let view = staging.get_mapped_range(..).map_err(|error| DeviceError::Lost { reason: error.to_string() })?;
        Ok(bytemuck::pod_collect_to_vec(&view))
    }

    /// Waits for everything that was submitted.
    ///
    /// # Errors
    /// [`DeviceError`] when the device has failed or does not finish.
    pub fn wait(&self) -> Result<(), DeviceError> {
        let poll = wgpu::PollType::Wait { submission_index: None, timeout: Some(TIMEOUT) };
        let polled = self.shared.device.poll(poll);
        self.check()?;
        polled.map(drop).map_err(|error| match error {
            wgpu::PollError::Timeout => DeviceError::Timeout { timeout_ms: TIMEOUT.as_millis() as u64 },
            other => DeviceError::Lost { reason: other.to_string() },
        })
    }

    /// The compiled form of a kernel, and whether that was made now, for its first use.
    fn pipeline(&self, kernel: &Kernel) -> Result<(wgpu::ComputePipeline, bool), DeviceError> {
        let key = Arc::as_ptr(kernel.identity()) as usize;
        let pipelines = || self.shared.pipelines.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, pipeline)) = pipelines().get(&key) {
            return Ok((pipeline.clone(), false));
        }
        self.check()?;
        let device = &self.shared.device;
        let scope = device.push_error_scope(wgpu::ErrorFilter::Validation);
        let source = wgpu::ShaderSource::Wgsl(kernel.text(self.shared.arithmetic).into());
        let module = device.create_shader_module(wgpu::ShaderModuleDescriptor { label: Some(kernel.label()), source });
        let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: Some(kernel.label()),
            layout: None,
            module: &module,
            entry_point: Some(kernel.entry()),
            compilation_options: wgpu::PipelineCompilationOptions {
                constants: kernel.constants(),
                zero_initialize_workgroup_memory: false,
            },
            cache: self.shared.pipeline_file.as_ref().map(PipelineFile::cache),
        });
        if let Some(error) = block_on(scope.pop()) {
            return Err(DeviceError::Refused { reason: format!("kernel {}: {error}", kernel.label()) });
        }
        let mut pipelines = pipelines();
        // Kernels of circuits that nobody proves any more.
        pipelines.retain(|_, (kernel, _)| kernel.strong_count() > 0);
        pipelines.insert(key, (Arc::downgrade(kernel.identity()), pipeline.clone()));
        drop(pipelines);
        self.shared.compiled.store(true, Ordering::Relaxed);
        Ok((pipeline, true))
    }

    /// How many compiled kernels are held.
    #[must_use]
    pub fn compiled(&self) -> usize {
        self.shared.pipelines.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Has dispatches that are recorded from now on timed by the device's own clock, or not any more. Returns whether it has a clock.
    pub fn time_dispatches(&self, timed: bool) -> bool {
        self.shared.timestamps.as_ref().is_some_and(|timestamps| timestamps.turn(timed))
    }

    /// The time that each family of kernels took on the device since the last call of this, after all that was submitted is done: of
    /// dispatches that were timed. None if the device has no clock.
    ///
    /// # Errors
    /// [`DeviceError`] when the device has failed or does not finish.
    pub fn take_times(&self) -> Result<Option<KernelTimes>, DeviceError> {
        self.shared.timestamps.as_ref().map(|timestamps| timestamps.take(self)).transpose()
    }

    /// Puts what was compiled since the last call of this on disk, if there is a folder for it. What cannot be written is a warning.
    pub fn keep_pipelines(&self) {
        if let Some(file) = &self.shared.pipeline_file
            && self.shared.compiled.swap(false, Ordering::Relaxed)
        {
            file.save();
        }
    }

    /// Starts a list of dispatches.
    #[must_use]
    pub fn record(&self) -> Recorder<'_> {
        Recorder { device: self, batch: None, fresh: 0 }
    }
}

/// Bytes that the parameters of one dispatch take: the alignment that every adapter accepts.
const PARAMS_BYTES: u64 = 256;
/// Words of parameters that a dispatch can have.
const PARAMS_WORDS: usize = 16;
/// Dispatches that are submitted at once.
const BATCH: u64 = 128;
/// Kernels in their first use that are waited for together: some drivers compile them only then, for seconds each.
const FRESH: u32 = 16;

/// A list of dispatches, run in order. It is submitted when it is long enough and when it is dropped or [`Recorder::submit`]ted.
#[derive(Debug)]
pub struct Recorder<'a> {
    device: &'a Device,
    batch: Option<Batch>,
    /// Kernels that were used for the first time since it last waited.
    fresh: u32,
}

#[derive(Debug)]
struct Batch {
    encoder: wgpu::CommandEncoder,
    params: wgpu::Buffer,
    words: Vec<u32>,
    stamps: Option<Stamps>,
    /// What its work uses: it counts as held until that is done.
    uses: Vec<Arc<Held>>,
}

/// Workgroups in each dimension.
pub type Grid = [u32; 3];

/// The grid of one thread for each of `count` items, folded where a dimension would be too long.
#[must_use]
pub const fn threads(count: u64) -> Grid {
    let groups = count.div_ceil(256);
    if groups <= 65535 { [groups as u32, 1, 1] } else { [32768, groups.div_ceil(32768) as u32, 1] }
}

impl Recorder<'_> {
    /// Adds a dispatch: the kernel, its buffers with their binding numbers, its parameters, its workgroups.
    ///
    /// # Errors
    /// [`DeviceError`] when the driver refuses the kernel.
    pub fn dispatch(
        &mut self,
        kernel: &Kernel,
        buffers: &[(u32, &Buffer)],
        params: &[u32],
        grid: Grid,
    ) -> Result<(), DeviceError> {
        debug_assert!(params.len() <= PARAMS_WORDS, "{} words of parameters", params.len());
        if grid.contains(&0) {
            return Ok(());
        }
        let number = self.device.shared.dispatches.fetch_add(1, Ordering::Relaxed);
        let sabotage = self.device.shared.sabotage;
        if sabotage == Some(Sabotage::Lose(number)) {
            self.device.destroy();
        }
        let (pipeline, fresh) = self.device.pipeline(kernel)?;
        let Shared { device, .. } = &*self.device.shared;
        let batch = self.batch();
        let offset = 4 * batch.words.len() as u64;
        batch.words.extend_from_slice(params);
        batch.words.resize((offset + PARAMS_BYTES) as usize / 4, 0);
        let uniform = wgpu::BufferBinding {
            buffer: &batch.params,
            offset,
            size: std::num::NonZero::new(4 * PARAMS_WORDS as u64),
        };
        let mut entries = vec![wgpu::BindGroupEntry { binding: 0, resource: wgpu::BindingResource::Buffer(uniform) }];
        entries.extend(
            buffers.iter().map(|&(binding, buffer)| wgpu::BindGroupEntry {
                binding,
                resource: buffer.inner().as_entire_binding(),
            }),
        );
        let layout = pipeline.get_bind_group_layout(0);
        let group =
            device.create_bind_group(&wgpu::BindGroupDescriptor { label: None, layout: &layout, entries: &entries });
        let timestamp_writes = batch.stamps.as_mut().map(|stamps| stamps.next(kernel));
        let descriptor = wgpu::ComputePassDescriptor { label: None, timestamp_writes };
        let mut pass = batch.encoder.begin_compute_pass(&descriptor);
        pass.set_pipeline(&pipeline);
        pass.set_bind_group(0, &group, &[]);
        pass.dispatch_workgroups(grid[0], grid[1], grid[2]);
        drop(pass);
        batch.uses.extend(buffers.iter().map(|(_, buffer)| Arc::clone(&buffer.held)));
        if let (Some(Sabotage::Corrupt(at)), Some((_, buffer))) = (sabotage, buffers.last())
            && at == number
        {
            batch.encoder.copy_buffer_to_buffer(&batch.params, offset, buffer.inner(), 0, 4);
        }
        if batch.words.len() as u64 * 4 == BATCH * PARAMS_BYTES {
            self.flush();
        }
        self.fresh += u32::from(fresh);
        if self.fresh >= FRESH {
            self.fresh = 0;
            self.settle()?;
        }
        Ok(())
    }

    /// What waits to be submitted.
    fn batch(&mut self) -> &mut Batch {
        let Shared { device, timestamps, .. } = &*self.device.shared;
        self.batch.get_or_insert_with(|| Batch {
            stamps: timestamps.as_ref().filter(|timestamps| timestamps.on()).map(|_| Stamps::new(device, BATCH as u32)),
            encoder: device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default()),
            params: device.create_buffer(&wgpu::BufferDescriptor {
                label: None,
                size: BATCH * PARAMS_BYTES,
                usage: wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST,
                mapped_at_creation: false,
            }),
            words: Vec::new(),
            uses: Vec::new(),
        })
    }

    /// Adds a copy of all words of one buffer to another of the same length.
    pub fn copy(&mut self, from: &Buffer, to: &Buffer) {
        debug_assert_eq!(from.words(), to.words(), "buffers of the same length");
        // A copy comes after the dispatches before it, which wait in the encoder.
        let batch = self.batch();
        batch.encoder.copy_buffer_to_buffer(from.inner(), 0, to.inner(), 0, 4 * from.words());
        batch.uses.extend([Arc::clone(&from.held), Arc::clone(&to.held)]);
    }

    fn flush(&mut self) {
        if let Some(Batch { mut encoder, params, words, stamps, uses }) = self.batch.take() {
            let Shared { device, queue, timestamps, .. } = &*self.device.shared;
            queue.write_buffer(&params, 0, bytemuck::cast_slice(&words));
            let resolved = stamps.map(|stamps| stamps.resolve(device, &mut encoder));
            queue.submit([encoder.finish()]);
            // Not before it is submitted: whoever reads timestamps maps what they are copied to.
            if let (Some(timestamps), Some(resolved)) = (timestamps, resolved) {
                timestamps.note(resolved);
            }
            queue.on_submitted_work_done(move || drop(uses));
        }
    }

    /// Sends what was recorded on its way and waits until it is done, so that what it used and nobody holds is free again.
    ///
    /// # Errors
    /// [`DeviceError`] when the device has failed or does not finish.
    pub fn settle(&mut self) -> Result<(), DeviceError> {
        self.flush();
        self.device.wait()
    }

    /// Sends what was recorded on its way.
    ///
    /// # Errors
    /// A fault that the device has had by now.
    pub fn submit(mut self) -> Result<(), DeviceError> {
        self.flush();
        self.device.check()
    }
}

impl Drop for Recorder<'_> {
    fn drop(&mut self) {
        self.flush();
    }
}
