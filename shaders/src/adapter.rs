//! Which adapters there are, and which one is meant.

use futures::executor::block_on;

use crate::error::DeviceError;

/// What an adapter is, best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A card with memory of its own.
    Discrete,
    /// A part of the processor's package.
    Integrated,
    /// A GPU that a hypervisor lends.
    Virtual,
    /// Something that the driver does not name.
    Other,
    /// A program that plays GPU on the processor. Slower than the CPU prover, and never chosen for speed.
    Software,
}

/// One adapter and what it offers.
#[derive(Clone, Debug)]
pub struct Adapter {
    pub(crate) inner: wgpu::Adapter,
    info: wgpu::AdapterInfo,
}

/// Which adapter is meant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Choice {
    /// The best that is no software driver.
    #[default]
    Hardware,
    /// The first whose name contains this, in any case of letters; a software driver too.
    Named(String),
    /// The best of all, a software driver if there is nothing else: for tests.
    Any,
}

impl Adapter {
    /// All adapters, the best first; of equals, in the drivers' order.
    #[must_use]
    pub fn all() -> Vec<Self> {
        let backends = wgpu::Backends::VULKAN | wgpu::Backends::METAL | wgpu::Backends::DX12;
        let descriptor =
            wgpu::InstanceDescriptor { backends, ..wgpu::InstanceDescriptor::new_without_display_handle() };
        let found = block_on(wgpu::Instance::new(descriptor).enumerate_adapters(backends));
        let mut adapters: Vec<Self> = found.into_iter().map(|inner| Self { info: inner.get_info(), inner }).collect();
        adapters.sort_by_key(Self::kind);
        adapters
    }

    /// The adapter that is meant.
    ///
    /// # Errors
    /// [`DeviceError::NoAdapter`] with the names of those that there are.
    pub fn choose(choice: &Choice) -> Result<Self, DeviceError> {
        let all = Self::all();
        let found = all.iter().map(|adapter| format!("{} ({:?})", adapter.name(), adapter.kind())).collect();
        let (wanted, chosen) = match choice {
            Choice::Hardware => {
                ("of hardware".to_owned(), all.into_iter().find(|adapter| adapter.kind() != Kind::Software))
            }
            Choice::Named(name) => {
                let lower = name.to_lowercase();
                (
                    format!("named {name}"),
                    all.into_iter().find(|adapter| adapter.name().to_lowercase().contains(&lower)),
                )
            }
            Choice::Any => ("of any kind".to_owned(), all.into_iter().next()),
        };
        chosen.ok_or(DeviceError::NoAdapter { wanted, found })
    }

    /// The adapter's name, as its driver gives it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.info.name
    }

    /// The driver's name and version.
    #[must_use]
    pub fn driver(&self) -> String {
        format!("{} {}", self.info.driver, self.info.driver_info).trim().to_owned()
    }

    /// The graphics interface that it is reached through.
    #[must_use]
    pub fn backend(&self) -> String {
        self.info.backend.to_string()
    }

    /// What it is.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        match self.info.device_type {
            wgpu::DeviceType::DiscreteGpu => Kind::Discrete,
            wgpu::DeviceType::IntegratedGpu => Kind::Integrated,
            wgpu::DeviceType::VirtualGpu => Kind::Virtual,
            wgpu::DeviceType::Cpu => Kind::Software,
            wgpu::DeviceType::Other => Kind::Other,
        }
    }

    /// Whether it has 64-bit integers.
    #[must_use]
    pub fn has_u64(&self) -> bool {
        self.inner.features().contains(wgpu::Features::SHADER_INT64)
    }

    /// The most bytes that one binding reaches.
    #[must_use]
    pub fn binding_bytes_max(&self) -> u64 {
        self.inner.limits().max_storage_buffer_binding_size
    }

    /// The most bytes of one buffer.
    #[must_use]
    pub fn buffer_bytes_max(&self) -> u64 {
        self.inner.limits().max_buffer_size
    }

    /// Bytes of memory that a workgroup shares.
    #[must_use]
    pub fn workgroup_bytes(&self) -> u32 {
        self.inner.limits().max_compute_workgroup_storage_size
    }
}
