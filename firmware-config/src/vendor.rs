//! How a vendor spells the settings: `vendors/*.toml`.

use crate::{
    error::FirmwareError,
    model::{Key, Raw, Switch},
};
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

/// The name of the map with nothing but what Redfish itself defines, for machines that no other map claims.
pub const STANDARD: &str = "standard";

/// A vendor's map.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct VendorMap {
    /// Its name: that of its file.
    pub name: String,
    /// Where the spellings come from, and for which machines.
    pub about: String,
    /// What such a machine calls its manufacturer, in any case.
    pub manufacturers: Vec<String>,
    /// What the service root of its BMC may call the vendor, besides; BMCs are often another company's.
    #[serde(default)]
    pub service_vendors: Vec<String>,
    /// Whether a change has to say that it is for the next reset. A BMC that says which times it supports is believed instead.
    #[serde(default)]
    pub say_on_reset: bool,
    /// Whether names end in `_` and four hex digits, which differ from board to board.
    #[serde(default)]
    pub numbered_names: bool,
    /// The settings.
    #[serde(default)]
    pub settings: BTreeMap<Key, Spelling>,
    /// Settings that there is no way to, with the reason.
    #[serde(default)]
    pub unsupported: BTreeMap<Key, String>,
}

/// How one setting is reached.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(untagged)]
pub enum Spelling {
    /// As a BIOS attribute.
    Attribute(Attribute),
    /// As a resource that Redfish defines.
    Standard(StandardResource),
}

/// A BIOS attribute.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Attribute {
    /// Its names, one for each generation of machines. The first one that a machine has is the setting.
    pub attributes: Vec<String>,
    /// What means on. Each of them counts as on; the first one that the machine knows is what is written.
    pub on: Vec<Raw>,
    /// What means off.
    pub off: Vec<Raw>,
}

impl Attribute {
    /// The spellings of a switch.
    #[must_use]
    pub fn values(&self, switch: Switch) -> &[Raw] {
        match switch {
            Switch::On => &self.on,
            Switch::Off => &self.off,
        }
    }
}

/// A setting that is no attribute.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct StandardResource {
    /// Which.
    pub standard: Standard,
}

/// The resources of Redfish that hold a setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Standard {
    /// `SecureBootEnable` of the system's `SecureBoot`.
    SecureBoot,
    /// `LimitInWatts` of the chassis' `Power`.
    PowerLimit,
}

impl VendorMap {
    /// A map from the text of `file`.
    ///
    /// # Errors
    /// When it is not one, or when a key is neither spelled nor said to be unsupported.
    pub fn parse(file: &Path, text: &str) -> Result<Self, FirmwareError> {
        let located = |reason: String| FirmwareError::invalid(file.display().to_string(), reason);
        let map: Self = toml::from_str(text).map_err(|error| located(error.to_string().trim().to_owned()))?;
        for key in Key::ALL {
            match (map.settings.get(&key), map.unsupported.get(&key)) {
                (Some(_), Some(_)) => {
                    return Err(located(format!("{key}: expected a spelling or a reason, got both")));
                }
                (None, None) => {
                    return Err(located(format!("{key}: expected a spelling, or in [unsupported] why there is none")));
                }
                (Some(spelling), None) => spelling.check(key).map_err(located)?,
                (None, Some(_)) => {}
            }
        }
        Ok(map)
    }

    /// Whether a machine with this manufacturer is the map's.
    #[must_use]
    pub fn claims(&self, manufacturer: &str) -> bool {
        names(&self.manufacturers, manufacturer)
    }

    /// Whether a service root with this vendor can be that of the map's machines.
    #[must_use]
    pub fn claims_service(&self, vendor: &str) -> bool {
        names(&self.service_vendors, vendor) || self.claims(vendor)
    }

    /// Whether a machine's attribute is the one that the map calls `wanted`.
    #[must_use]
    pub fn is_named(&self, attribute: &str, wanted: &str) -> bool {
        if attribute == wanted {
            return true;
        }
        let number = attribute.strip_prefix(wanted).and_then(|rest| rest.strip_prefix('_'));
        self.numbered_names
            && number.is_some_and(|number| number.len() == 4 && number.bytes().all(|digit| digit.is_ascii_hexdigit()))
    }
}

fn names(known: &[String], name: &str) -> bool {
    known.iter().any(|known| known.eq_ignore_ascii_case(name.trim()))
}

impl Spelling {
    /// Whether it makes sense for a key.
    fn check(&self, key: Key) -> Result<(), String> {
        match self {
            Self::Standard(resource) => {
                let of = match resource.standard {
                    Standard::SecureBoot => Key::SecureBoot,
                    Standard::PowerLimit => Key::PowerCapWatts,
                };
                if of == key { Ok(()) } else { Err(format!("{key}: this standard resource is that of {of}")) }
            }
            Self::Attribute(_) if key == Key::PowerCapWatts => {
                Err(format!("{key}: expected standard = \"power-limit\", got an attribute with on and off"))
            }
            Self::Attribute(attribute) => {
                if attribute.attributes.is_empty() || attribute.on.is_empty() || attribute.off.is_empty() {
                    return Err(format!("{key}: expected at least one name, one value for on, and one for off"));
                }
                let on: BTreeSet<_> = attribute.on.iter().map(ToString::to_string).collect();
                match attribute.off.iter().find(|off| on.contains(&off.to_string())) {
                    Some(both) => Err(format!("{key}: {both} means on and off")),
                    None => Ok(()),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn with(line: &str) -> Result<VendorMap, FirmwareError> {
        let rest = Key::ALL.iter().filter(|key| **key != Key::Smt).map(|key| format!("{key} = \"no\"\n"));
        let rest: String = rest.collect();
        let head = "name = \"m\"\nabout = \"\"\nmanufacturers = [\"M\"]\nnumbered_names = true\n";
        VendorMap::parse("m.toml".as_ref(), &format!("{head}{line}\n[unsupported]\n{rest}"))
    }

    #[test]
    fn a_map_has_to_say_something_of_every_key() {
        let error = with("").unwrap_err().to_string();
        assert!(error.contains("smt: expected a spelling, or in [unsupported] why there is none"), "{error}");
    }

    #[test]
    fn a_value_cannot_mean_both() {
        let line = "[settings]\nsmt = { attributes = [\"A\"], on = [\"X\"], off = [\"Y\", \"X\"] }";
        assert!(with(line).unwrap_err().to_string().contains("smt: X means on and off"));
    }

    #[test]
    fn names_may_be_numbered() {
        let map = with("[settings]\nsmt = { attributes = [\"A\"], on = [\"X\"], off = [true] }").unwrap();
        assert!(map.is_named("SMTControl", "SMTControl") && map.is_named("SMTControl_0037", "SMTControl"));
        assert!(!map.is_named("SMTControl_00373", "SMTControl") && !map.is_named("SMTControlX_0037", "SMTControl"));
        assert!(map.claims(" m ") && !map.claims("mm"));
    }
}
