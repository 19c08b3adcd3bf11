//! What is wanted of a machine, whoever made it: `profiles/*.toml`.

use crate::{
    error::FirmwareError,
    model::{Key, Switch, Want},
};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

/// Longest file that is read: profiles and maps are a page.
pub(crate) const FILE_BYTES_MAX: u64 = 256 << 10;

/// A profile.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// Its name: that of its file.
    pub name: String,
    /// For whom it is.
    pub about: String,
    /// The map of the only vendor whose machines it fits; without one it fits all.
    #[serde(default)]
    pub vendor: Option<String>,
    /// A profile whose settings count where this one says nothing.
    #[serde(default)]
    pub extends: Option<String>,
    /// What is wanted.
    #[serde(default)]
    pub settings: BTreeMap<Key, Setting>,
    /// The oldest firmware that will do.
    #[serde(default)]
    pub minimum_versions: MinimumVersions,
    /// Certificates that the firmware has to trust, so that what they signed boots.
    #[serde(default)]
    pub certificates: Vec<WantedCertificate>,
    /// What is wanted of each GPU.
    #[serde(default)]
    pub gpu: GpuSettings,
    /// The oldest firmware of devices, which fwupd knows.
    #[serde(default)]
    pub fwupd: Vec<FwupdMinimum>,
}

/// What is wanted of one setting.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Setting {
    /// `on` or `off`; watts for the power cap.
    pub want: Want,
    /// Why, for whoever reads the plan.
    pub why: String,
    /// Whether a machine that cannot do it is refused. Otherwise that is said, and nothing more.
    #[serde(default = "yes")]
    pub required: bool,
}

fn yes() -> bool {
    true
}

/// The oldest firmware that will do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct MinimumVersions {
    /// The BIOS, such as `2.14.2`.
    #[serde(default)]
    pub bios: Option<String>,
    /// The BMC.
    #[serde(default)]
    pub bmc: Option<String>,
}

/// A database of the firmware's Secure Boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum Database {
    /// Who may sign what boots.
    #[serde(rename = "db")]
    Db,
    /// Who may change `db`.
    #[serde(rename = "KEK")]
    Kek,
}

impl Database {
    /// Its name in Redfish.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Db => "db",
            Self::Kek => "KEK",
        }
    }
}

/// A certificate that the firmware has to trust.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct WantedCertificate {
    /// Where it belongs.
    pub database: Database,
    /// A PEM file with one certificate, relative to the profile's.
    pub file: PathBuf,
    /// Why.
    pub why: String,
}

/// What is wanted of each GPU. What is not said is left as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct GpuSettings {
    /// The driver stays loaded while nobody uses the GPU, so that a proof does not wait for it.
    #[serde(default)]
    pub persistence: Option<Switch>,
    /// What a GPU may draw.
    #[serde(default)]
    pub power_limit_watts: Option<u32>,
    /// Memory errors are corrected, and said.
    #[serde(default)]
    pub ecc: Option<Switch>,
}

/// The oldest firmware of a device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct FwupdMinimum {
    /// One of the device's GUIDs: `fwupdmgr get-devices`.
    pub guid: String,
    /// What it is, for whoever reads.
    pub about: String,
    /// The oldest version that will do.
    pub minimum: String,
}

impl Profile {
    /// A profile from the text of `file`.
    ///
    /// # Errors
    /// When it is not one.
    pub fn parse(file: &Path, text: &str) -> Result<Self, FirmwareError> {
        let located = |reason: String| FirmwareError::invalid(file.display().to_string(), reason);
        let mut profile: Self = toml::from_str(text).map_err(|error| located(error.to_string().trim().to_owned()))?;
        for (key, setting) in &profile.settings {
            let is_watts = matches!(setting.want, Want::Watts(_));
            if is_watts != (*key == Key::PowerCapWatts) {
                let expected = if is_watts { "\"on\" or \"off\"" } else { "a number of watts" };
                return Err(located(format!("settings.{key}.want: expected {expected}, got {}", setting.want)));
            }
            if let Want::Watts(watts @ (0..50 | 20_001..)) = setting.want {
                return Err(located(format!("settings.{key}.want: expected 50 to 20000 watts, got {watts}")));
            }
        }
        for minimum in [&profile.minimum_versions.bios, &profile.minimum_versions.bmc].into_iter().flatten() {
            if version_in(minimum).is_none() {
                return Err(located(format!("minimum_versions: expected numbers with dots, got {minimum:?}")));
            }
        }
        for minimum in &profile.fwupd {
            if version_in(&minimum.minimum).is_none() {
                return Err(located(format!("fwupd: expected numbers with dots, got {:?}", minimum.minimum)));
            }
        }
        let folder = file.parent().unwrap_or(Path::new("."));
        for certificate in &mut profile.certificates {
            certificate.file = folder.join(&certificate.file);
        }
        Ok(profile)
    }

    /// Takes what it says nothing about from the profile that it extends.
    pub(crate) fn extend(&mut self, base: Self) {
        for (key, setting) in base.settings {
            self.settings.entry(key).or_insert(setting);
        }
        let versions = &mut self.minimum_versions;
        versions.bios = versions.bios.take().or(base.minimum_versions.bios);
        versions.bmc = versions.bmc.take().or(base.minimum_versions.bmc);
        self.certificates.extend(base.certificates);
        self.gpu.persistence = self.gpu.persistence.or(base.gpu.persistence);
        self.gpu.power_limit_watts = self.gpu.power_limit_watts.or(base.gpu.power_limit_watts);
        self.gpu.ecc = self.gpu.ecc.or(base.gpu.ecc);
        self.fwupd.extend(base.fwupd);
    }
}

/// The numbers of a version: those of the first word that consists of numbers and dots, after a `v` that may stand before it.
/// `H11 v1.11 (03/07/2024)` is 1.11. None when there is no such word, or a number that no version has.
#[must_use]
pub fn version_in(text: &str) -> Option<Vec<u64>> {
    let words = text.split(|c: char| c.is_whitespace() || ['(', ')', '_', '/'].contains(&c));
    words.filter_map(|word| numbers(word.trim_start_matches(['v', 'V']))).find(|numbers| numbers.len() > 1)
}

fn numbers(word: &str) -> Option<Vec<u64>> {
    word.split('.').map(|part| part.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn versions_are_numbers_wherever_they_stand() {
        assert_eq!(version_in("2.14.2"), Some(vec![2, 14, 2]));
        assert_eq!(version_in("H11 v1.11 (03/07/2024)"), Some(vec![1, 11]));
        assert_eq!(version_in("U30"), None);
        assert_eq!(version_in("F04b"), None);
        assert_eq!(version_in("1.99999999999999999999"), None);
        assert!(version_in("2.9.0") < version_in("2.14.2"), "numbers, not letters");
    }

    #[test]
    fn wrong_kinds_and_numbers_are_refused() {
        let refused = |text: &str| Profile::parse("p.toml".as_ref(), text).unwrap_err().to_string();
        let head = "name = \"p\"\nabout = \"\"\n";
        let watts = refused(&format!("{head}[settings.smt]\nwant = 5\nwhy = \"\""));
        assert!(watts.contains("settings.smt.want: expected \"on\" or \"off\", got 5 W"), "{watts}");
        let switch = refused(&format!("{head}[settings.power_cap_watts]\nwant = \"on\"\nwhy = \"\""));
        assert!(switch.contains("expected a number of watts, got on"), "{switch}");
        let none = refused(&format!("{head}[settings.power_cap_watts]\nwant = 0\nwhy = \"\""));
        assert!(none.contains("expected 50 to 20000 watts, got 0"), "{none}");
        let unknown = refused(&format!("{head}[settings.hyperthreads]\nwant = \"on\"\nwhy = \"\""));
        assert!(unknown.contains("hyperthreads"), "{unknown}");
        let version = refused(&format!("{head}[minimum_versions]\nbios = \"new\""));
        assert!(version.contains("expected numbers with dots, got \"new\""), "{version}");
    }
}
