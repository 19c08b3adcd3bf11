//! How long dispatches took, by the device's own clock: two timestamps around each, read when somebody asks.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::device::Device;
use crate::error::DeviceError;
use crate::kernel::Kernel;

/// Bytes of one timestamp.
const STAMP_BYTES: u64 = 8;

/// What the dispatches of one family of kernels took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KernelTime {
    /// How many there were.
    pub dispatches: u64,
    /// All of them together, on the device.
    pub time: Duration,
}

/// By family of kernels.
pub type KernelTimes = BTreeMap<&'static str, KernelTime>;

/// What a device keeps of timestamps that nobody has read yet: a few kilobytes for every hundred dispatches.
#[derive(Debug)]
pub(crate) struct Timestamps {
    on: AtomicBool,
    nanoseconds_per_tick: f64,
    pending: Mutex<Vec<Resolved>>,
}

/// The timestamps of dispatches that are being recorded.
#[derive(Debug)]
pub(crate) struct Stamps {
    queries: wgpu::QuerySet,
    families: Vec<&'static str>,
}

/// The timestamps of dispatches on their way to the host.
#[derive(Debug)]
pub(crate) struct Resolved {
    buffer: wgpu::Buffer,
    families: Vec<&'static str>,
}

impl Stamps {
    /// Room for this many dispatches.
    pub(crate) fn new(device: &wgpu::Device, dispatches: u32) -> Self {
        let descriptor =
            wgpu::QuerySetDescriptor { label: None, ty: wgpu::QueryType::Timestamp, count: 2 * dispatches };
        Self { queries: device.create_query_set(&descriptor), families: Vec::new() }
    }

    /// The timestamps of the next dispatch.
    pub(crate) fn next(&mut self, kernel: &Kernel) -> wgpu::ComputePassTimestampWrites<'_> {
        let first = 2 * self.families.len() as u32;
        self.families.push(kernel.family());
        wgpu::ComputePassTimestampWrites {
            query_set: &self.queries,
            beginning_of_pass_write_index: Some(first),
            end_of_pass_write_index: Some(first + 1),
        }
    }

    /// Has the timestamps brought to the host, after the dispatches.
    pub(crate) fn resolve(self, device: &wgpu::Device, encoder: &mut wgpu::CommandEncoder) -> Resolved {
        let size = 2 * STAMP_BYTES * self.families.len().max(1) as u64;
        let buffer = |usage| {
            device.create_buffer(&wgpu::BufferDescriptor { label: None, size, usage, mapped_at_creation: false })
        };
        let resolved = buffer(wgpu::BufferUsages::QUERY_RESOLVE | wgpu::BufferUsages::COPY_SRC);
        let staging = buffer(wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST);
        if !self.families.is_empty() {
            encoder.resolve_query_set(&self.queries, 0..2 * self.families.len() as u32, &resolved, 0);
            encoder.copy_buffer_to_buffer(&resolved, 0, &staging, 0, size);
        }
        Resolved { buffer: staging, families: self.families }
    }
}

impl Timestamps {
    pub(crate) fn new(nanoseconds_per_tick: f32) -> Self {
        Self {
            on: AtomicBool::new(false),
            nanoseconds_per_tick: nanoseconds_per_tick.into(),
            pending: Mutex::default(),
        }
    }

    /// Whether dispatches are timed.
    pub(crate) fn on(&self) -> bool {
        self.on.load(Ordering::Relaxed)
    }

    /// Times dispatches from now on, or does not. True: there is a clock.
    pub(crate) fn turn(&self, on: bool) -> bool {
        self.on.store(on, Ordering::Relaxed);
        true
    }

    /// Keeps timestamps until they are asked for.
    pub(crate) fn note(&self, resolved: Resolved) {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner).push(resolved);
    }

    /// Reads and forgets what there is.
    pub(crate) fn take(&self, device: &Device) -> Result<KernelTimes, DeviceError> {
        let pending = std::mem::take(&mut *self.pending.lock().unwrap_or_else(PoisonError::into_inner));
        for resolved in &pending {
            // Whether it was mapped shows below.
            resolved.buffer.map_async(wgpu::MapMode::Read, .., drop);
        }
        device.wait()?;
        let mut times = KernelTimes::new();
        for Resolved { buffer, families } in &pending {
            let view = buffer.get_mapped_range(..).map_err(|error| DeviceError::Lost { reason: error.to_string() })?;
            let stamps: Vec<u64> = bytemuck::pod_collect_to_vec(&view);
            for (family, stamps) in families.iter().zip(stamps.as_chunks::<2>().0) {
                let [begin, end] = *stamps;
                // Some clocks are reset between passes: such a dispatch counts as none.
                let nanoseconds = end.saturating_sub(begin) as f64 * self.nanoseconds_per_tick;
                let entry = times.entry(*family).or_default();
                entry.dispatches += 1;
                entry.time += Duration::from_nanos(nanoseconds as u64);
            }
        }
        Ok(times)
    }
}
