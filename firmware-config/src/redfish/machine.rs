//! What a BMC knows of a machine: everything that a plan looks at, read once.

use crate::{catalog::Maker, model::Raw, profile::Database};
use std::collections::{BTreeMap, BTreeSet};

/// A machine, at one time.
#[derive(Clone, Debug)]
pub struct Machine {
    /// Who made it.
    pub maker: Maker,
    /// The model.
    pub model: String,
    /// The system's path.
    pub path: String,
    /// The system's id.
    pub id: String,
    /// What no other machine has.
    pub uuid: Option<String>,
    /// The BIOS' version.
    pub bios_version: Option<String>,
    /// The BMC's version.
    pub bmc_version: Option<String>,
    /// The BIOS' attributes, where the BMC shows them.
    pub bios: Option<Bios>,
    /// Secure Boot, where the BMC shows it.
    pub secure_boot: Option<SecureBoot>,
    /// What the machine may draw, where the BMC shows it.
    pub power: Option<Power>,
    /// How it can be reset, and where.
    pub reset: Option<Reset>,
}

/// The BIOS' attributes.
#[derive(Clone, Debug, Default)]
pub struct Bios {
    /// Their resource's path.
    pub path: String,
    /// Where changes are written: the settings object, or the resource itself.
    pub settings_path: String,
    /// The settings' version.
    pub etag: Option<String>,
    /// When changes can come into force, where the BMC says so.
    pub apply_times: Option<BTreeSet<String>>,
    /// What is in force.
    pub attributes: BTreeMap<String, Raw>,
    /// What was asked for, and will be in force after a reset. Some BMCs have here only what changes.
    pub pending: BTreeMap<String, Raw>,
    /// What each attribute can be, where the BMC has its registry.
    pub registry: Option<BTreeMap<String, RegistryEntry>>,
}

impl Bios {
    /// What an attribute will be after a reset.
    #[must_use]
    pub fn after_reset(&self, attribute: &str) -> Option<&Raw> {
        self.pending.get(attribute).or_else(|| self.attributes.get(attribute))
    }
}

/// What an attribute can be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RegistryEntry {
    /// Nobody can change it.
    pub read_only: bool,
    /// The words that it can be; none for a number or a switch.
    pub values: Option<BTreeSet<String>>,
}

impl RegistryEntry {
    /// Whether it can be `value`.
    #[must_use]
    pub fn allows(&self, value: &Raw) -> bool {
        match (&self.values, value) {
            (Some(values), Raw::Text(text)) => values.contains(text),
            (Some(_), _) => false,
            (None, _) => true,
        }
    }
}

/// Secure Boot.
#[derive(Clone, Debug, Default)]
pub struct SecureBoot {
    /// Its path.
    pub path: String,
    /// Its version.
    pub etag: Option<String>,
    /// Whether it is on after the next reset.
    pub enabled: Option<bool>,
    /// Whether the machine booted with it: null where it is not known.
    pub in_force: Option<bool>,
    /// `UserMode`, `SetupMode` and the like.
    pub mode: Option<String>,
    /// The databases whose certificates can be read.
    pub databases: Vec<CertificateDatabase>,
}

/// The certificates of a database.
#[derive(Clone, Debug)]
pub struct CertificateDatabase {
    /// Which.
    pub database: Database,
    /// Its collection's path.
    pub path: String,
    /// Each certificate's fingerprint, and where it is.
    pub certificates: BTreeMap<String, String>,
    /// Certificates that are there and could not be read.
    pub unreadable: usize,
}

/// What a machine may draw.
#[derive(Clone, Debug)]
pub struct Power {
    /// The resource's path.
    pub path: String,
    /// Its version.
    pub etag: Option<String>,
    /// The limit; none where there is no limit.
    pub limit_watts: Option<u32>,
    /// How many parts `PowerControl` has. The first one is the machine's; a change that left the others out would remove them.
    pub parts: usize,
}

/// How a machine can be reset.
#[derive(Clone, Debug)]
pub struct Reset {
    /// Where to.
    pub target: String,
    /// The types that the BMC names; empty where it names none.
    pub types: BTreeSet<String>,
}

impl Machine {
    /// The machine in one line.
    #[must_use]
    pub fn title(&self) -> String {
        let name = crate::model::printable(&format!("{} {}", self.maker.manufacturer, self.model));
        format!("{}, system {}", name.trim(), crate::model::printable(&self.id))
    }

    /// What tells the machine from others: its UUID, or the system's path where it has none.
    #[must_use]
    pub fn identity(&self) -> &str {
        self.uuid.as_deref().unwrap_or(&self.path)
    }
}
